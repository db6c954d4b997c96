"""Objects that look like pods' logs and that no workflow of the lake names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from kubectl_argo_archive.argo.log_keys import ENDINGS
from kubectl_argo_archive.errors import ArgoArchiveError
from kubectl_argo_archive.lake.datafiles import DataFiles
from kubectl_argo_archive.logs.survey import Stores
from kubectl_argo_archive.logs.workspace import Workspace
from kubectl_argo_archive.storage.objects import Place
from kubectl_argo_archive.tables.log_schema import LOG_ORPHANS
from kubectl_argo_archive.tables.spec import INT, TEXT, TIME

_LISTED = pa.schema([("kind", TEXT), ("endpoint", TEXT), ("bucket", TEXT), ("key", TEXT), ("size", INT),
                     ("modified_at", TIME)])  # fmt: skip
_NAMED = """
SELECT kind, endpoint, bucket, key FROM wanted_objects UNION SELECT kind, endpoint, bucket, key FROM claims
UNION SELECT kind, endpoint, bucket, key FROM log_objects"""


def write_orphans(space: Workspace, stores: Stores, files: DataFiles, index_id: str) -> int:
    """List the buckets that workflows name, and write what is left over to ``log_orphans``; return how many.

    Objects younger than the last export belong to workflows that the lake does not know yet, so they do not count.
    """
    space.make("listed", _LISTED)
    for bucket in list(space.rows(f"SELECT kind, endpoint, bucket FROM ({_NAMED}) WHERE bucket <> '' GROUP BY ALL")):
        place = Place(bucket["kind"], bucket["bucket"], bucket["endpoint"])
        try:
            space.insert("listed", _logs(place, stores), _LISTED)
        except ArgoArchiveError as error:
            stores.problems[place] = error
    found = space.rows(
        f"""SELECT l.* EXCLUDE (endpoint) FROM listed l
        ANTI JOIN ({_NAMED}) n USING (kind, endpoint, bucket, key)
        WHERE l.modified_at < (SELECT max(started_at) FROM exports WHERE kind = 'export')
        ORDER BY l.kind, l.bucket, l.key"""
    )
    count = 0
    batch: list[dict[str, Any]] = []
    for row in found:
        count += 1
        batch.append({**row, "export_id": index_id})
        if len(batch) >= 4096:
            files.append(LOG_ORPHANS, None, pa.Table.from_pylist(batch, LOG_ORPHANS.schema))
            batch = []
    if batch:
        files.append(LOG_ORPHANS, None, pa.Table.from_pylist(batch, LOG_ORPHANS.schema))
    return count


def _logs(place: Place, stores: Stores) -> Iterator[dict[str, Any]]:
    where = {"kind": place.kind, "endpoint": place.endpoint, "bucket": place.bucket}
    for facts in stores.get(place).listing():
        if facts.key.endswith(ENDINGS):
            yield {**where, "key": facts.key, "size": facts.size, "modified_at": facts.modified}
