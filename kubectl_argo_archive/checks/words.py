"""Small things that many rules say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from kubectl_argo_archive.checks.finding import Where

if TYPE_CHECKING:
    from kubectl_argo_archive.argo.controller import Controller, Process
    from kubectl_argo_archive.argo.objects import Origin

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def at(origin: Origin) -> Where:
    """A finding's place from a field's origin."""
    inside = f"{origin.object}: {origin.path}" if origin.object and origin.path else origin.object or origin.path
    return Where(file=origin.file, line=origin.line, object=inside or None)


def span(seconds: float | timedelta) -> str:
    """A duration for people, two units at most: ``3d 4h``."""
    left = int(seconds.total_seconds() if isinstance(seconds, timedelta) else seconds)
    if left < 0:
        return f"-{span(-left)}"
    parts: list[str] = []
    for unit, size in _UNITS:
        if left >= size and len(parts) < 2:
            parts.append(f"{left // size}{unit}")
            left %= size
        elif parts:
            break
    return " ".join(parts) or "0s"


def instant(time: datetime | None) -> str:
    """A time for people."""
    return f"{time:%Y-%m-%d %H:%M:%S}Z" if time else "never"


def some(things: Iterable[object], limit: int = 10) -> str:
    """Names, one a line, not too many."""
    names = [str(thing) for thing in things]
    rest = len(names) - limit
    return "\n".join(names[:limit] + ([f"… and {rest} more"] if rest > 0 else []))


def count(number: int, thing: str) -> str:
    """``1 workflow``, ``2 workflows``."""
    if number == 1:
        return f"1 {thing}"
    return f"{number:,} {thing[:-1]}ies" if thing.endswith("y") else f"{number:,} {thing}s"


def size(number: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def percent(part: int, whole: int) -> str:
    """A share for people."""
    return f"{100 * part / whole:.0f} %" if whole else "0 %"


def config_map(process: Process) -> str:
    """The ConfigMap of a process as kubectl names it."""
    return f"configmap/{process.config_map} -n {process.namespace or 'argo'}"


def edit(controller: Controller, change: str, *, restart: bool = True) -> str:
    """How to change the controller's configuration."""
    lines = [f"kubectl edit {config_map(controller)}   # {change}"]
    return "\n".join(lines + ([restart_of([controller])] if restart else []))


def restart_of(processes: Sequence[Process]) -> str:
    """The commands that restart processes."""
    names = [
        (each.workload.kind.lower(), each.workload.name, each.namespace) if each.workload
        else ("deployment", "workflow-controller", each.namespace)
        for each in processes
    ]  # fmt: skip
    return "\n".join(f"kubectl rollout restart {kind}/{name} -n {space or 'argo'}" for kind, name, space in names)
