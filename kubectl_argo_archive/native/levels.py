"""The levels of lines (``src/levels.c``); the definition is :mod:`kubectl_argo_archive.logs.lines_stamp`."""

from __future__ import annotations

import ctypes
from functools import cache

from kubectl_argo_archive.native.arrays import Bytes, Ints, check_bytes, lines_in
from kubectl_argo_archive.native.loading import load


@cache
def _library() -> ctypes.CDLL:
    library = load()
    address, number = ctypes.c_void_p, ctypes.c_int64
    library.levels_fill.argtypes = (address, number, address, address, number, address)
    library.levels_fill.restype = number
    return library


def fill(data: Bytes, starts: Ints, ends: Ints, codes: Bytes) -> None:
    """Look for the level of every line whose code is still 0.

    Args:
        data: what the lines lie in.
        starts: first byte of each line.
        ends: its end, newline excluded.
        codes: of :data:`.lines_stamp.LEVELS`; changed.

    Raises:
        ValueError: a line does not lie in the data.
    """
    starts, ends = lines_in(data, starts, ends)
    check_bytes(codes)
    if len(codes) != len(starts):
        raise ValueError("a code for each line is needed")
    places = starts.ctypes.data, ends.ctypes.data
    if _library().levels_fill(data.ctypes.data, len(data), *places, len(codes), codes.ctypes.data) < 0:
        raise ValueError("lines do not lie in the data")
