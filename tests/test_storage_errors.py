"""What a storage's refusal becomes: one sentence, a hint, an exit code; whichever client ran into it."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import botocore.exceptions
import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from fixtures.s3_stub import SECRET, Answer, s3_error, stub_s3

from kubectl_argo_archive.errors import ArgoArchiveError, ExitCode, LakeError, StorageError, StorageUnreachable
from kubectl_argo_archive.storage.facts import read
from kubectl_argo_archive.storage.filesystem import Storage, open_storage
from kubectl_argo_archive.storage.location import Location
from kubectl_argo_archive.storage.translate import storage_errors

LAKE = Location.parse("s3://bucket/lake")
EMPTY = Answer(200, "<ListBucketResult><Name>bucket</Name><KeyCount>0</KeyCount></ListBucketResult>")


def lists(storage: Storage) -> None:
    storage.fs.find(storage.root)


def writes(storage: Storage) -> None:
    storage.fs.pipe_file(storage.path("a"), b"x")


def opens_table(storage: Storage) -> None:
    DeltaTable(storage.url("t"), storage_options=storage.delta_options())


def fails(monkeypatch: pytest.MonkeyPatch, use: Callable[[Storage], None], *answers: Answer) -> ArgoArchiveError:
    """The error of ``use`` against a server that gives ``answers``."""
    with stub_s3(*answers) as server:
        for name, value in {**server.environment(), "AWS_SESSION_TOKEN": "stub-session-token"}.items():
            monkeypatch.setenv(name, value)
        storage = open_storage(LAKE)
        with pytest.raises(ArgoArchiveError) as caught, storage.errors():
            use(storage)
    shown = f"{caught.value.message} {caught.value.hint}"
    assert SECRET not in shown
    assert "stub-session-token" not in shown
    assert "\n" not in shown
    assert caught.value.hint
    assert caught.value.__cause__ is not None
    return caught.value


WRONG_REGION = "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'"
FULL = "Storage backend has reached its minimum free drive threshold."
CASES: list[tuple[Answer, type[ArgoArchiveError], str, str]] = [
    (s3_error(404, "NoSuchBucket"), StorageError, "bucket 'bucket' does not exist on http://127.0.0.1", "create it"),
    (s3_error(403, "InvalidAccessKeyId"), StorageError, "does not know the access key id", "AWS_ACCESS_KEY_ID"),
    (s3_error(403, "SignatureDoesNotMatch"), StorageError, "secret access key does not fit", "AWS_SECRET_ACCESS_KEY"),
    (s3_error(400, "ExpiredToken", "The provided token has expired."), StorageError, "token has expired", "log in"),
    (s3_error(400, "InvalidToken"), StorageError, "session token", "AWS_SESSION_TOKEN"),
    (s3_error(403, "RequestTimeTooSkewed"), StorageError, "clock", "set the clock"),
    (
        s3_error(400, "AuthorizationHeaderMalformed", WRONG_REGION, "<Region>eu-west-1</Region>"),
        StorageError,
        "bucket 'bucket' lies in region eu-west-1, not in us-east-1",
        "AWS_REGION=eu-west-1",
    ),
    (s3_error(403, "AccessDenied"), StorageError, "access denied: the keys from the environment", "allow s3:"),
    (s3_error(507, "XMinioStorageFull", FULL), StorageError, "no space left", "free some space"),
    (s3_error(403, "QuotaExceeded"), StorageError, "no space left", "quota"),
    (s3_error(501, "NotImplemented", "A header implies more."), StorageError, "lacks an operation", "conditional"),
    (s3_error(405, "MethodNotAllowed", "Not here."), StorageError, "Not here", "AWS_ENDPOINT_URL"),
]


@pytest.mark.parametrize("use", [lists, writes, opens_table])
@pytest.mark.parametrize(("answer", "kind", "message", "hint"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_refusals(
    monkeypatch: pytest.MonkeyPatch,
    use: Callable[[Storage], None],
    answer: Answer,
    kind: type[ArgoArchiveError],
    message: str,
    hint: str,
) -> None:
    error = fails(monkeypatch, use, answer)
    assert type(error) is kind
    assert message in error.message
    assert hint in (error.hint or "")


@pytest.mark.parametrize("use", [lists, writes])
def test_a_redirect_names_the_region_in_a_header(
    monkeypatch: pytest.MonkeyPatch, use: Callable[[Storage], None]
) -> None:
    answer = s3_error(301, "PermanentRedirect", "Use the specified endpoint.", x_amz_bucket_region="ap-south-1")
    error = fails(monkeypatch, use, answer)
    assert "lies in region ap-south-1" in error.message
    assert "AWS_REGION=ap-south-1" in (error.hint or "")


def test_a_redirect_without_a_region(monkeypatch: pytest.MonkeyPatch) -> None:
    error = fails(monkeypatch, opens_table, s3_error(301, "PermanentRedirect"))
    assert "another region than us-east-1" in error.message
    assert "AWS_REGION" in (error.hint or "")


@pytest.mark.parametrize(
    ("use", "action", "permission"),
    [(lists, "may not list", "s3:ListBucket"), (writes, "may not write", "s3:PutObject")],
)
def test_a_denial_names_the_action(
    monkeypatch: pytest.MonkeyPatch, use: Callable[[Storage], None], action: str, permission: str
) -> None:
    error = fails(monkeypatch, use, s3_error(403, "AccessDenied"))
    assert action in error.message
    assert permission in (error.hint or "")


@pytest.mark.parametrize("use", [lists, opens_table])
def test_an_overloaded_server_is_tried_again(monkeypatch: pytest.MonkeyPatch, use: Callable[[Storage], None]) -> None:
    error = fails(monkeypatch, use, s3_error(503, "SlowDown", "Please reduce your request rate."))
    assert type(error) is StorageUnreachable
    assert error.exit_code == ExitCode.UNREACHABLE
    with stub_s3(s3_error(503, "SlowDown", "Please reduce your request rate."), EMPTY) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        storage = open_storage(LAKE)
        with storage.errors():
            writes(storage)
        assert len(server.requests) == 2


@pytest.mark.parametrize("use", [lists, opens_table])
def test_http_to_a_server_of_https(monkeypatch: pytest.MonkeyPatch, use: Callable[[Storage], None]) -> None:
    """What servers written in Go say."""
    answer = Answer(400, "Client sent an HTTP request to an HTTPS server.\n", {"Content-Type": "text/plain"})
    assert "https://" in (fails(monkeypatch, use, answer).hint or "")


def test_duckdb_says_it_in_its_own_words() -> None:
    """DuckDB has an answer's code in the text only."""
    text = (
        "HTTP Error: HTTP GET error reading 'http://h/b/x.parquet' in region 'us-east-1' (HTTP 400 Bad Request)\n\n"
        "ExpiredToken: The provided token has expired.\n\nBad Request - this can be caused by the S3 region"
    )
    assert read(duckdb.HTTPException(text)).code == "ExpiredToken"
    with pytest.raises(StorageError, match="token has expired"), storage_errors(LAKE):
        raise duckdb.HTTPException(text)
    moved = "HTTP Error: HTTP GET error reading 's3://b/x' in region 'eu-west-1' (HTTP 301 Moved Permanently)"
    assert read(duckdb.HTTPException(moved)).region == "eu-west-1"


