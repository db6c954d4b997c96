"""Broken rows in a real archive: the export goes on, keeps them, counts them, and says so with its exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fixtures.lakes import execute, export_to, from_database, result_of, rows, wrong_cells
from fixtures.servers import ArchiveDb
from test_flatten_malformed import NOT_JSON, TYPES, with_value

from kubectl_argo_archive.cli.main import run
from kubectl_argo_archive.demo.argo_schema import ArchiveRow, archive_workflow, create_schema_sql
from kubectl_argo_archive.demo.postgres import EmbeddedPostgres
from kubectl_argo_archive.errors import ExitCode

AS_TEXT = "alter table argo_archived_workflows alter workflow type text using workflow::text"
STORABLE = {
    name: data.decode() for name, (data, reason) in NOT_JSON.items() if "UTF-8" not in reason and b"\0" not in data
}


def archive(uri: str, texts: dict[str, str], template: ArchiveRow) -> None:
    """Archive texts under their uids, whatever they are; the other columns are the template's."""
    with psycopg.connect(uri) as connection:
        for uid, text in texts.items():
            archive_workflow(connection.cursor(), replace(template, uid=uid, labels={}, json=text))


def command(*arguments: object) -> int:
    return run([str(argument) for argument in arguments])


def test_broken_rows_stay_in_quarantine(
    archive_db: ArchiveDb, tmp_path: Path, workflows: list[ArchiveRow], capsys: pytest.CaptureFixture[str]
) -> None:
    uri, lake, good = archive_db(68, workflows[:30]), tmp_path / "lake", workflows[0]
    execute(uri, AS_TEXT)
    sound = from_database(uri)
    archive(uri, STORABLE, good)

    code = command("export", "--source", uri, "--lake", lake, "-o", "json")
    output, said = capsys.readouterr()
    result = result_of(output)
    assert code == ExitCode.FOUND_PROBLEMS
    assert (result["new"], result["quarantined"], result["changed"]) == (30, len(STORABLE), 0)
    assert result["tables"]["quarantine"]["rows"] == len(STORABLE)
    assert f"warning: {len(STORABLE)} rows" in said
    assert "hint: kubectl argo-archive query" in said
    assert wrong_cells(lake, sound, result["export_id"]) == {}
    assert rows(lake, "quarantine", "uid", "json") == sorted(STORABLE.items(), key=repr)
    for row in rows(lake, "quarantine"):
        assert (row["name"], row["namespace"], row["phase"]) == (good.name, good.namespace, good.phase)
        assert row["reason"]
        assert row["json_bytes"] == len(STORABLE[row["uid"]].encode())

    code = command("export", "--source", uri, "--lake", lake, "-o", "json")
    again = result_of(capsys.readouterr().out)
    assert (code, again["published"], again["unchanged"], again["quarantined"]) == (0, False, 30 + len(STORABLE), 0)
    assert again["json_bytes"] == 0

    code = command("export", "--source", uri, "--lake", lake, "--full", "-o", "json")
    full = result_of(capsys.readouterr().out)
    assert (full["new"], full["changed"], full["published"]) == (0, 0, False)
    assert rows(lake, "quarantine", "uid") == sorted(STORABLE, key=repr)


def test_wrong_types_in_a_real_archive(archive_db: ArchiveDb, tmp_path: Path, workflows: list[ArchiveRow]) -> None:
    uri = archive_db(68, workflows[:5])
    sound = from_database(uri)
    wrong = {path: with_value(path, True if wanted != "a boolean" else "x").decode() for path, wanted in TYPES.items()}
    archive(uri, wrong, workflows[0])
    result = export_to(tmp_path / "lake", uri)
    assert (result.new, result.quarantined) == (5, len(wrong))
    reasons = dict(rows(tmp_path / "lake", "quarantine", "uid", "reason"))
    assert set(reasons) == set(wrong)
    assert all(": expected " in reason for reason in reasons.values())
    assert wrong_cells(tmp_path / "lake", sound, result.export_id) == {}


