"""S3 in truth: three clients against one server, the settings that lead them there, and what goes wrong."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import duckdb
import duckdb_extension_httpfs
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from fixtures.aws import write_aws_files
from fixtures.s3_stub import Answer, stub_s3
from fixtures.servers import S3
from fixtures.tls_tunnel import tls_tunnel

from kubectl_argo_archive.config import Config, S3Config
from kubectl_argo_archive.demo.seaweedfs import SeaweedFS
from kubectl_argo_archive.errors import ArgoArchiveError, ConfigError, ExitCode, StorageError, StorageUnreachable
from kubectl_argo_archive.storage.credentials import Credentials, Keys
from kubectl_argo_archive.storage.filesystem import Storage, open_storage
from kubectl_argo_archive.storage.location import Location
from kubectl_argo_archive.storage.s3 import Settings

LAKE = Location.parse("s3://lake/storage-tests")


@pytest.fixture
def at_server(s3_environment: S3) -> SeaweedFS:
    """The environment leads to the server."""
    return s3_environment.server


def with_fs(storage: Storage) -> object:
    storage.fs.pipe_file(storage.path("hello.csv"), b"hello\nworld\n")
    assert storage.fs.find(storage.path("hello.csv")) == [storage.path("hello.csv")]
    return storage.fs.cat_file(storage.path("hello.csv"))


def with_delta(storage: Storage) -> object:
    write_deltalake(storage.url("table"), pa.table({"a": [1]}), mode="append", storage_options=storage.delta_options())
    return DeltaTable(storage.url("table"), storage_options=storage.delta_options()).version()


def with_duckdb(storage: Storage) -> object:
    (extension,) = Path(duckdb_extension_httpfs.__file__).parent.rglob("httpfs.duckdb_extension")
    with duckdb.connect(config={"allow_unsigned_extensions": "true"}) as connection:
        connection.execute(f"LOAD '{extension}'")
        for name, value in storage.duckdb_settings().items():
            connection.execute(f"SET {name} = '{value}'")
        secret = storage.duckdb_secret()
        if secret is not None:
            parameters = ", ".join(f"{name} '{value}'" for name, value in secret.items())
            connection.execute(f"CREATE SECRET (TYPE s3, {parameters})")
        return connection.execute(f"SELECT * FROM read_csv('{storage.url('hello.csv')}')").fetchall()


CLIENTS = pytest.mark.parametrize("use", [with_fs, with_delta, with_duckdb])


def fails(use: Callable[[Storage], object], config: Config | None = None, lake: Location = LAKE) -> ArgoArchiveError:
    storage = open_storage(lake, config)
    with pytest.raises(ArgoArchiveError) as caught, storage.errors():
        use(storage)
    shown = f"{caught.value.message} {caught.value.hint}"
    assert os.environ.get("AWS_SECRET_ACCESS_KEY", "\0") not in shown
    assert "\n" not in shown
    return caught.value


def test_three_clients_one_server(at_server: SeaweedFS) -> None:
    storage = open_storage(LAKE)
    with storage.errors():
        assert with_fs(storage) == b"hello\nworld\n"
        assert with_delta(storage) == 0
        assert with_duckdb(storage) == [("world",)]


def test_a_listing_is_never_stale(at_server: SeaweedFS) -> None:
    storage = open_storage(LAKE)
    folder = storage.path("listing")
    storage.fs.pipe_file(f"{folder}/a", b"1")
    assert len(storage.fs.ls(folder)) == 1
    at_server.client().put_object(Bucket="lake", Key="storage-tests/listing/b", Body=b"2")
    assert len(storage.fs.ls(folder)) == 2


def test_a_folder_is_a_storage_too(tmp_path: Path) -> None:
    storage = open_storage(Location.parse(str(tmp_path / "lake")))
    assert storage.delta_options() == storage.duckdb_settings() == {}
    assert storage.duckdb_secret() is None
    with storage.errors():
        assert with_fs(storage) == b"hello\nworld\n"
        assert with_delta(storage) == 0
        assert with_duckdb(storage) == [("world",)]
    assert storage.url("a", "b") == storage.path("a", "b") == str(tmp_path / "lake" / "a" / "b")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        open_storage(Location.parse(str(tmp_path / "lake")))


def test_no_writer_overwrites_another(at_server: SeaweedFS) -> None:
    """Commits are conditional puts: of writers at the same version one wins, the others take the next."""
    storage = open_storage(Location.parse("s3://lake/storage-race"))

    def append(value: int) -> None:
        table = pa.table({"value": [value]})
        write_deltalake(storage.url("t"), table, mode="append", storage_options=storage.delta_options())

    def append_five(writer: int) -> None:
        for i in range(5):
            append(10 * writer + i)

    append(0)
    threads = [threading.Thread(target=append_five, args=(writer,)) for writer in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    table = DeltaTable(storage.url("t"), storage_options=storage.delta_options())
    values = sorted(table.to_pyarrow_table()["value"].to_pylist())
    assert values == [0] + [10 * writer + i for writer in range(1, 5) for i in range(5)]
    assert table.version() == 20


def test_s3fs_signs_with_the_keys_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    class Rotating:
        count = 0
        method = "test"

        def get_frozen_credentials(self) -> object:
            from botocore.credentials import ReadOnlyCredentials

            Rotating.count += 1
            return ReadOnlyCredentials(f"AK{Rotating.count}", "SK", f"TK{Rotating.count}")

    listing = Answer(200, "<ListBucketResult><Name>lake</Name><KeyCount>0</KeyCount></ListBucketResult>")
    with stub_s3(listing) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(
            "kubectl_argo_archive.storage.credentials.resolve", lambda _: Credentials(Rotating(), "test")
        )
        storage = open_storage(LAKE)
        storage.fs.find(storage.root)
        storage.fs.find(storage.root)
        tokens = [headers["x-amz-security-token"] for _, _, headers in server.requests]
        assert len(set(tokens)) == len(tokens) >= 2
        for token, (_, _, headers) in zip(tokens, server.requests, strict=True):
            assert f"Credential=AK{token.removeprefix('TK')}/" in headers["authorization"]


@CLIENTS
def test_missing_bucket(use: Callable[[Storage], object], at_server: SeaweedFS) -> None:
    error = fails(use, lake=Location.parse("s3://no-such-bucket/lake"))
    assert type(error) is StorageError
    assert error.exit_code == ExitCode.FAILED
    if use is not with_duckdb:  # DuckDB asks by HEAD, which tells no reason
        assert "bucket 'no-such-bucket' does not exist" in error.message
        assert at_server.endpoint in error.message


@CLIENTS
def test_wrong_key_id(use: Callable[[Storage], object], at_server: SeaweedFS, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAWRONGWRONGWRONG1")
    error = fails(use)
    assert type(error) is StorageError
    assert "AWS_ACCESS_KEY_ID" in (error.hint or "")


@CLIENTS
def test_wrong_secret(use: Callable[[Storage], object], at_server: SeaweedFS, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2hunter2")
    error = fails(use)
    assert type(error) is StorageError
    assert "AWS_SECRET_ACCESS_KEY" in (error.hint or "")


@CLIENTS
@pytest.mark.parametrize(
    ("endpoint", "message"),
    [("http://127.0.0.1:9", "refuses connections"), ("http://storage.invalid:9000", "cannot be resolved")],
)
def test_nobody_answers(
    use: Callable[[Storage], object], endpoint: str, message: str, at_server: SeaweedFS, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    error = fails(use)
    assert type(error) is StorageUnreachable
    assert error.exit_code == ExitCode.UNREACHABLE
    assert message in error.message
    assert endpoint in error.message


def test_private_authority(at_server: SeaweedFS, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with tls_tunnel(at_server.port, tmp_path / "ca.pem") as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        for use in (with_fs, with_delta, with_duckdb):
            error = fails(use)
            assert "is not trusted" in error.message
            assert "AWS_CA_BUNDLE" in (error.hint or "")
        for trusting in (S3Config(ca_bundle=str(tmp_path / "ca.pem")), S3Config(verify=False)):
            storage = open_storage(LAKE, Config(s3=trusting))
            with storage.errors():
                with_fs(storage)
                with_delta(storage)
                assert with_duckdb(storage) == [("world",)]
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.replace("https", "http"))
        for use in (with_fs, with_delta, with_duckdb):
            assert "https://" in (fails(use).hint or "")


@CLIENTS
def test_https_to_a_plain_server(
    use: Callable[[Storage], object], at_server: SeaweedFS, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", at_server.endpoint.replace("http", "https"))
    error = fails(use)
    assert type(error) is StorageUnreachable
    if use is not with_duckdb:
        assert "does not speak https" in error.message


@pytest.mark.usefixtures("some_keys")
class TestSettings:
    """Environment, then our file, then AWS' profile."""

    @pytest.fixture
    def some_keys(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AK")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SK")

    def test_plain_aws(self) -> None:
        storage = open_storage(LAKE)
        assert storage.duckdb_secret() == {"REGION": "us-east-1", "URL_STYLE": "vhost", "KEY_ID": "AK", "SECRET": "SK"}
        options = storage.delta_options()
        assert "aws_endpoint" not in options
        assert options["aws_virtual_hosted_style_request"] == "true"
        assert options["aws_conditional_put"] == "etag"

    def test_china_has_its_own_domain(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_REGION", "cn-north-1")
        settings = Settings.resolve(S3Config())
        assert (settings.endpoint, settings.virtual) == ("https://s3.cn-north-1.amazonaws.com.cn", True)

    def test_region(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        write_aws_files(monkeypatch, tmp_path, config="[default]\nregion=from-profile\n")
        assert Settings.resolve(S3Config()).region == "from-profile"
        ours = S3Config(region="from-file")
        assert Settings.resolve(ours).region == "from-file"
        monkeypatch.setenv("AWS_DEFAULT_REGION", "from-default")
        assert Settings.resolve(ours).region == "from-default"
        monkeypatch.setenv("AWS_REGION", "from-environment")
        assert Settings.resolve(ours).region == "from-environment"

    def test_endpoint(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        profile = "[default]\nendpoint_url=http://profile\n"
        write_aws_files(monkeypatch, tmp_path, config=profile)
        assert Settings.resolve(S3Config()).endpoint == "http://profile"
        services = "services=mine\n[services mine]\ns3 =\n  endpoint_url=http://service\n"
        write_aws_files(monkeypatch, tmp_path, config=profile + services)
        assert Settings.resolve(S3Config()).endpoint == "http://service"
        ours = S3Config(endpoint_url="http://file")
        assert Settings.resolve(ours).endpoint == "http://file"
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://environment")
        assert Settings.resolve(ours).endpoint == "http://environment"
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://s3:9000/")
        assert Settings.resolve(ours).endpoint == "http://s3:9000"
        monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
        assert Settings.resolve(S3Config()).endpoint is None

    @pytest.mark.parametrize("endpoint", ["localhost:9000", "http://", "http://u:hunter2@h", "http://h:x", "ftp://h"])
    def test_wrong_endpoint(self, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(ConfigError) as caught:
            Settings.resolve(S3Config())
        assert "hunter2" not in caught.value.message

    def test_addressing_style(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "https://s3.example.com:8443/base")
        assert open_storage(LAKE).duckdb_secret() == {
            "REGION": "us-east-1", "URL_STYLE": "path", "ENDPOINT": "s3.example.com:8443/base", "USE_SSL": "true",
            "KEY_ID": "AK", "SECRET": "SK",
        }  # fmt: skip
        write_aws_files(monkeypatch, tmp_path, config="[default]\ns3 =\n  addressing_style = virtual\n")
        options = open_storage(LAKE).delta_options()
        assert options["aws_endpoint"] == "https://lake.s3.example.com:8443/base"
        assert options["aws_allow_http"] == "false"
        ours = Config(s3=S3Config(addressing_style="path"))
        assert open_storage(LAKE, ours).delta_options()["aws_virtual_hosted_style_request"] == "false"

    def test_session_token(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_SESSION_TOKEN", "TK")
        storage = open_storage(LAKE)
        assert (storage.duckdb_secret() or {})["SESSION_TOKEN"] == "TK"
        assert storage.delta_options()["aws_session_token"] == "TK"
        assert Settings.resolve(S3Config()).keys() == Keys("AK", "SK", "TK")

    def test_anonymous(self) -> None:
        storage = open_storage(LAKE, Config(s3=S3Config(anonymous=True)))
        assert "KEY_ID" not in (storage.duckdb_secret() or {})
        assert storage.delta_options()["aws_skip_signature"] == "true"
        assert storage.fs.anon

    def test_missing_ca_bundle(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere/ca.pem")
        with pytest.raises(ConfigError, match=r"/nowhere/ca\.pem"):
            Settings.resolve(S3Config())

    def test_nothing_shows_the_keys(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
        assert "hunter2" not in repr(open_storage(LAKE))


@pytest.mark.parametrize("use", [with_fs, with_delta])
def test_virtual_hosts(use: Callable[[Storage], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """The bucket stands in the host name; a proxy that is us sees which host is asked for."""
    with stub_s3(Answer(403, "<Error><Code>AccessDenied</Code><Message>No.</Message></Error>")) as proxy:
        for name, value in {**proxy.environment(), "AWS_ENDPOINT_URL": "http://s3.example.com"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("HTTP_PROXY", proxy.endpoint)
        monkeypatch.setenv("http_proxy", proxy.endpoint)
        error = fails(use, Config(s3=S3Config(addressing_style="virtual")))
        assert "access denied" in error.message
        assert {headers["host"] for _, _, headers in proxy.requests} == {"lake.s3.example.com"}
