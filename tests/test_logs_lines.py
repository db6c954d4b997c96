"""Bytes of a log → lines: numbers, offsets, times, levels, entries; the fast path against the definition."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from kubectl_argo_archive.demo.logs import KINDS, text
from kubectl_argo_archive.logs import lines, lines_stamp

AROUND = datetime(2026, 3, 2, 12, tzinfo=UTC)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type]


def time_of(line: bytes, around: datetime = AROUND) -> datetime | None:
    found = lines_stamp.stamp(line, around)
    return None if found is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=found.at)


@pytest.mark.parametrize(
    ("line", "at", "level"),
    [
        (b"2026-03-01T02:00:06.123Z INFO started", utc(2026, 3, 1, 2, 0, 6, 123000), "INFO"),
        (b"2026-03-01T02:00:06.123456789+02:00 [WARN] x", utc(2026, 3, 1, 0, 0, 6, 123456), "WARN"),
        (b"2026-03-01 02:00:06,5 - app - ERROR - no", utc(2026, 3, 1, 2, 0, 6, 500000), "ERROR"),
        (b"[2026-03-01T02:00:06Z] DEBUG: x", utc(2026, 3, 1, 2, 0, 6), "DEBUG"),
        (b"2026/03/01 02:00:06 [error] 7#7: *1 open() failed", utc(2026, 3, 1, 2, 0, 6), "ERROR"),
        (b"I0301 02:00:06.000123       1 main.go:7] up", utc(2026, 3, 1, 2, 0, 6, 123), "INFO"),
        (b"E0301 02:00:06.000123       1 main.go:7] down", utc(2026, 3, 1, 2, 0, 6, 123), "ERROR"),
        (b"<34>Mar  1 02:00:06 host su[7]: failed", utc(2026, 3, 1, 2, 0, 6), ""),
        (b"Dec 31 23:59:59 host cron[1]: x", utc(2025, 12, 31, 23, 59, 59), ""),
        (b"<165>1 2026-03-01T02:00:06.003Z host app - - x", utc(2026, 3, 1, 2, 0, 6, 3000), ""),
        (b'{"ts":"2026-03-01T02:00:06.1Z","level":"warning","msg":"x"}', utc(2026, 3, 1, 2, 0, 6, 100000), "WARN"),
        (b'{"level":50,"time":1772330406123,"msg":"x"}', utc(2026, 3, 1, 2, 0, 6, 123000), "ERROR"),
        (b'{"ts":1772330406.5,"severity":"CRITICAL"}', utc(2026, 3, 1, 2, 0, 6, 500000), "FATAL"),
        (b'time="2026-03-01T02:00:06Z" level=fatal msg="x"', utc(2026, 3, 1, 2, 0, 6), "FATAL"),
        (b"ts=1772330406 lvl=dbug msg=x", utc(2026, 3, 1, 2, 0, 6), ""),
        (b"26/03/01 02:00:06 INFO SparkContext: x", utc(2026, 3, 1, 2, 0, 6), "INFO"),
        (b'10.0.0.1 - - [01/Mar/2026:03:00:06 +0100] "GET / HTTP/1.1" 200 7', utc(2026, 3, 1, 2, 0, 6), ""),
        (b"2026-02-30T00:00:00Z no such day", None, ""),
        (b"2026-03-01T25:00:00Z no such hour", None, ""),
        (b"loaded partition 2026-03-01 02:00:06 of x", None, ""),
        (b"plain text, INFORMATION is no level", None, ""),
        (b"", None, ""),
    ],
)
def test_formats(line: bytes, at: datetime | None, level: str) -> None:
    assert time_of(line) == at
    assert lines_stamp.LEVELS[lines_stamp.level(line)] == level


def test_a_stamp_without_a_year_gets_the_nearest() -> None:
    assert time_of(b"Dec 31 23:59:59 h x: y", utc(2026, 1, 1)) == utc(2025, 12, 31, 23, 59, 59)
    assert time_of(b"Jan  1 00:00:01 h x: y", utc(2025, 12, 31)) == utc(2026, 1, 1, 0, 0, 1)
    assert time_of(b"I0229 00:00:01.000000 1 x.go:1] y", utc(2024, 3, 1)) == utc(2024, 2, 29, 0, 0, 1)


def _mixture(seed: int) -> bytes:
    """Lines of all kinds, shuffled, with endings and bytes that nobody expects."""
    rng = random.Random(seed)
    pool = [
        line
        for kind in KINDS
        for line in b"".join(text(f"{seed}", kind, 8000, AROUND, AROUND + timedelta(hours=1), "1")).split(b"\n")
    ]
    pool += [
        b"",
        b"\r",
        b"x\0y",
        b"\xff\xfe broken \xc3",
        b"   indented",
        b"2026-03-01T02:00:06Z",
        b"}",
        b"2026-13-01 00:00:00",
        b"2026-03-01 02:00:06 +0100 zone",
        b"2026-03-01 02:00:06 UTC",
        b"INFO: 2026-03-01 02:00:06 x",
        b"ts=17 x",
    ]
    rng.shuffle(pool)
    return b"\n".join(pool)


@pytest.mark.parametrize("seed", range(6))
def test_the_fast_path_equals_the_definition(seed: int) -> None:
    if seed % 2:
        data = _mixture(seed)
    else:
        kind = KINDS[seed % len(KINDS)]
        data = b"".join(text(str(seed), kind, 60_000, AROUND, AROUND + timedelta(hours=2)))
    found, after = lines.parse(data, lines.State(), AROUND)
    expected = data.split(b"\n")
    if data.endswith(b"\n"):
        expected.pop()
    assert [data[s:e] for s, e in zip(found.starts, found.ends, strict=True)] == expected
    assert after.line_no == len(expected) + 1
    for index, line in enumerate(expected):
        stamp, level = lines_stamp.stamp(line, AROUND), lines_stamp.level(line)
        assert found.own_times[index] == (stamp is not None), line
        assert stamp is None or found.at[index] == stamp.at, line
        assert found.own_levels[index] == (level > 0), line
        assert level == 0 or found.levels[index] == level, line


@pytest.mark.parametrize("cut", [1, 7, 40, 100])
def test_blocks_make_no_difference(cut: int) -> None:
    data = b"".join(text("x", "python", 20_000, AROUND, AROUND + timedelta(hours=2), "1")) + b"  tail\n"
    whole, _ = lines.parse(data, lines.State(), AROUND)
    parts, state, rest = [], lines.State(), data.splitlines(keepends=True)
    for start in range(0, len(rest), cut):
        found, state = lines.parse(b"".join(rest[start : start + cut]), state, AROUND)
        parts.append(found)
    for name in ("at", "levels", "groups"):
        assert np.array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(whole, name)), name


def test_a_stack_trace_is_one_entry() -> None:
    data = (
        b"2026-03-01 02:00:00,000 ERROR failed\n"
        b"Traceback (most recent call last):\n"
        b'  File "a.py", line 1, in <module>\n'
        b"ValueError: no\n"
        b"2026-03-01 02:00:01,000 INFO next\n"
        b"plain\n"
        b"java.io.IOException: x\n"
        b"\tat a.B.c(D.java:1)\n"
        b"Caused by: y\n"
        b"\t... 3 more\n"
    )
    found, _ = lines.parse(data, lines.State(), AROUND)
    assert found.groups.tolist() == [1, 1, 1, 1, 5, 6, 7, 7, 7, 7]
    assert [lines_stamp.LEVELS[code] for code in found.levels.tolist()] == ["ERROR"] * 4 + ["INFO"] + [""] * 5
    assert len({*found.at[:4].tolist()}) == 1
    assert found.at[5] == lines.NO_TIME


def test_a_traceback_without_times_begins_an_entry() -> None:
    data = b"start\nTraceback (most recent call last):\n  File x\nKeyError: 1\nend\n"
    found, _ = lines.parse(data, lines.State(), AROUND)
    assert found.groups.tolist() == [1, 2, 2, 2, 5]
