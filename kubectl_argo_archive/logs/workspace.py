"""A DuckDB of an index run's own: what the lake says on one side, what lies in the stores on the other.

Bounded in memory whatever the number of logs; what does not fit goes to a temporary folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from kubectl_argo_archive.lake.datafiles import NULL_MONTH
from kubectl_argo_archive.lake.delta import MONTH
from kubectl_argo_archive.lake.snapshot import Snapshot
from kubectl_argo_archive.query.catalog import sql_type
from kubectl_argo_archive.query.definitions import define
from kubectl_argo_archive.query.engine import Engine
from kubectl_argo_archive.query.limits import Limits
from kubectl_argo_archive.storage.filesystem import Storage
from kubectl_argo_archive.tables.schema import BY_NAME

MEMORY_BYTES = 256 << 20
ROWS = 2048
INSERTED = 4096


class Workspace:
    """Tables of our own beside views over the lake. Close it: it owns a temporary folder.

    Args:
        snapshot: the lake as it was published last.
        storage: of the lake.
        names: tables and views of the lake that will be used.
    """

    def __init__(self, snapshot: Snapshot, storage: Storage, names: Iterable[str]) -> None:
        self._snapshot = snapshot
        self._engine = Engine(Limits(memory_bytes=MEMORY_BYTES, timeout_s=None), lossless=False)
        self._con = self._engine.con
        try:
            made = define(snapshot, names, needs_deletions=False)
            self._engine.prepare(made.statements, made.urls, storage)
            self.run("SET preserve_insertion_order = false")
        except BaseException:
            self._engine.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._engine.close()

    def run(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        """Run a statement of ours."""
        with self._engine.watched():
            self._con.execute(sql, dict(parameters) if parameters else None)

    def rows(self, sql: str, parameters: Mapping[str, object] | None = None) -> Iterator[dict[str, Any]]:
        """Rows as they come, maps as lists of pairs; other statements may run meanwhile."""
        cursor = self._con.cursor()
        try:
            with self._engine.watched():
                cursor.execute("SET TimeZone = 'UTC'")
                cursor.execute(sql, dict(parameters) if parameters else None)
                batches = cursor.to_arrow_reader(ROWS)
            while True:
                with self._engine.watched():
                    batch = next(batches, None)
                if batch is None:
                    return
                yield from batch.to_pylist()
        finally:
            cursor.close()

    def scan(self, table: str, months: Iterable[str | None]) -> str:
        """What to write after FROM to read a table of the lake that has no name in SQL; only some months of it."""
        folders = {f"/{MONTH}={month or NULL_MONTH}/" for month in months}
        urls = [url for url in self._snapshot.table(table).urls if any(folder in url for folder in folders)]
        if not urls:
            columns = ", ".join(f"NULL::{sql_type(c.type)} AS {c.name}" for c in BY_NAME[table].columns)
            return f"(SELECT {columns} WHERE false)"
        files = ", ".join("'" + url.replace("'", "''") + "'" for url in urls)
        return f"read_parquet([{files}], hive_partitioning = false)"

    def value(self, sql: str, parameters: Mapping[str, object] | None = None) -> Any:
        """The only value of a one-row answer; None if there is no row."""
        return next((next(iter(row.values())) for row in self.rows(sql, parameters)), None)

    def make(self, name: str, schema: pa.Schema) -> None:
        """Make an empty table with the columns of an Arrow schema."""
        self.insert(name, [], schema, create=True)

    def insert(self, name: str, rows: Iterable[dict[str, Any]], schema: pa.Schema, *, create: bool = False) -> None:
        """Add rows, in batches."""
        batch: list[dict[str, Any]] = []
        if create:
            self._insert(name, batch, schema, create=True)
        for row in rows:
            batch.append(row)
            if len(batch) >= INSERTED:
                self._insert(name, batch, schema)
                batch = []
        if batch:
            self._insert(name, batch, schema)

    def _insert(self, name: str, batch: list[dict[str, Any]], schema: pa.Schema, *, create: bool = False) -> None:
        cursor = self._con.cursor()
        try:
            cursor.register("incoming", pa.Table.from_pylist(batch, schema))
            cursor.execute("SET TimeZone = 'UTC'")
            verb = f"CREATE TABLE {name} AS" if create else f"INSERT INTO {name}"
            cursor.execute(f"{verb} SELECT * FROM incoming")
        finally:
            cursor.close()
