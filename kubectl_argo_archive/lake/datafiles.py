"""Writing Parquet data files, in bounded memory, with what readers need to skip them.

Rows are collected per table and month until a row group is full; a file is closed when it is large enough or
has not been written to for a while. Every file is hashed while it is written.
"""

from __future__ import annotations

import hashlib
import io
import math
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kubectl_argo_archive.lake.delta import MONTH, AddedFile, stats_json
from kubectl_argo_archive.storage.filesystem import Storage
from kubectl_argo_archive.tables.schema import TableSpec

ROW_GROUP_BYTES = 8 << 20
ROW_GROUP_ROWS = 122_880
FILE_BYTES = 192 << 20
BUFFER_BYTES = 32 << 20
OPEN_FILES = 24
COMPRESSION_LEVEL = 3
BLOOM_FPP = 0.02
_STATS = ("cluster", "uid", "namespace", "name", "workflow", "phase", "version", "started_at", "finished_at", "seq",
          "log_id", "block")  # fmt: skip
NULL_MONTH = "__HIVE_DEFAULT_PARTITION__"


class DataFiles:
    """The data files of one export, over all tables; only what :meth:`open_file` gives may be used by other threads.

    Args:
        storage: where the lake lies.
        prefix: unique part of the file names (the export's id).
    """

    def __init__(self, storage: Storage, prefix: str) -> None:
        self._storage = storage
        self._prefix = prefix
        self._open: OrderedDict[tuple[str, str | None], _OpenFile] = OrderedDict()
        self._count = 0
        self._lock = threading.Lock()
        self._given: dict[int, LakeFile] = {}
        self.finished: dict[str, list[AddedFile]] = {}

    def append(self, spec: TableSpec, month: str | None, rows: pa.Table) -> None:
        """Take rows for one table and month; they are on their way when memory asks for it."""
        if not len(rows):
            return
        key = (spec.name, month)
        file = self._open.get(key)
        if file is None:
            if len(self._open) >= OPEN_FILES:
                self._finish(next(iter(self._open)))
            file = self._open[key] = self._new(spec, month)
        self._open.move_to_end(key)
        file.buffer(rows)
        if file.buffered_bytes >= ROW_GROUP_BYTES or file.buffered_rows >= ROW_GROUP_ROWS:
            file.flush()
        while sum(f.buffered_bytes for f in self._open.values()) > BUFFER_BYTES:
            max(self._open.values(), key=lambda f: f.buffered_bytes).flush()
        if file.written >= FILE_BYTES:
            self._finish(key)

    def open_file(self, spec: TableSpec, month: str | None, suffix: str = ".zstd.parquet") -> LakeFile:
        """A new file for a caller that lays out its Parquet itself; give it back with :meth:`add_file`."""
        with self._lock:
            path = self._path(spec, month, suffix)
            file = self._given[id(path)] = LakeFile(self._storage, spec, month, path, id(path))
        return file

    def add_file(self, file: LakeFile, metadata: pq.FileMetaData) -> None:
        """Close a file of :meth:`open_file` and let it be published.

        Args:
            file: complete, its Parquet footer included.
            metadata: of the closed Parquet writer: ``writer.writer.metadata``.
        """
        added = file.finished(metadata)
        with self._lock:
            del self._given[file.number]
            self.finished.setdefault(file.spec.name, []).append(added)

    def finish(self) -> dict[str, list[AddedFile]]:
        """Close all files; return what was written, by table."""
        for key in list(self._open):
            self._finish(key)
        return self.finished

    def abandon(self) -> None:
        """Delete whatever was written: nobody will ever see it."""
        for collecting in self._open.values():
            collecting.abandon()
        for file in self._given.values():
            file.abandon()
        for name, files in self.finished.items():
            for added in files:
                _delete(self._storage, self._storage.path(name, added.path))
        self._open.clear()
        self._given.clear()
        self.finished.clear()

    def _new(self, spec: TableSpec, month: str | None) -> _OpenFile:
        with self._lock:
            return _OpenFile(self._storage, spec, month, self._path(spec, month, ".zstd.parquet"))

    def _path(self, spec: TableSpec, month: str | None, suffix: str) -> str:
        self._count += 1
        folder = f"{MONTH}={month or NULL_MONTH}/" if spec.by_month else ""
        return f"{folder}part-{self._prefix}-{self._count:05}{suffix}"

    def _finish(self, key: tuple[str, str | None]) -> None:
        added = self._open[key].finish()
        with self._lock:
            self.finished.setdefault(key[0], []).append(added)
        del self._open[key]


