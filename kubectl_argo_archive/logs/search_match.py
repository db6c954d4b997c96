"""Which lines of a text match: the last word, after the index.

Three engines that agree. Literals are found as bytes. A regular expression is answered by RE2 (in Arrow) on lines of
ASCII, where both languages mean the same; lines with other characters go to ``re``, with every set of characters
spelt out as Rust defines it. Bytes that are no UTF-8 match nothing but themselves, and only as part of a literal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kubectl_argo_archive.logs import search_print
from kubectl_argo_archive.logs.search_count import is_dense, marked
from kubectl_argo_archive.logs.search_tree import Tree
from kubectl_argo_archive.tables.find import Bytes, Ints, newlines, positions

_SPARSE = 24
"""More hits in a text are looked for with NumPy."""


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
        starts, ends = line_table(np.frombuffer(data, np.uint8), bounds)
        hits = self._hits(data, starts, ends)
        if self.invert:
            hits = ~hits
        return Found(starts[hits], ends[hits])

    @property
    def plain(self) -> bytes | None:
        """The bytes to look for, if they decide whatever the text is; see :func:`find_bytes`."""
        return None if self.ignore_case or self.invert or not self.literal else self.literal

    def line(self, data: bytes | bytearray) -> bool:
        """Whether one line (without newline) matches."""
        bounds = np.array([0, len(data)])
        needle = self._needle(data)
        if needle:
            return (needle in (data.lower() if self.ignore_case else data)) != self.invert
        return bool(self._hits(data, bounds[:1], bounds[1:])[0]) != self.invert

    def _needle(self, data: bytes | bytearray) -> bytes | None:
        """The bytes to look for, if that alone decides."""
        if not self.literal or not self.ignore_case:
            return self.literal
        if not self.literal.isascii():
            return None
        lower = self.literal.lower()
        # the long s and the Kelvin sign are the only characters beyond ASCII that are s and k in another case
        odd = (b"s" in lower and b"\xc5\xbf" in data) or (b"k" in lower and b"\xe2\x84\xaa" in data)
        return None if odd else lower

    def _hits(self, data: bytes | bytearray, starts: Ints, ends: Ints) -> npt.NDArray[np.bool_]:
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

    def _re2(self, data: bytes | bytearray, starts: Ints, ends: Ints) -> npt.NDArray[np.bool_]:
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


def line_table(array: Bytes, bounds: Ints) -> tuple[Ints, Ints]:
    """Where the lines of texts that lie one behind the other begin and end; no line crosses a bound."""
    ends = newlines(array)
    nexts = ends + 1
    stops = bounds[1:][bounds[1:] > bounds[:-1]]
    open_ = stops[array[stops - 1] != 10] if len(stops) else stops
    if len(open_):  # texts without a newline at the end; the next one may begin with an empty line
        ends, nexts = np.concatenate([ends, open_]), np.concatenate([nexts, open_])
        order = np.argsort(ends + nexts, kind="stable")
        ends, nexts = ends[order], nexts[order]
    starts = np.empty(len(ends), np.int64)
    if len(ends):
        starts[0] = 0
        starts[1:] = nexts[:-1]
    return starts, ends


def _sparse_or_all(data: bytes, needle: bytes, bounds: Ints) -> Found:
    """Lines with ``needle``: one by one as long as there are few."""
    starts: list[int] = []
    ends: list[int] = []
    position = data.find(needle)
    while position >= 0:
        if len(starts) >= _SPARSE:
            return find_bytes(np.frombuffer(data, np.uint8), needle, bounds)
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


def find_bytes(array: Bytes, needle: bytes, bounds: Ints) -> Found:
    """The lines with ``needle`` in texts that lie one behind the other."""
    if is_dense(array, needle):
        starts, ends = line_table(array, bounds)
        hits = np.maximum.reduceat(marked(array, needle, bounds), starts)
        return Found(starts[hits], ends[hits])
    places = positions(array, needle)
    if len(places) <= _SPARSE:
        return _around(array, places, len(needle), bounds)
    starts, ends = line_table(array, bounds)
    lines = np.searchsorted(starts, places, "right") - 1
    lines = lines[places + len(needle) <= ends[lines]]
    if len(lines):
        lines = lines[np.concatenate([[True], lines[1:] != lines[:-1]])]
    return Found(starts[lines], ends[lines])


def _around(array: Bytes, places: Ints, size: int, bounds: Ints) -> Found:
    """The lines around few places."""
    starts: list[int] = []
    ends: list[int] = []
    for position in places.tolist():
        if ends and position < ends[-1]:
            continue
        row = int(np.searchsorted(bounds, position, "right"))
        low, high = int(bounds[row - 1]), int(bounds[row])
        end = _newline(array, position, high)
        if position + size <= end:
            starts.append(_behind_newline(array, low, position))
            ends.append(end)
    return Found(np.array(starts, np.int64), np.array(ends, np.int64))


def _newline(array: Bytes, start: int, high: int) -> int:
    """The first newline from ``start`` on, or ``high``."""
    step = 1 << 10
    while start < high:
        found = np.flatnonzero(array[start : min(start + step, high)] == 10)
        if len(found):
            return start + int(found[0])
        start, step = start + step, step * 4
    return high


def _behind_newline(array: Bytes, low: int, end: int) -> int:
    """The place behind the last newline before ``end``, or ``low``."""
    step = 1 << 10
    while end > low:
        start = max(low, end - step)
        found = np.flatnonzero(array[start:end] == 10)
        if len(found):
            return start + int(found[-1]) + 1
        end, step = start, step * 4
    return low
