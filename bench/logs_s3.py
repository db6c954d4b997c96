"""The part of ``logs`` that needs a bucket: what a search reads from S3, against downloading and searching."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import logs_make
from bench.context import Bench, ours
from bench.measure import run
from bench.proxy import counting_proxy
from kubectl_argo_archive.connect import open_lake
from kubectl_argo_archive.demo.seaweedfs import SeaweedFS

_BUCKET = "logs"
_DOWNLOADED = 64 << 20
"""Of the raw logs; the rest would take as long in proportion."""


def measure_s3(bench: Bench, lake: Path, raw: Path, size: int) -> dict[str, Any]:
    """Requests, bytes and time of searches over the lake in a bucket."""
    bench.say("logs: on S3")
    with SeaweedFS(bench.fresh("seaweedfs-logs"), bucket=_BUCKET) as server, counting_proxy(server.port) as proxy:
        sample = _sample(raw)
        with _environment(server.environment()):
            fs: Any = open_lake(f"s3://{_BUCKET}/lake").storage.fs
            fs.put(str(lake), f"{_BUCKET}/lake", recursive=True)
            for path in sample:
                fs.put_file(str(path), f"{_BUCKET}/raw/{path.name}")
        counted = {**bench.environment, **server.environment(), "AWS_ENDPOINT_URL": proxy.endpoint}
        found = []
        for name, pattern in (("rare needle", logs_make.RARE), ("needle in 3 objects", logs_make.THREE),
                              ("absent text", logs_make.ABSENT)):  # fmt: skip
            command = [*ours(), "search", "--lake", f"s3://{_BUCKET}/lake", "-o", "jsonl", "--limit", "0", pattern]
            with proxy.watch() as traffic:
                done = run(command, counted)
            found.append({"name": name, "lines": len(done.output.splitlines()), "bytes": traffic.received,
                          "requests": sum(traffic.requests.values()), "seconds": done.wall_s})  # fmt: skip
        with _environment({**server.environment(), "AWS_ENDPOINT_URL": proxy.endpoint}):
            through: Any = open_lake(f"s3://{_BUCKET}/lake").storage.fs
            return {"searches": found, "download": _download(bench, through, proxy, sample)}


def _download(bench: Bench, fs: Any, proxy: Any, sample: list[Path]) -> dict[str, Any]:
    target = bench.fresh("downloaded")
    with proxy.watch() as traffic:
        began = time.perf_counter()
        fs.get([f"{_BUCKET}/raw/{path.name}" for path in sample], [str(target / path.name) for path in sample])
        subprocess.run(["rg", "-uuu", "-a", "-c", "-F", logs_make.RARE, str(target)], capture_output=True, check=False)
        took = time.perf_counter() - began
    return {"requests": sum(traffic.requests.values()), "bytes": traffic.received, "seconds": took}


def _sample(raw: Path) -> list[Path]:
    picked, size = [], 0
    for path in sorted(raw.iterdir()):
        if size + path.stat().st_size <= _DOWNLOADED:
            picked.append(path)
            size += path.stat().st_size
    return picked


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
