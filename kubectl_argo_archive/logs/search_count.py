"""How many lines match, where nobody asks which: :func:`search_match.find_bytes` without saying where."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kubectl_argo_archive.tables.find import Bytes, Ints, equal, positions, rarest_first

Flags = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]
_ONES = np.uint64(2**64 - 1)
_DENSE = 64
"""Where there is a hit in every so many bytes, or more, lines are asked instead of hits."""


def count_bytes(array: Bytes, needle: bytes, bounds: Ints) -> Ints:
    """How many lines of each text hold ``needle``.

    Args:
        array: texts, one behind the other.
        needle: not empty, without a newline.
        bounds: where each text begins, and the end of the last one.
    """
    if is_dense(array, needle):
        return _by_carry(array, needle, bounds)
    places = positions(array, needle)
    texts = np.searchsorted(bounds, places, "right") - 1
    inside = places + len(needle) <= bounds[texts + 1]  # else it crosses from one text into the next
    places, texts = places[inside], texts[inside]
    first = np.ones(len(places), bool)  # of its line
    if len(places) > 1:
        breaks = equal(array, 10)
        first[1:] = np.maximum.reduceat(breaks, places)[:-1] | (texts[1:] != texts[:-1])
    counts: Ints = np.bincount(texts[first], minlength=len(bounds) - 1)
    return counts


def _by_carry(array: Bytes, needle: bytes, bounds: Ints) -> Ints:
    """:func:`count_bytes` for many hits: no place is written down, an addition finds the lines.

    A line is a run of ones that ends at a zero, its last byte. A hit is added to the run: the carry goes up to the
    zero and turns it into a one; further hits of the line change nothing.
    """
    hits = _words(marked(array, needle, bounds))
    ends = equal(array, 10)
    ends[bounds[1:][bounds[1:] > bounds[:-1]] - 1] = True  # a text may end without a newline
    last = _words(ends)
    added = hits & ~last  # a hit on the last byte of a line needs no carry
    sums = ~last + added
    passes = sums == _ONES
    source = np.maximum.accumulate(np.where(passes, 0, np.arange(len(sums))))  # the word that a carry comes from
    sums[1:] += (sums < added)[source[:-1]]
    found = (sums | hits) & last
    before = np.concatenate([[0], np.cumsum(np.bitwise_count(found), dtype=np.int64)])
    word, bit = np.divmod(bounds, 64)
    low_bits = found[word] & ((np.uint64(1) << bit.astype(np.uint64)) - np.uint64(1))
    counts: Ints = np.diff(before[word] + np.bitwise_count(low_bits))
    return counts


def _words(flags: Flags) -> Words:
    """Flags as bits of words, from the lowest up; at least one bit is left over."""
    words = np.zeros(len(flags) // 64 + 1, np.dtype("<u8"))
    packed = np.packbits(flags, bitorder="little")
    words.view(np.uint8)[: len(packed)] = packed
    return words


def is_dense(array: Bytes, needle: bytes) -> bool:
    """Whether there seem to be many hits, as the beginning has it."""
    sample = array[: 1 << 14]
    rare = rarest_first(needle)
    found = int(min(np.count_nonzero(sample == needle[index]) for index in rare[:2]))
    return len(array) >= len(needle) and found * _DENSE > len(sample)


def marked(array: Bytes, needle: bytes, bounds: Ints) -> npt.NDArray[np.bool_]:
    """For each byte whether ``needle`` begins there, and ends in the same text; good until the next call."""
    room = len(array) - len(needle) + 1
    stops = bounds[1:-1]
    found = equal(array, needle[0])
    found[room:] = False
    for index in range(1, len(needle)):
        found[:room] &= equal(array[index : index + room], needle[index], 1)
        found[(stops - index)[stops >= index]] = False
    return found
