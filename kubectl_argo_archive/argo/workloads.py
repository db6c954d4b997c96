"""Deployments and the like: which of them is a controller, a server, a database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubectl_argo_archive.argo.images import split_image
from kubectl_argo_archive.argo.objects import ManifestObject, Node, Origin, texts
from kubectl_argo_archive.argo.versions import Version

WORKLOAD_KINDS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod")


@dataclass(frozen=True, kw_only=True)
class Container:
    """A container of a pod template.

    Attributes:
        env: by name; None if the value comes from somewhere else (``valueFrom``).
        env_sources: where such values come from, as written: ``{"secretKeyRef": {…}}``.
        mounts: folder by volume name.
    """

    name: str
    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str | None] = field(default_factory=dict, repr=False)
    env_sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    mounts: Mapping[str, str] = field(default_factory=dict, repr=False)
    origin: Origin = field(default=Origin(), compare=False, repr=False)

    @property
    def repository(self) -> str:
        """The image without tag and digest."""
        return split_image(self.image)[0]

    @property
    def tag(self) -> str | None:
        """Tag of the image."""
        return split_image(self.image)[1]


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A Deployment, StatefulSet, DaemonSet, or a bare Pod.

    Attributes:
        replicas: wanted; None if not said (1).
        ready: ready now; None in a file.
        pod_labels: of the pods that it makes; ``selector`` finds them.
        volumes: of the pod template, as written; ``claim_templates``: of a StatefulSet.
        created_at: RFC 3339.
    """

    kind: str
    namespace: str
    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    replicas: int | None
    ready: int | None
    pod_labels: Mapping[str, str]
    pod_annotations: Mapping[str, str]
    selector: Mapping[str, str]
    service_account: str
    containers: tuple[Container, ...]
    init_containers: tuple[Container, ...]
    volumes: tuple[Mapping[str, Any], ...]
    claim_templates: tuple[Mapping[str, Any], ...]
    created_at: str | None = None
    origin: Origin = field(default=Origin(), compare=False, repr=False)
    pod_origin: Origin = field(default=Origin(), compare=False, repr=False)

    @property
    def claims(self) -> tuple[str, ...]:
        """Names of PersistentVolumeClaims that its pods mount; those of ``claim_templates`` not among them."""
        found = (volume.get("persistentVolumeClaim") for volume in self.volumes)
        return tuple(str(each["claimName"]) for each in found if isinstance(each, Mapping) and each.get("claimName"))


def read_workload(obj: ManifestObject) -> Workload:
    """Read a workload; what is missing or of a wrong type reads as empty."""
    pod = obj.root if obj.kind == "Pod" else obj.node("spec", "template")
    spec = pod.get("spec")
    claims = obj.node("spec", "volumeClaimTemplates").elements()
    created = obj.node("metadata", "creationTimestamp").value
    return Workload(
        kind=obj.kind,
        namespace=obj.namespace,
        name=obj.name,
        labels=obj.labels,
        annotations=obj.annotations,
        replicas=_int(obj.node("spec", "replicas")),
        ready=_int(obj.node("status", "readyReplicas"))
        if obj.node("status").value is None
        else _int(obj.node("status", "readyReplicas")) or 0,
        pod_labels=texts(pod.get("metadata", "labels").value),
        pod_annotations=texts(pod.get("metadata", "annotations").value),
        selector=texts(obj.node("spec", "selector", "matchLabels").value),
        service_account=_text(spec.get("serviceAccountName")) or "default",
        containers=tuple(_container(each) for each in spec.get("containers").elements()),
        init_containers=tuple(_container(each) for each in spec.get("initContainers").elements()),
        volumes=tuple(each.value for each in spec.get("volumes").elements() if isinstance(each.value, Mapping)),
        claim_templates=tuple(each.value for each in claims if isinstance(each.value, Mapping)),
        created_at=created if isinstance(created, str) else None,
        origin=obj.origin,
        pod_origin=spec.origin,
    )


def version_of(workload: Workload, container: Container) -> Version | None:
    """The release that runs: the image's tag, else what the chart's label says."""
    label = "app.kubernetes.io/version"
    return Version.parse(container.tag) or Version.parse(workload.pod_labels.get(label) or workload.labels.get(label))


def flag(container: Container, name: str) -> str | None:
    """Value of ``--name`` among command and arguments; ``true`` for a bare switch; None if it is not there."""
    words = (*container.command, *container.args)
    found = None
    for position, word in enumerate(words):
        if word.startswith(f"--{name}="):
            found = word.partition("=")[2]
        elif word == f"--{name}":
            follower = words[position + 1] if position + 1 < len(words) else "-"
            found = "true" if follower.startswith("-") else follower
    return found


def switch(container: Container, name: str) -> bool:
    """Whether a boolean flag is on; unlike other flags, its value only counts behind ``=``."""
    words = (*container.command, *container.args)
    states = [word for word in words if word == f"--{name}" or word.startswith(f"--{name}=")]
    return bool(states) and states[-1].partition("=")[2].lower() in ("", "true", "1", "t")


def _container(node: Node) -> Container:
    env = {_text(each.get("name")): each for each in node.get("env").elements()}
    return Container(
        name=_text(node.get("name")),
        image=_text(node.get("image")),
        command=_words(node.get("command")),
        args=_words(node.get("args")),
        env={name: _value(each) for name, each in env.items() if name},
        env_sources={
            name: each.value["valueFrom"]
            for name, each in env.items()
            if name and isinstance(each.get("valueFrom").value, Mapping)
        },
        mounts={_text(m.get("name")): _text(m.get("mountPath")) for m in node.get("volumeMounts").elements()},
        origin=node.origin,
    )


def _value(variable: Node) -> str | None:
    if "valueFrom" in variable:
        return None
    value = variable.get("value").value
    return value if isinstance(value, str) else "" if value is None else str(value)


def _words(node: Node) -> tuple[str, ...]:
    return tuple(str(each.value) for each in node.elements())


def _text(node: Node) -> str:
    return node.value if isinstance(node.value, str) else ""


def _int(node: Node) -> int | None:
    return node.value if isinstance(node.value, int) and not isinstance(node.value, bool) else None
