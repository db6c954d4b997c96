"""SQL text as DuckDB's own lexer sees it: where statements end, which word begins one, where PIVOT lists its values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

_WORD = re.compile(rb"[A-Za-z_][A-Za-z_0-9]*")
_PIVOT = ("pivot", "pivot_wider")
_PIVOT_ENDS = ("using", "group", "order", "limit", "offset", "union", "except", "intersect", ";", "")
OTHER = "?"
_EXPLAIN_OPTIONS = ("analyze", "analyse", "verbose", "format")


@dataclass(frozen=True, slots=True)
class Token:
    """A word in lower case, or one of ``( ) , ;``.

    Attributes:
        text: ``?`` for literals, quoted names and other operators; empty for the end.
        at: offset in bytes.
    """

    text: str
    at: int


def tokenize(sql: bytes) -> list[Token]:
    """All tokens but comments; a text that breaks off within a literal has none for it."""
    return [Token(_text(sql, offset), offset) for offset, _ in duckdb.tokenize(sql.decode())]


def split(tokens: list[Token]) -> list[list[Token]]:
    """The tokens of each statement; empty statements do not count."""
    statements: list[list[Token]] = [[]]
    for token in tokens:
        if token.text == ";":
            statements.append([])
        else:
            statements[-1].append(token)
    return [statement for statement in statements if statement]


def explained(tokens: list[Token]) -> int:
    """Index of the first token after ``EXPLAIN [ANALYZE] [(options)]``; 0 if the statement is no EXPLAIN."""
    if tokens[0].text != "explain":
        return 0
    words = [token.text for token in tokens] + ["", ""]
    index = 1
    while words[index] in ("analyze", "analyse", "verbose"):
        index += 1
    if words[index] == "(" and words[index + 1] in _EXPLAIN_OPTIONS:
        index = words.index(")", index) + 1 if ")" in words[index:] else index
    return min(index, len(tokens))


def with_pivot_values(sql: bytes, tokens: list[Token]) -> bytes:
    """The same SQL with ``IN ('x')`` behind every PIVOT column that lists no values.

    DuckDB's parser turns a PIVOT without values into two statements, which cannot be looked at; this stands in for
    it, with the same tables, columns and functions. It is never run.
    """
    inserts: list[tuple[int, bytes]] = []
    for start, end in _open_pivot_columns([*tokens, Token("", len(sql))]):
        inserts += [(start, b"("), (end, b"\n) IN ('x') ")]
    for at, text in sorted(inserts, key=lambda insert: insert[0], reverse=True):
        sql = sql[:at] + text + sql[at:]
    return sql


@dataclass(slots=True)
class _Pivot:
    """A PIVOT that is being read: at which depth, where its present column began, whether values were listed."""

    depth: int
    column_at: int | None = None
    listed: bool = False


def _open_pivot_columns(tokens: list[Token]) -> Iterator[tuple[int, int]]:
    """Start and end of each column expression after ``PIVOT … ON`` that no ``IN`` follows."""
    open_pivots: list[_Pivot] = []
    depth = 0
    for token, following in zip(tokens, [*tokens[1:], tokens[-1]], strict=True):
        pivot = open_pivots[-1] if open_pivots else None
        here = pivot is not None and pivot.depth == depth
        if pivot and here and pivot.column_at is None and token.text == "on":
            pivot.column_at, pivot.listed = following.at, False
        elif pivot and here and pivot.column_at is not None and token.text in (",", ")", *_PIVOT_ENDS):
            if not pivot.listed:
                yield pivot.column_at, token.at
            pivot.column_at, pivot.listed = following.at, False
            if token.text != ",":
                open_pivots.pop()
        elif here and pivot and token.text == "in":
            pivot.listed = True
        elif token.text in _PIVOT:
            open_pivots.append(_Pivot(depth))
        depth += {"(": 1, ")": -1}.get(token.text, 0)


def _text(sql: bytes, at: int) -> str:
    match = _WORD.match(sql, at)
    if match:
        return match[0].decode().lower()
    character = sql[at : at + 1].decode("ascii", "ignore")
    return character if character in ("(", ")", ";", ",") else OTHER
