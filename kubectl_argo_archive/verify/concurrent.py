"""Work that may take too long: started on threads that end with the process, awaited until a deadline."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
S = TypeVar("S")


class Deadline:
    """The moment when patience ends.

    Args:
        seconds: from now.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until then, never negative."""
        return max(0.0, self._end - time.monotonic())


def start(work: Callable[[], T], name: str) -> Future[T]:
    """Run ``work`` on a daemon thread: one that hangs must not keep the process alive."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name=f"verify {name}", daemon=True).start()
    return future


def mapped(work: Callable[[S], T], things: Iterable[S], workers: int) -> list[T]:
    """``work`` on each thing, several at once, results in order; on threads that end with the process."""
    waiting = queue.SimpleQueue[tuple[int, S]]()
    for numbered in enumerate(things):
        waiting.put(numbered)
    found: dict[int, T] = {}

    def run() -> None:
        with suppress(queue.Empty):
            while True:
                number, thing = waiting.get_nowait()
                found[number] = work(thing)

    for future in [start(run, f"worker {n}") for n in range(workers)]:
        future.result()
    return [found[number] for number in sorted(found)]
