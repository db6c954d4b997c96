"""Invented pod logs, seeded: what containers of data and machine learning pipelines really print.

The same seed, kind and size always give the same bytes. Sizes are skewed as real ones are: most logs are a few
kilobytes, some are many megabytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

KINDS = ("json", "logfmt", "klog", "python", "java", "build", "access")
"""Kinds of logs: three structured ones, two with stack traces, one without any time, one of requests."""

_BLOCK_LINES = 256
_WEIGHTS = (22, 14, 12, 24, 14, 10, 4)
_COMPONENTS = ("loader", "planner", "shuffle", "s3", "catalog", "metrics", "scheduler", "writer", "auth", "retry")
_TABLES = ("orders", "shipments", "events", "sessions", "invoices", "plants", "sensor_readings", "ledger")
_HOSTS = tuple(f"worker-{number}.batch.svc" for number in range(24))
_MESSAGES = (
    (30, "read batch {n} of {table}: {rows} rows in {ms} ms"),
    (22, "heartbeat ok lag={ms}ms host={host}"),
    (14, "wrote part-{n:05}-{hex}.parquet bytes={big} table={table}"),
    (10, "checkpoint {hex} committed after {ms} ms"),
    (8, "fetching s3://warehouse/{table}/dt={day}/part-{n:05}.parquet"),
    (6, "cache miss for key {table}/{hex}"),
    (4, "retrying request id={hex} attempt={small} after {ms} ms"),
    (3, "schema of {table} changed: column c{small} added"),
    (2, "größe überschritten: Tabelle {table} hat {rows} Zeilen – naïve 計画を使用"),
    (1, "user {hex}@example.com downloaded {table} report"),
)
_WARNINGS = (
    "slow response from {host}: {ms} ms",
    "queue of {table} holds {rows} entries, back pressure is on",
    "connection to {host} lost, reconnecting",
)
_ERRORS = (
    "cannot reach {host}: connection refused",
    "constraint violated in {table}: row {big}",
    "timeout after {ms} ms waiting for {table}",
)
_LEVELS = ("INFO",) * 88 + ("DEBUG",) * 6 + ("WARN",) * 4 + ("ERROR",) * 2
_PYTHON_TRACE = (
    "Traceback (most recent call last):",
    '  File "/app/pipeline/{table}.py", line {small}, in run',
    "    self.store.write(batch, retries={small})",
    '  File "/usr/lib/python3.12/site-packages/warehouse/store.py", line {n}, in write',
    "    raise StoreError(response)",
    "warehouse.errors.StoreError: {table}: request {hex} failed",
)
_JAVA_TRACE = (
    "java.io.IOException: request {hex} failed for {table}",
    "\tat com.example.warehouse.Store.write(Store.java:{n})",
    "\tat com.example.warehouse.Pipeline$Stage.run(Pipeline.java:{small})",
    "\tat java.base/java.util.concurrent.ThreadPoolExecutor.runWorker(ThreadPoolExecutor.java:1136)",
    "Caused by: java.net.SocketTimeoutException: Read timed out",
    "\t... {small} more",
)
_ENDINGS = {
    "137": ("memory usage 7.9 GiB of limit 8.0 GiB", "fatal: no memory left for batch {n} of {table}", "Killed"),
    "143": ("received SIGTERM, shutting down", "Terminated"),
    "2": ("usage: run.py [--date DATE] --table TABLE", "run.py: error: argument --table: invalid choice: '{table}x'"),
}  # fmt: skip
_FAILED = ("giving up on {table} after {small} attempts", "exit: pipeline failed, see request {hex}")


@dataclass(frozen=True, slots=True)
class Made:
    """One log that was made: where it belongs, its kind and its bytes."""

    bucket: str
    key: str
    kind: str
    data: bytes


def lines(seed: str, kind: str, start: datetime, step_s: float = 0.5) -> Iterator[str]:
    """Endless lines of one kind, without newlines.

    Args:
        seed: the same seed gives the same lines.
        kind: one of :data:`KINDS`.
        start: time of the first line, UTC.
        step_s: mean seconds between lines.
    """
    rng = Random(seed)
    shape, trace = _SHAPES[kind]
    at = start.timestamp()
    patterns = [text for weight, text in _MESSAGES for _ in range(weight)]
    while True:
        at += rng.random() * 2 * step_s
        level = rng.choice(_LEVELS)
        pattern = rng.choice({"WARN": _WARNINGS, "ERROR": _ERRORS}.get(level, patterns))
        yield shape(rng, at, level, pattern.format_map(_Values(rng)))
        if level == "ERROR" and trace and rng.random() < 0.5:
            values = _Values(rng)
            yield from (line.format_map(values) for line in trace)


def text(
    seed: str, kind: str, size: int, start: datetime, end: datetime, exit_code: str | None = None
) -> Iterator[bytes]:
    """A log of about ``size`` bytes, in pieces; a failed container says at its end what went wrong."""
    step = max((end - start).total_seconds(), 1.0) / max(size / 110, 1)
    source, written = lines(seed, kind, start, step), 0
    ending = _ending(seed, kind, end, exit_code)
    size -= sum(len(line) + 1 for line in ending)
    while written < size:
        count = min(_BLOCK_LINES, (size - written) // 250 + 1)
        block = ("\n".join(next(source) for _ in range(count)) + "\n").encode()
        written += len(block)
        yield block
    if ending:
        yield ("\n".join(ending) + "\n").encode()


def size_of(rng: Random, largest: int = 8 << 20) -> int:
    """A size as skewed as real ones: half below 4 KB, one in fifty beyond 200 KB."""
    return int(min(max(rng.lognormvariate(8.2, 1.9), 120), largest))


def write_logs(
    workflows: Iterable[Mapping[str, Any]], *, largest: int = 256 << 10, lost: float = 0.02
) -> Iterator[Made]:
    """The logs that archived workflows record, as their pods would have written them.

    Args:
        workflows: parsed documents.
        largest: bytes of the largest log.
        lost: share of logs that are gone; half as many are empty.
    """
    for workflow in workflows:
        status = workflow["status"]
        repository = (status.get("artifactRepositoryRef") or {}).get("artifactRepository") or {}
        bucket = (repository.get("s3") or {}).get("bucket", "")
        for node in (status.get("nodes") or {}).values():
            if node["type"] == "Pod":
                yield from _of_node(node, bucket, largest, lost)


def _of_node(node: Mapping[str, Any], bucket: str, largest: int, lost: float) -> Iterator[Made]:
    outputs = node.get("outputs") or {}
    for artifact in outputs.get("artifacts") or ():
        location = artifact.get("s3")
        if not location or not artifact["name"].endswith("-logs"):
            continue
        rng = Random(f"{node['id']}/{artifact['name']}")
        kind = rng.choices(KINDS, _WEIGHTS)[0]
        start = datetime.fromisoformat(node["startedAt"])
        end = datetime.fromisoformat(node["finishedAt"] or node["startedAt"])
        size = size_of(rng, largest)
        luck = rng.random()
        if luck >= lost:
            made = text(node["id"], kind, size, start, end, outputs.get("exitCode"))
            data = b"" if luck < 1.5 * lost else b"".join(made)
            yield Made(location.get("bucket") or bucket, location["key"], kind, data)


def _ending(seed: str, kind: str, end: datetime, exit_code: str | None) -> list[str]:
    if exit_code in (None, "0"):
        return []
    rng = Random(f"{seed}/end")
    values = _Values(rng)
    said = [line.format_map(values) for line in _ENDINGS.get(exit_code or "", _FAILED)]
    shape, trace = _SHAPES[kind]
    last = [line.format_map(values) for line in trace] if exit_code == "1" else []
    return [*(shape(rng, end.timestamp(), "ERROR", line) for line in said[:-1]), *last, said[-1]]


class _Values(dict[str, Any]):
    """Values of placeholders, drawn when they are needed."""

    def __init__(self, rng: Random) -> None:
        super().__init__()
        self._rng = rng

    def __missing__(self, name: str) -> Any:
        value = self[name] = _DRAWN[name](self._rng)
        return value


_DRAWN: dict[str, Callable[[Random], Any]] = {
    "n": lambda rng: rng.randrange(20_000),
    "rows": lambda rng: rng.randrange(1, 2_000_000),
    "ms": lambda rng: int(rng.lognormvariate(4, 1.2)),
    "big": lambda rng: rng.randrange(10**6, 10**10),
    "small": lambda rng: rng.randrange(1, 90),
    "hex": lambda rng: f"{rng.getrandbits(64):016x}",
    "table": lambda rng: rng.choice(_TABLES),
    "host": lambda rng: rng.choice(_HOSTS),
    "day": lambda rng: f"2026-{rng.randrange(1, 7):02}-{rng.randrange(1, 29):02}",
}


def _when(at: float) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at)


def _json(rng: Random, at: float, level: str, message: str) -> str:
    fields = {"ts": f"{_when(at):%Y-%m-%dT%H:%M:%S.%fZ}", "level": level.lower(), "logger": rng.choice(_COMPONENTS),
              "msg": message, "trace_id": f"{rng.getrandbits(64):016x}"}  # fmt: skip
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def _logfmt(rng: Random, at: float, level: str, message: str) -> str:
    stamp = f"{_when(at):%Y-%m-%dT%H:%M:%S}.{int(at % 1 * 1000):03}Z"
    return f'time="{stamp}" level={level.lower()} msg="{message}" component={rng.choice(_COMPONENTS)}'


def _klog(rng: Random, at: float, level: str, message: str) -> str:
    letter = {"WARN": "W", "ERROR": "E"}.get(level, "I")
    place = f"{rng.randrange(1, 9):7} {rng.choice(_COMPONENTS)}.go:{rng.randrange(900)}"
    return f"{letter}{_when(at):%m%d %H:%M:%S.%f} {place}] {message}"


def _python(rng: Random, at: float, level: str, message: str) -> str:
    stamp = f"{_when(at):%Y-%m-%d %H:%M:%S},{int(at % 1 * 1000):03}"
    return f"{stamp} - pipeline.{rng.choice(_COMPONENTS)} - {level.replace('WARN', 'WARNING')} - {message}"


def _java(rng: Random, at: float, level: str, message: str) -> str:
    stamp = f"{_when(at):%Y-%m-%d %H:%M:%S}.{int(at % 1 * 1000):03}"
    thread = f"pool-{rng.randrange(8)}-thread-{rng.randrange(16)}"
    return f"{stamp} [{thread}] {level:<5} c.e.w.{rng.choice(_COMPONENTS).title()} - {message}"


def _build(rng: Random, at: float, level: str, message: str) -> str:
    if level in ("INFO", "DEBUG"):
        return f"#{rng.randrange(40)} {at % 1000:.1f} {message}"
    return f"{level}: {message}"


def _access(rng: Random, at: float, level: str, message: str) -> str:
    code = 500 if level == "ERROR" else 200
    return (
        f"10.{rng.randrange(40)}.{rng.randrange(9)}.{rng.randrange(250)} - - [{_when(at):%d/%b/%Y:%H:%M:%S} +0000] "
        f'"GET /v1/{rng.choice(_TABLES)}/{rng.getrandbits(40):x} HTTP/1.1" {code} {rng.randrange(90_000)} "{message}"'
    )


_SHAPES: dict[str, tuple[Callable[[Random, float, str, str], str], tuple[str, ...]]] = {
    "json": (_json, ()),
    "logfmt": (_logfmt, ()),
    "klog": (_klog, ()),
    "python": (_python, _PYTHON_TRACE),
    "java": (_java, _JAVA_TRACE),
    "build": (_build, ()),
    "access": (_access, ()),
}
