"""Releases of Argo Workflows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:[-+._].*)?", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A release; what follows the three numbers, such as ``-rc1``, is left out."""

    major: int
    minor: int
    patch: int = 0

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """Read ``v3.5.10``, ``3.5.10-debian-12``, ``v3.5``; None for ``latest`` and the like."""
        match = _VERSION.fullmatch((text or "").strip())
        return cls(int(match[1]), int(match[2]), int(match[3] or 0)) if match else None

    def __str__(self) -> str:
        return f"v{self.major}.{self.minor}.{self.patch}"
