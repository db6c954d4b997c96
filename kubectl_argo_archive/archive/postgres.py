"""Argo's archive in Postgres: one connection, one read-only snapshot, bulk reads by COPY."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, LiteralString

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import IsolationLevel, conninfo, sql

from kubectl_argo_archive.archive import queries
from kubectl_argo_archive.archive.batches import Key, MendedBatches, keys_table
from kubectl_argo_archive.archive.facts import labels_of
from kubectl_argo_archive.archive.hydrate import inline_offloaded
from kubectl_argo_archive.archive.postgres_catalog import ArchiveTables, find_tables
from kubectl_argo_archive.archive.postgres_copy import UnexpectedCopyData, keys_of_csv, rows_of_binary
from kubectl_argo_archive.archive.postgres_errors import Target, target_of, translated
from kubectl_argo_archive.archive.selector import parse_selector
from kubectl_argo_archive.archive.workflow_archive import ArchiveInfo, Selection
from kubectl_argo_archive.errors import SourceError

_KEYS_PER_QUERY = 10_000
_OFFLOADED_PER_QUERY = 1_000
_LABEL_SCAN_BYTES = 8 << 20
_LOCK_TIMEOUT_SECONDS = 10.0
_NO_LIMIT = 0.0

# pg_settings leaves out what an older server does not know
_PIN = """
select set_config(s.name, v.value, true)
from (values ('timezone', 'UTC'), ('idle_in_transaction_session_timeout', '0'), ('transaction_timeout', '0'),
             ('jit', 'off'), ('lock_timeout', %(lock_timeout)s), ('statement_timeout', %(statement_timeout)s)
     ) v (name, value)
