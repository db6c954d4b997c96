"""Part 3: what an export costs when the lake knows almost everything already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.context import Bench, result_of
from bench.database import Archive
from bench.measure import BenchError, best, median
from bench.report import Table, megabytes, seconds, times

_SIZES = ("json_bytes", "touched_table_bytes", "touched_json_bytes", "lake_bytes")
_COUNTS = ("new", "changed", "deleted")


def measure(bench: Bench) -> dict[str, Any]:
    """Nothing happened, 1 % new, 1 % archived again, 1 % deleted; each several times, in turn, on a copy."""
    bench.say("incremental: copying the archive")
    try:
        with bench.archive.copied() as archive:
            return _measure(bench, archive)
    except BenchError as error:
        return {"skipped": str(error)}
    finally:
        bench.fresh("grown.lake")


def _measure(bench: Bench, archive: Archive) -> dict[str, Any]:
    rows = bench.archive.rows
    part = max(1, rows // 100)
    lake = bench.fresh("grown.lake")
    bench.say("incremental: the first export")
    first = bench.export(archive, lake)
    # what to do, and what the export must then find: new, changed, deleted
    changes: dict[str, tuple[Callable[[int], None], tuple[int, int, int]]] = {
        "nothing changed": (lambda round_: None, (0, 0, 0)),
        "1 % new": (lambda round_: archive.append(rows + round_ * part, part), (part, 0, 0)),
        "1 % archived again": (lambda round_: archive.rearchive(part, round_), (0, part, 0)),
        "1 % deleted": (lambda round_: archive.delete(part), (0, 0, part)),
    }
    steps: dict[str, list[dict[str, Any]]] = {name: [] for name in changes}
    for round_ in range(bench.rounds):
        for name, (change, expected) in changes.items():
            change(round_)
            before = archive.blocks()
            done = bench.export(archive, lake)
            after = archive.blocks()
            result = result_of(done)
            if (counts := tuple(result[count] for count in _COUNTS)) != expected:
                raise BenchError(f"{name}: the export found {counts} new, changed, deleted; expected {expected}")
            steps[name].append({
                **done.figures(),
                **{count: result[count] for count in _COUNTS},
                "json_bytes": result["json_bytes"],
                "lake_bytes": sum(table["bytes"] for table in result["tables"].values()),
                "touched_table_bytes": after.table_bytes - before.table_bytes,
                "touched_json_bytes": after.json_bytes - before.json_bytes,
            })  # fmt: skip
    return {"rows": rows, "first": first.figures(), "steps": steps}


def tables(result: dict[str, Any]) -> list[Table]:
    """One row per kind of change."""
    title = "Incremental: the next export"
    header = ("Since the last export", "new / changed / deleted", "best", "median", "of the first", "JSON read",
              "server: rows touched", "server: JSON touched", "lake written")  # fmt: skip
    if "skipped" in result:
        return [Table(title, header, [], f"Not measured: {result['skipped']}")]
    first = result["first"]["wall_s"]
    rows = []
    for name, runs in result["steps"].items():
        counts = " / ".join(f"{runs[0][count]:,}" for count in _COUNTS)
        sizes = [megabytes(median(runs, figure)) for figure in _SIZES]
        rows.append([name, counts, seconds(best(runs)), seconds(median(runs)), times(best(runs) / first), *sizes])
    note = (
        f"A lake of {result['rows']:,} workflows, whose first export took {seconds(first)}; whole processes. Touched: "
        "pages of the table and its indexes, and of the long values (the JSON), that the server looked at."
    )
    return [Table(title, header, rows, note)]
