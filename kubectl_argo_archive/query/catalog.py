"""Every name that SQL may use: the lake's tables, their ``…_versions``, the curated views; with docs and types.

One source for the session (which views to make), for hints on misspelt names, and for ``docs/tables.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import pyarrow as pa

from kubectl_argo_archive.query.views import View, all_views
from kubectl_argo_archive.tables.schema import DOCUMENTED, WORKFLOW_TABLES, TableSpec

MONTH = "month"
VERSIONS = {
    "workflows": "workflow_versions", "nodes": "node_versions", "parameters": "parameter_versions",
    "artifacts": "artifact_versions", "labels": "label_versions", "conditions": "condition_versions",
    "images": "image_versions", "raw": "raw_versions",
}  # fmt: skip
"""Tables that hold every archived state of a workflow → the name under which SQL sees all of them."""

_EXAMPLES = {
    "workflows": "SELECT name, phase, duration_s FROM workflows WHERE namespace = 'data' AND month = '2026-03'",
    "nodes": "SELECT template_name, count(*), avg(duration_s) FROM nodes WHERE type = 'Pod' GROUP BY template_name",
    "parameters": "SELECT workflow FROM parameters WHERE scope = 'workflow' AND name = 'plant' AND value = 'fern'",
    "artifacts": "SELECT workflow, node_id, direction FROM artifacts WHERE key = 'risk/model.bin'",
    "labels": "SELECT value AS team, count(*) FROM labels WHERE name = 'team' GROUP BY value",
    "conditions": "SELECT workflow, message FROM conditions WHERE type = 'SpecWarning'",
    "images": "SELECT namespace, workflow FROM images WHERE repository = 'python' AND tag = 'latest'",
    "raw": "SELECT json->>'$.spec.entrypoint' FROM raw WHERE uid = '6522aff1-1e01-11ea-b443-42010aa80075'",
    "quarantine": "SELECT namespace, name, reason FROM quarantine",
    "source_events": "SELECT kind, count(*) FROM source_events GROUP BY kind",
    "log_objects": "SELECT status, count(*), sum(size) FROM log_objects GROUP BY status",
    "log_orphans": "SELECT bucket, count(*), sum(size) FROM log_orphans GROUP BY bucket",
    "log_events": "SELECT kind, count(*) FROM log_events GROUP BY kind",
    "log_lines": "SELECT workflow, line_no, message FROM log_lines WHERE level = 'ERROR' LIMIT 20",
    "exports": "SELECT export_id, published_at, new, changed, deleted FROM exports ORDER BY seq DESC LIMIT 10",
}
LOG_VERSIONS = {"log_objects": "log_object_versions"}
"""The same for what index runs found: every state of each log."""

_EXTRA = {
    "workflows": (
        ("is_latest", "BOOLEAN", "True for the newest archived state of the uid; always true in `workflows`.", "true"),
        ("source_deleted_at", "TIMESTAMP WITH TIME ZONE", "When an export noticed that the row had gone from "
         "the source (TTL or by hand); null while it is there.", "2026-05-01 00:10:00+00"),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ColumnDoc:
    """One column: SQL type, meaning, an example."""

    name: str
    type: str
    doc: str
    example: str


@dataclass(frozen=True, slots=True)
class Relation:
    """Something that may stand after FROM.

    Attributes:
        name: in SQL.
        kind: ``table`` (latest states), ``versions`` (all states), ``view`` (curated).
        doc: what one row is.
        columns: in order.
        example: a question, as SQL.
        table: the table of the lake behind it, for tables and versions.
        view: the curated view.
    """

    name: str
    kind: Literal["table", "versions", "view"]
    doc: str
    columns: tuple[ColumnDoc, ...]
    example: str
    table: TableSpec | None = None
    view: View | None = None


@lru_cache(maxsize=1)
def relations() -> Mapping[str, Relation]:
    """All relations by name: tables, then curated views, then versions."""
    tables = [_table(spec) for spec in DOCUMENTED]
    views = [_view(view) for view in all_views()]
    versions = [_versions(spec) for spec in WORKFLOW_TABLES]
    versions += [_log_versions(spec) for spec in DOCUMENTED if spec.name in LOG_VERSIONS]
    return {relation.name: relation for relation in (*tables, *views, *versions)}


def sql_type(type_: pa.DataType) -> str:
    """DuckDB's name of an Arrow type that our tables use."""
    if pa.types.is_list(type_):
        return f"{sql_type(type_.value_type)}[]"
    if pa.types.is_map(type_):
        return f"MAP({sql_type(type_.key_type)}, {sql_type(type_.item_type)})"
    if pa.types.is_timestamp(type_):
        return "TIMESTAMP WITH TIME ZONE" if type_.tz else "TIMESTAMP"
    return _SQL_TYPES[type_]


_SQL_TYPES = {
    pa.string(): "VARCHAR", pa.int64(): "BIGINT", pa.int32(): "INTEGER", pa.float64(): "DOUBLE", pa.bool_(): "BOOLEAN",
    pa.binary(): "BLOB", pa.date32(): "DATE",
}  # fmt: skip


def _table(spec: TableSpec) -> Relation:
    doc = spec.doc
    if spec.name in VERSIONS and spec.name != "workflows":
        doc += f" Latest states of workflows; `{VERSIONS[spec.name]}` has all."
    return Relation(spec.name, "table", doc, _columns(spec), _EXAMPLES[spec.name], table=spec)


def _versions(spec: TableSpec) -> Relation:
    name = VERSIONS[spec.name]
    doc = f"As `{spec.name}`, with every archived state of a workflow."
    example = f"SELECT uid, version FROM {name} WHERE version > 1"
    return Relation(name, "versions", doc, _columns(spec), example, table=spec)


def _log_versions(spec: TableSpec) -> Relation:
    name = LOG_VERSIONS[spec.name]
    doc = f"As `{spec.name}`, with every state that an index run found, replaced ones too."
    example = f"SELECT cluster, uid, node_id, count(*) FROM {name} GROUP BY ALL HAVING count(*) > 1"
    return Relation(name, "versions", doc, _columns(spec), example, table=spec)


def _columns(spec: TableSpec) -> tuple[ColumnDoc, ...]:
    columns = [ColumnDoc(c.name, sql_type(c.type), c.doc, c.example) for c in spec.columns]
    columns += [ColumnDoc(*extra) for extra in _EXTRA.get(spec.name, ())]
    if spec.by_month:
        doc = "Month (UTC) in which the workflow finished: a condition on it skips whole files."
        columns.append(ColumnDoc(MONTH, "VARCHAR", doc, "2026-03"))
    return tuple(columns)


def _view(view: View) -> Relation:
    columns = tuple(ColumnDoc(c.name, c.type, c.doc, c.example) for c in view.columns)
    return Relation(view.name, "view", view.doc, columns, view.example, view=view)
