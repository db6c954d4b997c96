"""Whatever somebody writes as SQL: it reads the lake's tables, or it is refused and nothing has happened."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from fixtures.tiny_lake import TinyLake, node, workflow

from kubectl_argo_archive.errors import QueryError
from kubectl_argo_archive.query.catalog import relations
from kubectl_argo_archive.query.session import Session, open_session

REFUSED = "not allowed"
ONE = "one statement at a time"
NO_TABLE = "there is no table"
A_FILE = "is a file"

# {lake}: a data file of the lake; {folder}: the lake; {outside}: a folder beside it, with secret.txt and secret.csv
HOSTILE = [
    # reading files, by name
    ("from '{outside}/secret.csv'", A_FILE),
    ("select * from '{lake}'", A_FILE),
    ("select * from \"{lake}\"", A_FILE),
    ("select * from '{folder}/nodes/**/*.parquet'", A_FILE),
    ("table '/etc/passwd.csv'", A_FILE),
    ("summarize '{lake}'", A_FILE),
    ("describe '{lake}'", A_FILE),
    ("pivot '{outside}/secret.csv' on column0 using count(*)", A_FILE),
    ("select * from workflows where exists (from '/etc/passwd')", A_FILE),
    ("select (select column0 from '{outside}/secret.csv' limit 1) from workflows", A_FILE),
    ("with t as (from '{outside}/secret.csv') from t", A_FILE),
    ("explain analyze from '{outside}/secret.csv'", A_FILE),
    ("select * from '/proc/self/environ'", A_FILE),
    ("from '/dev/stdin'", A_FILE),
    # reading files, by function
    ("from read_csv('{outside}/secret.csv')", REFUSED),
    ("from READ_CSV_AUTO('{outside}/secret.csv')", REFUSED),
    ("from \"read_text\"('{outside}/secret.txt')", REFUSED),
    ("from read_blob('{outside}/secret.txt')", REFUSED),
    ("from main.read_text('/etc/passwd')", REFUSED),
    ("from system.main.read_text('/etc/passwd')", REFUSED),
    ("from read_json('{outside}/secret.txt')", REFUSED),
    ("from read_ndjson_objects('{outside}/secret.txt')", REFUSED),
    ("from read_parquet('{lake}')", REFUSED),
    ("from parquet_scan(['{lake}'])", REFUSED),
    ("from parquet_metadata('{lake}')", REFUSED),
    ("from parquet_kv_metadata('{lake}')", REFUSED),
    ("from glob('{folder}/*')", REFUSED),
    ("from sniff_csv('{outside}/secret.csv')", REFUSED),
    ("from read_duckdb('{outside}/x.db')", REFUSED),
    ("select * from workflows w, lateral (from read_text('/etc/passwd'))", REFUSED),
    ("select [x for x in (select list(content) from read_text('/etc/passwd'))]", REFUSED),
    ("pivot read_csv('{outside}/secret.csv') on column0 using count(*)", REFUSED),
    ("pivot (select content c from read_text('/etc/passwd')) on c", REFUSED),
    # other places
    ("from 'https://example.com/x.parquet'", A_FILE),
    ("from read_csv('http://127.0.0.1:1/x.csv')", REFUSED),
    ("from 's3://another-bucket/x.parquet'", A_FILE),
    ("from read_parquet('s3://another-bucket/*.parquet')", REFUSED),
    ("from delta_scan('{folder}/nodes')", REFUSED),
    ("from postgres_scan('host=127.0.0.1', 'public', 't')", REFUSED),
    ("from sqlite_scan('{outside}/x.db', 't')", REFUSED),
    # text that becomes SQL, pointers, Python
    ("from query('select 1')", REFUSED),
    ("from query_table('workflows')", REFUSED),
    ("from query_table(['{lake}'])", REFUSED),
    ("from json_execute_serialized_sql('x')", REFUSED),
    ("from arrow_scan(1, 2, 3)", REFUSED),
    ("from pandas_scan(1)", REFUSED),
    ("select * from HOSTILE", NO_TABLE),
    # secrets, settings, environment
    ("from duckdb_secrets()", REFUSED),
    ("from which_secret('s3://a/b', 's3')", REFUSED),
    ("from duckdb_settings()", REFUSED),
    ("from pg_settings", NO_TABLE),
    ("from pg_catalog.pg_settings", NO_TABLE),
    ("from duckdb_logs", NO_TABLE),
    ("from duckdb_temporary_files()", REFUSED),
    ("from duckdb_extensions()", REFUSED),
    ("select current_setting('temp_directory')", REFUSED),
    ("select getenv('HOME')", REFUSED),
    ("show secrets", NO_TABLE),
    ("create secret s (type s3, key_id 'x', secret 'y')", REFUSED),
    ("create persistent secret s (type s3)", REFUSED),
    ("drop secret lake", REFUSED),
    ("set enable_external_access = true", REFUSED),
    ("SET lock_configuration=false", REFUSED),
    ("set memory_limit='1TB'", REFUSED),
    ("set global temp_directory='{outside}'", REFUSED),
    ("set variable x = 1", REFUSED),
    ("reset all", REFUSED),
    ("pragma database_list", REFUSED),
    ("PRAGMA enable_profiling='json'", REFUSED),
    ("pragma import_database('{outside}')", REFUSED),
    # writing
    ("copy workflows to '{outside}/new.csv'", REFUSED),
    ("COPY (select 1) TO '{lake}' (format parquet, use_tmp_file false)", REFUSED),
    ("copy (select 1) to '{folder}/nodes/new.parquet'", REFUSED),
    ("copy (select 1) to '/dev/stdout'", REFUSED),
    ("copy workflows from '{outside}/secret.csv'", REFUSED),
    ("export database '{outside}/new'", REFUSED),
    ("import database '{outside}'", REFUSED),
    ("insert into workflows values (1)", REFUSED),
    ("update workflows set phase = 'x'", REFUSED),
    ("delete from workflows", REFUSED),
    ("truncate workflows", REFUSED),
    ("merge into workflows using nodes on true when matched then delete", REFUSED),
    ("create table t as select 1", REFUSED),
    ("create or replace view workflows as select 1", REFUSED),
    ("create macro m() as table from read_text('/etc/passwd')", REFUSED),
    ("create temp table t as from read_text('/etc/passwd')", REFUSED),
    ("drop view workflows", REFUSED),
    ("alter view workflows rename to w", REFUSED),
    ("comment on view workflows is 'x'", REFUSED),
    ("from write_log('x')", REFUSED),
    ("select write_log('x')", REFUSED),
    # engines, extensions, transactions
    ("attach '{outside}/new.db'", REFUSED),
    ("attach ':memory:' as m", REFUSED),
    ("attach 'postgres:host=127.0.0.1' as p", REFUSED),
    ("detach memory", REFUSED),
    ("use memory", REFUSED),
    ("install httpfs", REFUSED),
    ("force install httpfs from 'http://127.0.0.1:1'", REFUSED),
    ("load httpfs", REFUSED),
    ("load '{outside}/evil.duckdb_extension'", REFUSED),
    ("update extensions", REFUSED),
    ("call pragma_version()", REFUSED),
    ("call enable_logging()", REFUSED),
    ("from enable_logging()", REFUSED),
    ("from checkpoint()", REFUSED),
    ("checkpoint", REFUSED),
    ("vacuum", REFUSED),
    ("begin transaction", REFUSED),
    ("prepare p as select 1", REFUSED),
    ("execute p", REFUSED),
    ("deallocate p", REFUSED),
    # hiding
    ("select 1; drop view workflows", ONE),
    ("select 1;;copy (select 1) to '{outside}/new.csv'", ONE),
    ("; ; select 1; select 2", ONE),
    ("select 1 -- harmless\n; copy (select 1) to '{outside}/new.csv'", ONE),
    ("select ';' /* ; */; attach '{outside}/new.db'", ONE),
    ("/* select */ copy (select 1) to '{outside}/new.csv'", REFUSED),
    ("-- select 1\ncopy (select 1) to '{outside}/new.csv'", REFUSED),
    ("explain copy (select 1) to '{outside}/new.csv'", REFUSED),
    ("EXPLAIN ANALYZE COPY (select 1) TO '{outside}/new.csv'", REFUSED),
    ("explain (analyze, format json) insert into workflows values (1)", REFUSED),
    ("explain analyze delete from workflows", REFUSED),
    ("explain analyze create table t as select 1", REFUSED),
    ("with t as (insert into workflows values (1) returning *) select * from t", "only SELECT"),
    ("with t as (delete from workflows returning *) select * from t", "only SELECT"),
    ("with t as (select 1) insert into workflows select * from t", "only queries"),
    ("with t as (select 1) delete from workflows", "only queries"),
    ("with t as (select 1) update workflows set phase = 'x'", "only queries"),
    ("select 1 into outfile '{outside}/new.csv'", "syntax error"),
    ("select 1\0; copy (select 1) to '{outside}/new.csv'", "NUL"),
    ("describe copy (select 1) to '{outside}/new.csv'", "syntax error"),
    ("(copy (select 1) to '{outside}/new.csv')", "syntax error"),
    ("pivot workflows on phase using count(*); copy (select 1) to '{outside}/new.csv'", ONE),
    # our own insides
    ("from lake_lists.superseded", NO_TABLE),
    ("from other.workflows", NO_TABLE),
    ("from temp.workflows", NO_TABLE),
]  # fmt: skip

ALLOWED = [
    ("select 'copy to; drop table x' as t", 1),
    ("select 1 -- ; copy x to 'y'", 1),
    ("select 1 /* ; attach 'x' */ ;", 1),
    ("select 1;;; -- the end\n;", 1),
    ("select $$ ; insert into x $$ as t", 1),
    ("SELECT \"phase\" AS \"drop view workflows; --\" FROM workflows", 2),
    ("from workflows", 2),
    ("from workflows select phase where name like '%copy%'", 0),
    ("table workflows", 2),
    ("values (1), (2)", 2),
    ("(select 1) union all (select 2)", 2),
    ("with a as (select * from nodes), b as materialized (from a) select count(*) from b", 1),
    ("with recursive r(n) as (select 1 union all select n + 1 from r where n < 4) from r", 4),
    ("with workflows as (select * from workflows where phase = 'Failed') from workflows", 1),
    ("select name, row_number() over (partition by phase order by name) n from workflows qualify n = 1", 2),
    ("select phase, count(*) filter (name is not null) from workflows group by all having count(*) > 0", 2),
    ("select * exclude (labels) replace (upper(phase) as phase) from workflows", 2),
    ("select columns('.*_at') from workflows", 2),
    ("select [x * 2 for x in [1, 2, 3] if x > 1] as l", 1),
    ("select list_transform([1, 2], lambda x: x + 1)", 1),
    ("select unnest([1, 2, 3])", 3),
    ("select * from range(3) r(i), generate_series(1, 2)", 6),
    ("select name.upper().lower() from workflows", 2),
    ("select w, n.node_id from workflows w left join nodes n using (cluster, uid, version)", 2),
    ("select * from workflows w, lateral (select w.phase as p)", 2),
    ("select * from workflows w natural join workflow_versions v", 0),  # NULLs are never equal
    ("pivot workflows on phase using count(*)", 2),
    ("pivot workflows on phase in ('Failed', 'Succeeded') using count(*) group by namespace", 1),
    ("from (pivot workflows on phase, namespace using count(*) group by cluster)", 1),
    ("with p as (pivot (select phase, namespace from workflows) on phase using count(*)) from p", 1),
    ("from workflows pivot (count(*) for phase in ('Failed'))", 2),
    ("unpivot (select 1 a, 2 b) on a, b", 2),
    ("explain select * from workflows", 1),
    ("explain analyze select count(*) from workflows", 1),
    ("explain (format json) select 1", 1),
    ("explain (select 1)", 1),
    ("describe select 1 as a", 1),
    ("describe labels", 9),
    ("desc labels", 9),
    ("show labels", 9),
    ("summarize select phase from workflows", 1),
    ("show tables", len(relations())),
    ("show databases", 1),
    ("show all tables", len(relations())),
    ("select count(*) from information_schema.tables", 1),
    ("select count(*) from duckdb_columns() where table_name = 'nodes'", 1),
    ("select count(*) from duckdb_tables", 1),
    ("from histogram(workflows, duration_s)", None),
    ("select '{\"a\": 1}'::json->>'a', json_extract('[1]', '$[0]')", 1),
    ("select * from json_each('{\"a\": 1}')", 1),
    ("select date_trunc('month', finished_at), now() - interval 7 day from workflows", 2),
    ("select labels['team'], map_keys(labels) from workflows", 2),
    ("select 1 as \"select\", 2 as copy, 3 as insert, 4 as update", 1),
    ("select phase as set from workflows as load", 2),
]  # fmt: skip


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """A lake, and things beside it that nobody may touch."""
    lake = TinyLake(tmp_path / "lake")
    lake.add("workflows", workflow("a", labels={"team": "x"}), workflow("b", "Failed"))
    file = lake.add("nodes", node("a", "n1"), node("b", "n2", "Failed"))
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("hunter2")
    (outside / "secret.csv").write_text("hunter2,1\n")
    return {"lake": file, "folder": str(tmp_path / "lake"), "outside": str(outside)}


@pytest.fixture
def session(places: dict[str, str]) -> Iterator[Session]:
    """A session over the lake that ``places`` made."""
    lake = TinyLake(Path(places["folder"]))
    lake.find_files("workflows", "nodes")
    with open_session(lake.snapshot) as opened:
        yield opened


def digest(folder: Path) -> dict[str, str]:
    """Every file below, and what it holds."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def run(session: Session, sql: str) -> list[tuple[object, ...]]:
    return [row for rows in session.run(sql).rows() for row in rows]


