"""What meets in a reconciliation: rows of both sides, exports, the window, and all that is known of one workflow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class SourceRow(NamedTuple):
    """A row of ``reconcile_sides.SOURCE``."""

    cluster: str
    uid: str
    namespace: str | None
    name: str | None
    hash: str
    cells: bytes | None
    finished: int | None
    clock: int | None


class State(NamedTuple):
    """A row of ``reconcile_sides.STATES``: one state of a workflow in the lake."""

    cluster: str
    uid: str
    version: int
    namespace: str | None
    name: str | None
    export_id: str
    cells: bytes | None
    finished: int | None
    hash: str | None


@dataclass(frozen=True, slots=True)
class Export:
    """A publish, as the ledger has it; ``looked_before``: when the source was read the last time before it, in µs."""

    mine: bool
    rows: int
    looked_before: int | None


@dataclass(frozen=True, slots=True)
class Window:
    """The days to look at, in microseconds since 1970, and the namespaces; empty for all."""

    since: int | None = None
    until: int | None = None
    namespaces: frozenset[str] = frozenset()

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return self.since is None and self.until is None and not self.namespaces

    def holds(self, namespace: str | None, finished: int | None) -> bool:
        """Whether a workflow belongs to what is looked at."""
        if self.namespaces and namespace not in self.namespaces:
            return False
        if self.since is None and self.until is None:
            return True
        after = self.since is None or (finished is not None and finished >= self.since)
        return after and (self.until is None or (finished is not None and finished < self.until))


@dataclass(slots=True)
class Both:
    """What both sides know of one workflow."""

    source: list[SourceRow] = field(default_factory=list)
    present: bool = False
    states: list[State] = field(default_factory=list)
    quarantined: list[State] = field(default_factory=list)
    documents: list[tuple[int, str]] = field(default_factory=list)
    events: list[tuple[int, int, str]] = field(default_factory=list)

    def deleted(self, version: int) -> bool:
        """Whether the lake knows that this state is gone from the source."""
        kinds = [kind for _, about, kind in sorted(self.events) if about == version and kind in ("deleted", "restored")]
        return bool(kinds) and kinds[-1] == "deleted"

    def superseded(self, version: int) -> bool:
        """Whether the lake knows a newer state."""
        return any(about == version and kind == "superseded" for _, about, kind in self.events)
