"""JSON as text: where its parts begin and end, so that everything else can be kept letter by letter. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any

# nothing here needs a number, and Python refuses integers of 4,300 digits
DECODER = json.JSONDecoder(parse_int=float)
"""Decodes one value at a position of a text; numbers are only about right."""

PASSER = json.JSONDecoder(parse_int=float, object_pairs_hook=lambda pairs: None)
"""Checks one value and finds its end, but gives None for objects: takes hardly any memory."""

_SPACE = re.compile(r"[ \t\r\n]*")
# Atomic groups, because possessive repeats of anything that can itself go back are broken until Python 3.11.4
# (cpython#106052); bounded, because an atomic group remembers all that it repeated.
_BETWEEN_BRACKETS = re.compile(r'(?>(?:[^"{}\[\]]++|"[^"\\]*+"){0,1000})')
_IN_TEXT = re.compile(r'(?>(?:[^"\\]++|\\.){0,1000})', re.S)
_DEEPER = {"{": 1, "[": 1, "}": -1, "]": -1}


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an object, with its place in the text.

    Attributes:
        key: its name.
        start: where the name begins, at its quote.
        value_start: where the value begins.
        end: behind the value.
        value: the decoded value; None for one that was skipped or is nested too deeply to decode.
    """

    key: str
    start: int
    value_start: int
    end: int
    value: Any


def after_space(text: str, position: int) -> int:
    """The position of the next character that is no white space."""
    match = _SPACE.match(text, position)
    return match.end() if match else position


def members(text: str, position: int, skip: Container[str] = ()) -> Iterator[Member]:
    """The members of the object that begins at ``position``, in their order.

    Args:
        text: the JSON.
        position: of the object.
        skip: names of members whose objects and arrays are not decoded, only passed by.

    Raises:
        ValueError: the text is not JSON, or ends too early; what came before was sound.
    """
    position = _expect(text, after_space(text, position), "{")
    position = after_space(text, position)
    if text[position : position + 1] == "}":
        return
    while True:
        start = position
        _expect(text, start, '"')
        key, position = DECODER.raw_decode(text, start)
        position = _expect(text, after_space(text, position), ":")
        value_start = after_space(text, position)
        if key in skip and text[value_start : value_start + 1] in ("{", "["):
            value, position = None, decode(text, value_start, PASSER)[1]
        else:
            value, position = decode(text, value_start)
        yield Member(key, start, value_start, position, value)
        position = after_space(text, position)
        if text[position : position + 1] == "}":
            return
        position = after_space(text, _expect(text, position, ","))


def decode(text: str, position: int, decoder: json.JSONDecoder = DECODER) -> tuple[Any, int]:
    """The value at ``position`` and where it ends; None for one that is nested too deeply for Python.

    Raises:
        ValueError: the text is not JSON, or ends too early.
    """
    try:
        return decoder.raw_decode(text, position)
    except RecursionError:
        return None, balanced_end(text, position)


def balanced_end(text: str, position: int, depth: int = 0) -> int:
    """Where the object or array that begins at ``position`` ends, going by its brackets alone.

    Args:
        text: the JSON.
        position: of its opening bracket, or anywhere behind it.
        depth: how many brackets are open before ``position``.

    Raises:
        ValueError: it does not end in this text.
    """
    while position < len(text):
        position = _end(_BETWEEN_BRACKETS, text, position)
        mark = text[position : position + 1]
        if mark == '"':
            position = _text_end(text, position + 1)
        elif mark in _DEEPER:
            position, depth = position + 1, depth + _DEEPER[mark]
            if depth <= 0:
                return position
    raise ValueError("the brackets do not close")


def _text_end(text: str, position: int) -> int:
    while (end := _end(_IN_TEXT, text, position)) > position or text[end : end + 1] == '"':
        if text[end : end + 1] == '"':
            return end + 1
        position = end
    raise ValueError("a text does not end")


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Where a match of a pattern that matches everywhere ends."""
    match = pattern.match(text, position)
    assert match is not None
    return match.end()


def _expect(text: str, position: int, character: str) -> int:
    if text[position : position + 1] != character:
        raise ValueError(f"expected {character!r} at character {position}")
    return position + 1
