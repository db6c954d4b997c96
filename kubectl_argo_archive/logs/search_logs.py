"""Whose text it is: the rows of ``log_objects`` behind text ids, read when they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kubectl_argo_archive.lake.snapshot import Snapshot
from kubectl_argo_archive.storage.filesystem import Storage
from kubectl_argo_archive.tables.log_schema import LOG_OBJECTS

_COLUMNS = ("log_id", "text_id", "cluster", "uid", "namespace", "workflow", "node_id", "container", "template_name",
            "kind", "bucket", "key", "node_finished_at", "modified_at", "attempt", "phase", "exit_code")  # fmt: skip
_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Log:
    """One archived log."""

    log_id: int
    cluster: str | None
    uid: str | None
    namespace: str | None
    workflow: str | None
    node_id: str | None
    container: str | None
    template: str | None
    kind: str | None
    bucket: str | None
    key: str | None
    finished_at: datetime | None
    attempt: int | None
    phase: str | None
    exit_code: int | None

    @property
    def url(self) -> str:
        """Where the object lies."""
        return f"{self.kind or 's3'}://{self.bucket}/{self.key}"


class Logs:
    """Rows by text id; a text may have several, if two workflows name its object.

    Args:
        snapshot: the lake.
        storage: of the lake.
    """

    def __init__(self, snapshot: Snapshot, storage: Storage) -> None:
        self._storage = storage
        self._snapshot = snapshot
        self._files: list[tuple[str, pq.FileMetaData, list[tuple[int, int]]]] | None = None
        self._known: dict[int, tuple[Log, ...]] = {}

    def of(self, text_id: int) -> tuple[Log, ...]:
        """The newest row of each log with this text."""
        if text_id not in self._known:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._read(text_id)
        return self._known[text_id]

    def _read(self, text_id: int) -> None:
        """Read the row groups that hold the text; what else is in them will be asked for next."""
        rows: list[dict[str, Any]] = []
        for path, metadata, ranges in self._open():
            for group, (low, high) in enumerate(ranges):
                if low <= text_id <= high:
                    rows += self._rows(path, metadata, group, text_id)
        newest: dict[tuple[Any, ...], dict[str, Any]] = {}
        for row in rows:
            key = (row["text_id"], row["cluster"], row["uid"], row["node_id"], row["container"])
            if key not in newest or newest[key]["log_id"] < row["log_id"]:
                newest[key] = row
        found: dict[int, list[Log]] = {text_id: []}
        for row in newest.values():
            found.setdefault(row["text_id"], []).append(_log(row))
        for number, logs in found.items():
            if number == text_id or number not in self._known:
                self._known[number] = tuple(logs)

    def _rows(self, path: str, metadata: pq.FileMetaData, group: int, text_id: int) -> list[dict[str, Any]]:
        with self._storage.fs.open(path, "rb") as target:
            file = pq.ParquetFile(target, metadata=metadata, pre_buffer=True)
            names = [name for name in _COLUMNS if name in file.schema_arrow.names]
            table: pa.Table = file.read_row_group(group, columns=names, use_threads=False)
        # texts are asked for in ascending order: take those that come next along, if no other row group may have them
        alone = sum(low <= text_id <= high for _, _, ranges in self._open() for low, high in ranges) == 1
        column = table.column("text_id")
        last = text_id + (_KEPT // 4 if alone else 0)
        picked = table.filter(pc.and_(pc.greater_equal(column, text_id), pc.less_equal(column, last)))
        return [dict.fromkeys(_COLUMNS) | row for row in picked.to_pylist()]

    def _open(self) -> Sequence[tuple[str, pq.FileMetaData, list[tuple[int, int]]]]:
        if self._files is None:
            files = []
            for name in self._snapshot.table(LOG_OBJECTS.name).paths:
                path = self._storage.path(LOG_OBJECTS.name, name)
                with self._storage.fs.open(path, "rb") as target:
                    metadata = pq.ParquetFile(target).metadata
                files.append((path, metadata, [_range(metadata, group) for group in range(metadata.num_row_groups)]))
            self._files = files
        return self._files


def _range(metadata: pq.FileMetaData, group: int) -> tuple[int, int]:
    """Lowest and highest text id of a row group; everything if it does not say."""
    row_group = metadata.row_group(group)
    for index in range(row_group.num_columns):
        column = row_group.column(index)
        if column.path_in_schema == "text_id":
            found = column.statistics
            if found is not None and found.has_min_max:
                return int(found.min), int(found.max)
            return (0, -1) if found is not None and found.null_count == row_group.num_rows else (0, 1 << 62)
    return 0, 1 << 62


def _log(row: dict[str, Any]) -> Log:
    return Log(
        row["log_id"], row["cluster"], row["uid"], row["namespace"], row["workflow"], row["node_id"], row["container"],
        row["template_name"], row["kind"], row["bucket"], row["key"], row["node_finished_at"] or row["modified_at"],
        row["attempt"], row["phase"], row["exit_code"],
    )  # fmt: skip
