"""Which short byte strings a block of text holds: the search index's idea of it, and what a needle needs.

Text is case-folded (Unicode), cut into all strings of 5 and of 3 bytes, and each is hashed to a slot. A block that
lacks one slot of a needle cannot hold the needle, in any case; a block that has all of them may. SQL computes the same
hash (``query/views_search.py``), so the constants are part of the format.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kubectl_argo_archive.native import grams as native

Bytes = npt.NDArray[np.uint8]


class Family(NamedTuple):
    """Strings of one length.

    Attributes:
        size: bytes of a string.
        bits: of its hash.
        first: first slot.
    """

    size: int
    bits: int
    first: int


LONG = Family(5, 19, 0)
SHORT = Family(3, 16, 1 << 19)
FAMILIES = (LONG, SHORT)
SLOTS = (1 << LONG.bits) + (1 << SHORT.bits)
OVERLAP = LONG.size - 1
"""Bytes of a piece that its successor must see too, so that no string falls between them."""

_A = np.uint32(0x9E3779B1)
_B = np.uint32(0x85EBCA6B)
_C = np.uint32(0xC2B2AE35)


def fold(data: bytes) -> bytes:
    """Text in which strings that differ only in case are equal; bytes that are no UTF-8 stay as they are."""
    return _fold_beyond(data).lower()


def _fold_beyond(data: bytes) -> bytes:
    """:func:`fold`, but for the letters of ASCII."""
    if data.isascii():
        return data
    array = np.frombuffer(data, np.uint8)
    beyond = np.flatnonzero(array > 127)
    gaps = np.flatnonzero(np.diff(beyond) > 1)
    starts = beyond[np.concatenate([[0], gaps + 1])].tolist()
    ends = (beyond[np.concatenate([gaps, [len(beyond) - 1]])] + 1).tolist()
    done, parts = 0, []
    for start, end in zip(starts, ends, strict=True):  # runs of characters beyond ASCII
        folded = data[start:end].decode("utf-8", "surrogateescape").casefold()
        parts += [data[done:start], folded.encode("utf-8", "surrogateescape")]
        done = end
    return b"".join([*parts, data[done:]])


def mark(flags: Bytes, data: bytes) -> None:
    """Set the flag of each slot that occurs in ``data``; ``flags`` has :data:`SLOTS` bytes."""
    native.mark(flags, _fold_beyond(data))


def slots(literal: bytes) -> list[int]:
    """The slots that a block with the folded ``literal`` must have, those that tell most first; empty if too short."""
    array = np.frombuffer(literal, np.uint8)
    if len(array) >= LONG.size:
        found = _long(_words(array), array[4:])
        # neighbours share most of their bytes: begin with strings that share none
        order = sorted(range(len(found)), key=lambda i: (i % LONG.size, i))
        return list(dict.fromkeys(int(found[i]) for i in order))
    if len(array) >= SHORT.size:
        padded = np.concatenate([array, np.zeros(LONG.size, np.uint8)])
        found = _short(_words(padded))[: len(array) - SHORT.size + 1]
        return list(dict.fromkeys(SHORT.first + int(slot) for slot in found))
    return []


def _words(array: Bytes) -> npt.NDArray[np.uint32]:
    """The four bytes from each position on, as little-endian numbers, but for the last four positions."""
    return np.ndarray((len(array) - LONG.size + 1,), "<u4", array.data, 0, (1,)).copy()


def _long(words: npt.NDArray[np.uint32], fifth: Bytes) -> npt.NDArray[np.uint32]:
    hashed = fifth[: len(words)].astype(np.uint32)
    hashed *= _B
    hashed ^= hashed >> np.uint32(15)
    hashed += words
    hashed *= _A
    hashed ^= hashed >> np.uint32(15)
    hashed *= _C
    hashed >>= np.uint32(32 - LONG.bits)
    return hashed


def _short(words: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    hashed = words << np.uint32(8)
    hashed *= _A
    hashed >>= np.uint32(32 - SHORT.bits)
    return hashed
