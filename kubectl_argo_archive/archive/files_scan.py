"""JSON documents in a stream of bytes, whole or broken, each with its place. No files here, and no Argo.

Understood: one document a line, documents one after another, an array of documents, and Kubernetes lists
(``{"items": […]}``). Only the document at hand is in memory. What is no JSON is found as well, so that
nothing vanishes: a broken line, a broken element, or the rest.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kubectl_argo_archive.archive.json_text import DECODER, PASSER, after_space, balanced_end

MAX_BROKEN_BYTES = 1 << 28
"""Something broken that is longer than this ends the search: memory is finite."""

LARGE_CHARS = 1 << 24

_READ_BYTES = 1 << 20
_LIST_HEAD_BYTES = 1 << 14
# far enough from the end of the window, no literal, number or escape can be cut off there
_LONGEST_TOKEN = 12
_LIST_HEAD = re.compile(
    r'\{\s*(?>(?:"(?:apiVersion|kind)"\s*:\s*"[^"\\]*+"\s*,\s*'
    r'|"metadata"\s*:\s*\{(?>(?:[^{}]++|\{[^{}]*+\})*)\}\s*,\s*)*)"items"\s*:\s*\['
)
_EndOf = Callable[[str, int], int | None]
"""Finds where something ends, from a position of a text; None if not in this text."""


class EndlessDocument(ValueError):
    """Something broken has no end within :data:`MAX_BROKEN_BYTES`."""


@dataclass(frozen=True, slots=True)
class Found:
    """A document.

    Attributes:
        offset: of its first byte in the stream.
        data: its bytes.
        value: what it says, numbers only about right; None if it is no JSON, nested too deeply, or larger
            than :data:`LARGE_CHARS`: decoded it would need many times its size.
    """

    offset: int
    data: bytes
    value: Any


def find_documents(read: Callable[[int], bytes], *, line_by_line: bool = False) -> Iterator[Found]:
    """All documents of a stream, in their order.

    Args:
        read: gives at most so many bytes, none at the end.
        line_by_line: each line is a document, even the first is broken; else that is found out.

    Raises:
        EndlessDocument: the stream is broken for so long that it is no text of documents.
    """
    yield from _Scanner(_Window(read), line_by_line).documents()


class _Window:
    """The part of the stream that is in memory, as text; bytes that are no UTF-8 survive as lone surrogates."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self._ended = False
        self.text = ""
        self.position = 0
        self.offset = 0

    def more(self) -> bool:
        """Read on, at least as much as there is, so that a long document costs linear time; False at the end."""
        if self._ended:
            return False
        chunk = self._read(max(_READ_BYTES, len(self.text) - self.position))
        self._ended = not chunk
        self.text = self.text[self.position :] + self._decode(chunk, not chunk)
        self.position = 0
        return True

    def take(self, end: int) -> bytes:
        """The bytes up to a position of the text; the window moves behind them."""
        data = self.text[self.position : end].encode(errors="surrogateescape")
        self.position = end
        self.offset += len(data)
        return data

    def next_character(self) -> str:
        """The next character that is no white space, still to be taken; empty at the end."""
        while True:
            self.take(after_space(self.text, self.position))
            if self.position < len(self.text):
                return self.text[self.position]
            if not self.more():
                return ""

    def search(self, end_of: _EndOf) -> int:
        """The position that ``end_of`` finds, reading on until it does; the end of the stream if it never does."""
        while (end := end_of(self.text, self.position)) is None:
            if len(self.text) - self.position > MAX_BROKEN_BYTES:
                raise EndlessDocument(f"no JSON from byte {self.offset} on")
            if not self.more():
                return len(self.text)
        return end


class _Scanner:
    def __init__(self, window: _Window, line_by_line: bool) -> None:
        self._window = window
        self._lines = line_by_line

    def documents(self) -> Iterator[Found]:
        window = self._window
        if window.next_character() == "\ufeff":
            window.take(window.position + 1)
        while character := window.next_character():
            if character == "[":
                window.take(window.position + 1)
                yield from self._elements()
            elif character == "{" and (items := self._list_items()) is not None:
                window.take(items)
                yield from self._elements()
                window.take(window.search(_list_end))
            else:
                found = self._document(_line_end if self._lines else _next_document_line)
                self._lines = self._lines or (found.value is not None and b"\n" not in found.data)
                yield found

    def _elements(self) -> Iterator[Found]:
        """Documents of an array, behind its opening bracket."""
        window = self._window
        while (character := window.next_character()) not in ("]", ""):
            if character == ",":
                window.take(window.position + 1)
            else:
                yield self._document(_element_end)
        window.take(window.position + len(character))

    def _list_items(self) -> int | None:
        """Behind which position the items of a Kubernetes list begin, if the object at hand is one."""
        window = self._window
        while len(window.text) - window.position < _LIST_HEAD_BYTES and window.more():
            pass
        head = _LIST_HEAD.match(window.text, window.position)
        return head.end() if head else None

    def _document(self, broken_end: _EndOf) -> Found:
        window = self._window
        while True:
            try:
                value, end = _decode(window.text, window.position)
            except (ValueError, RecursionError) as e:
                if _may_go_on(e, window.text) and window.more():
                    continue
                value, end = None, window.search(broken_end)
            return Found(window.offset, window.take(end), value)


def _decode(text: str, position: int) -> tuple[Any, int]:
    if len(text) - position <= LARGE_CHARS or text[position] not in "{[":
        return DECODER.raw_decode(text, position)
    _, end = PASSER.raw_decode(text, position)
    return (None, end) if end - position > LARGE_CHARS else DECODER.raw_decode(text, position)


def _may_go_on(error: Exception, text: str) -> bool:
    """True if the mistake is perhaps only the end of what is in memory."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated string") or error.pos > len(text) - _LONGEST_TOKEN


def _pattern_end(pattern: re.Pattern[str]) -> _EndOf:
    def end_of(text: str, position: int) -> int | None:
        match = pattern.search(text, position)
        return match.end() if match else None

    return end_of


_line_end = _pattern_end(re.compile(r"(?=\n)"))
_next_document_line = _pattern_end(re.compile(r"\n(?=[{\[])"))
_next_separator = _pattern_end(re.compile(r"(?=[,\]])"))


def _element_end(text: str, position: int) -> int | None:
    """Where a broken element of an array ends: at its last bracket, or before the next comma."""
    return _balanced(text, position) if text[position] in "{[" else _next_separator(text, position)


def _list_end(text: str, position: int) -> int | None:
    return _balanced(text, position, depth=1)


def _balanced(text: str, position: int, depth: int = 0) -> int | None:
    try:
        return balanced_end(text, position, depth)
    except ValueError:
        return None
