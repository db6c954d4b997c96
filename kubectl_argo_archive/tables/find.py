"""Finds bytes in much text. NumPy does it without the interpreter's lock, which ``bytes.find`` holds all the time."""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
WINDOW = 1 << 18
"""Bytes that are looked at in one go: what is made of them stays in the processor's cache."""
# how often a byte occurs in logs, roughly: the rarest two bytes of a needle are looked for first
_COMMON = b" etaoinrs0123456789dlcu.mph:-/_=gfy,bw[]\"'vk(){}TINDEFAORSGWxjzq"


class _Scratch(threading.local):
    """Memory of a thread that is used again and again: fresh memory costs more than what is done with it."""

    def __init__(self) -> None:
        self._kept = [np.empty(0, bool), np.empty(0, bool)]

    def equal(self, array: Bytes, value: int, which: int) -> npt.NDArray[np.bool_]:
        """See :func:`equal`."""
        if len(array) > len(self._kept[which]):
            self._kept[which] = np.empty(max(len(array), WINDOW), bool)
        found = self._kept[which][: len(array)]
        np.equal(array, value, out=found)
        return found


_scratch = _Scratch()


def equal(array: Bytes, value: int, which: int = 0) -> npt.NDArray[np.bool_]:
    """Where ``array`` is ``value``; good until this thread calls with the same ``which`` (0 or 1) again."""
    return _scratch.equal(array, value, which)


def newlines(array: Bytes) -> Ints:
    """Where the newlines are."""
    windows = range(0, len(array), WINDOW)
    return _joined([np.flatnonzero(equal(array[start : start + WINDOW], 10)) + start for start in windows])


def positions(array: Bytes, needle: bytes) -> Ints:
    """Where ``needle`` (not empty) stands, overlaps included."""
    room = len(array) - len(needle) + 1
    if room <= 0:
        return np.zeros(0, np.int64)
    rarest = rarest_first(needle)
    first = rarest[0]
    parts = []
    for start in range(0, room, WINDOW):
        end = min(start + WINDOW, room)
        found = equal(array[first + start : first + end], needle[first])
        for index in rarest[1:2]:
            found &= equal(array[index + start : index + end], needle[index], 1)
        parts.append(np.flatnonzero(found) + start)
    result = _joined(parts)
    for index in rarest[2:]:
        result = result[array[result + index] == needle[index]]
    return result


def rarest_first(needle: bytes) -> list[int]:
    """The places in ``needle``, those first whose byte is rare in logs."""
    return sorted(range(len(needle)), key=lambda i: -_COMMON.find(needle[i]) if needle[i] in _COMMON else -999)


def _joined(parts: list[Ints]) -> Ints:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
