"""What a set-up stands on: Secrets by their keys, Services, claims and volumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubectl_argo_archive.argo.objects import ManifestObject, Node, Origin, texts


@dataclass(frozen=True, kw_only=True)
class SecretKeys:
    """A Secret: which keys it has, never what they hold.

    Attributes:
        keys: None if the Secret exists and its keys could not be read (an ExternalSecret that names none).
        maker: kind of the object that makes it, such as ``ExternalSecret`` or ``SealedSecret``; ``Secret`` itself.
        plain: its values stand readable in the file (``stringData`` or base64).
    """

    namespace: str
    name: str
    keys: frozenset[str] | None
    maker: str = "Secret"
    plain: bool = field(default=False, compare=False)
    origin: Origin = field(default=Origin(), compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Service:
    """A Service.

    Attributes:
        selector: labels of its pods; empty if it has none.
        ports: port of the service → port of the pod, a number or a port's name.
        external_name: of a service that is an alias.
    """

    namespace: str
    name: str
    selector: Mapping[str, str]
    ports: Mapping[int, int | str]
    external_name: str | None = None
    headless: bool = False
    origin: Origin = field(default=Origin(), compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A PersistentVolumeClaim.

    Attributes:
        storage: asked for, as written: ``20Gi``.
        volume: name of the volume that it wants or has.
        match_labels: of the volume that it wants.
        phase: ``Bound``, ``Pending``, ``Lost``; None in a file.
    """

    namespace: str
    name: str
    storage_class: str | None
    access_modes: tuple[str, ...]
    storage: str | None
    volume: str | None
    match_labels: Mapping[str, str]
    phase: str | None = None
    origin: Origin = field(default=Origin(), compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A PersistentVolume.

    Attributes:
        source: kind of storage as Kubernetes names it: ``nfs``, ``csi``, ``hostPath``, ``awsElasticBlockStore``.
        driver: of a CSI volume: ``efs.csi.aws.com``.
        claim: namespace and name of the claim that it is kept for.
    """

    name: str
    storage_class: str | None
    access_modes: tuple[str, ...]
    storage: str | None
    reclaim_policy: str | None
    labels: Mapping[str, str]
    source: str | None
    driver: str | None
    claim: tuple[str, str] | None
    phase: str | None = None
    origin: Origin = field(default=Origin(), compare=False, repr=False)


_MAKERS = ("ExternalSecret", "SealedSecret")
_NO_SOURCE = {
    "accessModes", "capacity", "claimRef", "mountOptions", "nodeAffinity", "persistentVolumeReclaimPolicy",
    "storageClassName", "volumeMode", "volumeAttributesClassName",
}  # fmt: skip


def read_secret(obj: ManifestObject) -> SecretKeys | None:
    """Read a Secret, or an object that makes one; None for any other kind."""
    if obj.kind == "Secret":
        keys = {name for part in ("data", "stringData") for name, _ in obj.node(part).items()}
        plain = bool(obj.origin.file and keys)
        return SecretKeys(namespace=obj.namespace, name=obj.name, keys=frozenset(keys), plain=plain, origin=obj.origin)
    if obj.kind not in _MAKERS:
        return None
    spec = obj.node("spec")
    if obj.kind == "SealedSecret":
        keys, name = {name for name, _ in spec.get("encryptedData").items()}, obj.name
    else:
        keys = {_text(each.get("secretKey")) for each in spec.get("data").elements()}
        keys |= {name for name, _ in spec.get("target", "template", "data").items()}
        name = _text(spec.get("target", "name")) or obj.name
    known = None if spec.get("dataFrom").value else frozenset(filter(None, keys))
    return SecretKeys(namespace=obj.namespace, name=name, keys=known, maker=obj.kind, origin=obj.origin)


def read_service(obj: ManifestObject) -> Service:
    """Read a Service."""
    spec = obj.node("spec")
    ports: dict[int, int | str] = {}
    for each in spec.get("ports").elements():
        port, target = each.get("port").value, each.get("targetPort").value
        if isinstance(port, int):
            ports[port] = target if isinstance(target, int | str) and target else port
    return Service(
        namespace=obj.namespace,
        name=obj.name,
        selector=texts(spec.get("selector").value),
        ports=ports,
        external_name=_text(spec.get("externalName")) or None,
        headless=spec.get("clusterIP").value == "None",
        origin=obj.origin,
    )


def read_claim(obj: ManifestObject) -> Claim:
    """Read a PersistentVolumeClaim."""
    spec = obj.node("spec")
    storage_class = spec.get("storageClassName").value
    return Claim(
        namespace=obj.namespace,
        name=obj.name,
        storage_class=storage_class if isinstance(storage_class, str) else None,
        access_modes=_words(spec.get("accessModes")),
        storage=_quantity(spec.get("resources", "requests", "storage")),
        volume=_text(spec.get("volumeName")) or None,
        match_labels=texts(spec.get("selector", "matchLabels").value),
        phase=_text(obj.node("status", "phase")) or None,
        origin=obj.origin,
    )


def read_volume(obj: ManifestObject) -> Volume:
    """Read a PersistentVolume."""
    spec = obj.node("spec")
    source = next(
        (name for name, each in spec.items() if name not in _NO_SOURCE and isinstance(each.value, dict)), None
    )
    claim = spec.get("claimRef")
    storage_class = spec.get("storageClassName").value
    return Volume(
        name=obj.name,
        storage_class=storage_class if isinstance(storage_class, str) else None,
        access_modes=_words(spec.get("accessModes")),
        storage=_quantity(spec.get("capacity", "storage")),
        reclaim_policy=_text(spec.get("persistentVolumeReclaimPolicy")) or None,
        labels=obj.labels,
        source=source,
        driver=_text(spec.get("csi", "driver")) or None,
        claim=(_text(claim.get("namespace")), _text(claim.get("name"))) if claim.value else None,
        phase=_text(obj.node("status", "phase")) or None,
        origin=obj.origin,
    )


def _text(node: Node) -> str:
    return node.value if isinstance(node.value, str) else ""


def _quantity(node: Node) -> str | None:
    value: Any = node.value
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def _words(node: Node) -> tuple[str, ...]:
    return tuple(str(each.value) for each in node.elements())
