"""The levels of lines (``src/levels.c``); the definition is :mod:`kubectl_argo_archive.logs.lines_stamp`."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np
import numpy.typing as npt

from kubectl_argo_archive.native.loading import load

Ints = npt.NDArray[np.int64]


@cache
def _library() -> ctypes.CDLL:
    library = load()
    address, number = ctypes.c_void_p, ctypes.c_int64
    library.levels_fill.argtypes = (address, number, address, address, number, address)
    library.levels_fill.restype = number
    return library


def fill(data: npt.NDArray[np.uint8], starts: Ints, ends: Ints, codes: npt.NDArray[np.uint8]) -> None:
    """Look for the level of every line whose code is still 0.

    Args:
        data: what the lines lie in.
        starts: first byte of each line.
        ends: its end, newline excluded.
        codes: of :data:`.lines_stamp.LEVELS`; changed.

    Raises:
        ValueError: a line does not lie in the data.
    """
    arrays = [np.ascontiguousarray(array, np.int64) for array in (starts, ends)]
    if not len(starts) == len(ends) == len(codes) or codes.dtype != np.uint8 or not codes.flags.c_contiguous:
        raise ValueError("a start, an end and a code for each line are needed")
    if not data.flags.c_contiguous or data.dtype != np.uint8:
        raise ValueError("bytes beside each other are needed")
    addresses = (array.ctypes.data for array in arrays)
    if _library().levels_fill(data.ctypes.data, len(data), *addresses, len(codes), codes.ctypes.data) < 0:
        raise ValueError("lines do not lie in the data")
