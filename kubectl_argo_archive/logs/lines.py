"""Bytes of a log → its lines: where each begins, its time, its level, and which lines are one entry.

:mod:`.lines_stamp` says what the time and the level of one line are. Here the same is found for a block of lines at
once: C looks for more stamps where the first one stood, and for the levels, and only lines whose stamp is of
another form are looked at one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kubectl_argo_archive.logs import lines_rule, lines_stamp
from kubectl_argo_archive.native import levels as native_levels
from kubectl_argo_archive.native.search import find_lines

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint8]

NO_TIME = np.iinfo(np.int64).min
"""Stands for "no time" among microseconds since 1970."""
_ROUNDS = 10
# Python's tracebacks, Java's and Go's stacks: lines that go on with what the line before began
_GOES_ON = (
    r"^(?:[\t ]|[})\]]+[;,]?\s*$|Traceback \(most recent call last\):|Caused by: |During handling of the above"
    r"|The above exception was)"
)
_ENDS_TRACE = r"^[A-Za-z_][\w.]*(?:Error|Exception|Warning|Interrupt|Exit|Failure|Timeout)\b"


@dataclass(frozen=True, slots=True)
class State:
    """What the lines before a block leave to it.

    Attributes:
        line_no: number of the next line, from 1.
        at: time of the entry that the last line belongs to, or NO_TIME.
        level: its level code.
        group: number of its first line; 0 before the first line.
        goes_on: whether the last line was not the first of its entry.
    """

    line_no: int = 1
    at: int = NO_TIME
    level: int = 0
    group: int = 0
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of one block.

    Attributes:
        starts: byte offset of each line in the block.
        ends: of its end, newline excluded.
        at: microseconds since 1970, or NO_TIME; lines that go on with an entry have its time.
        levels: codes of :data:`.lines_stamp.LEVELS`; likewise.
        groups: number of the first line of the entry.
        own_times: whether the line itself holds the time.
        own_levels: whether the line itself holds the level.
        rule: where all stamps of the block stand, if they stand at one place in one form.
    """

    starts: Ints
    ends: Ints
    at: Ints
    levels: Codes
    groups: Ints
    own_times: npt.NDArray[np.bool_]
    own_levels: npt.NDArray[np.bool_]
    rule: lines_rule.Rule | None


def parse(block: bytes, state: State, around: datetime) -> tuple[Lines, State]:
    """The lines of ``block``, and what they leave to the next block.

    Args:
        block: whole lines; the last newline may be missing. Not empty, less than 2 GiB.
        state: left by the block before; ``State()`` for the first one.
        around: see :func:`.lines_stamp.stamp`.
    """
    data = np.frombuffer(block, np.uint8)
    starts, ends = find_lines(data, np.array([0, len(block)]))
    texts = _texts(block, starts)
    at, rule = _times(block, data, starts, ends, texts, around)
    levels = np.zeros(len(starts), np.uint8)
    native_levels.fill(data, starts, ends, levels)
    own_times, own_levels = at != NO_TIME, levels > 0
    goes_on = _goes_on(texts, data, starts, own_times, state)
    groups, at, levels = _entries(goes_on, at, levels, state)
    last = State(
        line_no=state.line_no + len(starts), at=int(at[-1]), level=int(levels[-1]), group=int(groups[-1]),
        goes_on=bool(goes_on[-1]),
    )  # fmt: skip
    return Lines(starts, ends, at, levels, groups, own_times, own_levels, rule), last


def _texts(block: bytes, starts: Ints) -> pa.Array:
    """The lines with their newlines, as Arrow sees them, without a copy."""
    offsets = np.append(starts, len(block)).astype(np.int32)
    return pa.Array.from_buffers(pa.binary(), len(starts), [None, pa.py_buffer(offsets), pa.py_buffer(block)])


