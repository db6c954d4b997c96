"""The two files of one segment: blocks of text, and the search index over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from kubectl_argo_archive.lake.datafiles import NULL_MONTH, DataFiles
from kubectl_argo_archive.logs import grams
from kubectl_argo_archive.logs.lines import NO_TIME
from kubectl_argo_archive.logs.segment_text import Piece
from kubectl_argo_archive.tables.log_schema import LOG_BLOCKS, LOG_GRAMS

_LEVEL = 7
"""Of texts: the longer its matches, the fewer there are to copy for each search that reads everything; docs/logs.md."""
_INDEX_LEVEL = 1
MARKED = 64
"""SQL gets the place of every 64th line, and adds up from there."""
_GRAM_GROUP_BYTES = 32 << 10
"""Of the filters of a small segment are read for one hash value; of a full one it is 128 KiB."""
_DELTA = dict.fromkeys(("offsets.list.element", "groups.list.element", "times.list.element"), "DELTA_BINARY_PACKED")


class SegmentFile:
    """Writes one segment.

    Args:
        files: take the finished files.
        month: partition.
        first: number of its first block.

    Attributes:
        blocks: how many there are, counted by the caller.
    """

    def __init__(self, files: DataFiles, month: str | None, first: int) -> None:
        self._files, self._month = files, month or NULL_MONTH
        self.first = first
        self.blocks = 0
        self._written = self._marked = 0
        self._flags: list[grams.Bytes] = []
        self._line_flags: grams.Bytes = np.zeros(0, np.uint8)
        self._line_blocks: list[int] = []
        self._target = files.open_file(LOG_BLOCKS, self._month)
        self._writer = pq.ParquetWriter(
            self._target,
            LOG_BLOCKS.schema,
            compression="zstd",
            compression_level=_LEVEL,
            use_dictionary=False,
            column_encoding=_DELTA,
            write_statistics=["block", "log_id", "part", "raw"],  # what they say need not be read
            data_page_size=64 << 20,
            store_schema=False,
        )

    def write(self, pieces: Sequence[Piece]) -> None:
        """Write one block: a row group of text."""
        rows = _table([_row(self.first + self._written, piece) for piece in pieces])
        self._writer.write_table(rows, row_group_size=len(rows))
        self._written += 1

    def mark(self, pieces: Sequence[Piece]) -> None:
        """Note the bits of one block for the index; by another thread than the one that writes, maybe."""
        number = self._marked
        if number % 8 == 0:
            self._flags.append(np.zeros(grams.SLOTS, np.uint8))
        part = pieces[0].part
        if part <= 1:
            self._end_line()
        # a segment that begins inside a line does not know its beginning: it may hold anything
        flags = self._line_flags if len(self._line_blocks) else np.full(grams.SLOTS, int(part > 1), np.uint8)
        grams.mark(flags, b"\n".join([piece.before + piece.data for piece in pieces]))
        if part:
            self._line_flags = flags
            self._line_blocks.append(number)
        else:
            self._flags[-1] |= flags << np.uint8(number % 8)
        self._marked += 1

    def _end_line(self) -> None:
        """Each block of a long line has the strings of all: what a pattern needs may lie in several of them."""
        for number in self._line_blocks:
            self._flags[number // 8] |= self._line_flags << np.uint8(number % 8)
        self._line_blocks = []
        self._line_flags = np.zeros(0, np.uint8)

    def finish(self) -> None:
        """Complete both files, when all is written and marked."""
        self._end_line()
        self._writer.close()
        self._files.add_file(self._target, self._writer.writer.metadata)
        self._write_index()

    def _write_index(self) -> None:
        width = len(self._flags)
        schema = LOG_GRAMS.schema
        target = self._files.open_file(LOG_GRAMS, self._month)
        step = max(1024, _GRAM_GROUP_BYTES // width)
        with pq.ParquetWriter(
            target,
            schema,
            compression="zstd",
            compression_level=_INDEX_LEVEL,
            use_dictionary=["segment"],
            column_encoding={"slot": "DELTA_BINARY_PACKED"},
            write_statistics=["segment", "slot"],
            data_page_size=8 << 20,
            store_schema=False,
        ) as writer:
            for start in range(0, grams.SLOTS, step):
                rows = self._slices(start, min(start + step, grams.SLOTS), width)
                writer.write_table(rows.cast(schema), row_group_size=len(rows))
        self._files.add_file(target, writer.writer.metadata)

    def _slices(self, start: int, end: int, width: int) -> pa.Table:
        bits: npt.NDArray[np.uint8] = np.stack([flags[start:end] for flags in self._flags], axis=1)
        return pa.table({
            "segment": np.full(end - start, self.first),
            "slot": np.arange(start, end, dtype=np.int32),
            "bits": pa.Array.from_buffers(pa.binary(width), end - start, [None, pa.py_buffer(bits)]),
        })  # fmt: skip


def _table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows as Arrow; their lists are arrays already."""
    columns = []
    for field in LOG_BLOCKS.schema:
        values = [row[field.name] for row in rows]
        if field.name == "text":
            columns.append(pa.concat_arrays(values))
        else:
            columns.append(_lists(values, field.type) if pa.types.is_list(field.type) else pa.array(values, field.type))
    return pa.Table.from_arrays(columns, schema=LOG_BLOCKS.schema)


