"""When nothing was sealed: pauses that somebody announced, and gaps that nobody did."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from kubectl_argo_archive.audit.digest import Digest, time_text

TOLERANCE = 1.5
"""A digest may come later than expected by half an interval before that is called a gap."""


def gaps(previous: Digest | None, now: datetime, interval: timedelta | None, pause: str | None) -> list[dict[str, Any]]:
    """Entries for the digest that is sealed ``now``: kind, from, until (None while it lasts), reason."""
    found: list[dict[str, Any]] = []
    if previous is not None:
        since = previous.window_until
        announced = [gap for gap in previous.predicate["gaps"] if gap["kind"] == "pause" and gap["until"] is None]
        if announced:
            found.append({**announced[-1], "until": time_text(now)})
        elif interval is not None and now - since > interval * TOLERANCE:
            reason = f"no digest for {now - since}, expected every {interval}"
            found.append({"kind": "gap", "from": time_text(since), "until": time_text(now), "reason": reason})
    if pause is not None:
        found.append({"kind": "pause", "from": time_text(now), "until": None, "reason": pause})
    return found
