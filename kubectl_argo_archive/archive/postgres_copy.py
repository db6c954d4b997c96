"""What COPY sends, as Arrow and as rows. No SQL here."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

import pyarrow as pa
from pyarrow import csv

from kubectl_argo_archive.archive.batches import Key
from kubectl_argo_archive.archive.workflow_archive import KEY_SCHEMA

_CHUNK_BYTES = 1 << 20
_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_SHORT = struct.Struct("!h")
_LONG = struct.Struct("!i")
_KEY_FIELDS = len(KEY_SCHEMA)
_JSONB_VERSION = 1
"""https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/jsonb.c, jsonb_send(); no JSON begins so."""

Message = bytes | bytearray | memoryview


class UnexpectedCopyData(ValueError):
    """The server does not send what Postgres sends."""


def keys_of_csv(messages: Iterable[Message]) -> pa.Table:
    """The keys that COPY … (FORMAT CSV) sends, parsed chunk by chunk.

    Raises:
        UnexpectedCopyData: this is no CSV of keys.
    """
    tables = []
    chunk = bytearray()
    for message in messages:  # a message holds whole rows
        chunk += message
        if len(chunk) >= _CHUNK_BYTES:
            tables.append(_parse_csv(chunk))
            chunk = bytearray()
    if chunk:
        tables.append(_parse_csv(chunk))
    return pa.concat_tables(tables) if tables else KEY_SCHEMA.empty_table()


def rows_of_binary(messages: Iterable[Message]) -> Iterator[tuple[Key, memoryview, memoryview | None]]:
    """The rows that COPY … (FORMAT BINARY) sends: the key, the JSON, and what follows it, if anything.

    Both views share the memory of their message.

    Raises:
        UnexpectedCopyData: this is not the format.
    """
    rest = iter(messages)
    for first in rest:
        yield from _rows(memoryview(first), _header_end(first))
        break
    for message in rest:
        yield from _rows(memoryview(message), 0)


def _header_end(message: Message) -> int:
    if bytes(message[: len(_SIGNATURE)]) != _SIGNATURE:
        raise UnexpectedCopyData("the server sent something else than binary COPY data")
    flags_end = len(_SIGNATURE) + _LONG.size
    (extension,) = _LONG.unpack_from(message, flags_end)
    return int(flags_end + _LONG.size + extension)


def _rows(message: memoryview, position: int) -> Iterator[tuple[Key, memoryview, memoryview | None]]:
    end = len(message)
    while position < end:
        (count,) = _SHORT.unpack_from(message, position)
        position += _SHORT.size
        if count < 0:  # the trailer
            return
        fields: list[memoryview | None] = []
        for _ in range(count):
            (length,) = _LONG.unpack_from(message, position)
            position += _LONG.size
            fields.append(None if length < 0 else message[position : position + length])
            position += max(length, 0)
        if position > end or count <= _KEY_FIELDS:
            raise UnexpectedCopyData("the server sent a row in pieces")
        key = tuple(None if field is None else str(field, "utf-8", "replace") for field in fields[:_KEY_FIELDS])
        document, *others = map(_json, fields[_KEY_FIELDS:])
        yield key, memoryview(b"") if document is None else document, others[0] if others else None


def _json(field: memoryview | None) -> memoryview | None:
    """The text of a value: ``json`` travels as text, ``jsonb`` as text behind its version."""
    return field[1:] if field and field[0] == _JSONB_VERSION else field


_READ = csv.ReadOptions(column_names=KEY_SCHEMA.names, use_threads=False, block_size=1 << 30)
# Postgres writes NULL as nothing and the empty text as ""
_CONVERT = csv.ConvertOptions(
    column_types={field.name: field.type for field in KEY_SCHEMA},
    null_values=[""],
    strings_can_be_null=True,
    quoted_strings_can_be_null=False,
)
_PARSE = csv.ParseOptions(newlines_in_values=True)


def _parse_csv(chunk: bytearray) -> pa.Table:
    try:
        return _read_csv(chunk)
    except pa.ArrowInvalid:
        pass
    try:  # a database in SQL_ASCII holds any bytes; the rows' keys replace the same ones
        return _read_csv(chunk.decode(errors="replace").encode())
    except pa.ArrowInvalid as e:
        raise UnexpectedCopyData(f"the server sent keys that are no CSV: {e}") from e


def _read_csv(chunk: bytes | bytearray) -> pa.Table:
    return csv.read_csv(pa.BufferReader(chunk), _READ, _PARSE, _CONVERT).cast(KEY_SCHEMA)
