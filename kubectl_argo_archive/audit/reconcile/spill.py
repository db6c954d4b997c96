"""Facts about rows, set aside on disk in parts, so that two large sides meet a part at a time in bounded memory."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterator
from typing import Any, Self

import pyarrow as pa

PARTS = 64
_BUFFERED_ROWS = 40_000


class Spill:
    """Rows of one schema, kept in a temporary file; the part of a row depends on its ``uid`` alone.

    Args:
        schema: of the rows; it has a text column ``uid``.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._uid = schema.get_field_index("uid")
        self._file = tempfile.TemporaryFile(prefix="kubectl-argo-archive-")  # noqa: SIM115
        self._waiting: list[list[tuple[Any, ...]]] = [[] for _ in range(PARTS)]
        self._places: list[list[tuple[int, int]]] = [[] for _ in range(PARTS)]
        self._buffered = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def add(self, row: tuple[Any, ...]) -> None:
        """Take one row, its values in the order of the schema."""
        self._waiting[zlib.crc32(str(row[self._uid]).encode()) % PARTS].append(row)
        self._buffered += 1
        if self._buffered >= _BUFFERED_ROWS:
            self._flush()

    def rows(self, part: int) -> Iterator[tuple[Any, ...]]:
        """The rows of one part, in the order in which they came."""
        for place, size in self._places[part]:
            self._file.seek(place)
            batch = pa.ipc.read_record_batch(pa.py_buffer(self._file.read(size)), self._schema)
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
        yield from self._waiting[part]

    def _flush(self) -> None:
        self._file.seek(0, 2)
        for part, rows in enumerate(self._waiting):
            if rows:
                columns = [
                    pa.array(values, field.type)
                    for values, field in zip(zip(*rows, strict=True), self._schema, strict=True)
                ]
                data = pa.RecordBatch.from_arrays(columns, schema=self._schema).serialize()
                self._places[part].append((self._file.tell(), data.size))
                self._file.write(data)
        self._waiting = [[] for _ in range(PARTS)]
        self._buffered = 0
