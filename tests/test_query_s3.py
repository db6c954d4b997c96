"""Queries on a lake in S3: through DuckDB's own extension, through s3fs without it, and no further than the lake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from fixtures.servers import S3

from kubectl_argo_archive.archive.workflow_archive import Selection
from kubectl_argo_archive.connect import open_lake, open_source
from kubectl_argo_archive.demo.seaweedfs import SeaweedFS
from kubectl_argo_archive.demo.workflows import generate_json
from kubectl_argo_archive.errors import ArgoArchiveError, ConfigError, QueryError, StorageError
from kubectl_argo_archive.export.pipeline import export
from kubectl_argo_archive.lake.lake import Lake
from kubectl_argo_archive.query import s3 as query_s3
from kubectl_argo_archive.query.session import Session, open_session

COUNT = "select count(*), count(distinct uid) from workflows"


def fill(place: S3, folder: Path) -> Lake:
    (folder / "dump.ndjson").write_text("".join(f"{text}\n" for text in generate_json(12, seed=5)))
    lake = open_lake(place.url)
    export(open_source(str(folder / "dump.ndjson")), lake, Selection())
    return lake


@pytest.fixture(scope="module")
def place(s3_server: SeaweedFS) -> S3:
    """Where the lake of all these tests lies; none of them may change it."""
    return S3(s3_server, "lake", "queries")


@pytest.fixture(scope="module")
def filled(place: S3, tmp_path_factory: pytest.TempPathFactory) -> S3:
    with pytest.MonkeyPatch.context() as environment:
        for name, value in place.environment().items():
            environment.setenv(name, value)
        fill(place, tmp_path_factory.mktemp("dump"))
    return place


@pytest.fixture
def lake(filled: S3, monkeypatch: pytest.MonkeyPatch) -> Lake:
    for name, value in filled.environment().items():
        monkeypatch.setenv(name, value)
    return open_lake(filled.url)


def ask(session: Session, sql: str) -> list[tuple[Any, ...]]:
    return [row for rows in session.run(sql).rows() for row in rows]


def test_the_extension_comes_from_its_wheel() -> None:
    file = query_s3.extension_file()
    assert file is not None
    assert f"v{duckdb.__version__}" in str(file)


@pytest.mark.parametrize("extension", [True, False], ids=["httpfs", "s3fs"])
def test_answers(lake: Lake, extension: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not extension:
        monkeypatch.setattr(query_s3, "extension_file", lambda: None)
    with open_session(lake.snapshot(None), s3=lake.storage) as session:
        assert ask(session, COUNT) == [(12, 12)]
        assert ask(session, "select count(*) from nodes n join workflows w using (cluster, uid, version)")[0][0] > 12
        assert session._engine is not None
        loaded = "select count(*) from duckdb_extensions() where extension_name = 'httpfs' and loaded"
        if extension:
            with pytest.raises(duckdb.PermissionException):  # it would look into a folder
                session._engine.con.execute(loaded)


def test_an_extension_that_does_not_load(lake: Lake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "httpfs.duckdb_extension").write_bytes(b"not an extension" * 100)
    monkeypatch.setattr(query_s3, "extension_file", lambda: tmp_path / "httpfs.duckdb_extension")
    with open_session(lake.snapshot(None), s3=lake.storage) as session:
        assert ask(session, COUNT) == [(12, 12)]


HOSTILE = [
    "copy (select 1) to '{file}' (format parquet, use_tmp_file false)",
    "copy (select 1) to '{root}/new.parquet'",
    "copy (select 1) to 's3://{bucket}/elsewhere.csv'",
    "from '{file}'",
    "from read_parquet('{file}')",
    "from read_parquet('s3://{bucket}/*/workflows/*/*.parquet')",
    "from glob('s3://{bucket}/**')",
    "from read_text('{root}/exports/_delta_log/00000000000000000000.json')",
    "from duckdb_secrets()",
    "from which_secret('{file}', 's3')",
    "create secret mine (type s3, key_id 'a', secret 'b')",
    "create or replace secret lake (type s3, endpoint '127.0.0.1:1')",
    "drop secret lake",
    "set s3_endpoint = '127.0.0.1:1'",
    "attach '{root}/x.db' (read_only)",
    "select current_setting('s3_secret_access_key')",
]


@pytest.mark.parametrize("sql", HOSTILE)
def test_refused(lake: Lake, place: S3, sql: str) -> None:
    snapshot = lake.snapshot(None)
    names = {"file": snapshot.table("workflows").urls[0], "root": place.url, "bucket": place.bucket}
    before = contents(place)
    with open_session(snapshot, s3=lake.storage) as session:
        for _ in range(2):  # before anything was opened, and with the secret at hand
            with pytest.raises(QueryError, match=r"not allowed|is a file|only"):
                ask(session, sql.format(**names))
            assert ask(session, COUNT) == [(12, 12)]
    assert contents(place) == before


def test_the_engine_itself_is_locked(lake: Lake, place: S3) -> None:
    with open_session(lake.snapshot(None), s3=lake.storage) as session:
        ask(session, COUNT)
        assert session._engine is not None
        con = session._engine.con
        other = lake.snapshot(None).table("raw").urls[0]
        for sql in (
            f"from read_parquet('{other}')",
            f"copy (select 1) to '{place.url}/new.parquet'",
            f"from glob('{place.url}/*')",
        ):
            with pytest.raises(duckdb.PermissionException):
                con.execute(sql)
        with pytest.raises(duckdb.Error, match="locked"):
            con.execute("set s3_endpoint = '127.0.0.1:1'")
        secret = place.environment()["AWS_SECRET_ACCESS_KEY"]
        assert secret not in json.dumps(con.execute("select * from duckdb_secrets()").fetchall(), default=str)
        assert secret not in json.dumps(con.execute("select * from duckdb_settings()").fetchall(), default=str)


def test_a_file_that_is_gone(s3_environment: S3, tmp_path: Path) -> None:
    s3 = s3_environment
    lake = fill(s3, tmp_path)
    snapshot = lake.snapshot(None)
    url = snapshot.table("labels").urls[0]
    s3.client().delete_object(Bucket=s3.bucket, Key=url.removeprefix(f"s3://{s3.bucket}/"))
    with open_session(snapshot, s3=lake.storage) as session, pytest.raises(ArgoArchiveError) as error:
        ask(session, "select count(distinct value) from labels")
    assert not isinstance(error.value, QueryError)
    assert "AWS_SECRET" not in error.value.message


def test_keys_that_stop_working(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = lake.snapshot(None)
    for name in ("workflows", "source_events"):
        snapshot.table(name)
    secret = dict(lake.storage.duckdb_secret() or {})
    monkeypatch.setattr(type(lake.storage), "duckdb_secret", lambda _: {**secret, "SECRET": "wrong/secret"})
    with open_session(snapshot, s3=lake.storage) as session, pytest.raises(StorageError) as error:
        ask(session, "select max(name) from workflows")
    assert "wrong/secret" not in f"{error.value.message} {error.value.hint}"


def test_settings_that_duckdb_does_not_accept(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        type(lake.storage), "duckdb_secret", lambda _: {"SECRET": "hunter2", "NO_SUCH_OPTION": "hunter2"}
    )
    with open_session(lake.snapshot(None), s3=lake.storage) as session, pytest.raises(ConfigError) as error:
        ask(session, COUNT)
    assert "hunter2" not in error.value.message


def contents(s3: S3) -> dict[str, str]:
    pages = s3.client().get_paginator("list_objects_v2").paginate(Bucket=s3.bucket)
    return {entry["Key"]: entry["ETag"] for page in pages for entry in page.get("Contents", [])}
