"""The levels of lines in C against their definition, the regular expression of ``logs/lines_stamp.py``."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubectl_argo_archive.logs import lines_stamp
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
