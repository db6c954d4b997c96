"""Work that may take too long: started on threads that end with the process, awaited until a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from typing import TypeVar

T = TypeVar("T")


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


def await_all(futures: list[Future[T]], deadline: Deadline) -> list[T | None]:
    """The results in order; None for one that did not come in time or failed."""
    found: list[T | None] = []
    for future in futures:
        try:
            found.append(future.result(deadline.left))
        except (TooLate, Exception):
            found.append(None)
    return found
