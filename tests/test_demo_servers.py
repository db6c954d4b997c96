"""The embedded servers: they answer only to their password, and they are gone afterwards."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

import psycopg
import pytest
from botocore.exceptions import ClientError

from kubectl_argo_archive.demo import postgres as postgres_module
from kubectl_argo_archive.demo import seaweedfs as seaweedfs_module
from kubectl_argo_archive.demo.postgres import EmbeddedPostgres
from kubectl_argo_archive.demo.seaweedfs import SeaweedFS
from kubectl_argo_archive.demo.server_process import free_ports, temporary_folder
from kubectl_argo_archive.errors import ArgoArchiveError, ConfigError


def is_running(pid: int | None) -> bool:
    assert pid is not None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_postgres_wants_its_password(postgres: EmbeddedPostgres) -> None:
    wrong = postgres.uri.replace("argo:", "argo:x", 1)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong).close()
    with psycopg.connect(postgres.uri) as connection:
        assert connection.execute("show password_encryption").fetchone() == ("scram-sha-256",)
        assert connection.execute("show listen_addresses").fetchone() == ("127.0.0.1",)
    assert postgres.psql is not None
    assert postgres.psql.exists()


def interrupt(server: EmbeddedPostgres | SeaweedFS) -> tuple[int | None, Path]:
    """Start a server, and press Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt), server:
        pid, folder = server.pid, server.folder
        assert is_running(pid)
        assert folder.exists()
        raise KeyboardInterrupt
    return pid, folder


@pytest.mark.parametrize("server", [EmbeddedPostgres, SeaweedFS])
def test_a_server_ends_with_an_error(server: type[EmbeddedPostgres] | type[SeaweedFS]) -> None:
    ours = server()
    pid, folder = interrupt(ours)
    assert not is_running(pid)
    assert not folder.exists()
    assert ours.pid is None


def test_postgres_serves_a_folder_again() -> None:
    with temporary_folder("argo-archive-test-") as folder:
        with EmbeddedPostgres(folder, fsync=False) as server:
            uri = server.create_database("kept")
            with psycopg.connect(uri) as connection:
                connection.execute("create table t as select 42 as x")
        assert stat.S_IMODE((folder / "password").stat().st_mode) == 0o600
        with EmbeddedPostgres(folder, fsync=False) as server, psycopg.connect(server.uri_of("kept")) as connection:
            assert connection.execute("select x from t").fetchone() == (42,)


def test_postgres_that_cannot_start_says_why() -> None:
    with pytest.raises(ArgoArchiveError, match="no_such_setting"), EmbeddedPostgres(settings={"no_such_setting": "1"}):
        pass


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives the server another user")
def test_postgres_needs_a_folder_that_its_user_may_enter(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(ConfigError, match="no other user may enter"), EmbeddedPostgres(tmp_path / "inside"):
        pass


def test_s3_wants_its_key_and_its_buckets(s3_server: SeaweedFS) -> None:
    client = s3_server.client()
    client.put_object(Bucket="lake", Key="here", Body=b"1")
    assert client.get_object(Bucket="lake", Key="here")["Body"].read() == b"1"
    assert s3_server.s3("lake") == "s3://lake"
    assert s3_server.environment()["AWS_ENDPOINT_URL"] == s3_server.endpoint
    with pytest.raises(ClientError, match="NoSuchBucket"):
        client.put_object(Bucket="nowhere", Key="k", Body=b"1")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.put_object(Bucket="lake", Key="here", Body=b"2", IfNoneMatch="*")
    stranger = SeaweedFS()
    stranger.port = s3_server.port
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        stranger.client().list_objects_v2(Bucket="lake")


def test_buckets_make_room_for_others(s3_server: SeaweedFS) -> None:
    client = s3_server.client()
    for number in range(80):  # more than free GiB on a small machine
        bucket = s3_server.s3(f"room-{number}").removeprefix("s3://")
        client.put_object(Bucket=bucket, Key="here", Body=b"1")
        s3_server.drop(bucket)
    assert not [entry for entry in client.list_buckets()["Buckets"] if entry["Name"].startswith("room-")]


def test_a_missing_wheel_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise seaweedfs_module.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(postgres_module.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(seaweedfs_module.metadata, "files", missing)
    for server in (EmbeddedPostgres, SeaweedFS):
        with pytest.raises(ConfigError) as caught:
            server()
        assert "pip install" in (caught.value.hint or "")


def test_free_ports_are_distinct() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert all(10_000 < port < 32_768 for port in ports)