BOTOCORE = botocore.exceptions
SILENCE = [
    (BOTOCORE.ConnectTimeoutError(endpoint_url="http://h"), "does not answer in time"),
    (BOTOCORE.ReadTimeoutError(endpoint_url="http://h"), "does not answer in time"),
    (TimeoutError(), "does not answer in time"),
    (
        duckdb.IOException("IO Error: Timeout was reached error for HTTP HEAD to 'http://h/x'"),
        "does not answer in time",
    ),
    (BOTOCORE.ProxyConnectionError(proxy_url="http://me:hunter2@proxy"), "the proxy on the way"),
    (BOTOCORE.ConnectionClosedError(endpoint_url="http://h"), "closed the connection"),
    (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "closed the connection"),
    (BOTOCORE.SSLError(endpoint_url="https://h", error="certificate verify failed"), "is not trusted"),
]


@pytest.mark.parametrize(("error", "message"), SILENCE, ids=lambda case: type(case).__name__)
def test_nobody_answers(error: Exception, message: str) -> None:
    with pytest.raises(StorageUnreachable, match=message) as caught, storage_errors(LAKE, server="http://h"):
        raise error
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


def test_names_in_a_path_are_not_reasons() -> None:
    for name in ("proxy", "timeout", "certificates"):
        error = duckdb.IOException(f"IO Error: No files found that match 's3://bucket/{name}/x.parquet'")
        assert read(error).network == ""