def _times(
    block: bytes, data: Codes, starts: Ints, ends: Ints, texts: pa.Array, around: datetime
) -> tuple[Ints, lines_rule.Rule | None]:
    """Times, and the one place where they stand, if there is one."""
    at = np.full(len(starts), NO_TIME, np.int64)
    rules: list[lines_rule.Rule] = []
    open_ = np.arange(len(starts))
    filtered = False
    while len(open_):
        line = block[starts[open_[0]] : ends[open_[0]]]
        found = lines_stamp.stamp(line, around)
        if found is None:
            open_ = open_[1:]
            if not filtered:
                open_, filtered = _candidates(texts, open_), True
            continue
        at[open_[0]] = found.at
        open_ = open_[1:]
        if len(rules) <= _ROUNDS:  # beyond, the lines are too different
            rules.append(lines_rule.learn(line, found, around))
            if found.match.re is lines_stamp.ACCESS:
                hit, times = lines_rule.apply_in_brackets(rules[-1], data, starts[open_], ends[open_])
                hit[hit] = ~np.asarray(pc.match_substring_regex(texts.take(pa.array(open_[hit])), lines_stamp.FIELD))
            else:
                hit, times = lines_rule.apply(rules[-1], data, starts[open_], ends[open_])
            taken = open_[hit]
            at[taken] = times[hit]
            open_ = open_[~hit]
    alike = all(rule.place == rules[0].place and rule.prefix.isascii() for rule in rules)
    return at, rules[0] if 0 < len(rules) <= _ROUNDS and alike else None


def _candidates(texts: pa.Array, lines: Ints) -> Ints:
    """Those of ``lines`` that may hold a stamp."""
    if not len(lines):
        return lines
    picked = texts.take(pa.array(lines))
    found: Ints = lines[np.asarray(pc.match_substring_regex(picked, lines_stamp.MAY_HAVE_STAMP))]
    return found


def _goes_on(
    texts: pa.Array, data: Codes, starts: Ints, own_times: npt.NDArray[np.bool_], state: State
) -> npt.NDArray[np.bool_]:
    """Which lines go on with the entry of the line before."""
    goes_on = np.zeros(len(starts), bool)
    bare = np.flatnonzero(~own_times)
    if not len(bare):
        return goes_on
    picked = texts.take(pa.array(bare))
    goes_on[bare] = np.asarray(pc.match_substring_regex(picked, _GOES_ON))
    # the first traceback of a text without times begins an entry of its own
    stamped = np.logical_or.accumulate(own_times) | (state.at != NO_TIME)
    heads = np.asarray(pc.match_substring_regex(picked, r"^Traceback \("))
    goes_on[bare[heads]] &= stamped[bare[heads]]
    # the exception under Python's indented lines
    ends = bare[np.asarray(pc.match_substring_regex(picked, _ENDS_TRACE))]
    before = np.where(ends > 0, goes_on[ends - 1], state.goes_on)
    goes_on[ends[before]] = True
    if state.group == 0:
        goes_on[0] = False
    return goes_on


def _entries(goes_on: npt.NDArray[np.bool_], at: Ints, levels: Codes, state: State) -> tuple[Ints, Ints, Codes]:
    """Group numbers, and the entry's time and level on the lines that go on with it."""
    numbers = np.arange(state.line_no, state.line_no + len(at))
    if not goes_on.any():
        return numbers, at, levels
    # index of the first line of each line's entry; -1: it began before this block
    first = np.maximum.accumulate(np.where(goes_on, -1, np.arange(len(at))))
    before = first < 0
    groups = np.where(before, state.group, numbers[first])
    own = ~goes_on | (at != NO_TIME)
    at = np.where(own, at, np.where(before, state.at, at[first]))
    own = ~goes_on | (levels > 0)
    levels = np.where(own, levels, np.where(before, state.level, levels[first])).astype(np.uint8)
    return groups, at, levels


def skip_to(state: State, line_no: int) -> State:
    """The state with another next line: for pieces of one long line."""
    return replace(state, line_no=line_no)
