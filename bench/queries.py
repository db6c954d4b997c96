"""Part 4: eight questions, asked of the lake in four ways and of Postgres; the answers must be the same."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg

from bench.context import Bench, ours
from bench.duck import ask as ask_duckdb
from bench.duck import define as define_duckdb
from bench.measure import BenchError, Run, best, figures, median, run, timed
from bench.questions import FACTS, QUESTIONS, Question
from bench.report import Table, seconds, times
from kubectl_argo_archive.connect import open_lake
from kubectl_argo_archive.query.session import open_session

CLI, DUCKDB_PROCESS = "our command", "Python + DuckDB"
SESSION, DUCKDB, POSTGRES = "our session", "DuckDB", "Postgres"
OPEN_SESSION, OPEN_DUCKDB = "open session", "open DuckDB"
_NAMES = (CLI, DUCKDB_PROCESS, SESSION, DUCKDB, OPEN_SESSION, OPEN_DUCKDB, POSTGRES)
_SLOW_S = 20.0
_IN_PROCESS = {SESSION, DUCKDB, OPEN_SESSION, OPEN_DUCKDB}
_DIGITS = 9

Rows = list[tuple[Any, ...]]
Ways = dict[str, tuple[Callable[[], Any], Callable[[Any], Rows]]]


def measure(bench: Bench) -> dict[str, Any]:
    """Check the answers, then time: processes against processes, calls against calls, Postgres against all."""
    lake = bench.lake
    facts = facts_of(lake)
    found = [_question(bench, lake, question.about(facts)) for question in QUESTIONS]
    return {"rows": bench.archive.rows, "facts": facts, "questions": found}


def facts_of(lake: Path) -> dict[str, str]:
    """What the questions ask about in this lake.

    Raises:
        BenchError: it holds no such thing.
    """
    found = {name: ask_lake(lake, sql) for name, sql in FACTS.items()}
    if missing := [name for name, rows in found.items() if not rows or rows[0][0] is None]:
        raise BenchError(f"this archive has nothing to ask about: {', '.join(missing)}")
    return {name: str(rows[0][0]) for name, rows in found.items()}


def _question(bench: Bench, lake: Path, question: Question) -> dict[str, Any]:
    bench.say(f"query: {question.asks}")
    with ExitStack() as opened:
        return _asked(bench, question, _ways(bench, lake, question, opened))


def _asked(bench: Bench, question: Question, ways: Ways) -> dict[str, Any]:
    answers = {name: normal(read(ask())) for name, (ask, read) in ways.items()}  # warms up, too
    for name, answer in answers.items():
        if answer != answers[CLI]:
            raise BenchError(f"{question.asks} {CLI}: {answers[CLI][:3]} … but {name}: {answer[:3]} …")
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    for _ in range(bench.rounds):
        for name, (ask, _read) in ways.items():
            if name == POSTGRES and runs[name] and runs[name][0].wall_s > _SLOW_S:
                continue  # its noise is small beside its time
            if name in _IN_PROCESS:
                ask()  # what ran before, another process or Postgres, left nothing of this in the processor's caches
            runs[name].append(_timed(ask))
    return {
        "name": question.name,
        "asks": question.asks,
        "node_aggregate": question.node_aggregate,
        "rows": len(answers[CLI]),
        "runs": {name: figures(found) for name, found in runs.items()},
    }


def _timed(ask: Callable[[], Any]) -> Run:
    """Time a call, or take the time of the process that it ran."""
    kept: list[Any] = []
    around = timed(lambda: kept.append(ask()))
    return kept[0] if isinstance(kept[0], Run) else around


def _ways(bench: Bench, lake: Path, question: Question, opened: ExitStack) -> Ways:
    """How to ask, and how to read what comes back."""
    session = opened.enter_context(open_session(open_lake(str(lake)).snapshot()))
    con = opened.enter_context(closing(duckdb.connect()))
    define_duckdb(con, str(lake), question.tables)
    command = [*ours(), "query", "--lake", str(lake), "-o", "json", question.lake]
    script = [sys.executable, "-m", "bench.duck", str(lake), question.lake, *question.tables]
    return {
        CLI: (lambda: run(command, bench.environment), _objects),
        DUCKDB_PROCESS: (lambda: run(script, bench.environment), _objects),
        SESSION: (lambda: ask_lake(lake, question.lake), list),
        DUCKDB: (lambda: _plain(lake, question), list),
        OPEN_SESSION: (lambda: [row for rows in session.run(question.lake).rows() for row in rows], list),
        OPEN_DUCKDB: (lambda: con.execute(question.lake).fetchall(), list),
        POSTGRES: (lambda: _postgres(bench, question), list),
    }


def ask_lake(lake: Path | str, sql: str) -> Rows:
    """Our session as a notebook uses it: open the lake, ask, fetch all."""
    with open_session(open_lake(str(lake)).snapshot()) as session:
        return [row for rows in session.run(sql).rows() for row in rows]


def _plain(lake: Path, question: Question) -> Rows:
    with closing(duckdb.connect()) as con:
        return ask_duckdb(con, str(lake), question.lake, question.tables)[1]


def _postgres(bench: Bench, question: Question) -> Rows:
    with psycopg.connect(bench.archive.uri, options="-c TimeZone=UTC") as connection:
        return connection.execute(question.postgres.encode()).fetchall()


def _objects(done: Run) -> Rows:
    return [tuple(row.values()) for row in json.loads(done.output)]


def normal(rows: Iterable[tuple[Any, ...]]) -> Rows:
    """Rows that can be compared: sorted, numbers rounded, for sums of floats depend on the order."""
    return sorted((tuple(_normal(value) for value in row) for row in rows), key=repr)


def _normal(value: Any) -> Any:
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        number = float(value)
        return number if number == 0 or not math.isfinite(number) else float(f"{number:.{_DIGITS}g}")
    return value.isoformat() if isinstance(value, date | datetime) else value


def tables(result: dict[str, Any]) -> list[Table]:
    """Times of each question, and the ratios that matter."""
    rows, ratios = [], []
    for question in result["questions"]:
        runs = question["runs"]
        mark = " *" if question["node_aggregate"] else ""
        rows.append([question["asks"] + mark, str(question["rows"]), *[spread(runs[name]) for name in _NAMES]])
        ratios.append([question["asks"] + mark, _ratio(runs, CLI, DUCKDB_PROCESS), _ratio(runs, SESSION, DUCKDB),
                       _ratio(runs, OPEN_SESSION, OPEN_DUCKDB), _ratio(runs, POSTGRES, CLI),
                       _ratio(runs, POSTGRES, SESSION), _ratio(runs, POSTGRES, OPEN_SESSION)])  # fmt: skip
    note = (
        f"{result['rows']:,} workflows; best (median) of warm rounds, in turn; all ways gave the same answers. "
        f"`{CLI}` and `{DUCKDB_PROCESS}` are whole processes, the others calls in a running one: `{SESSION}` "
        f"opens the lake and DuckDB anew for each question, `{OPEN_SESSION}` is asked again and again, as in a "
        "notebook, and DuckDB likewise. Plain DuckDB reads the same Parquet files by a glob. * adds up the nodes of "
        "all workflows."
    )
    titles = ("command / Python + DuckDB", "session / DuckDB", "open session / open DuckDB", "Postgres / command",
              "Postgres / session", "Postgres / open session")  # fmt: skip
    return [
        Table("Queries: time", ("Question", "rows", *_NAMES), rows, note),
        Table("Queries: ratios", ("Question", *titles), ratios, "Best to best."),
    ]


def spread(runs: list[dict[str, Any]]) -> str:
    """Best and median."""
    return f"{seconds(best(runs))} ({seconds(median(runs))})"


def _ratio(runs: dict[str, list[dict[str, Any]]], one: str, other: str) -> str:
    return times(best(runs[one]) / best(runs[other]))
