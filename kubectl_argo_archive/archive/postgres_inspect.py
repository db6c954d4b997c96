"""What ``verify`` wants to know of an archive's database: one attempt, one read-only session, many small questions.

A question that fails (no right, a time-out, an older server) is noted and the next one is asked; nothing is written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import IsolationLevel, conninfo, sql
from psycopg.rows import dict_row

from kubectl_argo_archive.archive import postgres_inspect_sql as ask
from kubectl_argo_archive.archive.postgres_errors import target_of, translated
from kubectl_argo_archive.archive.postgres_reach import failed_attempt
from kubectl_argo_archive.checks.facts_database import Connection, Database, Group, Index, RowFact, Table
from kubectl_argo_archive.errors import SourceError, redact

Session = psycopg.Connection[dict[str, Any]]

RECENT_ROWS = 200


def inspect(
    uri: str, *, told_by: str = "--source", through: str = "", statement_timeout: float = 10.0, connect_timeout: int = 5
) -> tuple[Connection, Database | None]:
    """Try to open a session and ask it everything.

    Args:
        uri: a URI or libpq connection string.
        told_by: where it comes from, for people.
        through: how it is reached, if not directly.
        statement_timeout: seconds that one question may take.
        connect_timeout: seconds to wait for the server.

    Raises:
        ConfigError: the connection string is malformed.
    """
    target = target_of(uri)
    started = time.monotonic()
    try:
        session = _connect(uri, connect_timeout)
    except psycopg.Error as error:
        attempt = failed_attempt(error, target, told_by=told_by, through=through, seconds=time.monotonic() - started)
        return attempt, None
    with session:
        attempt = Connection(
            target.place,
            encrypted=session.pgconn.ssl_in_use,
            told_by=told_by,
            through=through,
            seconds=time.monotonic() - started,
        )
        return attempt, _Inspection(session, target.place, target.password, statement_timeout).run()


def archived_uids(uri: str, uids: Sequence[str], *, statement_timeout: float = 10.0) -> frozenset[str]:
    """Which of ``uids`` have a row, under whatever cluster and instance.

    Raises:
        SourceError, SourceUnreachable: the database refuses or does not answer.
    """
    target = target_of(uri)
    with translated(target), _connect(uri, 5) as session, session.transaction():
        session.execute(ask.PIN, {"timeout": str(round(statement_timeout * 1000))})
        name = _archive_of(session)
        rows = session.execute(sql.SQL(ask.UIDS).format(archive=name), {"uids": list(uids)}).fetchall()
    return frozenset(row["uid"] for row in rows)


def newest_documents(uri: str, number: int, *, statement_timeout: float = 10.0) -> list[str]:
    """The newest documents of moderate size, the newest failed ones among them.

    Raises:
        SourceError, SourceUnreachable: the database refuses or does not answer.
    """
    target = target_of(uri)
    with translated(target), _connect(uri, 5) as session, session.transaction():
        session.execute(ask.PIN, {"timeout": str(round(statement_timeout * 1000))})
        name = _archive_of(session)
        query = sql.SQL(ask.DOCUMENTS).format(archive=name)
        rows = session.execute(query, {"number": number, "failed": max(number // 3, 1)}).fetchall()
    return [row["document"] for row in rows]


def _archive_of(session: Session) -> sql.Identifier:
    found = [row for row in session.execute(ask.TABLES).fetchall() if row["name"] == ask.ARCHIVE]
    if not found:
        raise SourceError(f"there is no table {ask.ARCHIVE}")
    return sql.Identifier(found[0]["schema"], ask.ARCHIVE)


def _connect(uri: str, connect_timeout: int) -> Session:
    given = conninfo.conninfo_to_dict(uri)
    defaults: dict[str, Any] = {
        "connect_timeout": connect_timeout,
        "application_name": "kubectl-argo-archive verify",
        "client_encoding": "UTF8",
    }
    session = psycopg.connect(
        uri, row_factory=dict_row, prepare_threshold=None, **{k: v for k, v in defaults.items() if k not in given}
    )
    session.isolation_level = IsolationLevel.READ_COMMITTED
    session.read_only = True
    return session


class _Inspection:
    """Asks one session; answers gather in keyword arguments of :class:`Database`."""

    def __init__(self, session: Session, place: str, password: str | None, statement_timeout: float) -> None:
        self._session = session
        self._place = place
        self._password = password
        self._timeout_ms = str(round(statement_timeout * 1000))
        self._unread: dict[str, str] = {}

    def run(self) -> Database:
        """All questions, each in its own transaction."""
        server = self._try("server", self._server, {})
        if not server.get("is_postgres", True):
            return Database(place=self._place, **server, unread=self._unread)
        tables, offload = self._try("tables", self._tables, ({}, None))
        archive = tables.get(ask.ARCHIVE)
        facts: dict[str, Any] = {"tables": tables, "offload_table": offload}
        if "schema_history" in tables:
            facts["schema_version"] = self._try("schema_version", lambda: self._version(tables["schema_history"]), None)
        if archive is not None and "select" in archive.rights:
            name = sql.Identifier(archive.schema, archive.name)
            facts["groups"] = self._try("groups", lambda: self._groups(name), ())
            facts["days"] = self._try("days", lambda: self._days(name), {})
            facts["recent"] = self._try("recent", lambda: self._recent(name, archive), ())
            facts["repeated_names"] = self._try("repeated_names", lambda: self._repeated(name), {})
            facts["plan"] = self._try("plan", lambda: self._plan(name), ())
        return Database(place=self._place, **server, **facts, unread=self._unread)

    def _try(self, what: str, question: Callable[[], Any], nothing: Any) -> Any:
        try:
            with self._session.transaction():
                self._session.execute(ask.PIN, {"timeout": self._timeout_ms})
                return question()
        except psycopg.Error as error:
            said = (error.diag.message_primary or str(error)).strip().partition("\n")[0]
            self._unread[what] = redact(said, self._password)
            return nothing

    def _rows(self, query: Any, parameters: Any = None) -> list[dict[str, Any]]:
        return self._session.execute(query, parameters).fetchall()

    def _server(self) -> dict[str, Any]:
        # "show all" style functions that imitators of Postgres lack come second
        (about,) = self._rows("select version() as version, current_user::text as user")
        words = str(about["version"])
        real = words.startswith(("PostgreSQL", "EnterpriseDB")) and not any(n in words for n in ask.IMITATORS)
        found = {"server": " ".join(words.split()[:2]) if real else words.split(" (")[0], "user": about["user"]}
        if not real:
            return found | {"is_postgres": False}
        (more,) = self._rows(ask.SERVER)
        return found | more

    def _tables(self) -> tuple[dict[str, Table], str | None]:
        found = self._rows(ask.TABLES)
        visible = [row for row in found if row["name"] == ask.ARCHIVE and row["visible"]] or [
            row for row in found if row["name"] in ask.NAMES
        ]
        schema = visible[0]["schema"] if visible else None
        tables = {row["name"]: _table(row) for row in found if row["schema"] == schema}
        offload = next((row["name"] for row in found if row["schema"] == schema and row["is_offload"]), None)
        return tables, offload

    def _version(self, history: Table) -> int | None:
        query = sql.SQL("select max(schema_version) as v from {}").format(sql.Identifier(history.schema, history.name))
        (row,) = self._rows(query)
        return None if row["v"] is None else int(row["v"])

    def _groups(self, name: sql.Identifier) -> tuple[Group, ...]:
        rows = self._rows(sql.SQL(ask.GROUPS).format(archive=name))
        return tuple(
            Group(r["cluster"], r["instance_id"], r["namespace"], r["rows"], _utc(r["oldest"]), _utc(r["newest"]))
            for r in rows
        )

    def _days(self, name: sql.Identifier) -> dict[str, int]:
        return {row["day"]: row["rows"] for row in self._rows(sql.SQL(ask.DAYS).format(archive=name))}

    def _recent(self, name: sql.Identifier, archive: Table) -> tuple[RowFact, ...]:
        # -> on text fails, and a text column is a finding of its own
        form = ask.RECENT if archive.columns.get("workflow") in ("json", "jsonb") else ask.RECENT_PLAIN
        rows = self._rows(sql.SQL(form).format(archive=name), {"limit": RECENT_ROWS})
        return tuple(_row_fact(row) for row in rows)

    def _repeated(self, name: sql.Identifier) -> dict[str, int]:
        return {row["name"]: row["rows"] for row in self._rows(sql.SQL(ask.REPEATED).format(archive=name))}

    def _plan(self, name: sql.Identifier) -> tuple[str, ...]:
        (row,) = self._rows(sql.SQL(ask.LIST_PLAN).format(archive=name))
        return tuple(_nodes(row["QUERY PLAN"][0]["Plan"]))


def _table(row: dict[str, Any]) -> Table:
    return Table(
        schema=row["schema"],
        name=row["name"],
        columns=row["columns"] or {},
        indexes=tuple(Index(i["name"], i["columns"], i["valid"]) for i in row["indexes"] or []),
        key=tuple(row["key"] or ()),
        rights=frozenset(right for right in ("select", "insert", "update", "delete") if row[f"may_{right}"]),
        rows=row["rows"],
        dead_rows=row["dead_rows"] or 0,
        bytes=row["bytes"] or 0,
        bytes_of_indexes=row["bytes_of_indexes"] or 0,
        owner=row["owner"],
        vacuumed_at=row["vacuumed_at"],
        kind=row["kind"],
    )


def _row_fact(row: dict[str, Any]) -> RowFact:
    inside, column = row.get("started_inside"), row["started"]
    shift = None
    if inside and column is not None and column.year >= 1971:
        try:
            shift = (column.replace(tzinfo=UTC) - datetime.fromisoformat(inside)).total_seconds()
        except (ValueError, TypeError):
            shift = None
    labels = row.get("labels")
    return RowFact(
        uid=row["uid"],
        namespace=row["namespace"],
        name=row["name"],
        phase=row["phase"],
        finished=_utc(row["finished"]),
        size=row["size"] or 0,
        shift_s=shift,
        has_marker=bool(row.get("marker")),
        pod_names=row.get("pod_names"),
        labels=labels if isinstance(labels, dict) else {},
    )


def _nodes(plan: dict[str, Any]) -> list[str]:
    """The nodes of a plan, outermost first."""
    on = plan.get("Index Name") or plan.get("Relation Name")
    own = f"{plan['Node Type']} on {on}" if on else str(plan["Node Type"])
    return [own] + [node for child in plan.get("Plans", []) for node in _nodes(child)]


def _utc(time: datetime | None) -> datetime | None:
    """Argo's columns have no zone and hold UTC; its zero time means none."""
    if time is None or time.year < 1971:
        return None
    return time.replace(tzinfo=UTC)
