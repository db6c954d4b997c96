"""Large objects in bounded memory, broken connections, other stores: from generated streams, not from disks."""

from __future__ import annotations

import asyncio
import gzip
import threading
import tracemalloc
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from fixtures.logs import NOW, LogLake, pod, workflow

from kubectl_argo_archive.connect import artifact_stores
from kubectl_argo_archive.logs.decide import Rules
from kubectl_argo_archive.logs.decode import Decoding, decoded
from kubectl_argo_archive.logs.fetch import AHEAD_BYTES, BUDGET_BYTES, Prefetch, Wanted
from kubectl_argo_archive.logs.index import IndexOptions, index
from kubectl_argo_archive.logs.mask import Mask, Masked
from kubectl_argo_archive.storage import objects as storage_objects
from kubectl_argo_archive.storage.objects import ObjectFacts, ObjectGone, Place, Traffic

MB = 1 << 20


class Invented:
    """A bucket whose objects are made while they are read: key → (size, pieces)."""

    def __init__(self, objects: dict[str, tuple[int, Any]]) -> None:
        self.place = Place("s3", "logs")
        self.traffic = Traffic()
        self.loop = asyncio.new_event_loop()
        self.objects = objects
        self.pulled = 0
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def look_up(self, keys: Sequence[str]) -> dict[str, ObjectFacts]:
        return {key: ObjectFacts(key, self.objects[key][0], NOW, key) for key in keys if key in self.objects}

    def listing(self, prefix: str = "") -> Iterable[ObjectFacts]:
        return self.look_up(list(self.objects)).values()

    async def read(self, key: str, etag: str | None = None) -> AsyncIterator[bytes]:
        for piece in self.objects[key][1]():
            self.pulled += len(piece)
            yield piece
            await asyncio.sleep(0)

    def errors(self) -> AbstractContextManager[None]:
        return nullcontext()


