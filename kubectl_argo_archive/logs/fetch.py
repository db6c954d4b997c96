"""Objects ahead of their turn: many are fetched at once, each is handed out in the order of the plan.

Memory is bounded: an object that is not on turn holds at most :data:`AHEAD_BYTES`, and all together hold
:data:`BUDGET_BYTES`; a large object waits with its connection open until its turn comes.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

from kubectl_argo_archive.storage.objects import Objects

AHEAD_BYTES = 2 << 20
BUDGET_BYTES = 48 << 20
AT_ONCE = 32

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wanted(Generic[T]):
    """One object to fetch: whose it is, and what the listing said; ``item`` comes back with the stream."""

    item: T
    objects: Objects
    key: str
    size: int
    etag: str | None


class Stream:
    """The bytes of one object, as they arrive; an iterator for one consumer."""

    def __init__(self, wanted: Wanted[T]) -> None:
        self._wanted = wanted
        self._chunks: deque[bytes] = deque()
        self._held = 0
        self._arrived = threading.Condition()
        self._room = asyncio.Event()
        self._waits = False
        self._ended = False
        self._error: BaseException | None = None
        self._task: Future[None] | None = None
        self.bytes = 0

    def start(self) -> None:
        """Begin to fetch."""
        self._task = asyncio.run_coroutine_threadsafe(self._fetch(), self._wanted.objects.loop)

    def cancel(self) -> None:
        """Give up."""
        if self._task is not None:
            self._task.cancel()

    def __iter__(self) -> Iterator[bytes]:
        while True:
            with self._arrived:
                while not self._chunks and not self._ended:
                    self._arrived.wait(1.0)  # a plain wait would not let Ctrl-C through
                if not self._chunks:
                    break
                chunk = self._chunks.popleft()
                self._held -= len(chunk)
                roomy = self._waits and self._held < AHEAD_BYTES
            if roomy:
                self._wanted.objects.loop.call_soon_threadsafe(self._room.set)
            self.bytes += len(chunk)
            yield chunk
        if self._error is not None:
            with self._wanted.objects.errors():
                raise self._error

    async def _fetch(self) -> None:
        try:
            async for chunk in self._wanted.objects.read(self._wanted.key, self._wanted.etag):
                with self._arrived:
                    self._chunks.append(chunk)
                    self._held += len(chunk)
                    full = self._held >= AHEAD_BYTES
                    self._arrived.notify()
                if full:
                    self._room.clear()
                    with self._arrived:
                        self._waits = self._held >= AHEAD_BYTES
                    if self._waits:
                        await self._room.wait()
                        self._waits = False
        except BaseException as error:
            self._error = error
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            with self._arrived:
                self._ended = True
                self._arrived.notify()


class Prefetch(Generic[T]):
    """``with Prefetch(wanted) as fetched: for item, stream in fetched: …``, in the order of ``wanted``.

    Args:
        wanted: what to fetch; consumed as connections become free.
        at_once: objects in flight.
    """

    def __init__(self, wanted: Iterable[Wanted[T]], at_once: int = AT_ONCE) -> None:
        self._wanted = iter(wanted)
        self._at_once = at_once
        self._flying: deque[tuple[Wanted[T], Stream]] = deque()
        self._reserved = 0
        self._next: Wanted[T] | None = None
        self._done = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for _, stream in self._flying:
            stream.cancel()
        self._flying.clear()

    def __iter__(self) -> Iterator[tuple[T, Stream]]:
        while True:
            self._launch()
            if not self._flying:
                return
            wanted, stream = self._flying[0]
            yield wanted.item, stream
            stream.cancel()  # of no effect on one that was read to its end
            self._flying.popleft()
            self._reserved -= _share(wanted)

    def _launch(self) -> None:
        while not self._done and len(self._flying) < self._at_once:
            if self._next is None:
                self._next = next(self._wanted, None)
                if self._next is None:
                    self._done = True
                    return
            share = _share(self._next)
            if self._flying and self._reserved + share > BUDGET_BYTES:
                return
            stream = Stream(self._next)
            stream.start()
            self._flying.append((self._next, stream))
            self._reserved += share
            self._next = None


def _share(wanted: Wanted[T]) -> int:
    return min(wanted.size, AHEAD_BYTES)
