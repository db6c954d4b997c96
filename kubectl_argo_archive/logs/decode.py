"""Objects as text: plain, gzip, zstd, xz, and each of them as a tar; told by their first bytes, never by their name."""

from __future__ import annotations

import io
import lzma
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

OUTPUT_BYTES = 1 << 20
_TAR_MAGIC_AT = 257
_TAR_BLOCK = 512
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ\x00": "xz"}


@dataclass(slots=True)
class Decoding:
    """What was found on the way.

    Attributes:
        compression: gzip, zstd, xz, tar, tar+gzip, …; None for plain text.
        damage: why it could not be read to its end; None if it could.
        text_bytes: bytes handed out.
        limit: hand out no more than this.
        cut: whether there was more than ``limit``.
    """

    compression: str | None = None
    damage: str | None = None
    text_bytes: int = 0
    limit: int | None = None
    cut: bool = False


def decoded(raw: Iterable[bytes], found: Decoding) -> Iterator[bytes]:
    """The text of an object in pieces of at most :data:`OUTPUT_BYTES`; a damaged one gives what can be read of it.

    Args:
        raw: its bytes; errors of fetching pass through.
        found: filled on the way, complete when the iterator has ended.
    """
    for piece in _text(raw, found):
        for start in range(0, len(piece), OUTPUT_BYTES):
            part = piece[start : start + OUTPUT_BYTES]
            if found.limit is not None and found.text_bytes + len(part) > found.limit:
                found.cut = True
                return
            found.text_bytes += len(part)
            yield part


def _text(raw: Iterable[bytes], found: Decoding) -> Iterator[bytes]:
    head, rest = _peek(raw, 6)
    kind = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)
    plain = _decompressed(rest, kind, found) if kind else rest
    start, plain = _peek(plain, _TAR_BLOCK)
    is_tar = start[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] == b"ustar"
    found.compression = "+".join(part for part in ("tar" if is_tar else "", kind or "") if part) or None
    yield from _members(plain, found) if is_tar else plain


def _peek(chunks: Iterable[bytes], count: int) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, and everything again from the start."""
    iterator = iter(chunks)
    kept: list[bytes] = []
    while sum(map(len, kept)) < count:
        chunk = next(iterator, None)
        if chunk is None:
            break
        kept.append(chunk)

    def again() -> Iterator[bytes]:
        yield from kept
        kept.clear()
        yield from iterator

    return b"".join(kept)[:count], again()


def _decompressed(raw: Iterator[bytes], kind: str, found: Decoding) -> Iterator[bytes]:
    """One or several members after each other, in bounded pieces, whatever a member grows to."""
    if kind == "zstd":
        yield from _zstd(raw, found)
        return
    member: Any = None
    for chunk in raw:
        data = chunk
        while data:
            if member is None:
                if kind == "gzip" and not data.strip(b"\0"):
                    data = b""  # padding
                    continue
                member = _new(kind)
            try:
                piece = member.decompress(data, OUTPUT_BYTES)
                data = member.unconsumed_tail if kind == "gzip" else b""
                if piece:
                    yield piece
                while kind == "xz" and not member.eof and not member.needs_input:
                    if piece := member.decompress(b"", OUTPUT_BYTES):
                        yield piece
            except (zlib.error, lzma.LZMAError, EOFError) as error:
                found.damage = f"the {kind} data is damaged: {str(error)[:120]}"
                return
            if member.eof:
                data = member.unused_data
                member = None
    if member is not None:
        found.damage = f"the {kind} data ends early"


def _new(kind: str) -> Any:
    return zlib.decompressobj(wbits=31) if kind == "gzip" else lzma.LZMADecompressor(lzma.FORMAT_XZ)


def _zstd(raw: Iterator[bytes], found: Decoding) -> Iterator[bytes]:
    import pyarrow as pa

    source = _Reader(raw)
    stream = pa.CompressedInputStream(pa.PythonFile(source, mode="r"), "zstd")
    while True:
        try:
            piece = stream.read(OUTPUT_BYTES)
        except OSError as error:
            if source.error is not None:
                raise source.error from None
            early = "end" in str(error).lower() and "unexpected" in str(error).lower()
            found.damage = "the zstd data ends early" if early else f"the zstd data is damaged: {str(error)[:120]}"
            return
        if not piece:
            if source.error is not None:
                raise source.error
            return
        yield piece


class _Reader(io.RawIOBase):
    """A file to read from, over an iterator of bytes; remembers the error that the iterator raised."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""
        self.error: BaseException | None = None

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts: list[bytes] = []
        missing = size
        while size < 0 or missing > 0:
            if not self._rest:
                try:
                    self._rest = next(self._chunks, b"")
                except BaseException as error:
                    self.error = error
                    raise OSError("fetching failed") from error
                if not self._rest:
                    break
            part = self._rest if size < 0 else self._rest[:missing]
            self._rest = self._rest[len(part) :]
            missing -= len(part)
            parts.append(part)
        return b"".join(parts)


def _members(plain: Iterator[bytes], found: Decoding) -> Iterator[bytes]:
    """The text of all files of a tar, one after the other."""
    source = _Reader(plain)
    try:
        with tarfile.open(fileobj=source, mode="r|", bufsize=64 * _TAR_BLOCK) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isfile() else None
                while file is not None and (piece := file.read(OUTPUT_BYTES)):
                    yield piece
    except (tarfile.TarError, OSError) as error:
        if source.error is not None:
            raise source.error from None
        found.damage = found.damage or f"the tar is damaged: {str(error)[:120]}"
