"""Stamps of one form at one place, read from many lines at once.

A rule is learnt from one stamp that :mod:`.lines_stamp` found. It takes only lines that begin with the same bytes up to
the stamp and whose stamp has digits and signs at the same places, so that it finds what the expressions would find.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt

from kubectl_argo_archive.logs import lines_stamp

_MONTHS = np.zeros(1 << 24, np.int8)
for _number, _name in enumerate((b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct",
                                 b"Nov", b"Dec"), 1):  # fmt: skip
    _MONTHS[int.from_bytes(_name, "big")] = _number
_DAYS = np.array([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
# what may follow a stamp without changing what it is
_HARMLESS = frozenset(b" ]\"'>)}|;\t\r")
_SIGNS = (ord("+"), ord("-"))


_IN_WORD = np.zeros(256, bool)
_IN_WORD[list(b"_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")] = True


def _packed(names: tuple[str, ...]) -> tuple[tuple[int, int, int, int], ...]:
    """Words of up to eight bytes: value, mask, length, level code."""
    return tuple(
        (int.from_bytes(name.encode(), "little"), (1 << 8 * len(name)) - 1, len(name), lines_stamp.code(name))
        for name in names
    )


_UPPER = ("TRACE", "DEBUG", "INFO", "NOTICE", "WARNING", "WARN", "ERROR", "ERR", "FATAL", "CRITICAL", "SEVERE", "PANIC")
_ANY = tuple(dict.fromkeys(form for name in _UPPER for form in (name, name.lower(), name.capitalize())))
_WORDS = {"t": _packed(_UPPER), "j": _packed(_ANY), "k": _packed(_ANY)}
"""Group of :data:`.lines_stamp.LEVEL` → the words that it takes, as far as they are known here."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Where stamps stand and how they are read.

    Attributes:
        prefix: the bytes before the stamp.
        sample: the stamp that it was learnt from.
        parts: name of each part (``Y``, ``M``, … as in :mod:`.lines_stamp`) → its place in the stamp.
        zone: seconds east of UTC.
        follower: the byte behind the stamp; None at the end of the line.
        around: gives the year if the stamp has none.
        usable: False for forms that only the expressions can read.
        filler: the bytes between stamp and level; None if the level does not follow near.
        words: level words that may stand there, as numbers of eight bytes, their masks and codes.
    """

    prefix: bytes
    sample: bytes
    parts: dict[str, tuple[int, int]]
    zone: int
    follower: int | None
    around: datetime
    usable: bool
    filler: bytes | None
    words: tuple[tuple[int, int, int, int], ...]

    @property
    def place(self) -> tuple[int, int, str | None]:
        """Byte where the stamp starts, its length, and its form if SQL can read it (None if not)."""
        return len(self.prefix), len(self.sample), self.sql_form

    @property
    def sql_form(self) -> str | None:
        """``iso`` if a cast in SQL reads the stamp (comma taken as point), else None."""
        fraction = self.parts.get("f", (0, 0))
        short = fraction[1] - fraction[0] <= 6
        return "iso" if "Y" in self.parts and "b" not in self.parts and short and self._plain_zone() else None

    def _plain_zone(self) -> bool:
        start, end = self.parts.get("z", (0, 0))
        zone = self.sample[start:end]
        return (zone in (b"", b"Z") or (len(zone) == 6 and zone[:1] in b"+-")) and self.sample[4:5] == b"-"


def learn(line: bytes, found: lines_stamp.Stamp, around: datetime) -> Rule:
    """The rule of one stamp."""
    start, end = found.start, found.end
    parts = {}
    for name in ("Y", "y", "M", "b", "D", "h", "m", "s", "f", "z", "e"):
        if name in found.match.re.groupindex and found.match[name] is not None:
            low, high = found.match.span(name)
            parts[name] = (low - start, high - start)
    follower = line[end] if end < len(line) else None
    zone = found.match["z"] if "z" in parts else None
    usable = (follower is None or follower in _HARMLESS) and start <= 64 and "e" not in parts
    filler, words = _level_place(line, start, end)
    return Rule(
        line[:start], line[start:end], parts, lines_stamp.zone_seconds(zone), follower, around, usable, filler, words
    )


def _level_place(line: bytes, start: int, end: int) -> tuple[bytes | None, tuple[tuple[int, int, int, int], ...]]:
    """What stands between stamp and level, and the words that the expression would take there."""
    found = lines_stamp.level_match(line)
    if found is None or found.lastgroup not in _WORDS:
        return None, ()
    low = found.start(found.lastgroup)
    if not end <= low <= end + 32 or start > 64:
        return None, ()
    return line[end:low], _WORDS[found.lastgroup]


def levels(
    rule: Rule, data: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint8]:
    """Level codes of lines that :func:`apply` took; 0 where the expression must decide."""
    codes = np.zeros(len(starts), np.uint8)
    if rule.filler is None:
        return codes
    base = len(rule.prefix) + len(rule.sample)
    place = base + len(rule.filler)
    fits = np.flatnonzero((ends - starts > place + 9) & (starts + place + 9 < len(data)))
    at = starts[fits]
    good = np.ones(len(at), bool)
    for index, byte in enumerate(rule.filler):
        good &= data[at + base + index] == byte
    word = np.zeros(len(at), np.uint64)
    for index in range(8):
        word |= data[at + place + index].astype(np.uint64) << np.uint64(8 * index)
    for value, mask, size, code in rule.words:
        hit = good & (word & np.uint64(mask) == np.uint64(value))
        if hit.any():
            behind = data[at + place + size]
            codes[fits[hit & ~_IN_WORD[behind]]] = code
    return codes


def apply(
    rule: Rule, data: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Which lines the rule takes, and their times in microseconds (rubbish where it does not)."""
    times = np.zeros(len(starts), np.int64)
    if not rule.usable:
        return np.zeros(len(starts), bool), times
    size = len(rule.prefix) + len(rule.sample)
    room = 0 if rule.follower is None else 3
    taken = ends - starts == size if rule.follower is None else ends - starts >= size + room
    at = np.flatnonzero(taken)
    if len(at):
        good, values = _read(rule, data, starts[at])
        times[at] = values
        taken[at] = good
    return taken, times


