"""Log objects for the digest: which objects the lake's index of logs has seen, with ETag and size."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq

from kubectl_argo_archive.audit.canonical import compact
from kubectl_argo_archive.audit.files import Files

TABLE = "log_objects"
_COLUMNS = ("cluster", "uid", "node_id", "container", "endpoint", "bucket", "key", "object_version", "etag", "size",
            "status")  # fmt: skip


def log_lines(files: Files, names: Iterable[str]) -> dict[str, list[bytes]]:
    """One line of canonical JSON per log object in new data files of ``log_objects``, per cluster, sorted."""
    found: dict[str, list[bytes]] = {}
    for name in names:
        with pq.ParquetFile(pa.BufferReader(files.read(name))) as parquet:
            columns = [column for column in _COLUMNS if column in parquet.schema_arrow.names]
            for batch in parquet.iter_batches(columns=columns):
                for row in batch.to_pylist():
                    found.setdefault(row["cluster"], []).append(compact(row))
    return {cluster: sorted(lines) for cluster, lines in found.items()}
