"""Rows whose fingerprint changed although their content did not.

A restored dump or a rewritten table gives every row another fingerprint. Before such rows become new versions,
their JSON is compared with what the lake holds: as text, and if that differs, as values, because an upgrade
from ``json`` to ``jsonb`` reorders keys and respells numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kubectl_argo_archive.archive.workflow_archive import ArchiveSnapshot
from kubectl_argo_archive.lake.delta import reading
from kubectl_argo_archive.lake.snapshot import Snapshot
from kubectl_argo_archive.storage.filesystem import Storage

Pair = tuple[str, str]


def identical(
    changed: pa.Table, source: ArchiveSnapshot, lake: Snapshot, storage: Storage, *, batch_bytes: int
) -> Iterator[Pair]:
    """The (cluster, uid) of those ``changed`` keys whose content the lake already holds.

    Args:
        changed: keys with the ``version`` that the lake knows.
        source: read once more for these keys, a row group of the lake at a time.
        lake: where to find the JSON of ``version``.
        storage: of the lake.
        batch_bytes: bound of a batch of source rows.
    """
    for path in lake.table("raw").paths if len(changed) else ():
        with reading(storage):
            file = pq.ParquetFile(storage.path("raw", path), filesystem=storage.fs)
        for group in range(file.num_row_groups):
            with reading(storage):
                known = file.read_row_group(group, ["cluster", "uid", "version"])
                keys = changed.join(known, ["cluster", "uid", "version"], join_type="left semi")
                if not len(keys):
                    continue
                texts = _texts(file.read_row_group(group, ["cluster", "uid", "version", "json"]), keys)
            for batch in source.rows(keys, batch_bytes=batch_bytes):
                rows = zip(*(batch.column(name).to_pylist() for name in ("cluster", "uid", "json")), strict=True)
                yield from ((cluster, uid) for cluster, uid, data in rows if _same(data, texts[cluster, uid]))


def _texts(raw: pa.Table, keys: pa.Table) -> dict[Pair, str]:
    raw = raw.filter(pc.is_in(raw["uid"], value_set=keys["uid"].combine_chunks()))
    versions = {(k["cluster"], k["uid"]): k["version"] for k in keys.select(["cluster", "uid", "version"]).to_pylist()}
    rows = ((r["cluster"], r["uid"], r["version"], r["json"]) for r in raw.to_pylist())
    rows = ((r["cluster"], r["uid"], r["version"], r["json"]) for r in raw.to_pylist())
    return {(cluster, uid): text for cluster, uid, version, text in rows if versions.get((cluster, uid)) == version}


def _same(data: bytes, text: str) -> bool:
    if data == text.encode():
        return True
    try:
        return bool(json.loads(data) == json.loads(text))
    except (ValueError, RecursionError):
        return False
