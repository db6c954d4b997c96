"""Lines that hold a literal, in texts that lie one behind the other; and the texts of a Parquet page.

C does it (``src/search.c``, ``src/page.c``), without the interpreter's lock. Its definition in plain Python is in
``tests/test_native_search.py``.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from kubectl_argo_archive.native.arrays import Bytes as Bytes
from kubectl_argo_archive.native.arrays import Ints as Ints
from kubectl_argo_archive.native.arrays import check_bytes
from kubectl_argo_archive.native.loading import load

_ADDRESS, _SIZE, _NUMBER = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64
_TEXTS = (_ADDRESS, _SIZE, _ADDRESS, _SIZE)
_NEEDLE = (ctypes.c_char_p, _SIZE)


class Page(NamedTuple):
    """What a page's header says: bytes of the header, of the page as it is stored, unpacked, and its values."""

    header: int
    packed: int
    unpacked: int
    values: int


@cache
def _library() -> ctypes.CDLL:
    library = load()
    for name, arguments in (
        ("search_count", (*_TEXTS, *_NEEDLE, ctypes.c_int32, _ADDRESS)),
        ("search_lines", (*_TEXTS, *_NEEDLE, ctypes.c_int32, _ADDRESS, _ADDRESS, _SIZE)),
        ("search_places", (_ADDRESS, _SIZE, *_NEEDLE, _ADDRESS, _SIZE)),
        ("page_header", (ctypes.c_char_p, _SIZE, _ADDRESS)),
        ("page_texts", (_ADDRESS, _SIZE, _NUMBER, _ADDRESS)),
    ):
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, _NUMBER
    library.search_any.argtypes = (_ADDRESS, _SIZE, ctypes.c_char_p, _ADDRESS, _SIZE)
    library.search_any.restype = ctypes.c_int32
    return library


def count_lines(data: Bytes, bounds: Ints, needle: bytes = b"", *, fold: bool = False) -> Ints:
    """How many lines of each text hold ``needle``; without one, how many lines there are.

    Args:
        data: texts, one behind the other. A line ends at a newline or with its text.
        bounds: where each text begins, and the end of the last one.
        needle: without a newline.
        fold: letters of ASCII match in any case; ``needle`` is in lower case then.

    Raises:
        ValueError: the bounds do not ascend, or leave the data.
    """
    _check(data, bounds)
    counts = np.empty(len(bounds) - 1, np.int64)
    found = _library().search_count(
        data.ctypes.data, len(data), bounds.ctypes.data, len(counts), needle, len(needle), fold, counts.ctypes.data
    )
    if found < 0:
        raise ValueError("texts do not lie in the data")
    return counts


def find_lines(data: Bytes, bounds: Ints, needle: bytes = b"", *, fold: bool = False) -> tuple[Ints, Ints]:
    """First byte and end (newline excluded) of the lines that :func:`count_lines` counts."""
    room = int(count_lines(data, bounds, needle, fold=fold).sum())
    starts, ends = np.empty(room, np.int64), np.empty(room, np.int64)
    found = _library().search_lines(
        data.ctypes.data, len(data), bounds.ctypes.data, len(bounds) - 1, needle, len(needle), fold,
        starts.ctypes.data, ends.ctypes.data, room,
    )  # fmt: skip
    assert found == room
    return starts, ends


def newlines(data: Bytes) -> Ints:
    """Where the newlines are."""
    lines = int(count_lines(data, np.array([0, len(data)], np.int64))[0])  # the last one may lack its newline
    return _places(data, b"\n", lines)


def find(data: Bytes, needle: bytes) -> int:
    """The first place of ``needle`` (not empty), or -1: ``bytes.find`` holds the interpreter's lock all the time."""
    found = _places(data, needle, 1)
    return int(found[0]) if len(found) else -1


def holds_any(data: Bytes, needles: Sequence[bytes]) -> bool:
    """Whether one of the ``needles`` (none of them empty) stands in the data, which is read once for all of them."""
    _check(data, None)
    lengths = np.array([len(needle) for needle in needles], np.uintp)
    joined = b"".join(needles)
    return bool(_library().search_any(data.ctypes.data, len(data), joined, lengths.ctypes.data, len(lengths)))


def _places(data: Bytes, needle: bytes, room: int) -> Ints:
    _check(data, None)
    places = np.empty(room, np.int64)
    found = _library().search_places(data.ctypes.data, len(data), needle, len(needle), places.ctypes.data, room)
    return places[:found]


def page_header(chunk: bytes) -> Page | None:
    """The header that a Parquet column chunk begins with; None if its page is not one of plain values."""
    found = np.empty(3, np.int64)
    header = _library().page_header(chunk, len(chunk), found.ctypes.data)
    return None if header < 0 else Page(header, *found.tolist())


def page_texts(page: Bytes, values: int) -> tuple[Bytes, Ints] | None:
    """The texts of an unpacked page, one behind the other, and where each begins; None if one is null.

    Args:
        page: is changed: the texts are moved together in it.
        values: of the page.
    """
    _check(page, None)
    if not page.flags.writeable:
        raise ValueError("the page has to be changed")
    if values > len(page):
        return None
    bounds = np.empty(values + 1, np.int64)
    first = _library().page_texts(page.ctypes.data, len(page), values, bounds.ctypes.data)
    return None if first < 0 else (page[first : first + int(bounds[-1])], bounds)


def _check(data: Bytes, bounds: Ints | None) -> None:
    check_bytes(data)
    if bounds is not None and (bounds.dtype != np.int64 or not bounds.flags.c_contiguous or not len(bounds)):
        raise ValueError("bounds are 64-bit numbers beside each other")
