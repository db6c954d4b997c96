"""An export that dies: readers keep what they saw, and the next export finishes what the dead one began."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest
from contract.archive_suite import workflow
from fixtures.lakes import execute, export_to, files, rows
from fixtures.servers import S3, ArchiveDb

from kubectl_argo_archive.connect import open_lake
from kubectl_argo_archive.demo.argo_schema import LATEST, archive_workflow, create_schema_sql
from kubectl_argo_archive.demo.postgres import EmbeddedPostgres
from kubectl_argo_archive.errors import LakeError
from kubectl_argo_archive.lake.lock import FILE, LEASE_S
from kubectl_argo_archive.tables.schema import TABLES, WORKFLOW_TABLES

Expected = dict[str, list[str]]

_EXPORT = """
import itertools, os, signal, sys, time
from pathlib import Path
from kubectl_argo_archive.connect import open_lake, open_source
from kubectl_argo_archive.export.pipeline import export
from kubectl_argo_archive.lake import datafiles, delta, lake, lock

calls = itertools.count(1)  # tables are committed side by side

def at(owner, name, number, *, before):
    original = getattr(owner, name)
    def wrapped(*args, **kwargs):
        if next(calls) != number:
            return original(*args, **kwargs)
        result = None if before else original(*args, **kwargs)
        reached()
        return original(*args, **kwargs) if before else result
    setattr(owner, name, wrapped)

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def wait():
    Path(sys.argv[3]).touch()
    while not Path(sys.argv[4]).exists():
        time.sleep(0.01)