@pytest.fixture
def bytes_db(postgres: EmbeddedPostgres) -> Iterator[str]:
    """An empty database that takes any bytes for text."""
    name = "argo_bytes"
    execute(postgres.uri, f"create database {name} encoding 'SQL_ASCII' template template0")
    yield postgres.uri_of(name)
    postgres.drop_database(name)


def test_bytes_that_are_no_text(bytes_db: str, tmp_path: Path, workflows: list[ArchiveRow]) -> None:
    execute(bytes_db, create_schema_sql(68), AS_TEXT)
    archive(bytes_db, {"good": workflows[0].json, "bad": "?"}, workflows[0])
    execute(
        bytes_db,
        r"update argo_archived_workflows set workflow = convert_from('\x7b226d65746164617461223a22e9ff227d', 'SQL_ASCII')"  # noqa: E501
        " where uid = 'bad'",
    )
    result = export_to(tmp_path / "lake", bytes_db)
    assert (result.new, result.quarantined) == (1, 1)
    ((reason, kept),) = rows(tmp_path / "lake", "quarantine", "reason", "json")
    assert reason.startswith("not UTF-8: ")
    assert kept == '{"metadata":"��"}'


def test_broken_lines_of_a_file(
    tmp_path: Path, workflows: list[ArchiveRow], capsys: pytest.CaptureFixture[str]
) -> None:
    dump, lake = tmp_path / "dump.ndjson", tmp_path / "lake"
    lines = [row.json.encode() for row in workflows[:10]]
    lines[5:5] = [
        lines[0][:3000],
        b'{"metadata":{"uid":"no-utf8","name":"\xff"},"status":{}}',
        b'{"metadata":{"uid":"n"},"status":5}',
    ]
    dump.write_bytes(b"\n".join(lines) + b"\n")
    assert command("export", "--source", dump, "--lake", lake, "-o", "json") == ExitCode.FOUND_PROBLEMS
    result = result_of(capsys.readouterr().out)
    assert (result["new"], result["quarantined"]) == (10, 3)
    reasons = rows(lake, "quarantine", "reason")
    assert [reason.partition(":")[0] for reason in reasons] == ["not JSON", "not UTF-8", "status"]
    assert set(rows(lake, "workflows", "uid")) == {row.uid for row in workflows[:10]}


def _version(workflow: ArchiveRow, finished_at: str, **status: Any) -> str:
    document = json.loads(workflow.json)
    document["status"] |= {"finishedAt": finished_at, **status}
    return json.dumps(document)


def test_a_workflow_that_breaks_and_is_mended(
    archive_db: ArchiveDb, tmp_path: Path, workflows: list[ArchiveRow]
) -> None:
    uri, lake, template = archive_db(68), tmp_path / "lake", workflows[0]

    def exported(text: str) -> tuple[int, int, int, int]:
        archive(uri, {"u": text}, template)
        result = export_to(lake, uri)
        return result.new, result.changed, result.quarantined, result.unchanged

    assert exported(_version(template, "2026-01-01T00:00:00Z", nodes=[])) == (0, 0, 1, 0)
    assert rows(lake, "quarantine", "version") == [1]
    assert exported(_version(template, "2026-01-02T00:00:00Z")) == (1, 0, 0, 0)
    assert rows(lake, "workflows", "version") == [2]
    assert rows(lake, "source_events") == []
    assert exported(_version(template, "2026-01-03T00:00:00Z", phase=5)) == (0, 0, 1, 0)
    assert rows(lake, "quarantine", "version") == [1, 3]
    assert rows(lake, "source_events") == []  # version 2 is still the latest that can be read
    assert exported(_version(template, "2026-01-04T00:00:00Z")) == (0, 1, 0, 0)
    assert rows(lake, "workflows", "version") == [2, 4]
    assert rows(lake, "source_events", "version", "kind") == [(2, "superseded")]
    assert export_to(lake, uri).unchanged == 1
    assert rows(lake, "exports", "total_versions", "superseded_versions") == [(0, 0), (1, 0), (1, 0), (2, 1)]