def _delete(storage: Storage, path: str) -> None:
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
        _delete(self._storage, self._storage.path(self.spec.name, self._path))


class _OpenFile:
    """One Parquet file that collects rows."""

    def __init__(self, storage: Storage, spec: TableSpec, month: str | None, path: str) -> None:
        self._storage, self._spec, self._month, self._path = storage, spec, month, path
        self._tables: list[pa.Table] = []
        self._file: LakeFile | None = None
        self._writer: pq.ParquetWriter | None = None
        self.buffered_bytes = 0
        self.buffered_rows = 0

    @property
    def written(self) -> int:
        """Bytes in storage so far."""
        return self._file.size if self._file else 0

    def buffer(self, rows: pa.Table) -> None:
        """Keep rows for the next row group."""
        self._tables.append(rows)
        self.buffered_bytes += rows.nbytes
        self.buffered_rows += len(rows)

    def flush(self) -> None:
        """Write what is buffered as one row group."""
        if not self._tables:
            return
        # one dictionary for all chunks, or Parquet's writer gives dictionaries up
        rows = pa.concat_tables(self._tables).unify_dictionaries()
        self._tables.clear()
        self.buffered_bytes = self.buffered_rows = 0
        if self._writer is None:
            self._start(rows)
        assert self._writer is not None
        self._writer.write_table(rows, row_group_size=max(len(rows), 1))

    def _start(self, rows: pa.Table) -> None:
        spec = self._spec
        self._file = LakeFile(self._storage, spec, self._month, self._path, 0)
        bloom = {name: {"ndv": _distinct(rows.column(name)), "fpp": BLOOM_FPP} for name in spec.bloom}
        encodings = _encodings(spec)
        self._writer = pq.ParquetWriter(
            self._file,
            rows.schema,
            compression="zstd",
            compression_level=COMPRESSION_LEVEL,
            use_dictionary=[
                leaf
                for c in spec.columns
                if c.name not in spec.unique
                for leaf in _leaves(c.name, c.type)
                if leaf not in encodings
            ],
            column_encoding=encodings or None,
            write_statistics=_measured(spec),
            bloom_filter_options=bloom or None,
            store_schema=False,
            write_page_index=False,
        )

    def finish(self) -> AddedFile:
        """Write the footer, close the file and say what it holds."""
        self.flush()
        assert self._writer is not None
        assert self._file is not None
        self._writer.close()
        return self._file.finished(self._writer.writer.metadata)

    def abandon(self) -> None:
        """Close without keeping; the storage may or may not hold a part of it."""
        if self._file is not None:
            self._file.abandon()


def _measured(spec: TableSpec) -> list[str]:
    """Columns with smallest and largest values per row group: free text in no order costs time and skips nothing."""
    return [
        c.name
        for c in spec.columns
        if not pa.types.is_nested(c.type) and (c.name in _STATS or c.name in spec.unique or not _is_text(c.type))
        if c.name != "json"
    ]


def _is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))


def _leaves(name: str, type_: pa.DataType) -> list[str]:
    """The Parquet paths of a column."""
    if pa.types.is_map(type_):
        return [f"{name}.key_value.key", f"{name}.key_value.value"]
    return [f"{name}.list.element"] if pa.types.is_list(type_) else [name]


def _encodings(spec: TableSpec) -> dict[str, str]:
    """Columns that a dictionary serves badly: long ids that share their beginnings."""
    return {
        leaf: "DELTA_BYTE_ARRAY" for c in spec.columns if c.name in spec.prefixed for leaf in _leaves(c.name, c.type)
    }


def _distinct(column: pa.ChunkedArray) -> int:
    """How many distinct values a Bloom filter should expect; too low costs its use, too high its size."""
    return max(16, len(column.unique()))


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
            if name not in _STATS:
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
