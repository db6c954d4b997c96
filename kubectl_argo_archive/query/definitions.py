"""The SQL that makes the lake's names: views over the Parquet files of one snapshot, only those that are needed.

While no workflow was ever replaced by a newer state, the tables are plain scans of their files. Once there are
replaced states, a small table of them is anti-joined.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from kubectl_argo_archive.query import views_search
from kubectl_argo_archive.query.catalog import MONTH, VERSIONS, ColumnDoc, Relation, relations, sql_type
from kubectl_argo_archive.tables.log_schema import LOG_BLOCKS, LOG_GRAMS, LOG_LINES
from kubectl_argo_archive.tables.schema import BY_NAME, TableSpec

LISTS = "lake_lists"
"""Schema of small lists of our own; users' SQL cannot name it."""
_NULL_MONTH = "__HIVE_DEFAULT_PARTITION__"
_KEY = "cluster, uid, version"
_AT = "events.noticed_at"
_DELETED_AT = "source_deleted_at"
_DEAD = {"log_objects": ("dead_logs", "superseded")}
"""Table of logs → count in the snapshot and list of its dead rows, and the event that names these."""


class TableFiles(Protocol):
    """One table of a snapshot."""

    @property
    def urls(self) -> list[str]:
        """Its data files: absolute paths or ``s3://bucket/key``."""
        ...


class LakeSnapshot(Protocol):
    """What one publish left: see ``lake.snapshot``."""

    @property
    def superseded(self) -> int:
        """Workflow states that a newer one replaced."""
        ...

    @property
    def dead_logs(self) -> int:
        """Rows of ``log_objects`` that a newer one replaced."""
        ...

    @property
    def dead_texts(self) -> int:
        """Indexed texts whose object has changed since."""
        ...

    def table(self, name: str) -> TableFiles:
        """Open one table; costs a look at its log."""
        ...


@dataclass(slots=True)
class Definitions:
    """Statements to run before a query, and the files that they read."""

    statements: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def view(self, name: str, select: str) -> None:
        """Make a view."""
        self.statements.append(f"CREATE VIEW {name} AS {select}")

    def first(self, name: str) -> bool:
        """True for a name that is not made yet; then it counts as made."""
        if name in self.names:
            return False
        self.names.add(name)
        return True


def define(snapshot: LakeSnapshot, names: Iterable[str], *, needs_deletions: bool) -> Definitions:
    """What makes ``names`` usable.

    Args:
        snapshot: where the files are named; only the tables needed are opened.
        names: tables and views that a statement uses.
        needs_deletions: whether ``source_deleted_at`` may be looked at.
    """
    maker = _Maker(snapshot, needs_deletions)
    for name in names:
        if name == views_search.MACRO:
            maker.search_macro()
        else:
            maker.relation(relations()[name])
    return maker.made


def add_all_names(made: Definitions) -> None:
    """For listings: let all other names exist too, with their columns and without rows."""
    for relation in relations().values():
        if made.first(relation.name):
            made.view(relation.name, _empty(relation.columns))


