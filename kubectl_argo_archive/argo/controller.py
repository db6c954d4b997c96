"""Controllers and servers: how they were started, and what their ConfigMap says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from kubectl_argo_archive.argo.decode import Problem, Section, decode_members, document_problems
from kubectl_argo_archive.argo.objects import ManifestObject, Node, Origin, ParseYaml
from kubectl_argo_archive.argo.persistence import Persistence, Synchronization
from kubectl_argo_archive.argo.repository import ArtifactRepository
from kubectl_argo_archive.argo.versions import Version
from kubectl_argo_archive.argo.workflows import WorkflowDefaults
from kubectl_argo_archive.argo.workloads import Container, Workload, flag, switch, version_of

DEFAULT_CONFIG_MAP = "workflow-controller-configmap"
_WHOLE = "config"
"""The one key that may hold the whole configuration."""
_SECTIONS = ("persistence", "artifactRepository")
_TELLING_KEYS = {*_SECTIONS, "workflowDefaults", "instanceID", "retentionPolicy"}


@dataclass(frozen=True, kw_only=True)
class RetentionPolicy(Section):
    """``retentionPolicy``: how many finished workflows stay in the cluster."""

    completed: int | None = None
    failed: int | None = None
    errored: int | None = None


@dataclass(frozen=True, kw_only=True)
class ControllerConfig(Section):
    """The controller's configuration (argo v4.1 ``Config``); what an archive does not care for stays as written.

    Attributes:
        layout: one key per section, or the whole under ``config``; ``mixed`` is what Argo refuses.
    """

    SPELT: ClassVar[Mapping[str, str]] = {
        "instance_id": "instanceID",
        "pod_gc_grace_period_seconds": "podGCGracePeriodSeconds",
        "pod_gc_delete_delay_duration": "podGCDeleteDelayDuration",
    }

    layout: Literal["keys", "config", "mixed"] = field(default="keys", metadata={"ours": True}, compare=False)
    persistence: Persistence | None = None
    artifact_repository: ArtifactRepository | None = None
    workflow_defaults: WorkflowDefaults | None = None
    retention_policy: RetentionPolicy | None = None
    synchronization: Synchronization | None = None
    instance_id: str | None = None
    namespace: str | None = None
    parallelism: int | None = None
    namespace_parallelism: int | None = None
    pod_gc_grace_period_seconds: int | None = None
    pod_gc_delete_delay_duration: str | None = None
    artifact_drivers: Any = None
    columns: Any = None
    container_runtime_executor: Any = None
    disable_agent_pod_creation: Any = None
    executor: Any = None
    failed_pod_restart: Any = None
    images: Any = None
    initial_delay: Any = None
    initless_pod: Any = None
    kube_config: Any = None
    links: Any = None
    main_container: Any = None
    metrics_config: Any = None
    nav_color: Any = None
    node_events: Any = None
    pod_spec_log_strategy: Any = None
    resource_rate_limit: Any = None
    sso: Any = field(default=None, repr=False)
    telemetry_config: Any = None
    workflow_events: Any = None
    workflow_restrictions: Any = None


@dataclass(frozen=True, kw_only=True)
class Process:
    """What controllers and servers share.

    Attributes:
        namespace: where it runs: its secrets are read there.
        workload: what runs it; None if only its ConfigMap is known.
        container: of the workload.
        version: None if neither image nor label tells.
        config_map: name of its ConfigMap.
        namespaced: it looks at one namespace only.
        managed_namespace: that namespace; None for all.
        chart: how it was installed.
    """

    namespace: str
    workload: Workload | None
    container: Container | None
    version: Version | None
    config_map: str
    namespaced: bool
    managed_namespace: str | None
    chart: Literal["manifests", "helm", "bitnami", "unknown"]

    @property
    def name(self) -> str:
        """For people: ``argo/workflow-controller``."""
        return f"{self.namespace}/{self.workload.name if self.workload else self.config_map}"

    @property
    def image(self) -> str | None:
        """As written."""
        return self.container.image if self.container else None

    @property
    def env(self) -> Mapping[str, str | None]:
        """Environment variables; None for values from elsewhere."""
        return self.container.env if self.container else {}

    @property
    def args(self) -> tuple[str, ...]:
        """Command and arguments."""
        return (*self.container.command, *self.container.args) if self.container else ()

    @property
    def service_account(self) -> str | None:
        """Who it is to Kubernetes."""
        return self.workload.service_account if self.workload else None

    @property
    def origin(self) -> Origin:
        """The workload."""
        return self.workload.origin if self.workload else Origin()


@dataclass(frozen=True, kw_only=True)
class Controller(Process):
    """A workflow controller.

    Attributes:
        config: what its ConfigMap says; None if there is no such map, or it could not be read.
        config_origin: the map.
    """

    config: ControllerConfig | None
    config_origin: Origin = field(default=Origin(), compare=False, repr=False)

    @property
    def instance_id(self) -> str:
        """Which workflows are its own; empty for those without an instance id."""
        return (self.config and self.config.instance_id) or ""

    @property
    def persistence(self) -> Persistence | None:
        """Its persistence block."""
        return self.config.persistence if self.config else None

    @property
    def artifact_repository(self) -> ArtifactRepository | None:
        """Its default repository."""
        return self.config.artifact_repository if self.config else None

    def label(self) -> str:
        """For people who have to choose: name, and what makes it different from others."""
        more = [f"instance id {self.instance_id}"] if self.instance_id else []
        more += [f"only namespace {self.managed_namespace}"] if self.managed_namespace else []
        return f"{self.name} ({', '.join(more)})" if more else self.name


@dataclass(frozen=True, kw_only=True)
class Server(Process):
    """An Argo server.

    Attributes:
        auth_modes: how people log in: ``client``, ``server``, ``sso``.
        secure: it serves TLS.
    """

    auth_modes: tuple[str, ...]
    secure: bool


def find_container(workload: Workload, role: Literal["controller", "server"]) -> Container | None:
    """The container of ``workload`` that is a controller or a server, whatever it is called."""
    return next((each for each in workload.containers if _is(each, role)), None)


def controller_of(workload: Workload, container: Container, config: ControllerConfig | None, at: Origin) -> Controller:
    """Put a controller together."""
    return Controller(**_process(workload, container), config=config, config_origin=at)


def server_of(workload: Workload, container: Container) -> Server:
    """Put a server together; it is secure unless told otherwise (``argo server --secure``, since v3.0)."""
    words = container.args
    pairs = zip(words, (*words[1:], ""), strict=True)
    said = (after if word == "--auth-mode" else word.partition("--auth-mode=")[2] for word, after in pairs)
    modes = filter(None, said)
    secure = not ({"--secure=false"} & set(words))
    return Server(**_process(workload, container), auth_modes=tuple(modes), secure=secure)


def config_map_of(container: Container) -> str:
    """Name of the ConfigMap that a process reads."""
    return flag(container, "configmap") or DEFAULT_CONFIG_MAP


def looks_like_config(obj: ManifestObject) -> bool:
    """Whether a ConfigMap that no process names is a controller's: by name, or by what it holds."""
    data = obj.node("data")
    if obj.name.endswith(DEFAULT_CONFIG_MAP) or any(name in data for name in _TELLING_KEYS):
        return True
    text = data.get(_WHOLE).value
    return isinstance(text, str) and any(line.split(":")[0] in _TELLING_KEYS for line in text.splitlines())


