"""The lake as it was, and what happens when there is no room for it."""

from __future__ import annotations

import errno
import gc
import os
import resource
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest
from contract.archive_suite import workflow
from fixtures.lakes import data_files, export_to, files, live_files, read
from fixtures.servers import ArchiveDb
from fsspec.implementations.local import LocalFileOpener

from kubectl_argo_archive.cli.main import run
from kubectl_argo_archive.connect import open_lake
from kubectl_argo_archive.demo.argo_schema import ArchiveRow, archive_workflow, load_archive
from kubectl_argo_archive.errors import LakeError, StorageError
from kubectl_argo_archive.export.pipeline import Watcher
from kubectl_argo_archive.lake import datafiles
from kubectl_argo_archive.lake.delta import DeltaTables
from kubectl_argo_archive.lake.snapshot import Snapshot


def uids(snapshot: Snapshot) -> list[str]:
    """The uids of ``workflows``, once per version."""
    tables = [pq.read_table(url, columns=["uid"], partitioning=None) for url in snapshot.table("workflows").urls]
    return sorted(uid for table in tables for uid in table["uid"].to_pylist())


def archive(uri: str, *documents: dict[str, Any]) -> None:
    with psycopg.connect(uri) as connection:
        for document in documents:
            archive_workflow(connection.cursor(), document)


def test_the_lake_as_of_an_export_or_a_time(archive_db: ArchiveDb, tmp_path: Path) -> None:
    uri, lake = archive_db(), open_lake(str(tmp_path / "lake"))
    ids = []
    for changes in ([workflow("a")], [workflow("b")], [workflow("a", finished_at="2026-04-01T00:00:00Z")]):
        archive(uri, *changes)
        ids.append(export_to(tmp_path / "lake", uri).export_id or "")
    states = [["a"], ["a", "b"], ["a", "a", "b"]]
    published = {row["export_id"]: row["published_at"] for row in read(tmp_path / "lake", "exports").to_pylist()}
    assert [row["seq"] for row in read(tmp_path / "lake", "exports").sort_by("seq").to_pylist()] == [1, 2, 3]
    for number, (export_id, state) in enumerate(zip(ids, states, strict=True)):
        at = published[export_id]
        shifted = at.astimezone(tz=datetime.now().astimezone().tzinfo)
        for as_of in (export_id, at.isoformat(), shifted.isoformat(), at.replace(tzinfo=None).isoformat()):
            snapshot = lake.snapshot(as_of)
            assert (snapshot.export_id, uids(snapshot), snapshot.seq) == (export_id, state, number + 1)
        before = at - timedelta(microseconds=1)
        if number:
            assert lake.snapshot(before.isoformat()).export_id == ids[number - 1]
        else:
            with pytest.raises(LakeError, match="nothing was published as of"):
                lake.snapshot(before.isoformat())
    assert lake.snapshot(datetime.now(UTC).isoformat()).export_id == lake.snapshot().export_id == ids[-1]
    with pytest.raises(LakeError, match="nothing was published as of 20200101T000000Z-000000") as unknown:
        lake.snapshot("20200101T000000Z-000000")
    assert unknown.value.hint


def test_what_a_reader_opened_stays_readable(archive_db: ArchiveDb, tmp_path: Path) -> None:
    uri, lake = archive_db(68, [workflow("a")]), open_lake(str(tmp_path / "lake"))
    export_to(tmp_path / "lake", uri)
    opened = lake.snapshot()
    for n in range(3):
        archive(uri, workflow(f"b{n}"))
        export_to(tmp_path / "lake", uri)
    assert uids(opened) == ["a"]
    assert opened.table("source_events").rows == 0
    assert uids(lake.snapshot()) == ["a", "b0", "b1", "b2"]


def test_the_log_stays_short_for_readers(archive_db: ArchiveDb, tmp_path: Path) -> None:
    """Checkpoints: a reader of a lake of many exports does not replay them all, and --as-of still reaches back."""
    uri, lake = archive_db(), tmp_path / "lake"
    first = ""
    for n in range(22):
        archive(uri, workflow(f"w{n:02}"))
        first = first or export_to(lake, uri).export_id or ""
        export_to(lake, uri)
    assert any("checkpoint" in name for name in files(lake) if name.startswith("workflows/_delta_log/"))
    assert len(uids(open_lake(str(lake)).snapshot())) == 22
    assert uids(open_lake(str(lake)).snapshot(first)) == ["w00"]
    archive(uri, workflow("last"))
    assert export_to(lake, uri).unchanged == 22


def check_refusal(code: int, out: str, err: str) -> None:
    """One clear error, a hint, nothing else."""
    assert (code, out) == (1, "")
    assert err.count("error: ") == 1
    assert err.count("\n") == 2
    assert "\nhint: " in err


