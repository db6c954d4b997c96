"""Reconcile finds each way in which a lake can differ from its database, and nothing in a healthy pair."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from contract.archive_suite import workflow
from deltalake import DeltaTable, write_deltalake
from fixtures.lakes import execute, export_to, files, live_files, read
from fixtures.servers import ArchiveDb

from kubectl_argo_archive.archive.workflow_archive import Selection
from kubectl_argo_archive.audit.reconcile import sides as reconcile_sides
from kubectl_argo_archive.audit.reconcile.reconcile import LiveWorkflow, reconcile
from kubectl_argo_archive.audit.reconcile.result import Kind, Reconciliation
from kubectl_argo_archive.audit.reconcile.spill import PARTS, Spill
from kubectl_argo_archive.cli.main import cli
from kubectl_argo_archive.connect import open_lake, open_source
from kubectl_argo_archive.demo.argo_schema import ArchiveRow, archive_workflow

Row = dict[str, Any]


def compare(uri: str | Path, lake: Path, **options: Any) -> Reconciliation:
    return reconcile(open_source(str(uri)), open_lake(str(lake)), **options)


def found(result: Reconciliation) -> list[tuple[str, str]]:
    """Kind and uid of every difference."""
    return sorted((d.kind.value, d.uid) for d in result.differences)


def archive(uri: str, *workflows: Row, **options: Any) -> None:
    with psycopg.connect(uri) as connection:
        for one in workflows:
            archive_workflow(connection.cursor(), one, **options)


def at(day: int, hour: int = 10) -> str:
    return f"2026-03-{day:02}T{hour:02}:00:00Z"


@pytest.fixture
def pair(archive_db: ArchiveDb, tmp_path: Path) -> tuple[str, Path]:
    """Five workflows in two namespaces on three days, exported."""
    given = [
        workflow("a", finished_at=at(1)),
        workflow("b", finished_at=at(1), namespace="other"),
        workflow("c", finished_at=at(2)),
        workflow("d", finished_at=at(5, 23)),
        workflow("e", finished_at=None),
    ]
    uri, lake = archive_db(68, given), tmp_path / "lake"
    export_to(lake, uri)
    return uri, lake


def rewrite(lake: Path, table: str, change: Any) -> None:
    """Edit the rows of every data file of a table and write it correctly, in place."""
    for name in sorted(live_files(lake)):
        if name.startswith(f"{table}/"):
            path = lake / name
            edited = change(pq.read_table(path, partitioning=None))
            pq.write_table(edited, path, compression="zstd", store_schema=False)


def replaced(table: pa.Table, uid: str, **values: Any) -> pa.Table:
    rows = table.to_pylist()
    for row in rows:
        if row["uid"] == uid:
            row.update(values)
    return pa.Table.from_pylist(rows, table.schema)


def test_the_healthy_pair_is_equal(archive_db: ArchiveDb, tmp_path: Path, workflows: list[ArchiveRow]) -> None:
    workflows = workflows[:120]
    uri, lake = archive_db(68, workflows), tmp_path / "lake"
    export_to(lake, uri)
    before = files(lake)
    result = compare(uri, lake)
    assert (result.equal, result.counts, result.differences) == (True, {}, [])
    lines = result.sorted_lines()
    assert sum(line.source for line in lines) == sum(line.lake for line in lines) == len(workflows)
    assert all(line.status == "equal" and line.source_sum == line.lake_sum for line in lines)
    assert len({(line.namespace, line.day) for line in lines}) == len(lines) > 10
    assert files(lake) == before


def test_days_and_namespaces_are_lines(pair: tuple[str, Path]) -> None:
    result = compare(*pair)
    lines = [(line.namespace, str(line.day), line.source, line.lake) for line in result.sorted_lines()]
    assert lines == [
        ("ns", "2026-03-01", 1, 1), ("other", "2026-03-01", 1, 1), ("ns", "2026-03-02", 1, 1),
        ("ns", "2026-03-05", 1, 1), ("ns", "None", 1, 1),
    ]  # fmt: skip
    assert [(str(a), str(b)) for _, a, b in result.gaps()] == [("2026-03-03", "2026-03-04")]


def test_json_and_jsonb_with_other_spelling_are_equal(archive_db: ArchiveDb, tmp_path: Path) -> None:
    """An upgrade from json to jsonb respells every document; its canonical hash stays."""
    documents = [workflow(f"w{n}", status={"estimatedDuration": n, "x": 1.50 * n, "b": {"z": 1, "a": 2}})
                 for n in range(20)]  # fmt: skip
    old, new, lake = archive_db(59, documents), archive_db(68, documents), tmp_path / "lake"
    export_to(lake, old)
    assert read(lake, "raw")["json"].to_pylist() != [json.dumps(d) for d in documents]
    assert compare(new, lake).equal


def test_a_row_missing_in_the_lake(pair: tuple[str, Path]) -> None:
    uri, lake = pair
    archive(uri, workflow("new", finished_at=at(2)), workflow("alone", finished_at=at(9)))
    result = compare(uri, lake)
    assert found(result) == [("missing_in_lake", "alone"), ("missing_in_lake", "new")]
    status = {str(line.day): line.status for line in result.sorted_lines()}
    assert (status["2026-03-02"], status["2026-03-09"], status["2026-03-01"]) == ("different", "gap", "equal")


def test_a_row_lost_from_the_lake(pair: tuple[str, Path]) -> None:
    uri, lake = pair
    rewrite(lake, "workflows", lambda table: table.filter(pa.compute.not_equal(table["uid"], "c")))
    assert found(compare(uri, lake)) == [("missing_in_lake", "c")]


def test_json_lost_from_the_lake(pair: tuple[str, Path]) -> None:
    uri, lake = pair
    rewrite(lake, "raw", lambda table: table.filter(pa.compute.not_equal(table["uid"], "c")))
    (only,) = compare(uri, lake).differences
    assert (only.kind, only.uid, "raw" in only.detail) == (Kind.CHANGED_CONTENT, "c", True)


def test_a_row_deleted_at_the_source(pair: tuple[str, Path]) -> None:
    uri, lake = pair
    execute(uri, "delete from argo_archived_workflows where uid = 'b'")
    result = compare(uri, lake)
    assert (found(result), result.equal) == ([("deleted_at_source", "b")], False)
    export_to(lake, uri)
    result = compare(uri, lake)
    assert (result.equal, result.to_dict()["totals"]["deleted_noted"]) == (True, 1)
    archive(uri, workflow("b", finished_at=at(1), namespace="other"))  # back again
    assert compare(uri, lake).equal


def test_a_row_that_nobody_exported(pair: tuple[str, Path]) -> None:
    uri, lake = pair

    def add(table: pa.Table) -> pa.Table:
        row = {**table.filter(pa.compute.equal(table["uid"], "c")).to_pylist()[0], "uid": "planted"} if (
            "c" in table["uid"].to_pylist()) else None  # fmt: skip
        return pa.concat_tables([table, pa.Table.from_pylist([row], table.schema)]) if row else table

    rewrite(lake, "workflows", add)
    rewrite(lake, "raw", add)
    assert found(compare(uri, lake)) == [("extra_in_lake", "planted")]


def test_rows_of_another_source_are_extra_only_in_this_cluster(
    archive_db: ArchiveDb, pair: tuple[str, Path], tmp_path: Path
) -> None:
    uri, lake = pair
    west = archive_db(68, [workflow("w")], cluster="west")
    export_to(lake, west)
    assert compare(uri, lake).equal
    assert compare(west, lake).equal
    twin = archive_db(68, [workflow("t")])
    export_to(lake, twin)
    assert found(compare(uri, lake)) == [("extra_in_lake", "t")]


@pytest.mark.parametrize(
    "change",
    [
        """jsonb_set(workflow, '{status,message}', '"edited"')""",
        """jsonb_set(workflow, '{metadata,labels}', '{"team": "x"}')""",
        """workflow || '{"extra": 1}'""",
    ],
)
def test_changed_content_in_the_database(pair: tuple[str, Path], change: str) -> None:
    uri, lake = pair
    execute(uri, f"update argo_archived_workflows set workflow = {change} where uid = 'c'")
    assert found(compare(uri, lake)) == [("changed_content", "c")]
    export_to(lake, uri)
    assert compare(uri, lake).equal


def test_changed_json_in_the_lake(pair: tuple[str, Path]) -> None:
    uri, lake = pair
    rewrite(lake, "raw", lambda t: replaced(t, "d", json='{"metadata":{},"status":{}}'))
    assert found(compare(uri, lake)) == [("changed_content", "d")]


@pytest.mark.parametrize("values", [{"phase": "Failed"}, {"creator": "mallory"}, {"message": "x" * 500}])
def test_a_changed_column_in_the_lake(pair: tuple[str, Path], values: Row) -> None:
    uri, lake = pair
    rewrite(lake, "workflows", lambda table: replaced(table, "d", **values))
    (only,) = compare(uri, lake).differences
    assert (only.kind, only.uid, next(iter(values)) in only.detail) == (Kind.CHANGED_CONTENT, "d", True)


def test_a_duplicate_in_the_lake(pair: tuple[str, Path]) -> None:
    uri, lake = pair

    def twice(table: pa.Table) -> pa.Table:
        return pa.concat_tables([table, table.filter(pa.compute.equal(table["uid"], "c"))])

    rewrite(lake, "workflows", twice)
    assert found(compare(uri, lake)) == [("duplicate", "c")]
    rewrite(lake, "raw", twice)
    assert found(compare(uri, lake)) == [("duplicate", "c")]


def test_a_duplicate_only_in_raw(pair: tuple[str, Path]) -> None:
    uri, lake = pair
    rewrite(lake, "raw", lambda t: pa.concat_tables([t, t.filter(pa.compute.equal(t["uid"], "c"))]))
    assert found(compare(uri, lake)) == [("duplicate", "c")]


def test_two_latest_states(pair: tuple[str, Path]) -> None:
    uri, lake = pair
    archive(uri, workflow("c", finished_at=at(3)))
    export_to(lake, uri)
    assert compare(uri, lake).equal
    rewrite(lake, "source_events", lambda table: table.slice(0, 0))
    assert ("duplicate", "c") in found(compare(uri, lake))


@pytest.mark.parametrize("hours", [9, -11, 14])
def test_a_day_shifted_by_the_controllers_clock(archive_db: ArchiveDb, tmp_path: Path, hours: int) -> None:
    """The database's column holds the controller's wall clock; near midnight that is another day."""
    moved, same = (23, 12) if hours > 0 else (1, 12)
    given = [workflow("near", finished_at=at(2, moved)), workflow("noon", finished_at=at(2, same - hours // 2))]
    uri = archive_db(68, given, controller_zone=timezone(timedelta(hours=hours)))
    lake = tmp_path / "lake"
    export_to(lake, uri)
    result = compare(uri, lake)
    assert ("day_shifted", "near") in found(result)
    assert result.clock_offsets_s == {hours * 3600}
    assert set(result.counts) == {Kind.DAY_SHIFTED}
    assert compare(uri, lake, ignored=frozenset([Kind.DAY_SHIFTED])).equal


@pytest.mark.parametrize("hours", [9, -11])
def test_a_day_shifted_in_the_lake(pair: tuple[str, Path], hours: int) -> None:
    """A tool that took the wall clock for UTC wrote finished_at some hours off."""
    uri, lake = pair
    uid, finish = (
        ("d", datetime(2026, 3, 5, 23, tzinfo=UTC)) if hours > 0 else ("a", datetime(2026, 3, 1, 10, tzinfo=UTC))
    )
    rewrite(lake, "workflows", lambda table: replaced(table, uid, finished_at=finish + timedelta(hours=hours)))
    result = compare(uri, lake)
    assert found(result) == [("day_shifted", uid)]
    assert result.differences[0].source_day != result.differences[0].lake_day


def test_a_column_of_the_database_edited_by_hand(pair: tuple[str, Path]) -> None:
    uri, lake = pair
    execute(uri, "update argo_archived_workflows set finishedat = finishedat + interval '40 days' where uid = 'a'")
    assert ("changed_content", "a") in found(compare(uri, lake))


def test_late_arrivals_are_told_apart(pair: tuple[str, Path]) -> None:
    """A row that an earlier export should have seen came with a later one; no difference, but worth a look."""
    uri, lake = pair
    archive(uri, workflow("late", finished_at=at(2)))
    export_to(lake, uri)
    totals = compare(uri, lake).to_dict()["totals"]
    assert (totals["late"], compare(uri, lake).equal) == (1, True)


def test_commits_past_the_ledger_show(pair: tuple[str, Path]) -> None:
    """Another engine deletes, appends or doubles rows: this tool's readers do not see it, everybody else does."""
    uri, lake = pair
    DeltaTable(str(lake / "workflows")).delete("uid = 'c'")
    assert {kind for kind, _ in found(compare(uri, lake))} == {"missing_in_lake", "unpublished"}
    row = DeltaTable(str(lake / "workflows")).to_pyarrow_table().slice(0, 1)
    write_deltalake(str(lake / "workflows"), row, mode="append")
    assert {kind for kind, _ in found(compare(uri, lake))} == {"missing_in_lake", "unpublished", "duplicate"}


