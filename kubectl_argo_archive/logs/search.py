"""Search over the text of all indexed logs: ask the index, read what may match, and let the matcher decide.

``Searcher(lake).search(query)`` gives hits as they are found, in the order of the lake: by month, namespace, template
and time of the workflow's end.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import numpy as np

from kubectl_argo_archive.errors import ConfigError
from kubectl_argo_archive.lake.delta import reading
from kubectl_argo_archive.lake.lake import Lake
from kubectl_argo_archive.lake.snapshot import Snapshot
from kubectl_argo_archive.logs import search_parse, search_tree
from kubectl_argo_archive.logs.search_files import Reads
from kubectl_argo_archive.logs.search_filter import Filter, texts_of
from kubectl_argo_archive.logs.search_hits import Hit, LineFilter, Scan, Tally, scan_block
from kubectl_argo_archive.logs.search_index import Segment, open_segments
from kubectl_argo_archive.logs.search_logs import Log, Logs
from kubectl_argo_archive.logs.search_match import Matcher
from kubectl_argo_archive.logs.search_needs import Need, needs
from kubectl_argo_archive.native.search import Ints
from kubectl_argo_archive.tables.log_schema import LOG_BLOCKS, LOG_GRAMS

_WORKERS_LOCAL = os.cpu_count() or 2
_WORKERS_REMOTE = 16
_RUN = 8
"""Blocks that a thread counts in one go: handing over one costs a tenth of unpacking it."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for.

    Attributes:
        pattern: a text, or a regular expression.
        regex: it is a regular expression.
        ignore_case: ``-i``.
        word: ``-w``: only where no word character stands before or behind it.
        invert: ``-v``: lines that do not match.
        context: lines shown before and after each hit.
        filter: which logs.
        levels: only lines of these levels; empty for all.
        since: only lines at or after it.
        until: only lines before it.
    """

    pattern: str
    regex: bool = False
    ignore_case: bool = False
    word: bool = False
    invert: bool = False
    context: int = 0
    filter: Filter = field(default_factory=Filter)
    levels: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    @property
    def lines(self) -> LineFilter:
        """What is asked of a line beside the pattern."""
        return LineFilter(self.levels, self.since, self.until)


@dataclass(slots=True)
class Explain:
    """How a search was done.

    Attributes:
        need: what each matching line must hold, as asked of the index; None: the index cannot help.
        why_scan: why everything had to be read, if so.
        segments: searched.
        blocks: in these.
        after_filter: left after the filters on workflows, nodes and times.
        after_index: left after the index.
        blocks_read: read and looked through.
        false_blocks: read, and nothing matched.
        lines: that matched.
        row_groups: read, of text and index.
    """

    need: str | None = None
    why_scan: str | None = None
    segments: int = 0
    blocks: int = 0
    after_filter: int = 0
    after_index: int = 0
    blocks_read: int = 0
    false_blocks: int = 0
    lines: int = 0
    row_groups: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """A query, understood."""

    query: Query
    matcher: Matcher
    need: Need | None


def plan(query: Query) -> Plan:
    """Understand a query.

    Raises:
        ConfigError: the regular expression is wrong, or ``-v`` stands without a filter.
    """
    if "\n" in query.pattern:
        raise ConfigError("the pattern holds a newline, and lines are searched one by one", "search for one line of it")
    if query.invert and not (query.filter.given or query.lines.given):
        raise ConfigError(
            "-v without a filter would list nearly every line of the lake", "add -n, --workflow, --template, --since, …"
        )
    if query.regex:
        tree = search_parse.parse(query.pattern, ignore_case=query.ignore_case)
    else:
        tree = search_tree.literal(query.pattern, ignore_case=query.ignore_case)
    literal = None if query.regex or query.word else query.pattern.encode("utf-8", "surrogateescape")
    need = None if query.invert else needs(tree)
    if query.word:
        tree = search_tree.whole_word(tree)
    return Plan(query, Matcher(tree, literal, query.ignore_case, query.invert), need)


class Searcher:
    """Searches one lake as it was published last; keeps what it learnt for the next search.

    Args:
        lake: with indexed logs.
        snapshot: another publish than the newest.
    """

    def __init__(self, lake: Lake, snapshot: Snapshot | None = None) -> None:
        self._lake = lake
        self._snapshot = snapshot
        self._reads = Reads()

    @cached_property
    def snapshot(self) -> Snapshot:
        """The publish that is searched."""
        return self._snapshot or self._lake.snapshot()

    @cached_property
    def segments(self) -> list[Segment]:
        """All segments, in the order of the lake."""
        tables = [self.snapshot.table(spec.name) for spec in (LOG_BLOCKS, LOG_GRAMS)]
        with reading(self._lake.storage):
            return open_segments(self._lake.storage, tables[0].files, tables[1].files, self._reads)

    @cached_property
    def logs(self) -> Logs:
        """Whose texts they are."""
        return Logs(self.snapshot, self._lake.storage)

    @cached_property
    def _dead(self) -> Ints:
        from kubectl_argo_archive.logs.known import dead_texts

        found: Ints = dead_texts(self.snapshot, self._lake.storage).to_numpy()
        return found

    def search(self, query: Query, explain: Explain | None = None) -> Iterator[Hit]:
        """The hits, as they are found.

        Args:
            query: what is searched for.
            explain: is filled in on the way.

        Raises:
            ConfigError: see :func:`plan`.
            LakeError, StorageError, StorageUnreachable: the lake cannot be read.
        """
        found = plan(query)
        filters = query.lines
        for scan in self._scans(found, explain or Explain(), hits=True):
            for hit in scan.hits:
                for log in self.logs.of(hit.log_id):
                    if filters.takes(hit, log):
                        yield hit.of(log)

    def count(self, query: Query, explain: Explain | None = None) -> Iterator[tuple[Log, int]]:
        """The number of matching lines in each log that has any, in the order of the lake."""
        if query.lines.given:  # each line has to be looked at
            yield from self._counted(query, explain)
            return
        log_id, lines = -1, 0
        for scan in self._scans(plan(query), explain or Explain(), hits=False):
            for number, more in scan.counts:
                if number != log_id:
                    yield from ((log, lines) for log in (self.logs.of(log_id) if lines else ()))
                    log_id, lines = number, 0
                lines += more
        yield from ((log, lines) for log in (self.logs.of(log_id) if lines else ()))

    def _counted(self, query: Query, explain: Explain | None) -> Iterator[tuple[Log, int]]:
        last, lines = None, 0
        for hit in self.search(query, explain):
            if hit.log is not last:
                if last is not None:
                    yield last, lines
                last, lines = hit.log, 0
            lines += 1
        if last is not None:
            yield last, lines

    def _scans(self, found: Plan, explain: Explain, *, hits: bool) -> Iterator[Scan]:
        """Look through all blocks that may match, some at once, in order."""
        with reading(self._lake.storage):
            wanted = texts_of(found.query.filter, found.query.lines, self.snapshot, self._lake.storage)
            explain.need = str(found.need) if found.need else None
            if found.need is None:
                explain.why_scan = "-v" if found.query.invert else "the pattern holds no text of 3 bytes or more"
            tally = Tally(found.matcher, found.query.context, hits, wanted, self._dead)
            workers = _WORKERS_LOCAL if self._lake.storage.location.is_local else _WORKERS_REMOTE
            pool = ThreadPoolExecutor(workers, "log-search")
            try:
                yield from self._in_order(pool, found, tally, explain, 3 * workers)
            finally:
                pool.shutdown(cancel_futures=True)
                explain.row_groups = self._reads.row_groups

    def _in_order(
        self, pool: ThreadPoolExecutor, found: Plan, tally: Tally, explain: Explain, ahead: int
    ) -> Iterator[Scan]:
        waiting: deque[Future[list[Scan]]] = deque()
        # who waits for the first hit, or for a bucket, gets each block as soon as it can be had
        size = 1 if tally.hits or not self._lake.storage.location.is_local else _RUN
        segments = self.segments
        chosen = deque(pool.submit(_choose, segment, found.need, tally.wanted) for segment in segments)
        for segment in segments:
            flags, after_filter = chosen.popleft().result()
            numbers = np.flatnonzero(flags).tolist()
            explain.segments += 1
            explain.blocks += segment.count
            explain.after_filter += after_filter
            explain.after_index += len(numbers)
            for start in range(0, len(numbers), size):
                waiting.append(pool.submit(_scan_all, segment, numbers[start : start + size], tally))
                if len(waiting) >= ahead:
                    yield from _counted(waiting.popleft().result(), explain)
        while waiting:
            yield from _counted(waiting.popleft().result(), explain)


def _choose(
    segment: Segment, need: Need | None, wanted: Ints | None
) -> tuple[np.ndarray[tuple[int], np.dtype[np.bool_]], int]:
    """Blocks of a segment that have to be read, and how many the filters left."""
    filtered = np.ones(segment.count, bool) if wanted is None else segment.of_texts(wanted)
    left = int(filtered.sum())
    return (filtered & segment.candidates(need) if left else filtered), left


def _scan_all(segment: Segment, numbers: Sequence[int], tally: Tally) -> list[Scan]:
    return [scan_block(segment, number, tally) for number in numbers]


def _counted(scans: Iterable[Scan], explain: Explain) -> Iterator[Scan]:
    for scan in scans:
        explain.blocks_read += 1
        explain.false_blocks += not scan.lines
        explain.lines += scan.lines
        yield scan
