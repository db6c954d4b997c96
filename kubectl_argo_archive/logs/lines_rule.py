"""Stamps of one form at one place, read from many lines at once.

A rule is learnt from one stamp that :mod:`.lines_stamp` found. It takes only lines that begin with the same bytes up to
the stamp and whose stamp has digits and signs at the same places, so that it finds what the expressions would find.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from kubectl_argo_archive.logs import lines_stamp
from kubectl_argo_archive.native import stamps

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# what may follow a stamp without changing what it is
_HARMLESS = frozenset(b" ]\"'>)}|;\t\r")


@dataclass(frozen=True)
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
    """

    prefix: bytes
    sample: bytes
    parts: dict[str, tuple[int, int]]
    zone: int
    follower: int | None
    around: datetime
    usable: bool

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

    @cached_property
    def form(self) -> stamps.Form:
        """The rule as C reads it."""
        dateless = "Y" not in self.parts and "y" not in self.parts
        years = _years(self.around) if dateless else None
        return stamps.Form(self.prefix, self.sample, self.parts, self.zone, self.follower, years)


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
    return Rule(line[:start], line[start:end], parts, lines_stamp.zone_seconds(zone), follower, around, usable)


def apply(rule: Rule, data: Bytes, starts: Ints, ends: Ints) -> tuple[Flags, Ints]:
    """Which lines the rule takes, and their times in microseconds (rubbish where it does not)."""
    if not rule.usable:
        return np.zeros(len(starts), bool), np.zeros(len(starts), np.int64)
    return stamps.read(rule.form, data, starts, ends)


def apply_in_brackets(rule: Rule, data: Bytes, starts: Ints, ends: Ints) -> tuple[Flags, Ints]:
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
        taken[lines], times[lines] = stamps.read(replace(rule, prefix=b"").form, data, at[lines], ends[lines])
    return taken, times


@lru_cache(maxsize=64)
def _years(around: datetime) -> npt.NDArray[np.int32]:
    """The year of each date without one, at place ``month * 32 + day``."""
    years = np.zeros(13 * 32, np.int32)
    for month in range(1, 13):
        for day in range(1, 32):
            years[month * 32 + day] = lines_stamp.nearest_year(month, day, around)
    return years
