"""Where in the SQL a mistake is: the line, and a caret under it."""

from __future__ import annotations

import unicodedata

SHOWN = 100
"""Characters of a long line that are shown around the mistake."""


def pointed(sql: str, at: int) -> str:
    """``LINE n: …`` and, below it, a caret at byte ``at`` of ``sql``.

    A long line is cut at both ends; characters of double width and tabs keep the caret in place.
    """
    data = sql.encode()
    before = data[: min(max(at, 0), len(data))].decode("utf-8", "ignore")
    # a mistake at the end of the text points behind its last character, not at an empty line below
    while before.endswith("\n") and before.rstrip("\n") and len(before) == len(sql):
        before, sql = before[:-1], sql[:-1]
    number = before.count("\n") + 1
    line = sql.split("\n")[number - 1].replace("\t", " ").replace("\r", " ")
    column = len(before) - (before.rfind("\n") + 1)
    start = max(0, min(column - SHOWN // 2, len(line) - SHOWN))
    shown = line[start : start + SHOWN]
    lead = "…" if start else ""
    tail = "…" if start + SHOWN < len(line) else ""
    label = f"LINE {number}: {lead}"
    return f"{label}{shown}{tail}\n{' ' * (len(label) + width(shown[: column - start]))}^"


def width(text: str) -> int:
    """Columns that ``text`` takes on a terminal: two for East Asian characters and emoji, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if character == "\N{SOFT HYPHEN}":
        return 1
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