def test_a_failed_export_leaves_no_difference(pair: tuple[str, Path]) -> None:
    """What was restored has another Delta version, and the same files."""
    uri, lake = pair
    table = DeltaTable(str(lake / "workflows"))
    table.delete("uid = 'c'")
    table.restore(table.version() - 1)
    assert compare(uri, lake).equal


def test_quarantined_rows_count_on_both_sides(archive_db: ArchiveDb, tmp_path: Path) -> None:
    broken = workflow("q")
    broken["status"]["startedAt"] = "yesterday"
    uri, lake = archive_db(68, [workflow("a")]), tmp_path / "lake"
    archive(uri, workflow("q"))
    execute(uri, f"update argo_archived_workflows set workflow = '{json.dumps(broken)}' where uid = 'q'")
    assert export_to(lake, uri).quarantined == 1
    result = compare(uri, lake)
    assert (result.equal, sum(line.lake for line in result.lines.values())) == (True, 2)
    execute(uri, "update argo_archived_workflows set workflow = workflow || '{\"x\": 1}' where uid = 'q'")
    assert found(compare(uri, lake)) == [("changed_content", "q")]


def test_a_window_and_namespaces_narrow(pair: tuple[str, Path]) -> None:
    uri, lake = pair
    archive(uri, workflow("x", finished_at=at(2)), workflow("y", finished_at=at(7), namespace="other"))
    execute(uri, "delete from argo_archived_workflows where uid = 'd'")
    march = {"since": datetime(2026, 3, 2, tzinfo=UTC), "until": datetime(2026, 3, 3, tzinfo=UTC)}
    assert found(compare(uri, lake, **march)) == [("missing_in_lake", "x")]
    assert found(compare(uri, lake, namespaces=("other",))) == [("missing_in_lake", "y")]
    assert found(compare(uri, lake, since=march["until"])) == [("deleted_at_source", "d"), ("missing_in_lake", "y")]


