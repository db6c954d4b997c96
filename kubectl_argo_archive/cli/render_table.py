"""Results for people: aligned tables, and one field a line."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from kubectl_argo_archive.cli.encode import to_text
from kubectl_argo_archive.query.pointing import width as columns_of

if TYPE_CHECKING:
    from kubectl_argo_archive.query.result import ResultColumn, Row

GAP = "  "
NARROWEST = 12
"""Text columns are cut down to this width before whole columns are left out."""
BLOCK_ROWS = 10_000
"""Rows that are laid out together; a longer table keeps its widths unless a later value needs more."""

_BIDI = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(slots=True)
class Fit:
    """What had to be left out to fit a terminal.

    Attributes:
        cut: some values were shortened.
        hidden: columns that were left out.
    """

    cut: bool = False
    hidden: list[str] = field(default_factory=list)


def table(columns: Sequence[ResultColumn], batches: Iterator[list[Row]], width: int | None, fit: Fit) -> Iterator[str]:
    """Lines of an aligned table: names, a rule, rows; numbers stand right.

    Args:
        columns: of the result.
        batches: its rows.
        width: columns of the terminal, None to cut nothing.
        fit: filled while the lines are read.
    """
    if [column.name for column in columns] == ["explain_key", "explain_value"]:
        for row in chain.from_iterable(batches):
            yield from to_text(row[1]).rstrip("\n").split("\n")
        return
    widths: list[int] = []
    for block in _blocks(batches):
        cells = [[visible(to_text(value)) for value in row] for row in block]
        head = [visible(column.name) for column in columns]
        wanted = [max(map(columns_of, texts)) for texts in zip(head, *cells, strict=True)]
        first = not widths
        widths = [max(pair) for pair in zip(wanted, widths or wanted, strict=True)]
        shown = widths if width is None else _fitted(columns, widths, width, fit)
        right = [column.numeric for column in columns]
        if first:
            yield _line(head, shown, right)
            yield GAP.join("-" * size for size in shown)
        yield from (_line(row, shown, right) for row in cells)


def vertical(columns: Sequence[ResultColumn], batches: Iterator[list[Row]]) -> Iterator[str]:
    """One field a line, as psql's ``\\x``; nothing is cut, line breaks stay."""
    names = [visible(column.name) for column in columns]
    size = max(map(columns_of, names))
    for number, row in enumerate(chain.from_iterable(batches), 1):
        yield f"-[ RECORD {number} ]".ljust(size + 1, "-") + "+" + "-" * 20
        for name, value in zip(names, row, strict=True):
            lines = to_text(value).split("\n")
            yield f"{_pad(name, size)} | {visible(lines[0])}".rstrip()
            yield from (f"{' ' * size} | {visible(line)}".rstrip() for line in lines[1:])


def visible(text: str) -> str:
    """The text without what would move the cursor or turn the writing: archived text may hold anything."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character in _BIDI or unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs"):
        code = ord(character)
        return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
    return character


def _blocks(batches: Iterator[list[Row]]) -> Iterator[list[Row]]:
    """At least one block, so that an empty result still shows its names."""
    block: list[Row] = []
    empty = True
    for rows in batches:
        block.extend(rows)
        if len(block) >= BLOCK_ROWS:
            yield block
            block, empty = [], False
    if block or empty:
        yield block


def _fitted(columns: Sequence[ResultColumn], widths: list[int], terminal: int, fit: Fit) -> list[int]:
    """Widths of the leading columns, so that they fit; numbers are never cut, a column is rather left out."""
    for count in range(len(widths), 0, -1):
        available = terminal - len(GAP) * (count - 1)
        narrowest = [
            size if c.numeric else min(size, NARROWEST) for c, size in zip(columns, widths[:count], strict=False)
        ]
        if sum(narrowest) <= available or count == 1:
            break
    fit.hidden = [column.name for column in columns[count:]]
    spare = available - sum(narrowest)
    # the widest text gets shorter first: raise all to a common level as far as the space allows
    for index in sorted(range(count), key=lambda i: widths[i] - narrowest[i]):
        waiting = sum(widths[i] > narrowest[i] for i in range(count))
        if waiting:
            gain = min(widths[index] - narrowest[index], max(spare, 0) // waiting)
            spare -= gain
            narrowest[index] += gain
            fit.cut = fit.cut or narrowest[index] < widths[index]
    return narrowest


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    parts = zip(cells, widths, right, strict=False)
    return GAP.join(_pad(_cut(cell, size), size, right=flag) for cell, size, flag in parts).rstrip()


def _pad(text: str, size: int, *, right: bool = False) -> str:
    space = " " * (size - columns_of(text))
    return space + text if right else text + space


def _cut(text: str, size: int) -> str:
    if columns_of(text) <= size:
        return text
    kept, used = "", 1
    for character in text:
        used += columns_of(character)
        if used > size:
            break
        kept += character
    return kept + "…"
