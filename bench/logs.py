"""Part 7: logs: building the line store and its index, and searching them, against zstd, ripgrep and others.

``BENCH_LOG_MB`` says how many megabytes of logs are made (256 unless set; the published table has 4200).
Searching is measured warm, inside one process on our side, and less the time of an empty run on ripgrep's.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench import logs_make
from bench.context import Bench, disk_bytes
from bench.logs_s3 import measure_s3
from bench.measure import BenchError, run
from bench.report import Table, megabytes, percent, seconds, times
from kubectl_argo_archive.connect import open_lake
from kubectl_argo_archive.logs.search import Explain, Query, Searcher

RIPGREP = "ripgrep"
PEERS = ("rg", "ugrep", "cindex", "csearch", "zstd")
_ROUNDS = 5
QUESTIONS: tuple[tuple[str, Query, tuple[str, ...]], ...] = (
    ("rare needle", Query(logs_make.RARE), ("-F", logs_make.RARE)),
    ("needle in 3 objects", Query(logs_make.THREE), ("-F", logs_make.THREE)),
    ("absent text", Query(logs_make.ABSENT), ("-F", logs_make.ABSENT)),
    ("regex with a literal", Query(r"lost quorum of shard \d+ seen", regex=True), (r"lost quorum of shard \d+ seen",)),
    ("rare needle, any case", Query(logs_make.RARE.upper(), ignore_case=True), ("-Fi", logs_make.RARE.upper())),
    ("frequent word", Query("heartbeat"), ("-F", "heartbeat")),
    ("one character", Query("e"), ("-F", "e")),
    ("regex without a literal", Query(r"\d{3}-\d{4}", regex=True), (r"\d{3}-\d{4}",)),
)


def measure(bench: Bench) -> dict[str, Any]:
    """Everything; what is not installed is said and left out."""
    folder = bench.work / "logs"
    folder.mkdir(exist_ok=True)
    bench.say("logs: making them")
    made = logs_make.make(folder, int(os.environ.get("BENCH_LOG_MB", "256")) << 20, 1)
    raw = folder / "raw"
    missing = [name for name in PEERS if not shutil.which(name)]
    bench.say("logs: building")
    lake = bench.fresh("logs.lake")
    packed = _zstd(raw) if "zstd" not in missing else None
    built = json.loads(run([sys.executable, "-m", "bench.logs_lake", str(raw), str(lake)], bench.environment).output)
    bench.say("logs: searching")
    searches = _searches(raw, lake, missing)
    s3 = measure_s3(bench, lake, raw, made["bytes"])
    return {
        "made": made,
        "missing": missing,
        "zstd": packed,
        "built": built,
        "searches": searches,
        "s3": s3,
        "lake_bytes": disk_bytes(lake),
    }


def _zstd(raw: Path) -> dict[str, float]:
    """What ``zstd -3`` makes of the objects one by one, on one core."""
    began, size = time.perf_counter(), 0
    files = sorted(raw.iterdir())
    for start in range(0, len(files), 500):
        command = ["zstd", "-3", "-q", "-c", "--single-thread", *map(str, files[start : start + 500])]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            while chunk := process.stdout.read(1 << 20):
                size += len(chunk)
    return {"seconds": time.perf_counter() - began, "bytes": size}


def _searches(raw: Path, lake: Path, missing: Sequence[str]) -> list[dict[str, Any]]:
    searcher = Searcher(open_lake(str(lake)))
    empty = raw.parent / "empty"
    empty.mkdir(exist_ok=True)
    index = _code_search(raw) if not {"cindex", "csearch"} & set(missing) else None
    found = []
    for name, query, arguments in QUESTIONS:
        explain = Explain()
        lines = sum(count for _, count in searcher.count(query, explain))
        ways: dict[str, Callable[[], int]] = {"ours": lambda q=query: sum(n for _, n in searcher.count(q))}  # type: ignore[misc]
        ways["ours, first hit"] = lambda q=query: len([next(searcher.search(q), None)])  # type: ignore[misc]
        if "rg" not in missing:
            ways[RIPGREP] = lambda a=arguments: _count(["rg", *_RG, *a, str(raw)])  # type: ignore[misc]
        if "ugrep" not in missing:
            ways["ugrep"] = lambda a=arguments: _count(
                ["ugrep", "-r", "-a", "-c", "-P" if a[0][0] != "-" else "-r", *a, str(raw)]
            )  # type: ignore[misc]
        if index is not None and "i" not in arguments[0]:
            pattern = arguments[-1]
            ways["codesearch"] = lambda p=pattern: _code_count(index, p)  # type: ignore[misc]
        answers = {way: work() for way, work in ways.items()}
        if RIPGREP in answers and answers[RIPGREP] != lines:
            raise BenchError(f"{name}: {lines} lines match, but ripgrep finds {answers[RIPGREP]}")
        best = dict.fromkeys(ways, 9000000000.0)
        starts = {RIPGREP: 9e9, "ugrep": 9e9}
        for _ in range(_ROUNDS):
            for way, work in ways.items():
                best[way] = min(best[way], _timed(work))
            for tool in starts.keys() & ways.keys():
                starts[tool] = min(starts[tool], _timed(lambda t=tool: _start(t, empty)))  # type: ignore[misc]
        for tool in starts.keys() & ways.keys():
            best[tool] -= starts[tool]
        found.append(
            {
                "name": name,
                "lines": lines,
                "best": best,
                "read": explain.blocks_read,
                "blocks": explain.blocks,
                "codesearch_lines": answers.get("codesearch"),
            }
        )
    return found


_RG = ("-uuu", "-a", "-c", "--no-config", "--encoding", "none")


def _start(tool: str, empty: Path) -> int:
    return _count(["rg", *_RG, "x", str(empty)] if tool == RIPGREP else ["ugrep", "-r", "-a", "-c", "x", str(empty)])


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _count(command: list[str]) -> int:
    """Sum of the counts per file."""
    output = subprocess.run(command, capture_output=True, check=False).stdout
    return sum(int(line.rpartition(b":")[2]) for line in output.splitlines() if line.rpartition(b":")[2].isdigit())


def _code_search(raw: Path) -> Path:
    index = raw.parent / "codesearch.index"
    if not index.exists():
        subprocess.run(
            ["cindex", str(raw)], env={**os.environ, "CSEARCHINDEX": str(index)}, capture_output=True, check=True
        )
    return index


def _code_count(index: Path, pattern: str) -> int:
    command = ["csearch", "-c", pattern]
    output = subprocess.run(command, env={**os.environ, "CSEARCHINDEX": str(index)}, capture_output=True, check=False)
    return sum(int(line.rpartition(b":")[2]) for line in output.stdout.splitlines() if line)


def tables(result: dict[str, Any]) -> list[Table]:
    """Building, searching, S3."""
    built, size = result["built"], result["made"]["bytes"]
    rate = size / built["seconds"]
    rows = [
        ["logs", f"{result['made']['files']:,} objects, {built['lines']:,} lines", megabytes(size), ""],
        [
            "line store (log_blocks)",
            "",
            megabytes(built["tables"]["log_blocks"]),
            percent(built["tables"]["log_blocks"] / size),
        ],
        [
            "search index (log_grams)",
            "",
            megabytes(built["tables"]["log_grams"]),
            percent(built["tables"]["log_grams"] / size),
        ],
        ["build, all included", seconds(built["seconds"]), f"{rate / 1e6:.0f} MB/s", ""],
        ["peak memory of the build", "", megabytes(built["peak_bytes"]), ""],
    ]
    if packed := result["zstd"]:
        rows += [
            [
                "zstd -3, one by one, one core",
                seconds(packed["seconds"]),
                f"{size / packed['seconds'] / 1e6:.0f} MB/s",
                percent(packed["bytes"] / size),
            ],
            ["line store / zstd -3", "", times(built["tables"]["log_blocks"] / packed["bytes"]), "limit 1.05 ×"],
            ["rate of the build / of zstd -3", "", times(packed["seconds"] / built["seconds"]), "limit 0.25 ×"],
        ]
    names = [
        n
        for n in ("ours", "ours, first hit", RIPGREP, "ugrep", "codesearch")
        if any(n in s["best"] for s in result["searches"])
    ]
    searches = [
        [
            s["name"],
            f"{s['lines']:,}",
            f"{s['read']:,} of {s['blocks']:,}",
            *[seconds(s["best"].get(n)) for n in names],
            times(s["best"][RIPGREP] / s["best"]["ours"]) if RIPGREP in s["best"] else "–",
        ]
        for s in result["searches"]
    ]
    missing = f" Not installed here: {', '.join(result['missing'])}." if result["missing"] else ""
    note = f"Warm, local, best of {_ROUNDS}, in turn; start excluded; every count equals ripgrep's.{missing}"
    header = ("Search", "lines", "blocks read", *names, "ripgrep / ours")
    s3 = [
        [s["name"], str(s["requests"]), megabytes(s["bytes"]), percent(s["bytes"] / size), seconds(s["seconds"])]
        for s in result["s3"]["searches"]
    ]
    down = result["s3"]["download"]
    s3.append(
        [
            f"download {megabytes(down['bytes'])} of raw, then ripgrep",
            str(down["requests"]),
            megabytes(down["bytes"]),
            percent(down["bytes"] / size),
            seconds(down["seconds"]),
        ]
    )
    return [
        Table("Logs: build", ("What", "", "", "of the raw logs"), rows),
        Table("Logs: search", header, searches, note),
        Table(
            "Logs: search on S3",
            ("Search", "requests", "read", "of the raw logs", "time"),
            s3,
            "Whole processes, start included. SeaweedFS on this machine, through a counting proxy.",
        ),
    ]
