"""Argo's own archive tables on Postgres, as its migrations leave them, and rows as its controller writes them.

Argo numbers its migrations (table ``schema_history``); one number is one layout:

    56  3.0, 3.1, 3.2         the base: JSON as ``json``
    57  3.3                   + index i3
    59  3.4, 3.5              + indexes i4 and labels_i1
    60  3.6                   ``json`` becomes ``jsonb``
    62  3.7.0                 index i4 begins with the cluster
    66  3.7.1, 4.0.0          + column ``creationtimestamp``
    68  3.7.12, 4.0.3, 4.1    index i1 ends with ``startedat``
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import islice
from typing import TYPE_CHECKING, Any

from kubectl_argo_archive.demo.argo_migrations import BASE, STEPS

if TYPE_CHECKING:
    import psycopg

SCHEMA_VERSIONS = (56, 57, 59, 60, 62, 66, 68)
"""Every final value that a release of Argo since 3.0 leaves in ``schema_history``."""

LATEST = SCHEMA_VERSIONS[-1]

NUL_ESCAPE = "\\u0000"
NUL_MARKER = "ARGO_POSTGRES_NULL_REPLACEMENT"


def create_schema_sql(schema_version: int, *, schema: str | None = None) -> str:
    """The statements that make Argo's tables of one layout in an empty database (or Postgres schema).

    Args:
        schema_version: one of :data:`SCHEMA_VERSIONS`.
        schema: Postgres schema to create and use; None: the first of the user's search path, as Argo does.

    Raises:
        ValueError: no release of Argo has this version.
    """
    _check(schema_version)
    prefix = _prefix(schema)
    base = BASE.format(
        p=prefix,
        history_key=", primary key (schema_version)" if schema_version >= 62 else "",
        # a database born in 3.7.1 or later keeps a column in the off-load table that nothing ever fills
        offload_extra="\n    creationtimestamp timestamp default current_timestamp," if schema_version >= 66 else "",
    )
    created = f"create schema if not exists {_quoted(schema)};" if schema else ""
    return created + base + upgrade_schema_sql(56, schema_version, schema=schema)


def upgrade_schema_sql(old: int, new: int, *, schema: str | None = None) -> str:
    """The migrations with which a newer Argo upgrades the tables of an older one, data included.

    Raises:
        ValueError: no release of Argo has one of the versions, or ``new`` is older than ``old``.
    """
    _check(old)
    _check(new)
    if new < old:
        raise ValueError(f"Argo never downgrades a schema: {old} to {new}")
    prefix = _prefix(schema)
    steps = [sql.format(p=prefix) for version, sql in STEPS.items() if old < version <= new]
    return "\n".join([*steps, f"update {prefix}schema_history set schema_version = {new};\n"])


@dataclass(frozen=True, slots=True)
class ArchiveRow:
    """One workflow with the values that Argo copies out of its JSON; a time is None where the JSON has none."""

    uid: str
    name: str
    namespace: str
    phase: str
    started_at: datetime | None
    finished_at: datetime | None
    created_at: datetime | None
    labels: Mapping[str, str]
    json: str

    @classmethod
    def of(cls, workflow: ArchiveRow | Mapping[str, Any] | str) -> ArchiveRow:
        """The row of a workflow given as JSON text (kept letter by letter) or as parsed JSON."""
        if isinstance(workflow, ArchiveRow):
            return workflow
        text = workflow if isinstance(workflow, str) else marshal(workflow)
        parsed = json.loads(workflow) if isinstance(workflow, str) else workflow
        metadata, status = parsed.get("metadata") or {}, parsed.get("status") or {}
        return cls(
            uid=metadata.get("uid") or "",
            name=metadata.get("name") or "",
            namespace=metadata.get("namespace") or "",
            phase=status.get("phase") or "",
            started_at=_instant(status.get("startedAt")),
            finished_at=_instant(status.get("finishedAt")),
            created_at=_instant(metadata.get("creationTimestamp")),
            labels=metadata.get("labels") or {},
            json=text,
        )


def marshal(workflow: Mapping[str, Any]) -> str:
    """JSON text as Argo's ``json.Marshal`` writes it: compact, not ASCII-only, U+2028 and ``<>&`` escaped."""
    text = json.dumps(workflow, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":  # three times as fast as str.translate
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def archive_workflow(
    cursor: psycopg.Cursor[Any],
    workflow: ArchiveRow | Mapping[str, Any] | str,
    *,
    cluster: str = "default",
    instance_id: str = "",
    controller_zone: tzinfo = UTC,
    schema_version: int = LATEST,
    schema: str | None = None,
    replace_nul: bool = True,
) -> None:
    """Write one workflow as Argo's ArchiveWorkflow does, inside the caller's transaction.

    Args:
        cursor: its transaction must be committed by the caller.
        workflow: row, JSON text or parsed JSON; the text is stored as it is.
        cluster: Argo's ``persistence.clusterName``.
        instance_id: the controller's instance id; a row of another one is not replaced, as in Argo.
        controller_zone: the controller's local zone (``TZ``): the columns hold its wall clock.
        schema_version: layout of the tables, see :data:`SCHEMA_VERSIONS`.
        schema: Postgres schema of the tables, None: found by the search path.
        replace_nul: write the NUL marker for ``\\u0000``, as all of Argo but old 3.x and 3.6 does.

    Raises:
        ValueError: no release of Argo has this schema version.
        psycopg.Error: what Postgres refuses, for example the key of another instance's row.
    """
    _check(schema_version)
    row, prefix = ArchiveRow.of(workflow), _prefix(schema)
    columns, values = _columns(schema_version), _values(row, cluster, instance_id, controller_zone, replace_nul)
    cursor.execute(
        f"delete from {prefix}argo_archived_workflows where clustername = %s and instanceid = %s and uid = %s",
        (cluster, instance_id, row.uid),
    )
    cursor.execute(
        f"insert into {prefix}argo_archived_workflows ({', '.join(columns)}) "
        f"values ({', '.join(['%s'] * len(columns))})",
        values[: len(columns)],
    )
    cursor.execute(
        f"delete from {prefix}argo_archived_workflows_labels where clustername = %s and uid = %s", (cluster, row.uid)
    )
    for name, value in row.labels.items():
        cursor.execute(
            f"insert into {prefix}argo_archived_workflows_labels (clustername, uid, name, value) "
            "values (%s, %s, %s, %s)",
            (cluster, row.uid, name, value),
        )


def load_archive(
    conninfo: str,
    workflows: Iterable[ArchiveRow | Mapping[str, Any] | str],
    *,
    cluster: str = "default",
    instance_id: str = "",
    controller_zone: tzinfo = UTC,
    schema_version: int = LATEST,
    schema: str | None = None,
    replace_nul: bool = True,
    analyze: bool = True,
    batch_rows: int = 500,
) -> int:
    """Copy workflows into existing, so far free of these uids, archive tables; one transaction.

    The arguments mean what they mean for :func:`archive_workflow`. The text is never parsed when the
    workflow comes as :class:`ArchiveRow`.

    Returns:
        How many workflows were loaded.

    Raises:
        psycopg.Error: no connection, or Postgres refuses a row.
    """
    import psycopg

    _check(schema_version)
    prefix, columns = _prefix(schema), _columns(schema_version)
    rows = map(ArchiveRow.of, workflows)
    loaded = 0
    with psycopg.connect(conninfo) as connection:
        cursor = connection.cursor()
        while batch := list(islice(rows, batch_rows)):
            with cursor.copy(f"copy {prefix}argo_archived_workflows ({', '.join(columns)}) from stdin") as copy:
                for row in batch:
                    values = _values(row, cluster, instance_id, controller_zone, replace_nul)
                    copy.write_row(values[: len(columns)])
            with cursor.copy(
                f"copy {prefix}argo_archived_workflows_labels (clustername, uid, name, value) from stdin"
            ) as copy:
                for row in batch:
                    for name, value in row.labels.items():
                        copy.write_row((cluster, row.uid, name, value))
            loaded += len(batch)
        if analyze:
            cursor.execute(f"analyze {prefix}argo_archived_workflows, {prefix}argo_archived_workflows_labels")
    return loaded


def _columns(schema_version: int) -> tuple[str, ...]:
    columns = ("clustername", "instanceid", "uid", "name", "namespace", "phase", "startedat", "finishedat", "workflow")
    return (*columns, "creationtimestamp") if schema_version >= 66 else columns


def _values(row: ArchiveRow, cluster: str, instance_id: str, zone: tzinfo, replace_nul: bool) -> tuple[object, ...]:
    """Values in the order of :func:`_columns`, the creation time always at the end."""
    text = row.json.replace(NUL_ESCAPE, NUL_MARKER) if replace_nul else row.json
    times = (_wall_clock(row.started_at, zone), _wall_clock(row.finished_at, zone))
    created = _wall_clock(row.created_at, zone)
    return (cluster, instance_id, row.uid, row.name, row.namespace, row.phase, *times, text, created)


def _wall_clock(instant: datetime | None, zone: tzinfo) -> datetime:
    """What Argo stores: whole seconds of the controller's clock without a zone; Go's zero time if there is none."""
    if instant is None:
        return datetime.min
    return instant.astimezone(zone).replace(tzinfo=None, microsecond=0)


def _instant(text: str | None) -> datetime | None:
    """An RFC 3339 time of the JSON; a time without a zone is not one."""
    if not text or text.startswith("0001-01-01T00:00:00"):
        return None
    return datetime.fromisoformat(text).astimezone(UTC)


def _check(schema_version: int) -> None:
    if schema_version not in SCHEMA_VERSIONS:
        raise ValueError(f"no release of Argo has schema version {schema_version}; known: {SCHEMA_VERSIONS}")


def _prefix(schema: str | None) -> str:
    return f"{_quoted(schema)}." if schema else ""


def _quoted(schema: str | None) -> str:
    name = (schema or "").replace('"', '""')
    return f'"{name}"'
