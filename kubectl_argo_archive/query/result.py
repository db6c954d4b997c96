"""What a query returned, read as it comes: rows of plain values, or Arrow record batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

Row = tuple[Any, ...]

BATCH_ROWS = 8192
_SIMPLE = frozenset({
    "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
    "UHUGEINT", "DOUBLE", "VARCHAR",
})  # fmt: skip
"""Types that DuckDB turns into Python values exactly by itself; only for others is Arrow loaded."""


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """One column of a result: its name and SQL type."""

    name: str
    type: str

    @property
    def numeric(self) -> bool:
        """True for numbers, which stand right-aligned."""
        return self.type.endswith(("INT", "INTEGER", "DOUBLE", "FLOAT", "BIGNUM")) or self.type.startswith("DECIMAL")


class ResultSet:
    """The rows of one query; they can be read once.

    Attributes:
        columns: of the result.
        rows_read: rows handed out so far.
        more: True once a limit has cut rows off.
    """

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        columns: tuple[ResultColumn, ...],
        guard: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.columns = columns
        self.rows_read = 0
        self.more = False
        self._con = con
        self._guard = guard

    def rows(self, limit: int | None = None) -> Iterator[list[Row]]:
        """Lists of rows, in order; see :mod:`.values` for what a value is.

        Args:
            limit: at most so many; ``more`` tells afterwards whether there were others.

        Raises:
            QueryError: the query fails on the way, or runs into its time or memory limit.
        """
        found = self._python_rows() if all(c.type in _SIMPLE for c in self.columns) else self._arrow_rows()
        for rows in found:
            kept = rows if limit is None else rows[: limit - self.rows_read]
            self.rows_read += len(kept)
            if kept:
                yield kept
            if len(kept) < len(rows):
                self.more = True
                return

    def record_batches(self, limit: int | None = None) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The schema, and the rows as Arrow record batches; limit and errors as with :meth:`rows`."""
        with self._guard():
            reader = self._con.to_arrow_reader(BATCH_ROWS)
        return reader.schema, self._batches(reader, limit)

    def _batches(self, reader: pa.RecordBatchReader, limit: int | None) -> Iterator[pa.RecordBatch]:
        while True:
            with self._guard():
                try:
                    batch = reader.read_next_batch()
                except StopIteration:
                    return
            kept = batch if limit is None else batch.slice(0, limit - self.rows_read)
            self.rows_read += len(kept)
            if len(kept):
                yield kept
            if len(kept) < len(batch):
                self.more = True
                return

    def _python_rows(self) -> Iterator[list[Row]]:
        while True:
            with self._guard():
                rows = self._con.fetchmany(BATCH_ROWS)
            if not rows:
                return
            yield rows

    def _arrow_rows(self) -> Iterator[list[Row]]:
        from kubectl_argo_archive.query.values import plain

        with self._guard():
            reader = self._con.to_arrow_reader(BATCH_ROWS)
        while True:
            with self._guard():
                try:
                    batch = reader.read_next_batch()
                except StopIteration:
                    return
            yield list(zip(*(plain(column) for column in batch.columns), strict=True))
