"""One value for a whole set-up of Argo Workflows, wherever it was read: a cluster's API or files.

:func:`read_installation` is the only reader: discovery gives it a cluster's objects, ``setup lint`` those of files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from kubectl_argo_archive.argo.controller import (
    Controller,
    ControllerConfig,
    Server,
    config_map_of,
    controller_of,
    find_container,
    looks_like_config,
    read_config_map,
    server_of,
)
from kubectl_argo_archive.argo.decode import Problem, SecretKeyRef, decode, document_problems
from kubectl_argo_archive.argo.estate import (
    Claim,
    SecretKeys,
    Service,
    Volume,
    read_claim,
    read_secret,
    read_service,
    read_volume,
)
from kubectl_argo_archive.argo.objects import ManifestObject, Origin, ParseYaml
from kubectl_argo_archive.argo.repository import (
    DEFAULT_KEY_ANNOTATION,
    DEFAULT_MAP,
    ArtifactRepository,
    RepositoryMap,
    RepositoryRef,
)
from kubectl_argo_archive.argo.resolution import Resolved, resolve
from kubectl_argo_archive.argo.workflows import CronWorkflow, WorkflowSource, read_cron, read_source
from kubectl_argo_archive.argo.workloads import WORKLOAD_KINDS, Workload, read_workload

_SOURCES = ("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate")


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that could not be read, so that its absence below means nothing.

    Attributes:
        what: for people: ``list secrets in namespace argo``.
        kind: of the objects: ``Secret``.
        namespace: None for all.
        name: None for all.
        reason: ``forbidden`` and so on, one line.
    """

    what: str
    kind: str
    namespace: str | None
    name: str | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A set-up of Argo Workflows.

    Two installations are equal if they mean the same, wherever and in which layout it was written.

    Attributes:
        controllers: several may share a cluster, told apart by instance id or managed namespace. One without a
            workload stands for a ConfigMap that nothing runs (files that hold only the configuration).
        workloads: everything else that runs: databases, object stores.
        repository_maps: ConfigMaps of artifact repositories, of all namespaces seen.
        secrets: Secrets seen, by their keys only.
        sources: Workflows and templates seen.
        problems: what Argo refuses in the configuration, or what is no YAML.
        unread: what could not be looked at.
        objects: all that was read; for fields that the model does not name.
    """

    controllers: tuple[Controller, ...] = ()
    servers: tuple[Server, ...] = ()
    workloads: tuple[Workload, ...] = ()
    repository_maps: tuple[RepositoryMap, ...] = ()
    secrets: tuple[SecretKeys, ...] = ()
    services: tuple[Service, ...] = ()
    claims: tuple[Claim, ...] = ()
    volumes: tuple[Volume, ...] = ()
    crons: tuple[CronWorkflow, ...] = ()
    sources: tuple[WorkflowSource, ...] = ()
    problems: tuple[Problem, ...] = field(default=(), compare=False)
    unread: tuple[Unread, ...] = field(default=(), compare=False)
    objects: tuple[ManifestObject, ...] = field(default=(), compare=False, repr=False)

    def find(self, kind: str, namespace: str, name: str) -> ManifestObject | None:
        """The object of this name, whatever it is."""
        return next((o for o in self.objects if (o.kind, o.namespace, o.name) == (kind, namespace, name)), None)

    def of_kind(self, *kinds: str) -> Iterator[ManifestObject]:
        """All objects of these kinds."""
        return (each for each in self.objects if each.kind in kinds)

    def secret(self, namespace: str, name: str) -> SecretKeys | None:
        """A Secret that was seen; None if there is none, or see :meth:`was_read`."""
        return next((each for each in self.secrets if (each.namespace, each.name) == (namespace, name)), None)

    def has_key(self, namespace: str, ref: SecretKeyRef) -> bool | None:
        """Whether the Secret and its key exist; None if that could not be learned."""
        found = self.secret(namespace, ref.name or "")
        if found is None:
            return False if self.was_read("Secret", namespace, ref.name) else None
        return None if found.keys is None else (ref.key or "") in found.keys

    def was_read(self, kind: str, namespace: str | None = None, name: str | None = None) -> bool:
        """Whether the absence of such an object means that there is none."""
        return not any(
            each.kind == kind
            and (each.namespace is None or namespace is None or each.namespace == namespace)
            and (each.name is None or name is None or each.name == name)
            for each in self.unread
        )

    def service(self, namespace: str, name: str) -> Service | None:
        """A Service that was seen."""
        return next((each for each in self.services if (each.namespace, each.name) == (namespace, name)), None)

    def claim(self, namespace: str, name: str) -> Claim | None:
        """A claim that was seen."""
        return next((each for each in self.claims if (each.namespace, each.name) == (namespace, name)), None)

    def behind(self, service: Service) -> tuple[Workload, ...]:
        """The workloads whose pods a Service selects."""
        if not service.selector:
            return ()
        wanted = service.selector.items()
        return tuple(
            each
            for each in self.workloads
            if each.namespace == service.namespace and wanted <= dict(each.pod_labels).items()
        )

    def repository(self, controller: Controller, namespace: str, ref: RepositoryRef | None = None) -> Resolved:
        """The artifact repository that workflows of ``namespace`` get, by Argo's order of resolution."""
        return resolve(
            self.repository_maps,
            controller_namespace=controller.namespace,
            default=controller.artifact_repository,
            namespace=namespace,
            ref=ref,
        )