@pytest.mark.parametrize(
    ("limit", "grown"), [(0, False), (100, True), (2_000, False), (30_000, True), (200_000, False)]
)
def test_no_room_in_the_middle_of_a_file(
    archive_db: ArchiveDb, tmp_path: Path, workflows: list[ArchiveRow], limit: int, grown: bool
) -> None:
    """A limit to the size of files stops every writer, Delta's too, in the middle of a write as a full disk does."""
    uri, lake = archive_db(68, workflows[:5] if grown else []), tmp_path / "lake"
    before = {}
    if grown:
        export_to(lake, uri)
        before = files(lake)
    load_archive(uri, workflows[5:60])

    def lower_limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-m", "kubectl_argo_archive", "export", "--source", uri, "--lake", str(lake), "-o", "json"],
        preexec_fn=lower_limit,
        capture_output=True,
        text=True,
        check=False,
    )
    check_refusal(done.returncode, done.stdout, done.stderr)
    assert str(lake) in done.stderr
    assert open_lake(str(lake)).exists() is grown
    assert {name: stat for name, stat in files(lake).items() if name in before} == before
    assert data_files(lake) == {name for name in before if name.endswith(".parquet")}
    result = export_to(lake, uri)
    assert (result.new, result.unchanged) == (55, 5 if grown else 0)
    assert data_files(lake) == live_files(lake)


class FullAfter:
    """A device that takes so many writes."""

    def __init__(self, writes: int) -> None:
        self.left = writes

    def write(self, file: LocalFileOpener, data: Any) -> int:
        """What the file system does with data of a Parquet file."""
        self.left -= str(file.path).endswith(".parquet")
        if self.left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return int(file.f.write(data))


@pytest.mark.parametrize("writes", [0, 40, 400])
def test_no_space_left(
    archive_db: ArchiveDb, tmp_path: Path, workflows: list[ArchiveRow], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], writes: int,
) -> None:  # fmt: skip
    uri, lake = archive_db(68, workflows[:20]), tmp_path / "lake"
    export_to(lake, uri)
    state, before = read(lake, "workflows"), data_files(lake)
    load_archive(uri, workflows[20:60])
    with monkeypatch.context() as patched:
        patched.setattr(datafiles, "ROW_GROUP_BYTES", 1)  # so that many files are open and half written
        device = FullAfter(writes)
        patched.setattr(LocalFileOpener, "write", lambda file, data: device.write(file, data))
        code = run(["export", "--source", uri, "--lake", str(lake), "-o", "json"])
    captured = capsys.readouterr()
    check_refusal(code, captured.out, captured.err)
    assert "no space left on the device" in captured.err
    assert read(lake, "workflows").equals(state)
    assert data_files(lake) == before
    assert export_to(lake, uri).new == 40
    assert data_files(lake) == live_files(lake)


@pytest.mark.parametrize("number", [1, 9])
def test_no_space_left_for_the_log(
    archive_db: ArchiveDb, tmp_path: Path, workflows: list[ArchiveRow], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    uri, lake = archive_db(68, workflows[:20]), tmp_path / "lake"
    export_to(lake, uri)
    before, states = data_files(lake), {name: read(lake, name) for name in ("workflows", "nodes", "raw", "exports")}
    load_archive(uri, workflows[20:60])
    commits, original = iter(range(1, 100)), DeltaTables.commit

    def commit(tables: DeltaTables, *arguments: Any) -> int:
        if next(commits) == number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(tables, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(DeltaTables, "commit", commit)
        with pytest.raises(StorageError, match="no space left on the device"):
            export_to(lake, uri)
    assert {name: read(lake, name) for name in states} == states
    assert data_files(lake) == before
    assert export_to(lake, uri).new == 40
    assert data_files(lake) == live_files(lake)


@pytest.mark.parametrize("where", ["folder", "s3"])
def test_an_interrupted_export_leaves_nothing(
    request: pytest.FixtureRequest, archive_db: ArchiveDb, tmp_path: Path, workflows: list[ArchiveRow],
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], where: str,
) -> None:  # fmt: skip
    uri, lake = archive_db(68, workflows[:40]), tmp_path / "lake"
    place = str(lake) if where == "folder" else request.getfixturevalue("s3_environment").url

    def interrupt(rows: int, size: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(datafiles, "ROW_GROUP_BYTES", 1)
    with pytest.raises(KeyboardInterrupt):
        export_to(place, uri, batch_bytes=100_000, watcher=Watcher(advance=interrupt))
    gc.collect()  # what was left open is closed now at the latest, and must not complain
    assert capfd.readouterr().err == ""
    storage = open_lake(place).storage
    left = [path for path in storage.fs.find(storage.root) if "/_delta_log/" not in path]
    assert left == []
    assert not open_lake(place).exists()
    assert export_to(place, uri).new == 40
