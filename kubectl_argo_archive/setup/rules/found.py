"""What the rules share: how they report, and the pods among the objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

from kubectl_argo_archive.checks.check import Outcome
from kubectl_argo_archive.checks.finding import Where
from kubectl_argo_archive.setup.files.model import Release, Resource, SetUp
from kubectl_argo_archive.setup.files.trees import Place, Tree

Found: TypeAlias = tuple[str, Outcome]
"""Id of a check, and what was found."""

POD_PATHS: Final = {
    "Pod": (),
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
DATABASES: Final = ("postgres", "mysql", "mariadb", "percona", "cockroach")


def where(place: Place, owner: Resource | Release | None = None, path: str = "") -> Where:
    """A place for a finding."""
    name = label(owner) if owner is not None else ""
    return Where(place.file, place.line, ": ".join(part for part in (name, path) if part) or None)


def label(owner: Resource | Release) -> str:
    """``Secret argo/db`` or ``release argo``."""
    if isinstance(owner, Release):
        return f"release {owner.name}" if owner.declared else f"values of {owner.chart}"
    space = f"{owner.space}/" if owner.space and owner.kind != "PersistentVolume" else ""
    return f"{owner.kind} {space}{owner.name}"


def spot(place: Place) -> str:
    """``file:line`` for evidence."""
    return f"{place.file}:{place.line}"


def pods(set_up: SetUp) -> Iterator[tuple[Resource, Tree]]:
    """Workloads and their pod specs."""
    for resource in set_up.resources:
        path = POD_PATHS.get(resource.kind)
        spec = resource.tree.get(*path, "spec") if path is not None else None
        if spec is not None:
            yield resource, spec


def containers(spec: Tree) -> Iterator[Tree]:
    """All containers of a pod spec."""
    for key in ("containers", "initContainers"):
        yield from spec.each(key)


def is_database(spec: Tree) -> bool:
    """Whether a pod runs a database server; exporters of metrics and the like run none."""
    for each in spec.each("containers"):
        image = each.text_at("image").rpartition("/")[2].partition(":")[0].lower()
        if any(name in image for name in DATABASES) and not any(no in image for no in ("exporter", "backup", "client")):
            return True
    return False


def same_space(a: str, b: str) -> bool:
    """Whether two namespaces may be the same; one that is not said may be any."""
    return not a or not b or a == b
