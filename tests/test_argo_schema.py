"""Argo's tables on a real Postgres: every layout, rows as Argo writes them, upgrades."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from kubectl_argo_archive.demo.argo_schema import (
    LATEST,
    NUL_MARKER,
    SCHEMA_VERSIONS,
    ArchiveRow,
    archive_workflow,
    create_schema_sql,
    load_archive,
    marshal,
    upgrade_schema_sql,
)

ArchiveDb = Callable[..., str]

# what Argo's own 69 migrations leave on an empty Postgres, at the releases' versions
COLUMNS = [
    ("uid", "character varying", 128, "NO", None),
    ("name", "character varying", 256, "NO", None),
    ("phase", "character varying", 25, "NO", None),
    ("namespace", "character varying", 256, "NO", None),
    ("workflow", "json", None, "NO", None),
    ("startedat", "timestamp without time zone", None, "NO", "CURRENT_TIMESTAMP"),
    ("finishedat", "timestamp without time zone", None, "NO", "CURRENT_TIMESTAMP"),
    ("clustername", "character varying", 64, "NO", None),
    ("instanceid", "character varying", 64, "NO", None),
]
CREATION = ("creationtimestamp", "timestamp without time zone", None, "YES", "CURRENT_TIMESTAMP")
INDEXES = {
    "argo_archived_workflows_pkey": "(clustername, uid)",
    "argo_archived_workflows_i2": "(clustername, instanceid, finishedat)",
    "argo_archived_workflows_labels_pkey": "(clustername, uid, name)",
    "argo_workflows_pkey": "(clustername, uid, version)",
    "argo_workflows_i1": "(clustername, namespace, updatedat)",
}


def expected_indexes(version: int) -> dict[str, str]:
    found = dict(INDEXES)
    startedat = ", startedat DESC" if version >= 68 else ""
    found["argo_archived_workflows_i1"] = f"(clustername, instanceid, namespace{startedat})"
    if version >= 57:
        found["argo_archived_workflows_i3"] = "(clustername, instanceid, name)"
    if version >= 59:
        found["argo_archived_workflows_i4"] = "(clustername, startedat)" if version >= 62 else "(startedat)"
        found["argo_archived_workflows_labels_i1"] = "(name, value)"
    if version >= 62:
        found["schema_history_pkey"] = "(schema_version)"
    if version >= 66:
        found["argo_archived_workflows_i5"] = "(creationtimestamp)"
    return found


def query(uri: str, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(uri) as connection:
        return connection.execute(sql, parameters).fetchall()


def columns(uri: str, table: str) -> list[tuple[Any, ...]]:
    return query(
        uri,
        "select column_name, data_type, character_maximum_length, is_nullable, column_default "
        "from information_schema.columns where table_name = %s order by ordinal_position",
        table,
    )


def workflow(**changes: Any) -> dict[str, Any]:
    """A small workflow; keyword arguments replace parts of its status."""
    times = {"startedAt": "2026-07-01T10:00:01Z", "finishedAt": "2026-07-01T10:00:09Z"}
    return {
        "metadata": {
            "name": "hello", "namespace": "argo", "uid": "u-1", "creationTimestamp": "2026-07-01T10:00:00Z",
            "labels": {"team": "risk", "tier": ""},
        },
        "spec": {},
        "status": {"phase": "Failed", **times, **changes},
    }  # fmt: skip


@pytest.mark.parametrize("version", SCHEMA_VERSIONS)
def test_layout(archive_db: ArchiveDb, version: int) -> None:
    uri = archive_db(version)
    archived = [("workflow", "jsonb", *c[2:]) if c[0] == "workflow" and version >= 60 else c for c in COLUMNS]
    assert columns(uri, "argo_archived_workflows") == [*archived, *([CREATION] if version >= 66 else [])]
    assert [c[0] for c in columns(uri, "argo_archived_workflows_labels")] == ["clustername", "uid", "name", "value"]
    assert query(uri, "select schema_version from schema_history") == [(version,)]
    indexes = query(uri, "select indexname, substring(indexdef from ' USING btree (.*)') from pg_indexes "
                    "where schemaname = 'public'")  # fmt: skip
    assert dict(indexes) == expected_indexes(version)
    assert query(uri, "select confdeltype::text from pg_constraint where contype = 'f'") == [("c",)]


@pytest.mark.parametrize("version", [56, 66])
def test_offload_table(archive_db: ArchiveDb, version: int) -> None:
    names = [c[0] for c in columns(archive_db(version), "argo_workflows")]
    extra = ["creationtimestamp"] if version >= 66 else []
    assert names == ["uid", "namespace", *extra, "clustername", "version", "nodes", "updatedat"]


def test_another_schema(archive_db: ArchiveDb) -> None:
    uri = archive_db(68, [workflow()], schema='Argo "x"')
    assert query(uri, 'select name from "Argo ""x""".argo_archived_workflows') == [("hello",)]
    assert query(uri, "select 1 from information_schema.tables where table_schema = 'public'") == []


def test_unknown_versions_are_refused() -> None:
    with pytest.raises(ValueError, match="58"):
        create_schema_sql(58)
    with pytest.raises(ValueError, match="never downgrades"):
        upgrade_schema_sql(68, 60)


