"""What one query may use: memory, time, rows; and what the container we run in allows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from kubectl_argo_archive.errors import ConfigError

CONTAINER_SHARE = 0.7
"""Part of a container's memory that DuckDB may use; Python, Arrow and result buffers need the rest."""
MINIMUM_BYTES = 32 << 20

_UNITS = {"": 1, "b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12,
          "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}  # fmt: skip
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>(?:[kmgt]i?)?)b?", re.IGNORECASE | re.ASCII)
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_TIME = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[smh]?)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may use.

    Attributes:
        memory_bytes: for DuckDB's buffers; None: 70 % of the container's memory, else DuckDB's own default.
        timeout_s: seconds until the query is stopped; None: never.
    """

    memory_bytes: int | None = None
    timeout_s: float | None = None


def parse_bytes(text: str) -> int:
    """Read an amount of memory: ``512MB``, ``2GiB``, Kubernetes' ``2Gi``.

    Raises:
        ConfigError: it is none, or less than DuckDB can work with.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"'{text}' is not an amount of memory", "write 512MB, 2GB or 2Gi")
    count = int(float(match["number"]) * _UNITS[match["unit"].lower()])
    if count < MINIMUM_BYTES:
        raise ConfigError(f"a memory limit of {text} is too small to work with", "give at least 32MiB")
    return count


def parse_seconds(text: str) -> float:
    """Read a time span: ``90``, ``90s``, ``5m``, ``1h``.

    Raises:
        ConfigError: it is none, or zero.
    """
    match = _TIME.fullmatch(text.strip())
    seconds = float(match["number"]) * _SECONDS[match["unit"].lower()] if match else 0.0
    if seconds <= 0:
        raise ConfigError(f"'{text}' is not a time span", "write 90s, 5m or 1h")
    return seconds


def container_memory(root: Path = Path("/")) -> int | None:
    """The memory that cgroups leave to this process, in bytes; None where there is no limit.

    Limits of the enclosing groups count too: the smallest one bites.

    Args:
        root: of the file system, for tests.
    """
    found = [_number(file) for file in _limit_files(root, "memory.max", "memory", "memory.limit_in_bytes")]
    total = _total_memory(root)
    # version 1 writes an absurdly large number for "no limit"
    limits = [limit for limit in found if limit is not None and (total is None or limit < total)]
    return min(limits, default=None)


def container_cpus(root: Path = Path("/")) -> float | None:
    """The processors that cgroups leave to this process; None where there is no limit."""
    shares = [_quota(file) for file in _limit_files(root, "cpu.max", "cpu", "cpu.cfs_quota_us")]
    return min((share for share in shares if share is not None), default=None)


def _limit_files(root: Path, v2_name: str, controller: str, v1_name: str) -> list[Path]:
    """Where limits of our group and of those around it are written, for either version of cgroups."""
    files: list[Path] = []
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers:
            base, name = root / "sys/fs/cgroup", v2_name
        elif controller in controllers.split(","):
            base, name = root / "sys/fs/cgroup" / controller, v1_name
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        folders = [reduce(Path.joinpath, parts[:depth], base) for depth in range(len(parts) + 1)]
        files.extend(folder / name for folder in folders)
    return files


def _quota(file: Path) -> float | None:
    """Processors from ``cpu.max`` ("quota period") or from version 1's two files."""
    words = " ".join(_lines(file)).split()
    if file.name == "cpu.cfs_quota_us":
        words += _lines(file.with_name("cpu.cfs_period_us"))
    try:
        quota, period = (float(word) for word in words)
    except ValueError:  # "max", or no such file
        return None
    return quota / period if quota > 0 and period > 0 else None


def _total_memory(root: Path) -> int | None:
    for line in _lines(root / "proc/meminfo"):
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return None


def _number(file: Path) -> int | None:
    text = " ".join(_lines(file)).strip()
    return int(text) if text.isdigit() else None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return []
