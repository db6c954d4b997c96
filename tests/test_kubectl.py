"""The main job through the real kubectl: export and query, on S3 and in a folder, and what goes wrong there."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from fixtures.kubectl import Kubectl
from fixtures.servers import S3, ArchiveDb
from oracle import expected_rows

from kubectl_argo_archive.demo.argo_schema import ArchiveRow, archive_workflow
from kubectl_argo_archive.demo.postgres import EmbeddedPostgres

SMALL = 60


def export(
    kubectl: Kubectl, source: str, lake: str, *more: str, env: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Run the export and return its result object."""
    done = kubectl.run("argo-archive", "export", "--source", source, "--lake", lake, "-o", "json", *more, env=env)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def query(
    kubectl: Kubectl, lake: str, sql: str, *more: str, env: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Ask and return the rows."""
    done = kubectl.run("argo-archive", "query", "--lake", lake, "-o", "json", sql, *more, env=env)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


@pytest.fixture
def few(workflows: list[ArchiveRow]) -> list[ArchiveRow]:
    """Some workflows."""
    return workflows[:SMALL]


@pytest.fixture(params=["folder", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, dict[str, str]]:
    """A place for a lake, and the environment that leads there."""
    if request.param == "folder":
        return str(tmp_path / "lake"), {}
    place: S3 = request.getfixturevalue("s3")
    return place.url, place.environment()


def test_what_was_archived_is_what_is_answered(
    kubectl: Kubectl, archive_db: ArchiveDb, few: list[ArchiveRow], lake: tuple[str, dict[str, str]]
) -> None:
    where, env = lake
    result = export(kubectl, archive_db(rows=few), where, env=env)
    expected = [expected_rows(row.json, "default", row.uid) for row in few]
    assert result["new"] == len(few)
    assert result["published"]
    assert result["quarantined"] == 0
    assert result["seconds"] > 0
    assert result["peak_memory_bytes"] > 1 << 20
    for table in ("workflows", "nodes", "parameters", "artifacts", "labels", "conditions", "images"):
        count = sum(len(rows[table]) for rows in expected)
        assert result["tables"][table]["rows"] == count
        assert (result["tables"][table]["bytes"] > 0) == (count > 0)
        assert query(kubectl, where, f"select count(*) as n from {table}", env=env) == [{"n": count}]
    by_phase = query(
        kubectl, where, "select phase, count(*) as n, sum(node_count) as nodes from workflows group by all", env=env
    )
    for row in by_phase:
        mine = [rows["workflows"][0] for rows in expected if rows["workflows"][0]["phase"] == row["phase"]]
        assert (row["n"], row["nodes"]) == (len(mine), sum(w["node_count"] for w in mine))


def test_the_second_export_does_nothing(
    kubectl: Kubectl, archive_db: ArchiveDb, few: list[ArchiveRow], lake: tuple[str, dict[str, str]], s3: S3
) -> None:
    where, env = lake
    source = archive_db(rows=few)
    first = export(kubectl, source, where, env=env)
    before = _files(where, s3)
    second = export(kubectl, source, where, env=env)
    assert _files(where, s3) == before
    assert (second["new"], second["unchanged"], second["published"]) == (0, len(few), False)
    assert second["json_bytes"] == 0
    assert second["export_id"] == first["export_id"]


def _files(where: str, s3: S3) -> dict[str, int]:
    if where.startswith("s3://"):
        return s3.keys()
    return {str(p.relative_to(where)): p.stat().st_size for p in Path(where).rglob("*") if p.is_file()}


def test_the_environment_names_source_and_lake(
    kubectl: Kubectl, archive_db: ArchiveDb, few: list[ArchiveRow], tmp_path: Path
) -> None:
    env = {"KUBECTL_ARGO_ARCHIVE_SOURCE": archive_db(rows=few), "KUBECTL_ARGO_ARCHIVE_LAKE": str(tmp_path / "lake")}
    for words in (("argo-archive",), ("argo", "archive")):
        done = kubectl.run(*words, "export", env=env)
        assert done.returncode == 0, done.stderr
    done = kubectl.run("argo-archive", "query", "-o", "csv", "select count(*) as n from workflows", env=env)
    assert done.stdout.split() == ["n", str(len(few))]


def test_a_retried_workflow_keeps_its_first_state_and_an_expired_one_is_marked(
    kubectl: Kubectl, archive_db: ArchiveDb, few: list[ArchiveRow], lake: tuple[str, dict[str, str]]
) -> None:
    where, env = lake
    source = archive_db(rows=few)
    first = export(kubectl, source, where, env=env)
    retried, expired = few[0], few[1]
    document = json.loads(retried.json)
    finished = datetime.fromisoformat(document["status"]["finishedAt"]) + timedelta(hours=1)
    document["status"] |= {"finishedAt": f"{finished:%Y-%m-%dT%H:%M:%SZ}", "message": "retried"}
    with psycopg.connect(source) as connection, connection.cursor() as cursor:
        archive_workflow(cursor, document)
        cursor.execute("delete from argo_archived_workflows where uid = %s", [expired.uid])
    result = export(kubectl, source, where, env=env)
    assert (result["new"], result["changed"], result["deleted"]) == (0, 1, 1)
    sql = "select version, message, is_latest from workflow_versions where uid = $uid order by 1"
    states = query(kubectl, where, sql, "-p", f"uid={retried.uid}", env=env)
    assert [(s["version"], s["is_latest"]) for s in states] == [(1, False), (2, True)]
    assert states[1]["message"] == "retried"
    latest = query(kubectl, where, "select count(*) as n, count(source_deleted_at) as gone from workflows", env=env)
    assert latest == [{"n": len(few), "gone": 1}]
    gone = query(kubectl, where, "select uid from workflows where source_deleted_at is not null", env=env)
    assert gone == [{"uid": expired.uid}]
    then = query(kubectl, where, "select count(source_deleted_at) as gone, max(version) as v from workflows",
                 "--as-of", first["export_id"], env=env)  # fmt: skip
    assert then == [{"gone": 0, "v": 1}]


def test_malformed_rows_are_kept_counted_and_said(
    kubectl: Kubectl, archive_db: ArchiveDb, few: list[ArchiveRow], tmp_path: Path
) -> None:
    source = archive_db(59, rows=few)
    broken = {
        "not an object": '["x"]',
        "status.startedAt": '{"metadata":{"name":"a"},"status":{"phase":"Failed","startedAt":"yesterday"}}',
        "metadata.labels": '{"metadata":{"name":"a","labels":5},"status":{"phase":"Failed"}}',
        "half a surrogate": '{"metadata":{"name":"\\ud800"},"status":{"phase":"Failed"}}',
        "levels deep": '{"metadata":{"name":"a"},"status":{"phase":"Failed"},"x":' + "[" * 3000 + "]" * 3000 + "}",
    }
    with psycopg.connect(source) as connection:
        for number, text in enumerate(broken.values()):
            connection.execute(
                "insert into argo_archived_workflows (uid, name, phase, namespace, workflow, clustername, instanceid)"
                " values (%s, 'w', 'Failed', 'ns', %s::json, 'default', '')",
                [f"broken-{number}", text],
            )
    where = str(tmp_path / "lake")
    done = kubectl.run("argo-archive", "export", "--source", source, "--lake", where, "-o", "json")
    result = json.loads(done.stdout)
    assert done.returncode == 3
    assert "quarantine" in done.stderr
    assert (result["new"], result["quarantined"]) == (len(few), len(broken))
    rows = query(kubectl, where, "select uid, reason, json from quarantine order by uid")
    for row, (reason, text) in zip(rows, broken.items(), strict=True):
        assert reason in row["reason"]
        assert row["json"] == text


SECRET = "hunter2-very-secret"


@pytest.fixture(scope="module")
def closed_port() -> Iterator[int]:
    """A port on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


def _check(done: Any, code: int, says: str) -> None:
    assert done.returncode == code, (done.returncode, done.stderr)
    assert done.stdout == ""
    assert done.stderr.count("error: ") == 1, done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr
    assert says in done.stderr
    assert SECRET not in done.stderr


@pytest.mark.parametrize(
    "source",
    ["", "gopher://x/y", "mysql://u:hunter2-very-secret@h/db", "/no/such/file.ndjson", "postgresql://h:port/x"],
)
def test_a_wrong_source_is_a_usage_error(kubectl: Kubectl, tmp_path: Path, source: str) -> None:
    done = kubectl.run("argo-archive", "export", "--source", source, "--lake", str(tmp_path / "lake"))
    _check(done, 2, "")
    assert not (tmp_path / "lake").exists()


def _with(uri: str, **parts: str) -> str:
    split = urlsplit(uri)
    user, _, password = split.netloc.rpartition("@")[0].partition(":")
    password = parts.get("password", password)
    netloc = f"{parts.get('user', user)}:{password}@{parts.get('host', f'{split.hostname}:{split.port}')}"
    return urlunsplit(split._replace(netloc=netloc, path=parts.get("path", split.path)))


def test_databases_that_cannot_be_read(
    kubectl: Kubectl, archive_db: ArchiveDb, postgres: EmbeddedPostgres, closed_port: int, tmp_path: Path
) -> None:
    good, empty = archive_db(), postgres.create_database("no_archive")
    with psycopg.connect(good, autocommit=True) as connection:
        connection.execute(f"create role reader_{closed_port} login password '{SECRET}'".encode())
    bad = [
        (_with(good, host=f"127.0.0.1:{closed_port}", password=SECRET), 4, "127.0.0.1"),
        (_with(good, host="no-such-host.invalid:5432", password=SECRET), 4, "no-such-host.invalid"),
        (_with(good, password=SECRET), 1, "password"),
        (_with(good, path="/no_such_database"), 1, "no_such_database"),
        (empty, 1, "argo_archived_workflows"),
        (_with(good, user=f"reader_{closed_port}", password=SECRET), 1, "grant"),
    ]
    for source, code, says in bad:
        lake = tmp_path / "lake"
        done = kubectl.run("argo-archive", "export", "--source", source, "--lake", str(lake))
        assert done.returncode == code, (source.rpartition("@")[2], done.stderr)
        _check(done, code, "")
        assert says.lower() in done.stderr.lower()
        assert not lake.exists()
    postgres.drop_database("no_archive")


def test_storage_that_cannot_be_written(
    kubectl: Kubectl, archive_db: ArchiveDb, few: list[ArchiveRow], s3: S3, closed_port: int
) -> None:
    source = archive_db(rows=few)
    env = s3.environment()
    bad = [
        (f"s3://no-such-bucket-{closed_port}/x", env, 1, "bucket"),
        (s3.url, {**env, "AWS_SECRET_ACCESS_KEY": SECRET}, 1, "AWS_SECRET_ACCESS_KEY"),
        (s3.url, {**env, "AWS_ACCESS_KEY_ID": "AKIAWRONG"}, 1, "access key id"),
        (s3.url, {**env, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{closed_port}"}, 4, str(closed_port)),
        ("gs://bucket/x", env, 2, "gs"),
    ]
    for lake, environment, code, says in bad:
        done = kubectl.run("argo-archive", "export", "--source", source, "--lake", lake, env=environment)
        _check(done, code, "")
        assert says.lower() in done.stderr.lower(), done.stderr
    assert s3.keys() == {}


def test_mistakes_in_sql_show_the_place(
    kubectl: Kubectl, archive_db: ArchiveDb, few: list[ArchiveRow], tmp_path: Path
) -> None:
    where = str(tmp_path / "lake")
    export(kubectl, archive_db(rows=few), where)
    for sql, says in (
        ("select phse from workflows", "phase"),
        ("select * from workflow", "workflows"),
        ("select count(* from nodes", "^"),
        ("drop table workflows", "only"),
    ):
        done = kubectl.run("argo-archive", "query", "--lake", where, sql)
        assert done.returncode == 1, (sql, done.returncode, done.stderr)
        assert done.stdout == ""
        assert done.stderr.count("error: ") == 1
        assert says in done.stderr
    done = kubectl.run("argo-archive", "query", "--lake", str(tmp_path / "nothing"), "select 1 from workflows")
    _check(done, 1, "no lake")
