"""What an export has to do: the keys of the source against the keys of the lake.

The archive table has no "updated at", and a re-archived workflow replaces its row under the same uid, so no
cursor is safe. Instead all keys are compared: they are small, and reading them touches no JSON.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kubectl_argo_archive.lake.delta import reading
from kubectl_argo_archive.lake.snapshot import Snapshot
from kubectl_argo_archive.storage.filesystem import Storage

KEY = ["cluster", "uid"]
_KNOWN = pa.schema(
    [
        pa.field("cluster", pa.string()),
        pa.field("uid", pa.string()),
        pa.field("version", pa.int32()),
        pa.field("source_revision", pa.string()),
        pa.field("export_id", pa.string()),
        pa.field("good_version", pa.int32()),
        pa.field("deleted", pa.bool_()),
    ]
)


@dataclass(frozen=True, slots=True)
class Known:
    """What the lake holds: for each key its newest version.

    Attributes:
        keys: cluster, uid, version, source_revision, export_id, deleted, and
            good_version: the newest version that is not in quarantine, or null.
        sources: export id → source id.
    """

    keys: pa.Table
    sources: dict[str, str]

    @classmethod
    def nothing(cls) -> Known:
        """An empty lake."""
        return cls(_KNOWN.empty_table(), {})

    @classmethod
    def of(cls, snapshot: Snapshot, storage: Storage) -> Known:
        """Read the keys of a snapshot; a few columns of a few tables."""
        columns = _KNOWN.names[:5]
        good = _read(snapshot, storage, "workflows", columns)
        bad = _read(snapshot, storage, "quarantine", columns)
        keys = pa.concat_tables([good, bad])
        if len(keys) and pc.max(keys["version"]).as_py() > 1:
            keys = keys.join(_newest(keys, "version"), [*KEY, "version"], join_type="left semi")
        keys = keys.join(_newest(good, "good_version"), KEY, join_type="left outer")
        keys = keys.append_column("deleted", pa.repeat(pa.scalar(False), len(keys)))
        events = _read(snapshot, storage, "source_events", [*KEY, "version", "kind", "noticed_at", "source_revision"])
        exports = _read(snapshot, storage, "exports", ["export_id", "source_id"])
        sources = dict(zip(exports["export_id"].to_pylist(), exports["source_id"].to_pylist(), strict=True))
        return cls(_apply(keys.select(_KNOWN.names).cast(_KNOWN), events), sources)


def _newest(keys: pa.Table, name: str) -> pa.Table:
    return keys.group_by(KEY).aggregate([("version", "max")]).rename_columns([*KEY, name])


def _read(snapshot: Snapshot, storage: Storage, table: str, columns: list[str]) -> pa.Table:
    from kubectl_argo_archive.tables.schema import BY_NAME

    schema = pa.schema([BY_NAME[table].schema.field(name) for name in columns])
    with reading(storage):
        parts = [
            pq.read_table(storage.path(table, path), columns=columns, filesystem=storage.fs, partitioning=None)
            for path in snapshot.table(table).paths
        ]
    return pa.concat_tables([schema.empty_table(), *(part.select(columns).cast(schema) for part in parts)])


def _apply(keys: pa.Table, events: pa.Table) -> pa.Table:
    """Bring the keys up to date with what happened to their rows after they were exported."""
    events = events.filter(pc.is_in(events["kind"], value_set=pa.array(["deleted", "restored", "rewritten"])))
    if not len(events):
        return keys
    latest: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for event in events.sort_by("noticed_at").to_pylist():
        latest.setdefault((event["cluster"], event["uid"], event["version"]), []).append(event)
    rows = zip(*(keys[name].to_pylist() for name in (*KEY, "version")), strict=True)
    revisions, deleted = keys["source_revision"].to_pylist(), [False] * len(keys)
    for i, row in enumerate(rows):
        for event in latest.get(row, ()):
            deleted[i] = event["kind"] == "deleted" or (deleted[i] and event["kind"] != "restored")
            if event["kind"] != "deleted":
                revisions[i] = event["source_revision"]
    keys = keys.set_column(
        keys.schema.get_field_index("source_revision"), "source_revision", pa.array(revisions, pa.string())
    )
    return keys.set_column(keys.schema.get_field_index("deleted"), "deleted", pa.array(deleted))


@dataclass(slots=True)
class Plan:
    """Keys to work on, as tables of ``KEY_SCHEMA`` columns; ``changed`` and the others know their version.

    Attributes:
        new: keys that the lake does not hold.
        changed: keys whose row is another one than the lake knows, with what the lake knows.
        restored: keys that were gone and are back, unchanged.
        gone: keys of this source that are no longer there.
        unchanged: how many keys need nothing.
    """

    new: pa.Table
    changed: pa.Table
    restored: pa.Table
    gone: pa.Table
    unchanged: int
    versions: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (len(self.new) or len(self.changed) or len(self.restored) or len(self.gone))


def make_plan(
    known: Known, selected: pa.Table, everything: pa.Table, *, source_id: str, complete: bool, full: bool = False
) -> Plan:
    """Compare keys.

    Args:
        known: what the lake holds.
        selected: keys of the source that the user wants looked at.
        everything: all keys of the source; what is missing here is gone.
        source_id: of the source; rows that came from another one are not its to miss.
        complete: whether a missing key means a deleted row (not so for dumps).
        full: look at the content of every selected row, whatever its revision.
    """
    mine = known.keys.rename_columns([*KEY, "version", "known_revision", "export_id", "good_version", "deleted"])
    joined = _with_known(selected, mine.select([*KEY, "version", "known_revision", "good_version", "deleted"]))
    is_known = joined["version"].is_valid()
    same = pc.and_(is_known, pc.equal(joined["revision"], joined["known_revision"]).fill_null(False))
    if full:
        same = pc.and_(same, pa.scalar(False))
    back = pc.and_(same, joined["deleted"].fill_null(False))
    changed = joined.filter(pc.and_(is_known, pc.invert(same)))
    gone = _gone(mine, known, everything, source_id) if complete else mine.slice(0, 0)
    return Plan(
        new=joined.filter(pc.invert(is_known)).select(selected.column_names),
        changed=changed,
        restored=joined.filter(back),
        gone=gone,
        unchanged=pc.sum(same).as_py() or 0,
        versions=_versions(changed),
    )


def _with_known(selected: pa.Table, known: pa.Table) -> pa.Table:
    """The selected keys with what is known of them, or nulls."""
    if len(known):
        return selected.join(known, KEY, join_type="left outer")
    for column in known.drop_columns(KEY).schema:  # a new lake: no need to load and run the machinery of joins
        selected = selected.append_column(column, pa.nulls(len(selected), column.type))
    return selected


def _gone(mine: pa.Table, known: Known, everything: pa.Table, source_id: str) -> pa.Table:
    exports = [export_id for export_id, source in known.sources.items() if source == source_id]
    from_here = mine.filter(
        pc.and_(pc.is_in(mine["export_id"], value_set=pa.array(exports, pa.string())), pc.invert(mine["deleted"]))
    )
    return from_here.join(everything.select(KEY), KEY, join_type="left anti") if len(from_here) else from_here


def _versions(changed: pa.Table) -> dict[tuple[str, str], int]:
    columns = (changed[name].to_pylist() for name in (*KEY, "version"))
    return {(cluster, uid): version + 1 for cluster, uid, version in zip(*columns, strict=True)}


def without(keys: pa.Table, removed: Iterable[tuple[str, str]]) -> pa.Table:
    """``keys`` less some of them."""
    gone = set(removed)
    if not gone:
        return keys
    pairs = zip(keys["cluster"].to_pylist(), keys["uid"].to_pylist(), strict=True)
    return keys.filter(pa.array([pair not in gone for pair in pairs], pa.bool_()))
