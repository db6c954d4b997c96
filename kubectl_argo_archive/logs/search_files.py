"""The Parquet files that a search reads: footers once, row groups by any thread, in a bucket just the ranges needed.

Texts of a local file do not go through Arrow's Parquet reader: it copies each page twice more than needed, which costs
a third of what unpacking does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kubectl_argo_archive.lake.snapshot import DataFile
from kubectl_argo_archive.native.search import Bytes, Ints, page_header, page_texts
from kubectl_argo_archive.storage.filesystem import Storage
from kubectl_argo_archive.storage.once import once
from kubectl_argo_archive.storage.ranges import RangeFile


@dataclass(slots=True)
class Reads:
    """What was read; several threads count."""

    row_groups: int = 0


class ParquetSource:
    """One Parquet file of the lake, its footer read once, its row groups read by any thread."""

    def __init__(self, storage: Storage, file: DataFile, reads: Reads) -> None:
        self._storage, self._file, self._reads = storage, file, reads
        self._idle: list[pq.ParquetFile] = []  # one file is for one thread at a time

    @once
    def metadata(self) -> pq.FileMetaData:
        """The footer."""
        file = self._open(None)
        self._idle.append(file)
        return file.metadata

    def limits(self, column: str) -> tuple[int, int]:
        """Smallest and largest value of a column: as the lake notes it, else as the footer does."""
        low, high = self._file.low.get(column), self._file.high.get(column)
        if low is not None and high is not None:
            return int(low), int(high)
        groups = (known(self.metadata, group, column) for group in range(self.metadata.num_row_groups))
        found = [(int(noted.min), int(noted.max)) for noted in groups]
        return min(least for least, _ in found), max(most for _, most in found)

    def read(self, group: int, columns: Sequence[str]) -> pa.Table:
        """Some columns of one row group."""
        try:
            file = self._idle.pop()
        except IndexError:
            file = self._open(self.metadata)
        self._reads.row_groups += 1
        table: pa.Table = file.read_row_group(group, columns=list(columns), use_threads=False)
        self._idle.append(file)
        return table

    def texts(self, group: int, column: str) -> tuple[Bytes, Ints]:
        """The values of a column of texts, one behind the other, and where each begins."""
        place = self._place(group, column)
        found = None if place is None else self._texts(*place)
        if found is None:
            return _of_arrow(self.read(group, (column,)).column(0).chunk(0))
        self._reads.row_groups += 1
        return found

    def _place(self, group: int, column: str) -> tuple[int, int, int] | None:
        """Where a column chunk lies, its size, and unpacked; None unless it may be read here."""
        if self._file_bytes is None:
            return None
        number = self._columns[column]
        if number < 0:
            return None
        chunk = self.metadata.row_group(group).column(number)
        if chunk.compression != "ZSTD" or chunk.has_dictionary_page:
            return None
        return chunk.data_page_offset, chunk.total_compressed_size, chunk.total_uncompressed_size

    def _texts(self, offset: int, size: int, unpacked_size: int) -> tuple[Bytes, Ints] | None:
        assert self._file_bytes is not None
        chunk = self._file_bytes.read_at(size, offset)
        page = page_header(chunk)
        if page is None or page.header + page.packed != size or page.header + page.unpacked != unpacked_size:
            return None
        unpacked = pa.decompress(memoryview(chunk)[page.header :], page.unpacked, "zstd")
        return page_texts(np.frombuffer(unpacked, np.uint8), page.values)

    @once
    def _columns(self) -> dict[str, int]:
        """Number of each column that is no list; -1: it may not be read here, for its pages have other levels."""
        columns = [self.metadata.schema.column(i) for i in range(len(self.metadata.schema))]
        return {
            column.path: i if column.max_definition_level == 1 else -1
            for i, column in enumerate(columns)
            if column.max_repetition_level == 0
        }

    @once
    def _file_bytes(self) -> pa.NativeFile | None:
        """The file, for reads at any place by any thread; None: it lies in a bucket."""
        return pa.OSFile(self._file.url) if self._storage.location.is_local else None

    def _open(self, metadata: pq.FileMetaData | None) -> pq.ParquetFile:
        if self._storage.location.is_local:
            return pq.ParquetFile(self._file.url, metadata=metadata)
        source = RangeFile(self._storage, self._file.url.split("://", 1)[-1], self._file.size)
        return pq.ParquetFile(source, metadata=metadata, pre_buffer=True)


def _of_arrow(values: pa.Array) -> tuple[Bytes, Ints]:
    """Arrow's texts, as they lie in its memory."""
    offsets = np.frombuffer(values.buffers()[1], np.int32, len(values) + 1, values.offset * 4).astype(np.int64)
    array = np.frombuffer(values.buffers()[2] or b"", np.uint8, int(offsets[-1] - offsets[0]), int(offsets[0]))
    return array, offsets - offsets[0]


def only_value(metadata: pq.FileMetaData, group: int, column: str) -> int | None:
    """The value of all rows of a group; None if they differ or nobody noted it."""
    known = statistics(metadata, group, column)
    return int(known.min) if known is not None and known.min == known.max else None


def known(metadata: pq.FileMetaData, group: int, column: str) -> pq.Statistics:
    """Statistics that every file has."""
    found = statistics(metadata, group, column)
    assert found is not None
    return found


def statistics(metadata: pq.FileMetaData, group: int, column: str) -> pq.Statistics | None:
    """What the footer notes of a column of a group."""
    return metadata.row_group(group).column(metadata.schema.names.index(column)).statistics
