"""From a block to hits: its matching lines, with number, offset, time, level and neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from kubectl_argo_archive.logs import lines_stamp
from kubectl_argo_archive.logs.search_index import Block, Flags, Segment, read_block
from kubectl_argo_archive.logs.search_logs import Log
from kubectl_argo_archive.logs.search_match import Found, Matcher
from kubectl_argo_archive.logs.segment_text import moment
from kubectl_argo_archive.native.search import Ints

_FEW = 4
MESSAGE_BYTES = 1 << 20
"""More of one line is not shown."""
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Line:
    """A neighbour of a hit."""

    line_no: int
    message: str


@dataclass(frozen=True, slots=True)
class Hit:
    """One matching line.

    Attributes:
        log_id: the text.
        line_no: from 1.
        byte_offset: where the line begins in the (decompressed) object.
        at: its time, or its entry's; None if there is none.
        level: likewise.
        message: the line; bytes that are no UTF-8 became U+FFFD.
        cut: bytes of the line that ``message`` leaves out.
        before: lines before it.
        after: lines behind it.
        log: whose log it is.
    """

    log_id: int
    line_no: int
    byte_offset: int
    at: datetime | None
    level: str | None
    message: str
    cut: int = 0
    before: tuple[Line, ...] = ()
    after: tuple[Line, ...] = ()
    log: Log | None = None

    def of(self, log: Log) -> Hit:
        """The same hit, with its log."""
        return Hit(
            self.log_id, self.line_no, self.byte_offset, self.at, self.level, self.message, self.cut, self.before,
            self.after, log,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class LineFilter:
    """What is asked of a line beside the pattern: a level, a time."""

    levels: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    @property
    def given(self) -> bool:
        """Whether anything is asked."""
        return bool(self.levels or self.since or self.until)

    def takes(self, hit: Hit, log: Log) -> bool:
        """Whether a hit passes; a line without a time counts as written when its node ended."""
        if self.levels and hit.level not in self.levels:
            return False
        if self.since is None and self.until is None:
            return True
        at = hit.at or log.finished_at
        if at is None:
            return False
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class Tally:
    """What is done with each block.

    Attributes:
        matcher: finds the lines.
        context: neighbours of each hit.
        hits: whether hits are wanted, or only their number.
        wanted: ids of the texts that are searched, sorted; None for all.
        dead: ids of texts that no longer count, sorted.
    """

    matcher: Matcher
    context: int
    hits: bool
    wanted: Ints | None
    dead: Ints


@dataclass(slots=True)
class Scan:
    """What one block gave.

    Attributes:
        lines: that matched.
        counts: the same per text.
        hits: if they were wanted.
    """

    lines: int = 0
    counts: list[tuple[int, int]] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)


def scan_block(segment: Segment, number: int, tally: Tally) -> Scan:
    """Look through one block."""
    block = read_block(segment, number)
    if len(block.part) and block.part[0]:
        return _scan_long_line(block, tally)
    if not tally.hits:
        return _scan(block, tally, tally.matcher.count(block.array, block.bounds))[0]
    found = tally.matcher.find(block.array, block.bounds)
    counts = np.diff(np.searchsorted(found.starts, block.bounds))
    scan, taken = _scan(block, tally, counts)
    if tally.hits and scan.lines:
        kept = np.repeat(taken, counts)
        rows = np.repeat(np.arange(len(counts)), counts)[kept]
        scan.hits = list(_hits(block, Found(found.starts[kept], found.ends[kept]), rows, tally.context))
    return scan


def _scan(block: Block, tally: Tally, counts: Ints) -> tuple[Scan, Flags]:
    """The matching lines of each row of a block, as far as they are asked for; and which rows these are."""
    taken = counts > 0
    if len(tally.dead):
        taken &= ~np.isin(block.log_id, tally.dead)
    if tally.wanted is not None:
        taken &= np.isin(block.log_id, tally.wanted)
    ids, counts = block.log_id[taken].tolist(), counts[taken].tolist()
    return Scan(sum(counts), list(zip(ids, counts, strict=True))), taken


def _hits(block: Block, found: Found, rows: Ints, context: int) -> Iterator[Hit]:
    places = _places(block, found, rows)
    for start, end, row, place in zip(found.starts.tolist(), found.ends.tolist(), rows.tolist(), places, strict=True):
        line_no = block.places[0][row] + place
        low = int(block.bounds[row])
        level, at = _facts(block, row, place, line_no)
        hit = Hit(
            log_id=int(block.log_id[row]),
            line_no=line_no,
            byte_offset=block.places[1][row] + start - low,
            at=at,
            level=level,
            message=block.array[start : min(end, start + MESSAGE_BYTES)].tobytes().decode("utf-8", "replace"),
            cut=max(0, end - start - MESSAGE_BYTES),
        )
        yield _with_context(hit, block, row, (start, end), context) if context else hit


def _places(block: Block, found: Found, rows: Ints) -> list[int]:
    """Index of each found line in its row."""
    lows = block.bounds[rows]
    if len(rows) <= _FEW:
        pairs = zip(lows.tolist(), found.starts.tolist(), strict=True)
        return [int(np.count_nonzero(block.array[low:start] == 10)) for low, start in pairs]
    places: list[int] = (np.searchsorted(block.newlines, found.starts) - np.searchsorted(block.newlines, lows)).tolist()
    return places


def _facts(block: Block, row: int, place: int, line_no: int) -> tuple[str | None, datetime | None]:
    """Level and time of a line."""
    known = block.lines[row]
    level = lines_stamp.LEVELS[int(known["levels"][place])] or None
    if known["times"] is not None:
        return level, known["times"][place]
    if known["at_start"] is None:
        return level, None
    first = place if known["groups"] is None else place - (line_no - known["groups"][place])
    if first < 0:
        return level, known["entry_at"]
    low = int(block.bounds[row])
    if first:  # the line that holds the time, which is the entry's first
        low = int(block.newlines[int(np.searchsorted(block.newlines, low)) + first - 1]) + 1
    found = lines_stamp.stamp(block.array[low : low + known["at_start"] + known["at_size"] + 1].tobytes(), _ANY_TIME)
    return level, moment(found.at) if found else None


def _with_context(hit: Hit, block: Block, row: int, place: tuple[int, int], count: int) -> Hit:
    before = _neighbours(block, row, place[0], count, -1)
    after = _neighbours(block, row, place[1] + 1, count, 1)
    return replace(
        hit,
        before=tuple(Line(hit.line_no - len(before) + i, text) for i, text in enumerate(before)),
        after=tuple(Line(hit.line_no + 1 + i, text) for i, text in enumerate(after)),
    )


def _neighbours(block: Block, row: int, edge: int, count: int, step: int) -> list[str]:
    """Up to ``count`` lines of the same text before or behind ``edge``; goes on in the next blocks."""
    log_id = int(block.log_id[row])
    low, high = int(block.bounds[row]), int(block.bounds[row + 1])
    data = block.data[low:edge] if step < 0 else block.data[edge:high]
    lines = data.split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    last = row == (0 if step < 0 else len(block.bounds) - 2)
    number = block.number + step
    while last and len(lines) < count and 0 <= number < block.segment.count:
        near = read_block(block.segment, number)
        index = len(near.bounds) - 2 if step < 0 else 0
        if int(near.log_id[index]) != log_id or near.part[index]:
            break
        more = near.data[int(near.bounds[index]) : int(near.bounds[index + 1])].split(b"\n")
        if more and not more[-1]:
            more.pop()
        lines = more + lines if step < 0 else lines + more
        last = len(near.bounds) == 2
        number += step
    picked = lines[-count:] if step < 0 else lines[:count]
    return [line[:MESSAGE_BYTES].decode("utf-8", "replace") for line in picked]


def _scan_long_line(block: Block, tally: Tally) -> Scan:
    """A line in pieces: looked at once, when its first piece comes."""
    log_id = int(block.log_id[0])
    wanted = tally.wanted is None or bool(np.isin(log_id, tally.wanted))
    if block.part[0] != 1 or not wanted or bool(np.isin(log_id, tally.dead)):
        return Scan()
    if not _long_line_matches(block, tally.matcher):
        return Scan()
    scan = Scan(1, [(log_id, 1)])
    if tally.hits:
        level, at = _facts(block, 0, 0, block.places[0][0])
        message = block.data.removesuffix(b"\n")[:MESSAGE_BYTES].decode("utf-8", "replace")
        cut = sum(len(piece) for piece in _pieces(block)) - len(block.data)
        scan.hits = [Hit(log_id, block.places[0][0], block.places[1][0], at, level, message, cut)]
    return scan


def _long_line_matches(block: Block, matcher: Matcher) -> bool:
    """Literals are looked for piece by piece; a regular expression needs the line as a whole."""
    if needle := matcher.plain:
        tail = b""
        for piece in _pieces(block):
            if needle in tail + piece:
                return True
            tail = piece[len(piece) - len(needle) + 1 :] if len(needle) > 1 else b""
        return False
    data = bytearray()  # joining the pieces would need all of them and their copy
    for piece in _pieces(block):
        data += piece
    line = np.frombuffer(data, np.uint8)
    return bool(matcher.count(line, np.array([0, len(line)]))[0])


def _pieces(block: Block) -> Iterator[bytes]:
    """The pieces of a long line, without its newline."""
    yield block.data.removesuffix(b"\n")
    part = 1
    for number in range(block.number + 1, block.segment.count):
        near = read_block(block.segment, number)
        part += 1
        if near.log_id[0] != block.log_id[0] or near.part[0] != part:
            return
        yield near.data.removesuffix(b"\n")


def as_dict(hit: Hit) -> dict[str, Any]:
    """A hit as ``-o json`` and ``jsonl`` show it; the names are a contract."""
    log = hit.log
    assert log is not None
    row: dict[str, Any] = {
        "cluster": log.cluster, "uid": log.uid, "workflow": log.workflow, "namespace": log.namespace,
        "node_id": log.node_id, "template": log.template, "container": log.container, "attempt": log.attempt,
        "bucket": log.bucket, "key": log.key, "url": log.url, "line_no": hit.line_no, "byte_offset": hit.byte_offset,
        "at": hit.at.isoformat().replace("+00:00", "Z") if hit.at else None, "level": hit.level,
        "message": hit.message,
    }  # fmt: skip
    if hit.cut:
        row["message_cut_bytes"] = hit.cut
    if hit.before or hit.after:
        row["before"] = [line.message for line in hit.before]
        row["after"] = [line.message for line in hit.after]
    return row
