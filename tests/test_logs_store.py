"""The line store: whatever comes in comes out, in SQL too; the same texts give the same files."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fixtures.search_lakes import ENDED, add_texts, lake_of

from kubectl_argo_archive.demo.logs import KINDS, text
from kubectl_argo_archive.logs.search import Query, Searcher
from kubectl_argo_archive.query.session import open_session

LONG = b"begin\n" + b"ab cd " * 400_000 + b"NEEDLE" + b"xyz " * 200_000 + b"\n2026-03-01T00:00:00Z INFO end\n"
ODD = {
    "crlf": b"one\r\ntwo\r\n\r\n",
    "nul": b"a\0b\nc\n",
    "invalid": b"ok \xff\xfe\n\xc3\n2026-03-01T00:00:00Z ERROR \xed\xa0\x80 x\nplain \xe2\x82\n",
    "open": b"no newline at the end",
    "newlines": b"\n\n\n",
    "umlauts": "größe\nστίγμα\n2026-03-01T00:00:00Z INFO 計画\n".encode() * 300,
    "long": LONG,
    "tail": b"\nlast",
    "binary": bytes(random.Random(1).randrange(256) for _ in range(20_000)),
}
LOGS = {
    f"{kind}-{number}": b"".join(text(f"{number}", kind, size, ENDED - timedelta(hours=2), ENDED, "1"))
    for number, size in enumerate((900, 40_000, 300_000))
    for kind in KINDS
}


@pytest.fixture(scope="module")
def texts() -> dict[str, bytes]:
    return {**ODD, **LOGS}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, texts: dict[str, bytes]) -> Path:
    path = tmp_path_factory.mktemp("store") / "lake"
    add_texts(path, texts)
    return path


def blocks(lake: Path) -> list[dict[str, Any]]:
    files = sorted((lake / "log_blocks").rglob("part-*.parquet"))
    rows = pa.concat_tables([pq.read_table(file, partitioning=None) for file in files]).to_pylist()
    return sorted(rows, key=lambda row: (row["log_id"], row["byte_offset"]))


def test_every_byte_comes_back(store: Path, texts: Mapping[str, bytes]) -> None:
    found = dict.fromkeys(range(1, len(texts) + 1), b"")
    for row in blocks(store):
        assert row["byte_offset"] == len(found[row["log_id"]])
        assert row["first_line"] == found[row["log_id"]].count(b"\n") + 1
        found[row["log_id"]] += row["text"].encode() if row["raw"] is None else row["raw"]
    assert list(found.values()) == list(texts.values())


def test_facts(tmp_path: Path) -> None:
    facts = add_texts(tmp_path / "lake", {
        "a": b"2026-03-01T00:00:01Z INFO x\n2026-03-01T00:00:00Z ERROR y\n  trace\nopen",
        "long": LONG,
        "newlines": b"\n\n\n",
    })  # fmt: skip
    first = facts["a"]
    assert (first.size, first.lines, first.levels) == (69, 4, {"INFO": 1, "ERROR": 1})
    assert (str(first.first_at), str(first.last_at)) == ("2026-03-01 00:00:00+00:00", "2026-03-01 00:00:01+00:00")
    assert (facts["long"].size, facts["long"].lines) == (len(LONG), 3)
    assert (facts["newlines"].lines, facts["newlines"].first_at) == (3, None)


def test_chunks_make_no_difference(tmp_path: Path, texts: dict[str, bytes]) -> None:
    """And with equal runs the files are equal, byte for byte."""
    some = {name: texts[name] for name in ("invalid", "long", "python-2", "open", "json-1", "tail")}
    contents = []
    for chunk in (1 << 20, 1 << 20, 10_007, 4 << 20):
        lake = tmp_path / f"{chunk}-{len(contents)}"
        add_texts(lake, some, chunk=chunk, export_id="same")
        contents.append([file.read_bytes() for name in ("log_blocks", "log_grams")
                         for file in sorted((lake / name).rglob("part-*.parquet"))])  # fmt: skip
    assert contents[0] == contents[1] == contents[3]
    assert contents[0] == contents[2]


def test_sql_sees_the_same_lines(store: Path, texts: Mapping[str, bytes]) -> None:
    """Numbers, places, times, levels and entries of all lines, pieces of long lines aside."""
    lake = lake_of(store)
    sql = 'select log_id, line_no, byte_offset, "at"::varchar, level, group_no, message from log_lines'
    with open_session(lake.snapshot(), s3=lake.storage) as session:
        rows = [row for batch in session.run(sql).rows() for row in batch]
    found = {tuple(row[:3]): row[3:] for row in rows}
    assert len(found) == len(rows)
    hits = {(hit.log_id, hit.line_no, hit.byte_offset): hit for hit in Searcher(lake).search(Query(""))}
    assert len(hits) == sum(len(data.removesuffix(b"\n").split(b"\n")) for data in texts.values())
    for key, hit in hits.items():
        at, level, _, message = found[key]
        assert (datetime.fromisoformat(at) if at else None, level) == (hit.at, hit.level), key
        assert message == hit.message or hit.message.startswith(message[:1000]), key
    names = list(texts)
    for (log_id, _, offset), (_, _, _, message) in found.items():
        data = texts[names[log_id - 1]]
        assert data[offset : offset + 8].decode("utf-8", "replace")[:1] == message[:1] or not message or offset > 4096


def test_stack_traces_share_a_group_in_sql(tmp_path: Path) -> None:
    trace = b"Traceback (most recent call last):\n  f\nValueError: y\n"
    log = b"2026-03-01T00:00:00Z ERROR x\n" + trace + b"2026-03-01T00:00:01Z INFO z\n"
    add_texts(tmp_path / "lake", {"a": log * 100})
    lake = lake_of(tmp_path / "lake")
    sql = "select count(distinct group_no), count(*), count(\"at\"), count(*) filter (level = 'ERROR') from log_lines"
    with open_session(lake.snapshot(), s3=lake.storage) as session:
        assert [tuple(row) for batch in session.run(sql).rows() for row in batch] == [(200, 500, 500, 400)]


def test_segments_end_with_the_month_and_with_their_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubectl_argo_archive.logs.segment.BLOCKS", 2)
    big = LOGS["python-2"] * 18
    add_texts(tmp_path / "lake", {"a": big, "b": LOGS["json-2"], "c": LOGS["klog-2"]})
    add_texts(tmp_path / "lake", {"d": b"one needle\n", "e": b"another\n"}, month="2026-04")
    lake = lake_of(tmp_path / "lake")
    searcher = Searcher(lake)
    assert [segment.count for segment in searcher.segments] == [2, 2, 2, 1]
    assert len({segment.first for segment in searcher.segments}) == 4
    assert [hit.log_id for hit in searcher.search(Query("one needle"))] == [4]
    word = b"checkpoint"
    expected = sum(word in line for data in (big, LOGS["json-2"], LOGS["klog-2"]) for line in data.split(b"\n"))
    assert sum(count for _, count in searcher.count(Query(word.decode()))) == expected


_HUGE = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from fixtures.search_lakes import add_texts, lake_of
from kubectl_argo_archive.logs.search import Query, Searcher
source = Path(sys.argv[1]) / "huge"
with source.open("wb") as file:
    file.write(b"before\\n")
    for number in range(300):
        file.write(b"0123456789abcdef" * (1 << 16))
        if number == 250:
            file.write(b"the needle")
    file.write(b"\\nafter\\n")
lake = Path(sys.argv[1]) / "lake"
print(add_texts(lake, {"huge": source})["huge"].lines)
searcher = Searcher(lake_of(lake))
print(*([hit.line_no for hit in searcher.search(Query(text))] for text in ("the needle", "after")))
print([hit.line_no for hit in searcher.search(Query("cdef.*the need+le0", regex=True))])
status = Path("/proc/self/status").read_text()  # getrusage would tell the peak of the parent
print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)
"""


def test_one_line_of_300_mb(tmp_path: Path) -> None:
    """It is found, whatever lies between the parts of a pattern, and memory stays below 800 MB."""
    here = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", _HUGE, str(tmp_path), here], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines, literal, regex, peak = done.stdout.splitlines()
    assert (lines, literal, regex) == ("3", "[2] [3]", "[2]")
    assert int(peak) < 800
