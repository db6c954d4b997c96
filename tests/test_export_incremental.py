"""What a second export does: only what is new, changed or gone, found without reading what is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from contract.archive_suite import workflow
from fixtures.lakes import data_files, execute, export_to, files, from_database, live_files, read, rows, wrong_cells
from fixtures.servers import ArchiveDb

from kubectl_argo_archive.archive.workflow_archive import ArchiveInfo, ArchiveSnapshot, Selection
from kubectl_argo_archive.connect import open_lake, open_source
from kubectl_argo_archive.demo.argo_schema import ArchiveRow, archive_workflow, load_archive, upgrade_schema_sql
from kubectl_argo_archive.errors import ConfigError, LakeError
from kubectl_argo_archive.export.pipeline import export
from kubectl_argo_archive.export.result import ExportResult

Row = dict[str, Any]
COUNTS = ("new", "changed", "deleted", "restored", "rewritten", "unchanged", "quarantined", "skipped", "vanished")


def counts(result: ExportResult) -> dict[str, int]:
    """The counts that are not zero."""
    return {name: getattr(result, name) for name in COUNTS if getattr(result, name)}


def archive(uri: str, *workflows: Row, **options: Any) -> None:
    with psycopg.connect(uri) as connection:
        for one in workflows:
            archive_workflow(connection.cursor(), one, **options)


def events(lake: Path) -> list[tuple[str, int, str]]:
    return rows(lake, "source_events", "uid", "version", "kind")


class Watched:
    """A source that says what is asked of it, and may lose rows on the way."""

    def __init__(self, uri: str, lost: frozenset[str] = frozenset()) -> None:
        self._archive = open_source(uri)
        self._lost = lost
        self.asked: list[str] = []

    @contextmanager
    def snapshot(self) -> Iterator[ArchiveSnapshot]:
        with self._archive.snapshot() as snapshot:
            self._snapshot = snapshot
            yield self

    @property
    def info(self) -> ArchiveInfo:
        return self._snapshot.info

    def keys(self) -> pa.Table:
        return self._snapshot.keys()

    def select(self, selection: Selection) -> pa.Table:
        return self._snapshot.select(selection)

    def rows(self, keys: pa.Table | None, *, batch_bytes: int) -> Iterator[pa.RecordBatch]:
        self.asked += ["everything"] if keys is None else sorted(keys["uid"].to_pylist())
        for batch in self._snapshot.rows(keys, batch_bytes=batch_bytes):
            yield batch.filter(pa.array([uid not in self._lost for uid in batch["uid"].to_pylist()], pa.bool_()))


def toast_reads(uri: str) -> int:
    """Blocks of JSON that the server has read so far."""
    with psycopg.connect(uri) as connection:
        row = connection.execute(
            "select toast_blks_read + toast_blks_hit from pg_statio_user_tables where relname = 'argo_archived_workflows'"  # noqa: E501
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_an_unchanged_archive_costs_its_keys_only(
    archive_db: ArchiveDb, tmp_path: Path, workflows: list[ArchiveRow]
) -> None:
    uri, lake = archive_db(68, workflows[:100]), tmp_path / "lake"
    first = export_to(lake, uri)
    assert counts(first) == {"new": 100}
    before, reads = files(lake), toast_reads(uri)
    assert reads > 0
    source = Watched(uri)
    again = export(source, open_lake(str(lake)))
    assert source.asked == []
    assert toast_reads(uri) == reads
    assert counts(again) == {"unchanged": 100}
    assert (again.published, again.export_id, again.json_bytes, again.tables) == (False, first.export_id, 0, {})
    assert files(lake) == before


def test_only_what_is_new_is_read(archive_db: ArchiveDb, tmp_path: Path) -> None:
    uri, lake = archive_db(68, [workflow("a"), workflow("b")]), tmp_path / "lake"
    export_to(lake, uri)
    before = files(lake)
    archive(uri, workflow("c"))
    source = Watched(uri)
    result = export(source, open_lake(str(lake)))
    assert source.asked == ["c"]
    assert counts(result) == {"new": 1, "unchanged": 2}
    assert rows(lake, "workflows", "uid", "version") == [("a", 1), ("b", 1), ("c", 1)]
    assert {name: stat for name, stat in files(lake).items() if name in before} == before
    assert rows(lake, "exports", "seq", "new", "unchanged") == [(1, 2, 0), (2, 1, 2)]


def test_many_small_exports_add_up(archive_db: ArchiveDb, tmp_path: Path, workflows: list[ArchiveRow]) -> None:
    uri, lake = archive_db(), tmp_path / "lake"
    written = []
    for n in range(0, 40, 8):
        load_archive(uri, workflows[n : n + 8])
        result = export_to(lake, uri)
        assert counts(result) == {"new": 8} | ({"unchanged": n} if n else {})
        written.append((result.export_id, [row.uid for row in workflows[n : n + 8]]))
    for export_id, uids in written:
        assert wrong_cells(lake, from_database(uri, uids), export_id) == {}
    assert data_files(lake) == live_files(lake)


def test_a_workflow_archived_again_has_two_versions(archive_db: ArchiveDb, tmp_path: Path) -> None:
    uri, lake = archive_db(68, [workflow("a"), workflow("b")]), tmp_path / "lake"
    first = export_to(lake, uri)
    archive(uri, workflow("a", finished_at="2026-04-02T00:00:00Z", status={"message": "retried"}))
    source = Watched(uri)
    second = export(source, open_lake(str(lake)))
    assert set(source.asked) == {"a"}
    assert counts(second) == {"changed": 1, "unchanged": 1}
    columns = ("uid", "version", "message", "export_id")
    assert rows(lake, "workflows", *columns) == [
        ("a", 1, None, first.export_id), ("a", 2, "retried", second.export_id), ("b", 1, None, first.export_id)
    ]  # fmt: skip
    assert rows(lake, "raw", "uid", "version") == [("a", 1), ("a", 2), ("b", 1)]
    assert events(lake) == [("a", 1, "superseded")]
    assert counts(export_to(lake, uri)) == {"unchanged": 2}
    archive(uri, workflow("a", finished_at="2026-04-03T00:00:00Z"))
    assert counts(export_to(lake, uri)) == {"changed": 1, "unchanged": 1}
    assert events(lake) == [("a", 1, "superseded"), ("a", 2, "superseded")]
    assert rows(lake, "exports", "total_versions", "superseded_versions") == [(2, 0), (3, 1), (4, 2)]


def test_a_change_within_the_same_second_is_seen(archive_db: ArchiveDb, tmp_path: Path) -> None:
    uri, lake = archive_db(68, [workflow("a")]), tmp_path / "lake"
    export_to(lake, uri)
    archive(uri, workflow("a", labels={"team": "risk"}))
    assert counts(export_to(lake, uri)) == {"changed": 1}
    assert rows(lake, "labels", "uid", "version", "name", "value") == [("a", 2, "team", "risk")]


def test_a_row_that_expires_is_marked_and_may_come_back(archive_db: ArchiveDb, tmp_path: Path) -> None:
    uri, lake = archive_db(68, [workflow(uid) for uid in "abc"]), tmp_path / "lake"
    export_to(lake, uri)
    execute(uri, "delete from argo_archived_workflows where uid in ('a', 'b')")
    source = Watched(uri)
    assert counts(export(source, open_lake(str(lake)))) == {"deleted": 2, "unchanged": 1}
    assert source.asked == []
    assert events(lake) == [("a", 1, "deleted"), ("b", 1, "deleted")]
    assert rows(lake, "workflows", "uid") == ["a", "b", "c"]
    assert counts(export_to(lake, uri)) == {"unchanged": 1}  # noticed once
    archive(uri, workflow("a"), workflow("b", status={"message": "again"}))
    assert counts(export_to(lake, uri)) == {"changed": 1, "restored": 1, "rewritten": 1, "unchanged": 1}
    assert rows(lake, "workflows", "uid", "version") == [("a", 1), ("b", 1), ("b", 2), ("c", 1)]
    assert set(events(lake)) == {
        ("a", 1, "deleted"), ("a", 1, "restored"), ("a", 1, "rewritten"), ("b", 1, "deleted"), ("b", 1, "superseded"),
    }  # fmt: skip
    assert counts(export_to(lake, uri)) == {"unchanged": 3}
    execute(uri, "delete from argo_archived_workflows")
    assert counts(export_to(lake, uri)) == {"deleted": 3}
    assert ("a", 1, "deleted") in events(lake)
    assert ("b", 2, "deleted") in events(lake)
    assert counts(export_to(lake, uri)) == {}


@pytest.mark.parametrize(
    "statement",
    [
        "update argo_archived_workflows set name = name",
        upgrade_schema_sql(59, 60),
        upgrade_schema_sql(59, 68),
        "alter table argo_archived_workflows alter workflow type text",
        "create table copied as table argo_archived_workflows; delete from argo_archived_workflows;"
        " insert into argo_archived_workflows table copied; drop table copied",
    ],
    ids=["update", "json to jsonb", "upgrade", "text", "restored"],
)
def test_a_rewritten_row_is_no_new_version(
    archive_db: ArchiveDb, tmp_path: Path, workflows: list[ArchiveRow], statement: str
) -> None:
    uri, lake = archive_db(59, workflows[:40]), tmp_path / "lake"
    export_to(lake, uri)
    before = data_files(lake)
    execute(uri, statement)
    assert counts(export_to(lake, uri)) == {"rewritten": 40}
    assert {kind for _, _, kind in events(lake)} == {"rewritten"}
    assert read(lake, "workflows").num_rows == 40
    assert {name.partition("/")[0] for name in data_files(lake) - before} == {"source_events", "exports"}
    assert counts(export_to(lake, uri)) == {"unchanged": 40}


def test_vacuum_is_no_change(archive_db: ArchiveDb, tmp_path: Path) -> None:
    uri, lake = archive_db(68, [workflow("a"), workflow("b")]), tmp_path / "lake"
    export_to(lake, uri)
    execute(uri, "vacuum (full, freeze) argo_archived_workflows")
    result = export_to(lake, uri)
    assert (result.new, result.changed, result.unchanged + result.rewritten) == (0, 0, 2)


def test_full_compares_the_content(archive_db: ArchiveDb, tmp_path: Path) -> None:
    """Through a view a row has no ``xmin``: an edit that leaves the stamps alone is found by --full only."""
    uri, lake = archive_db(68, [workflow("a"), workflow("b")]), tmp_path / "lake"
    execute(
        uri,
        "alter table argo_archived_workflows rename to hidden",
        "create view argo_archived_workflows as select * from hidden",
    )
    export_to(lake, uri)
    execute(uri, """update hidden set workflow = jsonb_set(workflow, '{status,message}', '"edited"') where uid = 'a'""")
    assert counts(export_to(lake, uri)) == {"unchanged": 2}
    assert counts(export_to(lake, uri, full=True)) == {"changed": 1, "unchanged": 1}
    assert rows(lake, "workflows", "uid", "version", "message") == [("a", 1, None), ("a", 2, "edited"), ("b", 1, None)]
    before = files(lake)
    assert counts(export_to(lake, uri, full=True)) == {"unchanged": 2}
    assert files(lake) == before


def test_dry_run_counts_and_changes_nothing(archive_db: ArchiveDb, tmp_path: Path) -> None:
    uri, lake = archive_db(68, [workflow("a"), workflow("b"), workflow("c")]), tmp_path / "lake"
    result = export_to(lake, uri, dry_run=True)
    assert (counts(result), result.dry_run, result.published, result.export_id) == ({"new": 3}, True, False, None)
    assert not lake.exists()
    export_to(lake, uri)
    archive(uri, workflow("a", finished_at="2026-04-02T00:00:00Z"), workflow("d"))
    execute(uri, "delete from argo_archived_workflows where uid = 'b'")
    before, source = files(lake), Watched(uri)
    result = export(source, open_lake(str(lake)), dry_run=True)
    assert counts(result) == {"new": 1, "changed": 1, "deleted": 1, "unchanged": 1}
    assert source.asked == []
    assert files(lake) == before


def test_namespaces_and_labels_select(archive_db: ArchiveDb, tmp_path: Path) -> None:
    given = [
        workflow("a", namespace="x", labels={"team": "risk"}),
        workflow("b", namespace="y", labels={"team": "risk", "tier": "test"}),
        workflow("c", namespace="x"),
    ]
    uri, lake = archive_db(68, given), tmp_path / "lake"
    assert counts(export_to(lake, uri, Selection(namespaces=("y",)))) == {"new": 1}
    assert counts(export_to(lake, uri, Selection(labels="team=risk,tier!=test"))) == {"new": 1}
    assert rows(lake, "workflows", "uid") == ["a", "b"]
    selections = [json.loads(selection) for _, selection in rows(lake, "exports", "seq", "selection")]
    assert [(s["namespaces"], s["labels"]) for s in selections] == [(["y"], None), ([], "team=risk,tier!=test")]
    execute(uri, "delete from argo_archived_workflows where uid = 'b'")
    assert counts(export_to(lake, uri, Selection(namespaces=("x",)))) == {"new": 1, "deleted": 1, "unchanged": 1}
    assert counts(export_to(lake, uri)) == {"unchanged": 2}
    with pytest.raises(ConfigError, match="label selector"):
        export_to(lake, uri, Selection(labels="team in"))
    assert counts(export_to(lake, uri)) == {"unchanged": 2}


@pytest.mark.parametrize("hours", [-11, 0, 9, 14])
def test_times_select_by_the_json(archive_db: ArchiveDb, tmp_path: Path, hours: int) -> None:
    """The columns hold the controller's wall clock; the bounds mean the JSON's instants."""
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    given = {f"w{n}": noon + timedelta(minutes=20 * n) for n in range(-60, 61)}
    documents = [workflow(uid, finished_at=f"{at:%Y-%m-%dT%H:%M:%SZ}") for uid, at in given.items()]
    documents.append(workflow("never", finished_at=None))
    zone = timezone(timedelta(hours=hours))
    uri, lake = archive_db(68, documents, controller_zone=zone), tmp_path / "lake"
    since, until = noon - timedelta(hours=3), noon + timedelta(hours=5)
    before, within = sum(at < since for at in given.values()), sum(since <= at < until for at in given.values())
    result = export_to(lake, uri, Selection(since=since.astimezone(zone), until=until))
    assert set(rows(lake, "workflows", "uid")) == {uid for uid, at in given.items() if since <= at < until}
    assert (result.new, result.vanished) == (within, 0)
    assert export_to(lake, uri, Selection(until=since)).new == before
    rest = len(documents) - before - within
    assert counts(export_to(lake, uri)) == {"new": rest, "unchanged": before + within}


def test_rows_that_vanish_meanwhile_are_counted(archive_db: ArchiveDb, tmp_path: Path) -> None:
    uri, lake = archive_db(68, [workflow(uid) for uid in "abc"]), tmp_path / "lake"
    result = export(Watched(uri, frozenset("b")), open_lake(str(lake)))
    assert counts(result) == {"new": 2, "vanished": 1}
    assert counts(export_to(lake, uri)) == {"new": 1, "unchanged": 2}


def test_one_lake_for_several_sources(archive_db: ArchiveDb, tmp_path: Path) -> None:
    """A source misses only what it brought itself."""
    east, west = archive_db(68, [workflow("a")], cluster="east"), archive_db(68, [workflow("a")], cluster="west")
    dump, lake = tmp_path / "dump.json", tmp_path / "lake"
    dump.write_text(json.dumps(workflow("f")))
    for source in (east, west, dump):
        assert counts(export_to(lake, source)) == {"new": 1}
    for source in (east, west, dump):
        assert counts(export_to(lake, source)) == {"unchanged": 1}
    dump.write_text(json.dumps(workflow("g")))
    assert counts(export_to(lake, dump)) == {"new": 1}  # a dump knows nothing of what it does not hold
    execute(east, "delete from argo_archived_workflows")
    assert counts(export_to(lake, west)) == {"unchanged": 1}
    assert counts(export_to(lake, east)) == {"deleted": 1}
    deleted = read(lake, "source_events").to_pylist()
    assert [(event["cluster"], event["uid"]) for event in deleted] == [("east", "a")]


def test_an_empty_archive_makes_an_empty_lake(archive_db: ArchiveDb, tmp_path: Path) -> None:
    uri, lake = archive_db(), tmp_path / "lake"
    with pytest.raises(LakeError, match="there is no lake"):
        open_lake(str(lake)).snapshot()
    result = export_to(lake, uri)
    assert (counts(result), result.published) == ({}, True)
    assert open_lake(str(lake)).snapshot().total == 0
    assert (counts(export_to(lake, uri)), read(lake, "exports").num_rows) == ({}, 1)