class _Maker:
    """Makes each name once, after those that it needs."""

    def __init__(self, snapshot: LakeSnapshot, needs_deletions: bool) -> None:
        self.snapshot = snapshot
        self.needs_deletions = needs_deletions
        self.made = Definitions()

    def relation(self, relation: Relation) -> None:
        """The public view of a table or a curated view."""
        if not self.made.first(relation.name):
            return
        if relation.view is not None:
            for used in relation.view.uses:
                self.relation(relations()[used])
            self.made.view(relation.name, relation.view.sql)
        elif relation.table is LOG_LINES:
            self._block_lines()
            self.made.view(relation.name, views_search.log_lines_sql(_names(LOG_LINES)))
        elif relation.table is not None:
            self.made.view(relation.name, self._states(relation.table, latest=relation.kind == "table"))

    def search_macro(self) -> None:
        """The table macro over the search index."""
        if self.made.first(views_search.MACRO):
            self._block_lines()
            grams, blocks = (_scan(spec, self._urls(spec), month=False) for spec in (LOG_GRAMS, LOG_BLOCKS))
            self.made.statements.append(views_search.macro_sql(grams, blocks, _names(LOG_LINES)))

    def _block_lines(self) -> None:
        """The lines of all blocks, for ``log_lines`` and the macro."""
        if self.made.first(views_search.LINES):
            self.relation(relations()["log_objects"])
            self.made.statements.extend(views_search.SETTINGS)
            blocks = _scan(LOG_BLOCKS, self._urls(LOG_BLOCKS))
            self.made.statements.append(f"CREATE SCHEMA IF NOT EXISTS {LISTS}")
            # texts whose object has changed since are no longer named by any row of log_objects
            sql = views_search.lines_sql(blocks, "log_objects")
            self.made.statements.append(f"CREATE VIEW {views_search.LINES} AS {sql}")

    def _states(self, spec: TableSpec, *, latest: bool) -> str:
        """All rows, or those of the latest states; for ``workflows`` with the columns that only SQL has."""
        scan = _scan(spec, self._urls(spec))
        if spec.name in _DEAD:
            return self._live(spec, scan) if latest else scan
        replaced = spec.name in VERSIONS and self.snapshot.superseded > 0
        if replaced and (latest or spec.name == "workflows"):
            self._list("superseded", f"SELECT DISTINCT {_KEY} FROM events WHERE kind = 'superseded'")
        anti = f" ANTI JOIN {LISTS}.superseded USING ({_KEY})" if replaced and latest else ""
        if spec.name != "workflows":
            return f"SELECT * FROM ({scan}){anti}" if anti else scan
        columns = ", ".join(f"w.{_quoted(c.name)}" for c in spec.columns)
        is_latest, joins = "true", ""
        if replaced and not latest:
            is_latest, joins = "s.uid IS NULL", f" LEFT JOIN {LISTS}.superseded s USING ({_KEY})"
        deleted_at = "CAST(NULL AS TIMESTAMP WITH TIME ZONE)"
        if self.needs_deletions and self.snapshot.table("source_events").urls:
            self._list(
                "deleted",
                f"SELECT {_KEY}, max({_AT}) FILTER (kind = 'deleted') AS deleted_at FROM events WHERE kind IN "
                f"('deleted', 'restored') GROUP BY {_KEY} HAVING arg_max(kind, ({_AT}, kind)) = 'deleted'",
            )
            deleted_at, joins = "d.deleted_at", f"{joins} LEFT JOIN {LISTS}.deleted d USING ({_KEY})"
        return (
            f"SELECT {columns}, {is_latest} AS is_latest, {deleted_at} AS {_DELETED_AT}, w.{MONTH} "
            f"FROM ({scan}) w{anti}{joins}"
        )

    def _live(self, spec: TableSpec, scan: str) -> str:
        """Rows of logs or of their lines without those that a later index run declared dead."""
        name, kind = _DEAD[spec.name]
        if not getattr(self.snapshot, name):
            return scan
        self._list(name, f"SELECT DISTINCT log_id FROM events WHERE kind = '{kind}'", of="log_events")
        return f"SELECT * FROM ({scan}) ANTI JOIN {LISTS}.{name} USING (log_id)"

    def _urls(self, spec: TableSpec) -> list[str]:
        urls = self.snapshot.table(spec.name).urls
        if self.made.first(f"files of {spec.name}"):
            self.made.urls.extend(urls)
        return urls

    def _list(self, name: str, select: str, of: str = "source_events") -> None:
        """A small table, made once from a table of events."""
        if self.made.first(f"{LISTS}.{name}"):
            events = BY_NAME[of]
            scan = _scan(events, self._urls(events))
            self.made.statements.append(f"CREATE SCHEMA IF NOT EXISTS {LISTS}")
            self.made.statements.append(f"CREATE TABLE {LISTS}.{name} AS WITH events AS ({scan}) {select}")


def _names(spec: TableSpec) -> tuple[str, ...]:
    """What SQL calls the columns of a table."""
    return tuple(c.name for c in spec.columns) + ((MONTH,) if spec.by_month else ())


def _scan(spec: TableSpec, urls: list[str], *, month: bool = True) -> str:
    """A SELECT over Parquet files with exactly the columns that we document.

    The columns are given, so no file is opened before it is read, and a column that a file lacks is NULL.
    """
    partition = (ColumnDoc(MONTH, "VARCHAR", "", ""),) if spec.by_month and month else ()
    columns = tuple(ColumnDoc(c.name, sql_type(c.type), "", "") for c in spec.columns)
    if not urls:
        return _empty((*columns, *partition))
    schema = ", ".join(
        f"{_text(c.name)}: {{name: {_text(c.name)}, type: {_text(c.type)}, default_value: NULL}}" for c in columns
    )
    files = ", ".join(_text(url) for url in urls)
    if not partition:
        return f"SELECT * FROM read_parquet([{files}], schema = MAP {{{schema}}})"
    # as an expression over the file's name, a condition on the month skips files before they are opened
    folder = f"regexp_extract(filename, '/{MONTH}=([^/]*)/[^/]*$', 1)"
    return (
        f"SELECT * EXCLUDE (filename), nullif(nullif({folder}, '{_NULL_MONTH}'), '') AS {MONTH} "
        f"FROM read_parquet([{files}], schema = MAP {{{schema}}}, filename = true)"
    )


def _empty(columns: tuple[ColumnDoc, ...]) -> str:
    nulls = ", ".join(f"CAST(NULL AS {c.type}) AS {_quoted(c.name)}" for c in columns)
    return f"SELECT {nulls} WHERE false"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
