"""Levels and times of lines in C against their definition, the expressions of ``logs/lines_stamp.py``."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubectl_argo_archive.logs import lines_rule, lines_stamp
from kubectl_argo_archive.native import levels

WORDS = sorted({word for word in lines_stamp._CODES if word.isalnum()})
PIECES = st.one_of(
    st.sampled_from(
        ["", " ", "\t", "\v", "_", "x", "9", ":", "=", "[", "]", "(", ")", '"', "'", "E0302 15:", "W12", "é"]
    ),
    st.sampled_from(
        ['"level":', '"lvl" : ', '"severity":"', '"log.level":"', '"levelname":', "level=", "lvl='", "severity="]
    ),
    st.sampled_from([case(word) for word in WORDS for case in (str.upper, str.lower, str.title)]),
    st.sampled_from(["message", "a" * 240, "2026-03-01T02:00:00Z ", "[warn]", "(crit)", "Error:", "fatal:"]),
)
LINES = st.lists(PIECES, max_size=8).map("".join).map(str.encode)


def found(lines: list[bytes]) -> list[int]:
    data = np.frombuffer(b"\n".join(lines) + b"\n", np.uint8)
    ends = np.cumsum([len(line) + 1 for line in lines]) - 1
    codes = np.zeros(len(lines), np.uint8)
    levels.fill(data, ends - [len(line) for line in lines], ends, codes)
    return codes.tolist()


@settings(max_examples=1500, deadline=None, derandomize=True, database=None)
@given(lines=st.lists(LINES, min_size=1, max_size=6))
def test_both_find_the_same_levels(lines: list[bytes]) -> None:
    assert found(lines) == [lines_stamp.level(line) for line in lines]


@pytest.mark.parametrize("form", ['{{"level":"{}"}}', "level={} x", "lvl='{}'"])
def test_every_word_has_its_code(form: str) -> None:
    words = [*WORDS, "UNKNOWN", "INFORMATIONALLY", "35"]
    lines = [form.format(word).encode() for word in words]
    assert found(lines) == [lines_stamp.level(line) for line in lines]
    assert {line for line, code in zip(lines, found(lines), strict=True) if code} >= {form.format("EMERG").encode()}


@pytest.mark.parametrize("size", range(240, 262))
def test_a_level_beyond_what_is_looked_at(size: int) -> None:
    for word in ("ERROR", "ERRORS", '"level":"warn"', "level=warn", "[warn]"):
        line = b" " * size + word.encode() + b" "
        assert found([line]) == [lines_stamp.level(line)], (size, word)


def test_levels_that_are_known_stay() -> None:
    data = np.frombuffer(b"ERROR\nERROR\n", np.uint8)
    codes = np.array([2, 0], np.uint8)
    levels.fill(data, np.array([0, 6]), np.array([5, 11]), codes)
    assert codes.tolist() == [2, 5]


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (3, 2), (0, 7)])
def test_lines_outside_the_data_are_refused(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="do not lie"):
        levels.fill(np.zeros(6, np.uint8), np.array([start]), np.array([end]), np.zeros(1, np.uint8))


AROUND = datetime(2026, 3, 1, tzinfo=UTC)
FORMS = [
    "{Y:04}-{M:02}-{D:02}T{h:02}:{m:02}:{s:02}.{f:09}Z more", "{Y:04}/{M:02}/{D:02} {h:02}:{m:02}:{s:02} more",
    "{y:02}/{M:02}/{D:02} {h:02}:{m:02}:{s:02} INFO x", "I{M:02}{D:02} {h:02}:{m:02}:{s:02}.{f:09} x.go:1",
    "{b} {D:2} {h:02}:{m:02}:{s:02} host x", '{{"a":1,"ts":"{Y:04}-{M:02}-{D:02}T{h:02}:{m:02}:{s:02}+01:30","b":2}}',
]  # fmt: skip
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Foo")
moments = st.fixed_dictionaries(
    {"Y": st.integers(0, 9999), "y": st.integers(0, 99), "M": st.integers(0, 13), "D": st.integers(0, 32),
     "h": st.integers(0, 24), "m": st.integers(0, 60), "s": st.integers(0, 60), "f": st.integers(0, 10**9 - 1),
     "b": st.sampled_from(MONTHS)}
)  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(found=st.lists(moments, min_size=1, max_size=8))
def test_both_read_the_same_times(form: str, found: list[dict[str, int | str]]) -> None:
    usual = {"Y": 2026, "y": 26, "M": 3, "D": 1, "h": 2, "m": 0, "s": 5, "f": 123456789, "b": "Mar"}
    lines = [form.format(**moment).encode() for moment in [usual, *found]]
    learnt = lines_stamp.stamp(lines[0], AROUND)
    assert learnt is not None
    rule = lines_rule.learn(lines[0], learnt, AROUND)
    data = np.frombuffer(b"\n".join(lines), np.uint8)
    ends = np.cumsum([len(line) + 1 for line in lines]) - 1
    taken, at = lines_rule.apply(rule, data, ends - [len(line) for line in lines], ends)
    assert taken[0]
    for line, is_taken, moment in zip(lines, taken.tolist(), at.tolist(), strict=True):
        expected = lines_stamp.stamp(line, AROUND)
        if is_taken:  # what the rule does not take, the expressions read
            assert expected is not None, line
            assert moment == expected.at, line
        elif len(line) == len(lines[0]) and line[: learnt.start] == lines[0][: learnt.start]:
            assert expected is None, line


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (3, 2), (0, 7)])
def test_stamps_outside_the_data_are_refused(start: int, end: int) -> None:
    line = b"2026-03-01T02:00:05Z more"
    learnt = lines_stamp.stamp(line, AROUND)
    assert learnt is not None
    with pytest.raises(ValueError, match="do not lie"):
        lines_rule.apply(
            lines_rule.learn(line, learnt, AROUND), np.zeros(6, np.uint8), np.array([start]), np.array([end])
        )
