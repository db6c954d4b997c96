"""Rows that did not come from a query, in the shape that ``cli.render`` takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kubectl_argo_archive.query.result import ResultColumn, Row


class PlainRows:
    """Dictionaries as a result set: the columns are given, a value that is missing is NULL.

    Args:
        columns: name → SQL type, in order.
        rows: each with some of the columns.
    """

    def __init__(self, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> None:
        self.columns = tuple(ResultColumn(name, type_) for name, type_ in columns.items())
        self.rows_read = 0
        self.more = False
        self._rows = rows

    def rows(self, limit: int | None = None) -> Iterator[list[Row]]:
        """All rows as one list; see ``query.result.ResultSet``."""
        kept = self._rows if limit is None else self._rows[:limit]
        self.rows_read, self.more = len(kept), len(kept) < len(self._rows)
        if kept:
            yield [tuple(row.get(column.name) for column in self.columns) for row in kept]
