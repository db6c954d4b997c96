"""The database against the lake, per day and namespace: counts, canonical hashes, and every single difference.

Both sides are read once, batch by batch; facts of a few hundred bytes per workflow go to temporary files, and meet
there part by part. Nothing is written but these files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow.parquet as pq

from kubectl_argo_archive.archive.workflow_archive import ArchiveSnapshot, Selection, WorkflowArchive
from kubectl_argo_archive.audit.reconcile.facts import EPOCH, MICROSECOND
from kubectl_argo_archive.audit.reconcile.join import Join
from kubectl_argo_archive.audit.reconcile.result import LISTED, Difference, Kind, Reconciliation
from kubectl_argo_archive.audit.reconcile.sides import Advance, Sides, read_lake, read_source
from kubectl_argo_archive.audit.reconcile.spill import PARTS
from kubectl_argo_archive.audit.reconcile.values import Export, Window
from kubectl_argo_archive.lake.delta import reading
from kubectl_argo_archive.lake.lake import Lake
from kubectl_argo_archive.lake.snapshot import Snapshot

LATE_AFTER = 15 * 60 * 1_000_000
"""Microseconds between a finish and the next look at the source that are no delay: archiving takes its time."""


@dataclass(frozen=True, slots=True)
class LiveWorkflow:
    """A finished workflow in the cluster, as Kubernetes has it.

    Attributes:
        cluster: Argo's cluster name, the one that its archive rows carry.
        namespace: where it is.
        name: its name.
        uid: its uid.
        finished_at: its end.
    """

    cluster: str
    namespace: str
    name: str
    uid: str
    finished_at: datetime | None


def reconcile(
    archive: WorkflowArchive,
    lake: Lake,
    *,
    namespaces: tuple[str, ...] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    live: Iterable[LiveWorkflow] | None = None,
    listed: int = LISTED,
    ignored: frozenset[Kind] = frozenset(),
    advance: Advance = lambda rows, size: None,
) -> Reconciliation:
    """Compare the archive with the lake.

    Args:
        archive: the database.
        lake: the lake.
        namespaces: only these; empty for all.
        since: only workflows that finished at or after this time, on either side.
        until: only workflows that finished before it.
        live: finished workflows of the cluster that should be in the archive, if it was asked.
        listed: how many differences to keep one by one; all are counted.
        ignored: kinds that do not make a difference.
        advance: is told about progress.

    Raises:
        SourceError, SourceUnreachable: the database cannot be read.
        LakeError, StorageError, StorageUnreachable: the lake cannot be read.
    """
    snapshot = lake.snapshot()
    window = Window(_micros(since), _micros(until), frozenset(namespaces))
    sides = Sides()
    try:
        with archive.snapshot() as source:
            # a namespace may differ between the sides: only times narrow what is read
            read_source(sides, source, Selection(since=since, until=until), advance)
            info = source.info
            archived = _keys(source) if live is not None else set()
        read_lake(sides, lake, snapshot, advance)
        result = Reconciliation(info.display, lake.storage.location.display, snapshot.export_id, listed, ignored)
        exports = _exports(snapshot, lake, info.source_id)
        join = Join(sides, exports, window, complete=info.complete, result=result)
        for part in range(PARTS):
            join.part(part)
        for table, (published, newest) in sides.unpublished.items():
            words = f"table {table} is at Delta version {newest}, the newest publish names {published}"
            result.note(Difference(Kind.UNPUBLISHED, "", "", table, "", detail=words))
        if live is not None:
            result.cluster_checked = True
            _not_archived(result, live, archived, window)
    finally:
        sides.close()
    return result


def _keys(source: ArchiveSnapshot) -> set[str]:
    return set(source.keys()["uid"].to_pylist())


def _not_archived(result: Reconciliation, live: Iterable[LiveWorkflow], archived: set[str], window: Window) -> None:
    for workflow in live:
        finished = _micros(workflow.finished_at)
        if workflow.uid in archived or not window.holds(workflow.namespace, finished):
            continue
        day = workflow.finished_at.date() if workflow.finished_at else None
        words = "finished in the cluster, and not in the database"
        result.note(Difference(Kind.NOT_ARCHIVED, workflow.cluster, workflow.namespace, workflow.name, workflow.uid,
                               source_day=day, detail=words))  # fmt: skip
        result.line(workflow.cluster, workflow.namespace, day).note(Kind.NOT_ARCHIVED)


def _exports(snapshot: Snapshot, lake: Lake, source_id: str) -> dict[str, Export]:
    """The ledger: which exports came from this source, how many workflows each published, and what it had seen."""
    columns = ["export_id", "seq", "kind", "source_id", "started_at", "table_rows"]
    rows: list[dict[str, Any]] = []
    for path in snapshot.table("exports").paths:
        with reading(lake.storage):
            table = pq.read_table(
                lake.storage.path("exports", path), columns=columns, filesystem=lake.storage.fs, partitioning=None
            )
        rows.extend(table.to_pylist(maps_as_pydicts="strict"))
    found: dict[str, Export] = {}
    looked: int | None = None
    for row in sorted(rows, key=lambda row: int(row["seq"])):
        mine = row["source_id"] == source_id and row["kind"] == "export"
        count = int((row["table_rows"] or {}).get("workflows", 0))
        found[row["export_id"]] = Export(mine, count, looked if mine else None)
        if mine:
            looked = (_micros(row["started_at"]) or 0) - LATE_AFTER
    return found


def _micros(at: datetime | None) -> int | None:
    return None if at is None else (at - EPOCH) // MICROSECOND
