"""Part 6: how long until the command is there."""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import Any

from bench.context import Bench, ours
from bench.measure import BenchError, best, figures, interleave, median, run
from bench.report import Table, megabytes, seconds
from kubectl_argo_archive.demo.workflows import generate_json

HELP, EMPTY, SELECT, DUCKDB = "--help", "empty click command, --help", 'query "select 1"', "Python, duckdb: select 1"
_EMPTY_COMMAND = "import click\n\n\n@click.command()\ndef main():\n    '''Nothing.'''\n\n\nmain()\n"
_DUCKDB_SCRIPT = "import duckdb\n\nprint(duckdb.connect().execute('select 1 as one').fetchall())\n"
_MORE_ROUNDS = 5  # a start takes little time, and its noise is large beside it
_WORKFLOWS = 20


def measure(bench: Bench) -> dict[str, Any]:
    """Our command beside the least that could be done; on a small lake of its own."""
    bench.say("start-up")
    empty, script = bench.work / "empty_command.py", bench.work / "select_one.py"
    empty.write_text(_EMPTY_COMMAND)
    script.write_text(_DUCKDB_SCRIPT)
    lake = _small_lake(bench)
    commands = {
        HELP: [*ours(), "--help"],
        EMPTY: [sys.executable, str(empty), "--help"],
        SELECT: [*ours(), "query", "--lake", lake, "-o", "json", "select 1 as one"],
        DUCKDB: [sys.executable, str(script)],
    }
    ways = {name: partial(run, command, bench.environment) for name, command in commands.items()}
    answers = {name: way().output for name, way in ways.items()}  # the first run of each also warms it up
    if json.loads(answers[SELECT]) != [{"one": 1}] or answers[DUCKDB].strip() != "[(1,)]":
        raise BenchError(f"select 1 is answered {answers[SELECT]!r} and {answers[DUCKDB]!r}")
    runs = interleave(ways, bench.rounds * _MORE_ROUNDS)
    return {name: figures(found) for name, found in runs.items()}


def _small_lake(bench: Bench) -> str:
    source, lake = bench.work / "small.ndjson", bench.fresh("small.lake")
    source.write_text("".join(f"{text}\n" for text in generate_json(_WORKFLOWS)))
    run([*ours(), "export", "-q", "--source", str(source), "--lake", str(lake), "-o", "json"], bench.environment)
    return str(lake)


def tables(result: dict[str, Any]) -> list[Table]:
    """Each command, and what it takes beyond its counterpart."""
    rows = []
    for name, runs in result.items():
        other = result[{HELP: EMPTY, SELECT: DUCKDB}.get(name, name)]
        beyond = [f"{(figure(runs) - figure(other)) * 1000:+.0f} ms" for figure in (best, median)]
        extra = "" if other is runs else f"{beyond[0]} ({beyond[1]})"
        peak = max(run["peak_bytes"] for run in runs)
        rows.append([name, seconds(best(runs)), seconds(median(runs)), extra, seconds(best(runs, "cpu_s")),
                     megabytes(peak)])  # fmt: skip
    header = ("Command", "best", "median", "beyond the line below (median)", "CPU", "memory")
    return [Table("Start-up", header, rows, f"Whole processes, {len(next(iter(result.values())))} rounds, in turn.")]
