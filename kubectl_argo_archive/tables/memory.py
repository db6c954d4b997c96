"""The memory, and the interpreter, of a process that exports."""

from __future__ import annotations

import gc
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa


def use_lean_allocator() -> None:
    """Let Arrow allocate with jemalloc where its wheel has it: less memory kept, less time than the default.

    Process wide, so for the command line to call, before the first allocation.
    """
    if "jemalloc" in pa.supported_memory_backends():
        pa.set_memory_pool(pa.jemalloc_memory_pool())


@contextmanager
def many_short_steps() -> Iterator[None]:
    """Tune the interpreter for threads that spend their time in libraries and little of it in Python.

    A thread that comes back from a library should not wait five milliseconds for the interpreter's lock, and the
    collector need not look again and again at what was alive before.
    """
    thresholds, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.freeze()
    gc.set_threshold(50_000, *thresholds[1:])
    sys.setswitchinterval(0.0005)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        gc.set_threshold(*thresholds)
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
