"""Segments as the search sees them: which blocks may hold what a pattern needs, and the rows of a block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from kubectl_argo_archive.logs import grams
from kubectl_argo_archive.logs.search_needs import Need
from kubectl_argo_archive.storage.filesystem import Storage
from kubectl_argo_archive.tables.find import Ints, newlines

Flags = npt.NDArray[np.bool_]
_ENOUGH = 4
_MOST_SLOTS = 16
PLACE_COLUMNS = ("first_line", "byte_offset")
LINE_COLUMNS = ("levels", "groups", "at_start", "at_size", "entry_at", "times")


@dataclass(slots=True)
class Reads:
    """What was read; several threads count."""

    row_groups: int = 0
    bytes: int = 0


class ParquetSource:
    """One Parquet file of the lake, its footer read once, its row groups read by any thread."""

    def __init__(self, storage: Storage, url: str, reads: Reads) -> None:
        self._storage, self._url, self._reads = storage, url, reads
        self._idle: list[pq.ParquetFile] = []  # one file is for one thread at a time

    @cached_property
    def metadata(self) -> pq.FileMetaData:
        """The footer."""
        return self._open(None).metadata

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
            return pq.ParquetFile(self._url, metadata=metadata)
        path = self._url.split("://", 1)[-1]
        # exactly the bytes that are asked for: read-ahead would fetch much for nothing
        target = self._storage.fs.open(path, "rb", cache_type="none")
        return pq.ParquetFile(target, metadata=metadata, pre_buffer=True)


class Segment:
    """Some blocks and their index.

    Args:
        blocks: the file of text blocks.
        index: the file of the index; None: every block has to be read.
    """

    def __init__(self, blocks: ParquetSource, index: ParquetSource | None) -> None:
        self.blocks, self.index = blocks, index

    @cached_property
    def count(self) -> int:
        """Number of blocks."""
        return int(self.blocks.metadata.num_row_groups)

    @cached_property
    def first(self) -> int:
        """Number of the first block."""
        return int(_known(self.blocks.metadata, 0, "block").min)

    @cached_property
    def log_ids(self) -> tuple[Ints, Ints]:
        """Lowest and highest ``log_id`` of each block."""
        found = [_known(self.blocks.metadata, group, "log_id") for group in range(self.count)]
        return np.array([s.min for s in found], np.int64), np.array([s.max for s in found], np.int64)

    def of_texts(self, wanted: Ints) -> Flags:
        """Blocks that may hold one of these texts (sorted ids)."""
        low, high = self.log_ids
        found: Flags = np.searchsorted(wanted, low, "left") < np.searchsorted(wanted, high, "right")
        return found

    def candidates(self, need: Need | None) -> Flags:
        """Blocks that may hold what is needed."""
        if need is None or self.index is None:
            return np.ones(self.count, bool)
        bits = self._ask(need)
        return np.unpackbits(bits, bitorder="little")[: self.count].astype(bool)

    def _ask(self, need: Need) -> npt.NDArray[np.uint8]:
        if need.kind == "text":
            return self._text(need.text)
        found: npt.NDArray[np.uint8] | None = None
        for part in sorted(need.parts, key=lambda part: -len(part.text)):
            if need.kind == "and" and found is not None and not found.any():
                break
            bits = self._ask(part)
            found = bits if found is None else found & bits if need.kind == "and" else found | bits
        assert found is not None
        return found

    def _text(self, text: bytes) -> npt.NDArray[np.uint8]:
        found = np.full((self.count + 7) // 8, 255, np.uint8)
        before, steady = -1, 0
        for number, slot in enumerate(grams.slots(text)[:_MOST_SLOTS]):
            found &= self._slot(slot)
            left = (
                int(np.bitwise_count(found).sum()) if hasattr(np, "bitwise_count") else int(np.unpackbits(found).sum())
            )
            steady = steady + 1 if left == before else 0
            before = left
            # another look costs as much as reading half a block for nothing
            if left == 0 or (number >= _ENOUGH - 1 and (left <= 1 or steady >= 2)):
                break
        return found

    def _slot(self, slot: int) -> npt.NDArray[np.uint8]:
        assert self.index is not None
        group, row = divmod(slot, self._step)
        bits = self.index.read(group, ("bits",)).column(0).chunk(0)
        width = (self.count + 7) // 8
        offset = int(np.frombuffer(bits.buffers()[1], np.int32, 1, (bits.offset + row) * 4)[0])
        return np.frombuffer(bits.buffers()[2], np.uint8, width, offset)

    @cached_property
    def _step(self) -> int:
        assert self.index is not None
        return int(self.index.metadata.row_group(0).num_rows)


@dataclass(frozen=True)
class Block:
    """The rows of one block, one text behind the other.

    Attributes:
        array: the bytes, as they lie in Arrow's memory.
        bounds: where each row begins in them, and the end of the last.
        log_id: the text of each row.
        part: of each row.
    """

    segment: Segment
    number: int
    array: npt.NDArray[np.uint8]
    bounds: Ints
    log_id: Ints
    part: Ints

    @cached_property
    def data(self) -> bytes:
        """A copy of the bytes: made only if somebody needs it, for fresh memory costs as much as unpacking."""
        return self.array.tobytes()

    @cached_property
    def newlines(self) -> Ints:
        """Where the newlines are."""
        return newlines(self.array)

    @cached_property
    def places(self) -> tuple[list[int], list[int]]:
        """Number of the first line and its offset in the text, of each row."""
        found = self.segment.blocks.read(self.number, PLACE_COLUMNS)
        return found.column(0).to_pylist(), found.column(1).to_pylist()

    @cached_property
    def lines(self) -> list[dict[str, Any]]:
        """What is known about the lines of each row."""
        found: list[dict[str, Any]] = self.segment.blocks.read(self.number, LINE_COLUMNS).to_pylist()
        return found


def read_block(segment: Segment, number: int) -> Block:
    """Read one block of a segment: its text, and of the other columns what the footer does not say already."""
    metadata = segment.blocks.metadata
    same = {name: _only_value(metadata, number, name) for name in ("log_id", "part")}
    of_raw = _statistics(metadata, number, "raw")
    maybe_raw = of_raw is None or of_raw.null_count < metadata.row_group(number).num_rows
    columns = [name for name, value in same.items() if value is None] + ["text"] + ["raw"] * maybe_raw
    table = segment.blocks.read(number, columns)
    text = table.column("text").chunk(0)
    if not maybe_raw or table.column("raw").null_count == len(text):
        offsets = np.frombuffer(text.buffers()[1], np.int32, len(text) + 1, text.offset * 4).astype(np.int64)
        array = np.frombuffer(text.buffers()[2], np.uint8, int(offsets[-1] - offsets[0]), int(offsets[0]))
        bounds = offsets - offsets[0]
    else:
        raw = table.column("raw").to_pylist()
        rows = [r if r is not None else t.encode() for t, r in zip(text.to_pylist(), raw, strict=True)]
        array = np.frombuffer(b"".join(rows), np.uint8)
        bounds = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    log_id, part = (
        np.full(len(text), value) if value is not None else table.column(name).to_numpy().astype(np.int64)
        for name, value in same.items()
    )
    return Block(segment, number, array, bounds, log_id, part)


def open_segments(
    storage: Storage, block_urls: Sequence[str], index_urls: Sequence[str], reads: Reads
) -> list[Segment]:
    """Pair the files: a segment's index names its first block."""
    blocks = {s.first: s for s in (Segment(ParquetSource(storage, url, reads), None) for url in block_urls)}
    for url in index_urls:
        source = ParquetSource(storage, url, reads)
        first = int(_known(source.metadata, 0, "segment").min)
        if first in blocks:
            blocks[first].index = source
    return [blocks[first] for first in sorted(blocks)]


def _only_value(metadata: pq.FileMetaData, group: int, column: str) -> int | None:
    """The value of all rows of a group; None if they differ or nobody noted it."""
    known = _statistics(metadata, group, column)
    return int(known.min) if known is not None and known.min == known.max else None


def _known(metadata: pq.FileMetaData, group: int, column: str) -> pq.Statistics:
    """Statistics that every file has."""
    found = _statistics(metadata, group, column)
    assert found is not None
    return found


def _statistics(metadata: pq.FileMetaData, group: int, column: str) -> pq.Statistics | None:
    return metadata.row_group(group).column(metadata.schema.names.index(column)).statistics