def apply_in_brackets(
    rule: Rule, data: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """The same for an access log: the stamp stands behind the first bracket of the line, wherever that is.

    Only lines that begin as addresses do are taken: what begins with a date is another form's.
    """
    times = np.zeros(len(starts), np.int64)
    brackets = np.append(np.flatnonzero(data == ord("[")), len(data))
    at = brackets[np.searchsorted(brackets, starts)] + 1
    taken = (at - starts >= 7) & (at - starts <= 200) & (ends - at >= len(rule.sample) + 3)
    lines = np.flatnonzero(taken)
    first, third, fifth = (data[starts[lines] + place] for place in (0, 2, 4))
    address = (first >= 48) & (first <= 57) & (third != ord("/")) & (fifth != ord("/")) & (fifth != ord("-"))
    taken[lines[~address]] = False
    lines = lines[address]
    if len(lines):
        good, values = _read(replace(rule, prefix=b""), data, at[lines])
        times[lines] = values
        taken[lines] = good
    return taken, times


def _read(
    rule: Rule, data: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    size, base = len(rule.prefix) + len(rule.sample), len(rule.prefix)
    good = np.ones(len(starts), bool)
    for index, byte in enumerate(rule.prefix):
        good &= data[starts + index] == byte
    numeric = {i for name, span in rule.parts.items() if name not in ("z", "b") for i in range(*span)}
    columns: dict[int, npt.NDArray[np.int64]] = {}
    low, high = rule.parts.get("b", (0, 0))
    for index, byte in enumerate(rule.sample):
        column = data[starts + base + index]
        if index in numeric:
            # syslog pads the day with a space
            padded = index == rule.parts["D"][0] and "b" in rule.parts and "Y" not in rule.parts
            digit = np.where(column == 32, 0, column - np.uint8(48)) if padded else column - np.uint8(48)
            good &= digit < 10
            columns[index] = digit.astype(np.int64)
        elif low <= index < high:
            columns[index] = column.astype(np.int64)
        else:
            good &= column == byte
    if rule.follower is not None:
        good &= data[starts + size] == rule.follower
        if rule.follower == 32 and "z" not in rule.parts:
            sign, behind = data[starts + size + 1], data[starts + size + 2] - np.uint8(48)
            good &= (sign != ord("U")) & (~np.isin(sign, _SIGNS) | (behind > 9))
    return _moments(rule, columns, good)


def _moments(
    rule: Rule, columns: dict[int, npt.NDArray[np.int64]], good: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    def number(name: str) -> npt.NDArray[np.int64]:
        value = np.zeros(len(good), np.int64)
        for index in range(*rule.parts[name]):
            value = value * 10 + columns[index]
        return value

    day, hour, minute, second = number("D"), number("h"), number("m"), number("s")
    if "b" in rule.parts:
        low = rule.parts["b"][0]
        month = _MONTHS[(columns[low] << 16) | (columns[low + 1] << 8) | columns[low + 2]].astype(np.int64)
    else:
        month = number("M")
    good &= (month >= 1) & (month <= 12)
    month = np.where(good, month, 1)
    if "Y" in rule.parts:
        year = number("Y")
    elif "y" in rule.parts:
        year = number("y") + 2000
    else:
        year = _years(month, day, good, rule.around)
    good &= (day >= 1) & (day <= _DAYS[month]) & (hour < 24) & (minute < 60) & (second < 60) & (year >= 1)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    good &= ~((month == 2) & (day == 29) & ~leap)
    months = (year - 1970) * 12 + month - 1
    days = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + day - 1
    seconds = days * 86400 + hour * 3600 + minute * 60 + second - rule.zone
    fraction = np.zeros(len(good), np.int64)
    if "f" in rule.parts:
        low, high = rule.parts["f"]
        for index in range(low, low + 6):
            fraction = fraction * 10 + (columns[index] if index < high else 0)
    return good, seconds * 1_000_000 + fraction


def _years(
    month: npt.NDArray[np.int64], day: npt.NDArray[np.int64], good: npt.NDArray[np.bool_], around: datetime
) -> npt.NDArray[np.int64]:
    """The year nearest to ``around``, once for each date that occurs."""
    dates, where = np.unique(np.where(good & (day >= 1) & (day <= 31), month * 32 + day, 33), return_inverse=True)
    years = [lines_stamp.nearest_year(int(date) // 32, int(date) % 32, around) for date in dates]
    return np.array(years, np.int64)[where]
