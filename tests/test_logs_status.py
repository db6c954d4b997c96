"""What becomes of a log, whatever lies in its place."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
from datetime import timedelta

import pyarrow as pa
import pytest
from fixtures.logs import NOW, LogLake, pod, workflow

from kubectl_argo_archive.logs.decide import Rules


def tgz(**files: bytes) -> bytes:
    """A .tgz as Argo makes of a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


TEXT = b"first\nsecond \xc3\xa4\nthird\n"

READABLE = {
    "plain": (TEXT, None),
    "gzip": (gzip.compress(TEXT), "gzip"),
    "gzip-members": (gzip.compress(TEXT[:6]) + gzip.compress(TEXT[6:]), "gzip"),
    "zstd": (pa.Codec("zstd").compress(TEXT, asbytes=True), "zstd"),
    "zstd-frames": (b"".join(pa.Codec("zstd").compress(p, asbytes=True) for p in (TEXT[:6], TEXT[6:])), "zstd"),
    "xz": (lzma.compress(TEXT), "xz"),
    "xz-streams": (lzma.compress(TEXT[:6]) + lzma.compress(TEXT[6:]), "xz"),
    "tgz": (tgz(**{"main.log": TEXT}), "tar+gzip"),
    "tgz-of-two": (tgz(**{"a.log": TEXT[:6], "b.log": TEXT[6:]}), "tar+gzip"),
}


def test_every_compression_gives_the_same_lines(log_lake: LogLake) -> None:
    log_lake.add(
        *(workflow(name, pod(name, key=f"{name}/main.log"), bucket=log_lake.bucket) for name in READABLE)
    )  # fmt: skip
    for name, (data, _) in READABLE.items():
        log_lake.put(f"{name}/main.log", data)
    result = log_lake.index()
    assert result.objects == {"indexed": len(READABLE)}
    found = log_lake.logs("workflow, compression, size, text_bytes, lines, message")
    assert found == [
        (name, compression, len(data), len(TEXT), 3, None) for name, (data, compression) in sorted(READABLE.items())
    ]
    for name in READABLE:
        assert log_lake.lines(name) == ["first", "second ä", "third"]


ODD = {
    "crlf": (b"one\r\ntwo\r\n", 2),
    "no-newline-at-end": (b"one\ntwo", 2),
    "invalid-utf8": (b"caf\xe9 \xff\xfe\nok\n", 2),
    "nul": (b"a\0b\nc\n", 2),
    "only-newlines": (b"\n\n\n", 3),
    "binary-garbage": (bytes(range(256)) * 40, 41),
    "bare-cr": (b"10%\r20%\rdone\n", 1),
}


def test_odd_texts_are_indexed_line_by_line(log_lake: LogLake) -> None:
    log_lake.add(
        *(workflow(name, pod(name, key=f"{name}/main.log"), bucket=log_lake.bucket) for name in ODD)
    )  # fmt: skip
    for name, (data, _) in ODD.items():
        log_lake.put(f"{name}/main.log", data)
    log_lake.index()
    found = log_lake.logs("workflow, status, lines, text_bytes, message")
    assert found == [
        (name, "indexed", lines, len(data), "it looks binary" if name == "binary-garbage" else None)
        for name, (data, lines) in sorted(ODD.items())
    ]
    assert log_lake.lines("invalid-utf8") == ["caf\ufffd \ufffd\ufffd", "ok"]
    assert log_lake.lines("no-newline-at-end") == ["one", "two"]
    offsets = log_lake.ask("SELECT byte_offset FROM log_lines WHERE workflow = 'nul' ORDER BY line_no")
    assert [ODD["nul"][0][offset:][:1] for (offset,) in offsets] == [b"a", b"c"]


def test_missing_and_empty(log_lake: LogLake) -> None:
    log_lake.one("there", "hello\n")
    log_lake.one("gone", None)
    log_lake.one("void", b"")
    log_lake.one("void-gzip", gzip.compress(b""))
    log_lake.index()
    assert log_lake.logs() == [("gone", "missing"), ("there", "indexed"), ("void", "empty"), ("void-gzip", "empty")]
    log_lake.put("gone/gone/main.log", "late\n")
    again = log_lake.index()
    assert (again.new, again.changed, again.read, again.unchanged) == (0, 1, 1, 3)
    assert log_lake.lines("gone") == ["late"]


