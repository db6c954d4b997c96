"""Arrow columns as plain values that every output format can write exactly.

Plain values are None, bool, int, float, Decimal, str, bytes, list, dict, and :class:`RawJson`. Times become ISO
8601 text here, from their integers: Python's own types lose nanoseconds, infinity and years beyond 9999.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import pyarrow as pa

Value = Any
"""None, bool, int, float, Decimal, str, bytes, RawJson, list of values, or dict of text to value."""


class RawJson(str):
    """The text of a JSON value; formats that nest write the value itself."""

    __slots__ = ()


_EPOCH = date(1970, 1, 1)
_DAY_RANGE = (date.min.toordinal() - _EPOCH.toordinal(), date.max.toordinal() - _EPOCH.toordinal())
_DAYS_400_YEARS = 146097
_INFINITE_DAYS = 2**31 - 1
_INFINITE_MICROS = 2**63 - 1
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_US_PER_DAY = 86400 * 10**6


def plain(array: pa.Array) -> list[Value]:
    """The values of one Arrow array."""
    type_ = array.type
    if isinstance(type_, pa.BaseExtensionType):
        return _extension(array)
    if pa.types.is_timestamp(type_):
        unit, zone = _PER_SECOND[type_.unit], "Z" if type_.tz else ""
        return [None if v is None else _timestamp(v, unit, zone) for v in array.cast(pa.int64()).to_pylist()]
    if pa.types.is_date(type_):
        return [None if v is None else _date(v) for v in array.cast(pa.int32()).to_pylist()]
    if pa.types.is_time(type_):
        unit = _PER_SECOND[type_.unit]
        return [None if v is None else _time(v, unit) for v in _integers(array)]
    if pa.types.is_float32(type_):
        return [None if v is None else _shortest(v) for v in array.to_pylist()]
    if pa.types.is_interval(type_):
        return [None if v is None else _interval(v.months, v.days, v.nanoseconds) for v in array.to_pylist()]
    if pa.types.is_dictionary(type_):
        return plain(array.dictionary_decode())
    if pa.types.is_nested(type_):
        return _nested(array)
    values: list[Value] = array.to_pylist()
    return values


def _nested(array: pa.Array) -> list[Value]:
    type_ = array.type
    if pa.types.is_struct(type_):
        names = [type_.field(i).name for i in range(type_.num_fields)]
        rows = zip(*(plain(array.field(i)) for i in range(type_.num_fields)), strict=True)
        return [
            dict(zip(names, row, strict=True)) if valid else None
            for valid, row in zip(_valid(array), rows, strict=True)
        ]
    if pa.types.is_union(type_):
        children = [plain(array.field(i)) for i in range(type_.num_fields)]
        return [children[code][i] for i, code in enumerate(array.type_codes.to_pylist())]
    if pa.types.is_fixed_size_list(type_):
        size, values = type_.list_size, plain(array.values)
        starts = [(array.offset + i) * size for i in range(len(array))]
        return [values[s : s + size] if valid else None for valid, s in zip(_valid(array), starts, strict=True)]
    offsets = array.offsets.to_pylist()
    bounds = list(zip(_valid(array), offsets, offsets[1:], strict=False))
    if pa.types.is_map(type_):
        keys, items = [_key(key) for key in plain(array.keys)], plain(array.items)
        return [dict(zip(keys[a:b], items[a:b], strict=True)) if valid else None for valid, a, b in bounds]
    values = plain(array.values)
    return [values[a:b] if valid else None for valid, a, b in bounds]


def _extension(array: pa.Array) -> list[Value]:
    """Types that Arrow does not have, as DuckDB hands them over with ``arrow_lossless_conversion``."""
    type_, storage = array.type, array.storage
    name = getattr(type_, "type_name", "") or type_.extension_name
    if name == "arrow.json":
        return [None if v is None else RawJson(v) for v in storage.to_pylist()]
    decode = _DECODERS.get(name)
    if decode is None:
        return plain(storage)
    return [None if v is None else decode(v) for v in storage.to_pylist()]


def _time_with_zone(data: bytes) -> str:
    """40 bits of microseconds above 24 bits of offset, which counts down from +15:59:59."""
    bits = int.from_bytes(data, "little")
    offset = 15 * 3600 + 59 * 60 + 59 - (bits & 0xFFFFFF)
    sign, seconds = ("-", -offset) if offset < 0 else ("+", offset)
    zone = f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}" + (f":{seconds % 60:02}" if seconds % 60 else "")
    return _time(bits >> 24, 10**6) + zone


def _bits(data: bytes) -> str:
    """The first byte counts the padding bits in front."""
    return "".join(f"{byte:08b}" for byte in data[1:])[data[0] :]


def _bignum(data: bytes) -> int:
    """Three bytes of header, the first bit of which is set for positive numbers; negative ones are inverted."""
    if data[0] & 0x80:
        return int.from_bytes(data[3:], "big")
    return -int.from_bytes(bytes(byte ^ 0xFF for byte in data[3:]), "big")


_DECODERS: dict[str, Callable[[Any], Value]] = {
    "arrow.bool8": bool,
    "hugeint": lambda data: int.from_bytes(data, "little", signed=True),
    "uhugeint": lambda data: int.from_bytes(data, "little"),
    "arrow.uuid": lambda data: str(UUID(bytes=data)),
    "time_tz": _time_with_zone,
    "bit": _bits,
    "bignum": _bignum,
}


def _timestamp(value: int, per_second: int, zone: str) -> str:
    if abs(value) >= _INFINITE_MICROS:
        return "infinity" if value > 0 else "-infinity"
    days, rest = divmod(value, 86400 * per_second)
    return f"{_date(days)}T{_time(rest, per_second)}{zone}"


@lru_cache(maxsize=4096)
def _date(days: int) -> str:
    if abs(days) >= _INFINITE_DAYS:
        return "infinity" if days > 0 else "-infinity"
    if _DAY_RANGE[0] <= days <= _DAY_RANGE[1]:
        return (_EPOCH + timedelta(days)).isoformat()
    # beyond the years 1 to 9999: the calendar repeats every 400 years; ISO 8601 wants a sign then
    cycles = (days - _DAY_RANGE[0]) // _DAYS_400_YEARS
    inside = _EPOCH + timedelta(days - cycles * _DAYS_400_YEARS)
    return f"{inside.year + 400 * cycles:+05}-{inside.month:02}-{inside.day:02}"


def _time(value: int, per_second: int) -> str:
    seconds, fraction = divmod(value, per_second)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if not fraction:
        return text
    return f"{text}.{str(fraction).rjust(len(str(per_second)) - 1, '0').rstrip('0')}"


def _interval(months: int, days: int, nanoseconds: int) -> str:
    """As DuckDB writes intervals: ``1 year 2 months 3 days 04:05:06``."""
    sign, whole = (-1, -months) if months < 0 else (1, months)
    parts = [_count(sign * (whole // 12), "year"), _count(sign * (whole % 12), "month"), _count(days, "day")]
    text = " ".join(part for part in parts if part)
    if nanoseconds or not text:
        minus = "-" if nanoseconds < 0 else ""
        text = f"{text} {minus}{_time(abs(nanoseconds) // 1000, 10**6)}".strip()
    return text


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if abs(number) == 1 else 's'}" if number else ""


def _shortest(value: float) -> float:
    """The shortest decimal that means the same 32-bit float; Arrow widens it to 64 bits."""
    if value != value or value in (float("inf"), float("-inf")):
        return value
    packed = struct.pack("f", value)
    for digits in range(6, 10):
        text = float(f"{value:.{digits}g}")
        if struct.pack("f", text) == packed:
            return text
    return value


def _key(key: Value) -> str:
    """A map's key as text."""
    if isinstance(key, str):
        return str(key)
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, bytes):
        return key.hex()
    return format(key, "f") if isinstance(key, Decimal) else str(key)


def _integers(array: pa.Array) -> list[int | None]:
    wide = pa.int64() if array.type.bit_width == 64 else pa.int32()
    values: list[int | None] = array.cast(wide).to_pylist()
    return values


def _valid(array: pa.Array) -> list[bool]:
    valid: list[bool] = array.is_valid().to_pylist()
    return valid
