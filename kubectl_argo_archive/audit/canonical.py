"""One spelling for equal JSON: the canonical bytes of a document and its hash; pure.

Postgres' ``jsonb`` sorts keys by length, drops white space and duplicate keys and spells numbers anew (``1e2``
becomes ``100``); plain ``json`` and MySQL do not. The canonical form is the same for all of them:

* objects and arrays without white space; members sorted by the UTF-16 code units of their names (RFC 8785, 3.2.3);
  of duplicate names the last one counts, as in ``jsonb``;
* text as in RFC 8785, 3.2.2.2: UTF-8, only ``"``, ``\\`` and the controls below U+0020 escaped; no Unicode
  normalisation; a lone surrogate stays an escape ``\\udxxx`` in lower case;
* numbers by their exact decimal value, never through a binary float: see :func:`number`.

For documents whose numbers are doubles below 1e21 in their shortest spelling that is RFC 8785 to the byte.
``docs/audit-format.md`` states the rule for other implementations; ``standalone.py`` is one.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any, Literal, NamedTuple

import msgspec

Form = Literal["json", "bytes"]
MAX_INTEGER_DIGITS = 4300
"""Digits before the decimal point that are written out; larger numbers are written with an exponent."""

_NUMBER = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?0*[0-9]{1,18}))?")
_ASTRAL_NAME = re.compile(rb'[\xf0-\xf4](?:[^"\\]|\\.)*":')
"""In canonical bytes, a member's name with a character above U+FFFF: only with one is UTF-16's order another."""
_SURROGATE = re.compile("[\ud800-\udfff]")


class DocumentHash(NamedTuple):
    """What a document is known by.

    Attributes:
        sha256: 64 hexadecimal digits.
        form: ``json`` if its canonical bytes were hashed, ``bytes`` if it is no JSON and its own bytes were.
    """

    sha256: str
    form: Form


def document_hash(document: bytes) -> DocumentHash:
    """The hash of a workflow's JSON, whatever the order of its keys and the spelling of its numbers; never fails."""
    try:
        return DocumentHash(hashlib.sha256(canonical(document)).hexdigest(), "json")
    except ValueError:
        return DocumentHash(hashlib.sha256(document).hexdigest(), "bytes")


def canonical(document: bytes) -> bytes:
    """The canonical bytes of a JSON text.

    Raises:
        ValueError: it is no JSON, no UTF-8, or nested deeper than the interpreter can follow (about 900 levels).
    """
    try:
        quickly = _ENCODER.encode(_DECODER.decode(document))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):  # it may still be JSON: a lone surrogate
        return _slowly(document)
    return quickly if quickly.isascii() or not _ASTRAL_NAME.search(quickly) else _slowly(document)


def number(text: str) -> str:
    """The canonical spelling of a JSON number, from its exact decimal value ±0.d₁…dₖ × 10ⁿ (d₁ and dₖ not 0).

    Zero is ``0``. For −6 < n ≤ 4300 it is written without an exponent and without needless zeros (``100``, ``1.5``,
    ``0.000001``), else as ``d.d…e±x`` with x = n − 1 (ECMAScript's form; there the upper limit is 21).

    Raises:
        ValueError: no JSON number, or an exponent of more than 18 digits.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError(f"not a number that can be hashed: {text[:40]}")
    sign, whole, fraction, exponent = match.groups()
    digits = whole + (fraction or "")
    significant = digits.lstrip("0")
    if not significant:
        return "0"
    point = len(whole) + int(exponent or 0) - (len(digits) - len(significant))
    significant = significant.rstrip("0")
    count = len(significant)
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{significant}"
    if count <= point <= MAX_INTEGER_DIGITS:
        return sign + significant + "0" * (point - count)
    if 0 < point < count and point <= MAX_INTEGER_DIGITS:
        return f"{sign}{significant[:point]}.{significant[point:]}"
    mantissa = significant[0] + (f".{significant[1:]}" if count > 1 else "")
    return f"{sign}{mantissa}e{point - 1:+d}"


def compact(value: Any) -> bytes:
    """Canonical bytes of a value of our own: text, integers, booleans, None, lists and objects with text keys."""
    return "".join(_pieces(value)).encode()


def _float(text: str) -> msgspec.Raw:
    return msgspec.Raw(number(text).encode())


_DECODER = msgspec.json.Decoder(float_hook=_float)
_ENCODER = msgspec.json.Encoder(order="sorted")


@dataclass(frozen=True, slots=True)
class _Number:
    text: str


def _slowly(document: bytes) -> bytes:
    """The definition, in plain Python; :func:`canonical` takes msgspec's way where that gives the same."""
    try:
        value = json.loads(
            document.decode(),
            parse_int=lambda text: _Number(number(text)),
            parse_float=lambda text: _Number(number(text)),
            parse_constant=_no_json,
        )
        text = "".join(_pieces(value))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text).encode()


def _no_json(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _pieces(value: Any) -> list[str]:
    found: list[str] = []
    _write(value, found.append)
    return found


def _write(value: Any, put: Any) -> None:
    if isinstance(value, str):
        put(encode_basestring(value))
    elif isinstance(value, _Number):
        put(value.text)
    elif value is None or isinstance(value, bool):
        put("null" if value is None else "true" if value else "false")
    elif isinstance(value, int):
        put(str(value))
    elif isinstance(value, dict):
        opening = "{"
        for key in sorted(value, key=_utf16):
            put(f"{opening}{encode_basestring(key)}:")
            _write(value[key], put)
            opening = ","
        put("{}" if opening == "{" else "}")
    elif isinstance(value, list | tuple):
        opening = "["
        for item in value:
            put(opening)
            _write(item, put)
            opening = ","
        put("[]" if opening == "[" else "]")
    else:
        raise TypeError(f"{type(value).__name__} has no canonical form")


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-be", "surrogatepass")