def read_installation(
    objects: Iterable[ManifestObject], parse_yaml: ParseYaml, *, unread: Iterable[Unread] = ()
) -> Installation:
    """Read Kubernetes objects as a set-up of Argo Workflows; never raises for what they hold.

    Args:
        objects: of any kinds, in any order; what has nothing to do with Argo is only kept in ``objects``.
        parse_yaml: reads the texts inside ConfigMaps.
        unread: what could not be looked at.
    """
    everything = tuple(objects)
    problems: list[Problem] = []
    workloads = [read_workload(each) for each in everything if each.kind in WORKLOAD_KINDS and not _is_owned(each)]
    configs = _Configs(everything, parse_yaml, problems)
    controllers, servers, others = [], [], []
    for workload in workloads:
        if container := find_container(workload, "controller"):
            config, at = configs.take(workload.namespace, config_map_of(container))
            controllers.append(controller_of(workload, container, config, at))
        elif container := find_container(workload, "server"):
            servers.append(server_of(workload, container))
        else:
            others.append(workload)
    controllers += configs.unclaimed({(each.namespace, each.config_map) for each in servers})
    crons = tuple(read_cron(each, problems) for each in everything if each.kind == "CronWorkflow")
    sources = tuple(read_source(each, problems) for each in everything if each.kind in _SOURCES)
    secrets = filter(None, map(read_secret, everything))
    return Installation(
        controllers=tuple(controllers),
        servers=tuple(servers),
        workloads=tuple(others),
        repository_maps=_repository_maps(everything, _map_names(controllers, crons, sources), parse_yaml, problems),
        secrets=tuple(secrets),
        services=tuple(read_service(each) for each in everything if each.kind == "Service"),
        claims=tuple(read_claim(each) for each in everything if each.kind == "PersistentVolumeClaim"),
        volumes=tuple(read_volume(each) for each in everything if each.kind == "PersistentVolume"),
        crons=crons,
        sources=sources,
        problems=tuple(problems),
        unread=tuple(unread),
        objects=everything,
    )


def _is_owned(obj: ManifestObject) -> bool:
    """Whether another workload made it: a Deployment's pods are no installation of their own."""
    owners = obj.node("metadata", "ownerReferences").elements()
    return obj.kind in ("Pod", "ReplicaSet") and any(each.get("kind").value for each in owners)


class _Configs:
    """The ConfigMaps of controllers, each read once."""

    def __init__(self, objects: Iterable[ManifestObject], parse_yaml: ParseYaml, problems: list[Problem]) -> None:
        self._maps = {(each.namespace, each.name): each for each in objects if each.kind == "ConfigMap"}
        self._parse_yaml = parse_yaml
        self._problems = problems
        self._read: dict[tuple[str, str], ControllerConfig] = {}

    def take(self, namespace: str, name: str) -> tuple[ControllerConfig | None, Origin]:
        """The configuration in a map, for the controller that names it."""
        found = self._maps.get((namespace, name))
        if found is None:
            # a file may leave the namespace to whoever applies it
            found = self._maps.get(("", name)) if namespace else None
        if found is None:
            return None, Origin("ConfigMap", namespace, name)
        key = (found.namespace, found.name)
        if key not in self._read:
            self._read[key] = read_config_map(found, self._parse_yaml, self._problems)
        return self._read[key], found.origin

    def unclaimed(self, of_servers: set[tuple[str, str]]) -> list[Controller]:
        """Controllers of which only the map is known; a server's own map is none."""
        left = [
            each
            for key, each in self._maps.items()
            if key not in self._read and key not in of_servers and looks_like_config(each)
        ]
        return [self._alone(each) for each in left]

    def _alone(self, obj: ManifestObject) -> Controller:
        config, at = self.take(obj.namespace, obj.name)
        return Controller(
            namespace=obj.namespace,
            workload=None,
            container=None,
            version=None,
            config_map=obj.name,
            namespaced=False,
            managed_namespace=None,
            chart="unknown",
            config=config,
            config_origin=at,
        )


def _map_names(
    controllers: Iterable[Controller], crons: Iterable[CronWorkflow], sources: Iterable[WorkflowSource]
) -> set[str]:
    """Names of ConfigMaps that hold artifact repositories: the usual one, and what any workflow refers to."""
    specs = [each.spec for each in crons] + [each.spec for each in sources]
    for controller in controllers:
        defaults = controller.config.workflow_defaults if controller.config else None
        if defaults and defaults.spec:
            specs.append(defaults.spec)
    refs = (each.artifact_repository_ref for each in specs)
    return {DEFAULT_MAP} | {ref.config_map for ref in refs if ref and ref.config_map}


def _repository_maps(
    objects: Iterable[ManifestObject], names: set[str], parse_yaml: ParseYaml, problems: list[Problem]
) -> tuple[RepositoryMap, ...]:
    maps = []
    for obj in objects:
        default = obj.annotations.get(DEFAULT_KEY_ANNOTATION)
        if obj.kind != "ConfigMap" or (obj.name not in names and default is None):
            continue
        repositories = {}
        for key, text in obj.node("data").items():
            node = text.parse(parse_yaml)
            problems.extend(document_problems(node))
            repositories[key] = decode(ArtifactRepository, node, problems)
        maps.append(
            RepositoryMap(
                namespace=obj.namespace,
                name=obj.name,
                default_key=default,
                repositories=repositories,
                origin=obj.origin,
            )
        )
    return tuple(maps)
