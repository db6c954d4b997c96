"""Where Argo's tables are, which columns they have, and whether we may read them: from the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from kubectl_argo_archive.errors import SourceError

ARCHIVE = "argo_archived_workflows"
LABELS = "argo_archived_workflows_labels"
HISTORY = "schema_history"

_REQUIRED = ("clustername", "uid", "namespace", "name", "phase", "workflow", "startedat", "finishedat")
_LABEL_COLUMNS = ("clustername", "uid", "name", "value")
_OFFLOAD_COLUMNS = ("clustername", "uid", "version", "nodes")
_JSON_TYPES = ("json", "jsonb", "text", "character varying")

# the off-load table has a configurable name: it is the one with these columns
_RELATIONS = f"""
select n.nspname as schema, c.relname as table, c.relkind::text as kind, pg_table_is_visible(c.oid) as visible,
       has_schema_privilege(n.oid, 'usage') as may_enter, row_security_active(c.oid) as filtered,
       (select json_object_agg(a.attname, format_type(a.atttypid, null)) from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
       (select array_agg(a.attname::text) from pg_attribute a
        where a.attrelid = c.oid and not a.attisdropped and (a.attnum > 0 or a.attname = 'xmin')
          and has_column_privilege(c.oid, a.attnum, 'select')) as readable
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'm', 'v', 'f') and n.nspname not in ('pg_catalog', 'information_schema')
  and n.nspname !~ '^pg_(toast|temp)'
  and (c.relname in ('{ARCHIVE}', '{LABELS}', '{HISTORY}')
       or {len(_OFFLOAD_COLUMNS)} = (select count(*) from pg_attribute a where a.attrelid = c.oid
          and a.attname in {_OFFLOAD_COLUMNS} and not a.attisdropped))
order by n.nspname, c.relname
"""


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view.

    Attributes:
        schema: its schema.
        table: its own name.
        kind: ``relkind`` of the catalog.
        visible: found by its bare name on the search path.
        may_enter: whether we have USAGE on its schema.
        filtered: row level security hides rows from us.
        columns: name and type of each column.
        readable: columns that we may select, ``xmin`` among them if there is one.
    """

    schema: str
    table: str
    kind: str
    visible: bool
    may_enter: bool
    filtered: bool
    columns: Mapping[str, str]
    readable: list[str] | None

    @property
    def name(self) -> sql.Identifier:
        """The qualified name, quoted."""
        return sql.Identifier(self.schema, self.table)

    @property
    def has_xmin(self) -> bool:
        """True if rows tell which transaction wrote them; views and foreign tables cannot."""
        return self.kind in "rpm" and "xmin" in (self.readable or ())

    @property
    def complete(self) -> bool:
        """True if we surely see every row there is."""
        return self.kind in "rpm" and not self.filtered

    def readable_with(self, *columns: str) -> bool:
        """True if all these columns exist and we may select them."""
        return self.may_enter and set(columns) <= set(self.columns) & set(self.readable or ())


@dataclass(frozen=True, slots=True)
class ArchiveTables:
    """The tables of one archive; those that are missing or not readable are None."""

    archive: Relation
    labels: Relation | None
    history: Relation | None
    offload: Relation | None


def find_tables(connection: psycopg.Connection[Any], place: str) -> ArchiveTables:
    """Look for Argo's archive: on the search path, else in any schema.

    Args:
        connection: to the database.
        place: how messages call the database.

    Raises:
        SourceError: no archive, several, or no rights on it.
    """
    with connection.cursor(row_factory=class_row(Relation)) as cursor:
        relations = cursor.execute(_RELATIONS).fetchall()
    archive = _choose([r for r in relations if r.table == ARCHIVE], place)
    siblings = [r for r in relations if r.schema == archive.schema]
    _check(archive, siblings, connection, place)

    def sibling(*columns: str, name: str | None = None) -> Relation | None:
        found = (r for r in siblings if name in (None, r.table) and r.readable_with(*columns))
        return next(found, None)

    return ArchiveTables(
        archive=archive,
        labels=sibling(*_LABEL_COLUMNS, name=LABELS),
        history=sibling("schema_version", name=HISTORY),
        offload=sibling(*_OFFLOAD_COLUMNS),
    )


def _choose(candidates: list[Relation], place: str) -> Relation:
    visible = [r for r in candidates if r.visible]
    if visible or len(candidates) == 1:
        return (visible or candidates)[0]
    if not candidates:
        raise SourceError(
            f"{place} has no table {ARCHIVE}: not a database of Argo Workflows, or its archive was never on",
            hint="see persistence.archive and persistence.postgresql in the workflow-controller-configmap",
        )
    schemas = ", ".join(r.schema for r in candidates)
    raise SourceError(
        f"{place} has several archives, in the schemas {schemas}",
        hint=f"choose one: add ?options=-csearch_path%3D{candidates[0].schema} to the URI",
    )


def _check(archive: Relation, siblings: list[Relation], connection: psycopg.Connection[Any], place: str) -> None:
    missing = [column for column in _REQUIRED if column not in archive.columns]
    if missing:
        raise SourceError(
            f"{place}: {archive.schema}.{ARCHIVE} is not Argo's: it has no column {', '.join(missing)}",
            hint="check the database and the search_path in --source",
        )
    if archive.columns["workflow"] not in _JSON_TYPES:
        raise SourceError(
            f"{place}: {archive.schema}.{ARCHIVE}.workflow is of type {archive.columns['workflow']}",
            hint="Argo Workflows makes it json or jsonb: check the database and the search_path in --source",
        )
    if not archive.readable_with(*_REQUIRED):
        user, schema = sql.Identifier(connection.info.user), sql.Identifier(archive.schema)
        tables = sql.SQL(", ").join(r.name for r in siblings)
        grant = sql.SQL("GRANT USAGE ON SCHEMA {} TO {}; GRANT SELECT ON {} TO {};").format(schema, user, tables, user)
        raise SourceError(
            f"{place}: user {connection.info.user} may not read {archive.schema}.{ARCHIVE}",
            hint=f"as the owner of the tables: {grant.as_string(connection)}",
        )
