"""Documents to Arrow columns: ``src/flatten.c``, called through ctypes."""

from __future__ import annotations

import ctypes
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kubectl_argo_archive.native.loading import load

TAKEN, ODD, NOT_WANTED = 0, 1, 2
"""What became of a document: its rows were made; it is not plainly right; it finished outside the wanted period."""

TABLES = ("workflows", "nodes", "parameters", "artifacts", "labels", "conditions", "images")
"""In the order of ``FOR_EACH_TABLE``."""

DOCUMENT = "document"
"""The last column of every table: which of the taken documents the row belongs to, from 0 (int32)."""

_NEVER = -(1 << 63)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SCHEMA_BYTES, _ARRAY_BYTES = 72, 80
"""Sizes of the structs of Arrow's C data interface, where an address has eight bytes."""


@cache
def _library() -> ctypes.CDLL:
    library = load()
    address, number = ctypes.c_void_p, ctypes.c_int64
    library.flattener_new.restype = address
    library.flattener_free.argtypes = (address,)
    library.flattener_add.argtypes = (address, address, address, number, number, number, address)
    library.flattener_export.argtypes = (address, ctypes.c_int32, address, address)
    return library


class NativeFlattener:
    """The rows of batches of documents; one thread at a time.

    Args:
        since: leave out workflows that finished before.
        until: leave out workflows that finished at or after.
    """

    def __init__(self, *, since: datetime | None = None, until: datetime | None = None) -> None:
        self._since, self._until = _micros(since), _micros(until)
        self._library = _library()
        self._handle: int | None = self._library.flattener_new()
        if self._handle is None:
            raise MemoryError

    def close(self) -> None:
        """Give the memory back."""
        if self._handle is not None:
            self._library.flattener_free(self._handle)
            self._handle = None

    def flatten(self, documents: pa.LargeBinaryArray) -> tuple[npt.NDArray[np.uint8], dict[str, pa.RecordBatch]]:
        """The rows of all documents that are plainly right.

        Args:
            documents: without nulls.

        Returns:
            What became of each document, and the tables by name. A document that was taken is JSON in UTF-8.
        """
        outcomes = np.empty(len(documents), np.uint8)
        _, offsets, data = documents.buffers()
        start = offsets.address + documents.offset * 8
        self._library.flattener_add(
            self._handle, data.address if data else None, start, len(documents), self._since, self._until,
            outcomes.ctypes.data,
        )  # fmt: skip
        return outcomes, {name: self._table(number) for number, name in enumerate(TABLES)}

    def _table(self, number: int) -> pa.RecordBatch:
        array = (ctypes.c_uint64 * (_ARRAY_BYTES // 8))()
        schema = (ctypes.c_uint64 * (_SCHEMA_BYTES // 8))()
        self._library.flattener_export(self._handle, number, ctypes.byref(array), ctypes.byref(schema))
        return pa.RecordBatch._import_from_c(ctypes.addressof(array), ctypes.addressof(schema))


def _micros(time: datetime | None) -> int:
    return _NEVER if time is None else (time - _EPOCH) // timedelta(microseconds=1)
