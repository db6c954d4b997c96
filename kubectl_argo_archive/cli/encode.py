"""Plain values as text: the one meaning that all output formats share.

Values are those of ``query.values``: None, bool, int, float, Decimal, str, bytes, list, dict; RawJson is a str.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from decimal import Decimal
from json.encoder import encode_basestring
from math import isfinite
from typing import Any


def to_json(value: Any) -> str:
    """One line of JSON. Numbers keep all their digits; NaN and infinity, which JSON lacks, become null."""
    return _JSON.get(type(value), _other)(value)


def to_text(value: Any) -> str:
    """One cell: empty for NULL; lists, structs and maps as JSON, bytes as base64."""
    return _TEXT.get(type(value), _other_text)(value)


def unique_names(names: list[str]) -> list[str]:
    """The same names, the second ``a`` as ``a_1``: for formats in which a name may stand only once."""
    taken = set(names)
    seen: set[str] = set()
    unique = []
    for name in names:
        candidate, number = name, 0
        while candidate in seen or (number and candidate in taken):
            number += 1
            candidate = f"{name}_{number}"
        seen.add(candidate)
        unique.append(candidate)
    return unique


def _raw(text: str) -> str:
    """A value of SQL type JSON as it stands; DuckDB lets some texts pass that are none (NaN, a last comma)."""
    try:
        json.loads(text, parse_constant=_refuse, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        return encode_basestring(text)
    # strings cannot hold these; between values they mean nothing, and a JSON line must be one line
    return text.replace("\r", " ").replace("\n", " ")


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _other(value: Any) -> str:
    return _raw(value) if isinstance(value, str) else encode_basestring(str(value))


def _other_text(value: Any) -> str:
    return str(value) if isinstance(value, str) else to_json(value)


def _float_text(value: float) -> str:
    if isfinite(value):
        return repr(value)
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


# a table by type: an answer may have millions of values, and a chain of conditions takes its time for each
_JSON: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "null",
    bool: lambda value: "true" if value else "false",
    str: encode_basestring,
    int: str,
    float: lambda value: repr(value) if isfinite(value) else "null",
    Decimal: lambda value: format(value, "f"),
    bytes: lambda value: f'"{b64encode(value).decode()}"',
    list: lambda value: f"[{', '.join(map(to_json, value))}]",
    dict: lambda value: (
        "{" + ", ".join(f"{encode_basestring(key)}: {to_json(item)}" for key, item in value.items()) + "}"
    ),
}
_TEXT: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "",
    str: str,
    int: str,
    float: _float_text,
    bytes: lambda value: b64encode(value).decode(),
}