def _lists(values: Sequence[npt.NDArray[np.int64] | None], type_: pa.DataType) -> pa.Array:
    """A column of lists of numbers or times; NO_TIME becomes null."""
    given = [value for value in values if value is not None]
    flat = np.concatenate(given) if given else np.zeros(0, np.int64)
    offsets = np.cumsum([0, *(0 if value is None else len(value) for value in values)]).astype(np.int32)
    items = pa.array(flat, pa.int64(), mask=flat == NO_TIME).cast(type_.value_type)
    missing = pa.array([value is None for value in values])
    return pa.ListArray.from_arrays(pa.array(offsets), items, type=type_, mask=missing)


def _row(block: int, piece: Piece) -> dict[str, Any]:
    found = piece.lines
    at = found.at[found.at != NO_TIME]
    start, size = _place(piece)
    goes_on = piece.part > 1 or bool(found.groups[0] < piece.first_line)
    text, raw = _text(piece.data)
    numbers = np.arange(piece.first_line, piece.first_line + len(found.groups))
    return {
        "block": block,
        "log_id": piece.log_id,
        "part": piece.part,
        "first_line": piece.first_line,
        "byte_offset": piece.offset,
        "text": text,
        "raw": raw,
        "offsets": found.starts if raw is not None else found.starts[::MARKED] if len(found.starts) > MARKED else None,
        "levels": (found.levels + np.uint8(48)).tobytes().decode(),
        "groups": None if np.array_equal(found.groups, numbers) else found.groups,
        "at_start": start,
        "at_size": size,
        "entry_at": piece.state.at if goes_on and piece.state.at != NO_TIME else None,
        "times": found.at if start is None and len(at) else None,
        "first_at": int(at.min()) if len(at) else None,
        "last_at": int(at.max()) if len(at) else None,
    }


def _place(piece: Piece) -> tuple[int | None, int | None]:
    """Where SQL finds the times of all lines; nothing if it cannot, or would find one where there is none."""
    found, rule = piece.lines, piece.lines.rule
    if rule is None or rule.sql_form is None or piece.part:
        return None, None
    start, size, _ = rule.place
    numbers = np.arange(piece.first_line, piece.first_line + len(found.groups))
    bare = np.flatnonzero((found.groups == numbers) & ~found.own_times)
    data = np.frombuffer(piece.data, np.uint8)
    if len(bare) and not piece.data.isascii():  # SQL counts characters, and would look somewhere else
        beyond = np.searchsorted(found.starts, np.flatnonzero(data > 127), "right") - 1
        if len(np.intersect1d(bare, beyond)):
            return None, None
    there = np.minimum(found.starts[bare] + start, len(data) - 1)
    if len(bare) and bool(((data[there] >= 48) & (data[there] <= 57)).any()):
        return None, None
    return start, size


def _text(data: bytes) -> tuple[pa.Array, bytes | None]:
    """A text as Arrow has it, which need not become Python's and back; and the bytes, if they are another text's."""
    try:
        return pa.array([data], pa.binary()).cast(pa.string()), None
    except pa.ArrowInvalid:
        return pa.array([data.decode("utf-8", "replace")]), data