def test_an_incomplete_lake_after_a_narrow_export(archive_db: ArchiveDb, tmp_path: Path) -> None:
    uri, lake = archive_db(68, [workflow("a", namespace="x"), workflow("b", namespace="y")]), tmp_path / "lake"
    export_to(lake, uri, Selection(namespaces=("x",)))
    assert found(compare(uri, lake)) == [("missing_in_lake", "b")]
    assert compare(uri, lake, namespaces=("x",)).equal


def test_a_dump_is_reconciled_too(tmp_path: Path) -> None:
    dump, lake = tmp_path / "dump.ndjson", tmp_path / "lake"
    dump.write_text("".join(json.dumps(workflow(uid)) + "\n" for uid in "abc"))
    export_to(lake, dump)
    assert compare(dump, lake).equal
    dump.write_text("".join(json.dumps(workflow(uid, status={"message": uid})) + "\n" for uid in "bd"))
    assert found(compare(dump, lake)) == [
        ("changed_content", "b"), ("deleted_at_source", "a"), ("deleted_at_source", "c"), ("missing_in_lake", "d"),
    ]  # fmt: skip


def test_finished_workflows_of_the_cluster_that_never_reached_the_archive(pair: tuple[str, Path]) -> None:
    uri, lake = pair
    then = datetime(2026, 3, 2, tzinfo=UTC)
    live = [LiveWorkflow("default", "ns", f"wf-{uid}", uid, then) for uid in ("a", "lost")]
    result = compare(uri, lake, live=live)
    assert (found(result), result.cluster_checked) == ([("not_archived", "lost")], True)


