"""Whatever is wrong with what a command is given: the documented exit code, one error, a hint, and nothing else."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import pytest
from contract.archive_suite import workflow
from fixtures.lakes import execute, export_to, files
from fixtures.s3_stub import SECRET as STUB_SECRET
from fixtures.s3_stub import Answer, s3_error, stub_s3
from fixtures.servers import S3, ArchiveDb

from kubectl_argo_archive.cli.main import run
from kubectl_argo_archive.demo.postgres import EmbeddedPostgres
from kubectl_argo_archive.lake.lock import FILE

SECRET = "hunter2/very secret@here:%"
"""Needs quoting in a URI, as passwords do."""

Say = Callable[..., str]


def check(code: int, ended: int, out: str, err: str, secrets: tuple[str, ...] = (SECRET,)) -> None:
    """One error, one hint, no data, no secret."""
    lines = err.splitlines()
    assert (ended, out) == (code, ""), err
    assert lines[0].startswith("error: ")
    assert sum(line.startswith("error: ") for line in lines) == 1, err
    assert lines[-1].startswith("hint: "), err
    assert sum(line.startswith("hint: ") for line in lines) == 1, err
    assert "Traceback" not in err
    assert "internal error" not in err
    for secret in secrets:
        assert secret not in err
        assert quote(secret, safe="") not in err


@pytest.fixture
def say(capfd: pytest.CaptureFixture[str]) -> Say:
    """Runs a command that must fail with the given code; returns what it says on stderr."""

    def fails(code: int, *arguments: object, secrets: tuple[str, ...] = (SECRET,)) -> str:
        ended = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        check(code, ended, out, err, secrets)
        return err

    return fails


@pytest.fixture
def nowhere() -> Iterator[str]:
    """``host:port`` at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def changed(
    uri: str,
    *,
    user: str | None = None,
    password: str | None = SECRET,
    host: str | None = None,
    path: str | None = None,
) -> str:
    """A URI with other parts."""
    parts = urlsplit(uri)
    name, _, own = parts.netloc.rpartition("@")[0].partition(":")
    secret = own if password is None else quote(password, safe="")
    netloc = f"{user or name}:{secret}@{host or parts.netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=netloc, path=path or parts.path))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("", "no source"),
        ("   ", "source is empty"),
        ("gopher://me:{secret}@host/x", "gopher"),
        ("mysql://me:{secret}@host/argo", "MySQL"),
        ("postgresql+psycopg://me:{secret}@host/argo", "SQLAlchemy"),
        ("postgresql://me:{secret}@host:port/argo", "port"),
        ("postgresql://me:{secret}@host/argo?nonsense=1", "malformed"),
        ("host=db password='{secret}' nonsense=1", "malformed"),
        ("/no/such/file.ndjson", "/no/such/file.ndjson"),
        ("file://another.host/dump.ndjson", "another"),
    ],
)
def test_a_source_that_is_none(say: Say, tmp_path: Path, source: str, says: str) -> None:
    text = source.format(secret=quote(SECRET, safe=""))
    err = say(2, "export", "--source", text, "--lake", tmp_path / "lake")
    assert says.lower() in err.lower()
    assert not (tmp_path / "lake").exists()


def test_a_folder_without_dumps(say: Say, tmp_path: Path) -> None:
    (tmp_path / "dumps").mkdir()
    say(1, "export", "--source", tmp_path / "dumps", "--lake", tmp_path / "lake")
    assert not (tmp_path / "lake").exists()


def test_databases_that_do_not_let_us_in(say: Say, archive_db: ArchiveDb, nowhere: str, tmp_path: Path) -> None:
    good = archive_db(68, [workflow("a")])
    for code, source, says in (
        (4, changed(good, host=nowhere), "refused"),
        (4, changed(good, host="no-such-host.invalid:5432"), "no-such-host.invalid"),
        (1, changed(good), "password"),
        (1, changed(good, user="nobody-like-this"), "nobody-like-this"),
        (1, changed(good, password=None, path="/no_such_database"), "no_such_database"),
        (1, changed(good, host="127.0.0.1:99999"), "invalid port number"),
    ):
        err = say(code, "export", "--source", source, "--lake", tmp_path / "lake")
        assert says in err
        err = say(code, "export", "--source", source, "--lake", tmp_path / "lake", "--dry-run")
        assert says in err
        assert not (tmp_path / "lake").exists()


