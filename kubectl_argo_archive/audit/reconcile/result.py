"""What a reconciliation found: one line per day and namespace, and the single differences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any

LISTED = 1000
"""So many differences are listed one by one unless told otherwise; all are counted."""
_SPACE = 1 << 256


class Kind(StrEnum):
    """How a workflow differs between the database and the lake."""

    MISSING_IN_LAKE = "missing_in_lake"
    EXTRA_IN_LAKE = "extra_in_lake"
    CHANGED_CONTENT = "changed_content"
    DUPLICATE = "duplicate"
    DELETED_AT_SOURCE = "deleted_at_source"
    DAY_SHIFTED = "day_shifted"
    NOT_ARCHIVED = "not_archived"
    UNPUBLISHED = "unpublished"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs.

    Attributes:
        kind: what is wrong.
        cluster: Argo's cluster name.
        namespace: of the workflow.
        name: of the workflow.
        uid: of the workflow; empty for a difference of a whole table.
        version: state in the lake that is meant, None if there is none.
        source_day: day (UTC) of its finish by the source, None if unknown.
        lake_day: day (UTC) of its finish by the lake, None if unknown.
        detail: what exactly, in words.
    """

    kind: Kind
    cluster: str
    namespace: str
    name: str
    uid: str
    version: int | None = None
    source_day: date | None = None
    lake_day: date | None = None
    detail: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        days = {"source_day": _text(self.source_day), "lake_day": _text(self.lake_day)}
        named = {name: getattr(self, name) for name in ("cluster", "namespace", "name", "uid", "version")}
        return {"kind": self.kind.value, **named, **days, "detail": self.detail}


@dataclass(slots=True)
class Line:
    """One namespace on one day.

    Attributes:
        cluster: Argo's cluster name.
        namespace: of the workflows.
        day: UTC day of the finish, None for workflows that never finished.
        source: workflows in the database.
        lake: workflows in the lake, in their latest state, less those known to be gone from the database.
        source_sum: sum modulo 2²⁵⁶ of SHA-256(uid, canonical hash) of the database's workflows.
        lake_sum: the same of the lake's.
        differences: how many of each kind.
        deleted_noted: gone from the database, as the lake knows already.
        late: came with a later export than one that had already looked past their finish.
    """

    cluster: str
    namespace: str
    day: date | None
    source: int = 0
    lake: int = 0
    source_sum: int = 0
    lake_sum: int = 0
    differences: dict[Kind, int] = field(default_factory=dict)
    deleted_noted: int = 0
    late: int = 0

    @property
    def equal(self) -> bool:
        """Whether both sides agree on this day."""
        return not self.differences and self.source == self.lake and self.source_sum == self.lake_sum

    @property
    def status(self) -> str:
        """``equal``, ``gap`` (the lake has nothing of this day) or ``different``."""
        return "equal" if self.equal else "gap" if self.source and not self.lake else "different"

    def add(self, side: str, contribution: int) -> None:
        """Count one workflow of a side."""
        setattr(self, side, getattr(self, side) + 1)
        setattr(self, f"{side}_sum", (getattr(self, f"{side}_sum") + contribution) % _SPACE)

    def note(self, kind: Kind) -> None:
        """Count a difference."""
        self.differences[kind] = self.differences.get(kind, 0) + 1

    def to_dict(self) -> dict[str, Any]:
        """Plain values; every kind has a count."""
        return {
            "cluster": self.cluster, "namespace": self.namespace, "day": _text(self.day), "status": self.status,
            "source": self.source, "lake": self.lake,
            **{kind.value: self.differences.get(kind, 0) for kind in Kind if kind is not Kind.UNPUBLISHED},
            "deleted_noted": self.deleted_noted, "late": self.late,
            "source_hash": f"{self.source_sum:064x}", "lake_hash": f"{self.lake_sum:064x}",
        }  # fmt: skip


@dataclass(slots=True)
class Reconciliation:
    """The whole comparison.

    Attributes:
        source: the database, without secrets.
        lake: the lake.
        export_id: the publish that was looked at.
        listed: how many differences are kept one by one.
        ignored: kinds that do not count as a difference in the verdict.
        cluster_checked: whether a live cluster was asked, too.
        lines: one per cluster, namespace and day that has anything.
        differences: the first ``listed`` ones.
        counts: how many of each kind.
        clock_offsets_s: offsets of the database's wall clock from UTC that were seen, in seconds.
    """

    source: str
    lake: str
    export_id: str
    listed: int = LISTED
    ignored: frozenset[Kind] = frozenset()
    cluster_checked: bool = False
    lines: dict[tuple[str, str, date | None], Line] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    counts: dict[Kind, int] = field(default_factory=dict)
    clock_offsets_s: set[int] = field(default_factory=set)

    @property
    def equal(self) -> bool:
        """Whether there is no difference but of ignored kinds."""
        if set(self.counts) - self.ignored:
            return False
        return bool(self.ignored) or all(line.equal for line in self.lines.values())

    @property
    def more(self) -> int:
        """Differences that were counted but are not listed."""
        return sum(self.counts.values()) - len(self.differences)

    def line(self, cluster: str, namespace: str | None, day: date | None) -> Line:
        """The line of a day, made when first asked for."""
        key = (cluster, namespace or "", day)
        if key not in self.lines:
            self.lines[key] = Line(*key)
        return self.lines[key]

    def note(self, found: Difference) -> None:
        """Count a difference, and list it while there is room."""
        self.counts[found.kind] = self.counts.get(found.kind, 0) + 1
        if len(self.differences) < self.listed:
            self.differences.append(found)

    def sorted_lines(self) -> list[Line]:
        """By cluster, day and namespace; workflows that never finished come last."""
        return sorted(self.lines.values(), key=lambda x: (x.cluster, x.day or date.max, x.namespace))

    def gaps(self) -> list[tuple[str, date, date]]:
        """Stretches of days without any workflow in database and lake: (cluster, first day, last day)."""
        days: dict[str, set[date]] = {}
        for line in self.lines.values():
            if line.day is not None and (line.source or line.lake):
                days.setdefault(line.cluster, set()).add(line.day)
        return [gap for cluster in sorted(days) for gap in _gaps(cluster, sorted(days[cluster]))]

    def to_dict(self) -> dict[str, Any]:
        """What ``-o json`` prints; keys are only ever added."""
        lines = self.sorted_lines()
        return {
            "equal": self.equal,
            "source": self.source,
            "lake": self.lake,
            "export_id": self.export_id,
            "cluster_checked": self.cluster_checked,
            "totals": {
                "source": sum(line.source for line in lines),
                "lake": sum(line.lake for line in lines),
                **{kind.value: self.counts.get(kind, 0) for kind in Kind},
                "deleted_noted": sum(line.deleted_noted for line in lines),
                "late": sum(line.late for line in lines),
            },
            "ignored": sorted(self.ignored),
            "clock_offsets_s": sorted(self.clock_offsets_s),
            "days": [line.to_dict() for line in lines],
            "gaps": [{"cluster": c, "from": _text(a), "to": _text(b)} for c, a, b in self.gaps()],
            "differences": [found.to_dict() for found in self.differences],
            "differences_not_listed": self.more,
        }


def _gaps(cluster: str, days: list[date]) -> Iterator[tuple[str, date, date]]:
    one = timedelta(days=1)
    for before, after in pairwise(days):
        if after - before > one:
            yield cluster, before + one, after - one


def _text(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None
