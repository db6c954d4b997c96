"""Which workflow versions go into a bundle: by time, namespace, label, creator, template and phase."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from kubectl_argo_archive.archive.selector import Selector, parse_selector
from kubectl_argo_archive.lake.delta import reading
from kubectl_argo_archive.lake.snapshot import Snapshot
from kubectl_argo_archive.storage.filesystem import Storage
from kubectl_argo_archive.tables.schema import BY_NAME

_TEMPLATES = ("workflow_template", "cluster_workflow_template", "cron_workflow")
_COLUMNS = ("cluster", "uid", "version", "instance_id", "name", "generate_name", "namespace", "phase", "finished_at",
            "creator", "creator_email", "labels", "source_revision", "export_id", *_TEMPLATES)  # fmt: skip
_BAD_COLUMNS = ("cluster", "uid", "version", "instance_id", "name", "namespace", "phase", "source_revision",
                "export_id")  # fmt: skip

Key = tuple[str, str, int]
"""Cluster, uid, version."""


@dataclass(frozen=True, slots=True)
class Criteria:
    """What to select; empty means everything.

    Attributes:
        namespaces: names of namespaces.
        labels: a Kubernetes label selector.
        creators: who created it, as Argo's sanitised label has it (name or mail address).
        templates: names of WorkflowTemplates, ClusterWorkflowTemplates, CronWorkflows, or generated names' prefix.
        phases: Succeeded, Failed, Error, …
        since: finished at or after.
        until: finished before.
        uids: single workflows.
    """

    namespaces: tuple[str, ...] = ()
    labels: str | None = None
    creators: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    uids: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON; what is not limited is absent."""
        given = {name: list(getattr(self, name)) for name in ("namespaces", "creators", "templates", "phases", "uids")}
        times = {name: _text(getattr(self, name)) for name in ("since", "until")}
        return {name: value for name, value in {**given, "labels": self.labels, **times}.items() if value}


@dataclass(frozen=True, slots=True)
class Record:
    """What the source's own columns say of a version; flattening needs it."""

    instance_id: str
    name: str | None
    namespace: str | None
    phase: str | None
    revision: str
    export_id: str


@dataclass(slots=True)
class Selected:
    """The versions of a bundle.

    Attributes:
        raw: versions whose JSON is in table ``raw``.
        quarantine: versions in ``quarantine``.
        workflows: how many different workflows.
    """

    raw: dict[Key, Record] = field(default_factory=dict)
    quarantine: dict[Key, Record] = field(default_factory=dict)

    @property
    def uids(self) -> list[str]:
        """The uids, sorted."""
        return sorted({uid for _, uid, _ in (*self.raw, *self.quarantine)})

    @property
    def workflows(self) -> int:
        """How many different workflows."""
        return len({key[:2] for key in (*self.raw, *self.quarantine)})


def select(snapshot: Snapshot, storage: Storage, criteria: Criteria) -> Selected:
    """Find the versions; if one state of a workflow matches, all its states are taken: they tell one story.

    Raises:
        ConfigError: the label selector is malformed.
        LakeError, StorageError, StorageUnreachable: the lake cannot be read.
    """
    selector = parse_selector(criteria.labels) if criteria.labels else None
    good = {_key(row): row for row in rows(snapshot, storage, "workflows", _COLUMNS)}
    bad = {_key(row): row for row in rows(snapshot, storage, "quarantine", _BAD_COLUMNS)}
    matching = {key[:2] for key, row in good.items() if _matches(row, criteria, selector)}
    matching |= {key[:2] for key, row in bad.items() if _may_match(row, criteria)}
    return Selected(
        {key: _record(row) for key, row in good.items() if key[:2] in matching},
        {key: _record(row) for key, row in bad.items() if key[:2] in matching},
    )


def rows(snapshot: Snapshot, storage: Storage, name: str, columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Rows of a table of the lake, in the order of its files; a column that an older file lacks is None.

    Raises:
        LakeError, StorageError, StorageUnreachable: it cannot be read.
    """
    schema = BY_NAME[name].schema
    for path in snapshot.table(name).paths:
        with reading(storage), pq.ParquetFile(storage.path(name, path), filesystem=storage.fs) as file:
            present = [column for column in columns if column in file.schema_arrow.names]
            absent = dict.fromkeys(column for column in columns if column not in present)
            types = pa.schema([schema.field(column) for column in present])
            for batch in file.iter_batches(1000, columns=present):
                table = pa.Table.from_batches([batch]).select(present).cast(types)
                for row in table.to_pylist(maps_as_pydicts="lossy"):
                    yield {**row, **absent}


def documents_of(
    snapshot: Snapshot, storage: Storage, selected: Selected
) -> Iterator[tuple[Key, Literal["raw", "quarantine"], bytes]]:
    """The JSON of the selected versions, in the order of the lake's files: key, table, document.

    Raises:
        LakeError, StorageError, StorageUnreachable: it cannot be read.
    """
    tables: tuple[Literal["raw", "quarantine"], ...] = ("raw", "quarantine")
    for table in tables:
        wanted = selected.raw if table == "raw" else selected.quarantine
        for row in rows(snapshot, storage, table, ("cluster", "uid", "version", "json")) if wanted else ():
            key = (row["cluster"], row["uid"], row["version"])
            if key in wanted:
                yield key, table, row["json"].encode()


def _matches(row: dict[str, Any], criteria: Criteria, selector: Selector | None) -> bool:
    if not _may_match(row, criteria, exactly=True):
        return False
    if criteria.creators and not {row["creator"], row["creator_email"]} & set(criteria.creators):
        return False
    templates = {row[name] for name in _TEMPLATES} | {(row["generate_name"] or "").rstrip("-")}
    if criteria.templates and not templates & set(criteria.templates):
        return False
    if selector is not None and not selector.matches(row["labels"] or {}):
        return False
    finished = row["finished_at"]
    early = criteria.since is not None and (finished is None or finished < criteria.since)
    return not early and not (criteria.until is not None and (finished is None or finished >= criteria.until))


def _may_match(row: dict[str, Any], criteria: Criteria, *, exactly: bool = False) -> bool:
    """By the columns that quarantined rows have too; such a row has no time, and is rather given than kept back."""
    if not exactly and (criteria.labels or criteria.creators or criteria.templates):
        return False
    if criteria.uids and row["uid"] not in criteria.uids:
        return False
    if criteria.namespaces and row["namespace"] not in criteria.namespaces:
        return False
    return not criteria.phases or (row["phase"] or "").lower() in {phase.lower() for phase in criteria.phases}


def _key(row: dict[str, Any]) -> Key:
    return row["cluster"], row["uid"], row["version"]


def _record(row: dict[str, Any]) -> Record:
    return Record(row["instance_id"] or "", row["name"], row["namespace"], row["phase"], row["source_revision"] or "",
                  row["export_id"])  # fmt: skip


def _text(at: datetime | None) -> str | None:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
