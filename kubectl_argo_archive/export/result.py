"""What an export did."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class ExportResult:
    """The result object of ``export -o json``; documented in ``docs/cli.md``.

    Attributes:
        export_id: the publish that readers now see: this one, or an older one if nothing was to be done.
        published: whether this export published anything.
        dry_run: whether it only looked.
        source: the source, without secrets.
        lake: the lake's location.
        new: workflows that the lake did not hold.
        changed: workflows archived again with another content; the lake keeps both versions.
        deleted: workflows newly found gone from the source; their rows stay, marked.
        restored: workflows that were gone and are back.
        rewritten: rows with another fingerprint and the same content.
        unchanged: workflows left alone.
        quarantined: rows that could not be flattened; see table ``quarantine``.
        skipped: rows looked at that turned out to lie outside ``--since/--until``.
        vanished: rows that were deleted at the source while it was being read.
        json_bytes: bytes of JSON read from the source.
        tables: per table, ``rows`` and ``bytes`` that this export added.
        seconds: wall time.
        peak_memory_bytes: largest resident size of this process.
    """

    export_id: str | None
    source: str
    lake: str
    published: bool = False
    dry_run: bool = False
    new: int = 0
    changed: int = 0
    deleted: int = 0
    restored: int = 0
    rewritten: int = 0
    unchanged: int = 0
    quarantined: int = 0
    skipped: int = 0
    vanished: int = 0
    json_bytes: int = 0
    tables: dict[str, dict[str, int]] = field(default_factory=dict)
    seconds: float = 0.0
    peak_memory_bytes: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)
