"""One file of the lake while it is written: hashed and counted on its way, and what its footer tells Delta."""

from __future__ import annotations

import hashlib
import io
import math
import time
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pyarrow.parquet as pq

from kubectl_argo_archive.lake.delta import AddedFile, stats_json
from kubectl_argo_archive.storage.filesystem import Storage
from kubectl_argo_archive.tables.schema import TableSpec

NULL_MONTH = "__HIVE_DEFAULT_PARTITION__"
STATS = ("cluster", "uid", "namespace", "name", "workflow", "phase", "version", "started_at", "finished_at", "seq",
          "log_id", "block", "segment")  # fmt: skip


def delete(storage: Storage, path: str) -> None:
    """Delete a file, if it is there."""
    if storage.fs.exists(path):
        storage.fs.rm_file(path)


class _Hashed(io.RawIOBase):
    """Passes bytes on, counting and hashing them."""

    def __init__(self, target: Any) -> None:
        self._target = target
        self.sha256 = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        if self._target is None:
            return len(view)
        self.sha256.update(view)
        self._target.write(view)
        self.size += len(view)
        return len(view)

    def tell(self) -> int:
        return self.size

    def forget(self) -> None:
        """Take no more: a Parquet writer writes its footer even when it is given up."""
        self._target = None


class LakeFile(_Hashed):
    """One file of the lake that is being written, through whatever writes to a binary file; any one thread's."""

    def __init__(self, storage: Storage, spec: TableSpec, month: str | None, path: str, number: int) -> None:
        self.spec, self.number = spec, number
        self._storage, self._month, self._path = storage, month, path
        self._file = storage.fs.open(storage.path(spec.name, path), "wb")
        super().__init__(self._file)

    def finished(self, footer: pq.FileMetaData) -> AddedFile:
        """Close the file and say what it holds."""
        self._file.close()
        return AddedFile(
            path=self._path,
            month=None if self._month == NULL_MONTH else self._month,
            size=self.size,
            rows=footer.num_rows,
            stats=_statistics(footer),
            sha256=self.sha256.hexdigest(),
            modified_ms=int(time.time() * 1000),
        )

    def abandon(self) -> None:
        """Close without keeping; the storage may or may not hold a part of it."""
        self.forget()
        with suppress(OSError):  # a full disk cannot take what is still buffered, and need not
            if self._storage.location.is_local:
                self._file.close()
            else:
                self._file.discard()
                self._file.closed = True  # or it would be uploaded when it is forgotten
        delete(self._storage, self._storage.path(self.spec.name, self._path))


def _statistics(metadata: pq.FileMetaData) -> str:
    """Smallest and largest values of a file for Delta, from Parquet's own statistics."""
    low: dict[str, Any] = {}
    high: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    broken: set[str] = set()
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for index in range(row_group.num_columns):
            column = row_group.column(index)
            name = column.path_in_schema
            if name not in STATS:
                continue
            found = column.statistics
            if found is None or not found.has_null_count:
                broken.add(name)
                continue
            nulls[name] = nulls.get(name, 0) + found.null_count
            if found.has_min_max:
                low[name] = min(low.get(name, found.min), found.min)
                high[name] = max(high.get(name, found.max), found.max)
            elif found.null_count < row_group.num_rows:
                broken.add(name)
    for name in broken:
        for values in (low, high, nulls):
            values.pop(name, None)
    minimum = {name: _plain(value, up=False) for name, value in low.items()}
    maximum = {name: _plain(value, up=True) for name, value in high.items()}
    for name in [n for n in minimum if minimum[n] is None or maximum[n] is None]:
        del minimum[name], maximum[name]
    return stats_json(metadata.num_rows, minimum, maximum, nulls)


def _plain(value: Any, *, up: bool) -> Any:
    """A value as Delta writes it; times in milliseconds, rounded outwards; long text is left out."""
    if isinstance(value, datetime):
        micro = value.microsecond
        step = math.ceil(micro / 1000) if up else micro // 1000
        try:
            rounded = value.replace(microsecond=0, tzinfo=None) + timedelta(milliseconds=step)
        except OverflowError:
            return None
        return rounded.isoformat(timespec="milliseconds") + "Z"
    return None if isinstance(value, str) and len(value) > 128 else value
