"""The lines of logs, ready to print: from the lake where it has them, else straight from the artifact store."""

from __future__ import annotations

import heapq
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

from kubectl_argo_archive.errors import ArgoArchiveError, StorageError
from kubectl_argo_archive.logs.decode import Decoding, decoded
from kubectl_argo_archive.logs.fetch import Prefetch, Stream, Wanted
from kubectl_argo_archive.logs.find import PodLog
from kubectl_argo_archive.logs.survey import Stores
from kubectl_argo_archive.logs.workspace import Workspace
from kubectl_argo_archive.storage.objects import ObjectChanged, ObjectGone, ObjectRefused

AT_ONCE_LOGS = 500
"""Logs whose lines one query brings."""
BLOCKS = "log_blocks"
_LONGEST = 16 << 20
EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
_TIME = re.compile(rb"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s?(Z|[+-]\d\d:?\d\d)?")
_LOOKED_AT = 160


@dataclass(frozen=True, slots=True)
class Line:
    """One line: whose it is, its time (that of the line before if it has none), its bytes with their newline."""

    log: PodLog
    at: datetime
    data: bytes


@dataclass(slots=True)
class Trouble:
    """A log that cannot be shown, or not as it was; ``fatal`` if nothing of it is shown."""

    log: PodLog
    message: str
    fatal: bool = True


class Reader:
    """Reads the lines of logs.

    Args:
        space: the lake, with ``log_lines``.
        stores: opens buckets.
        raw: take the objects themselves even where the lake has their text.
        times: the times of lines are asked for; without them lines come as blocks, which is faster.

    Attributes:
        troubles: logs that could not be shown.
    """

    def __init__(self, space: Workspace, stores: Stores, *, raw: bool = False, times: bool = False) -> None:
        self._space = space
        self._times = times
        self._stores = stores
        self._raw = raw
        self.troubles: list[Trouble] = []

    def lines(self, logs: Iterable[PodLog], *, merge: bool = False) -> Iterator[Line]:
        """All lines: log after log, or with ``merge`` in the order of their times."""
        logs = list(logs)
        if merge:
            stored = self._stored([log for log in logs if self._is_stored(log)], merged=True)
            fetched = [self._fetched([log]) for log in logs if not self._is_stored(log)]
            return heapq.merge(stored, *fetched, key=lambda line: line.at)
        return self._in_turn(logs)

    def _in_turn(self, logs: list[PodLog]) -> Iterator[Line]:
        for stored, group in groupby(logs, self._is_stored):
            if not stored:
                yield from self._fetched(list(group))
                continue
            waiting = list(group)
            for start in range(0, len(waiting), AT_ONCE_LOGS):
                some = waiting[start : start + AT_ONCE_LOGS]
                yield from self._stored(some, merged=False) if self._times else self._blocks(some)

    def _is_stored(self, log: PodLog) -> bool:
        return log.text_id is not None and not self._raw

    def _stored(self, logs: list[PodLog], *, merged: bool) -> Iterator[Line]:
        """Lines from the lake with their times; the last one of a log without a newline at its end gets none."""
        if not logs:
            return
        self._tell_masked(logs)
        by_id = {log.text_id: log for log in logs}
        order = "happened_at, place, line_no" if merged else "place, line_no"
        rows = self._space.rows(
            f"""
            WITH wanted AS (SELECT unnest($ids::BIGINT[]) AS log_id, unnest(range(len($ids))) AS place,
                                   unnest($starts::TIMESTAMPTZ[]) AS started),
            found AS (
                SELECT DISTINCT log_id, line_no, message, "at" AS said, byte_offset FROM log_lines
                WHERE log_id IN (SELECT unnest($ids::BIGINT[]))
                    AND coalesce(month, '') IN (SELECT unnest($months::VARCHAR[]))
            )
            SELECT log_id, line_no, byte_offset, encode(message) AS data, coalesce(
                last_value(said IGNORE NULLS) OVER (PARTITION BY log_id ORDER BY line_no), started) AS happened_at
            FROM found JOIN wanted USING (log_id) ORDER BY {order}""",
            {
                "ids": list(by_id),
                "starts": [log.started_at for log in logs],
                "months": sorted({log.month or "" for log in logs}),
            },
        )
        for row in rows:
            log = by_id[row["log_id"]]
            ended = log.text_bytes is not None and row["byte_offset"] + len(row["data"]) >= log.text_bytes
            yield Line(log, row["happened_at"] or EARLIEST, row["data"] + (b"" if ended else b"\n"))

    def _blocks(self, logs: list[PodLog]) -> Iterator[Line]:
        """Lines from the lake, byte for byte."""
        self._tell_masked(logs)
        by_id = {log.text_id: log for log in logs}
        rows = self._space.rows(
            f"""
            SELECT log_id, coalesce(raw, encode(text)) AS data FROM {self._space.scan(BLOCKS, {x.month for x in logs})}
            WHERE log_id IN (SELECT unnest($ids::BIGINT[]))
            ORDER BY list_position($ids::BIGINT[], log_id), byte_offset, part""",
            {"ids": list(by_id)},
        )
        for log_id, pieces in groupby(rows, key=lambda row: row["log_id"]):
            log = by_id[log_id]
            for data in _split(piece["data"] for piece in pieces):
                yield Line(log, log.started_at or EARLIEST, data)

    def _tell_masked(self, logs: list[PodLog]) -> None:
        for log in logs:
            if log.masked:
                said = f"{log.masked} values in it are masked; --raw shows the object itself"
                self.troubles.append(Trouble(log, said, fatal=False))

    def _fetched(self, logs: list[PodLog]) -> Iterator[Line]:
        with Prefetch(self._wanted(logs)) as streams:
            for log, stream in streams:
                yield from self._of_stream(log, stream)

    def _wanted(self, logs: list[PodLog]) -> Iterator[Wanted[PodLog]]:
        for log in logs:
            if log.status in ("no log", "missing", "empty"):
                if log.status != "empty":
                    self.troubles.append(Trouble(log, log.message or _WORDS[log.status]))
                continue
            try:
                if log.place is None:
                    raise StorageError("it is not recorded in which bucket the log lies", "name it with --bucket")
                objects = self._stores.get(log.place)
            except ArgoArchiveError as error:
                self.troubles.append(Trouble(log, error.message))
                continue
            yield Wanted(log, objects, log.key, log.size or 0, None)

    def _of_stream(self, log: PodLog, stream: Stream) -> Iterator[Line]:
        found = Decoding()
        at = log.started_at or EARLIEST
        try:
            for data in _split(decoded(stream, found)):
                at = line_time(data) or at
                yield Line(log, at, data)
        except ObjectGone:
            self.troubles.append(Trouble(log, _WORDS["missing"]))
        except (ObjectChanged, ObjectRefused) as error:
            self.troubles.append(Trouble(log, str(error) or "it changed while it was read"))
        if found.damage:
            self.troubles.append(Trouble(log, found.damage, fatal=False))


