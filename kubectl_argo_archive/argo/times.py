"""RFC 3339 times, as Go's ``metav1.Time`` writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])(\d\d):(\d\d))", re.ASCII
)
GO_ZERO = datetime(1, 1, 1, tzinfo=UTC)
"""Go's zero time, written for "never"."""


def parse_rfc3339(text: str) -> datetime | None:
    """The instant in UTC, cut to microseconds; None for Go's zero time.

    Raises:
        ValueError: not an RFC 3339 time, or a date that does not exist.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"not an RFC 3339 time: {text[:60]!r}")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    micro = int((match[7] or "0")[:6].ljust(6, "0"))
    try:
        value = datetime(year, month, day, hour, minute, second, micro, tzinfo=UTC)
        if match[9]:
            offset = timedelta(hours=int(match[10]), minutes=int(match[11]))
            value = value - offset if match[9] == "+" else value + offset
    except (ValueError, OverflowError) as error:
        raise ValueError(f"no such time: {text[:60]!r}") from error
    return None if value == GO_ZERO else value
