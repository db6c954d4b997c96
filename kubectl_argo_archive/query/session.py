"""A session: SQL in, results out, over one snapshot of the lake."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

import duckdb

from kubectl_argo_archive.errors import QueryError
from kubectl_argo_archive.query import mistakes
from kubectl_argo_archive.query.engine import Engine
from kubectl_argo_archive.query.limits import Limits
from kubectl_argo_archive.query.result import ResultColumn, ResultSet
from kubectl_argo_archive.query.s3 import LakeStorage
from kubectl_argo_archive.query.statement import Statement, analyse

if TYPE_CHECKING:
    from kubectl_argo_archive.query.definitions import LakeSnapshot

_DESCRIBE = "DESCRIBE "
_DELETIONS = "source_deleted_at"
_ALL_NAMES = "all names"
_AS_ROWS = "SELECT unnest($names::VARCHAR[]) AS column_name, unnest($types::VARCHAR[]) AS column_type"


Opener = Callable[[], "tuple[LakeSnapshot, LakeStorage | None]"]
"""Opens the lake: its snapshot, and its storage (None: plain local files)."""


def open_session(snapshot: LakeSnapshot, *, s3: LakeStorage | None = None, limits: Limits | None = None) -> Session:
    """A session over ``snapshot``; nothing is read before a statement needs it.

    Args:
        snapshot: the publish to look at.
        s3: the storage of the lake; may be None for files of this machine.
        limits: of every statement.
    """
    return Session(lambda: (snapshot, s3), limits or Limits())


class Session:
    """Runs statements one after the other, in a sandbox that holds only what they need.

    ``with open_session(…) as session: rows = session.run("select 1").rows()``

    Args:
        opener: asked for the lake when a statement names one of its tables, not before.
        limits: of every statement.
    """

    def __init__(self, opener: Opener, limits: Limits) -> None:
        self._opener = opener
        self._limits = limits
        self._engine: Engine | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the last statement; its result cannot be read any further."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def run(self, sql: str, parameters: Mapping[str, object] | None = None, *, lossless: bool = True) -> ResultSet:
        """Run one statement; its rows come as they are read. Closes the result of the statement before.

        Args:
            sql: one SELECT, EXPLAIN, DESCRIBE, SHOW or SUMMARIZE.
            parameters: values of ``$name`` in it; a text is taken as SQL takes ``'text'``.
            lossless: see :class:`.engine.Engine`; False for Arrow and Parquet.

        Raises:
            QueryError: not allowed, a mistake in it, or a limit was reached.
            StorageError, StorageUnreachable, LakeError: the lake cannot be read.
        """
        given = dict(parameters or {})
        engine, statement = self._prepare(sql, given, lossless)
        with self._explained(engine, statement):
            engine.execute(sql, given)
            columns = _columns(engine.con)
        return ResultSet(engine.con, columns, lambda: self._explained(engine, statement))

    def describe(self, sql: str, parameters: Mapping[str, object] | None = None) -> ResultSet:
        """The columns that a statement would return, as rows of name and type; it is not run.

        Raises:
            QueryError: as :meth:`run`.
        """
        given = dict(parameters or {})
        engine, statement = self._prepare(sql, given, lossless=True)
        plain = statement.explains or statement.shows
        with self._explained(engine, statement, offset=0 if plain else len(_DESCRIBE)):
            engine.execute(sql if plain else _DESCRIBE + sql, given)
            found = _columns(engine.con) if plain else [ResultColumn(*row[:2]) for row in engine.con.fetchall()]
            engine.execute(_AS_ROWS, {"names": [c.name for c in found], "types": [c.type for c in found]})
            columns = _columns(engine.con)
        return ResultSet(engine.con, columns, lambda: self._explained(engine, statement))

    def _prepare(self, sql: str, given: Mapping[str, object], lossless: bool) -> tuple[Engine, Statement]:
        """A locked engine in which ``sql`` may run: the last one if it has all that is needed, else a new one."""
        engine = self._engine or self._new_engine(lossless)
        statement = analyse(engine.con, sql, _known_names)
        if mistake := mistakes.parameter_mistakes(statement.parameters, given):
            raise mistake
        needs = _needs(statement)
        if engine.serves(needs, lossless=lossless):
            engine.start_clock()
            return engine, statement
        if not engine.fresh or engine.lossless != lossless:
            engine = self._new_engine(lossless)
        engine.start_clock()
        try:
            self._define(engine, statement, needs)
        except BaseException:
            self.close()  # half made, it is of no further use
            raise
        return engine, statement

    def _new_engine(self, lossless: bool) -> Engine:
        self.close()
        self._engine = Engine(self._limits, lossless=lossless)
        return self._engine

    def _define(self, engine: Engine, statement: Statement, needs: frozenset[str]) -> None:
        """Make what the statement names, and lock the engine."""
        if not needs:
            engine.lock(needs)
            return
        from kubectl_argo_archive.query.definitions import Definitions, add_all_names, define

        made, storage = Definitions(), None
        if statement.tables:
            snapshot, storage = self._opener()
            made = define(snapshot, sorted(statement.tables), needs_deletions=_DELETIONS in needs)
        if statement.introspects:
            add_all_names(made)
        engine.prepare(made.statements, made.urls, storage if made.urls else None)
        engine.lock(needs)

    @contextmanager
    def _explained(self, engine: Engine, statement: Statement, offset: int = 0) -> Iterator[None]:
        """Mistakes in the SQL become ours, with the place and a hint."""
        try:
            with engine.watched():
                yield
        except (duckdb.Error, OSError) as error:
            raise mistakes.explain(error, statement.sql, _columns_of(statement.tables), offset=offset) from error


def _needs(statement: Statement) -> frozenset[str]:
    """Tables, and what else an engine must have for this statement."""
    needs = set(statement.tables)
    # curated views do not show this column
    if needs & {"workflows", "workflow_versions"} and (statement.every_column or _DELETIONS in statement.columns):
        needs.add(_DELETIONS)
    if statement.introspects:
        needs.add(_ALL_NAMES)
    return frozenset(needs)


def _known_names() -> Collection[str]:
    from kubectl_argo_archive.query.catalog import relations

    return relations().keys()


def _columns_of(tables: Collection[str]) -> dict[str, list[str]]:
    if not tables:
        return {}
    from kubectl_argo_archive.query.catalog import relations

    # a macro has no columns of its own
    return {name: [column.name for column in relations()[name].columns] for name in tables if name in relations()}


def _columns(con: duckdb.DuckDBPyConnection) -> tuple[ResultColumn, ...]:
    if con.description is None:
        raise QueryError("the statement returns no rows")
    return tuple(ResultColumn(str(name), str(type_)) for name, type_, *_ in con.description)
