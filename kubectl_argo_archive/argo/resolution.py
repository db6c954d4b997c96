"""Which artifact repository the workflows of a namespace get: Argo's order (v4.1 ``artifactrepositories.go``)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kubectl_argo_archive.argo.objects import Origin
from kubectl_argo_archive.argo.repository import DEFAULT_MAP, ArtifactRepository, RepositoryMap, RepositoryRef, Store


@dataclass(frozen=True, slots=True)
class Attempt:
    """One place where Argo looks for a repository.

    Attributes:
        place: for people: ``ConfigMap team-a/artifact-repositories, key "default-v1"``.
        outcome: ``found``, ``no such map``, ``no such key``, ``unreadable``, ``not set``.
    """

    place: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """Which repository workflows of a namespace get.

    Attributes:
        namespace: of the workflows.
        repository: None if there is none, or it cannot be read.
        origin: where it stands.
        attempts: where Argo looks, in its order, up to the one that it takes.
    """

    namespace: str
    repository: ArtifactRepository | None
    origin: Origin
    attempts: tuple[Attempt, ...]

    @property
    def store(self) -> Store | None:
        """Its store."""
        return self.repository.store if self.repository else None


def resolve(
    maps: Iterable[RepositoryMap],
    *,
    controller_namespace: str,
    default: ArtifactRepository | None,
    namespace: str,
    ref: RepositoryRef | None = None,
) -> Resolved:
    """Follow Argo's order: a ref in the workflow's, then the controller's namespace; else the map, else the default."""
    by_place = {(each.namespace, each.name): each for each in maps}
    name = (ref.config_map if ref else None) or DEFAULT_MAP
    attempts: list[Attempt] = []
    for where in dict.fromkeys((namespace, controller_namespace) if ref else (namespace,)):
        found = by_place.get((where, name))
        wanted = (ref.key if ref else None) or (found.default_key if found else None) or ""
        place = f'ConfigMap {where}/{name}, key "{wanted}"' if found else f"ConfigMap {where}/{name}"
        if found is None:
            attempts.append(Attempt(place, "no such map"))
            continue
        if wanted not in found.repositories:
            attempts.append(Attempt(place, "no such key"))
            continue
        repository = found.repositories[wanted]
        attempts.append(Attempt(place, "found" if repository else "unreadable"))
        origin = repository.origin() if repository else found.origin.child("data").child(wanted)
        return Resolved(namespace, repository, origin, tuple(attempts))
    if ref:
        return Resolved(namespace, None, ref.origin(), tuple(attempts))
    attempts.append(Attempt("artifactRepository of the controller", "found" if default else "not set"))
    return Resolved(namespace, default, default.origin() if default else Origin(), tuple(attempts))
