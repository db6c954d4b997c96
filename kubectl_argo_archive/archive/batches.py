"""Rows become record batches of bounded size; what Postgres and Argo did to the JSON is undone on the way.

Restored: the NUL marker that Argo writes because Postgres cannot hold NUL; compressed nodes. Both are looked
for in a whole batch at once, because hardly any row has them.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from kubectl_argo_archive.archive.hydrate import COMPRESSED, OFFLOADED, inline_compressed, offload_version
from kubectl_argo_archive.archive.workflow_archive import KEY_SCHEMA, ROW_SCHEMA
from kubectl_argo_archive.native.search import Bytes, holds_any

Key = tuple[str | None, ...]
"""One value per column of :data:`KEY_SCHEMA`."""

NUL_MARKER = b"ARGO_POSTGRES_NULL_REPLACEMENT"
"""What Argo writes to Postgres for the JSON escape of NUL."""

_SPARE = 4
_MAX_ROWS = 10_000
"""Ends a batch of tiny documents, whose keys would outweigh them."""

_NUL_ESCAPE = b"\\u0000"


class PlainBatches:
    """Collects rows until ``batch_bytes`` of JSON are together, and leaves the JSON as it is.

    Args:
        batch_bytes: a batch holds at most this much JSON, or one row that is larger.
        first_bytes: the same for the first batch, from which the next ones double: whoever works on batches begins
            soon.
    """

    def __init__(self, batch_bytes: int, first_bytes: int | None = None) -> None:
        self._batch_bytes = batch_bytes
        self._limit = first_bytes or batch_bytes
        self._spare: deque[Bytes] = deque(maxlen=_SPARE)
        self._start_batch()

    def add(self, key: Key, document: bytes | memoryview) -> Iterator[pa.RecordBatch]:
        """Take one row; yields the batches that it completes."""
        size = len(document)
        if self._keys and (self._offsets[-1] + size > self._limit or len(self._keys) == _MAX_ROWS):
            yield from self.finish()
        if size > self._batch_bytes:
            # a batch of its own, never copied
            yield from self._emit([key], array("q", [0, size]), pa.py_buffer(document))
            return
        self._keys.append(key)
        start = self._offsets[-1]
        self._data[start : start + size] = np.frombuffer(document, np.uint8)
        self._offsets.append(start + size)

    def finish(self) -> Iterator[pa.RecordBatch]:
        """Yield what is left."""
        keys, offsets, data = self._keys, self._offsets, self._data
        self._start_batch()
        if keys:
            self._limit = min(2 * self._limit, self._batch_bytes)
            yield from self._emit(keys, offsets, _lent(data, offsets[-1], self._spare))

    def _start_batch(self) -> None:
        self._keys: list[Key] = []
        # NumPy asks for huge pages, which come much faster, and are soon used up if each batch takes new ones
        self._data = self._spare.pop() if self._spare else np.empty(self._batch_bytes, np.uint8)
        self._offsets = array("q", [0])

    def _emit(self, keys: list[Key], offsets: array[int], data: pa.Buffer) -> Iterator[pa.RecordBatch]:
        json = pa.Array.from_buffers(pa.large_binary(), len(keys), [None, pa.py_buffer(offsets), data])
        yield pa.RecordBatch.from_arrays([*_key_arrays(keys), json], schema=ROW_SCHEMA)


class MendedBatches(PlainBatches):
    """The same, and restores the JSON as Argo meant it.

    Args:
        batch_bytes: a batch holds at most this much JSON, or one row that is larger.
        set_aside: told of each row whose nodes lie elsewhere, with their version; such a row gets into no
            batch. None: it stays as it is.
    """

    def __init__(self, batch_bytes: int, set_aside: Callable[[Key, str], None] | None = None) -> None:
        super().__init__(batch_bytes, max(batch_bytes >> 4, 1))
        self._set_aside = set_aside
        self._marks = (NUL_MARKER, COMPRESSED, OFFLOADED) if set_aside else (NUL_MARKER, COMPRESSED)

    def _emit(self, keys: list[Key], offsets: array[int], data: pa.Buffer) -> Iterator[pa.RecordBatch]:
        bytes_ = np.frombuffer(data, np.uint8)
        if not holds_any(bytes_, self._marks):
            yield from super()._emit(keys, offsets, data)
            return
        # cut anew: unpacked nodes are many times larger than packed ones
        batches = PlainBatches(self._batch_bytes)
        for key, start, end in zip(keys, offsets, offsets[1:], strict=False):
            if (document := self._mended(key, bytes_[start:end].tobytes())) is not None:
                yield from batches.add(key, document)
        yield from batches.finish()

    def _mended(self, key: Key, document: bytes) -> bytes | None:
        """The document as Argo meant it; None if it was set aside."""
        if NUL_MARKER in document:
            document = document.replace(NUL_MARKER, _NUL_ESCAPE)
        if COMPRESSED in document:
            document = inline_compressed(document)
        if self._set_aside and OFFLOADED in document and (version := offload_version(document)):
            self._set_aside(key, version)
            return None
        return document


class _Lease:
    """Gives memory back when nobody uses it any more, in whatever thread that happens."""

    def __init__(self, memory: Bytes, spare: deque[Bytes]) -> None:
        self._memory, self._spare = memory, spare

    def __del__(self) -> None:
        self._spare.append(self._memory)


def _lent(memory: Bytes, size: int, spare: deque[Bytes]) -> pa.Buffer:
    """The first ``size`` bytes; with the last user of the buffer, the memory is spare."""
    return pa.foreign_buffer(memory.ctypes.data, size, base=_Lease(memory, spare))


def keys_table(rows: list[Key]) -> pa.Table:
    """Keys as a table of :data:`KEY_SCHEMA`."""
    return pa.Table.from_batches([pa.RecordBatch.from_arrays(_key_arrays(rows), schema=KEY_SCHEMA)])


def _key_arrays(keys: list[Key]) -> list[pa.Array]:
    columns = zip(*keys, strict=True) if keys else [()] * len(KEY_SCHEMA)
    return [pa.array(column, pa.string()) for column in columns]
