"""Counts by namespace and phase for the digest: of the window, of the lake, of the database, and how they compare."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kubectl_argo_archive.archive.workflow_archive import WorkflowArchive
from kubectl_argo_archive.audit.digest import time_text
from kubectl_argo_archive.audit.files import Files
from kubectl_argo_archive.audit.survey import Survey
from kubectl_argo_archive.export.plan import KEY, Known
from kubectl_argo_archive.lake.delta import reading
from kubectl_argo_archive.lake.snapshot import Snapshot
from kubectl_argo_archive.storage.filesystem import Storage

Counts = dict[str, dict[str, int]]
"""namespace → phase → number."""

_STATE = ["cluster", "uid", "version", "namespace", "phase"]
_SCHEMA = pa.schema([pa.field(name, pa.int32() if name == "version" else pa.string()) for name in _STATE])
_EXAMPLES = 20


class Window:
    """Workflow versions in new data files of ``workflows``, by cluster and publish."""

    def __init__(self, counts: dict[tuple[str, int], Counts]) -> None:
        self._counts = counts

    def get(self, cluster: str, after: int) -> Counts:
        """What publishes after number ``after`` brought to a cluster."""
        total: Counts = {}
        for (name, seq), counts in self._counts.items():
            if name == cluster and seq > after:
                total = added(total, counts)
        return total


def window(files: Files, found: Survey) -> Window:
    """Count the new rows; rows that a compaction only moved are not new."""
    order = {row["export_id"]: int(row["seq"]) for row in found.exports}
    counts: dict[tuple[str, int], Counts] = {}
    for name in found.live("workflows"):
        content = pa.BufferReader(files.read(name))
        rows = pq.read_table(content, columns=["cluster", "namespace", "phase", "export_id"])
        for export in pc.unique(rows["export_id"].cast(pa.string())).to_pylist():
            if export in order:
                part: dict[str, Counts] = {}
                _count(part, rows.filter(pc.equal(rows["export_id"], export)))
                for cluster, new in part.items():
                    key = cluster, order[export]
                    counts[key] = added(counts.get(key, {}), new)
    return Window(counts)


def added(one: Counts, other: Mapping[str, Mapping[str, int]]) -> Counts:
    """The sum of two counts."""
    total = {namespace: dict(phases) for namespace, phases in one.items()}
    for namespace, phases in other.items():
        mine = total.setdefault(namespace, {})
        for phase, count in phases.items():
            mine[phase] = mine.get(phase, 0) + count
    return total


def current(snapshot: Snapshot, storage: Storage) -> pa.Table:
    """The newest version of each workflow that is not gone from its source: cluster, uid, version, namespace, phase."""
    keys = Known.of(snapshot, storage).keys
    keys = keys.filter(pc.invert(keys["deleted"])).select([*KEY, "version"])
    parts = []
    with reading(storage):
        for table in ("workflows", "quarantine"):
            for path in snapshot.table(table).paths:
                name = storage.path(table, path)
                part = pq.read_table(name, columns=_STATE, filesystem=storage.fs, partitioning=None)
                parts.append(part.cast(_SCHEMA))
    states = pa.concat_tables([_SCHEMA.empty_table(), *parts])
    return states.join(keys, [*KEY, "version"], join_type="left semi").select(_STATE)


def by_cluster(states: pa.Table) -> dict[str, Counts]:
    """States, counted per cluster."""
    found: dict[str, Counts] = {}
    _count(found, states)
    return found


@dataclass(frozen=True, slots=True)
class Database:
    """What the database held when the seal looked: keys without JSON.

    Attributes:
        source: the database, without secrets.
        looked_at: when.
        states: cluster, uid, namespace, phase.
    """

    source: str
    looked_at: datetime
    states: pa.Table = field(repr=False)


def of_database(database: Database | None, cluster: str) -> Counts | None:
    """What the database held of a cluster."""
    if database is None:
        return None
    found: dict[str, Counts] = {}
    _count(found, database.states)
    return found.get(cluster, {})


def look_at(archive: WorkflowArchive, now: datetime) -> Database:
    """Read the keys of the database.

    Raises:
        SourceError, SourceUnreachable: it cannot be read.
    """
    opened: AbstractContextManager[Any] = archive.snapshot()
    with opened as source:
        return Database(source.info.display, now, source.keys().select(["cluster", "uid", "namespace", "phase"]))


def reconcile(lake: pa.Table, database: Database | None, cluster: str) -> dict[str, Any]:
    """How lake and database compare for one cluster, by key, namespace and phase; content is `reconcile`'s business."""
    if database is None:
        return {"result": "not compared"}
    ours, theirs = _states(lake, cluster), _states(database.states, cluster)
    lacking = sorted(theirs.keys() - ours.keys())
    extra = sorted(ours.keys() - theirs.keys())
    differing = sorted(uid for uid in ours.keys() & theirs.keys() if ours[uid] != theirs[uid])
    return {
        "result": "different" if lacking or extra or differing else "equal",
        "source": database.source,
        "looked_at": time_text(database.looked_at),
        "missing_in_lake": len(lacking),
        "missing_in_database": len(extra),
        "different": len(differing),
        "examples": [*lacking, *extra, *differing][:_EXAMPLES],
    }


def _states(table: pa.Table, cluster: str) -> dict[str, tuple[str, str]]:
    rows = table.filter(pc.equal(table["cluster"], cluster))
    columns = (rows[name].to_pylist() for name in ("uid", "namespace", "phase"))
    return {uid: (namespace or "", phase or "") for uid, namespace, phase in zip(*columns, strict=True)}


def _count(found: dict[str, Counts], rows: pa.Table) -> None:
    columns = [rows[name].cast(pa.string()).fill_null("") for name in ("cluster", "namespace", "phase")]
    grouped = pa.table(columns, names=["cluster", "namespace", "phase"]).group_by(["cluster", "namespace", "phase"])
    for row in grouped.aggregate([([], "count_all")]).to_pylist():
        phases = found.setdefault(row["cluster"], {}).setdefault(row["namespace"], {})
        phases[row["phase"]] = phases.get(row["phase"], 0) + int(row["count_all"])
