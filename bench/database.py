"""The archive to measure: a Postgres database of generated workflows, or one that is there already."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import psycopg
from psycopg import sql

from bench.measure import ROOT, BenchError
from kubectl_argo_archive.demo.argo_schema import SCHEMA_VERSIONS, archive_workflow
from kubectl_argo_archive.demo.postgres import EmbeddedPostgres

TABLE = "argo_archived_workflows"
LABELS = "argo_archived_workflows_labels"
_QUIET_S = 5.0
# what the server does by itself would be counted as somebody's processor time
_SETTINGS = {"autovacuum": "off", "max_wal_size": "8GB"}


@dataclass(frozen=True, slots=True)
class Blocks:
    """Bytes that the server touched, in its cache or on disk: of the table itself, and of the long values (JSON)."""

    table_bytes: int
    json_bytes: int


@dataclass(frozen=True)
class Archive:
    """One database with Argo's tables.

    Attributes:
        uri: with the password; never for a command line.
        seed: of the generated workflows.
        server: process id of the server, None if it is not ours.
        may_copy: whether copies may be made on its server.
    """

    uri: str = field(repr=False)
    seed: int
    server: int | None
    may_copy: bool = True

    @property
    def public_uri(self) -> str:
        """The URI without its password, for command lines."""
        return without_password(self.uri)

    @property
    def environment(self) -> dict[str, str]:
        """What libpq needs beside :attr:`public_uri`."""
        password = urlsplit(self.uri).password
        return {"PGPASSWORD": unquote(password)} if password else {}

    def ask(self, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Run a query and fetch its rows."""
        with psycopg.connect(self.uri, autocommit=True) as connection:
            return connection.execute(statement.encode(), parameters).fetchall()

    @cached_property
    def rows(self) -> int:
        """Archived workflows."""
        return int(self.ask(f"select count(*) from {TABLE}")[0][0])

    @cached_property
    def json_bytes(self) -> int:
        """Bytes of all workflows as text."""
        return int(self.ask(f"select coalesce(sum(octet_length(workflow::text)), 0) from {TABLE}")[0][0])

    @cached_property
    def schema_version(self) -> int:
        """Argo's number of the tables' layout.

        Raises:
            BenchError: a layout that nothing can be added to here.
        """
        version = int(self.ask("select max(schema_version) from schema_history")[0][0])
        if version not in SCHEMA_VERSIONS:
            raise BenchError(f"unknown schema version {version}: cannot grow this archive")
        return version

    def relation_bytes(self) -> dict[str, int]:
        """Size of each table with its indexes and long values."""
        return {
            name: int(self.ask("select pg_total_relation_size(%s::regclass)", [name])[0][0]) for name in (TABLE, LABELS)
        }

    def blocks(self) -> Blocks:
        """What the server has touched so far; all sessions must have ended, as they report at their end."""
        with psycopg.connect(self.uri, autocommit=True) as connection:
            others = (
                "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            )
            deadline = time.monotonic() + _QUIET_S
            while (connection.execute(others.encode()).fetchone() or (0,))[0] and time.monotonic() < deadline:
                time.sleep(0.02)
            row = connection.execute(
                "select current_setting('block_size')::bigint * (heap_blks_read + heap_blks_hit + idx_blks_read + "
                "idx_blks_hit), current_setting('block_size')::bigint * (coalesce(toast_blks_read, 0) + "
                "coalesce(toast_blks_hit, 0) + coalesce(tidx_blks_read, 0) + coalesce(tidx_blks_hit, 0)) "
                "from pg_statio_all_tables where relid = %s::regclass",
                [TABLE],
            ).fetchone()
        return Blocks(int(row[0]), int(row[1])) if row else Blocks(0, 0)

    @contextmanager
    def copied(self) -> Iterator[Archive]:
        """A copy that may be changed, dropped at the end.

        Raises:
            BenchError: we may not, or the server does not let us, for example because somebody uses the archive.
        """
        if not self.may_copy:
            raise BenchError("it needs a copy of the archive on its server: --may-copy")
        name = f"argo_bench_{secrets.token_hex(4)}"
        parts = urlsplit(self.uri)
        source = parts.path.lstrip("/")
        maintenance = parts._replace(path="/postgres").geturl()
        with psycopg.connect(maintenance, autocommit=True) as connection:
            strategy = " strategy file_copy" if connection.info.server_version >= 150000 else ""
            create = sql.SQL("create database {} template {}" + strategy)
            try:
                connection.execute(create.format(sql.Identifier(name), sql.Identifier(unquote(source))))
            except psycopg.Error as error:
                raise BenchError(f"no copy of the archive to change: {str(error).strip()}") from error
        try:
            yield replace(self, uri=parts._replace(path=f"/{name}").geturl())
        finally:
            with suppress(psycopg.Error), psycopg.connect(maintenance, autocommit=True) as connection:
                connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

    def append(self, first: int, count: int) -> None:
        """Add generated workflows that are not there yet."""
        place = ["--append", "--first", str(first), "--total", str(first + count)]
        fill(self, count, *place, "--schema-version", str(self.schema_version))

    def rearchive(self, count: int, round_: int) -> None:
        """Archive workflows again as Argo does after a retry: other content under the same uid."""
        with psycopg.connect(self.uri) as connection, connection.cursor() as cursor:
            cursor.execute(
                f"select clustername, instanceid, workflow::text from {TABLE} "
                "order by md5(uid || %s) limit %s".encode(),
                [str(round_), count],
            )
            for cluster, instance, text in cursor.fetchall():
                workflow = json.loads(text)
                workflow["metadata"].setdefault("labels", {})["bench/round"] = str(round_)
                workflow["status"] |= {"phase": "Succeeded", "message": f"retried in round {round_}"}
                archive_workflow(
                    cursor, workflow, cluster=cluster, instance_id=instance, schema_version=self.schema_version
                )

    def delete(self, count: int) -> None:
        """Delete the oldest rows, as Argo's TTL does."""
        with psycopg.connect(self.uri) as connection:
            connection.execute(
                f"delete from {TABLE} where (clustername, uid) in "
                f"(select clustername, uid from {TABLE} order by finishedat, uid limit %s)".encode(),
                [count],
            )


@contextmanager
def generated(folder: Path, count: int, seed: int) -> Iterator[Archive]:
    """A server of our own that holds ``count`` generated workflows; what ``folder`` has from before is used again."""
    with EmbeddedPostgres(folder, fsync=False, settings=_SETTINGS) as server:
        name = f"archive_{count}_{seed}"
        with psycopg.connect(server.uri) as connection:
            known = connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone()
        archive = Archive(server.uri_of(name), seed, server.pid)
        if not known or not _complete(archive, count):
            server.drop_database(name)
            server.create_database(name)
            fill(archive, count)
        yield archive


@contextmanager
def existing(uri: str, seed: int, *, may_copy: bool) -> Iterator[Archive]:
    """An archive that is there already; it is only read, and copied only if that is allowed.

    Raises:
        BenchError: it cannot be reached, or is none.
    """
    archive = Archive(uri, seed, None, may_copy)
    try:
        archive.ask(f"select 1 from {TABLE} limit 1")
    except psycopg.Error as error:
        raise BenchError(f"no archive there: {str(error).strip()}") from error
    yield archive


def fill(archive: Archive, count: int, *options: str) -> None:
    """Run ``bench/make_archive.py`` on this archive."""
    command = [sys.executable, "-m", "bench.make_archive", "--uri", archive.public_uri]
    command += ["--count", str(count), "--seed", str(archive.seed), *options]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, **archive.environment})


def without_password(uri: str) -> str:
    """The URI for command lines."""
    parts = urlsplit(uri)
    user = f"{parts.username}@" if parts.username else ""
    return parts._replace(netloc=user + parts.netloc.rpartition("@")[2]).geturl()


def with_password(uri: str) -> str:
    """The other way round, from ``PGPASSWORD``: for libraries that are not libpq."""
    parts = urlsplit(uri)
    password = os.environ.get("PGPASSWORD")
    if not password or not parts.username:
        return uri
    return parts._replace(
        netloc=f"{parts.username}:{quote(password, safe='')}@{parts.netloc.rpartition('@')[2]}"
    ).geturl()


def _complete(archive: Archive, count: int) -> bool:
    try:
        return bool(archive.ask(f"select count(*) from {TABLE}")[0][0] == count)
    except psycopg.Error:
        return False