_WORDS = {"no log": "no log was archived", "missing": "the object is not there"}


def line_time(line: bytes) -> datetime | None:
    """The time near the beginning of a line, if it is written as a date and a time."""
    match = _TIME.search(line, 0, _LOOKED_AT)
    if match is None:
        return None
    zone = (match[4] or b"Z").replace(b"Z", b"+00:00")
    text = b"%s %s.%s%s" % (match[1], match[2], (match[3] or b"0")[:6].ljust(6, b"0"), zone)
    try:
        return datetime.fromisoformat(text.decode()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def narrowed(
    lines: Iterable[Line], *, since: datetime | None = None, tail: int | None = None, merged: bool = False
) -> Iterator[Line]:
    """Only lines of that time or later, and only the last ones of each log."""
    if since is not None:
        lines = (line for line in lines if line.at >= since)
    if tail is None:
        yield from lines
    elif not merged:
        for _, group in groupby(lines, key=lambda line: id(line.log)):
            yield from deque(group, maxlen=tail)
    else:
        last: dict[int, deque[Line]] = {}
        for line in lines:
            last.setdefault(id(line.log), deque(maxlen=tail)).append(line)
        yield from heapq.merge(*last.values(), key=lambda line: line.at)


def _split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines with their newlines; one beyond all measure comes in parts."""
    held = b""
    for chunk in chunks:
        parts = (held + chunk).split(b"\n")
        held = parts.pop()
        yield from (part + b"\n" for part in parts)
        if len(held) > _LONGEST:
            yield held
            held = b""
    if held:
        yield held
