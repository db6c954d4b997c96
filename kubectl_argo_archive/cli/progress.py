"""How far a long command is: one line that redraws itself on a terminal, a plain line now and then elsewhere.

Neither click's bar nor tqdm fits: both count one quantity (we have rows and bytes), without plain lines for a log.
"""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from kubectl_argo_archive.cli import diagnostics

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

REDRAW_S = 0.1
PLAIN_LINE_S = 5.0
_CLEAR = "\r\033[2K"


class Progress:
    """Counts rows and bytes and shows them on stderr. Use it as a context manager; see :func:`progress`."""

    def __init__(
        self,
        label: str,
        total_rows: int | None,
        total_bytes: int | None,
        quiet: bool,
        clock: Callable[[], float] = time.monotonic,
        unit: str = "rows",
    ) -> None:
        self.label = label
        self.unit = unit
        self.rows = 0
        self.bytes = 0
        self.total_rows = total_rows
        self.total_bytes = total_bytes
        self._quiet = quiet
        self._terminal = diagnostics.is_terminal()
        self._clock = clock
        self._start = self._shown_at = clock()
        self._visible = False

    def __enter__(self) -> Self:
        if not self._quiet:
            diagnostics.active = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if diagnostics.active is self:
            self.clear()
            diagnostics.active = None
            if kind is None and (self.rows or self.bytes):
                diagnostics.write_line(self.summary())

    def advance(self, rows: int = 0, bytes: int = 0) -> None:
        """Count what was done since the last call."""
        self.rows += rows
        self.bytes += bytes
        if self._quiet:
            return
        now = self._clock()
        if now - self._shown_at >= (REDRAW_S if self._terminal else PLAIN_LINE_S):
            self._shown_at = now
            self._show()

    def note(self, message: str) -> None:
        """Say something in passing, above the line."""
        if not self._quiet:
            diagnostics.write_line(message)

    def clear(self) -> None:
        """Take the line off the terminal; the next :meth:`advance` draws it again."""
        if self._visible:
            diagnostics.raw(_CLEAR)
            self._visible = False

    def line(self) -> str:
        """The line as it reads now: done, share, rate, time left."""
        parts = [self._counts()]
        share = self._share()
        if share is not None:
            parts.append(f"{share:.0%}")
        parts.extend(self._rate())
        if share and share < 1:
            parts.append(f"{duration(self._elapsed() / share * (1 - share))} left")
        return f"{self.label}: " + " · ".join(parts)

    def summary(self) -> str:
        """The closing line: what was done, and in which time."""
        return f"{self.label}: " + " · ".join([self._counts(), *self._rate(), f"in {duration(self._elapsed())}"])

    def _show(self) -> None:
        if self._terminal:
            width = shutil.get_terminal_size().columns
            diagnostics.raw(_CLEAR + self.line()[: max(width - 1, 1)])
            self._visible = True
        else:
            diagnostics.raw(self.line() + "\n")

    def _counts(self) -> str:
        of_rows = f"/{self.total_rows:,}" if self.total_rows else ""
        counts = f"{self.rows:,}{of_rows} {self.unit}"
        return f"{counts} · {size(self.bytes)}" if self.bytes else counts

    def _share(self) -> float | None:
        """Bytes tell better than rows how far it is: a workflow may be 1 KB or 200 MB."""
        if self.total_bytes:
            return min(self.bytes / self.total_bytes, 1.0)
        if self.total_rows:
            return min(self.rows / self.total_rows, 1.0)
        return None

    def _rate(self) -> list[str]:
        elapsed = self._elapsed()
        rates = [f"{self.rows / elapsed:,.0f} {self.unit}/s"]
        return [*rates, f"{size(self.bytes / elapsed)}/s"] if self.bytes else rates

    def _elapsed(self) -> float:
        return max(self._clock() - self._start, 1e-3)


def progress(
    label: str = "export",
    *,
    total_rows: int | None = None,
    total_bytes: int | None = None,
    quiet: bool = False,
    unit: str = "rows",
) -> Progress:
    """``with progress("export", total_rows=…) as p: p.advance(rows=…, bytes=…)``; ``quiet`` shows nothing at all."""
    return Progress(label, total_rows, total_bytes, quiet, unit=unit)


def size(count: float) -> str:
    """Bytes for people, in powers of 1024: ``12.3 MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def duration(seconds: float) -> str:
    """Seconds for people: ``8s``, ``3m05s``, ``2h07m``."""
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole // 60 % 60:02}m"
