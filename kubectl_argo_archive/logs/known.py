"""What earlier index runs left: which texts no longer count."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kubectl_argo_archive.lake.delta import reading
from kubectl_argo_archive.lake.snapshot import Snapshot
from kubectl_argo_archive.storage.filesystem import Storage
from kubectl_argo_archive.tables.log_schema import LOG_EVENTS


def dead_texts(snapshot: Snapshot, storage: Storage) -> pa.Array:
    """Ids of texts whose object has changed since they were indexed; sorted."""
    if not snapshot.dead_texts:
        return pa.array([], pa.int64())
    with reading(storage):
        parts = [
            pq.read_table(storage.path(LOG_EVENTS.name, path), columns=["log_id", "kind"], filesystem=storage.fs,
                          partitioning=None)
            for path in snapshot.table(LOG_EVENTS.name).paths
        ]  # fmt: skip
    events = pa.concat_tables(parts)
    dead = events.filter(pc.equal(events["kind"], "text_superseded"))["log_id"]
    ids: pa.Array = pc.unique(dead.combine_chunks())
    return ids.sort()
