"""Times of one form at one place of many lines (``src/stamps.c``); the definition is ``logs/lines_stamp.py``."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from functools import cache

import numpy as np
import numpy.typing as npt

from kubectl_argo_archive.native.arrays import Bytes, Ints, lines_in
from kubectl_argo_archive.native.loading import load

PARTS = ("Y", "y", "M", "b", "D", "h", "m", "s", "f")
"""In the order of the enumeration; four-digit and two-digit year, month as number and as name, …"""
_SAME, _DIGIT, _DIGIT_OR_SPACE, _LETTER = range(4)
_NOWHERE = (-1, -1)


class _Form(ctypes.Structure):
    _fields_ = (
        ("prefix", ctypes.c_char_p),
        ("sample", ctypes.c_char_p),
        ("what", ctypes.c_char_p),
        ("prefix_size", ctypes.c_int64),
        ("sample_size", ctypes.c_int64),
        ("zone", ctypes.c_int64),
        ("years", ctypes.c_void_p),
        ("follower", ctypes.c_int32),
        ("zone_may_follow", ctypes.c_int32),
        ("parts", ctypes.c_int32 * (2 * len(PARTS))),
    )


class Form:
    """How a stamp is read.

    Args:
        prefix: the bytes before it.
        sample: one stamp of the form.
        parts: name → its place in the sample; the zone (``z``) is the same in all stamps.
        zone: seconds east of UTC.
        follower: the byte behind the stamp; None at the end of the line.
        years: the year of a date without one, at ``month * 32 + day``; None if stamps have a year.
    """

    def __init__(
        self,
        prefix: bytes,
        sample: bytes,
        parts: Mapping[str, tuple[int, int]],
        zone: int,
        follower: int | None,
        years: npt.NDArray[np.int32] | None,
    ) -> None:
        what = bytearray(len(sample))
        for name in PARTS:
            for index in range(*parts.get(name, (0, 0))):
                what[index] = _LETTER if name == "b" else _DIGIT
        if "b" in parts and "Y" not in parts:  # syslog pads the day with a space
            what[parts["D"][0]] = _DIGIT_OR_SPACE
        self._years = years  # lives as long as C may look at it
        places = (limit for name in PARTS for limit in parts.get(name, _NOWHERE))
        self.raw = _Form(
            prefix, sample, bytes(what), len(prefix), len(sample), zone,
            years.ctypes.data if years is not None else None, -1 if follower is None else follower,
            follower == ord(" ") and "z" not in parts, (ctypes.c_int32 * (2 * len(PARTS)))(*places),
        )  # fmt: skip


@cache
def _library() -> ctypes.CDLL:
    library = load()
    address, number = ctypes.c_void_p, ctypes.c_int64
    library.stamps_read.argtypes = (address, address, number, address, address, number, address, address)
    library.stamps_read.restype = number
    return library


def read(form: Form, data: Bytes, starts: Ints, ends: Ints) -> tuple[npt.NDArray[np.bool_], Ints]:
    """Which lines begin with a stamp of the form, and its microsecond since 1970 (rubbish for the others).

    Args:
        form: of the stamps.
        data: what the lines lie in.
        starts: first byte of each line.
        ends: its end, newline excluded.

    Raises:
        ValueError: a line does not lie in the data.
    """
    starts, ends = lines_in(data, starts, ends)
    taken, at = np.empty(len(starts), bool), np.empty(len(starts), np.int64)
    found = _library().stamps_read(
        ctypes.byref(form.raw), data.ctypes.data, len(data), starts.ctypes.data, ends.ctypes.data, len(starts),
        taken.ctypes.data, at.ctypes.data,
    )  # fmt: skip
    if found < 0:
        raise ValueError("lines do not lie in the data")
    return taken, at
