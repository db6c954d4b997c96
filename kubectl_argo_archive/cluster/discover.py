"""Find what of Argo Workflows runs in a cluster, with as few rights as it takes.

What may not be read is written down in ``Installation.unread``; only an API that does not answer is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kubectl_argo_archive.argo.controller import DEFAULT_CONFIG_MAP, Controller
from kubectl_argo_archive.argo.installation import Installation, Unread, read_installation
from kubectl_argo_archive.argo.objects import ManifestObject
from kubectl_argo_archive.argo.repository import DEFAULT_MAP
from kubectl_argo_archive.cluster.client import KubeClient
from kubectl_argo_archive.cluster.names import service_named
from kubectl_argo_archive.cluster.resources import RESOURCES
from kubectl_argo_archive.cluster.yaml_text import parse_yaml
from kubectl_argo_archive.errors import ClusterForbidden

USUAL_NAMESPACES = ("argo", "argo-workflows", "kubeflow")
"""Where to look if Deployments of all namespaces may not be listed."""

_AT_ONCE = 8


def discover(
    client: KubeClient, *, namespace: str | None = None, everything: bool = False, used: Iterable[str] = ()
) -> Installation:
    """Read the set-up of a cluster.

    Args:
        namespace: where controllers live; None looks everywhere, as far as that is allowed.
        everything: also what workflows use: crons, templates, repository maps, Secrets and accounts of all
            namespaces that have any, and what stores stand on; else only what leads to database and bucket.
        used: namespaces in which workflows are known to run, if ``everything`` is wanted.

    Raises:
        ClusterUnreachable: the API does not answer.
        ClusterError: it does not know us.
    """
    found = _Collection(client)
    for where in _namespaces_to_search(client, namespace, found):
        found.list("Deployment", where)
    _read_configuration(found, namespace)
    installation = found.installation()
    services = [each for controller in installation.controllers for each in services_of(controller)]
    found.get(("Service", where, name) for name, where in services)
    namespaces: set[str] = set()
    if everything:
        _read_stores(found, {where for _, where in services} | {each.namespace for each in installation.controllers})
        _read_uses(found, installation)
        namespaces = _namespaces_in_use(found.installation()) | set(used)
    _read_secrets(found, found.installation(), namespaces)
    return found.installation()


def services_of(controller: Controller) -> list[tuple[str, str]]:
    """Services that a controller's configuration may name: (name, namespace) of the database, of the bucket."""
    persistence, repository = controller.persistence, controller.artifact_repository
    database = persistence.database if persistence else None
    endpoint = repository.s3.endpoint if repository and repository.s3 else None
    hosts = (database.address[0] if database else "", (endpoint or "").rpartition("//")[2].partition(":")[0])
    return [service for host in hosts if (service := service_named(host, controller.namespace))]


