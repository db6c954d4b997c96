"""What goes wrong with a database: the right error, a hint, and never a secret."""

from __future__ import annotations

import socket
import threading
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest
from contract.archive_suite import workflow
from fixtures.servers import ArchiveDb

from kubectl_argo_archive.archive.postgres import PostgresArchive
from kubectl_argo_archive.demo.postgres import EmbeddedPostgres
from kubectl_argo_archive.errors import ArgoArchiveError, ConfigError, ExitCode, SourceError, SourceUnreachable

SECRET = "s3cr3t-w0rd"


@contextmanager
def listener(answer: bytes | None) -> Iterator[int]:
    """The port of a server that sends ``answer`` to whoever connects, or never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                if answer is None:
                    silent.append(connection)
                    continue
                with connection:
                    connection.recv(1000)
                    connection.sendall(answer)

        silent: list[socket.socket] = []
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        for connection in silent:
            connection.close()


def error_of(uri: str, **options: int) -> ArgoArchiveError:
    with pytest.raises(ArgoArchiveError) as caught, PostgresArchive(uri, **options).snapshot():
        pass
    error = caught.value
    shown = f"{error} {error.hint} {error!r} {''.join(traceback.format_exception(error))}"
    assert SECRET not in shown
    assert error.hint
    return error


def test_nobody_listens() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    error = error_of(f"postgresql://argo:{SECRET}@127.0.0.1:{port}/argo")
    assert isinstance(error, SourceUnreachable)
    assert error.exit_code is ExitCode.UNREACHABLE
    assert error.message == f"cannot reach the archive database at 127.0.0.1:{port}/argo: Connection refused"


def test_nobody_has_the_name() -> None:
    error = error_of(f"postgresql://argo:{SECRET}@nowhere.invalid/argo")
    assert isinstance(error, SourceUnreachable)
    assert "nowhere.invalid:5432/argo" in error.message


def test_somebody_listens_and_never_answers() -> None:
    with listener(None) as port:
        error = error_of(f"postgresql://argo:{SECRET}@127.0.0.1:{port}/argo", connect_timeout=2)
    assert isinstance(error, SourceUnreachable)
    assert "timeout" in error.message


def test_every_host_of_a_list_is_named() -> None:
    error = error_of(f"postgresql://argo:{SECRET}@127.0.0.1:1,127.0.0.1:2/argo")
    assert isinstance(error, SourceUnreachable)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"J\0\0\0\x0a5.5.5-10.11-MariaDB"])
def test_something_else_than_postgres_listens(answer: bytes) -> None:
    with listener(answer) as port:
        error = error_of(f"postgresql://argo:{SECRET}@127.0.0.1:{port}/argo")
    assert type(error) is SourceError
    assert "PostgreSQL" in (error.hint or "")


def test_a_wrong_password(postgres: EmbeddedPostgres) -> None:
    error = error_of(f"postgresql://argo:{SECRET}@127.0.0.1:{postgres.port}/postgres")
    assert type(error) is SourceError
    assert "password authentication failed" in error.message
    assert "PGPASSWORD" in (error.hint or "")


def test_no_password(postgres: EmbeddedPostgres) -> None:
    error = error_of(f"postgresql://argo@127.0.0.1:{postgres.port}/postgres")
    assert type(error) is SourceError
    assert "password" in error.message


def test_the_password_of_the_environment_is_used_and_not_shown(
    archive_db: ArchiveDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = archive_db(rows=[workflow("a")])
    userinfo, place = uri.removeprefix("postgresql://").split("@")
    user, password = userinfo.split(":")
    monkeypatch.setenv("PGPASSWORD", password)
    with PostgresArchive(f"postgresql://{user}@{place}").snapshot() as snapshot:
        assert len(snapshot.keys()) == 1
    monkeypatch.setenv("PGPASSWORD", SECRET)
    error_of(f"postgresql://{user}@{place}")


def test_libpq_key_values_and_variables_work(archive_db: ArchiveDb, monkeypatch: pytest.MonkeyPatch) -> None:
    info = psycopg.conninfo.conninfo_to_dict(archive_db(rows=[workflow("a")]))
    for name in ("host", "port", "user", "password"):
        monkeypatch.setenv(f"PG{name.upper()}", str(info[name]))
    with PostgresArchive(f"dbname={info['dbname']}").snapshot() as snapshot:
        assert len(snapshot.keys()) == 1
        assert snapshot.info.display == f"postgresql://127.0.0.1:{info['port']}/{info['dbname']}"


def test_no_such_database(postgres: EmbeddedPostgres) -> None:
    error = error_of(postgres.uri_of("nowhere"))
    assert type(error) is SourceError
    assert 'database "nowhere" does not exist' in error.message


def test_encryption_that_the_server_does_not_have(postgres: EmbeddedPostgres) -> None:
    error = error_of(postgres.uri + "?sslmode=require")
    assert type(error) is SourceError
    assert "sslmode" in (error.hint or "")


@pytest.mark.parametrize(
    "source",
    [
        f"postgresql://argo:{SECRET}/x@127.0.0.1/argo",
        f"postgresql://argo:p@{SECRET}@127.0.0.1/argo",
        f"postgresql://argo:{SECRET}%zz@127.0.0.1/argo",
        f"host=127.0.0.1 password=a {SECRET}",
        f"host=127.0.0.1 passwort={SECRET}",
        f"postgresql://127.0.0.1/argo?pass={SECRET}",
        f"postgresql://argo:{SECRET}@127.0.0.1:port/argo",
        f"postgresql://[::1:{SECRET}",
    ],
)
def test_a_malformed_connection_string_is_a_usage_error_that_quotes_nothing(source: str) -> None:
    with pytest.raises(ConfigError, match="malformed") as caught:
        PostgresArchive(source)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert "percent-encode" in (caught.value.hint or "")


def test_a_key_scan_has_a_time_limit_and_reading_rows_has_none(archive_db: ArchiveDb) -> None:
    uri = archive_db(rows=[workflow("a")])
    run(uri, "alter table argo_archived_workflows rename to slow")
    run(uri, "create view argo_archived_workflows as select * from slow where pg_sleep(0.5) is not null")
    with PostgresArchive(uri, statement_timeout=0.2).snapshot() as snapshot:
        assert len(list(snapshot.rows(None, batch_bytes=1000))) == 1
        with pytest.raises(SourceError, match="too long"):
            snapshot.keys()


def test_a_table_that_is_being_altered(archive_db: ArchiveDb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubectl_argo_archive.archive.postgres._LOCK_TIMEOUT_SECONDS", 0.1)
    uri = archive_db()
    with psycopg.connect(uri) as other:
        other.execute("lock table argo_archived_workflows in access exclusive mode")
        with pytest.raises(SourceError, match="lock") as caught, PostgresArchive(uri).snapshot() as snapshot:
            snapshot.keys()
    assert "upgrading" in (caught.value.hint or "")


def test_a_server_that_goes_away_in_the_middle(archive_db: ArchiveDb) -> None:
    uri = archive_db(rows=(workflow(f"{n}", spec={"entrypoint": "x" * 100_000}) for n in range(300)))
    kill = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'kubectl-argo-archive'"
    with PostgresArchive(uri).snapshot() as snapshot:
        rows = snapshot.rows(None, batch_bytes=1 << 20)
        next(rows)
        run(uri, f"{kill} and datname = current_database()")
        with pytest.raises(SourceUnreachable):
            list(rows)


def run(uri: str, statement: str) -> None:
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(statement.encode())
