"""What all measurements share: the archive, its lake, a folder to work in, how to start our command."""

from __future__ import annotations

import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.database import Archive
from bench.measure import BenchError, Run, run

_OURS = "kubectl-argo_archive"
_FOREIGN = ("KUBECTL_ARGO_ARCHIVE_", "_KUBECTL_ARGO", "AWS_", "PYTHONDONTWRITEBYTECODE")


@dataclass
class Bench:
    """One run of the benchmark.

    Attributes:
        work: folder for everything that is written; somebody else removes it.
        open_archive: opens the archive when it is first needed.
        rounds: how often each way is measured.
        say: is told what is going on.
    """

    work: Path
    open_archive: Callable[[], AbstractContextManager[Archive]]
    rounds: int
    say: Callable[[str], None]
    _stack: ExitStack = field(default_factory=ExitStack)
    _lake: Path | None = None

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    @cached_property
    def archive(self) -> Archive:
        """The archive; it is filled now, if need be."""
        self.say("filling the archive")
        return self._stack.enter_context(self.open_archive())

    @property
    def lake(self) -> Path:
        """A lake of the whole archive on the local disk: the last one that was kept, else one made now."""
        if self._lake is None:
            self.say("exporting a lake to work on")
            self._lake = self.fresh("lake")
            self.export(self.archive, self._lake)
        return self._lake

    def keep(self, lake: Path) -> None:
        """Let the parts that follow work on this lake: they need not export once more."""
        self._lake = lake

    @cached_property
    def environment(self) -> dict[str, str]:
        """The environment of everything that is measured: no settings of anybody, compiled modules are kept."""
        empty = self.work / "empty.toml"
        empty.touch()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        return {**kept, "KUBECTL_ARGO_ARCHIVE_CONFIG": str(empty)}

    def fresh(self, name: str) -> Path:
        """The path of a file or folder below ``work`` that is not there (any more)."""
        path = self.work / name
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        return path

    def export(self, archive: Archive, lake: Path | str, environment: dict[str, str] | None = None) -> Run:
        """Our export as a whole process; its output is the result object.

        Raises:
            BenchError: it failed.
        """
        command = [*ours(), "export", "--quiet", "--source", archive.public_uri, "--lake", str(lake), "-o", "json"]
        env = {**self.environment, **archive.environment, **(environment or {})}
        # 3: done, with rows in quarantine; real archives have such rows
        return run(command, env, server=archive.server, accepted=(0, 3))


def ours() -> list[str]:
    """The command as it is installed beside this Python."""
    script = Path(sysconfig.get_path("scripts")) / _OURS
    if not script.exists():
        raise BenchError(f"{_OURS} is not installed beside {sys.executable}: pip install -e '.[dev,bench]'")
    return [str(script)]


def result_of(export: Run) -> dict[str, Any]:
    """The result object of an export."""
    result: dict[str, Any] = json.loads(export.output)
    return result


def disk_bytes(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
