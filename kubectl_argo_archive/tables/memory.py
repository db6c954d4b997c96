"""The memory of a process that exports."""

from __future__ import annotations

import gc
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OBJECTS = 50_000
"""So many more before the collector looks for cycles: a batch makes thousands, and no cycles."""


@contextmanager
def few_collections() -> Iterator[None]:
    """What is alive now stays so: the collector need not look at it again and again, nor after every few objects."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def peak_memory() -> int:
    """Largest resident size of this process so far, in bytes."""
    try:
        # getrusage would count a large parent that this process was forked from
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
