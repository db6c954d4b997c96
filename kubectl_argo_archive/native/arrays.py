"""What arrays must be before C may look at them: addresses say nothing of types and gaps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


def check_bytes(data: Bytes) -> None:
    """Raise ValueError unless these are bytes beside each other."""
    if data.dtype != np.uint8 or not data.flags.c_contiguous:
        raise ValueError("bytes beside each other are needed")


def lines_in(data: Bytes, starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """The bounds of lines as C reads them; raises ValueError unless there is an end for each start."""
    check_bytes(data)
    if len(starts) != len(ends):
        raise ValueError("a start and an end for each line are needed")
    return np.ascontiguousarray(starts, np.int64), np.ascontiguousarray(ends, np.int64)