def chunks(total: int, piece: bytes) -> Iterator[bytes]:
    for _ in range(total // len(piece)):
        yield piece


def test_an_object_of_2_gb_is_too_large_unless_asked_for(log_lake: LogLake) -> None:
    log_lake.add(workflow("w", pod("w", key="w/main.log"), bucket="logs"))
    bucket = Invented({"w/main.log": (2 << 30, lambda: pytest.fail("it was read"))})
    result = index(log_lake.lake, lambda place: bucket, IndexOptions())
    assert (result.objects, result.read) == ({"too_large": 1}, 0)
    assert log_lake.logs("status, size, lines") == [("too_large", 2 << 30, None)]


def test_a_large_object_goes_through_fetching_decoding_and_masking_in_bounded_memory() -> None:
    piece = (b"2026-03-01T00:00:00Z INFO nothing to see here, move along\n" * 20000)[:MB]
    size = 384 * MB
    bucket = Invented({"big": (size, lambda: chunks(size, piece))})
    total, found = 0, Masked()
    tracemalloc.start()
    with Prefetch([Wanted("big", bucket, "big", size, None)]) as fetched:
        for _, stream in fetched:
            total = sum(len(data) for data in Mask().apply(decoded(stream, Decoding()), found))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == size
    assert peak < 32 * MB


def test_one_line_of_300_mb(log_lake: LogLake) -> None:
    log_lake.add(workflow("w", pod("w", key="w/main.log"), bucket="logs"))
    piece = b"x" * MB
    bucket = Invented({"w/main.log": (300 * MB, lambda: [b"first\n", *[piece] * 300, b"\nlast\n"])})
    result = index(log_lake.lake, lambda place: bucket, IndexOptions())
    assert (result.objects, result.lines, result.text_bytes) == ({"indexed": 1}, 3, 300 * MB + 12)
    assert log_lake.logs("lines, status") == [(3, "indexed")]
    lines = log_lake.ask("SELECT line_no, byte_offset FROM log_lines WHERE line_no <> 2 ORDER BY 1")
    assert lines == [(1, 0), (3, 300 * MB + 7)]


def test_many_objects_are_fetched_at_once_and_few_bytes_ahead() -> None:
    piece = b"y" * (MB // 2)
    bucket = Invented({f"k{i:03}": (8 * MB, lambda: chunks(8 * MB, piece)) for i in range(60)})
    wanted = [Wanted(key, bucket, key, size, None) for key, (size, _) in bucket.objects.items()]
    with Prefetch(wanted, at_once=64) as fetched:
        for number, (key, stream) in enumerate(fetched):
            assert key == f"k{number:03}"
            assert sum(len(data) for data in stream) == 8 * MB
            assert bucket.pulled - (number + 1) * 8 * MB <= BUDGET_BYTES + 64 * (AHEAD_BYTES + len(piece)) // 8
    assert bucket.pulled == 60 * 8 * MB


def test_a_bomb_is_cut() -> None:
    bomb = gzip.compress(b"\0" * (64 * MB))
    found = Decoding(limit=MB)
    assert sum(len(data) for data in decoded([bomb], found)) <= MB
    assert found.cut


def test_a_connection_that_breaks_is_taken_up_where_it_broke(
    log_lake: LogLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kubectl_argo_archive.storage import objects_s3

    text = b"".join(b"line %d\n" % i for i in range(300_000))
    log_lake.one("w", text)
    asked: list[int] = []
    original = objects_s3.S3Objects._get

    async def breaking(self: Any, key: str, etag: str | None, start: int, sse: dict[str, str]) -> Any:
        asked.append(start)
        body = await original(self, key, etag, start, sse)
        if len(asked) > 3:
            return body
        return _Broken(body)

    class _Broken:
        def __init__(self, body: Any) -> None:
            self.body = body

        async def __aenter__(self) -> _Broken:
            self.stream = await self.body.__aenter__()
            self.left = 1
            return self

        async def __aexit__(self, *error: object) -> None:
            await self.body.__aexit__(*error)

        async def read(self, size: int) -> bytes:
            if not self.left:
                raise ConnectionResetError
            self.left -= 1
            return bytes(await self.stream.read(size // 2))

    monkeypatch.setattr(objects_s3.S3Objects, "_get", breaking)
    monkeypatch.setattr(objects_s3, "FIRST_PAUSE_S", 0.001)
    assert log_lake.index().objects == {"indexed": 1}
    assert log_lake.logs("text_bytes, lines") == [(len(text), 300_000)]
    assert len(asked) == 4
    assert asked == sorted(set(asked))


def test_other_kinds_of_stores_go_through_fsspec(log_lake: LogLake, monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    monkeypatch.setitem(storage_objects.PROTOCOLS, "gcs", "memory")
    fsspec.filesystem("memory").pipe_file("/google/w/main.log", b"from another cloud\n")
    repository = {"archiveLogs": True, "gcs": {"bucket": "google"}}
    node = pod("w")
    node["outputs"] = {"artifacts": [{"name": "main-logs", "gcs": {"key": "w/main.log"}}]}
    log_lake.add(workflow("w", node, repository=repository))
    result = log_lake.index(rules=Rules(slack_s=1e9))
    assert result.objects == {"indexed": 1}
    assert log_lake.lines("w") == ["from another cloud"]
    assert log_lake.logs("kind, bucket, size") == [("gcs", "google", 19)]


def test_a_kind_without_its_package_is_reported(log_lake: LogLake) -> None:
    log_lake.one("good", "hello\n")
    repository = {"archiveLogs": True, "azure": {"container": "blobs", "endpoint": "https://x.blob.core.windows.net"}}
    node = pod("w")
    node["outputs"] = {"artifacts": [{"name": "main-logs", "azure": {"blob": "w/main.log"}}]}
    log_lake.add(workflow("w", node, repository=repository))
    result = log_lake.index()
    assert log_lake.logs() == [("good", "indexed"), ("w", "unreadable")]
    assert "nothing here can read azure" in result.problems[0]


def test_several_endpoints(log_lake: LogLake) -> None:
    here = log_lake.s3.server.endpoint
    log_lake.one("near", "here\n")
    block = {"archiveLogs": True, "s3": {"bucket": log_lake.bucket, "endpoint": "minio.argo:9000", "insecure": True}}
    log_lake.add(workflow("far", pod("far", key="far/main.log"), repository=block))
    log_lake.put("far/main.log", "there\n")
    mapped = artifact_stores(endpoints={"minio.argo:9000": here})
    result = index(log_lake.lake, mapped, IndexOptions())
    assert result.objects == {"indexed": 2}
    assert log_lake.logs("workflow, endpoint") == [("far", "http://minio.argo:9000"), ("near", "")]


async def _none(*_: object) -> AsyncIterator[bytes]:
    raise ObjectGone
    yield b""


def test_an_object_that_goes_while_it_is_read_is_missing(log_lake: LogLake, monkeypatch: pytest.MonkeyPatch) -> None:
    from kubectl_argo_archive.storage.objects_s3 import S3Objects

    log_lake.one("w", "hello\n")
    monkeypatch.setattr(S3Objects, "read", _none)
    assert log_lake.index().objects == {"missing": 1}
