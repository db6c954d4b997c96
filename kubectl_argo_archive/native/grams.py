"""Marks which short strings a text holds (``src/grams.c``); the definition is ``logs/grams.py``."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np
import numpy.typing as npt

from kubectl_argo_archive.native.loading import load

SLOTS = (1 << 19) + (1 << 16)
"""Flags that there are."""


@cache
def _library() -> ctypes.CDLL:
    library = load()
    library.grams_mark.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t)
    library.grams_mark.restype = None
    return library


def mark(flags: npt.NDArray[np.uint8], text: bytes) -> None:
    """Set the flag of each string of ``text`` and of five newlines behind it; letters of ASCII as in lower case.

    Args:
        flags: :data:`SLOTS` bytes.
        text: what is not ASCII in it is case-folded already.
    """
    if flags.dtype != np.uint8 or len(flags) != SLOTS or not flags.flags.c_contiguous or not flags.flags.writeable:
        raise ValueError("a flag for each slot is needed")
    _library().grams_mark(flags.ctypes.data, text, len(text))
