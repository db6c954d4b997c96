"""One workflow document as Python values that keep what JSON parsers usually lose: the digits of numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NoReturn

from kubectl_argo_archive.argo.times import parse_rfc3339

MAX_DEPTH = 500
"""Nesting that we follow; JSON readers of other engines stop at 1000 (Jackson) or earlier."""


_INTEGER = re.compile(r"-?[0-9]{1,25}")
_EXIT_CODE = re.compile(r"-?[0-9]{1,18}")


class Malformed(Exception):
    """The document cannot be flattened without guessing; the message says where and why."""


class Number(str):
    """A JSON number as its source text."""


def _refuse(constant: str) -> NoReturn:
    raise Malformed(f"not JSON: {constant} is not a number")


def parse(data: bytes) -> dict[str, Any]:
    """Parse one document; numbers become :class:`Number`.

    Raises:
        Malformed: not UTF-8, not JSON, not an object, nested too deeply, half a surrogate pair.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"not UTF-8: {error.reason} at byte {error.start}") from error
    try:
        value = json.loads(text, parse_int=Number, parse_float=Number, parse_constant=_refuse)
    except RecursionError as error:
        raise Malformed(f"nested more than {MAX_DEPTH} levels deep") from error
    except json.JSONDecodeError as error:
        raise Malformed(f"not JSON: {error.msg.removesuffix(' at')} at character {error.pos} of {len(text)}") from error
    if not isinstance(value, dict):
        raise Malformed(f"not a workflow: the JSON is {_kind(value)}, not an object")
    _check_strings_and_depth(value, surrogates="\\ud" in text or "\\uD" in text)
    return value


def _check_strings_and_depth(value: Any, *, surrogates: bool) -> None:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
                if surrogates:
                    below.extend(item)
            elif isinstance(item, list):
                below.extend(item)
            elif surrogates and isinstance(item, str):
                try:
                    item.encode()
                except UnicodeEncodeError as error:
                    raise Malformed(f"not Unicode: half a surrogate pair in a string: {item[:40]!a}") from error
        if not below:
            return
        level = below
    raise Malformed(f"nested more than {MAX_DEPTH} levels deep")


def compact(value: Any) -> str:
    """JSON text without spaces, members in the order of the document, numbers digit by digit."""
    written: list[str] = []
    left: list[Any] = [value]  # what comes next is last; no recursion, for values may be nested deeply
    while left:
        item = left.pop()
        if isinstance(item, Number):
            written.append(item)
            continue
        if isinstance(item, dict):
            opening, closing = "{", "}"
            parts = [(f"{json.dumps(key, ensure_ascii=False)}:", member) for key, member in item.items()]
        elif isinstance(item, list):
            opening, closing = "[", "]"
            parts = [("", member) for member in item]
        else:
            written.append(json.dumps(item, ensure_ascii=False))
            continue
        written.append(opening)
        left.append(Number(closing))  # already JSON
        for position in range(len(parts) - 1, -1, -1):
            before, member = parts[position]
            left += (member, Number(("," if position else "") + before))
    return "".join(written)


def value_text(value: Any) -> str | None:
    """A parameter's value as text: strings as they are, other scalars and containers as JSON text."""
    if value is None or (isinstance(value, str) and not isinstance(value, Number)):
        return value
    return compact(value)


def value_type(value: Any) -> str | None:
    """The JSON type of a parameter's value; None for null."""
    return None if value is None else _kind(value).removeprefix("a ").removeprefix("an ")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, Number):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"


class Field:
    """A value of the document together with its path, read with a type check.

    Every reader returns None (or nothing) for a missing member and for null, and raises
    :class:`Malformed` with the path for any other type than the one asked for.
    """

    __slots__ = ("path", "value")

    def __init__(self, value: Any, path: str) -> None:
        self.value = value
        self.path = path

    def __getitem__(self, name: str) -> Field:
        return Field(self.members().get(name), f"{self.path}.{name}" if self.path else name)

    def _wrong(self, wanted: str) -> NoReturn:
        raise Malformed(f"{self.path}: expected {wanted}, found {_kind(self.value)}")

    def members(self) -> dict[str, Any]:
        """The members of an object; empty for null."""
        if self.value is None:
            return {}
        if not isinstance(self.value, dict):
            self._wrong("an object")
        return self.value

    def fields(self) -> Iterator[tuple[str, Field]]:
        """The members of an object, each with its path."""
        for name, value in self.members().items():
            yield name, Field(value, f"{self.path}.{name}")

    def items(self) -> list[Field]:
        """The items of an array; empty for null."""
        if self.value is None:
            return []
        if not isinstance(self.value, list):
            self._wrong("an array")
        return [Field(item, f"{self.path}[{i}]") for i, item in enumerate(self.value)]

    def objects(self) -> list[Field]:
        """The items of an array of objects."""
        found = self.items()
        for item in found:
            if not isinstance(item.value, dict):
                item._wrong("an object")
        return found

    def text(self) -> str | None:
        """A string."""
        if self.value is None:
            return None
        if not isinstance(self.value, str) or isinstance(self.value, Number):
            self._wrong("a string")
        return self.value

    def texts(self) -> dict[str, str | None]:
        """An object of strings."""
        return {name: field.text() for name, field in self.fields()}

    def integer(self, bits: int = 64) -> int | None:
        """An integer, as a number or as a string of digits."""
        if self.value is None:
            return None
        if not isinstance(self.value, str):
            self._wrong("an integer")
        text = str(self.value)
        if _INTEGER.fullmatch(text) is None:
            raise Malformed(f"{self.path}: not an integer: {text[:60]!r}")
        if not -(1 << bits - 1) <= int(text) < 1 << bits - 1:
            raise Malformed(f"{self.path}: {text} does not fit into {bits} bits")
        return int(text)

    def exit_code(self) -> int | None:
        """A number, or a string of digits; any other string is None."""
        if isinstance(self.value, str):
            return int(str(self.value)) if _EXIT_CODE.fullmatch(str(self.value)) else None
        return self.integer()

    def integers(self) -> dict[str, int]:
        """An object of integers; null members are left out."""
        found = {name: field.integer() for name, field in self.fields()}
        return {name: number for name, number in found.items() if number is not None}

    def flag(self) -> bool | None:
        """A boolean."""
        if self.value is None:
            return None
        if not isinstance(self.value, bool):
            self._wrong("a boolean")
        return self.value

    def time(self) -> datetime | None:
        """An RFC 3339 time, in UTC; None for Go's zero time."""
        text = self.text()
        if text is None:
            return None
        try:
            return parse_rfc3339(text)
        except ValueError as error:
            raise Malformed(f"{self.path}: {error}") from error
