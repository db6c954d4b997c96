"""An index run that is killed: readers see nothing of it, and running again gives what an undisturbed run gives."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fixtures.logs import LogLake, pod, workflow

from kubectl_argo_archive.errors import ArgoArchiveError
from kubectl_argo_archive.lake.lake import Lake

_INDEX = """
import itertools, os, signal, sys
from kubectl_argo_archive.connect import artifact_stores, open_lake
from kubectl_argo_archive.lake import datafiles, delta, lake, lock
from kubectl_argo_archive.logs import write
from kubectl_argo_archive.logs.index import index

calls = itertools.count(1)

def at(owner, name, number, *, before):
    original = getattr(owner, name)
    def wrapped(*args, **kwargs):
        result = None if before else original(*args, **kwargs)
        if next(calls) == number:  # tables are committed side by side
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs) if before else result
    setattr(owner, name, wrapped)

{hook}
index(open_lake(sys.argv[1]), artifact_stores())
"""

POINTS = {
    "nothing is read": "at(write.Writer, '_read_one', 1, before=True)",
    "half is read": "at(write.Writer, '_read_one', 15, before=False)",
    "all files are finished": "at(datafiles.DataFiles, 'finish', 1, before=False)",
    "one table is committed": "at(delta.DeltaTables, 'commit', 1, before=False)",
    "everything but the ledger is committed": "at(lake.LakeWriter, '_publish_ledger', 1, before=True)",
}
LOGS = 30
VOLATILE = ("indexed_at", "export_id", "noticed_at")


@pytest.fixture
def exported(log_lake: LogLake) -> LogLake:
    """A lake that was exported and never indexed."""
    log_lake.add(*(
        workflow(f"w{i:02}", pod(f"w{i:02}", key=f"w{i:02}/main.log"), bucket=log_lake.bucket) for i in range(LOGS)
    ))  # fmt: skip
    for i in range(LOGS - 1):
        log_lake.put(f"w{i:02}/main.log", "".join(f"line {n} of {i}\n" for n in range(i * 20)))
    return log_lake


def run_and_kill(hook: str, log_lake: LogLake) -> None:
    """Run an index that kills itself at a point."""
    environment = {**os.environ, **log_lake.s3.environment()}
    done = subprocess.run(
        [sys.executable, "-c", _INDEX.format(hook=hook), log_lake.path], env=environment, check=False, timeout=120
    )
    assert done.returncode == -signal.SIGKILL


def tables(lake: LogLake) -> dict[str, list[Any]]:
    """What SQL sees of logs, without the columns that name a run or its moment."""
    exclude = ", ".join(VOLATILE[:2])
    return {
        "log_objects": lake.ask(f"SELECT * EXCLUDE ({exclude}) FROM log_objects ORDER BY log_id"),
        "log_lines": lake.ask("SELECT * EXCLUDE (export_id) FROM log_lines ORDER BY log_id, line_no"),
        "log_events": lake.ask("SELECT * EXCLUDE (noticed_at, export_id) FROM log_events ORDER BY ALL"),
        "exports": lake.ask("SELECT kind, new, changed, total_logs, dead_texts FROM exports ORDER BY seq"),
    }


@pytest.mark.parametrize("point", POINTS)
def test_killed_and_run_again_gives_the_same_tables(exported: LogLake, tmp_path: Path, point: str) -> None:
    calm = LogLake(tmp_path / "calm", exported.s3, exported.bucket)
    shutil.copytree(exported.path, calm.path)
    calm.index()

    seen = exported.lake.snapshot().export_id
    run_and_kill(POINTS[point], exported)
    assert exported.lake.snapshot().export_id == seen
    assert exported.ask("SELECT count(*) FROM log_objects") == [(0,)]
    again = exported.index()
    assert again.published
    assert tables(exported) == tables(calm)
    named = {Path(url) for spec in ("log_objects", "log_events") for url in exported.lake.snapshot().table(spec).urls}
    there = {
        p for spec in ("log_objects", "log_events") for p in (Path(exported.path) / spec).glob("**/part-*.parquet")
    }
    assert there == named
    assert exported.index().read == 0


def test_an_export_after_a_killed_index_changes_nothing_about_it(exported: LogLake) -> None:
    run_and_kill(POINTS["one table is committed"], exported)
    exported.one("later", "hello\n")
    assert exported.ask("SELECT count(*) FROM log_objects") == [(0,)]
    assert exported.index().objects == {"indexed": LOGS - 1, "empty": 1, "missing": 1}


def test_ctrl_c_leaves_the_lake_as_it_was(exported: LogLake) -> None:
    code = _INDEX.format(hook="write.Writer._read_one = lambda self, row, stream: __import__('time').sleep(60)")
    environment = {**os.environ, **exported.s3.environment()}
    process = subprocess.Popen([sys.executable, "-c", code, exported.path], env=environment, stderr=subprocess.PIPE)
    lock = Path(exported.path) / "_writer.lock"
    while not lock.exists():
        time.sleep(0.02)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert b"KeyboardInterrupt" in said
    assert not lock.exists()
    assert exported.ask("SELECT count(*) FROM log_objects") == [(0,)]
    assert exported.index().objects == {"indexed": LOGS - 2, "empty": 1, "missing": 1}


def test_a_reader_sees_a_whole_run_or_none(exported: LogLake, monkeypatch: pytest.MonkeyPatch) -> None:
    from kubectl_argo_archive.lake.lake import LakeWriter

    original, seen = LakeWriter._publish_ledger, []

    def look(self: LakeWriter, row: dict[str, Any]) -> None:
        seen.append(exported.ask("SELECT (SELECT count(*) FROM log_objects), (SELECT count(*) FROM log_lines)"))
        original(self, row)

    monkeypatch.setattr(LakeWriter, "_publish_ledger", look)
    exported.index()
    assert seen == [[(0, 0)]]
    assert exported.ask("SELECT count(*) FROM log_objects") == [(LOGS,)]


def test_a_store_that_fails_for_good_publishes_nothing(exported: LogLake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    before = exported.lake.snapshot().export_id
    with pytest.raises(ArgoArchiveError):
        exported.index()
    lake: Lake = exported.lake
    assert lake.snapshot().export_id == before
