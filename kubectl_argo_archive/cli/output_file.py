"""Where a result goes: standard output, or a file that appears when it is whole."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from kubectl_argo_archive.errors import ConfigError


@contextmanager
def opened(out: str | None) -> Iterator[BinaryIO]:
    """Standard output for None and ``-``; else a new file beside ``out`` that takes its place at the end.

    If the block fails, ``out`` stays as it was. Devices and pipes are written to as they are.

    Raises:
        ConfigError: the file cannot be written.
    """
    if out is None or out == "-":
        yield sys.stdout.buffer
        return
    target = Path(os.path.realpath(out))  # a link keeps pointing where it points
    with _explained(out):
        mode = target.stat().st_mode if target.exists() else None
    if mode is not None and not stat.S_ISREG(mode):
        if stat.S_ISDIR(mode):
            raise ConfigError(f"{out} is a folder", "name a file in it")
        with _explained(out):
            device = open(target, "wb")  # noqa: SIM115
        with device:
            yield device
        return
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    with _explained(out):
        file = open(partial, "xb")  # noqa: SIM115
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with _explained(out):
            if mode is not None:
                os.chmod(partial, stat.S_IMODE(mode))
            os.replace(partial, target)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


@contextmanager
def _explained(out: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror or error}", "check --out") from error