def test_an_object_newer_than_its_node_is_overwritten(log_lake: LogLake) -> None:
    old = pod("old", key="old/main.log", minutes=24 * 60)
    log_lake.add(workflow("old", old, bucket=log_lake.bucket))
    log_lake.put("old/main.log", "of another run\n")
    log_lake.index()
    assert log_lake.logs("status, text_id IS NOT NULL") == [("overwritten", True)]
    assert log_lake.index(rules=Rules(slack_s=10**6)).changed == 1
    assert log_lake.logs("status, lines") == [("indexed", 1)]


def test_one_key_of_two_workflows_is_ambiguous_and_read_once(log_lake: LogLake) -> None:
    for name in ("first", "second"):
        log_lake.add(workflow(name, pod(name, key="same/main.log"), bucket=log_lake.bucket))
    log_lake.put("same/main.log", "whose?\n")
    result = log_lake.index()
    assert result.read == 1
    assert log_lake.logs() == [("first", "ambiguous"), ("second", "ambiguous")]
    assert log_lake.ask("SELECT count(DISTINCT text_id), count(text_id) FROM log_objects") == [(1, 2)]
    assert log_lake.ask("SELECT count(DISTINCT log_id), count(*) FROM log_lines") == [(1, 2)]


def test_a_second_workflow_makes_an_indexed_log_ambiguous_without_reading(log_lake: LogLake) -> None:
    log_lake.add(workflow("first", pod("first", key="same/main.log"), bucket=log_lake.bucket))
    log_lake.put("same/main.log", "whose?\n")
    log_lake.index()
    log_lake.add(workflow("second", pod("second", key="same/main.log"), bucket=log_lake.bucket))
    result = log_lake.index()
    assert (result.read, result.new, result.changed) == (0, 1, 1)
    assert log_lake.logs() == [("first", "ambiguous"), ("second", "ambiguous")]
    assert log_lake.ask("SELECT count(DISTINCT log_id), count(*) FROM log_lines") == [(1, 2)]


def test_pods_of_one_workflow_with_one_key(log_lake: LogLake) -> None:
    nodes = [pod(f"n{i}", key="fixed/main.log", minutes=30 - i) for i in range(3)]
    log_lake.add(workflow("static", *nodes, bucket=log_lake.bucket))
    log_lake.put("fixed/main.log", "of the last one\n")
    assert log_lake.index().read == 1
    assert log_lake.logs("node_id, status, text_id IS NOT NULL") == [
        ("n0", "overwritten", False), ("n1", "overwritten", False), ("n2", "indexed", True),
    ]  # fmt: skip


DAMAGED = {
    "gzip-cut": (gzip.compress(b"line\n" * 5000)[:-40], "the gzip data ends early"),
    "gzip-broken": (gzip.compress(b"line\n" * 90)[:-8] + b"12345678", "the gzip data is damaged"),
    "xz-cut": (lzma.compress(bytes(range(256)) * 4000)[:-30], "the xz data ends early"),
    "zstd-cut": (pa.Codec("zstd").compress(bytes(range(256)) * 4000, asbytes=True)[:-30], "the zstd data"),
    "tgz-cut": (tgz(**{"main.log": b"line\n" * 9000})[:-60], "the gzip data ends early"),
}


def test_damaged_objects_are_unreadable_and_what_can_be_read_is_kept(log_lake: LogLake) -> None:
    log_lake.add(
        *(workflow(name, pod(name, key=f"{name}/main.log"), bucket=log_lake.bucket) for name in DAMAGED)
    )  # fmt: skip
    for name, (data, _) in DAMAGED.items():
        log_lake.put(f"{name}/main.log", data)
    log_lake.index()
    for name, status, message in log_lake.logs("workflow, status, message"):
        assert status == "unreadable"
        assert message.startswith(DAMAGED[name][1]), (name, message)
    assert log_lake.lines("gzip-cut")[:3] == ["line", "line", "line"]
    assert log_lake.index().read == 0


