"""Where evidence lies: a lake in a folder or a bucket, or either in a zip; read only, by name.

Names are relative to the lake, with ``/``. Nothing here knows Delta or SQL: evidence can be checked from plain files.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Protocol

from kubectl_argo_archive.errors import ExitCode, LakeError
from kubectl_argo_archive.storage.filesystem import Storage

CHUNK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Stat:
    """What a listing tells of a file.

    Attributes:
        size: bytes.
        stamp: changes whenever the file is written: time of change and inode, or the object's ETag; empty if unknown.
    """

    size: int
    stamp: str


class Files(Protocol):
    """Files below one root.

    Attributes:
        bytes_read: how much was read so far.
    """

    bytes_read: int

    @property
    def display(self) -> str:
        """The root, for people."""
        ...

    def list(self) -> dict[str, Stat]:
        """Every file below the root."""
        ...

    def chunks(self, name: str) -> Iterator[bytes]:
        """A file's bytes, in pieces. Raises MissingFile, DamagedFile."""
        ...

    def read(self, name: str) -> bytes:
        """A whole file. Raises MissingFile, DamagedFile."""
        ...


def hash_file(files: Files, name: str) -> tuple[str, int]:
    """SHA-256 and size of a file; raises MissingFile, DamagedFile."""
    found, size = hashlib.sha256(), 0
    for chunk in files.chunks(name):
        found.update(chunk)
        size += len(chunk)
    return found.hexdigest(), size


class _Counting:
    """Counts what is read, from several threads."""

    def __init__(self) -> None:
        self.bytes_read = 0
        self._lock = threading.Lock()

    def _count(self, chunk: bytes) -> bytes:
        with self._lock:
            self.bytes_read += len(chunk)
        return chunk

    def _pieces(self, file: IO[bytes] | io.RawIOBase) -> Iterator[bytes]:
        while chunk := file.read(CHUNK_BYTES):
            yield self._count(chunk)


class StoredFiles(_Counting):
    """A folder or a bucket."""

    def __init__(self, storage: Storage) -> None:
        super().__init__()
        self.storage = storage

    @property
    def display(self) -> str:
        return self.storage.location.display

    def list(self) -> dict[str, Stat]:
        with self.storage.errors():
            if self.storage.location.is_local:
                return dict(_walk(self.storage.root, ""))
            root = self.storage.root.rstrip("/") + "/"
            found = self.storage.fs.find(root, detail=True)
        return {
            path.removeprefix(root): Stat(int(info["size"]), str(info.get("ETag", "")).strip('"'))
            for path, info in found.items()
            if info["type"] == "file" and not path.endswith("/")
        }

    def chunks(self, name: str) -> Iterator[bytes]:
        path, missing = self.storage.path(name), False
        with self.storage.errors():
            try:
                if self.storage.location.is_local:
                    with open(path, "rb", buffering=0) as file:
                        yield from self._pieces(file)
                else:
                    with self.storage.fs.open(path, "rb", block_size=16 << 20, cache_type="readahead") as file:
                        yield from self._pieces(file)
            except FileNotFoundError:
                missing = True  # not the storage's fault: the verifier names the file
        if missing:
            raise MissingFile(name)

    def read(self, name: str) -> bytes:
        with self.storage.errors():
            try:
                return self._count(self.storage.fs.cat_file(self.storage.path(name)))
            except FileNotFoundError:
                pass
        raise MissingFile(name)


class ZippedFiles(_Counting):
    """A lake in a zip, at its top or in its only folder.

    Args:
        path: for people, and to open if there is no ``file``.
        file: the zip, opened.

    Attributes:
        file: the zip itself, for who checks its container.

    Raises:
        LakeError: it is damaged, or no honest zip.
    """

    def __init__(self, path: str, file: IO[bytes] | None = None) -> None:
        super().__init__()
        self.display = path
        self.file = file or open(path, "rb")  # noqa: SIM115  # as long as the process lives
        try:
            self._zip = zipfile.ZipFile(self.file)
        except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, OverflowError, struct.error) as error:
            raise BrokenZip(f"{path}: modified: it is no zip that can be read", "fetch it again") from error
        names = [name for name in self._zip.namelist() if not name.endswith("/")]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise BrokenZip(f"{path}: modified: it holds {twice} twice, as no honest tool writes it", "do not trust it")
        top = {name.partition("/")[0] for name in names}
        self._prefix = f"{top.pop()}/" if len(top) == 1 and all("/" in name for name in names) else ""

    def list(self) -> dict[str, Stat]:
        return {
            info.filename.removeprefix(self._prefix): Stat(info.file_size, "")
            for info in self._zip.infolist()
            if not info.is_dir()
        }

    def chunks(self, name: str) -> Iterator[bytes]:
        try:
            with self._zip.open(self._prefix + name) as file:
                yield from self._pieces(file)
        except KeyError as error:
            raise MissingFile(name) from error
        except _UNREADABLE as error:
            raise DamagedFile(name) from error

    def read(self, name: str) -> bytes:
        return b"".join(self.chunks(name))


_UNREADABLE = (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, zlib.error, struct.error)


class BrokenZip(LakeError):
    """Evidence in a zip that cannot be opened, or that two readers would read in two ways."""

    exit_code = ExitCode.FOUND_PROBLEMS


class DamagedFile(Exception):
    """A member of a zip whose own checksum is wrong; the verifier names it."""


class MissingFile(Exception):
    """There is no such file; the verifier names it."""


def _walk(folder: str, prefix: str) -> Iterator[tuple[str, Stat]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, f"{prefix}{entry.name}/")
            else:
                found = entry.stat()
                yield (
                    f"{prefix}{entry.name}",
                    Stat(found.st_size, f"{found.st_mtime_ns}.{found.st_ctime_ns}.{found.st_ino}"),
                )
