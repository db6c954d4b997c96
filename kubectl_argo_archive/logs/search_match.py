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
from kubectl_argo_archive.logs.search_tree import Tree
from kubectl_argo_archive.native.search import Bytes, Ints, count_lines, find, find_lines


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

    def find(self, array: Bytes, bounds: Ints) -> Found:
        """The matching lines.

        Args:
            array: one or more texts, one behind the other.
            bounds: where each text begins, and the end of the last one.
        """
        needle = None if self.invert else self._needle(array)
        if needle:
            return Found(*find_lines(array, bounds, needle, fold=self.ignore_case))
        starts, ends = find_lines(array, bounds)
        hits = self._hits(array, starts, ends)
        if self.invert:
            hits = ~hits
        return Found(starts[hits], ends[hits])

    def count(self, array: Bytes, bounds: Ints) -> Ints:
        """How many lines of each text match."""
        needle = None if self.invert else self._needle(array)
        if needle:
            return count_lines(array, bounds, needle, fold=self.ignore_case)
        counts: Ints = np.diff(np.searchsorted(self.find(array, bounds).starts, bounds))
        return counts

    @property
    def plain(self) -> bytes | None:
        """The bytes to look for, if they decide whatever the text is."""
        return None if self.ignore_case or self.invert or not self.literal else self.literal

    def _needle(self, array: Bytes) -> bytes | None:
        """The bytes to look for, if that alone decides."""
        if not self.literal or not self.ignore_case:
            return self.literal
        if not self.literal.isascii():
            return None
        lower = self.literal.lower()
        # the long s and the Kelvin sign are the only characters beyond ASCII that are s and k in another case
        odd = (b"s" in lower and find(array, b"\xc5\xbf") >= 0) or (b"k" in lower and find(array, b"\xe2\x84\xaa") >= 0)
        return None if odd else lower

    def _hits(self, array: Bytes, starts: Ints, ends: Ints) -> npt.NDArray[np.bool_]:
        if self._fast is None:
            hits, lines = np.zeros(len(starts), bool), np.arange(len(starts))
        else:
            hits = self._re2(array, starts, ends)
            if not len(array) or array.max() < 128:
                return hits
            beyond = np.flatnonzero(array > 127)
            lines = np.unique(np.searchsorted(starts, beyond, "right") - 1)
        search = self._exact.search
        for line in lines.tolist():
            text = array[starts[line] : ends[line]].tobytes().decode("utf-8", "surrogateescape")
            hits[line] = search(text) is not None
        return hits

    def _re2(self, array: Bytes, starts: Ints, ends: Ints) -> npt.NDArray[np.bool_]:
        assert self._fast is not None
        offsets = np.append(starts, ends[-1] if len(ends) else 0).astype(np.int32)
        lines = pa.Array.from_buffers(pa.binary(), len(starts), [None, pa.py_buffer(offsets), pa.py_buffer(array)])
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
