"""Both sides of one workflow, held against each other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

import msgspec

from kubectl_argo_archive.audit.reconcile.facts import CELLS, day_of
from kubectl_argo_archive.audit.reconcile.result import Difference, Kind, Reconciliation
from kubectl_argo_archive.audit.reconcile.sides import Sides
from kubectl_argo_archive.audit.reconcile.values import Both, Export, SourceRow, State, Window

_QUARTER_H = 15 * 60
_FARTHEST_H = 14
"""No zone is farther from UTC (Kiritimati)."""
_FINISHED = CELLS.index("finished_at")
_TIMES = {CELLS.index(name) for name in ("created_at", "started_at", "finished_at")}

Key = tuple[str, str]


class Join:
    """Compares part by part and fills a result.

    Args:
        sides: the facts.
        exports: the ledger.
        window: what to look at.
        complete: whether a row that is missing from the source is gone (not so for dumps of others).
        result: takes lines and differences.
    """

    def __init__(self, sides: Sides, exports: Mapping[str, Export], window: Window, *, complete: bool,
                 result: Reconciliation) -> None:  # fmt: skip
        self._sides = sides
        self._exports = exports
        self._window = window
        self._complete = complete
        self._result = result

    def part(self, number: int) -> None:
        """Compare the workflows of one part."""
        for key, both in sorted(self._collected(number).items()):
            self._compare(key, both)

    def _collected(self, number: int) -> dict[Key, Both]:
        found: dict[Key, Both] = {}
        sides = self._sides
        for row in map(SourceRow._make, sides.source.rows(number)):
            found.setdefault(row[:2], Both()).source.append(row)
        for cluster, uid in sides.present.rows(number) if sides.present else ():
            found.setdefault((cluster, uid), Both()).present = True
        for spill, name in ((sides.states, "states"), (sides.quarantine, "quarantined")):
            for state in map(State._make, spill.rows(number)):
                getattr(found.setdefault(state[:2], Both()), name).append(state)
        for cluster, uid, version, digest in sides.documents.rows(number):
            found.setdefault((cluster, uid), Both()).documents.append((version, digest))
        for cluster, uid, version, kind, noticed in sides.events.rows(number):
            if (cluster, uid) in found:
                found[cluster, uid].events.append((noticed, version, kind))
        return found

    def _compare(self, key: Key, both: Both) -> None:
        source = both.source[0] if both.source else None
        latest = max([*both.states, *both.quarantined], key=lambda state: state.version, default=None)
        in_source = source is not None and self._window.holds(source.namespace, source.finished)
        in_lake = latest is not None and self._window.holds(latest.namespace, latest.finished)
        in_doubt = latest is not None and latest.finished is None and source is not None and in_source
        if not (in_source or in_lake or in_doubt):
            if latest is None and source is None and both.documents and self._window.everything:
                self._stray(key, both)
            return
        if source is None:
            if latest is not None and self._in_scope(latest):
                self._only_in_lake(latest, both)
            return
        source_line = self._result.line(source.cluster, source.namespace, day_of(source.finished))
        source_line.add("source", _contribution(source.uid, source.hash))
        if latest is None:
            self._note(Kind.MISSING_IN_LAKE, source, None, "the lake has no state of this workflow")
            return
        self._content(source, latest, both)
        self._clock(source)
        self._duplicates(both, latest, source)

    def _content(self, source: SourceRow, latest: State, both: Both) -> None:
        """The same workflow on both sides: is it the same content, on the same day?"""
        quarantined = latest.cells is None
        digests = [latest.hash] if quarantined else [found for version, found in both.documents
                                                     if version == latest.version]  # fmt: skip
        lake_hash = digests[0] if digests else None
        finished = source.finished if quarantined else latest.finished
        namespace = source.namespace if quarantined else latest.namespace
        line = self._result.line(latest.cluster, namespace, day_of(finished))
        line.add("lake", _contribution(latest.uid, lake_hash or ""))
        before = self._exports.get(latest.export_id)
        if before and before.looked_before and finished is not None and finished < before.looked_before:
            line.late += 1
        if lake_hash is None:
            self._note(Kind.CHANGED_CONTENT, source, latest, "the lake's table raw has no JSON of it")
        elif source.hash not in digests:
            words = f"canonical hash {source.hash[:16]}… in the source, {lake_hash[:16]}… in the lake"
            self._note(Kind.CHANGED_CONTENT, source, latest, words)
        elif not quarantined and source.cells is not None and source.cells != latest.cells:
            self._cells(source, latest)

    def _cells(self, source: SourceRow, latest: State) -> None:
        """The JSON is the same, but a column of ``workflows`` says something else."""
        wanted, found = msgspec.json.decode(source.cells or b"[]"), msgspec.json.decode(latest.cells or b"[]")
        wrong = [index for index, pair in enumerate(zip(wanted, found, strict=True)) if pair[0] != pair[1]]
        if set(wrong) <= _TIMES and day_of(source.finished) != day_of(latest.finished):
            shifts = {_zone(found[index], wanted[index]) for index in wrong}
            if len(shifts) == 1 and None not in shifts:
                words = f"the lake's finished_at is {_signed(shifts.pop())} away from the JSON's"
                self._note(Kind.DAY_SHIFTED, source, latest, words)
                return
        names = ", ".join(CELLS[index] for index in wrong)
        self._note(Kind.CHANGED_CONTENT, source, latest, f"the lake's columns {names} are not what the JSON says")

    def _clock(self, source: SourceRow) -> None:
        """The database's own column against the JSON: a controller whose clock is not UTC moves days."""
        if source.clock is None or source.finished is None:
            return
        shift = source.clock - source.finished // 1_000_000
        if not shift:
            return
        zone = _zone(source.clock * 1_000_000, source.finished // 1_000_000 * 1_000_000)
        column_day = day_of(source.clock * 1_000_000)
        if zone is None:
            words = f"the database's column finishedat is {_signed(shift)} away from the JSON's status.finishedAt"
            self._note(Kind.CHANGED_CONTENT, source, None, words)
            return
        self._result.clock_offsets_s.add(zone)
        if column_day != day_of(source.finished):
            words = f"the database's column finishedat says {column_day} (its clock is UTC{_signed(zone)}), the JSON "
            self._note(Kind.DAY_SHIFTED, source, None, f"{words}{day_of(source.finished)} UTC")

    def _duplicates(self, both: Both, latest: State, source: SourceRow | None) -> None:
        """One state twice, or two states of which neither replaced the other."""
        versions = sorted(state.version for state in both.states)
        if source is not None and len(both.source) > 1:
            self._note(Kind.DUPLICATE, source, latest, f"{len(both.source)} times in the source")
        for version in _repeated(versions):
            self._note(Kind.DUPLICATE, source, latest, f"version {version} is more than once in table workflows")
        for version in _repeated(sorted(version for version, _ in both.documents)):
            if version not in _repeated(versions):
                self._note(Kind.DUPLICATE, source, latest, f"version {version} is more than once in table raw")
        for version in sorted(set(versions)):
            if version < max(versions) and not both.superseded(version):
                words = f"versions {version} and {max(versions)} both count as the latest"
                self._note(Kind.DUPLICATE, source, latest, words)

    def _only_in_lake(self, latest: State, both: Both) -> None:
        """Gone from the source, or never there."""
        if both.present:
            self._note(Kind.CHANGED_CONTENT, None, latest, "in the source, but not on this day or in this namespace")
        elif both.deleted(latest.version):
            self._result.line(latest.cluster, latest.namespace, day_of(latest.finished)).deleted_noted += 1
            self._duplicates(both, latest, None)
            return
        elif self._never_there(latest):
            self._note(Kind.EXTRA_IN_LAKE, None, latest, "not in the source, and no export accounts for it")
        else:
            words = "exported once, gone from the source since; the next export will note it"
            self._note(Kind.DELETED_AT_SOURCE, None, latest, words)
        digest = latest.hash or next((found for version, found in both.documents if version == latest.version), "")
        line = self._result.line(latest.cluster, latest.namespace, day_of(latest.finished))
        line.add("lake", _contribution(latest.uid, digest))
        self._duplicates(both, latest, None)

    def _stray(self, key: Key, both: Both) -> None:
        """JSON in ``raw`` of a workflow that no other table knows."""
        if key[0] in self._sides.clusters:
            words = "table raw holds JSON of it, table workflows no row"
            version = both.documents[0][0]
            self._result.note(Difference(Kind.EXTRA_IN_LAKE, key[0], "", "", key[1], version, detail=words))
            self._result.line(key[0], "", None).note(Kind.EXTRA_IN_LAKE)

    def _in_scope(self, state: State) -> bool:
        """Whether this source is the one that should have the row."""
        export = self._exports.get(state.export_id)
        if not self._complete:
            return export is not None and export.mine
        return state.cluster in self._sides.clusters or export is None or export.mine

    def _never_there(self, state: State) -> bool:
        """Whether no export of this source accounts for the row: an export that published fewer rows than there are."""
        export = self._exports.get(state.export_id)
        if export is None or not export.mine or "workflows" in self._sides.unpublished:
            return True
        return state.cells is not None and self._sides.rows_of.get(state.export_id, 0) > export.rows

    def _note(self, kind: Kind, source: SourceRow | None, state: State | None, detail: str) -> None:
        owner: Any = source or state
        source_day: date | None = day_of(source.finished) if source else None
        lake_day: date | None = day_of(state.finished) if state else None
        self._result.note(
            Difference(kind, owner.cluster, owner.namespace or "", owner.name or "", owner.uid,
                       state.version if state else None, source_day, lake_day, detail)
        )  # fmt: skip
        self._result.line(owner.cluster, owner.namespace, source_day if source else lake_day).note(kind)


def _contribution(uid: str, digest: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{uid} {digest}".encode()).digest(), "big")


def _repeated(versions: Iterable[int]) -> list[int]:
    return sorted(set(_again(versions)))


def _again(versions: Iterable[int]) -> Iterator[int]:
    seen: set[int] = set()
    for version in versions:
        if version in seen:
            yield version
        seen.add(version)


def _zone(one: int | None, other: int | None) -> int | None:
    """Seconds between two times in µs if a time zone explains them: quarter hours, not more than 14 hours."""
    if one is None or other is None:
        return None
    seconds, rest = divmod(one - other, 1_000_000)
    fits = not rest and seconds % _QUARTER_H == 0 and 0 < abs(seconds) <= _FARTHEST_H * 3600
    return seconds if fits else None


def _signed(seconds: int | None) -> str:
    hours, rest = divmod(abs(seconds or 0), 3600)
    minutes, rest = divmod(rest, 60)
    sign = "-" if (seconds or 0) < 0 else "+"
    return f"{sign}{hours:02}:{minutes:02}" + (f":{rest:02}" if rest else "")