@pytest.mark.parametrize("version", SCHEMA_VERSIONS)
def test_a_row_as_argo_writes_it(archive_db: ArchiveDb, version: int) -> None:
    uri = archive_db(version)
    with psycopg.connect(uri) as connection:
        archive_workflow(connection.cursor(), workflow(), cluster="prod", instance_id="i", schema_version=version)
    (row,) = query(uri, "select clustername, instanceid, uid, name, namespace, phase, startedat, finishedat, "
                   "workflow from argo_archived_workflows")  # fmt: skip
    started, finished = datetime(2026, 7, 1, 10, 0, 1), datetime(2026, 7, 1, 10, 0, 9)
    assert row == ("prod", "i", "u-1", "hello", "argo", "Failed", started, finished, workflow())
    assert query(uri, "select clustername, uid, name, value from argo_archived_workflows_labels order by name") == [
        ("prod", "u-1", "team", "risk"), ("prod", "u-1", "tier", ""),
    ]  # fmt: skip
    if version >= 66:
        assert query(uri, "select creationtimestamp from argo_archived_workflows") == [(datetime(2026, 7, 1, 10),)]


def test_json_text_is_kept_letter_by_letter(archive_db: ArchiveDb) -> None:
    text = '{"metadata": {"uid":"u","labels":{}}, "spec":{"n": 1.10, "n": 2}, "status":{"phase":"Error"} }'
    uri = archive_db(59, [text])
    assert query(uri, "select workflow::text, name, startedat from argo_archived_workflows") == [
        (text, "", datetime.min)
    ]


def test_archiving_again_replaces_the_row_and_its_labels(archive_db: ArchiveDb) -> None:
    uri = archive_db(68, [workflow()])
    again = workflow(phase="Succeeded", finishedAt="2026-07-02T00:00:00Z")
    again["metadata"]["labels"] = {"actor": "bob"}
    with psycopg.connect(uri) as connection:
        archive_workflow(connection.cursor(), again)
    assert query(uri, "select phase, finishedat from argo_archived_workflows") == [("Succeeded", datetime(2026, 7, 2))]
    assert query(uri, "select name from argo_archived_workflows_labels") == [("actor",)]


def test_a_row_of_another_instance_is_in_the_way(archive_db: ArchiveDb) -> None:
    uri = archive_db(68, [workflow()])
    with psycopg.connect(uri) as connection, pytest.raises(psycopg.errors.UniqueViolation):
        archive_workflow(connection.cursor(), workflow(), instance_id="new")


def test_the_columns_hold_the_controllers_wall_clock(archive_db: ArchiveDb) -> None:
    text = json.dumps(workflow(startedAt="2026-07-01T23:30:00.999Z", finishedAt=None))
    uri = archive_db(68, [text], controller_zone=timezone(timedelta(hours=9)))
    assert query(uri, "select startedat, finishedat from argo_archived_workflows") == [
        (datetime(2026, 7, 2, 8, 30), datetime.min)
    ]


def test_nul(archive_db: ArchiveDb) -> None:
    text = marshal(workflow(message="a\0b"))
    assert query(archive_db(68, [text]), "select workflow->'status'->>'message' from argo_archived_workflows") == [
        (f"a{NUL_MARKER}b",)
    ]
    assert query(archive_db(59, [text], replace_nul=False), "select workflow::text from argo_archived_workflows") == [
        (text,)
    ]
    with pytest.raises(psycopg.errors.UntranslatableCharacter):
        archive_db(60, [text], replace_nul=False)


def test_marshal_escapes_as_go_does() -> None:
    assert marshal({"a": "<b>&é\u2028", "b": 1}) == '{"a":"\\u003cb\\u003e\\u0026é\\u2028","b":1}'


def test_loading_many(archive_db: ArchiveDb, workflows: list[ArchiveRow]) -> None:
    uri = archive_db(68)
    assert load_archive(uri, iter(workflows), batch_rows=70) == len(workflows)
    assert query(uri, "select count(*), count(distinct uid) from argo_archived_workflows") == [(300, 300)]
    labels = sum(len(row.labels) for row in workflows)
    assert query(uri, "select count(*) from argo_archived_workflows_labels") == [(labels,)]
    assert query(uri, "select reltuples > 0 from pg_class where relname = 'argo_archived_workflows'") == [(True,)]
    row = workflows[7]
    (found,) = query(uri, "select workflow, startedat from argo_archived_workflows where uid = %s", row.uid)
    assert found[0] == json.loads(row.json.replace("\\u0000", NUL_MARKER))
    assert found[1].replace(tzinfo=UTC) == row.started_at


def test_upgrading_keeps_the_rows(archive_db: ArchiveDb, workflows: list[ArchiveRow]) -> None:
    rows = [replace(row, json=row.json.replace("\\u0000", NUL_MARKER)) for row in workflows[:20]]
    uri = archive_db(56, rows)
    for old, new in pairwise(SCHEMA_VERSIONS):
        with psycopg.connect(uri) as connection:
            connection.execute(upgrade_schema_sql(old, new).encode())
        assert query(uri, "select schema_version from schema_history") == [(new,)]
    assert [c[0] for c in columns(uri, "argo_archived_workflows")] == [*(c[0] for c in COLUMNS), CREATION[0]]
    assert query(uri, "select count(*) from argo_archived_workflows where creationtimestamp = startedat") == [(20,)]
    expected = {row.uid: json.loads(row.json) for row in rows}
    assert dict(query(uri, "select uid, workflow from argo_archived_workflows")) == expected
    assert LATEST == 68
