"""Plain values as text: the one meaning that all output formats share.

Values are those of ``query.values``: None, bool, int, float, Decimal, str, bytes, list, dict; RawJson is a str.
"""

from __future__ import annotations

import json
from base64 import b64encode
from decimal import Decimal
from json.encoder import encode_basestring
from math import isfinite
from typing import Any


def to_json(value: Any) -> str:
    """One line of JSON. Numbers keep all their digits; NaN and infinity, which JSON lacks, become null."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return encode_basestring(value) if type(value) is str else _raw(value)
        case int():
            return str(value)
        case float():
            return repr(value) if isfinite(value) else "null"
        case Decimal():
            return format(value, "f")
        case bytes():
            return f'"{b64encode(value).decode()}"'
        case list():
            return f"[{', '.join(map(to_json, value))}]"
        case dict():
            return "{" + ", ".join(f"{encode_basestring(key)}: {to_json(item)}" for key, item in value.items()) + "}"
    return encode_basestring(str(value))


def to_text(value: Any) -> str:
    """One cell: empty for NULL; lists, structs and maps as JSON, bytes as base64."""
    if isinstance(value, str):
        return str(value)
    if value is None:
        return ""
    if isinstance(value, float) and not isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, bytes):
        return b64encode(value).decode()
    return to_json(value)


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
