"""Erasure: no byte of the erased is left in the lake, the rest is as it was, and the chain still verifies."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from contract.archive_suite import workflow
from fixtures.lakes import read, rows
from fixtures.sealed import SealedLake
from fixtures.search_lakes import add_texts

from kubectl_argo_archive.audit import erase as erasing
from kubectl_argo_archive.audit import holds
from kubectl_argo_archive.audit.access import Reader
from kubectl_argo_archive.audit.bundle.select import Criteria
from kubectl_argo_archive.audit.erase import Erased, erase
from kubectl_argo_archive.audit.verify import verify
from kubectl_argo_archive.cli.main import cli
from kubectl_argo_archive.connect import open_evidence, open_lake
from kubectl_argo_archive.errors import ConfigError
from kubectl_argo_archive.query.session import open_session

MARK = "very-personal-text"


def wf(uid: str, **changes: object) -> dict[str, object]:
    return workflow(uid, status={"message": MARK if uid.startswith("p") else "plain"}, **changes)


@pytest.fixture
def lake(tmp_path: Path) -> SealedLake:
    made = SealedLake(tmp_path)
    made.export(wf("a"), wf("p1"), wf("p2", finished_at="2026-05-01T10:00:00Z"), wf("b"), wf("p3", finished_at=None))
    made.export(wf("p1", finished_at="2026-03-02T10:00:00Z"), wf("c"))
    return made


def run(lake: SealedLake, *uids: str) -> Erased:
    return erase(open_lake(str(lake.path)), Criteria(uids=uids), "GDPR-17", [lake.signer])


def left(lake: SealedLake) -> list[str]:
    """Data files that hold a text of the erased."""
    found = []
    for path in lake.path.rglob("*.parquet"):
        if "_delta_log" not in path.parts and MARK in json.dumps(pq.read_table(path).to_pylist(), default=str):
            found.append(path.name)
    return found


def test_erased_workflows_leave_a_tombstone(lake: SealedLake) -> None:
    before = {name: rows(lake.path, name, "uid", "version") for name in ("workflows", "raw")}
    assert left(lake)
    done = run(lake, "p1", "p2", "p3")
    assert (done.workflows, done.versions, done.files > 0, len(done.digests)) == (3, 4, True, 1)
    assert left(lake) == []
    for name, keys in before.items():
        assert rows(lake.path, name, "uid", "version") == [key for key in keys if not key[0].startswith("p")]
    report = verify(open_evidence(str(lake.path)), lake.ring, deep=True)
    assert (report.findings, report.clusters[0]["erased"]) == ([], 4)
    snapshot = open_lake(str(lake.path)).snapshot()
    assert (snapshot.total, snapshot.superseded) == (3, 0)
    assert read(lake.path, "source_events").num_rows == 0
    tombstones = json.loads(rows(lake.path, "exports", "seq", "selection")[-1][1])["erased"]
    assert MARK not in json.dumps(tombstones)


def test_the_lake_lives_on(lake: SealedLake) -> None:
    run(lake, "p1")
    lake.export(wf("d"), wf("a", finished_at="2026-03-05T10:00:00Z"))
    assert verify(open_evidence(str(lake.path)), lake.ring, deep=True).findings == []
    made = lake.bundle("out")
    assert (made.workflows, made.unsealed, lake.verify(lake.folder / "out")) == (6, 0, [])
    assert {uid for uid, _ in rows(lake.path, "workflows", "uid", "version")} == {"a", "b", "c", "d", "p2", "p3"}


def test_a_document_that_goes_without_a_tombstone_is_named(lake: SealedLake) -> None:
    run(lake, "p1")
    path = next(p for p in (lake.path / "raw").rglob("*.parquet") if "b" in pq.read_table(p)["uid"].to_pylist())
    path.unlink()
    assert any(f.kind == "missing" for f in verify(open_evidence(str(lake.path)), lake.ring).findings)


def test_an_interrupted_erasure_is_finished_by_the_next(lake: SealedLake, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(erasing, "delete_files", stop)
        with pytest.raises(KeyboardInterrupt):
            run(lake, "p1")
    assert left(lake)
    done = run(lake, "p2", "p3")
    assert left(lake) == []
    assert (done.workflows, len(done.digests)) == (2, 1)
    report = verify(open_evidence(str(lake.path)), lake.ring, deep=True)
    assert (report.findings, report.clusters[0]["erased"]) == ([], 4)


def test_logs_go_too(lake: SealedLake) -> None:
    lake.export(wf("uid-0"))
    add_texts(lake.path, {"x": f"line {MARK}\n".encode(), "y": b"plain\n"}, per_workflow=1, nodes=False)
    run(lake, "uid-0", "p1", "p2", "p3")
    assert left(lake) == []
    with open_session(open_lake(str(lake.path)).snapshot()) as session:
        found = [row for some in session.run("SELECT uid, message FROM log_lines").rows() for row in some]
        assert found == [("uid-1", "plain")]
        found = [row for some in session.run("SELECT uid FROM log_objects").rows() for row in some]
        assert found == [("uid-1",)]
    assert verify(open_evidence(str(lake.path)), lake.ring, deep=True).findings == []


def test_a_legal_hold_stands_in_the_way(lake: SealedLake) -> None:
    storage = open_lake(str(lake.path)).storage
    holds.place(storage, holds.Hold("case-1", "a claim", namespace="ns"), Reader("me", "here"))
    with pytest.raises(ConfigError, match="legal hold case-1 keeps"):
        run(lake, "p1")
    assert left(lake)
    holds.release(storage, "case-1", "settled", Reader("me", "here"))
    assert run(lake, "p1").versions == 2


def test_not_everything_and_not_by_chance(lake: SealedLake) -> None:
    with pytest.raises(ConfigError, match="erase everything"):
        erase(open_lake(str(lake.path)), Criteria(), "x", [lake.signer])
    assert run(lake, "nobody").workflows == 0
    base = ["audit", "erase", "--lake", str(lake.path), "--key", str(lake.key), "--uid", "p1", "--reason", "x"]
    refused = CliRunner().invoke(cli, base, prog_name="kubectl argo-archive", standalone_mode=False)
    assert isinstance(refused.exception, ConfigError)
    done = CliRunner().invoke(
        cli, [*base, "--yes", "-o", "json"], prog_name="kubectl argo-archive", standalone_mode=False
    )
    assert json.loads(done.stdout)["versions"] == 2