join pg_settings s on lower(s.name) = v.name
"""
_SET_TIMEOUT = "select set_config('statement_timeout', %s, true)"


class PostgresArchive:
    """The archive in a Postgres database.

    Args:
        conninfo: a URI or libpq connection string; PG* variables, ~/.pgpass and services work as in psql.
        statement_timeout: seconds that a catalog query or key scan may take; reading rows has no limit.
        connect_timeout: seconds to wait for a connection, unless the connection string says.
        place: ``host:port/database`` for people and as identity, if the connection takes another way there.

    Raises:
        ConfigError: the connection string is malformed.
    """

    def __init__(
        self,
        conninfo: str,
        *,
        statement_timeout: float = 300.0,
        connect_timeout: int = 10,
        place: str | None = None,
    ) -> None:
        self._conninfo = conninfo
        target = target_of(conninfo)
        self._target = target if place is None else replace(target, place=place)
        self._alias = place
        self._statement_timeout = statement_timeout
        self._connect_timeout = connect_timeout

    def __repr__(self) -> str:
        return f"PostgresArchive({self._target.place!r})"

    @contextmanager
    def snapshot(self) -> Iterator[PostgresSnapshot]:
        """Open a read-only transaction that sees one instant; see :class:`WorkflowArchive`."""
        with translated(self._target):
            connection = self._connect()
        try:
            with translated(self._target):
                self._pin(connection)
                snapshot = PostgresSnapshot(connection, self._target, self._statement_timeout, self._alias)
            yield snapshot
        finally:
            connection.close()

    def _connect(self) -> psycopg.Connection[Any]:
        given = conninfo.conninfo_to_dict(self._conninfo)
        defaults: dict[str, Any] = {
            "connect_timeout": self._connect_timeout,
            "application_name": "kubectl-argo-archive",
            "client_encoding": "UTF8",
            # a dead network path must end the export, not hang it
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 6,
        }
        # prepared statements would break behind a transaction pooler
        connection = psycopg.connect(
            self._conninfo, prepare_threshold=None, **{k: v for k, v in defaults.items() if k not in given}
        )
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        return connection

    def _pin(self, connection: psycopg.Connection[Any]) -> None:
        """Settings for this transaction only: behind a pooler the session belongs to others."""
        timeouts = {"lock_timeout": _LOCK_TIMEOUT_SECONDS, "statement_timeout": self._statement_timeout}
        connection.execute(_PIN, {name: _milliseconds(seconds) for name, seconds in timeouts.items()})


class PostgresSnapshot:
    """One transaction's view of the archive; see :class:`ArchiveSnapshot`."""

    def __init__(
        self, connection: psycopg.Connection[Any], target: Target, statement_timeout: float, alias: str | None = None
    ) -> None:
        self._connection = connection
        self._target = target
        self._statement_timeout = statement_timeout
        server = _server(connection)
        self._tables = find_tables(connection, target.place)
        self._info = _look_around(connection, self._tables, server, alias)
        if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
            # such a database holds any bytes, and one that is no UTF-8 would end the read
            connection.execute("select set_config('client_encoding', 'SQL_ASCII', true)")

    @property
    def info(self) -> ArchiveInfo:
        return self._info

    def keys(self) -> pa.Table:
        """All keys; see :class:`ArchiveSnapshot`."""
        return self._keys(queries.ANY_ROW)

    def select(self, selection: Selection) -> pa.Table:
        """The keys of a selection; see :class:`ArchiveSnapshot`.

        Raises:
            ConfigError: the label selector is malformed.
        """
        selector = parse_selector(selection.labels) if selection.labels else None
        condition = queries.selected(
            self._tables,
            namespaces=selection.namespaces,
            selector=selector,
            since=selection.since,
            until=selection.until,
        )
        keys = self._keys(condition)
        if selector is None or self._tables.labels is not None:
            return keys
        matching: list[Key] = []
        for batch in self.rows(keys, batch_bytes=_LABEL_SCAN_BYTES):
            *columns, documents = (column.to_pylist() for column in batch.columns)
            for key, document in zip(zip(*columns, strict=True), documents, strict=True):
                if selector.matches(labels_of(document)):
                    matching.append(key)
        return keys_table(matching)

    def rows(self, keys: pa.Table | None, *, batch_bytes: int) -> Iterator[pa.RecordBatch]:
        """The rows of ``keys``; see :class:`ArchiveSnapshot`."""
        offloaded: list[tuple[str, str, str]] = []

        def set_aside(key: Key, version: str) -> None:
            offloaded.append((key[0] or "", key[2] or "", version))

        batches = MendedBatches(batch_bytes, set_aside if self._tables.offload else None)
        with translated(self._target):
            for query in self._row_queries(keys):
                with self._copy(query, _NO_LIMIT) as copy:
                    for key, document, _ in rows_of_binary(copy):
                        yield from batches.add(key, document)
            yield from batches.finish()
            yield from self._offloaded_rows(offloaded, batch_bytes)

    def _keys(self, condition: queries.Condition) -> pa.Table:
        query = queries.keys_query(self._tables, condition)
        with translated(self._target), self._copy(query, self._statement_timeout) as copy:
            return keys_of_csv(copy)

    def _row_queries(self, keys: pa.Table | None) -> Iterator[queries.Query]:
        if keys is None:
            yield queries.rows_query(self._tables, None)
            return
        # our revisions begin with the finish
        order = pc.sort_indices(keys, sort_keys=[("revision", "ascending")])
        for start in range(0, len(order), _KEYS_PER_QUERY):
            wanted = keys.select(["cluster", "uid"]).take(order.slice(start, _KEYS_PER_QUERY))
            yield queries.rows_query(self._tables, (wanted["cluster"].to_pylist(), wanted["uid"].to_pylist()))

    def _offloaded_rows(self, rows: list[tuple[str, str, str]], batch_bytes: int) -> Iterator[pa.RecordBatch]:
        """Rows that were set aside, with their nodes: the connection is busy while rows stream."""
        if self._tables.offload is None:
            return
        batches = MendedBatches(batch_bytes)
        for start in range(0, len(rows), _OFFLOADED_PER_QUERY):
            some = rows[start : start + _OFFLOADED_PER_QUERY]
            query = queries.offloaded_query(self._tables.archive, self._tables.offload, some)
            with self._copy(query, _NO_LIMIT) as copy:
                for key, document, nodes in rows_of_binary(copy):
                    whole = inline_offloaded(bytes(document), bytes(nodes)) if nodes is not None else document
                    yield from batches.add(key, whole)
        yield from batches.finish()

    @contextmanager
    def _copy(self, query: queries.Query, timeout: float) -> Iterator[psycopg.Copy]:
        """Run a COPY that may take ``timeout`` seconds (0: any); if abandoned, the transaction stays usable."""
        try:
            with self._connection.transaction(), self._connection.cursor() as cursor:
                cursor.execute(_SET_TIMEOUT, (_milliseconds(timeout),))
                with cursor.copy(query.text, query.parameters) as copy:
                    yield copy
        except UnexpectedCopyData as e:
            raise SourceError(f"{self._target.place}: {e}") from e


def _server(connection: psycopg.Connection[Any]) -> str:
    (server,) = _row(connection, "select version()")
    if "CockroachDB" in server or "Redshift" in server:
        name = server.split(" (")[0]
        raise SourceError(f"{name} is not supported", hint="Argo Workflows itself supports PostgreSQL and MySQL only")
    return str(server)


def _look_around(
    connection: psycopg.Connection[Any], tables: ArchiveTables, server: str, alias: str | None
) -> ArchiveInfo:
    schema_version = None
    if tables.history is not None:
        query = sql.SQL("select max(schema_version) from {}").format(tables.history.name)
        (schema_version,) = _row(connection, query)
    at, database = connection.info, connection.info.dbname
    place = f"{at.host}:{at.port}" if not at.host.startswith("/") else f"{at.host}/.s.PGSQL.{at.port}"
    if alias is not None:
        place = alias.rpartition("/")[0]
    system: int | str = place
    with suppress(psycopg.Error), connection.transaction():
        (system,) = _row(connection, "select system_identifier from pg_control_system()")
    # two archives in one database are two sources
    schema = "" if tables.archive.schema == "public" else f"/{tables.archive.schema}"
    return ArchiveInfo(
        display=f"postgresql://{place}/{database}",
        source_id=f"pg:{system}/{database}{schema}",
        complete=tables.archive.complete,
        schema_version=schema_version,
        server=server,
    )


def _row(connection: psycopg.Connection[Any], query: LiteralString | sql.Composed) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return tuple(row)


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
