"""Running SQL over a snapshot: which files are read, versions, parameters, limits, and what mistakes look like."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from fixtures.tiny_lake import TinyLake, node, workflow

from kubectl_argo_archive.errors import ArgoArchiveError, LakeError, QueryError
from kubectl_argo_archive.query.catalog import VERSIONS, relations
from kubectl_argo_archive.query.limits import Limits
from kubectl_argo_archive.query.session import Session, open_session


@pytest.fixture
def lake(tmp_path: Path) -> TinyLake:
    """Three workflows, one of which failed, was archived, retried, and archived again."""
    lake = TinyLake(tmp_path)
    lake.add("workflows", workflow("a"), workflow("b", "Failed"), month="2026-02")
    lake.add("workflows", workflow("b", version=2), workflow("c"))
    lake.add("nodes", node("a", "a1"), node("b", "b1", "Failed"), month="2026-02")
    lake.add("nodes", node("b", "b1", version=2), node("b", "b2", version=2), node("c", "c1"))
    lake.add(
        "labels", {"uid": "b", "name": "team", "value": "x"}, {"uid": "b", "version": 2, "name": "team", "value": "y"}
    )
    lake.add("source_events", {"uid": "b", "kind": "superseded", "noticed_at": "11:00"})
    return lake


def ask(lake: TinyLake, sql: str, **parameters: object) -> list[tuple[Any, ...]]:
    with open_session(lake.snapshot) as session:
        return rows(session, sql, **parameters)


def rows(session: Session, sql: str, **parameters: object) -> list[tuple[Any, ...]]:
    return [row for batch in session.run(sql, parameters).rows() for row in batch]


def mistake(lake: TinyLake, sql: str, **parameters: object) -> QueryError:
    with pytest.raises(QueryError) as error:
        ask(lake, sql, **parameters)
    return error.value


# --- what is opened


def test_only_the_tables_that_are_needed_are_opened(lake: TinyLake) -> None:
    ask(lake, "select 1")
    ask(lake, "show tables")
    ask(lake, "describe select 1 as x")
    assert lake.snapshot.opened == []
    ask(lake, "select count(*) from node_versions")
    assert set(lake.snapshot.opened) == {"nodes"}


def test_a_lake_without_replaced_states_is_a_plain_scan(tmp_path: Path) -> None:
    lake = TinyLake(tmp_path)
    lake.add("workflows", workflow("a"))
    lake.add("nodes", node("a", "n"))
    for sql in ("select count(name) from nodes", "select max(phase) from workflows"):
        (plan,) = ask(lake, f"explain {sql}")
        assert "JOIN" not in plan[1]
        assert plan[1].count("Function:") == 1
    assert "source_events" not in lake.snapshot.opened


def test_a_condition_on_the_month_skips_files(lake: TinyLake) -> None:
    for condition in ("month = '2026-02'", "month < '2026-03'", "month in ('2026-02', '2020-01')"):
        (plan,) = ask(lake, f"explain analyze select count(name) from node_versions where {condition}")
        assert "Scanning Files: 1/2" in plan[1]
    assert ask(lake, "select month, count(*) from node_versions group by all order by all") == [
        ("2026-02", 2),
        ("2026-03", 3),
    ]


def test_the_null_month(tmp_path: Path) -> None:
    lake = TinyLake(tmp_path)
    lake.add("workflows", workflow("a", "Running", end=None), month=None)
    assert ask(lake, "select uid, month from workflows where month is null") == [("a", None)]


@pytest.mark.parametrize("folder", ["a b", "it's", "uid=7/version=x", "[a]*?", "ü/日本"])
def test_odd_folders(tmp_path: Path, folder: str) -> None:
    lake = TinyLake(tmp_path / folder)
    lake.add("workflows", workflow("a"))
    assert ask(lake, "select uid, version, month from workflows") == [("a", 1, "2026-03")]


# --- versions


def test_the_latest_states(lake: TinyLake) -> None:
    assert ask(lake, "select uid, version, phase, is_latest from workflows order by uid") == [
        ("a", 1, "Succeeded", True), ("b", 2, "Succeeded", True), ("c", 1, "Succeeded", True),
    ]  # fmt: skip
    assert ask(lake, "select node_id, version from nodes order by all") == [("a1", 1), ("b1", 2), ("b2", 2), ("c1", 1)]
    assert ask(lake, "select value from labels") == [("y",)]


def test_all_states(lake: TinyLake) -> None:
    assert ask(lake, "select uid, version, is_latest from workflow_versions order by all") == [
        ("a", 1, True), ("b", 1, False), ("b", 2, True), ("c", 1, True),
    ]  # fmt: skip
    assert ask(lake, "select count(*) from node_versions") == [(5,)]
    assert ask(lake, "select value from label_versions order by all") == [("x",), ("y",)]


@pytest.mark.parametrize(("name", "versions"), VERSIONS.items())
def test_every_table_has_both_names(lake: TinyLake, name: str, versions: str) -> None:
    assert ask(lake, f"select count(*) from {name}")[0][0] <= ask(lake, f"select count(*) from {versions}")[0][0]


def test_a_uid_of_another_cluster_is_another_workflow(tmp_path: Path) -> None:
    lake = TinyLake(tmp_path)
    lake.add(
        "workflows", workflow("a", cluster="one"), workflow("a", cluster="two"), workflow("a", cluster="two", version=2)
    )
    lake.add("source_events", {"uid": "a", "cluster": "two", "kind": "superseded", "noticed_at": "11:00"})
    assert ask(lake, "select cluster, version from workflows order by all") == [("one", 1), ("two", 2)]


def test_rows_that_are_gone_from_the_source(lake: TinyLake) -> None:
    lake.add(
        "source_events",
        {"uid": "a", "kind": "deleted", "noticed_at": "12:00"},
        {"uid": "c", "kind": "deleted", "noticed_at": "12:00"},
        {"uid": "c", "kind": "restored", "noticed_at": "13:00"},
        {"uid": "b", "version": 1, "kind": "rewritten", "noticed_at": "13:00"},
    )
    gone = "select uid, source_deleted_at from workflows order by uid"
    assert ask(lake, gone) == [("a", "2026-03-02T12:00:00Z"), ("b", None), ("c", None)]
    lake.add("source_events", {"uid": "c", "kind": "deleted", "noticed_at": "14:00"})
    assert ask(lake, gone) == [("a", "2026-03-02T12:00:00Z"), ("b", None), ("c", "2026-03-02T14:00:00Z")]
    assert ask(lake, "select count(*) from workflows where source_deleted_at is not null") == [(2,)]
    assert ask(lake, "select w.source_deleted_at is null from workflows w where uid = 'a'") == [(False,)]
    whole = ask(lake, "select w from workflows w where uid = 'a'")[0][0]
    assert whole["source_deleted_at"] == "2026-03-02T12:00:00Z"
    assert ask(lake, "select count(source_deleted_at) from workflow_versions") == [(2,)]


# --- schema


@pytest.mark.parametrize("name", relations())
def test_documented_columns_are_the_real_ones(lake: TinyLake, name: str) -> None:
    documented = [(column.name, column.type) for column in relations()[name].columns]
    with open_session(lake.snapshot) as session:
        assert [row for batch in session.describe(f"select * from {name}").rows() for row in batch] == documented
        assert [(c.name, c.type) for c in session.run(f"select * from {name} limit 0").columns] == documented


def test_an_empty_lake_has_all_tables(tmp_path: Path) -> None:
    lake = TinyLake(tmp_path)
    for name in relations():
        assert ask(lake, f"select * from {name}") == []


def test_columns_that_older_files_lack(tmp_path: Path) -> None:
    lake = TinyLake(tmp_path)
    lake.add("nodes", node("a", "old"), columns=["cluster", "uid", "version", "node_id", "phase"], month="2020-01")
    lake.add("nodes", node("a", "new", failed_pod_restarts=3, children=["x"]))
    assert ask(lake, "select node_id, failed_pod_restarts, children, type from nodes order by node_id desc") == [
        ("old", None, None, None), ("new", 3, ["x"], "Pod"),
    ]  # fmt: skip


def test_listings_show_every_name_once(lake: TinyLake) -> None:
    assert ask(lake, "show tables") == [(name,) for name in sorted(relations())]
    listed = ask(lake, "select table_name, count(*) from information_schema.columns group by all")
    assert dict(listed) == {name: len(relation.columns) for name, relation in relations().items()}
    assert (
        ask(lake, "select count(*), (select count(*) from duckdb_views() where not internal) from workflows")[0][0] == 3
    )


@pytest.mark.parametrize("name", relations())
def test_columns_need_no_quotes(name: str) -> None:
    with duckdb.connect() as con:
        for column in relations()[name].columns:
            con.execute(f'CREATE OR REPLACE TABLE t AS SELECT 1 AS "{column.name}"')
            # AT is a word of SQL: the time of a log line needs its table's name, or quotes
            said = "t.at" if (name, column.name) == ("log_lines", "at") else column.name
            con.execute(f"SELECT {said}, max({said}) AS x FROM t WHERE {said} > 0 GROUP BY {said}")


# --- sessions


def test_one_session_answers_many_questions(lake: TinyLake) -> None:
    with open_session(lake.snapshot) as session:
        assert rows(session, "select count(*) from nodes") == [(4,)]
        assert rows(session, "select count(*) from nodes where phase = $p", p="Succeeded") == [(4,)]
        assert rows(session, "select count(*) from workflows w join nodes n using (uid)") == [(4,)]
        assert len(rows(session, "show tables")) == len(relations())
        assert rows(session, "select count(*) from nodes") == [(4,)]
        with pytest.raises(QueryError):
            rows(session, "select nothing from nodes")
        assert rows(session, "select count(*) from nodes") == [(4,)]


def test_a_session_leaves_nothing_behind(lake: TinyLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = set(tmp_path.iterdir())
    with open_session(lake.snapshot, limits=Limits(memory_bytes=64 << 20)) as session:
        found = session.run("select range, repeat('x', 40) || range as t from range(3000000) order by t desc")
        assert next(found.rows())[0][0] == 999999
        (folder,) = set(tmp_path.iterdir()) - before
        assert any(folder.iterdir()), "it spilled"
        assert folder.stat().st_mode & 0o077 == 0, "others must not read what spills"
    assert set(tmp_path.iterdir()) == before


def test_without_a_writable_folder(lake: TinyLake, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_args: object, **_options: object) -> None:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr("tempfile.TemporaryDirectory", read_only)
    assert ask(lake, "select count(*) from nodes") == [(4,)]


def test_reading_streams(lake: TinyLake) -> None:
    with open_session(lake.snapshot) as session:
        found = session.run("select range, range::varchar from range(1000000000000)")
        batches = found.rows()
        assert next(batches)[0] == (0, "0")
        assert len(next(batches)) == 8192
        assert found.rows_read == 16384


def test_a_row_limit_says_that_there_are_more(lake: TinyLake) -> None:
    with open_session(lake.snapshot) as session:
        for sql in ("select range from range(20000)", "select range, now() from range(20000)"):
            for limit, more in ((0, True), (10, True), (8192, True), (19999, True), (20000, False), (99999, False)):
                found = session.run(sql)
                assert sum(len(batch) for batch in found.rows(limit)) == min(limit, 20000) == found.rows_read
                assert found.more is more
                found = session.run(sql, lossless=False)
                assert sum(len(batch) for batch in found.record_batches(limit)[1]) == min(limit, 20000)
                assert found.more is more


# --- parameters


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("select count(*) from nodes where duration_s >= $x", "600"),
        ("select count(*) from nodes where version > $x", "0"),
        ("select count(*) from nodes where started_at >= $x", "2026-03-02T10:00:00Z"),
        ("select count(*) from nodes where started_at > $x", "2026-01-01"),
        ("select count(*) from nodes where phase = $x", "Succeeded"),
        ("select count(*) from nodes where phase in ($x, 'Error')", "Succeeded"),
        ("select count(*) from nodes where (not coalesce(memoized, false)) = $x", "true"),
        ("select count(*) from nodes where phase like $x", "S%"),
        ("select count(*) from nodes where phase = any($x::varchar[])", "[Succeeded, Failed]"),
        ("select count(*) from nodes where started_at > '2026-03-03'::timestamptz - $x::interval", "1 month"),
        ("select count(*) from (from nodes limit $x)", "4"),
        ("select $x::int", "4"),
        ("select count(*) from nodes where $X = 'q'", "q"),
    ],
)
def test_a_parameter_stands_for_quoted_text(lake: TinyLake, sql: str, value: str) -> None:
    assert ask(lake, sql, x=value) == [(4,)]


def test_parameters_are_values_never_sql(lake: TinyLake) -> None:
    evil = "' or 1 = 1; drop view nodes --"
    assert ask(lake, "select count(*) from nodes where phase = $x", x=evil) == [(0,)]
    assert ask(lake, "select $x", x=evil) == [(evil,)]


def test_parameters_that_are_missing(lake: TinyLake) -> None:
    assert "no value for $x" in mistake(lake, "select $x").message
    assert "no parameter $y" in mistake(lake, "select 1", y="1").message
    assert "IN ('a', 'b')" in str(
        mistake(lake, "pivot (from nodes where phase = $x) on type using count(*)", x="1").hint
    )


# --- mistakes


@pytest.mark.parametrize(
    ("sql", "message", "hint"),
    [
        ("select phasee\nfrom nodes", 'column "phasee" not found', "did you mean phase?"),
        ("select\n  uid,\n  durations\nfrom nodes", "LINE 3:   durations\n          ^", "duration_s"),
        ("select n.templatename from nodes n", "templatename", "template_name"),
        ("select zzz from nodes", "zzz", "kubectl argo-archive tables nodes"),
        ("select x.uid from nodes n", 'table "x" not found', "tables here: n"),
        ("select uper(phase) from nodes", "uper", "did you mean upper?"),
        ("select sum(phase) from nodes", "sum(VARCHAR)", "cast the arguments"),
        ("select phase, count(*) from nodes", "GROUP BY", None),
        ("select phase::int from nodes", "could not convert string", "try_cast"),
        ("select uid from nodes n join workflows w on true", "ambiguous", None),
        ("select count(*) from nodes where started_at > 'soon'", "soon", "try_cast"),
        ("select error('stop')", "stop", None),
        ("select phase from nodes where duration_s > $x", "convert string 'long'", None),
    ],
)
def test_mistakes(lake: TinyLake, sql: str, message: str, hint: str | None) -> None:
    error = mistake(lake, sql, **({"x": "long"} if "$x" in sql else {}))
    assert message.lower() in error.message.lower()
    assert "{" not in error.message
    assert hint is None or hint in str(error.hint)
    if "not found" in error.message:
        assert "^" in error.message


def test_mistakes_in_a_description_are_at_the_right_place(lake: TinyLake) -> None:
    with open_session(lake.snapshot) as session, pytest.raises(QueryError) as error:
        session.describe("select phasee from nodes")
    assert "LINE 1: select phasee from nodes\n               ^" in error.value.message


def test_a_description_runs_nothing(lake: TinyLake) -> None:
    with open_session(lake.snapshot) as session:
        found = session.describe("select error('x') as a, uid, labels from workflows where $p > 1", {"p": "1"})
        assert [row[0] for batch in found.rows() for row in batch] == ["a", "uid", "labels"]
        found = session.describe("summarize nodes")
        assert ("column_name", "VARCHAR") in [row for batch in found.rows() for row in batch]


def test_an_error_on_the_way_is_told(lake: TinyLake) -> None:
    with open_session(lake.snapshot) as session:
        for sql in ("select (50000 - range)::utinyint from range(50000, 49000, -1)",
                    "select now(), (50000 - range)::utinyint from range(50000, 49000, -1)"):  # fmt: skip
            with pytest.raises(QueryError, match="out of range"):
                rows(session, sql)


# --- limits


def test_the_time_limit(lake: TinyLake) -> None:
    endless = [
        "select count(*) from range(1000000) a, range(1000000) b",
        "select a.range from range(1000000) a, range(1000000) b",
        "select now() from range(1000000) a, range(1000000) b",
    ]
    with open_session(lake.snapshot, limits=Limits(timeout_s=0.3)) as session:
        for sql in endless:
            with pytest.raises(QueryError, match=r"time limit of 0\.3 seconds") as error:
                rows(session, sql)
            assert "--timeout" in str(error.value.hint)
        assert rows(session, "select 1") == [(1,)]


def test_the_time_limit_counts_while_the_lake_is_opened(lake: TinyLake) -> None:
    def slow() -> Any:
        time.sleep(0.3)
        return lake.snapshot, None

    with Session(slow, Limits(timeout_s=0.1)) as session, pytest.raises(QueryError, match="time limit"):
        rows(session, "select count(*) from nodes")


def test_the_memory_limit(lake: TinyLake, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_args: object, **_options: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("tempfile.TemporaryDirectory", read_only)
    with open_session(lake.snapshot, limits=Limits(memory_bytes=64 << 20)) as session:
        with pytest.raises(QueryError, match=r"more memory than its limit of 6\d") as error:
            rows(session, "select range, repeat('x', 40) || range as t from range(3000000) order by t desc")
        assert "--memory-limit" in str(error.value.hint)


def test_a_container_limits_memory(lake: TinyLake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubectl_argo_archive.query.engine.container_memory", lambda: 1 << 30)
    monkeypatch.setattr("kubectl_argo_archive.query.engine.container_cpus", lambda: 0.5)
    with open_session(lake.snapshot) as session:
        rows(session, "select 1")
        assert session._engine is not None
        found = session._engine.con.execute(
            "select current_setting('memory_limit'), current_setting('threads')"
        ).fetchone()
    assert found == ("716.7 MiB", 1)


def test_ctrl_c(lake: TinyLake) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever ran before in this process
    with open_session(lake.snapshot) as session:
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            rows(session, "select count(*) from range(1000000) a, range(1000000) b")
        timer.join()
        assert rows(session, "select 1") == [(1,)]


# --- a damaged lake


def test_a_missing_file(lake: TinyLake) -> None:
    os.unlink(lake.snapshot.tables["labels"].urls[0])
    with pytest.raises(LakeError, match="labels/month=2026-03/part-00000") as error:
        ask(lake, "select count(value) from labels")
    assert "--as-of" in str(error.value.hint)
    with open_session(lake.snapshot) as session:
        with pytest.raises(LakeError):
            rows(session, "select count(value) from labels join nodes using (uid)")
        assert rows(session, "select count(*) from nodes") == [(4,)]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"x" * 5000])
def test_a_damaged_file(lake: TinyLake, content: bytes) -> None:
    Path(lake.snapshot.tables["labels"].urls[0]).write_bytes(content)
    with pytest.raises(ArgoArchiveError, match="a file of the lake cannot be read"):
        ask(lake, "select count(distinct value) from labels")


@pytest.fixture(autouse=True)
def _no_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times are UTC wherever we are."""
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