@pytest.mark.parametrize(("sql", "why"), HOSTILE, ids=[sql[:60] for sql, _ in HOSTILE])
def test_refused(
    sql: str, why: str, session: Session, places: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = digest(tmp_path)
    with pytest.raises(QueryError, match=why) as refusal:
        run(session, sql.format(**places))
    assert "hunter2" not in refusal.value.message + str(refusal.value.hint)
    assert digest(tmp_path) == before
    assert run(session, "select count(*) from workflows") == [(2,)], "the session is still of use"


def test_enough_is_tried() -> None:
    assert len(HOSTILE) >= 60
    assert len({sql for sql, _ in HOSTILE}) == len(HOSTILE)


@pytest.mark.parametrize(("sql", "rows"), ALLOWED, ids=[sql[:60] for sql, _ in ALLOWED])
def test_allowed(sql: str, rows: int | None, session: Session) -> None:
    found = run(session, sql)
    assert rows is None or len(found) == rows


@pytest.mark.parametrize(
    "sql",
    [
        "from read_text('{outside}/secret.txt')",
        "from read_csv('{outside}/secret.csv')",
        "from glob('{outside}/*')",
        "copy (select 1) to '{outside}/new.csv'",
        "attach '{outside}/new.db'",
        "install httpfs",
        "set threads = 1",
        "set enable_external_access = true",
        "from 'http://127.0.0.1:1/x.parquet'",
        "create persistent secret s (type s3)",
    ],
)
def test_the_engine_itself_is_locked(sql: str, session: Session, places: dict[str, str], tmp_path: Path) -> None:
    """Should a statement ever slip through the first gate, the second one holds."""
    run(session, "select count(*) from nodes")
    assert session._engine is not None
    before = digest(tmp_path)
    with pytest.raises(duckdb.Error, match=r"disabled|locked|does not exist|[Pp]ersistent"):
        session._engine.con.execute(sql.format(**places)).fetchall()
    assert digest(tmp_path) == before


def test_nothing_of_python_is_a_table(session: Session) -> None:
    hidden = [{"a": 1}]
    with pytest.raises(QueryError, match="there is no table hidden"):
        run(session, "select * from hidden")
    assert hidden
    assert session._engine is not None
    with pytest.raises(duckdb.CatalogException):
        session._engine.con.execute("select * from hidden")


def test_files_of_other_tables_stay_closed(session: Session, places: dict[str, str]) -> None:
    run(session, "select count(*) from workflows")
    assert session._engine is not None
    with pytest.raises(duckdb.PermissionException):
        session._engine.con.execute(f"from read_parquet('{places['lake']}')")
