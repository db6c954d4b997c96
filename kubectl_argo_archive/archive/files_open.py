"""Opening what a file source names: patterns, folders, standard input, compression."""

from __future__ import annotations

import glob
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from kubectl_argo_archive.errors import ConfigError, SourceError

STDIN = "-"
LINE_SUFFIXES = (".ndjson", ".jsonl")

_SUFFIXES = (*LINE_SUFFIXES, ".json")
_COMPRESSED_SUFFIXES = (".gz", ".zst", ".zstd")
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_SKIP_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to read.

    Attributes:
        path: where its bytes lie.
        label: how messages call it.
        codec: how it is compressed, by its first bytes; None if it is not.
        stamp: size and time of its last change, to notice a change while we read.
    """

    path: Path
    label: str
    codec: str | None
    stamp: tuple[int, int]

    @property
    def has_lines(self) -> bool:
        """True if its name says that each line is a document."""
        return _bare(self.path.name).endswith(LINE_SUFFIXES)


class ByteStream:
    """A file's bytes, decompressed, read forwards.

    Attributes:
        position: how many bytes were read.
        damaged: why nothing more comes although the file goes on; None if all is well.

    Raises:
        SourceError: the file cannot be read, or changed since it was listed.
    """

    def __init__(self, file: SourceFile) -> None:
        if _stamp(file.path) != file.stamp:
            raise SourceError(f"{file.label} changed while it was read", hint="run the export again")
        self._file = file
        self.position = 0
        self.damaged: str | None = None
        try:
            raw = pa.OSFile(str(file.path))
            self._stream: Any = pa.CompressedInputStream(raw, file.codec) if file.codec else raw
        except OSError as e:
            raise SourceError(f"cannot read {file.label}: {e.strerror or e}") from e

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes; none at the end, or where the compressed data is damaged."""
        if self.damaged:
            return b""
        try:
            data: bytes = self._stream.read(size)
        except (OSError, pa.ArrowException) as e:
            if self._file.codec is None:
                raise SourceError(f"cannot read {self._file.label}: {e}") from e
            self.damaged = str(e)
            return b""
        self.position += len(data)
        return data

    def read_at(self, offset: int, size: int) -> bytes:
        """The bytes at an offset; in a compressed file not before what was read already."""
        if self._file.codec is None:
            self._stream.seek(offset)
            return self.read(size)
        while self.position < offset and self.read(min(_SKIP_BYTES, offset - self.position)):
            pass
        return self.read(size)

    def close(self) -> None:
        self._stream.close()


def list_files(sources: Sequence[str], cleanup: ExitStack) -> list[SourceFile]:
    """The files that paths, folders, patterns and ``-`` (standard input) name, in order, each once.

    Args:
        sources: what the user wrote.
        cleanup: is given what must be removed at the end.

    Raises:
        ConfigError: there is no such file.
        SourceError: a folder without dumps, or no rights.
    """
    paths: dict[Path, str] = {}
    for source in sources:
        for path in [_spooled_stdin(cleanup)] if source == STDIN else _expanded(source):
            paths.setdefault(path, "standard input" if source == STDIN else str(path))
    return [_source_file(path, label) for path, label in paths.items()]


def _expanded(source: str) -> Iterator[Path]:
    path = Path(source).expanduser()
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if _is_dump(p.relative_to(path)) and p.is_file())
        if not found:
            raise SourceError(
                f"no dump in the folder {source}",
                hint=f"looked for names that end with {', '.join(_SUFFIXES)}[.gz|.zst]",
            )
    elif path.exists():
        found = [path]
    else:
        found = sorted(p for p in map(Path, glob.glob(str(path), recursive=True)) if p.is_file())
        if not found:
            raise ConfigError(
                f"no such file: {source}",
                hint="a source is postgresql://user@host:port/database, a file, a folder, a pattern, or - for stdin",
            )
    yield from (p.resolve() for p in found)


def _is_dump(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return not hidden and _bare(path.name).endswith(_SUFFIXES)


def _bare(name: str) -> str:
    """The name in lower case, without the suffix of a compression."""
    stem, suffix = os.path.splitext(name.lower())
    return stem if suffix in _COMPRESSED_SUFFIXES else name.lower()


def _source_file(path: Path, label: str) -> SourceFile:
    try:
        with path.open("rb") as file:
            start = file.read(4)
        stamp = _stamp(path)
    except OSError as e:
        raise SourceError(f"cannot read {label}: {e.strerror}") from e
    codec = next((name for magic, name in _MAGIC.items() if start.startswith(magic)), None)
    return SourceFile(path, label, codec, stamp)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (-1, -1)
    return status.st_size, status.st_mtime_ns


def _spooled_stdin(cleanup: ExitStack) -> Path:
    """Standard input as a temporary file, because it is read twice: keys first, then rows."""
    folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="argo-archive-")))
    path = folder / "stdin"
    with path.open("wb") as spool:
        shutil.copyfileobj(sys.stdin.buffer, spool, _SKIP_BYTES)
    return path.resolve()
