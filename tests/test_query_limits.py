"""Memory, time and processors: as people write them, and as containers limit them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubectl_argo_archive.errors import ConfigError
from kubectl_argo_archive.query.limits import container_cpus, container_memory, parse_bytes, parse_seconds

MEMINFO = {"proc/meminfo": "MemTotal:       16000000 kB\nMemFree: 1 kB\n"}
V2 = {"proc/self/cgroup": "0::/kubepods/pod1/main\n"}
V1 = {"proc/self/cgroup": "11:memory:/docker/abc\n10:cpu,cpuacct:/docker/abc\n1:name=systemd:/x\n"}


@pytest.mark.parametrize(
    ("text", "count"),
    [("512MB", 512_000_000), ("512MiB", 512 << 20), ("2Gi", 2 << 30), ("2G", 2 * 10**9), ("1.5GiB", 3 << 29),
     ("64m", 64_000_000), (" 100 mb ", 100_000_000), ("1TiB", 1 << 40), ("99999999", 99_999_999),
     ("64000kB", 64_000_000)],
)  # fmt: skip
def test_memory(text: str, count: int) -> None:
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "lots", "-1GB", "1.5.5GB", "10 XB", "80%", "1MB", "0", "1e9", "GB"])
def test_no_memory(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_bytes(text)
    assert error.value.hint


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("1.5s", 1.5), ("5m", 300), ("1h", 3600), ("2 M", 120)])
def test_time(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "soon", "1d", "5mm", "1:30"])
def test_no_time(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_seconds(text)


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, None),
        (V2, None),
        ({**V2, "sys/fs/cgroup/kubepods/pod1/main/memory.max": "max\n"}, None),
        ({**V2, "sys/fs/cgroup/kubepods/pod1/main/memory.max": "1000000000\n"}, 10**9),
        (
            {
                **V2,
                "sys/fs/cgroup/kubepods/pod1/main/memory.max": "max\n",
                "sys/fs/cgroup/kubepods/pod1/memory.max": "5\n",
            },
            5,
        ),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "123456789\n"}, 123456789),
        ({"proc/self/cgroup": "0::/../../x\n", "sys/fs/cgroup/x/memory.max": "7\n"}, 7),
        ({**V1, "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "2000000\n"}, 2_000_000),
        ({**V1, "sys/fs/cgroup/memory/memory.limit_in_bytes": "3000000\n"}, 3_000_000),
        ({**V1, "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "9223372036854771712\n"}, None),
    ],
)
def test_memory_of_a_container(tmp_path: Path, files: dict[str, str], limit: int | None) -> None:
    write(tmp_path, {**MEMINFO, **files})
    assert container_memory(tmp_path) == limit


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, None),
        ({**V2, "sys/fs/cgroup/kubepods/pod1/main/cpu.max": "max 100000\n"}, None),
        ({**V2, "sys/fs/cgroup/kubepods/pod1/main/cpu.max": "150000 100000\n"}, 1.5),
        ({**V1, "sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us": "50000\n",
          "sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({**V1, "sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us": "-1\n",
          "sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us": "100000\n"}, None),
    ],
)  # fmt: skip
def test_processors_of_a_container(tmp_path: Path, files: dict[str, str], cpus: float | None) -> None:
    write(tmp_path, files)
    assert container_cpus(tmp_path) == cpus


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
