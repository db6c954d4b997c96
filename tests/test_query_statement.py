"""Looking at SQL before it runs: what it needs, and where its mistakes are."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from kubectl_argo_archive.errors import QueryError
from kubectl_argo_archive.query import tokens
from kubectl_argo_archive.query.mistakes import parameter_mistakes
from kubectl_argo_archive.query.pointing import pointed
from kubectl_argo_archive.query.statement import Statement, analyse

NAMES = {"workflows", "nodes", "labels", "failures", "raw"}


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def look(con: duckdb.DuckDBPyConnection, sql: str) -> Statement:
    return analyse(con, sql, lambda: NAMES)


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("select 1", set()),
        ("select * from workflows", {"workflows"}),
        ("select * from Workflows W join NODES using (uid)", {"workflows", "nodes"}),
        ("select * from main.workflows, memory.main.nodes", {"workflows", "nodes"}),
        (
            "select (select max(uid) from nodes) from workflows where exists (from labels)",
            {"workflows", "nodes", "labels"},
        ),
        ("with x as (from nodes) from x", {"nodes"}),
        ("with workflows as (select 1) from workflows", {"workflows"}),
        ("with recursive r(n) as (select 1 union select n from r) from r", set()),
        ("explain analyze select * from nodes", {"nodes"}),
        ("describe nodes", {"nodes"}),
        ("summarize nodes", {"nodes"}),
        ("pivot nodes on phase using count(*)", {"nodes"}),
        ("from (pivot nodes on phase using count(*)) join labels on true", {"nodes", "labels"}),
        ("from histogram(nodes, duration_s)", {"nodes"}),
        ("show tables", set()),
    ],
)
def test_tables(con: duckdb.DuckDBPyConnection, sql: str, tables: set[str]) -> None:
    assert look(con, sql).tables == tables


def test_names_are_not_asked_for_without_tables(con: duckdb.DuckDBPyConnection) -> None:
    def never() -> set[str]:
        raise AssertionError("loading the catalog costs time")

    assert analyse(con, "select 1 where $a > 2", never).parameters == {"a"}


@pytest.mark.parametrize(
    ("sql", "every"),
    [
        ("select uid from workflows", False),
        ("select count(*) from workflows", False),
        ("select w.uid from workflows w order by w.uid", False),
        ("select * from workflows", True),
        ("from workflows", True),
        ("select w from workflows w", True),
        ("select workflows from workflows", True),
        ("select columns('a') from workflows", True),
        ("select uid from workflows natural join nodes", True),
        ("pivot workflows on phase using count(*)", True),
        ("summarize workflows", True),
        ("describe workflows", True),
    ],
)
def test_columns_that_are_not_named(con: duckdb.DuckDBPyConnection, sql: str, every: bool) -> None:
    assert look(con, sql).every_column is every


def test_named_columns(con: duckdb.DuckDBPyConnection) -> None:
    found = look(con, "select w.A, b from workflows w join nodes using (c) where d = $e group by f")
    assert found.columns == {"a", "b", "c", "d", "f"}


@pytest.mark.parametrize("sql", ["show tables", "from information_schema.columns", "from duckdb_tables()", "describe"])
def test_listings(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert look(con, sql).introspects


@pytest.mark.parametrize(
    ("sql", "stand_in"),
    [
        ("pivot t on a using sum(b)", "pivot t on (a \n) IN ('x') using sum(b)"),
        ("pivot t on a, b || c group by d", "pivot t on (a\n) IN ('x') , (b || c \n) IN ('x') group by d"),
        ("pivot t on a in (1, 2), b", "pivot t on a in (1, 2), (b\n) IN ('x') "),
        ("from (pivot (from x) on f(a, 1))", "from (pivot (from x) on (f(a, 1)\n) IN ('x') )"),
        ("pivot (pivot t on a) on b", "pivot (pivot t on (a\n) IN ('x') ) on (b\n) IN ('x') "),
        ("pivot t on a -- the end", "pivot t on (a -- the end\n) IN ('x') "),
        ("from t pivot (sum(a) for b in (1))", "from t pivot (sum(a) for b in (1))"),
        ("pivot t on '; on' using x(y)", "pivot t on ('; on' \n) IN ('x') using x(y)"),
    ],
)
def test_a_pivot_without_values_has_a_stand_in(sql: str, stand_in: str) -> None:
    assert tokens.with_pivot_values(sql.encode(), tokens.tokenize(sql.encode())).decode() == stand_in


@pytest.mark.parametrize(
    ("sql", "at", "shown"),
    [
        ("select x", 7, "LINE 1: select x\n               ^"),
        ("select\n  x\nfrom y", 9, "LINE 2:   x\n          ^"),
        ("select 'é', x", 13, "LINE 1: select 'é', x\n                    ^"),
        ("select '世界', x", 17, "LINE 1: select '世界', x\n" + " " * 23 + "^"),
        ("select\tx", 7, "LINE 1: select x\n               ^"),
        ("select 1 +\n", 11, "LINE 1: select 1 +\n                  ^"),
        ("x", 99, "LINE 1: x\n         ^"),
        ("a" * 300, 150, "LINE 1: …" + "a" * 100 + "…\n" + " " * 59 + "^"),
    ],
)
def test_the_caret_stands_under_the_mistake(sql: str, at: int, shown: str) -> None:
    assert pointed(sql, at) == shown


@pytest.mark.parametrize(
    ("sql", "message", "hint"),
    [
        ("selec 1", 'syntax error at or near "selec"\nLINE 1: selec 1\n        ^', None),
        (
            "select *\nfrom workflow",
            "there is no table workflow\nLINE 2: from workflow\n             ^",
            "mean workflows?",
        ),
        ("from pods", "no table pods", "mean nodes?"),
        ("from argo_archived_workflows", "no table", "mean workflows?"),
        ("from argo.workflows", "have no schema", "write workflows"),
        ("from zzz", "there is no table zzz", "tables` lists all"),
        (
            "explain\n  select * from workflow",
            "LINE 2:   select * from workflow\n                        ^",
            "workflows?",
        ),
        ("select “a” from nodes x y", "syntax error", "typographic quotes"),
        ("", "the SQL is empty", "for example"),
        ("-- nothing", "the SQL is empty", "for example"),
        (" ; ;", "the SQL is empty", "for example"),
        ("select 'abc", "unterminated quoted string", None),
        ("/* abc", "unterminated /* comment", None),
        ("explain", "EXPLAIN what?", "for example"),
        ("explain pivot nodes on phase using count(*)", "EXPLAIN cannot show", "IN ('a', 'b')"),
        ("select \ud800", "not valid text", "UTF-8"),
        ("select " + "abs(" * 3000 + "1" + ")" * 3000, "depth", None),
    ],
)
def test_mistakes(con: duckdb.DuckDBPyConnection, sql: str, message: str, hint: str | None) -> None:
    with pytest.raises(QueryError) as mistake:
        look(con, sql)
    assert message in mistake.value.message
    assert (hint or "") in (mistake.value.hint or "")


def test_deep_but_sound_sql(con: duckdb.DuckDBPyConnection) -> None:
    look(con, "select " + " + ".join(["1"] * 900))
    look(con, "select 1 where " + " or ".join(f"1 = {i}" for i in range(3000)))


@pytest.mark.parametrize(
    ("needed", "given", "message", "hint"),
    [
        ({"a"}, {"a"}, None, ""),
        ({"A"}, {"a"}, None, ""),
        (set(), set(), None, ""),
        ({"since", "until"}, {"since"}, r"no value for \$until", "-p until=VALUE"),
        ({"since"}, {"sinse"}, r"no value for \$since", "-p sinse"),
        ({"since"}, {"since", "x"}, r"no parameter \$x", r"it uses \$since"),
        (set(), {"x"}, r"no parameter \$x", "uses no parameters"),
        ({"1"}, set(), "without names", r"\$name"),
    ],
)
def test_parameters(needed: set[str], given: set[str], message: str | None, hint: str) -> None:
    mistake = parameter_mistakes(needed, given)
    if message is None:
        assert mistake is None
        return
    assert mistake is not None
    with pytest.raises(QueryError, match=message):
        raise mistake
    assert hint.replace("\\", "") in (mistake.hint or "")
