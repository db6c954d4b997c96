"""Segments as the search sees them: which blocks may hold what a pattern needs, and the rows of a block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kubectl_argo_archive.lake.snapshot import DataFile
from kubectl_argo_archive.logs import grams
from kubectl_argo_archive.logs.search_files import ParquetSource, Reads, known, only_value, statistics
from kubectl_argo_archive.logs.search_needs import Need
from kubectl_argo_archive.native.search import Bytes, Ints, newlines
from kubectl_argo_archive.storage.filesystem import Storage
from kubectl_argo_archive.storage.once import once

Flags = npt.NDArray[np.bool_]
_ENOUGH = 4
_MOST_SLOTS = 16
PLACE_COLUMNS = ("first_line", "byte_offset")
LINE_COLUMNS = ("levels", "groups", "at_start", "at_size", "entry_at", "times")


class Facts(NamedTuple):
    """What the footer says of a block: the one text and part of all its rows (None: several), and whether some may
    have bytes that are no UTF-8.
    """

    log_id: int | None
    part: int | None
    raw: bool


class Segment:
    """Some blocks and their index.

    Args:
        blocks: the file of text blocks.
        index: the file of the index; None: every block has to be read.

    Attributes:
        first: number of the first block.
        count: number of blocks.
    """

    def __init__(self, blocks: ParquetSource, index: ParquetSource | None) -> None:
        self.blocks, self.index = blocks, index
        self.first, last = blocks.limits("block")
        self.count = last - self.first + 1
        self._facts: dict[int, Facts] = {}

    @once
    def log_ids(self) -> tuple[Ints, Ints]:
        """Lowest and highest ``log_id`` of each block."""
        found = [known(self.blocks.metadata, group, "log_id") for group in range(self.count)]
        return np.array([s.min for s in found], np.int64), np.array([s.max for s in found], np.int64)

    def facts(self, number: int) -> Facts:
        """What the footer says of a block."""
        if number not in self._facts:
            metadata = self.blocks.metadata
            raw = statistics(metadata, number, "raw")
            self._facts[number] = Facts(
                only_value(metadata, number, "log_id"),
                only_value(metadata, number, "part"),
                raw is None or raw.null_count < metadata.row_group(number).num_rows,
            )
        return self._facts[number]

    def of_texts(self, wanted: Ints) -> Flags:
        """Blocks that may hold one of these texts (sorted ids)."""
        if not _any_between(wanted, *self.blocks.limits("log_id")):
            return np.zeros(self.count, bool)
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
            left = int(np.bitwise_count(found).sum())
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

    @property
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
    array: Bytes
    bounds: Ints
    log_id: Ints
    part: Ints

    @once
    def data(self) -> bytes:
        """A copy of the bytes: made only if somebody needs it, for fresh memory costs as much as unpacking."""
        return self.array.tobytes()

    @once
    def newlines(self) -> Ints:
        """Where the newlines are."""
        return newlines(self.array)

    @once
    def places(self) -> tuple[list[int], list[int]]:
        """Number of the first line and its offset in the text, of each row."""
        found = self.segment.blocks.read(self.number, PLACE_COLUMNS)
        return found.column(0).to_pylist(), found.column(1).to_pylist()

    @once
    def lines(self) -> list[dict[str, Any]]:
        """What is known about the lines of each row."""
        found: list[dict[str, Any]] = self.segment.blocks.read(self.number, LINE_COLUMNS).to_pylist()
        return found


def read_block(segment: Segment, number: int) -> Block:
    """Read one block of a segment: its text, and of the other columns what the footer does not say already."""
    known = segment.facts(number)
    array, bounds = segment.blocks.texts(number, "text")
    rows = len(bounds) - 1
    columns = [name for name in ("log_id", "part") if getattr(known, name) is None] + ["raw"] * known.raw
    table = segment.blocks.read(number, columns) if columns else None
    if table is not None and known.raw and table.column("raw").null_count < rows:
        array, bounds = _as_they_were(array, bounds, table.column("raw").to_pylist())
    log_id, part = (
        np.full(rows, value) if value is not None else _column(table, name)
        for name, value in (("log_id", known.log_id), ("part", known.part))
    )
    return Block(segment, number, array, bounds, log_id, part)


def _column(table: pa.Table | None, name: str) -> Ints:
    assert table is not None
    found: Ints = table.column(name).to_numpy().astype(np.int64)
    return found


def _as_they_were(array: Bytes, bounds: Ints, raw: Sequence[bytes | None]) -> tuple[Bytes, Ints]:
    """Texts with the bytes that are no UTF-8."""
    places = pairwise(bounds.tolist())
    rows = [array[low:high].tobytes() if true is None else true for (low, high), true in zip(places, raw, strict=True)]
    return np.frombuffer(b"".join(rows), np.uint8), np.cumsum([0, *map(len, rows)])


def open_segments(
    storage: Storage, block_files: Sequence[DataFile], index_files: Sequence[DataFile], reads: Reads
) -> list[Segment]:
    """Pair the files: a segment's index names its first block."""
    indexes = (ParquetSource(storage, file, reads) for file in index_files)
    by_first = {source.limits("segment")[0]: source for source in indexes}
    blocks = (Segment(ParquetSource(storage, file, reads), None) for file in block_files)
    segments = sorted(blocks, key=attrgetter("first"))
    for segment in segments:
        segment.index = by_first.get(segment.first)
    return segments


def _any_between(values: Ints, low: int, high: int) -> bool:
    """Whether one of some sorted values lies there, both ends included."""
    return bool(np.searchsorted(values, low, "left") < np.searchsorted(values, high, "right"))
