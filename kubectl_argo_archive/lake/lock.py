"""One writer at a time: a lock file in the lake, created only if absent, that expires unless renewed.

Readers never look at it. Two exports at once would both find the same workflows new; delta-rs alone would
happily commit both. Creating the file is atomic on a folder (``O_EXCL``) and on S3 (``If-None-Match: *``).
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from kubectl_argo_archive.errors import LakeError
from kubectl_argo_archive.storage.filesystem import Storage
from kubectl_argo_archive.storage.translate import lost_race

FILE = "_writer.lock"
LEASE_S = 120.0
RENEW_S = 20.0


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lock, as the lock file says."""

    export_id: str
    host: str
    pid: int
    renewed_at: float

    @property
    def expired(self) -> bool:
        """Whether the holder is gone: it stopped renewing, or it is a process of this host that ended."""
        if time.time() - self.renewed_at > LEASE_S:
            return True
        return self.host == socket.gethostname() and not _alive(self.pid)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class WriterLock:
    """Held from before the first look at the source until after the publish; a context manager.

    Attributes:
        predecessor: the export that crashed while it held the lock, if one did.
    """

    def __init__(self, storage: Storage, export_id: str) -> None:
        self._storage = storage
        self._path = storage.path(FILE)
        self._export_id = export_id
        self._stop = threading.Event()
        self._lost = False
        self._renewer = threading.Thread(target=self._renew, name="lake-lock", daemon=True)
        self.predecessor: str | None = None

    def __enter__(self) -> Self:
        with self._storage.errors():
            if not self._create():
                holder = self._read()
                if holder is not None and not holder.expired:
                    raise LakeError(
                        f"another export is writing to {self._storage.location.display}: {holder.export_id} "
                        f"on {holder.host}, process {holder.pid}",
                        f"wait for it; a dead writer's lock expires {LEASE_S:.0f} seconds after its last sign of life",
                    )
                if holder is not None:
                    self.predecessor = holder.export_id
                    with suppress(FileNotFoundError):  # somebody else has seen it, too
                        self._storage.fs.rm_file(self._path)
                if not self._create():
                    raise LakeError("another export took the lake at the same moment", "try again")
        self._renewer.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._renewer.join()
        with self._storage.errors():
            if self._mine():
                self._storage.fs.rm_file(self._path)

    def check(self) -> None:
        """Make sure that the lock is still ours, just before a publish.

        Raises:
            LakeError: it is not (this process slept longer than the lease).
        """
        with self._storage.errors():
            if self._lost or not self._mine():
                raise LakeError("this export lost the lake to another one while it was suspended", "run it again")

    def _body(self) -> bytes:
        holder = {
            "export_id": self._export_id,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "renewed_at": time.time(),
        }
        return json.dumps(holder).encode()

    def _create(self) -> bool:
        try:
            file = self._storage.fs.open(self._path, "xb")
        except FileExistsError:
            return False
        try:
            with file:
                file.write(self._body())
        except OSError as error:
            if lost_race(error):
                return False
            if self._storage.location.is_local:  # it is ours, and half a lock would keep everybody out
                with suppress(OSError):
                    self._storage.fs.rm_file(self._path)
            raise
        return True

    def _read(self) -> Holder | None:
        try:
            value: dict[str, Any] = json.loads(self._storage.fs.cat_file(self._path))
            return Holder(str(value["export_id"]), str(value["host"]), int(value["pid"]), float(value["renewed_at"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            # half written by a writer that died: its age decides
            modified = self._storage.fs.modified(self._path).timestamp()
            return Holder("unknown", "unknown", 0, modified)

    def _mine(self) -> bool:
        holder = self._read()
        return holder is not None and holder.export_id == self._export_id

    def _renew(self) -> None:
        while not self._stop.wait(RENEW_S):
            try:
                if not self._mine():
                    self._lost = True
                    return
                self._storage.fs.pipe_file(self._path, self._body())
            except Exception:  # a hiccup of the storage: the lease outlasts several, and check() decides
                continue