class TestFolder:
    """A folder refuses too."""

    def fails(self, location: Location, error: Exception) -> ArgoArchiveError:
        with pytest.raises(ArgoArchiveError) as caught, storage_errors(location):
            raise error
        return caught.value

    def test_full_disk(self) -> None:
        with pytest.raises(StorageError) as caught, storage_errors(Location.parse("/lake")):
            with open("/dev/full", "wb", buffering=0) as full:
                full.write(b"x")
        assert "no space left on the device of /lake" in caught.value.message
        assert "free some space" in (caught.value.hint or "")

    def test_file_in_the_way(self, tmp_path: Path) -> None:
        (tmp_path / "lake").mkdir()
        storage = open_storage(Location.parse(str(tmp_path / "lake")))
        (tmp_path / "lake" / "nodes").write_text("")
        with pytest.raises(StorageError) as caught, storage.errors():
            storage.fs.pipe_file(storage.path("nodes", "a.parquet"), b"x")
        assert str(tmp_path) in caught.value.message

    def test_delta_rs_runs_into_a_limit(self, tmp_path: Path) -> None:
        """delta-rs tells the operating system's number in its text only."""
        script = (
            "import sys, pyarrow as pa\n"
            "from deltalake import write_deltalake\n"
            "from kubectl_argo_archive.storage.location import Location\n"
            "from kubectl_argo_archive.storage.translate import storage_errors\n"
            "from kubectl_argo_archive.errors import StorageError\n"
            "import resource\n"
            "rows = pa.table({'a': [str(i * 7919) for i in range(200_000)]})\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
            "try:\n"
            "    with storage_errors(Location.parse(sys.argv[1])):\n"
            "        write_deltalake(sys.argv[1], rows)\n"
            "except StorageError as error:\n"
            "    print(error.message, '|', error.hint)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "t")], capture_output=True, text=True, check=False
        )
        assert "too large" in done.stdout, done.stderr
        assert "ulimit -f" in done.stdout

    @pytest.mark.parametrize(
        ("number", "message"),
        [
            (errno.EACCES, "no permission for /lake/x"),
            (errno.EROFS, "/lake/x lies on a read-only file system"),
            (errno.EDQUOT, "the disk quota is used up: /lake/x"),
            (errno.EIO, "the device of /lake/x fails"),
            (errno.EMFILE, "too many open files"),
            (errno.ELOOP, "/lake/x: " + os.strerror(errno.ELOOP)),
        ],
    )
    def test_operating_system(self, number: int, message: str) -> None:
        error = self.fails(Location.parse("/lake"), OSError(number, os.strerror(number), "/lake/x"))
        assert error.message == message
        assert error.hint

    def test_delta_rs_tells_of_a_full_disk(self) -> None:
        text = "Generic LocalFileSystem error\n  \x1b[31m↳\x1b[0m No space left on device (os error 28)"
        assert "no space left" in self.fails(Location.parse("/lake"), OSError(text)).message

    def test_python_knows_the_limit_too(self, tmp_path: Path) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        files = []
        try:
            with pytest.raises(StorageError, match="too many open files"), storage_errors(Location.parse("/lake")):
                files.extend(open(os.devnull) for _ in range(100))  # noqa: SIM115
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for file in files:
                file.close()


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyError("x"), LakeError("ours"), pa.ArrowInvalid("no")])
def test_what_is_not_the_storage_s_passes(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, storage_errors(LAKE):
        raise error
    assert caught.value is error


def test_an_engine_s_own_error_passes(tmp_path: Path) -> None:
    """That a table is missing is for the lake to say, that the SQL is wrong for the query."""
    for use in (lambda: DeltaTable(str(tmp_path)), lambda: duckdb.sql("selec 1")):
        with pytest.raises(Exception) as caught, storage_errors(LAKE):
            use()
        assert not isinstance(caught.value, ArgoArchiveError)


def test_delta_writes_below_a_denied_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(storage: Storage) -> None:
        write_deltalake(storage.url("t"), pa.table({"a": [1]}), storage_options=storage.delta_options())

    error = fails(monkeypatch, write, s3_error(403, "AccessDenied"))
    assert "access denied" in error.message