reached = wait if len(sys.argv) > 3 else die
{hook}
export(open_source(sys.argv[1]), open_lake(sys.argv[2]))
"""

POINTS: dict[str, str] = {
    "the lock is taken": "at(lock.WriterLock, '__enter__', 1, before=False)",
    "rows are in files": "at(datafiles._OpenFile, 'flush', 3, before=False)",
    "one file is finished": "at(datafiles._OpenFile, 'finish', 1, before=False)",
    "all files are finished": "at(datafiles.DataFiles, 'finish', 1, before=False)",
    **{f"{n} tables are committed": f"at(delta.DeltaTables, 'commit', {n}, before=False)" for n in (1, 6)},
    "the ledger's file is written": "at(lake.LakeWriter, '_publish_ledger', 1, before=True)",
    "everything but the ledger is committed": "at(lock.WriterLock, 'check', 2, before=True)",
}
PUBLISHED: dict[str, str] = {
    "the ledger is committed": "at(lake.LakeWriter, '_publish_ledger', 1, before=False)",
    "only the lock is left": "at(lock.WriterLock, '__exit__', 1, before=True)",
}


def start(hook: str, uri: str, lake: str, *signals: Path) -> subprocess.Popen[bytes]:
    code = _EXPORT.format(hook=hook)
    return subprocess.Popen([sys.executable, "-c", code, uri, lake, *map(str, signals)])


def killed(hook: str, uri: str, lake: str) -> None:
    """Run an export that kills itself at a point."""
    assert start(hook, uri, lake).wait(timeout=120) == -signal.SIGKILL


def archive(uri: str, *documents: dict[str, Any]) -> None:
    with psycopg.connect(uri) as connection:
        for document in documents:
            archive_workflow(connection.cursor(), document)


def rich(uid: str, **changes: Any) -> dict[str, Any]:
    """A workflow that has rows in every table."""
    parameter = {"parameters": [{"name": "p", "value": uid}], "artifacts": [{"name": "a", "s3": {"key": "k"}}]}
    nodes = {
        "n": {
            "id": "n",
            "name": f"wf-{uid}",
            "type": "Pod",
            "templateName": "t",
            "phase": "Succeeded",
            "inputs": parameter,
        }
    }
    status = {"nodes": nodes, "conditions": [{"type": "Completed", "status": "True"}], **changes.pop("status", {})}
    spec = {"arguments": parameter, "templates": [{"name": "t", "container": {"image": "python:3"}}]}
    return workflow(uid, spec=spec, status=status, labels={"team": "risk"}, **changes)


def first_state(uri: str, lake: str) -> None:
    archive(uri, *(rich(f"w{n}", finished_at=f"2026-0{n % 2 + 1}-01T00:00:00Z") for n in range(6)))
    export_to(lake, uri)


def change(uri: str) -> None:
    """Something for every table: new, changed, gone, malformed."""
    archive(uri, *(rich(f"x{n}", finished_at=f"2026-0{n % 2 + 1}-15T00:00:00Z") for n in range(4)))
    archive(uri, rich("w0", finished_at="2026-02-20T00:00:00Z"), workflow("bad", status={"nodes": []}))
    execute(uri, "delete from argo_archived_workflows where uid = 'w1'")


def seen(lake: str) -> Expected:
    """What a reader finds in each table, without the columns that name an export or its moment."""
    location = open_lake(lake)
    snapshot = location.snapshot()
    found = {}
    for spec in TABLES:
        data: list[str] = []
        for path in snapshot.table(spec.name).paths:
            file = location.storage.path(spec.name, path)
            table = pq.read_table(file, filesystem=location.storage.fs, partitioning=None)
            changing = (
                {"export_id", "noticed_at", "source_revision", "started_at"}
                if not spec.by_month
                else {"export_id", "source_revision"}
            )
            data += map(repr, table.drop_columns(list(changing & set(table.column_names))).to_pylist())
        found[spec.name] = sorted(data)
    del found["exports"]
    return found


def stray(lake: Path) -> set[str]:
    """Files that belong to nothing."""
    location = open_lake(str(lake))
    snapshot = location.snapshot()
    named = {f"{spec.name}/{path}" for spec in TABLES for path in snapshot.table(spec.name).paths}
    return {name for name in files(lake) if "/_delta_log/" not in name} - named


@pytest.fixture(scope="module")
def undisturbed(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Expected]:
    """What the two exports give if nobody dies."""
    uri, lake = postgres.create_database("undisturbed"), str(tmp_path_factory.mktemp("undisturbed"))
    execute(uri, create_schema_sql(LATEST))
    first_state(uri, lake)
    change(uri)
    export_to(lake, uri)
    yield seen(lake)
    postgres.drop_database("undisturbed")


@pytest.mark.parametrize("point", POINTS)
def test_nothing_is_seen_of_an_export_that_dies(
    archive_db: ArchiveDb, tmp_path: Path, point: str, undisturbed: Expected
) -> None:
    uri, lake = archive_db(), tmp_path / "lake"
    first_state(uri, str(lake))
    before, export_id = seen(str(lake)), open_lake(str(lake)).snapshot().export_id
    change(uri)
    killed(POINTS[point], uri, str(lake))
    assert (lake / FILE).exists()
    assert seen(str(lake)) == before
    assert open_lake(str(lake)).snapshot().export_id == export_id

    result = export_to(lake, uri)
    assert (result.new, result.changed, result.deleted, result.quarantined) == (4, 1, 1, 1)
    assert seen(str(lake)) == undisturbed
    assert rows(lake, "exports", "seq") == [1, 2]
    assert {(name, count) for name, count in _newest_rows(lake).items()} == {
        (name, len(found)) for name, found in undisturbed.items()
    }
    assert stray(lake) == set()
    assert export_to(lake, uri).published is False


def _newest_rows(lake: Path) -> dict[str, int]:
    """Rows that a reader sees who knows nothing of the ledger."""
    return {spec.name: len(rows(lake, spec.name)) for spec in TABLES if spec.name != "exports"}


@pytest.mark.parametrize("point", PUBLISHED)
def test_an_export_that_dies_after_its_publish_is_seen(
    archive_db: ArchiveDb, tmp_path: Path, point: str, undisturbed: Expected
) -> None:
    uri, lake = archive_db(), tmp_path / "lake"
    first_state(uri, str(lake))
    change(uri)
    killed(PUBLISHED[point], uri, str(lake))
    assert seen(str(lake)) == undisturbed
    result = export_to(lake, uri)
    assert (result.published, result.unchanged) == (False, 10)
    assert seen(str(lake)) == undisturbed
    assert stray(lake) == set()


@pytest.mark.parametrize("point", ["one file is finished", "6 tables are committed"])
def test_the_very_first_export_may_die(archive_db: ArchiveDb, tmp_path: Path, point: str) -> None:
    uri, lake = archive_db(), tmp_path / "lake"
    archive(uri, *(rich(f"w{n}") for n in range(6)))
    killed(POINTS[point], uri, str(lake))
    assert not open_lake(str(lake)).exists()
    with pytest.raises(LakeError, match="nothing was published"):
        open_lake(str(lake)).snapshot()
    assert export_to(lake, uri).new == 6
    assert len(seen(str(lake))["nodes"]) == 6
    assert stray(lake) == set()


def test_one_after_another_may_die(archive_db: ArchiveDb, tmp_path: Path, undisturbed: Expected) -> None:
    uri, lake = archive_db(), tmp_path / "lake"
    first_state(uri, str(lake))
    before = seen(str(lake))
    change(uri)
    for point in ("6 tables are committed", "one file is finished", "1 tables are committed"):
        killed(POINTS[point], uri, str(lake))
        assert seen(str(lake)) == before
    export_to(lake, uri)
    assert seen(str(lake)) == undisturbed
    assert stray(lake) == set()


@pytest.mark.parametrize("point", ["one file is finished", "everything but the ledger is committed"])
def test_in_s3_too(
    archive_db: ArchiveDb, tmp_path: Path, s3_environment: S3, point: str, undisturbed: Expected
) -> None:
    uri, lake = archive_db(), s3_environment.url
    first_state(uri, lake)
    before = seen(lake)
    change(uri)
    killed(POINTS[point], uri, lake)
    assert seen(lake) == before
    export_to(lake, uri)
    assert seen(lake) == undisturbed
    snapshot = open_lake(lake).snapshot()
    named = {f"{spec.name}/{path}" for spec in TABLES for path in snapshot.table(spec.name).paths}
    assert {key for key in s3_environment.keys() if "/_delta_log/" not in key} == named  # noqa: SIM118


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for a lake."""
    if request.param == "folder":
        return str(tmp_path / "lake")
    s3: S3 = request.getfixturevalue("s3_environment")
    return s3.url


