"""What the project promises, and whether this run keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench import export, queries, startup
from bench.measure import best, median
from bench.report import Table, megabytes, percent, times

_EXPORT_TO_COPY = 2.2
_EXPORT_TO_DUCKDB = 0.8
_PEAK_BYTES = 600 * 1000 * 1000
_FLAT = 1.1
_LAKE_SHARE = 0.12
_FASTER_THAN_POSTGRES = 50.0
_SESSION_TO_DUCKDB = 1.5
_SELECT_EXTRA_S = 0.2
_HELP_EXTRA_S = 0.06
_VERIFY_SPEED = 0.5
_VERIFY_NEXT = 0.02
_PROOF_BYTES = 4096

_NOTE = "Best against best. The limits are meant for 20,000 workflows on a machine that does nothing else."

Row = list[str]


def table(results: dict[str, Any]) -> Table:
    """Every promise that this run says something about."""
    makers = {"export": _export, "size": _size, "query": _query, "startup": _startup, "audit": _audit}
    rows = [row for name, maker in makers.items() if name in results for row in maker(results[name])]
    return Table("Promises", ("Promise", "limit", "measured", "kept"), rows, _NOTE)


def _row(promise: str, limit: str, measured: str, kept: bool) -> Row:
    return [promise, limit, measured, "yes" if kept else "**no**"]


def _export(result: dict[str, Any]) -> Iterator[Row]:
    ways = {way["name"]: way["runs"] for way in result["ways"]}
    mine = ways[export.OURS]
    for other, limit in ((export.COPY, _EXPORT_TO_COPY), (export.DUCKDB, _EXPORT_TO_DUCKDB)):
        if ways[other]:
            ratio, middle = best(mine) / best(ways[other]), median(mine) / median(ways[other])
            measured = f"{times(ratio)} (median {times(middle)})"
            yield _row(f"export against {other}", f"≤ {limit} ×", measured, ratio <= limit)
    peak = max(run["peak_bytes"] for run in mine)
    yield _row("peak memory of the export", f"≤ {megabytes(_PEAK_BYTES)}", megabytes(peak), peak <= _PEAK_BYTES)
    if "skipped" not in (memory := result["memory"]):
        growth = memory["twice"]["peak_bytes"] / memory["once"]["peak_bytes"]
        yield _row("peak memory of twice the archive", f"≤ {_FLAT} × once", times(growth), growth <= _FLAT)


def _size(result: dict[str, Any]) -> Iterator[Row]:
    share = result["lake_bytes"] / result["json_bytes"]
    yield _row(
        "lake, raw JSON included, of the JSON", f"≤ {percent(_LAKE_SHARE)}", percent(share), share <= _LAKE_SHARE
    )


def _query(result: dict[str, Any]) -> Iterator[Row]:
    aggregates = [q["runs"] for q in result["questions"] if q["node_aggregate"]]
    faster = min(best(runs[queries.POSTGRES]) / best(runs[queries.OPEN_SESSION]) for runs in aggregates)
    yield _row(f"node aggregates: Postgres against our {queries.OPEN_SESSION}, the worst",
               f"≥ {_FASTER_THAN_POSTGRES:.0f} ×", times(faster), faster >= _FASTER_THAN_POSTGRES)  # fmt: skip
    for ours, other in ((queries.SESSION, queries.DUCKDB), (queries.OPEN_SESSION, queries.OPEN_DUCKDB)):
        slower = max(best(runs[ours]) / best(runs[other]) for runs in aggregates)
        yield _row(f"node aggregates: {ours} against {other}, the worst", f"≤ {_SESSION_TO_DUCKDB} ×", times(slower),
                   slower <= _SESSION_TO_DUCKDB)  # fmt: skip


def _startup(result: dict[str, Any]) -> Iterator[Row]:
    pairs = ((startup.SELECT, startup.DUCKDB, _SELECT_EXTRA_S), (startup.HELP, startup.EMPTY, _HELP_EXTRA_S))
    for mine, other, limit in pairs:
        extra = best(result[mine]) - best(result[other])
        yield _row(f"{mine} beyond {other}", f"≤ {limit * 1000:.0f} ms", f"{extra * 1000:.0f} ms", extra <= limit)


def _audit(result: dict[str, Any]) -> Iterator[Row]:
    ours, others = best(result["runs"]["verify"]), best(result["runs"]["sha256sum"]) + best(result["runs"]["read"])
    speed, share = others / ours, result["next"]["bytes_read"] / result["next"]["bytes"]
    proof = result["proof"]["bytes"]
    yield _row("verify against sha256sum and a Parquet read", f"≥ {_VERIFY_SPEED} ×", times(speed),
               speed >= _VERIFY_SPEED)  # fmt: skip
    yield _row("bytes that the next verify reads", f"≤ {percent(_VERIFY_NEXT)}", percent(share), share <= _VERIFY_NEXT)
    yield _row("one proof", f"≤ {_PROOF_BYTES:,} bytes", f"{proof:,} bytes", proof <= _PROOF_BYTES)
