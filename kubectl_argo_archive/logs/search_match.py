"""Which lines of a text match: the last word, after the index.

Three engines that agree. Literals are found as bytes. A regular expression is answered by RE2 (in Arrow) on lines of
ASCII, where both languages mean the same; lines with other characters go to ``re``, with every set of characters
spelt out as Rust defines it. Bytes that are no UTF-8 match nothing but themselves, and only as part of a literal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kubectl_argo_archive.logs import search_print
from kubectl_argo_archive.logs.search_tree import Tree

Ints = npt.NDArray[np.int64]
_SPARSE = 24
"""More hits in a text are looked for with NumPy."""
# how often a byte occurs in logs, roughly: the rarest two bytes of a needle are looked for first
_COMMON = b" etaoinrs0123456789dlcu.mph:-/_=gfy,bw[]\"'vk(){}TINDEFAORSGWxjzq"


@dataclass(frozen=True, slots=True)
class Found:
    """Matching lines of a text: first byte and end (newline excluded) of each, in order."""

    starts: Ints
    ends: Ints


@dataclass(frozen=True)
class Matcher:
    """Finds the lines that match.

    Attributes:
        tree: of the pattern, ``-w`` and ``-i`` included.
        literal: the pattern's bytes, if it is a plain literal.
        ignore_case: whether ``literal`` stands for all cases.
        invert: find the lines that do not match.
    """

    tree: Tree
    literal: bytes | None = None
    ignore_case: bool = False
    invert: bool = False

    def find(self, data: bytes, bounds: Ints) -> Found:
        """The matching lines of ``data``.

        Args:
            data: one or more texts, one behind the other.
            bounds: where each text begins, and the end of the last one.
        """
        needle = self._needle(data)
        if needle and not self.invert:
            if self.ignore_case:
                return _sparse_or_all(data.lower(), needle, bounds)
            return _sparse_or_all(data, needle, bounds)
        starts, ends = line_table(data, bounds)
        hits = self._hits(data, starts, ends)
        if self.invert:
            hits = ~hits
        return Found(starts[hits], ends[hits])

    def count(self, data: bytes, bounds: Ints) -> int:
        """How many lines match."""
        return len(self.find(data, bounds).starts)

    def line(self, data: bytes) -> bool:
        """Whether one line (without newline) matches."""
        bounds = np.array([0, len(data)])
        needle = self._needle(data)
        if needle:
            return (needle in (data.lower() if self.ignore_case else data)) != self.invert
        return bool(self._hits(data, bounds[:1], bounds[1:])[0]) != self.invert

    def _needle(self, data: bytes) -> bytes | None:
        """The bytes to look for, if that alone decides."""
        if not self.literal or not self.ignore_case:
            return self.literal
        if not self.literal.isascii():
            return None
        lower = self.literal.lower()
        # the long s and the Kelvin sign are the only characters beyond ASCII that are s and k in another case
        odd = (b"s" in lower and b"\xc5\xbf" in data) or (b"k" in lower and b"\xe2\x84\xaa" in data)
        return None if odd else lower

    def _hits(self, data: bytes, starts: Ints, ends: Ints) -> npt.NDArray[np.bool_]:
        if data.isascii() and self._fast is not None:
            return self._re2(data, starts, ends)
        beyond = np.flatnonzero(np.frombuffer(data, np.uint8) > 127)
        lines = np.unique(np.searchsorted(starts, beyond, "right") - 1)
        if self._fast is None:
            hits, lines = np.zeros(len(starts), bool), np.arange(len(starts))
        else:
            hits = self._re2(data, starts, ends)
        search = self._exact.search
        for line in lines.tolist():
            text = data[starts[line] : ends[line]].decode("utf-8", "surrogateescape")
            hits[line] = search(text) is not None
        return hits

    def _re2(self, data: bytes, starts: Ints, ends: Ints) -> npt.NDArray[np.bool_]:
        assert self._fast is not None
        offsets = np.append(starts, ends[-1] if len(ends) else 0).astype(np.int32)
        lines = pa.Array.from_buffers(pa.binary(), len(starts), [None, pa.py_buffer(offsets), pa.py_buffer(data)])
        return np.asarray(pc.match_substring_regex(lines, self._fast)).astype(bool)

    @cached_property
    def _fast(self) -> str | None:
        """For RE2; None if it does not take it."""
        pattern = search_print.for_re2(self.tree)
        try:
            pc.match_substring_regex(pa.array([b"a"]), pattern)
        except pa.ArrowInvalid:  # too large for it
            return None
        return pattern

    @cached_property
    def _exact(self) -> re.Pattern[str]:
        return re.compile(search_print.for_python(self.tree))


def line_table(data: bytes, bounds: Ints) -> tuple[Ints, Ints]:
    """Where the lines of texts that lie one behind the other begin and end; no line crosses a bound."""
    array = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(array == 10)
    stops = bounds[1:][bounds[1:] > bounds[:-1]]
    open_ = stops[array[stops - 1] != 10] if len(stops) else stops
    if len(open_):  # texts without a newline at the end
        ends = np.sort(np.concatenate([ends, open_]))
    starts = np.empty(len(ends), np.int64)
    if len(ends):
        starts[0] = 0
        before = ends[:-1]
        starts[1:] = before + (array[before] == 10)
    return starts, ends


def _sparse_or_all(data: bytes, needle: bytes, bounds: Ints) -> Found:
    """Lines with ``needle``: one by one as long as there are few."""
    starts, ends = [], []
    position = data.find(needle)
    while position >= 0:
        if len(starts) >= _SPARSE:
            return _all(data, needle, bounds)
        index = int(np.searchsorted(bounds, position, "right"))
        low, high = int(bounds[index - 1]), int(bounds[index])
        start = data.rfind(b"\n", low, position) + 1 or low
        end = data.find(b"\n", position, high)
        end = high if end < 0 else end
        if position + len(needle) <= end:
            starts.append(start)
            ends.append(end)
            position = data.find(needle, end)
        else:  # it crosses from one text into the next
            position = data.find(needle, position + 1)
    return Found(np.array(starts, np.int64), np.array(ends, np.int64))


def _all(data: bytes, needle: bytes, bounds: Ints) -> Found:
    positions = _positions(data, needle)
    starts, ends = line_table(data, bounds)
    lines = np.searchsorted(starts, positions, "right") - 1
    lines = lines[positions + len(needle) <= ends[lines]]
    if len(lines):
        lines = lines[np.concatenate([[True], lines[1:] != lines[:-1]])]
    return Found(starts[lines], ends[lines])


def _positions(data: bytes, needle: bytes) -> Ints:
    """Where ``needle`` stands, overlaps included."""
    array = np.frombuffer(data, np.uint8)
    room = len(array) - len(needle) + 1
    if room <= 0:
        return np.zeros(0, np.int64)
    rarest = sorted(range(len(needle)), key=lambda i: -_COMMON.find(needle[i]) if needle[i] in _COMMON else -999)
    first = rarest[0]
    found = array[first : first + room] == needle[first]
    if len(needle) > 1:
        found &= array[rarest[1] : rarest[1] + room] == needle[rarest[1]]
    positions = np.flatnonzero(found)
    for index in rarest[2:]:
        positions = positions[array[positions + index] == needle[index]]
    return positions


def contains_across(pieces: Iterator[bytes], needle: bytes, *, ignore_case: bool) -> bool:
    """Whether a text that comes in pieces holds ``needle``."""
    tail = b""
    for piece in pieces:
        window = tail + piece
        if needle in (window.lower() if ignore_case else window):
            return True
        tail = window[-(len(needle) - 1) :] if len(needle) > 1 else b""
    return False
