"""Running a program and measuring it from outside: wall time, processor time, memory; without psutil."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
_SAMPLE_S = 0.05  # each one reads a file per thread: much more often would slow down what is measured
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_BACKEND_ENDS_S = 2.0


class BenchError(Exception):
    """Something that is to be measured does not work, or gives another answer than the others."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one way.

    Attributes:
        wall_s: seconds from before the start to after the end.
        cpu_s: processor seconds of the process and of the children that it waited for; None: not measured.
        server_cpu_s: processor seconds of the database server meanwhile; None: it is not ours to look at.
        peak_bytes: largest resident memory of the process tree (shared pages count once per process).
        output: standard output.
    """

    wall_s: float
    cpu_s: float | None = None
    server_cpu_s: float | None = None
    peak_bytes: int | None = None
    output: str = ""

    def figures(self) -> dict[str, Any]:
        """All but the output."""
        return {name: value for name, value in asdict(self).items() if name != "output"}


def run(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    *,
    server: int | None = None,
    accepted: Iterable[int] = (0,),
) -> Run:
    """Run a program to its end in the project's folder.

    Args:
        command: its arguments; secrets belong into ``environment``.
        environment: all of it.
        server: process id of the Postgres server whose processor time counts, too.
        accepted: exit codes that are no failure.

    Raises:
        BenchError: it failed; the message ends with what it said.
    """
    backends = _children(server) if server else set()
    server_before = _reaped_cpu(server) if server else 0.0
    own_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=dict(environment),
            cwd=ROOT,
        )  # fmt: skip
        with _MemorySampler(process.pid) as sampler:
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)  # for Popen, which did not wait itself
        output, complaints = _text(out), _text(err)
    if process.returncode not in accepted:
        raise BenchError(f"{Path(command[0]).name} {command[1]} ended with {process.returncode}: {complaints[-2000:]}")
    # a child begins with its parent's peak, so the kernel's figure tells something only above ours
    kernel_peak = usage.ru_maxrss * 1024
    peak = max(sampler.peak, kernel_peak if kernel_peak > own_peak else 0)
    server_cpu = None
    if server:
        _wait_for_backends(server, backends)
        server_cpu = round(_reaped_cpu(server) - server_before, 3)
    return Run(wall, usage.ru_utime + usage.ru_stime, server_cpu, peak, output)


def timed(work: Callable[[], object]) -> Run:
    """Wall and processor time of a call in this process."""
    before, began = time.process_time(), time.perf_counter()
    work()
    return Run(time.perf_counter() - began, time.process_time() - before)


def interleave(
    ways: Mapping[str, Callable[[], Run]], rounds: int, failures: dict[str, str] | None = None
) -> dict[str, list[Run]]:
    """Run all ways in turn, A B C A B C …, so that whatever disturbs the machine disturbs all of them.

    Args:
        ways: what to run.
        rounds: how often.
        failures: names of ways that may fail, with "" at first; those that do are left out and say here why.

    Raises:
        BenchError: another way failed.
    """
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            if name not in runs:
                continue
            try:
                runs[name].append(way())
            except BenchError as error:
                if failures is None or name not in failures:
                    raise
                failures[name] = str(error)
                del runs[name]
    return runs


def figures(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """The runs as JSON values."""
    return [run.figures() for run in runs]


def best(runs: Sequence[Mapping[str, Any]], name: str = "wall_s") -> float:
    """The smallest of one figure."""
    return float(min(run[name] for run in runs))


def median(runs: Sequence[Mapping[str, Any]], name: str = "wall_s") -> float:
    """The median of one figure."""
    return float(statistics.median(run[name] for run in runs))


def _text(file: Any) -> str:
    file.seek(0)
    return str(file.read().decode(errors="replace"))


class _MemorySampler:
    """Watches the resident memory of a process and of all its descendants."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak = 0

    def __enter__(self) -> _MemorySampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            own = max(_resident(self._pid), _high_water(self._pid))
            self.peak = max(self.peak, own + sum(_resident(child) for child in _descendants(self._pid)))
            if self._stop.wait(_SAMPLE_S):
                return


def _resident(pid: int) -> int:
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * _PAGE if fields else 0


def _high_water(pid: int) -> int:
    """The kernel's own mark since exec: it sees what falls between two samples."""
    for line in _read(f"/proc/{pid}/status").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _descendants(pid: int) -> set[int]:
    found: set[int] = set()
    waiting = _children(pid)
    while waiting:
        child = waiting.pop()
        if child not in found:
            found.add(child)
            waiting |= _children(child)
    return found


def _children(pid: int) -> set[int]:
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return set()
    return {int(child) for task in tasks for child in _read(f"/proc/{pid}/task/{task}/children").split()}


def _reaped_cpu(pid: int) -> float:
    """Processor seconds of the children that have ended: for Postgres, of its backends."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return sum(map(int, fields[13:15])) / _TICKS if fields else 0.0


def _wait_for_backends(server: int, before: set[int]) -> None:
    deadline = time.monotonic() + _BACKEND_ENDS_S
    while _children(server) - before and time.monotonic() < deadline:
        time.sleep(0.01)


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
