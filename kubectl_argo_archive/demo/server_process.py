"""What the servers of the demo share: free ports, an unprivileged user, and an orderly end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_PATIENCE_SECONDS = 20.0
_LOG_TAIL_CHARS = 1000


@dataclass(frozen=True, slots=True)
class Account:
    """User and group that a child process runs as."""

    uid: int
    gid: int

    def can_enter(self, folder: Path) -> bool:
        """True if this account may pass through ``folder`` and everything above it."""
        return all(self._may_pass(path) for path in [folder, *folder.parents])

    def _may_pass(self, folder: Path) -> bool:
        status = folder.stat()
        shift = 6 if status.st_uid == self.uid else 3 if status.st_gid == self.gid else 0
        return bool(status.st_mode >> shift & 0o1)


def unprivileged_accounts() -> Iterator[Account]:
    """Accounts that are not root, ``nobody`` first: Postgres insists on one that has a name."""
    import pwd

    entries = sorted((e for e in pwd.getpwall() if e.pw_uid != 0), key=lambda entry: entry.pw_name != "nobody")
    for entry in entries:
        yield Account(entry.pw_uid, entry.pw_gid)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now; somebody else may take one before its use.

    They lie below 32768, where the kernel takes the ports of outgoing connections from, and below 55536:
    a server that derives a second port by adding 10000 must find a valid one.
    """
    with contextlib.ExitStack() as stack:
        ports: list[int] = []
        while len(ports) < count:
            probe = stack.enter_context(socket.socket())
            candidate = 12_000 + int.from_bytes(os.urandom(4), "big") % 20_000
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", candidate))
                ports.append(candidate)
        return ports


def spawn(
    command: Sequence[str], *, log: Path, cwd: Path, env: dict[str, str], account: Account | None = None
) -> subprocess.Popen[bytes]:
    """Start a server whose output goes to ``log``.

    It gets a process group of its own: Ctrl-C at a terminal reaches only us, and we stop it when we are done.

    Raises:
        OSError: the program cannot be run, or not as this account.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=cwd,
            env=env,
            process_group=0,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )


def stop(process: subprocess.Popen[bytes], *signals: signal.Signals) -> None:
    """End one process by its pid: each signal in turn until it is gone, at last SIGKILL."""
    for number in (*signals, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE_SECONDS)


def log_tail(log: Path) -> str:
    """The end of a server's log, for an error message."""
    return log.read_text(errors="replace").strip()[-_LOG_TAIL_CHARS:] if log.exists() else ""


@contextlib.contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """A folder that is removed at the end, whoever owns the files in it."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