def read_config_map(obj: ManifestObject, parse_yaml: ParseYaml, problems: list[Problem]) -> ControllerConfig:
    """Read either layout of the controller's ConfigMap; what Argo refuses goes to ``problems``."""
    data = obj.node("data")
    sections = dict(data.items())
    if _WHOLE not in sections:
        parsed = {name: node.parse(parse_yaml) for name, node in sections.items()}
        for node in parsed.values():
            problems.extend(document_problems(node))
        return _read(parsed, data.origin, "keys", problems)
    whole = sections.pop(_WHOLE).parse(parse_yaml)
    problems.extend(document_problems(whole))
    if not sections:
        return _read(dict(whole.items()), whole.origin, "config", problems)
    message = f"a ConfigMap with the key config may have no other key, and this one has {', '.join(sorted(sections))}"
    problems.append(Problem("mixed-layout", next(iter(sections.values())).origin, message))
    return _read(dict(whole.items()), whole.origin, "mixed", problems)


def read_config(node: Node, problems: list[Problem]) -> ControllerConfig:
    """Read a configuration that is parsed already: a mapping of Argo's keys."""
    return _read(dict(node.items()), node.origin, "config", problems)


def _read(
    sections: Mapping[str, Node], origin: Origin, layout: Literal["keys", "config", "mixed"], problems: list[Problem]
) -> ControllerConfig:
    found: list[Problem] = []
    config = decode_members(ControllerConfig, sections, origin, found)
    misplaced = [each for node in sections.values() for each in _misplaced(node)]
    places = {each.origin for each in misplaced}
    problems.extend(each for each in found if each.code != "unknown-key" or each.origin not in places)
    problems.extend(misplaced)
    return replace(config, layout=layout)


def _misplaced(node: Node) -> Iterator[Problem]:
    """Sections that stand inside another one: too far to the right, or under a chart's key."""
    for name, member in node.items():
        if name in _SECTIONS:
            inside = node.path[-1] if node.path else node.origin.path.rpartition(".")[2]
            yield Problem("misplaced", member.origin, f"{name} stands inside {inside}, where Argo does not look", name)
        else:
            yield from _misplaced(member)


def _process(workload: Workload, container: Container) -> dict[str, Any]:
    namespaced = switch(container, "namespaced")
    managed = flag(container, "managed-namespace") or workload.namespace
    return {
        "namespace": workload.namespace,
        "workload": workload,
        "container": container,
        "version": version_of(workload, container),
        "config_map": config_map_of(container),
        "namespaced": namespaced,
        "managed_namespace": managed if namespaced else None,
        "chart": _chart(workload, container),
    }


def _chart(workload: Workload, container: Container) -> Literal["manifests", "helm", "bitnami", "unknown"]:
    if "bitnami" in container.repository:
        return "bitnami"
    if workload.labels.get("helm.sh/chart", "").startswith("argo-workflows"):
        return "helm"
    return "manifests" if workload.name in ("workflow-controller", "argo-server") else "unknown"


def _is(container: Container, role: Literal["controller", "server"]) -> bool:
    program = container.command[0].rpartition("/")[2] if container.command else ""
    image = container.repository.rpartition("/")[2]
    if role == "controller":
        return program == "workflow-controller" or "workflow-controller" in image
    serves = "server" in (*container.command, *container.args)[:2]
    return serves and (program == "argo" or "argocli" in image or image.startswith("argo-workflow"))