class _Collection:
    """Objects read so far, each once, and what was refused."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._asked: set[tuple[str, str | None, str | None]] = set()
        self._unread: list[Unread] = []

    def list(self, kind: str, namespace: str | None, *, fields: str = "", names_only: bool = False) -> bool:
        """Read all objects of a kind; False if that is not allowed."""
        if (kind, namespace, fields or None) in self._asked or (kind, None, fields or None) in self._asked:
            return True
        resource = RESOURCES[kind]
        try:
            for item in self._client.list(resource, namespace, fields=fields, names_only=names_only):
                self._add(item)
        except ClusterForbidden as refused:
            name = fields.partition("metadata.name=")[2] or None
            self._unread.append(Unread(f"list {resource.full}", kind, namespace, name, refused.message))
            return False
        self._asked.add((kind, namespace, fields or None))
        return True

    def get(self, wanted: Iterable[tuple[str, str, str]]) -> None:
        """Read objects by kind, namespace and name, several at once; those that are known are not asked for again."""
        missing = [each for each in dict.fromkeys(wanted) if each not in self._asked and each not in self._objects]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for key, item in zip(missing, pool.map(self._one, missing), strict=True):
                self._asked.add(key)
                if isinstance(item, Unread):
                    self._unread.append(item)
                elif item is not None:
                    self._add(item)

    def installation(self) -> Installation:
        """What was read so far, understood."""
        objects = (ManifestObject(each) for each in self._objects.values())
        return read_installation(objects, parse_yaml, unread=self._unread)

    def _one(self, key: tuple[str, str, str]) -> dict[str, Any] | Unread | None:
        kind, namespace, name = key
        try:
            return self._client.get(RESOURCES[kind], namespace or None, name)
        except ClusterForbidden as refused:
            return Unread(f"get {RESOURCES[kind].full}", kind, namespace, name, refused.message)

    def _add(self, item: dict[str, Any]) -> None:
        if item["kind"] == "Secret":
            # whatever reads this model must not be able to show a value
            item = item | {"data": dict.fromkeys(item.get("data") or {})}
        metadata = item["metadata"]
        self._objects[item["kind"], metadata.get("namespace", ""), metadata["name"]] = item


def _namespaces_to_search(client: KubeClient, namespace: str | None, found: _Collection) -> Iterator[str | None]:
    if namespace:
        yield namespace
    elif found.list("Deployment", None):
        yield None
    else:
        yield from dict.fromkeys((client.access.namespace, *USUAL_NAMESPACES))


def _read_configuration(found: _Collection, namespace: str | None) -> None:
    """The ConfigMaps that controllers and servers name; the usual one also if nothing runs."""
    installation = found.installation()
    processes = (*installation.controllers, *installation.servers)
    wanted = {("ConfigMap", each.namespace, each.config_map) for each in processes}
    if not installation.controllers:
        wanted |= {("ConfigMap", each, DEFAULT_CONFIG_MAP) for each in (namespace, *USUAL_NAMESPACES[:1]) if each}
    found.get(sorted(wanted))


def _read_stores(found: _Collection, namespaces: set[str]) -> None:
    """What databases and object stores stand on: Services, workloads, claims and volumes."""
    for namespace in sorted(namespaces):
        for kind in ("Service", "StatefulSet", "Deployment", "PersistentVolumeClaim", "Pod"):
            found.list(kind, namespace)
    claims = found.installation().claims
    found.get(("PersistentVolume", "", each.volume) for each in claims if each.volume)


def _read_uses(found: _Collection, installation: Installation) -> None:
    """What workflows bring along, in all namespaces that the controllers look at."""
    managed = {each.managed_namespace for each in installation.controllers}
    scopes: set[str | None] = {None} if None in managed or not managed else managed
    for scope in sorted(scopes, key=str):
        for kind in ("CronWorkflow", "WorkflowTemplate"):
            found.list(kind, scope)
        found.list("ConfigMap", scope, fields=f"metadata.name={DEFAULT_MAP}")
    found.list("ClusterWorkflowTemplate", None)


def _namespaces_in_use(installation: Installation) -> set[str]:
    found = {each.namespace for each in installation.crons}
    found |= {each.namespace for each in installation.sources if each.namespace}
    return found | {each.namespace for each in installation.repository_maps}


def _read_secrets(found: _Collection, installation: Installation, namespaces: set[str]) -> None:
    """Which keys the Secrets have that the configuration names."""
    wanted: list[tuple[str, str, str]] = []
    for controller in installation.controllers:
        database = controller.persistence.database if controller.persistence else None
        refs = (database.user_name_secret, database.password_secret) if database else ()
        wanted += [("Secret", controller.namespace, ref.name) for ref in refs if ref and ref.name]
        for namespace in sorted({controller.namespace, *namespaces}):
            store = installation.repository(controller, namespace).store
            wanted += [("Secret", namespace, ref.name or "") for ref in store.secrets.values()] if store else []
    found.get(wanted)
