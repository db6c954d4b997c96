"""What Bitnami's chart postgresql makes of its values, as far as the archive depends on it (chart 16 and 17)."""

from __future__ import annotations

from typing import Any, Final

from kubectl_argo_archive.setup.files.model import Release, Resource
from kubectl_argo_archive.setup.files.trees import Place, Tree, tree_of
from kubectl_argo_archive.setup.files.unknown import MARK

_IMAGES: Final = {
    "image": "bitnami/postgresql",
    "volumePermissions.image": "bitnami/os-shell",
    "metrics.image": "bitnami/postgres-exporter",
}


def render_postgresql(release: Release) -> list[Resource]:
    """The StatefulSet, its claim, the two Services and the Secret."""
    chart = _Chart(release)
    objects = [chart.stateful_set(), *chart.services()]
    if not release.values.text_at("auth", "existingSecret") and not _of_globals(release.values, "existingSecret"):
        objects.append(chart.secret())
    return [Resource(each, release.namespace, release, release.name) for each in objects]


class _Chart:
    def __init__(self, release: Release) -> None:
        self.release = release
        self.values = release.values
        self.place = release.place

    @property
    def fullname(self) -> str:
        if name := self.values.text_at("fullnameOverride"):
            return name[:63]
        name = self.values.text_at("nameOverride") or "postgresql"
        return (self.release.name if name in self.release.name else f"{self.release.name}-{name}")[:63].rstrip("-")

    @property
    def labels(self) -> dict[str, str]:
        return {
            "app.kubernetes.io/instance": self.release.name,
            "app.kubernetes.io/name": self.values.text_at("nameOverride") or "postgresql",
            "app.kubernetes.io/component": "primary",
        }

    def image(self, path: str) -> Tree:
        """An image, at the place of its tag or repository; the tag is unknown if only the chart knows it."""
        own = self.values.get(*path.split("."))
        registry = self.values.text_at("global", "imageRegistry") or (own.text_at("registry") if own else "")
        repository = (own.text_at("repository") if own else "") or _IMAGES[path]
        tag = own.text_at("tag") if own else ""
        place = self.place
        for key in ("repository", "tag"):
            written = own.get(key) if own else None
            place = written.place if written is not None and written.value else place
        return tree_of(f"{registry or 'docker.io'}/{repository}:{tag or MARK}", place)

    def stateful_set(self) -> Tree:
        """The database: its volume is a claim that exists, one of its own, or none at all."""
        persistence = self.values.get("primary", "persistence") or self.values.get("persistence")
        persistence = persistence or tree_of({}, self.place)
        claim = persistence.get("existingClaim")
        volumes: list[Any] = []
        templates: list[Any] = []
        if not persistence.is_true("enabled", default=True):
            off = persistence.get("enabled") or persistence
            volumes.append(tree_of({"name": "data", "emptyDir": {}}, off.place))
        elif claim is not None and claim.value:
            source = {"claimName": claim}
            volumes.append(
                tree_of({"name": "data", "persistentVolumeClaim": tree_of(source, claim.place)}, claim.place)
            )
        else:
            templates.append(self._claim(persistence))
        mount = persistence.text_at("mountPath") or "/bitnami/postgresql"
        container = {
            "name": "postgresql",
            "image": self.image("image"),
            "ports": [{"containerPort": 5432}],
            "volumeMounts": [{"name": "data", "mountPath": mount}],
        }
        init = []
        if self.values.is_true("volumePermissions", "enabled"):
            init.append({"name": "init-chmod-data", "image": self.image("volumePermissions.image")})
        containers: list[Any] = [container]
        if self.values.is_true("metrics", "enabled"):
            containers.append({"name": "metrics", "image": self.image("metrics.image")})
        pod = {"containers": containers, "initContainers": init, "volumes": volumes}
        spec = {
            "replicas": 1,
            "serviceName": f"{self.fullname}-hl",
            "selector": {"matchLabels": self.labels},
            "template": {"metadata": {"labels": self.labels}, "spec": pod},
            "volumeClaimTemplates": templates,
        }
        return self._object("apps/v1", "StatefulSet", self.fullname, self.place, {"spec": spec})

    def _claim(self, persistence: Tree) -> Tree:
        storage_class = persistence.get("storageClass")
        spec: dict[str, Any] = {
            "accessModes": persistence.get("accessModes") or ["ReadWriteOnce"],
            "resources": {"requests": {"storage": persistence.get("size") or "8Gi"}},
        }
        if storage_class is not None and storage_class.value:
            spec["storageClassName"] = "" if storage_class.value == "-" else storage_class
        if selector := persistence.get("selector"):
            spec["selector"] = selector
        return tree_of({"metadata": {"name": "data"}, "spec": spec}, persistence.place)

    def services(self) -> list[Tree]:
        """The Service and its headless twin."""
        port = self.values.at("primary", "service", "ports", "postgresql", default=5432)
        spec = {"selector": self.labels, "ports": [{"name": "tcp-postgresql", "port": port, "targetPort": 5432}]}
        plain = self._object("v1", "Service", self.fullname, self.place, {"spec": spec})
        headless = self._object(
            "v1", "Service", f"{self.fullname}-hl", self.place, {"spec": {**spec, "clusterIP": "None"}}
        )
        return [plain, headless]

    def secret(self) -> Tree:
        """The chart's own Secret; its values are made by the chart or taken from the values."""
        auth = self.values.get("auth") or tree_of({}, self.place)
        keys = {"postgres-password": MARK}
        if auth.text_at("username") or _of_globals(self.values, "username"):
            keys["password"] = MARK
        return self._object("v1", "Secret", self.fullname, auth.place, {"type": "Opaque", "data": keys})

    def _object(self, version: str, kind: str, name: str, place: Place, rest: dict[str, Any]) -> Tree:
        space = {"namespace": self.release.namespace} if self.release.namespace else {}
        return tree_of({"apiVersion": version, "kind": kind, "metadata": {"name": name, **space}, **rest}, place)


def _of_globals(values: Tree, key: str) -> str:
    return values.text_at("global", "postgresql", "auth", key)
