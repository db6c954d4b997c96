"""What the log of a table says of its data files, for those who compare it with the storage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from kubectl_argo_archive.lake.delta import reading
from kubectl_argo_archive.lake.snapshot import Snapshot
from kubectl_argo_archive.storage.filesystem import Storage


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A data file that the log names.

    Attributes:
        path: relative to the table.
        size: bytes.
        finished: newest ``finished_at`` in it, if the statistics tell.
    """

    path: str
    size: int
    finished: datetime | None


def named_files(storage: Storage, snapshot: Snapshot, table: str) -> list[NamedFile]:
    """The data files of a table as one publish left it; no data file is opened.

    Raises:
        LakeError: the log is damaged.
        StorageError, StorageUnreachable: it cannot be had.
    """
    from deltalake import DeltaTable

    with reading(storage):
        opened = DeltaTable(
            storage.url(table), version=snapshot.versions[table], storage_options=storage.delta_options()
        )
        actions = pa.table(opened.get_add_actions(flatten=True))
    columns = [name for name in ("path", "size_bytes", "max.finished_at") if name in actions.column_names]
    return [_named(row) for row in actions.select(columns).to_pylist()]


def _named(row: dict[str, Any]) -> NamedFile:
    finished = row.get("max.finished_at")
    if isinstance(finished, datetime) and finished.tzinfo is None:
        finished = finished.replace(tzinfo=UTC)
    return NamedFile(unquote(row["path"]), row["size_bytes"], finished)
