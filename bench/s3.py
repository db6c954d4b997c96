"""Part 5: the lake on S3: what an export and each question cost in requests, bytes and time."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from bench.context import Bench, ours, result_of
from bench.measure import BenchError, Run, best, figures, interleave, median, run
from bench.proxy import CountingProxy, counting_proxy
from bench.queries import facts_of, normal, spread
from bench.questions import QUESTIONS, Question
from bench.report import Table, megabytes, seconds
from kubectl_argo_archive.demo.seaweedfs import SeaweedFS

OURS, DUCKDB = "our command", "Python + DuckDB"
_BUCKET = "argo"
_LAKE = f"s3://{_BUCKET}/lake"


def measure(bench: Bench) -> dict[str, Any]:
    """Requests and bytes are counted in runs through a proxy, times are taken in runs without it."""
    with SeaweedFS(bench.fresh("seaweedfs"), bucket=_BUCKET) as server, counting_proxy(server.port) as proxy:
        direct = {**bench.environment, **server.environment()}
        counted = {**direct, "AWS_ENDPOINT_URL": proxy.endpoint}
        exports = _exports(bench, proxy, direct, counted)
        facts = facts_of(bench.lake)
        asked = [_question(bench, proxy, question.about(facts), direct, counted) for question in QUESTIONS]
        return {"rows": bench.archive.rows, "exports": exports, "questions": asked}


def _exports(bench: Bench, proxy: CountingProxy, direct: dict[str, str], counted: dict[str, str]) -> dict[str, Any]:
    bench.say("s3: exports")
    archive = bench.archive
    found: dict[str, Any] = {}
    for name in ("the whole archive", "nothing changed"):
        with proxy.watch() as traffic:
            done = bench.export(archive, _LAKE, counted)
        found[name] = {"traffic": traffic.figures(), "new": result_of(done)["new"]}
    number = iter(range(bench.rounds + 1))
    timed: dict[str, Callable[[], Run]] = {
        "the whole archive": lambda: bench.export(archive, f"s3://{_BUCKET}/timed-{next(number)}", direct),
        "nothing changed": lambda: bench.export(archive, _LAKE, direct),
    }
    for name, runs in interleave(timed, bench.rounds).items():
        found[name]["runs"] = figures(runs)
    return found


def _question(
    bench: Bench, proxy: CountingProxy, question: Question, direct: dict[str, str], counted: dict[str, str]
) -> dict[str, Any]:
    bench.say(f"s3: {question.asks}")
    commands: dict[str, list[str | Path]] = {
        OURS: [*ours(), "query", "--lake", _LAKE, "-o", "json", question.lake],
        DUCKDB: [sys.executable, "-m", "bench.duck", _LAKE, question.lake, *question.tables],
    }
    traffic, answers = {}, {}
    for name, command in commands.items():
        with proxy.watch() as seen:
            done = run(command, counted)
        traffic[name] = seen.figures()
        answers[name] = normal(tuple(row.values()) for row in json.loads(done.output))
    if answers[OURS] != answers[DUCKDB]:
        raise BenchError(f"on S3, {question.asks} {answers[OURS][:3]} … but DuckDB: {answers[DUCKDB][:3]} …")
    ways = {name: partial(run, command, direct) for name, command in commands.items()}
    runs = {name: figures(found) for name, found in interleave(ways, bench.rounds).items()}
    return {"asks": question.asks, "traffic": traffic, "runs": runs}


def tables(result: dict[str, Any]) -> list[Table]:
    """Exports, then questions."""
    exports = []
    for name, export in result["exports"].items():
        runs, traffic = export["runs"], export["traffic"]
        exports.append([name, _requests(traffic), megabytes(traffic["sent"]), megabytes(traffic["received"]),
                        seconds(best(runs)), seconds(median(runs))])  # fmt: skip
    questions = []
    for question in result["questions"]:
        mine, theirs = question["traffic"][OURS], question["traffic"][DUCKDB]
        counted = [cell for t in (mine, theirs) for cell in (_requests(t), megabytes(t["received"]))]
        questions.append([question["asks"], *counted, *[spread(question["runs"][name]) for name in (OURS, DUCKDB)]])
    export_note = (
        f"{result['rows']:,} workflows, SeaweedFS on this machine. Requests and bytes were counted by a proxy, times "
        "taken without it."
    )
    note = f"Whole processes: `{OURS}` finds files in the Delta log, `{DUCKDB}` (httpfs) by a glob. Best (median) time."
    header = ("Question", "requests", "read", "DuckDB: requests", "read", OURS, DUCKDB)
    return [
        Table("S3: export", ("Export", "requests", "sent", "received", "best", "median"), exports, export_note),
        Table("S3: queries", header, questions, note),
    ]


def _requests(traffic: dict[str, Any]) -> str:
    kinds = traffic["requests"]
    parts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items(), key=lambda item: -item[1]))
    failures = f"; {traffic['failures']} not found" if traffic["failures"] else ""
    return f"{sum(kinds.values())} ({parts}{failures})"
