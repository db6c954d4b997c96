"""Compiles the native part: plain C that knows nothing of Python, so that one library serves every version of it.

The compiler is the one of the wheel ``ziglang``, a build requirement: a machine with nothing but Python can build,
and every machine builds the same. ``KUBECTL_ARGO_ARCHIVE_CC`` names another one (a command, arguments allowed).
"""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

GLIBC = ("2", "17")
"""The oldest that the library runs with: that of manylinux2014."""
NATIVE = Path("kubectl_argo_archive") / "native"
SOURCES = sorted(str(path) for path in (NATIVE / "src").glob("*.c"))
HEADERS = sorted(str(path) for path in (NATIVE / "src").glob("*.h"))
FLAGS = (
    "-std=c11",
    "-O3",
    "-fno-math-errno",
    "-fno-sanitize=all",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
    "-Werror",
)


def _compiler() -> list[str]:
    """The compiler's command, told to run on every processor of its kind and with every glibc in use."""
    if named := os.environ.get("KUBECTL_ARGO_ARCHIVE_CC"):
        return shlex.split(named)
    command = [sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline"]
    return [*command, "-target", f"{platform.machine()}-linux-gnu.{'.'.join(GLIBC)}"] if _on_glibc() else command


def _on_glibc() -> bool:
    return sys.platform == "linux" and platform.libc_ver()[0] == "glibc"


class BuildNative(build_ext):
    """One shared library out of all sources."""

    def get_ext_filename(self, fullname: str) -> str:
        """The file's name: not bound to a version of Python."""
        return str(Path(*fullname.split("."))) + (".dll" if sys.platform == "win32" else ".so")

    def build_extension(self, ext: Extension) -> None:
        """Compile and link in one go; the sources are few."""
        target = Path(self.get_ext_fullpath(ext.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        platform_flags = {"linux": ["-fPIC", "-flto"], "win32": []}.get(sys.platform, ["-fPIC"])
        command = [*_compiler(), *FLAGS, *platform_flags, "-shared", "-s", "-o", str(target), *ext.sources]
        self.announce(shlex.join(command), level=2)
        subprocess.run(command, check=True)


class PlatformWheel(bdist_wheel):
    """A wheel for one platform and every Python 3."""

    def get_tag(self) -> tuple[str, str, str]:
        """No tie to an interpreter or its ABI; on Linux, what the compiler was told."""
        tag: tuple[Any, Any, str] = super().get_tag()
        ours = _on_glibc() and not os.environ.get("KUBECTL_ARGO_ARCHIVE_CC")
        return "py3", "none", f"manylinux_{'_'.join(GLIBC)}_{platform.machine()}" if ours else tag[2]


setup(
    ext_modules=[Extension("kubectl_argo_archive.native._native", SOURCES, depends=HEADERS)],
    cmdclass={"build_ext": BuildNative, "bdist_wheel": PlatformWheel},
)
