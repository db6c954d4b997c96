"""One text, cut into pieces of whole lines with all that is known about these."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from kubectl_argo_archive.logs import lines as parser
from kubectl_argo_archive.logs.grams import OVERLAP
from kubectl_argo_archive.logs.lines_stamp import LEVELS
from kubectl_argo_archive.logs.ref import LineFacts, LogRef

BLOCK_BYTES = 1 << 20
_ZERO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Piece:
    """Some lines of one text, or a piece of a line that is longer than a block.

    Attributes:
        log_id: the text.
        data: the bytes, newlines included.
        part: 0; of a long line 1, 2, ….
        first_line: number of the first line, from 1.
        offset: where the piece begins in the text.
        before: the end of the piece before, if this one goes on with its line.
        state: left by the lines before.
        lines: of the piece.
    """

    log_id: int
    data: bytes
    part: int
    first_line: int
    offset: int
    before: bytes
    state: parser.State
    lines: parser.Lines


class TextCutter:
    """Collects the bytes of one text and gives pieces of it."""

    def __init__(self, ref: LogRef) -> None:
        self._ref = ref
        self._chunks: list[bytes] = []
        self._state = parser.State()
        self._offset = 0
        self._part = 0
        self._before = b""
        self._levels: Counter[int] = Counter()
        self._first = self._last = parser.NO_TIME
        self.waiting = 0

    def feed(self, chunk: bytes) -> None:
        """Take bytes."""
        self._chunks.append(chunk)
        self.waiting += len(chunk)

    def take(self, room: int, *, last: bool = False) -> Piece | None:
        """The next piece of at most ``room`` bytes; None if more bytes are needed (after the last: at the end).

        A line that does not fit into ``room`` but into a block makes a longer piece.
        """
        if not self.waiting or (self.waiting < BLOCK_BYTES and not last):
            return None
        buffer = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        end, part = self._end(buffer, room, last)
        data = buffer[:end]
        self._chunks = [buffer[end:]] if end < len(buffer) else []
        self.waiting -= end
        return self._piece(data, part)

    def _end(self, buffer: bytes, room: int, last: bool) -> tuple[int, int]:
        """Where the piece ends, and which part of a long line it is."""
        if not self._part:
            if last and len(buffer) <= room:
                return len(buffer), 0
            end = buffer.rfind(b"\n", 0, room) + 1 or buffer.find(b"\n", room, BLOCK_BYTES) + 1
            if end:
                return end, 0
            if last and len(buffer) <= BLOCK_BYTES:
                return len(buffer), 0
        end = buffer.find(b"\n", 0, BLOCK_BYTES) + 1
        if not end:
            end = len(buffer) if last and len(buffer) <= BLOCK_BYTES else _whole_characters(buffer, BLOCK_BYTES)
        return end, self._part + 1

    def _piece(self, data: bytes, part: int) -> Piece:
        state = self._state
        if part > 1:  # the line is known already
            found, after = _rest_of_line(data, state), state
        else:
            found, after = parser.parse(data, state, self._ref.around)
            self._count(found)
        number = state.line_no
        ends_line = data.endswith(b"\n")
        self._part = part if part and not ends_line else 0
        if part:
            after = parser.skip_to(after, number + 1 if ends_line else number)
        self._state = after
        piece = Piece(self._ref.log_id, data, part, number, self._offset, self._before, state, found)
        self._before = data[-OVERLAP * 4 :] if self._part else b""
        self._offset += len(data)
        return piece

    def _count(self, found: parser.Lines) -> None:
        for code, count in enumerate(np.bincount(found.levels[found.own_levels], minlength=1).tolist()):
            if code and count:
                self._levels[code] += count
        times = found.at[found.own_times]
        if len(times):
            low, high = int(times.min()), int(times.max())
            self._first = low if self._first == parser.NO_TIME else min(self._first, low)
            self._last = max(self._last, high)

    def facts(self) -> LineFacts:
        """What was found, when all has been taken."""
        lines = self._state.line_no - 1 + (1 if self._part else 0)
        levels = {LEVELS[code]: self._levels[code] for code in sorted(self._levels)}
        return LineFacts(self._offset, lines, moment(self._first), moment(self._last), levels)


def moment(microseconds: int) -> datetime | None:
    """A time as Python knows it; None for NO_TIME."""
    return None if microseconds == parser.NO_TIME else _ZERO + timedelta(microseconds=microseconds)


def _rest_of_line(data: bytes, state: parser.State) -> parser.Lines:
    one = np.zeros(1, np.int64)
    end = len(data) - 1 if data.endswith(b"\n") else len(data)
    no = np.zeros(1, bool)
    return parser.Lines(
        one, one + end, one + state.at, np.full(1, state.level, np.uint8), one + state.group, no, no, None
    )


def _whole_characters(buffer: bytes, end: int) -> int:
    """``end``, or a few bytes less: not inside a character."""
    for back in range(4):
        if buffer[end - back] & 0xC0 != 0x80:
            return end - back
    return end
