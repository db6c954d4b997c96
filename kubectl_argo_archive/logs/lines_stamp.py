"""The time and the level of one line, whatever wrote it: the definition that the fast path must equal.

Formats: RFC 3339 and its relatives (Python, Java, log4j, Go) at the beginning of a line, JSON and logfmt by the name of
the field, klog (Kubernetes' ``glog`` header), syslog (RFC 3164 and 5424), Apache's access log, Spark's short dates.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

LEVELS = ("", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
"""Names of the level codes; code 0 is a line without a level."""

_CODES = {
    **dict.fromkeys(("TRACE", "10", "V", "VERBOSE"), 1),
    **dict.fromkeys(("DEBUG", "20", "D", "DBG"), 2),
    **dict.fromkeys(("INFO", "NOTICE", "INFORMATION", "INFORMATIONAL", "30", "I"), 3),
    **dict.fromkeys(("WARN", "WARNING", "40", "W"), 4),
    **dict.fromkeys(("ERROR", "ERR", "SEVERE", "50", "E"), 5),
    **dict.fromkeys(("FATAL", "CRITICAL", "CRIT", "PANIC", "EMERG", "EMERGENCY", "ALERT", "60", "F", "DPANIC"), 6),
}

_KEYS = r"(?:ts|time|timestamp|@timestamp|t|date|datetime|asctime|eventTime|event_time|created_at)"
_ISO = (
    r"(?P<Y>\d{4})[-/](?P<M>\d\d)[-/](?P<D>\d\d)[T ](?P<h>\d\d):(?P<m>\d\d):(?P<s>\d\d)(?:[.,](?P<f>\d{1,9}))?"
    r"(?P<z>Z| UTC| ?[+-]\d\d:?\d\d)?"
)
_EPOCH = r"(?P<e>\d{9,10}(?:\.\d{1,9})?|\d{12,13}|\d{15,16}|\d{18,19})(?![\d.eE])"
_CLOCK = r"(?P<h>\d\d):(?P<m>\d\d):(?P<s>\d\d)"

FAMILIES = tuple(
    re.compile(pattern.encode())
    for pattern in (
        r"(?:<\d{1,3}>\d )?(?:[\[(<\"']|[A-Z]{4,8}[: ]+\[?|\[[A-Z ]{4,8}\] *\[?)?(?P<all>" + _ISO + ")",
        r"[IWEF](?P<all>(?P<M>\d\d)(?P<D>\d\d) " + _CLOCK + r"(?:\.(?P<f>\d{1,9}))?) ",
        r"(?:<\d{1,3}>)?(?P<all>(?P<b>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (?P<D>[ \d]\d) " + _CLOCK + ") ",
        r"(?P<all>(?P<y>\d\d)/(?P<M>\d\d)/(?P<D>\d\d) " + _CLOCK + ") ",
        r"\s*\{.{0,2000}?\"" + _KEYS + r"\"\s*:\s*(?P<all>\"" + _ISO + r"|" + _EPOCH + ")",
        r"(?:.{0,500}?\s)?" + _KEYS + r"=[\"']?(?P<all>" + _ISO + r"|" + _EPOCH + ")",
        r"[^\[]{1,200}\[(?P<all>(?P<D>\d\d)/(?P<b>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)/(?P<Y>\d{4}):"
        + _CLOCK + r"(?P<z> [+-]\d{4}))\]",
    )
)  # fmt: skip
"""Tried in this order at the beginning of a line; group ``all`` is the stamp."""

ACCESS = FAMILIES[-1]
"""The only one whose stamps stand somewhere in the line."""
FIELD = rf"(?:^|\s){_KEYS}=[\"']?\d"
"""For RE2: what a line of logfmt contains."""
MAY_HAVE_STAMP = r"\d\d:\d\d:\d\d|(?:\"" + _KEYS + r"\"\s*:\s*|" + _KEYS + r"=[\"']?)\d{9}"
"""For RE2: what each line with a stamp contains."""

_MONTHS = {name: number for number, name in enumerate(
    (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"), 1)}  # fmt: skip

LEVEL = (
    r'^(?P<g>[IWEF])\d{4} \d\d:|"(?:level|lvl|severity|levelname|loglevel|log\.level)"\s*:\s*"?(?P<j>[A-Za-z]+|\d+)'
    r"|\b(?:level|lvl|severity)=[\"']?(?P<k>[A-Za-z]+)|\b(?P<t>TRACE|DEBUG|INFO|NOTICE|WARNING|WARN|ERROR|ERR|FATAL"
    r"|CRITICAL|SEVERE|PANIC)\b|[\[(](?P<b>trace|debug|info|notice|warning|warn|error|fatal|critical|crit|emerg|alert)"
    r"[\])]|^(?P<s>[Ff]atal|[Ee]rror|[Ww]arning|[Ii]nfo|[Dd]ebug):"
)
"""The first that stands in a line counts; ``native/src/levels.c`` does the same without a regular expression."""
LEVEL_BYTES = 256
"""A level further to the right is part of the message."""
_LEVEL = re.compile(LEVEL.encode())
_EPOCH_ZERO = datetime(1970, 1, 1, tzinfo=UTC)
_DIVISORS = {9: 0, 10: 0, 12: 3, 13: 3, 15: 6, 16: 6, 18: 9, 19: 9}


class Stamp(NamedTuple):
    """A time in a line: where it stands, which microsecond since 1970 it is, and how it was found."""

    start: int
    end: int
    at: int
    match: re.Match[bytes]


def stamp(line: bytes, around: datetime) -> Stamp | None:
    """The time that a line begins with, or that its time field holds; None if it has none.

    Args:
        line: without its newline; only the first few kilobytes are looked at.
        around: gives stamps without a year the one that brings them nearest.
    """
    head = line[:4096]
    for family in FAMILIES:
        found = family.match(head)
        if found:
            at = _time(found, around)
            if at is not None:
                return Stamp(*found.span("all"), at, found)
    return None


def level(line: bytes) -> int:
    """The code of the level in a line, 0 if none; see :data:`LEVELS`."""
    found = level_match(line)
    return code(found[found.lastgroup or 0].decode("ascii", "replace")) if found else 0


def level_match(line: bytes) -> re.Match[bytes] | None:
    """Where the level stands; the last group is its word."""
    return _LEVEL.search(line[:LEVEL_BYTES])


def code(word: str) -> int:
    """The code of a level's name in any spelling; 0 if it is none."""
    return _CODES.get(word.upper(), 0)