def test_a_large_object_is_not_read(log_lake: LogLake) -> None:
    log_lake.one("large", b"x" * 5000 + b"\n")
    result = log_lake.index(rules=Rules(max_bytes=4096))
    assert (result.objects, result.read, result.bytes) == ({"too_large": 1}, 0, 0)
    assert log_lake.logs("size, lines, text_id") == [(5001, None, None)]
    assert log_lake.index(rules=Rules(max_bytes=10_000)).changed == 1
    assert log_lake.logs("status, lines") == [("indexed", 1)]


def test_a_changed_object_is_a_new_version_and_unchanged_ones_are_not_read(log_lake: LogLake) -> None:
    log_lake.one("a", "old text\n")
    log_lake.one("b", "stays\n")
    first = log_lake.index()
    assert (first.new, first.read, first.objects) == (2, 2, {"indexed": 2})
    second = log_lake.index()
    assert (second.read, second.bytes, second.unchanged, second.published) == (0, 0, 2, False)
    assert second.index_id == first.index_id
    log_lake.put("a/a/main.log", "new text\n")
    third = log_lake.index()
    assert (third.read, third.changed, third.unchanged) == (1, 1, 1)
    assert log_lake.lines("a") == ["new text"]
    assert log_lake.ask("SELECT count(*) FROM log_object_versions WHERE workflow = 'a'") == [(2,)]
    assert log_lake.ask("SELECT kind FROM log_events ORDER BY kind") == [("superseded",), ("text_superseded",)]


def test_what_leaves_the_bucket_stays_in_the_lake(log_lake: LogLake) -> None:
    log_lake.one("a", "remember me\n")
    log_lake.index()
    log_lake.delete("a/a/main.log")
    result = log_lake.index()
    assert (result.gone, result.changed) == (1, 0)
    assert log_lake.lines("a") == ["remember me"]
    assert log_lake.ask("SELECT problem FROM log_health WHERE workflow = 'a'") == [("gone",)]
    assert not log_lake.index().published
    log_lake.put("a/a/main.log", "remember me\n")
    log_lake.index()
    assert log_lake.ask("SELECT problem FROM log_health WHERE workflow = 'a'") == []


def test_the_log_of_a_retried_node_survives_its_retry(log_lake: LogLake) -> None:
    failed = pod("w", key="w/main.log", minutes=30, phase="Failed", exit_code="1")
    log_lake.add(workflow("w", failed, phase="Failed", bucket=log_lake.bucket, ended=NOW - timedelta(minutes=20)))
    log_lake.put("w/main.log", "it failed\n")
    log_lake.index(rules=Rules(slack_s=7200))
    log_lake.add(workflow("w", pod("w", key="w/main.log", minutes=2), bucket=log_lake.bucket))
    log_lake.put("w/main.log", "it worked\n")
    result = log_lake.index(rules=Rules(slack_s=7200))
    assert (result.read, result.new) == (1, 1)
    assert sorted(log_lake.lines("w")) == ["it failed", "it worked"]


@pytest.mark.parametrize("bucket", ["", "no-such-bucket-here"], ids=["none", "unknown"])
def test_a_store_that_cannot_be_used_is_a_problem_of_its_logs_only(log_lake: LogLake, bucket: str) -> None:
    log_lake.one("good", "hello\n")
    log_lake.add(workflow("bad", pod("bad", key="bad/main.log"), bucket=bucket))
    result = log_lake.index()
    assert log_lake.logs() == [("bad", "unreadable"), ("good", "indexed")]
    assert len(result.problems) == 1
    assert not log_lake.index().published


def test_orphans_are_counted(log_lake: LogLake) -> None:
    log_lake.put("lost/pod/main.log", "nobody knows me\n")
    log_lake.put("lost/pod/data.parquet", "not a log")
    log_lake.one("a", "known\n")
    log_lake.add(workflow("later", bucket=log_lake.bucket))
    assert log_lake.index().orphans is None
    assert log_lake.index(orphans=True).orphans == 1
    assert log_lake.ask("SELECT problem, key, bytes FROM log_health WHERE problem = 'orphan'") == [
        ("orphan", "lost/pod/main.log", 16)
    ]
