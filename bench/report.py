"""Tables of results: the same text on the terminal and between the marks in ``docs/benchmarks.md``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

BEGIN = "<!-- results: begin; written by `python -m bench --docs` -->"
END = "<!-- results: end -->"


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        title: of the table.
        header: names of the columns.
        rows: the cells.
        note: what to know about the figures.
        texts: so many columns hold texts and stand left-aligned, the others hold figures.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    texts: int = 1

    def markdown(self) -> str:
        """Markdown, its columns aligned so that it reads well as it is."""
        cells = [list(self.header), *[list(row) for row in self.rows]]
        widths = [max(len(row[index]) for row in cells) for index in range(len(self.header))]
        if self.texts == len(self.header):
            widths[-1] = 3  # nothing stands behind it
        cells.insert(1, ["-" * w if n < self.texts else "-" * (w - 1) + ":" for n, w in enumerate(widths)])
        lines = [self._line(row, widths) for row in cells]
        parts = [f"### {self.title}", "\n".join(lines), *([self.note] if self.note else [])]
        return "\n\n".join(parts)

    def _line(self, cells: Sequence[str], widths: Sequence[int]) -> str:
        pairs = enumerate(zip(cells, widths, strict=True))
        return f"| {' | '.join(c.ljust(w) if n < self.texts else c.rjust(w) for n, (c, w) in pairs)} |"


def write_into(document: Path, tables: Iterable[Table]) -> None:
    """Replace what stands between the marks.

    Raises:
        ValueError: the document has no marks.
    """
    text = document.read_text()
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{document} lacks the marks {BEGIN!r} and {END!r}")
    body = "\n\n".join(table.markdown() for table in tables)
    document.write_text(f"{head}{BEGIN}\n\n{body}\n\n{END}{tail}")


def seconds(value: float | None) -> str:
    """Three digits, as milliseconds below one second."""
    if value is None:
        return "–"
    return f"{value * 1000:.0f} ms" if value < 0.9995 else f"{value:.2f} s" if value < 99.5 else f"{value:.0f} s"


def megabytes(value: float | None) -> str:
    """Millions of bytes."""
    if value is None:
        return "–"
    millions = value / 1e6
    return (
        f"{millions:,.0f} MB" if millions >= 99.5 else f"{millions:.1f} MB" if millions >= 1 else f"{millions:.3f} MB"
    )


def times(value: float | None) -> str:
    """A ratio."""
    if value is None:
        return "–"
    return f"{value:,.0f} ×" if value >= 99.5 else f"{value:.1f} ×" if value >= 9.95 else f"{value:.2f} ×"


def percent(value: float) -> str:
    """A share."""
    return f"{value * 100:.2f} %"
