"""A zip whose every byte follows from its members, and the check that it does; standard library only.

Headers are written in one way: no times, no extra fields, no comments, members one after the other, ``bundle.json``
last and uncompressed. A signed statement cannot cover the bytes of the zip around it, but it can say what stands
before it; what stands behind it is computed. So a change of any byte of the zip shows, even of one that no
unpacker looks at. This file shares no code with the package: it also travels inside the bundle.
"""

from __future__ import annotations

import hashlib
import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, NamedTuple

STATEMENT = "bundle.json"
LIMIT = (1 << 32) - 1
MOST_MEMBERS = 65_000
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_VERSION, _UTF8, _DATE = 20, 0x800, 0x21  # 2.0; names are UTF-8; 1 January 1980
_STORED, _DEFLATED = 0, 8
_CHUNK = 1 << 20


class DamagedZip(Exception):
    """The container is not as it was written; the text says where."""


class TooLarge(Exception):
    """A zip without extensions holds 4 GiB and 65 000 members."""


class Member(NamedTuple):
    """A member: its sizes are those in the zip (``packed``) and of its content (``size``)."""

    name: str
    method: int
    crc: int
    packed: int
    size: int
    offset: int


class ZipWriter:
    """Writes members to a binary file; ``prefix_sha256`` covers all that was written so far.

    Attributes:
        size: bytes written so far.
    """

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self._members: list[Member] = []
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def prefix_sha256(self) -> str:
        """Hexadecimal SHA-256 of everything written so far."""
        return self._hash.hexdigest()

    def add(self, name: str, source: IO[bytes]) -> None:
        """Add a file, compressed.

        Raises:
            TooLarge: the zip cannot hold it.
        """
        compressor, crc, size = zlib.compressobj(6, zlib.DEFLATED, -15), 0, 0
        with tempfile.SpooledTemporaryFile(max_size=32 << 20) as packed:
            while chunk := source.read(_CHUNK):
                crc, size = zlib.crc32(chunk, crc), size + len(chunk)
                packed.write(compressor.compress(chunk))
            packed.write(compressor.flush())
            length = packed.tell()
            packed.seek(0)
            self._write_member(
                Member(name, _DEFLATED, crc, length, size, self.size), iter(lambda: packed.read(_CHUNK), b"")
            )

    def add_stored(self, name: str, content: bytes) -> None:
        """Add a small member as it is."""
        length = len(content)
        self._write_member(Member(name, _STORED, zlib.crc32(content), length, length, self.size), [content])

    def finish(self) -> None:
        """Write the directory."""
        self._write(directory(self._members, self.size))

    def _write_member(self, member: Member, pieces: Iterable[bytes]) -> None:
        if self.size + member.packed > LIMIT or member.size > LIMIT or len(self._members) >= MOST_MEMBERS:
            raise TooLarge(member.name)
        self._members.append(member)
        self._write(local_header(member))
        for piece in pieces:
            self._write(piece)

    def _write(self, data: bytes) -> None:
        self._target.write(data)
        self._hash.update(data)
        self.size += len(data)


def local_header(member: Member) -> bytes:
    """The bytes before a member's data."""
    name = member.name.encode()
    return (
        _LOCAL.pack(b"PK\3\4", _VERSION, _UTF8, member.method, 0, _DATE, member.crc, member.packed, member.size,
                    len(name), 0) + name
    )  # fmt: skip


def directory(members: list[Member], start: int) -> bytes:
    """The bytes behind the last member."""
    pieces = []
    for member in members:
        name = member.name.encode()
        fixed = (b"PK\1\2", _VERSION, _VERSION, _UTF8, member.method, 0, _DATE)
        pieces.append(_CENTRAL.pack(*fixed, *member[2:5], len(name), 0, 0, 0, 0, 0, member.offset) + name)
    whole = b"".join(pieces)
    return whole + _END.pack(b"PK\5\6", 0, 0, len(members), len(members), len(whole), start, 0)


def check(file: IO[bytes], prefix_size: int, prefix_sha256: str) -> None:
    """See that a file is what :class:`ZipWriter` writes.

    Args:
        file: the zip.
        prefix_size: bytes before the statement, as the statement says.
        prefix_sha256: their SHA-256, as the statement says.

    Raises:
        DamagedZip: it is not.
    """
    members = list(_members(file))
    if not members or members[-1].name != STATEMENT or members[-1].offset != prefix_size:
        raise DamagedZip("members are missing, added or cut off")
    file.seek(0)
    found, left = hashlib.sha256(), prefix_size
    while left and (chunk := file.read(min(left, _CHUNK))):
        found.update(chunk)
        left -= len(chunk)
    if left or found.hexdigest() != prefix_sha256:
        raise DamagedZip("the stored members are not as they were written")
    place = _end_of(members[-1])
    file.seek(place)
    if file.read() != directory(members, place):
        raise DamagedZip("the directory at its end is not as it was written")


def _members(file: IO[bytes]) -> Iterator[Member]:
    """The members from their own headers, one after the other."""
    place = 0
    while True:
        file.seek(place)
        head = file.read(_LOCAL.size)
        if len(head) < _LOCAL.size or head[:4] != b"PK\3\4":
            return
        fields = _LOCAL.unpack(head)
        name = file.read(fields[9])
        method, crc, packed, size = fields[3], *fields[6:9]
        member = Member(name.decode("utf-8", "replace"), method, crc, packed, size, place)
        if local_header(member) != head + name:
            raise DamagedZip(f"the header of {member.name} is not as it was written")
        yield member
        place = _end_of(member)


def _end_of(member: Member) -> int:
    return member.offset + _LOCAL.size + len(member.name.encode()) + member.packed
