"""The Parquet files that a search reads: footers once, row groups by any thread, in a bucket just the ranges needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from kubectl_argo_archive.lake.snapshot import DataFile
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

    def _open(self, metadata: pq.FileMetaData | None) -> pq.ParquetFile:
        if self._storage.location.is_local:
            return pq.ParquetFile(self._file.url, metadata=metadata)
        source = RangeFile(self._storage, self._file.url.split("://", 1)[-1], self._file.size)
        return pq.ParquetFile(source, metadata=metadata, pre_buffer=True)


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
