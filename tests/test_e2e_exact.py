"""From Argo's database to an analyst's answer, through the real kubectl: every cell, and every count of the result."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.ipc
import pytest
from fixtures.flattening import as_table, differences
from fixtures.kubectl import Kubectl
from fixtures.lakes import from_database, result_of
from fixtures.servers import S3, ArchiveDb
from oracle import expected_rows

from kubectl_argo_archive.demo.argo_schema import ArchiveRow, archive_workflow
from kubectl_argo_archive.tables.schema import DOCUMENTED, TABLES, WORKFLOW_TABLES

COUNT = 60


@dataclass(frozen=True)
class Place:
    """Where a lake lies, and who asks it."""

    kubectl: Kubectl
    lake: str
    env: dict[str, str]
    cwd: Path

    def run(self, *arguments: str, code: int = 0, env: dict[str, str] | None = None) -> str:
        done = self.kubectl.run("argo-archive", *arguments, env={**self.env, **(env or {})}, cwd=self.cwd)
        assert done.returncode == code, done.stderr
        return done.stdout

    def ask(self, sql: str, *more: str) -> Any:
        return json.loads(self.run("query", "--lake", self.lake, "-o", "json", sql, *more))

    def table(self, sql: str, out: Path) -> pa.Table:
        self.run("query", "--lake", self.lake, "-o", "arrow", "--out", str(out), sql)
        with pa.ipc.open_stream(out) as stream:
            return stream.read_all()


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, kubectl: Kubectl, tmp_path: Path) -> Place:
    """``--lake ./dir`` from another folder, and S3 by the AWS variables alone."""
    if request.param == "folder":
        return Place(kubectl, "./dir", {}, tmp_path)
    s3: S3 = request.getfixturevalue("s3")
    return Place(kubectl, s3.url, s3.environment(), tmp_path)


def test_every_answer_equals_the_referee(
    place: Place, archive_db: ArchiveDb, tmp_path: Path, workflows: list[ArchiveRow]
) -> None:
    uri = archive_db(68, workflows[:COUNT], cluster="east", instance_id="blue")
    result = result_of(place.run("export", "--source", uri, "--lake", place.lake, "-o", "json"))
    expected: dict[str, list[Any]] = {spec.name: [] for spec in WORKFLOW_TABLES}
    for row in from_database(uri):
        found = expected_rows(
            row["json"], "east", row["uid"], instance_id="blue", source_revision=row["revision"],
            export_id=result["export_id"],
        )  # fmt: skip
        found["workflows"][0]["json_bytes"] = len(found["raw"][0]["json"].encode())
        for name, items in found.items():
            expected[name].extend(items)

    assert {name: added["rows"] for name, added in result["tables"].items() if name in expected} == {
        name: len(items) for name, items in expected.items()
    }
    for spec in WORKFLOW_TABLES if not place.env else WORKFLOW_TABLES[:3]:
        columns = ", ".join(f'"{name}"' for name in spec.schema.names)
        answer = place.table(f"select {columns} from {spec.name}", tmp_path / f"{spec.name}.arrow").cast(spec.schema)
        assert differences(answer, as_table(spec.name, expected[spec.name])) == []

    by_type = place.ask(
        "select type, count(*) as n, sum(cpu_s) as cpu from nodes group by all order by type nulls last"
    )
    for row in by_type:
        mine = [node for node in expected["nodes"] if node["type"] == row["type"]]
        assert (row["n"], row["cpu"] or 0) == (len(mine), sum(node["cpu_s"] or 0 for node in mine))
    assert sum(row["n"] for row in by_type) == len(expected["nodes"])


def test_the_result_object(place: Place, archive_db: ArchiveDb, workflows: list[ArchiveRow]) -> None:
    uri = archive_db(68, workflows[:COUNT])
    env = {"KUBECTL_ARGO_ARCHIVE_SOURCE": uri, "KUBECTL_ARGO_ARCHIVE_LAKE": place.lake}
    first = result_of(place.run("export", "-o", "json", env=env))
    assert {"export_id", "tables", "new", "changed", "deleted", "unchanged", "quarantined", "seconds",
            "peak_memory_bytes"} <= first.keys()  # fmt: skip
    assert (first["new"], first["changed"], first["deleted"], first["unchanged"]) == (COUNT, 0, 0, 0)
    assert first["tables"].keys() == {spec.name for spec in TABLES} - {"exports"}
    assert all(added["bytes"] > 0 for added in first["tables"].values() if added["rows"])
    assert isinstance(first["seconds"], float)
    assert isinstance(first["peak_memory_bytes"], int)

    changed = json.loads(workflows[0].json)
    changed["status"]["finishedAt"] = "2026-12-24T00:00:00Z"
    with psycopg.connect(uri) as connection:
        archive_workflow(connection.cursor(), changed)
        archive_workflow(connection.cursor(), workflows[COUNT])
        connection.execute("delete from argo_archived_workflows where uid = %s", (workflows[1].uid,))
        connection.execute("update argo_archived_workflows set workflow = '[]' where uid = %s", (workflows[2].uid,))
    second = result_of(place.run("export", "-o", "json", env=env, code=3))
    counted = {name: second[name] for name in ("new", "changed", "deleted", "unchanged", "quarantined")}
    assert counted == {"new": 1, "changed": 1, "deleted": 1, "unchanged": COUNT - 3, "quarantined": 1}
    third = result_of(place.run("export", "-o", "json", env=env))
    assert (third["published"], third["unchanged"], third["export_id"]) == (False, COUNT, second["export_id"])

    (state,) = place.ask(
        "select count(*) as n, count(distinct uid) as uids, max(version) as version, count(source_deleted_at) as gone"
        " from workflows"
    )
    assert state == {"n": COUNT + 1, "uids": COUNT + 1, "version": 2, "gone": 1}
    (state,) = place.ask("select count(*) as n from workflow_versions")
    assert state == {"n": COUNT + 2}
    then = ("select count(*) as n, max(version) as version from workflows", "--as-of", first["export_id"])
    assert place.ask(*then) == [{"n": COUNT, "version": 1}]
    ledger = place.ask("select seq, export_id, new, table_rows['nodes'] as nodes from exports order by seq")
    assert [row["export_id"] for row in ledger] == [first["export_id"], second["export_id"]]
    assert [row["nodes"] for row in ledger] == [first["tables"]["nodes"]["rows"], second["tables"]["nodes"]["rows"]]
    (reason,) = place.ask("select uid, reason from quarantine")
    assert reason == {"uid": workflows[2].uid, "reason": "not a workflow: the JSON is an array, not an object"}
    assert {spec.name for spec in DOCUMENTED} <= {row["name"] for row in place.ask("show tables")}