def zone_seconds(zone: bytes | None) -> int:
    """Seconds east of UTC: of ``Z``, `` UTC``, ``+02:00``, `` +0200``; a time without zone is UTC."""
    text = (zone or b"").strip()
    if text in (b"", b"Z", b"UTC"):
        return 0
    digits = text[1:].replace(b":", b"")
    return (1 if text[:1] == b"+" else -1) * (int(digits[:2]) * 3600 + int(digits[2:]) * 60)


def nearest_year(month: int, day: int, around: datetime) -> int:
    """The year that brings a date without one nearest to ``around``."""

    def distance(year: int) -> timedelta:
        try:
            return abs(datetime(year, month, day, 12, tzinfo=UTC) - around)
        except ValueError:  # the 29th of February of another year
            return timedelta.max

    return min((around.year, around.year - 1, around.year + 1), key=distance)  # fmt: skip


def _time(found: re.Match[bytes], around: datetime) -> int | None:
    parts = found.groupdict()
    if parts.get("e"):
        return epoch(parts["e"])
    month = _MONTHS[parts["b"]] if parts.get("b") else int(parts["M"])
    day = int(parts["D"])
    try:
        if parts.get("Y"):
            year = int(parts["Y"])
        else:
            year = 2000 + int(parts["y"]) if parts.get("y") else nearest_year(month, day, around)
        moment = datetime(year, month, day, int(parts["h"]), int(parts["m"]), int(parts["s"]), tzinfo=UTC)
    except ValueError:
        return None
    fraction = int((parts.get("f") or b"0")[:6].ljust(6, b"0"))
    seconds = (moment - _EPOCH_ZERO) // timedelta(seconds=1) - zone_seconds(parts.get("z"))
    return seconds * 1_000_000 + fraction


def epoch(digits: bytes) -> int:
    """Microseconds of a number of seconds (with or without fraction), milli-, micro- or nanoseconds, by its length."""
    whole, _, fraction = digits.partition(b".")
    power = _DIVISORS[len(whole)]
    if power == 0:
        return int(whole) * 1_000_000 + int(fraction[:6].ljust(6, b"0"))
    return int(whole) * 10 ** (6 - power) if power <= 6 else int(whole) // 1000