def test_databases_that_are_not_argos(say: Say, postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    uri = postgres.create_database("not_argo")
    try:
        command = ("export", "--source", uri, "--lake", tmp_path / "lake")
        password = (urlsplit(uri).password or "",)
        assert "argo_archived_workflows" in say(1, *command, secrets=password)
        execute(uri, "create table argo_archived_workflows (id int)")
        assert "has no column clustername" in say(1, *command, secrets=password)
        execute(uri, "drop table argo_archived_workflows", "create table argo_workflows (id int)")
        assert "argo_archived_workflows" in say(1, *command, secrets=password)
    finally:
        postgres.drop_database("not_argo")
    assert not (tmp_path / "lake").exists()


def test_without_rights(say: Say, archive_db: ArchiveDb, tmp_path: Path) -> None:
    uri = archive_db(68, [workflow("a")])
    reader = f"reader_{uri.rsplit('_', 1)[1]}"
    execute(uri, f"create role {reader} login password '{SECRET}'")
    source, command = changed(uri, user=reader), ("--lake", tmp_path / "lake")
    try:
        err = say(1, "export", "--source", source, *command)
        assert f"user {reader} may not read public.argo_archived_workflows" in err
        assert "GRANT SELECT ON" in err
        execute(uri, f"grant select (uid, clustername, name, namespace, phase) on argo_archived_workflows to {reader}")
        assert "may not read" in say(1, "export", "--source", source, *command)
        assert not (tmp_path / "lake").exists()
        execute(uri, f"grant select on argo_archived_workflows to {reader}")
        assert export_to(tmp_path / "lake", source).new == 1  # nothing else is needed
    finally:
        execute(uri, f"drop owned by {reader}", f"drop role {reader}")


@pytest.mark.parametrize(
    ("lake", "says"),
    [
        ("", "no lake"),
        ("s3:/bucket/x", "two slashes"),
        ("s3://", "bucket"),
        ("s3://me:{secret}@bucket/x", "keys"),
        ("s3://UP PER/x", "bucket"),
        ("gs://bucket/x", "HMAC"),
        ("https://me:{secret}@host/bucket", "AWS_ENDPOINT_URL"),
        ("{file}", "is a file"),
        ("{file}/below", "file"),
    ],
)
def test_a_lake_that_is_none(say: Say, archive_db: ArchiveDb, tmp_path: Path, lake: str, says: str) -> None:
    (tmp_path / "file").write_text("")
    where = lake.format(secret=quote(SECRET, safe=""), file=tmp_path / "file")
    code = 1 if where.endswith("/below") else 2
    err = say(code, "export", "--source", archive_db(68, [workflow("a")]), "--lake", where)
    assert says in err
    assert (tmp_path / "file").read_text() == ""
    say(code, "query", "--lake", where, "select 1 from workflows")


def test_s3_that_does_not_let_us_in(
    say: Say, archive_db: ArchiveDb, s3_environment: S3, nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, lake = archive_db(68, [workflow("a")]), s3_environment.url
    for code, variables, where, says in (
        (1, {}, "s3://no-such-bucket-anywhere/x", "bucket 'no-such-bucket-anywhere' does not exist"),
        (1, {"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN"}, lake, "does not know the access key id"),
        (1, {"AWS_SECRET_ACCESS_KEY": SECRET}, lake, "secret access key does not fit"),
        (4, {"AWS_ENDPOINT_URL": f"http://{nowhere}"}, lake, "refuses connections"),
        (4, {"AWS_ENDPOINT_URL": "http://no-such-host.invalid:1"}, lake, "cannot be resolved"),
        (2, {"AWS_ENDPOINT_URL": "nonsense"}, lake, "endpoint"),
        (2, {"AWS_PROFILE": "no-such-profile"}, lake, "no-such-profile"),
        (2, {"AWS_CA_BUNDLE": "/no/such/bundle.pem"}, lake, "/no/such/bundle.pem"),
        (2, {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, lake, "credentials"),
    ):
        secret = s3_environment.environment()["AWS_SECRET_ACCESS_KEY"]
        with monkeypatch.context() as patched:
            for name, value in variables.items():
                patched.setenv(name, value)
            err = say(code, "export", "--source", source, "--lake", where, secrets=(SECRET, secret))
            assert says in err, err
            err = say(code, "query", "--lake", where, "select count(*) from workflows", secrets=(SECRET, secret))
            assert says in err, err
    assert s3_environment.keys() == {}


ANSWERS: dict[str, tuple[Answer, str]] = {
    "expired token": (s3_error(400, "ExpiredToken"), "the session token has expired"),
    "foreign token": (s3_error(400, "InvalidToken"), "does not accept the session token"),
    "wrong region": (
        s3_error(301, "PermanentRedirect", x_amz_bucket_region="eu-central-1"),
        "bucket 'lake' lies in ",
    ),
    "wrong region in the signature": (
        s3_error(400, "AuthorizationHeaderMalformed", extra="<Region>eu-west-3</Region>"),
        "region eu-west-3",
    ),
    "denied": (s3_error(403, "AccessDenied"), "access denied"),
    "skewed clock": (s3_error(403, "RequestTimeTooSkewed"), "the clock"),
    "full": (s3_error(507, "XMinioStorageFull"), "no space left"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_answers_of_s3_that_no_server_here_gives(tmp_path: Path, case: str) -> None:
    answer, says = ANSWERS[case]
    dump = tmp_path / "dump.json"
    dump.write_text(json.dumps(workflow("a")))
    with stub_s3(answer) as stub:
        env = {**os.environ, **stub.environment(), "AWS_SESSION_TOKEN": SECRET}
        for arguments in (["export", "--source", str(dump)], ["query", "select count(*) from workflows"]):
            # a process of its own: delta-rs waits for an answer without letting the server here give one
            command = [sys.executable, "-m", "kubectl_argo_archive", *arguments, "--lake", "s3://lake/x"]
            done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
            check(1, done.returncode, done.stdout, done.stderr, (SECRET, STUB_SECRET))
            assert says in done.stderr


@pytest.fixture
def lake(archive_db: ArchiveDb, tmp_path: Path) -> Path:
    """A small lake."""
    export_to(tmp_path / "lake", archive_db(68, [workflow("a")]))
    return tmp_path / "lake"


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("select phse from workflows", "phase"),
        ("select * from workflow", "workflows"),
        ("selct 1", "^"),
        ("select count(* from workflows", "^"),
        ("select 1; select 2", "one statement"),
        ("delete from workflows", "only"),
        ("select * from read_csv('/etc/passwd')", "passwd"),
        ("select $missing", "missing"),
        ("select 1/'x'", "x"),
        ("", "SQL"),
    ],
)
def test_mistakes_in_sql(say: Say, lake: Path, sql: str, says: str) -> None:
    before = files(lake)
    err = say(1, "query", "--lake", lake, sql)
    assert says in err
    assert files(lake) == before


def test_questions_to_a_lake_that_is_not_there(say: Say, lake: Path, tmp_path: Path) -> None:
    sql = "select count(*) from workflows"
    assert "there is no lake" in say(1, "query", "--lake", tmp_path / "nothing", sql)
    assert "nothing was published" in say(1, "query", "--lake", lake, "--as-of", "2001-01-01", sql)
    assert "nothing was published" in say(1, "query", "--lake", lake, "--as-of", "20010101T000000Z-abcdef", sql)
    assert "/no/such/file.sql" in say(2, "query", "--lake", lake, "-f", "/no/such/file.sql")
    say(2, "query", "--lake", lake, "-p", "nonsense", sql)
    say(2, "query", "--lake", lake, "-o", "nonsense", sql)
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("damage", ["log", "ledger", "data"])
def test_a_damaged_lake(say: Say, lake: Path, tmp_path: Path, archive_db: ArchiveDb, damage: str) -> None:
    victim = {"log": "workflows/_delta_log", "ledger": "exports/_delta_log", "data": "workflows/month=2026-03"}[damage]
    for file in (lake / victim).iterdir():
        file.write_text("{")
    say(1, "query", "--lake", lake, "select count(*), max(uid) from workflows")
    assert "damaged" in say(1, "export", "--source", archive_db(68, [workflow("b")]), "--lake", lake)
    assert not (lake / FILE).exists()


@pytest.mark.parametrize(
    "arguments",
    [("--since", "yesterday-ish"), ("-n", ""), ("-n", "a", "-A"), ("-l", "team in"), ("-o", "xml"), ("--nonsense",)],
)
def test_options_that_make_no_sense(
    say: Say, archive_db: ArchiveDb, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    source = archive_db(68, [workflow("a")])
    say(2, "export", "--source", source, "--lake", tmp_path / "lake", *arguments)
    assert not (tmp_path / "lake").exists()


def test_no_secret_in_the_traceback_either(
    archive_db: ArchiveDb, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = changed(archive_db())
    assert run(["export", "--source", source, "--lake", str(tmp_path / "lake"), "--debug"]) == 1
    out, err = capfd.readouterr()
    assert "Traceback" in err
    assert out == ""
    assert SECRET not in err
    assert quote(SECRET, safe="") not in err


def test_no_secret_in_the_lake(archive_db: ArchiveDb, tmp_path: Path) -> None:
    source = archive_db(68, [workflow("a")])
    password = urlsplit(source).password or ""
    result = export_to(tmp_path / "lake", source)
    assert password not in json.dumps(result.to_dict())
    for name in files(tmp_path / "lake"):
        assert password.encode() not in (tmp_path / "lake" / name).read_bytes()
