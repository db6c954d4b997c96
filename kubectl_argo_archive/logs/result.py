"""What an index run did."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

STATUSES = ("indexed", "missing", "empty", "overwritten", "ambiguous", "too_large", "unreadable")


@dataclass(slots=True)
class IndexResult:
    """The result object of ``index -o json``; documented in ``docs/cli.md``.

    Attributes:
        index_id: the publish that readers now see: this one, or an older one if nothing was to be done.
        lake: its location.
        published: whether this run published anything.
        dry_run: whether it only looked.
        objects: logs in the lake per status, after this run.
        written: rows that this run wrote, per status.
        new: logs seen for the first time.
        changed: logs known before whose object, or whose status, has changed.
        gone: known objects found gone from their bucket; their text stays in the lake.
        unchanged: logs left alone; none of their objects was read.
        orphans: objects of no known workflow; null if nobody looked for them.
        read: objects read.
        bytes: bytes read from the stores.
        text_bytes: bytes of text, decompressed.
        lines: lines indexed.
        masked: values masked because they look like secrets.
        mask_rules: the same per rule.
        requests: requests sent to the stores.
        problems: stores that could not be used, and why.
        tables: per table, ``rows`` and ``bytes`` that this run added.
        seconds: wall time.
        peak_memory_bytes: largest resident size of this process.
    """

    index_id: str | None
    lake: str
    published: bool = False
    dry_run: bool = False
    objects: dict[str, int] = field(default_factory=dict)
    written: Counter[str] = field(default_factory=Counter)
    new: int = 0
    changed: int = 0
    gone: int = 0
    unchanged: int = 0
    orphans: int | None = None
    read: int = 0
    bytes: int = 0
    text_bytes: int = 0
    lines: int = 0
    masked: int = 0
    mask_rules: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    problems: list[str] = field(default_factory=list)
    tables: dict[str, dict[str, int]] = field(default_factory=dict)
    seconds: float = 0.0
    peak_memory_bytes: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        found = asdict(self)
        found["written"] = {status: self.written[status] for status in STATUSES if self.written[status]}
        found["mask_rules"] = dict(sorted(self.mask_rules.items()))
        return found