def test_memory_does_not_hold_the_rows(monkeypatch: pytest.MonkeyPatch, pair: tuple[str, Path]) -> None:
    """Facts wait on disk, whatever their number; the result is the same when every one of them does."""
    monkeypatch.setattr("kubectl_argo_archive.audit.reconcile.spill._BUFFERED_ROWS", 1)
    uri, lake = pair
    assert compare(uri, lake).equal
    with Spill(reconcile_sides.KEYS) as spill:
        for number in range(1000):
            spill.add(("c", f"u{number}"))
        rows = [row for part in range(PARTS) for row in spill.rows(part)]
        assert sorted(rows) == sorted(("c", f"u{number}") for number in range(1000))
        assert not any(spill._waiting)


def invoke(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["reconcile", *arguments], prog_name="kubectl argo-archive", standalone_mode=False)
    if done.exception:
        raise done.exception
    return int(done.return_value or 0), done.stdout


def test_the_command(pair: tuple[str, Path], tmp_path: Path) -> None:
    uri, lake = pair
    base = ("--source", uri, "--lake", str(lake), "-q")
    code, text = invoke(*base, "-o", "json")
    assert (code, json.loads(text)["equal"]) == (0, True)
    archive(uri, workflow("new", finished_at=at(2)))
    code, text = invoke(*base, "-o", "json")
    document = json.loads(text)
    assert (code, document["equal"], document["totals"]["missing_in_lake"]) == (3, False, 1)
    assert [d["uid"] for d in document["differences"]] == ["new"]
    code, text = invoke(*base, "-o", "csv")
    lines = list(csv.DictReader(io.StringIO(text)))
    assert (code, len(lines)) == (3, 5)
    assert {(line["day"], line["status"], line["missing_in_lake"]) for line in lines if line["status"] != "equal"} == {
        ("2026-03-02", "different", "1")
    }
    code, text = invoke(*base, "--rows", "-o", "csv")
    assert [line["kind"] for line in csv.DictReader(io.StringIO(text))] == ["missing_in_lake"]
    code, text = invoke(*base, "--out", str(tmp_path / "r.txt"))
    assert "wf-new" in (tmp_path / "r.txt").read_text()
    assert "2026-03-01" not in (tmp_path / "r.txt").read_text()
    assert invoke(*base, "--ignore", "missing_in_lake", "-o", "json")[0] == 0
    code, text = invoke(*base, "--limit", "0", "-o", "json")
    assert (json.loads(text)["differences"], json.loads(text)["differences_not_listed"]) == ([], 1)
