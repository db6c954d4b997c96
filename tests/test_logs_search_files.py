"""What a search reads: of many segments in a bucket only what may match, without asking what is known."""

from __future__ import annotations

import io
import random
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fixtures.search_lakes import add_texts, lake_of
from fixtures.servers import S3

from kubectl_argo_archive.connect import open_lake
from kubectl_argo_archive.lake.snapshot import TableSnapshot
from kubectl_argo_archive.logs.search import Explain, Query, Searcher
from kubectl_argo_archive.logs.search_filter import Filter
from kubectl_argo_archive.storage.filesystem import open_storage
from kubectl_argo_archive.storage.location import Location
from kubectl_argo_archive.storage.once import once
from kubectl_argo_archive.storage.ranges import RangeFile

_RUNS = 6
_TEXT = "".join(f"2026-03-02T10:00:00Z INFO line {n} of pod number %d\n" for n in range(2000))


def _texts(run: int) -> dict[str, bytes]:
    return {f"run-{run}": (_TEXT.replace("%d", str(run)) + f"needle-of-run-{run}\n").encode()}


def _segments(path: str) -> None:
    for run in range(_RUNS):
        add_texts(path, _texts(run))


def test_a_needle_in_a_bucket_reads_one_segment(s3_environment: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    _segments(s3_environment.url)
    lake = open_lake(s3_environment.url)
    read: list[tuple[str, int]] = []
    cat_file = lake.storage.fs.cat_file

    def reading(path: str, start: int | None = None, end: int | None = None) -> bytes:
        data: bytes = cat_file(path, start=start, end=end)
        read.append((path, len(data)))
        return data

    def refused(*_args: object, **_options: object) -> None:
        raise AssertionError("nobody needs to ask for what the log of the table says")

    searcher = Searcher(lake)
    assert len(searcher.segments) == _RUNS
    logs = list(searcher.search(Query("needle-of-run-3")))  # who they belong to is read now
    monkeypatch.setattr(lake.storage.fs, "cat_file", reading)
    for asking in ("open", "info", "ls"):
        monkeypatch.setattr(lake.storage.fs, asking, refused)
    searcher.__dict__.pop("segments")
    assert [hit.message for hit in searcher.search(Query("needle-of-run-3"))] == ["needle-of-run-3"] == [
        hit.message for hit in logs
    ]  # fmt: skip
    blocks = {path for path, _ in read if "/log_blocks/" in path}
    assert len(blocks) == 1, "only the segment with the needle is opened"
    assert len({path for path, _ in read if "/log_grams/" in path}) == _RUNS
    index = [size for path, size in read if "/log_grams/" in path]
    assert sum(index) / _RUNS < 160 << 10, "a footer and a few hash values per segment"


def test_texts_that_are_not_asked_for_open_nothing(tmp_path: Path) -> None:
    _segments(str(tmp_path / "lake"))
    first = next(Searcher(lake_of(tmp_path / "lake")).search(Query("needle-of-run-4")))
    assert first.log is not None
    searcher, explain = Searcher(lake_of(tmp_path / "lake")), Explain()
    hits = list(searcher.search(Query("line 7 of", filter=Filter(workflow=first.log.workflow)), explain))
    theirs = {hit.log_id for hit in hits}
    assert first.log_id in theirs
    opened = [segment for segment in searcher.segments if "metadata" in segment.blocks.__dict__]
    assert len(theirs) == len(opened) == explain.after_filter < explain.segments == _RUNS


def test_limits_that_nobody_noted_come_from_the_footers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lakes whose tables were written by an engine that notes no statistics."""
    _segments(str(tmp_path / "lake"))
    noted = Searcher(lake_of(tmp_path / "lake"))
    bare = Searcher(lake_of(tmp_path / "lake"))
    table = bare.snapshot.table

    def without(name: str) -> TableSnapshot:
        found = table(name)
        return replace(found, files=[replace(file, low={}, high={}) for file in found.files])

    monkeypatch.setattr(type(bare.snapshot), "table", lambda _self, name: without(name))
    assert [(s.first, s.count) for s in bare.segments] == [(s.first, s.count) for s in noted.segments]
    assert all(segment.index is not None for segment in bare.segments)
    assert [hit.line_no for hit in bare.search(Query("needle-of-run-5"))] == [2001]


@pytest.mark.parametrize("seed", range(3))
def test_a_range_file_reads_as_any_file(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    data = rng.randbytes(5000)
    storage = open_storage(Location.parse(str(tmp_path)))
    (tmp_path / "data").write_bytes(data)
    ours, theirs = RangeFile(storage, storage.path("data"), len(data)), io.BytesIO(data)
    assert ours.readable()
    assert ours.seekable()
    for _ in range(200):
        if rng.random() < 0.5:
            whence = rng.choice([io.SEEK_SET, io.SEEK_CUR, io.SEEK_END])
            offset = rng.randrange(5100) if whence == io.SEEK_SET else -rng.randrange(ours.tell() + 1)
            assert ours.seek(offset, whence) == theirs.seek(offset, whence)
        size = rng.choice([0, 1, 700, -1, None])
        assert ours.read(size) == theirs.read(size)
        assert ours.tell() == theirs.tell()


def test_what_is_computed_once_does_not_wait_for_other_objects() -> None:
    both = threading.Barrier(2)

    class Slow:
        @once
        def value(self) -> int:
            both.wait(30)  # only if another object computes at the same time
            return id(self)

    slow = [Slow(), Slow()]
    threads = [threading.Thread(target=getattr, args=(one, "value")) for one in slow]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.value for one in slow] == [id(one) for one in slow]
    assert isinstance(Slow.value, once)


@pytest.mark.parametrize(
    "options",
    [{"compression": "snappy"}, {"use_dictionary": True}, {"data_page_version": "2.0"}, {"data_page_size": 100},
     {"write_page_checksum": True}, {"use_dictionary": False, "write_statistics": ["block", "log_id"]},
     {"use_dictionary": False, "write_statistics": ["block", "log_id"], "required": ("text", "log_id")}],
    ids=str,
)  # fmt: skip
def test_blocks_that_another_writer_laid_out(options: dict[str, Any], tmp_path: Path) -> None:
    """Pages of another form than ours are read all the same."""
    texts = _texts(1) | {f"small-{n}": b"one needle\n\xff of many\n" * (n % 3 + 1) for n in range(40)}
    add_texts(str(tmp_path), texts)
    (path,) = tmp_path.glob("log_blocks/**/*.parquet")
    before = _found(tmp_path)
    assert sum(before[1].values()) > 40
    rows = [pq.ParquetFile(path).read_row_group(group) for group in range(pq.read_metadata(path).num_row_groups)]
    options = {"compression": "zstd"} | options
    required = options.pop("required", ())
    schema = pa.schema([field.with_nullable(field.nullable and field.name not in required) for field in rows[0].schema])
    with pq.ParquetWriter(path, schema, **options) as writer:
        for group in rows:
            writer.write_table(group.cast(schema), row_group_size=len(group))
    assert _found(tmp_path) == before


def _found(lake: Path) -> tuple[list[tuple[int, str]], dict[int, int]]:
    searcher = Searcher(open_lake(str(lake)))
    hits = [(hit.line_no, hit.message) for hit in searcher.search(Query("needle"))]
    return hits, {log.log_id: count for log, count in searcher.count(Query("e"))}
