"""Part 8: logs in a bucket, end to end: index them, find needles, index again, be killed and go on.

``BENCH_INDEX_MB`` says how many megabytes (1024 unless set), always as 2,000 objects of 1,000 workflows, each of which
failed at first and was retried.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from bench import logs_make
from bench.context import Bench, ours
from bench.measure import BenchError, run
from bench.proxy import counting_proxy
from bench.report import Table, megabytes, seconds
from kubectl_argo_archive.demo.seaweedfs import SeaweedFS

_BUCKET, _OBJECTS = "logs", 2000
_NEEDLE = "needle-{}-in-the-haystack-5d21"
_AT = datetime(2026, 3, 2, 10, tzinfo=UTC)
_TABLES = {
    "log_objects": "SELECT count(*), sum(hash(l)) FROM (SELECT * EXCLUDE (indexed_at, export_id) FROM log_objects) l",
    "log_events": "SELECT count(*), sum(hash(l)) FROM (SELECT * EXCLUDE (noticed_at, export_id) FROM log_events) l",
}
_FILES = ("log_blocks", "log_grams")
"""Tables that are compared byte by byte: equal texts make equal files."""


def measure(bench: Bench) -> dict[str, Any]:
    """Everything through the command line and a real S3 server.

    Raises:
        BenchError: an answer is not what was planted, or a killed run left something else than a calm one.
    """
    folder = bench.fresh("index")
    folder.mkdir()
    bench.say("index: making logs")
    dump, planted, size = _make(folder, int(os.environ.get("BENCH_INDEX_MB", "1024")) << 20)
    with SeaweedFS(bench.fresh("seaweedfs-index"), bucket=_BUCKET) as server, counting_proxy(server.port) as proxy:
        environment = {**bench.environment, **server.environment()}
        counted = {**environment, "AWS_ENDPOINT_URL": proxy.endpoint}
        bench.say("index: uploading")
        _upload(server, folder / "raw")
        lake, calm = bench.fresh("index.lake"), bench.fresh("index.calm")
        run([*ours(), "export", "-q", "--source", str(dump), "--lake", str(lake)], environment)
        shutil.copytree(lake, calm)
        index = [*ours(), "index", "-q", "-o", "json", "--lake"]
        bench.say("index: the first run")
        first = run([*index, str(calm)], environment)
        _check_needles(calm, planted, folder / "raw", environment)
        bench.say("index: the second run")
        with proxy.watch() as traffic:
            second = run([*index, str(calm)], counted)
        bench.say("index: a run that is killed")
        killed_after = first.wall_s / 2
        _run_and_kill([*index, str(lake)], environment, killed_after)
        resumed = run([*index, str(lake)], environment)
        for name, sql in _TABLES.items():
            if (one := _ask(calm, sql, environment)) != (other := _ask(lake, sql, environment)):
                raise BenchError(f"{name} after a kill: {other}, undisturbed: {one}")
        if _content(calm) != _content(lake):
            raise BenchError("after a kill the files of log_blocks or log_grams are not those of an undisturbed run")
    told = json.loads(first.output)
    return {
        "bytes": size,
        "objects": told["objects"],
        "lines": told["lines"],
        "first": {**first.figures(), "requests": told["requests"]},
        "needles": len(planted),
        "second": {**second.figures(), "read": json.loads(second.output)["read"], "received": traffic.received,
                   "requests": sum(traffic.requests.values())},
        "killed_after": killed_after,
        "resumed": resumed.figures(),
    }  # fmt: skip


def _make(folder: Path, size: int) -> tuple[Path, list[dict[str, Any]], int]:
    """Logs, an archive that names them, and the hits that are to be found."""
    raw = folder / "raw"
    raw.mkdir()
    rng = Random(7)
    pools = logs_make.pools(min(size // 8, 64 << 20), 7)
    wanted = [min(rng.lognormvariate(0, 1.6), 60) for _ in range(_OBJECTS)]
    scale = size / sum(wanted)
    needles = {number: _NEEDLE.format(place) for place, number in enumerate(sorted(rng.sample(range(_OBJECTS), 3)))}
    planted, total, documents = [], 0, []
    for number in range(_OBJECTS):
        pod = _pod(number)
        path = raw / f"{pod}.log"
        total += logs_make.write_file(path, rng, pools, max(200, int(wanted[number] * scale)))
        if number in needles:
            planted.append(_plant(path, pod, number, needles[number]))
        if number % 2:
            documents.append(_workflow(number // 2))
    dump = folder / "archive.ndjson"
    dump.write_text("\n".join(json.dumps(document) for document in documents))
    return dump, planted, total


def _plant(path: Path, pod: str, number: int, needle: str) -> dict[str, Any]:
    data = path.read_bytes()
    half = data.find(b"\n", len(data) // 2) + 1
    line = f"2026-03-02T10:{number % 60:02}:30.250Z WARN found the {needle} at last"
    path.write_bytes(data[:half] + line.encode() + b"\n" + data[half:])
    return {"needle": needle, "workflow": f"run-{number // 2:04}", "node_id": pod, "attempt": number % 2,
            "line_no": data.count(b"\n", 0, half) + 1, "byte_offset": half, "message": line, "level": "WARN",
            "at": f"2026-03-02T10:{number % 60:02}:30.250000Z"}  # fmt: skip


def _pod(number: int) -> str:
    return f"run-{number // 2:04}-load-{number % 2}"


def _workflow(number: int) -> dict[str, Any]:
    """A workflow whose one step failed and was retried."""
    name, began = f"run-{number:04}", _AT + timedelta(minutes=number)
    times = [f"{began + timedelta(seconds=30 * n):%Y-%m-%dT%H:%M:%SZ}" for n in range(5)]
    pods: list[dict[str, Any]] = [
        {"id": pod, "name": f"{name}({attempt})", "displayName": f"{name}({attempt})", "type": "Pod",
         "templateName": "load", "phase": ("Failed", "Succeeded")[attempt], "startedAt": times[2 * attempt],
         "finishedAt": times[2 * attempt + 1], "nodeFlag": {"retried": True},
         "outputs": {"exitCode": ("1", "0")[attempt],
                     "artifacts": [{"name": "main-logs", "s3": {"key": f"{name}/{pod}/main.log"}}]}}
        for attempt in (0, 1) for pod in [_pod(2 * number + attempt)]
    ]  # fmt: skip
    retry = {"id": name, "name": name, "displayName": name, "type": "Retry", "templateName": "load",
             "phase": "Succeeded", "startedAt": times[0], "finishedAt": times[4],
             "children": [pod["id"] for pod in pods]}  # fmt: skip
    repository = {"archiveLogs": True, "s3": {"bucket": _BUCKET, "keyFormat": "{{workflow.name}}/{{pod.name}}"}}
    return {
        "metadata": {"name": name, "namespace": "data", "uid": f"uid-{number:04}", "creationTimestamp": times[0],
                     "labels": {}},
        "spec": {"templates": [{"name": "load", "container": {"image": "loader:1"}}]},
        "status": {"phase": "Succeeded", "startedAt": times[0], "finishedAt": times[4],
                   "artifactRepositoryRef": {"artifactRepository": repository},
                   "nodes": {node["id"]: node for node in (retry, *pods)}},
    }  # fmt: skip


def _upload(server: SeaweedFS, raw: Path) -> None:
    client = server.client()
    for path in sorted(raw.iterdir()):
        with path.open("rb") as file:
            client.put_object(Bucket=_BUCKET, Key=f"{path.stem[:8]}/{path.stem}/main.log", Body=file)


def _check_needles(lake: Path, planted: list[dict[str, Any]], raw: Path, environment: dict[str, str]) -> None:
    for hit in planted:
        wanted = {name: value for name, value in hit.items() if name != "needle"}
        found = _lines(run([*ours(), "search", "--lake", str(lake), "-o", "jsonl", hit["needle"]], environment).output)
        if [{name: each[name] for name in wanted} for each in found] != [wanted]:
            raise BenchError(f"{hit['needle']}: {found}")
        with (raw / f"{hit['node_id']}.log").open("rb") as file:
            file.seek(found[0]["byte_offset"])
            if file.readline().rstrip(b"\n").decode() != hit["message"]:
                raise BenchError(f"{hit['needle']}: its line is not at byte {found[0]['byte_offset']}")


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def _run_and_kill(command: list[str], environment: dict[str, str], after: float) -> None:
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after)
    if process.poll() is not None:
        raise BenchError("the run that was to be killed had ended before")
    process.send_signal(signal.SIGKILL)
    process.wait()


def _ask(lake: Path, sql: str, environment: dict[str, str]) -> str:
    return run([*ours(), "query", "--lake", str(lake), "-o", "csv", sql], environment).output


def _content(lake: Path) -> list[tuple[str, str]]:
    """Table and hash of each file of text and index."""
    found = []
    for name in _FILES:
        for path in (lake / name).glob("**/*.parquet"):
            if "_delta_log" not in path.parts:
                with path.open("rb") as file:
                    found.append((name, hashlib.file_digest(file, "sha256").hexdigest()))
    return sorted(found)


def tables(result: dict[str, Any]) -> list[Table]:
    """One row per run."""
    first, second, size = result["first"], result["second"], result["bytes"]
    rows = [
        ["first run", seconds(first["wall_s"]), megabytes(first["peak_bytes"]),
         f"{size / first['wall_s'] / 1e6:.1f} MB/s, {first['requests']:,} requests"],
        ["second run", seconds(second["wall_s"]), megabytes(second["peak_bytes"]),
         f"{second['read']} objects read, {second['requests']:,} requests, {megabytes(second['received'])} received"],
        [f"after a kill -9 at {seconds(result['killed_after'])}", seconds(result["resumed"]["wall_s"]),
         megabytes(result["resumed"]["peak_bytes"]), "the same tables as undisturbed"],
    ]  # fmt: skip
    note = (
        f"{sum(result['objects'].values()):,} objects, {megabytes(size)}, {result['lines']:,} lines on SeaweedFS on "
        f"this machine; whole processes. {result['needles']} needles were found with workflow, node, attempt, line, "
        "time and the offset at which the object holds the line."
    )
    return [Table("Index", ("Run", "wall", "peak memory", ""), rows, note)]