def test_the_second_of_two_exports_is_refused(
    archive_db: ArchiveDb, tmp_path: Path, place: str, undisturbed: Expected
) -> None:
    uri = archive_db()
    first_state(uri, place)
    change(uri)
    reached, go_on = tmp_path / "reached", tmp_path / "go on"
    process = start(POINTS["one file is finished"], uri, place, reached, go_on)
    try:
        _until(reached.exists, process)
        with pytest.raises(LakeError, match=rf"another export is writing to .*, process {process.pid}$") as refused:
            export_to(place, uri)
        assert refused.value.hint
        assert len(seen(place)["workflows"]) == 6
    finally:
        go_on.touch()
        assert process.wait(timeout=60) == 0
    assert seen(place) == undisturbed
    assert export_to(place, uri).published is False


def _until(true: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    for _ in range(6000):
        if true():
            return
        assert process.poll() is None
        time.sleep(0.01)
    raise AssertionError("it never happened")


def test_many_exports_at_once_bring_every_workflow_once(archive_db: ArchiveDb, place: str) -> None:
    uri = archive_db()
    archive(uri, *(rich(f"w{n}") for n in range(20)))

    def attempt(_: int) -> int:
        try:
            return export_to(place, uri).new
        except LakeError as refused:
            assert "another export" in refused.message  # noqa: PT017
            return 0

    with ThreadPoolExecutor(4) as pool:
        brought = list(pool.map(attempt, range(8)))
    assert sum(brought) == 20
    found = seen(place)
    assert {spec.name: len(found[spec.name]) for spec in WORKFLOW_TABLES} == {
        "workflows": 20, "nodes": 20, "parameters": 40, "artifacts": 40, "labels": 20, "conditions": 20, "images": 20,
        "raw": 20,
    }  # fmt: skip


def _lock(lake: Path, **changes: Any) -> None:
    holder = {"export_id": "somebody", "host": "elsewhere", "pid": 1, "renewed_at": 0.0, **changes}
    (lake / FILE).write_text(json.dumps(holder))


def test_a_lock_from_elsewhere_holds_until_it_expires(archive_db: ArchiveDb, tmp_path: Path) -> None:
    uri, lake = archive_db(), tmp_path / "lake"
    first_state(uri, str(lake))
    change(uri)
    _lock(lake, renewed_at=time.time())
    with pytest.raises(LakeError, match="another export is writing .*: somebody on elsewhere, process 1"):  # noqa: RUF043
        export_to(lake, uri)
    _lock(lake, renewed_at=time.time() - LEASE_S - 1)
    assert export_to(lake, uri).new == 4
    assert not (lake / FILE).exists()


def test_half_a_lock_holds_until_it_is_old(archive_db: ArchiveDb, tmp_path: Path) -> None:
    uri, lake = archive_db(), tmp_path / "lake"
    first_state(uri, str(lake))
    (lake / FILE).write_text('{"export_id": "some')
    with pytest.raises(LakeError, match="another export is writing"):
        export_to(lake, uri)
    old = (lake / FILE).stat().st_mtime - LEASE_S - 1
    os.utime(lake / FILE, (old, old))
    assert export_to(lake, uri).unchanged == 6


def test_who_lost_the_lock_does_not_publish(archive_db: ArchiveDb, tmp_path: Path, undisturbed: Expected) -> None:
    uri, lake = archive_db(), tmp_path / "lake"
    first_state(uri, str(lake))
    before = seen(str(lake))
    change(uri)
    reached, go_on = tmp_path / "reached", tmp_path / "go on"
    process = start(POINTS["all files are finished"], uri, str(lake), reached, go_on)
    try:
        _until(reached.exists, process)
        _lock(lake, renewed_at=0.0)
    finally:
        go_on.touch()
        assert process.wait(timeout=60) == 1
    assert seen(str(lake)) == before
    export_to(lake, uri)
    assert seen(str(lake)) == undisturbed
    assert stray(lake) == set()
