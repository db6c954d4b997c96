"""Writing Parquet data files, in bounded memory, with what readers need to skip them.

Rows are collected per table and month until a row group is full; a file is closed when it is large enough or
has not been written to for a while. Every file is hashed while it is written.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.parquet as pq

from kubectl_argo_archive.lake.delta import MONTH, AddedFile
from kubectl_argo_archive.lake.lakefile import NULL_MONTH as NULL_MONTH
from kubectl_argo_archive.lake.lakefile import STATS, LakeFile, delete
from kubectl_argo_archive.storage.filesystem import Storage
from kubectl_argo_archive.tables.schema import TableSpec

ROW_GROUP_BYTES = 18 << 20
"""Of one table in memory: queries that add up a column are a fifth faster than with groups of 8 MiB."""
DOCUMENT_GROUP_BYTES = 8 << 20
"""The same for whole documents, of which a query wants a few."""
ROW_GROUP_ROWS = 122_880
FILE_BYTES = 192 << 20
BUFFER_BYTES = 32 << 20
OPEN_FILES = 24
FINISHED_AT_ONCE = 4
"""Of the files that are open at the end: their last row groups cost processor time, and a bucket's answers waiting."""
COMPRESSION_LEVEL = 1
DOCUMENT_LEVEL = 2
"""Of zstd. Level 2 makes documents 4 % smaller than level 1 in less time; level 3 makes them 7 % smaller still and
takes a tenth longer. Other columns become 2 % smaller by level 3, in a third more time."""
BLOOM_FPP = 0.02
PAGE_BYTES = 1 << 21
MANY_VALUES = 16_384


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
        if file.buffered_bytes >= file.group_bytes or file.buffered_rows >= ROW_GROUP_ROWS:
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
        with ThreadPoolExecutor(FINISHED_AT_ONCE, "finish") as pool:
            list(pool.map(self._finish, list(self._open)))
        return self.finished

    def abandon(self) -> None:
        """Delete whatever was written: nobody will ever see it."""
        for collecting in self._open.values():
            collecting.abandon()
        for file in self._given.values():
            file.abandon()
        for name, files in self.finished.items():
            for added in files:
                delete(self._storage, self._storage.path(name, added.path))
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


class _OpenFile:
    """One Parquet file that collects rows."""

    def __init__(self, storage: Storage, spec: TableSpec, month: str | None, path: str) -> None:
        self._storage, self._spec, self._month, self._path = storage, spec, month, path
        self._tables: list[pa.Table] = []
        self.group_bytes = DOCUMENT_GROUP_BYTES if spec.holds_documents else ROW_GROUP_BYTES
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
        self.buffered_bytes += rows.get_total_buffer_size()  # what it holds of memory; nbytes takes ten times as long
        self.buffered_rows += len(rows)

    def flush(self) -> None:
        """Write what is buffered: one row group, or some of equal size if there is much more than one wants."""
        if not self._tables:
            return
        # one dictionary for all chunks, or Parquet's writer gives dictionaries up
        rows = pa.concat_tables(self._tables).unify_dictionaries()
        self._tables.clear()
        self.buffered_bytes = self.buffered_rows = 0
        if self._writer is None:
            self._start(rows)
        assert self._writer is not None
        groups = max(1, round(rows.nbytes / self.group_bytes))
        self._writer.write_table(rows, row_group_size=max(1, math.ceil(len(rows) / groups)))

    def _start(self, rows: pa.Table) -> None:
        spec = self._spec
        self._file = LakeFile(self._storage, spec, self._month, self._path, 0)
        bloom = {name: {"ndv": _distinct(rows.column(name)), "fpp": BLOOM_FPP} for name in spec.bloom}
        encodings = _encodings(spec)
        self._writer = pq.ParquetWriter(
            self._file,
            rows.schema,
            compression=(compression := _compression(spec)),
            compression_level={
                leaf: DOCUMENT_LEVEL if leaf == "json" else COMPRESSION_LEVEL
                for leaf, codec in compression.items()
                if codec == "zstd"
            },
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
            data_page_size=PAGE_BYTES,
            write_batch_size=_values_at_once(spec, rows),
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


def _values_at_once(spec: TableSpec, rows: pa.Table) -> int:
    """How many values of a column Parquet's writer takes before it looks at the size of the page. By itself it takes
    1024: that would be one page of 70 MB of documents, copied again and again while it grows, and costs a tenth
    of the time for short values, of which a row has forty."""
    row = max(rows.nbytes, 1) / len(rows)
    size = PAGE_BYTES if spec.holds_documents else 4 * PAGE_BYTES
    return int(min(MANY_VALUES, max(1, size // row)))


def _measured(spec: TableSpec) -> list[str]:
    """Columns with smallest and largest values per row group: free text in no order costs time and skips nothing."""
    return [
        c.name
        for c in spec.columns
        if not pa.types.is_nested(c.type) and (c.name in STATS or c.name in spec.unique or not _is_text(c.type))
        if c.name != "json"
    ]


def _is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))


def _compression(spec: TableSpec) -> dict[str, str]:
    """By Parquet path. Text of few values is stored as packed numbers into a small dictionary: compressing that once
    more saves 1 % of a lake, and costs a query that adds up such columns a tenth of its time."""
    return {
        leaf: "none" if column.name in spec.repeated else "zstd"
        for column in spec.columns
        for leaf in _leaves(column.name, column.type)
    }


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
