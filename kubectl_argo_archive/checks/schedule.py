"""Cron expressions, as far as checks need them: when a schedule fires."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_NAMES = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
_MONTHS = {name: number for number, name in enumerate(
    ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1)}  # fmt: skip
_DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


class Schedule:
    """A cron expression with five fields, or one of the ``@`` names.

    Args:
        text: the expression; a prefix ``CRON_TZ=Zone`` or ``TZ=Zone`` is understood.
        zone: name of the time zone, UTC if unknown.

    Raises:
        ValueError: it is none, or ``@every`` something that is no duration.
    """

    def __init__(self, text: str, zone: str | None = None) -> None:
        words = text.split()
        if words and words[0].startswith(("CRON_TZ=", "TZ=")):
            zone = words.pop(0).partition("=")[2]
        self._zone = _zone(zone)
        self._every = _every(words) if words[:1] == ["@every"] else None
        if self._every is None:
            fields = _NAMES.get(" ".join(words).lower(), " ".join(words)).lower().split()
            if len(fields) != 5:
                raise ValueError(f"a schedule has five fields, not {len(fields)}")
            sets = [
                _field(f, *r, names) for f, r, names in zip(fields, _RANGES, ({}, {}, {}, _MONTHS, _DAYS), strict=True)
            ]
            self._minutes, self._hours, self._days, self._months, self._weekdays = sets
            self._weekdays = {day % 7 for day in self._weekdays}
            self._either = not fields[2].startswith("*") and not fields[4].startswith("*")

    def between(self, start: datetime, end: datetime, limit: int = 20_000) -> list[datetime]:
        """Times in (start, end], UTC; those of ``@every`` are counted from ``start``."""
        if self._every is not None:
            number = min(limit, int((end - start) / self._every))
            return [start + self._every * (i + 1) for i in range(number)]
        found: list[datetime] = []
        day = start.astimezone(self._zone).date()
        last = end.astimezone(self._zone).date()
        while day <= last and len(found) < limit:
            if self._fits(day.day, day.month, day.isoweekday() % 7):
                for hour in sorted(self._hours):
                    for minute in sorted(self._minutes):
                        local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self._zone)
                        time = local.astimezone(UTC)
                        if start < time <= end and time.astimezone(self._zone).hour == hour:
                            found.append(time)
            day += timedelta(days=1)
        return found

    def shortest_gap(self, start: datetime) -> timedelta | None:
        """The shortest time between two runs in the 8 days (else the year) after ``start``; None without two."""
        for days in (8, 366):
            times = self.between(start, start + timedelta(days=days))
            if len(times) > 1:
                return min(later - earlier for earlier, later in pairwise(times))
        return None

    def _fits(self, day: int, month: int, weekday: int) -> bool:
        if month not in self._months:
            return False
        by_day, by_week = day in self._days, weekday in self._weekdays
        return by_day or by_week if self._either else by_day and by_week


def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def _every(words: list[str]) -> timedelta:
    units = {"h": 3600, "m": 60, "s": 1}
    total, number = 0.0, ""
    for character in "".join(words[1:]):
        if character.isdigit() or character == ".":
            number += character
        elif character in units and number:
            total, number = total + float(number) * units[character], ""
        else:
            raise ValueError("@every needs a duration such as 1h30m")
    if total < 1 or number:
        raise ValueError("@every needs a duration such as 1h30m")
    return timedelta(seconds=total)


def _field(text: str, low: int, high: int, names: dict[str, int]) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        if span in ("*", "?"):
            first, last = low, high
        else:
            begin, dash, end = span.partition("-")
            first = _number(begin, names)
            last = _number(end, names) if dash else (high if step else first)
        stride = int(step) if step else 1
        if not (low <= first <= last <= high) or stride < 1:
            raise ValueError(f"{part} is out of range")
        found |= set(range(first, last + 1, stride))
    return found


def _number(text: str, names: dict[str, int]) -> int:
    return names[text] if text in names else int(text)
