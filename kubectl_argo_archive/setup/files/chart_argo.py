"""What the Helm chart argo-workflows makes of its values, as far as the archive depends on it.

Follows the templates of argo-helm's chart, version 1.0.18: ``controller/workflow-controller-config-map.yaml``, the two
Deployments, their service accounts and ``artifact-repository-ref-cm.yaml``.
"""

from __future__ import annotations

from typing import Any, Final

from kubectl_argo_archive.setup.files.chart_versions import app_version
from kubectl_argo_archive.setup.files.model import Release, RenderedText, Resource
from kubectl_argo_archive.setup.files.trees import Place, Tree, merge, tree_of
from kubectl_argo_archive.setup.files.unknown import MARK, is_known
from kubectl_argo_archive.setup.gotemplate.functions import to_yaml
from kubectl_argo_archive.setup.gotemplate.run import render_template

_COPIED: Final = (
    "parallelism", "resourceRateLimit", "namespaceParallelism", "initialDelay", "persistence", "workflowDefaults",
    "synchronization", "workflowRestrictions", "links", "columns", "navColor", "retentionPolicy", "kubeConfig",
    "podGCGracePeriodSeconds", "podGCDeleteDelayDuration",
)  # fmt: skip
"""Keys of ``controller`` that the ConfigMap takes over as they are."""

_S3: Final = ("caSecret", "keyFormat", "region", "roleARN", "useSDKCreds", "encryptionOptions")


def render_argo_workflows(release: Release) -> list[Resource]:
    """The chart's objects; every value keeps the place where it was written."""
    chart = _Chart(release)
    objects = [chart.deployment("controller")]
    if chart.values.is_true("controller", "configMap", "create", default=True):
        objects.append(chart.config_map())
    if chart.values.is_true("server", "enabled", default=True):
        objects.append(chart.deployment("server"))
    objects += [*chart.accounts(), *chart.repository_maps(), *chart.extras()]
    return [Resource(each, chart.namespace, release, release.name) for each in objects]


class _Chart:
    def __init__(self, release: Release) -> None:
        self.release = release
        self.values = release.values
        self.place = release.place
        self.namespace = self.values.text_at("namespaceOverride") or release.namespace
        self.root = {
            "Values": self.values.plain(),
            "Release": {"Name": release.name, "Namespace": self.namespace},
            "Chart": {"Name": "argo-workflows"},
        }

    @property
    def fullname(self) -> str:
        """Template ``argo-workflows.fullname``."""
        if name := self.values.text_at("fullnameOverride"):
            return _cut(name)
        name = self.values.text_at("nameOverride") or "argo-workflows"
        return _cut(self.release.name if name in self.release.name else f"{self.release.name}-{name}")

    def part_name(self, part: str) -> str:
        """Name of the controller's or server's Deployment."""
        default = {"controller": "workflow-controller"}.get(part, part)
        return _cut(f"{self.fullname}-{self.values.text_at(part, 'name', default=default)}")

    @property
    def map_name(self) -> str:
        return _cut(
            self.values.text_at("controller", "configMap", "name") or f"{self.part_name('controller')}-configmap"
        )

    def config_map(self) -> Tree:
        config = self.config()
        text = RenderedText(to_yaml(config.plain()) + "\n")
        text.tree = config
        data = Tree({"config": Tree(text, config.place)}, config.place)
        return self._object("v1", "ConfigMap", self.map_name, config.place, {"data": data})

    def config(self) -> Tree:
        """The controller's configuration."""
        controller = self.values.get("controller") or Tree({}, self.place)
        config: dict[str, Tree] = {}
        instance = controller.get("instanceID")
        if instance is not None and instance.is_true("enabled"):
            own = self.release.name if instance.is_true("useReleaseName") else instance.text_at("explicitID")
            config["instanceID"] = tree_of(own, instance.place)
        for key in _COPIED:
            member = controller.get(key)
            if member is not None and member.value:
                config[key] = member
        if (repository := self.repository()) is not None:
            config["artifactRepository"] = repository
        place = next((config[key].place for key in ("persistence", "artifactRepository") if key in config), None)
        return Tree(config, place or controller.place)

    def repository(self) -> Tree | None:
        """``artifactRepository``; the chart writes it only if a store is named."""
        own = self.values.get("artifactRepository")
        custom = self.values.get("customArtifactRepository")
        stores = {key: own.get(key) for key in ("s3", "gcs", "azure")} if own else {}
        known = {key: each for key, each in stores.items() if each is not None and each.value}
        if not known and not (custom and custom.value):
            return None
        base = own or custom or Tree({}, self.place)
        result: dict[str, Tree] = {}
        logs = own.get("archiveLogs") if own else None
        if logs is not None and logs.value:
            result["archiveLogs"] = logs
        for key, each in known.items():
            result[key] = self._s3(each) if key == "s3" else self._filled(each)
        if custom is not None:
            result |= dict(custom.items())
        return Tree(result, base.place)

    def _s3(self, s3: Tree) -> Tree:
        result: dict[str, Tree] = {}
        if self.values.is_true("useStaticCredentials", default=True) and not s3.is_true("useSDKCreds"):
            for key in ("accessKeySecret", "secretKeySecret", "sessionTokenSecret"):
                if (member := s3.get(key)) is not None:
                    result[key] = self._filled(member)
        result["bucket"] = self._filled(s3.get("bucket") or tree_of("", s3.place))
        result["endpoint"] = self._filled(s3.get("endpoint") or tree_of("s3.amazonaws.com", s3.place))
        insecure = s3.get("insecure")
        result["insecure"] = insecure if insecure is not None else tree_of(False, s3.place)
        for key in _S3:
            member = s3.get(key)
            if member is not None and member.value:
                result[key] = member if key == "keyFormat" else self._filled(member)
        return Tree(result, s3.place)

    def _filled(self, tree: Tree) -> Tree:
        """The chart passes these texts through ``tpl``."""
        if isinstance(tree.value, dict):
            return Tree({key: self._filled(each) for key, each in tree.items()}, tree.place)
        if isinstance(tree.value, list):
            return Tree([self._filled(each) for each in tree.elements()], tree.place)
        if isinstance(tree.value, str) and "{{" in tree.value:
            return tree_of(render_template(tree.value, self.root)[0], tree.place)
        return tree

    def deployment(self, part: str) -> Tree:
        """The controller's or the server's Deployment."""
        own = self.values.get(part) or Tree({}, self.place)
        image, place = self.image(part)
        args: list[Any] = ["--configmap", self.map_name]
        if part == "server":
            modes = [f"--auth-mode={each.text_at()}" for each in own.each("authModes")]
            secure = "true" if own.is_true("secure") else "false"
            args = ["server", f"--configmap={self.map_name}", *modes, f"--secure={secure}"]
        if self.values.is_true("singleNamespace"):
            args.append("--namespaced")
        args += own.each("extraArgs")
        container = {
            "name": "controller" if part == "controller" else "argo-server",
            "image": tree_of(image, place),
            **({"command": ["workflow-controller"]} if part == "controller" else {}),
            "args": args,
            **{key: each for key, each in (("env", own.get("extraEnv")), ("envFrom", own.get("extraEnvFrom"))) if each},
        }
        labels = self._labels(part)
        checksum = {"checksum/cm": "written by the chart"} if part == "server" else {}
        metadata = {"labels": labels, "annotations": {**checksum, **dict(own.members("podAnnotations"))}}
        spec = {
            "replicas": own.get("replicas") or 1,
            "selector": {"matchLabels": {key: labels[key] for key in _SELECTED}},
            "template": {
                "metadata": metadata,
                "spec": {"serviceAccountName": self.account(part), "containers": [container]},
            },
        }
        deployment = self._object("apps/v1", "Deployment", self.part_name(part), own.place, {"spec": spec})
        return merge(deployment, tree_of({"metadata": {"labels": labels}}, own.place))

    def image(self, part: str) -> tuple[str, Place]:
        """Image of a part, and where its tag is written."""
        image = self.values.get(part, "image") or Tree({}, self.place)
        default = {"controller": "argoproj/workflow-controller", "server": "argoproj/argocli"}[part]
        name = f"{image.text_at('registry', default='quay.io')}/{image.text_at('repository', default=default)}"
        for tag in (image.get("tag"), self.values.get("images", "tag")):
            if tag is not None and tag.value:
                return f"{name}:{tag.text_at()}", tag.place
        return f"{name}:{app_version(self.release.version) or MARK}", self.place

    def account(self, part: str) -> str:
        """Name of a part's service account."""
        name = self.values.text_at(part, "serviceAccount", "name")
        if self.values.is_true(part, "serviceAccount", "create", default=True):
            return name or self.part_name(part)
        return name or "default"

    def accounts(self) -> list[Tree]:
        """The service accounts that the chart makes."""
        accounts = []
        for part, created in (("controller", True), ("server", True), ("workflow", False)):
            own = self.values.get(part, "serviceAccount") or Tree({}, self.place)
            if not own.is_true("create", default=created):
                continue
            name = own.text_at("name", default="argo-workflow") if part == "workflow" else self.account(part)
            account = self._object("v1", "ServiceAccount", name, own.place, {})
            if annotations := own.get("annotations"):
                account = merge(account, Tree({"metadata": Tree({"annotations": annotations}, own.place)}, own.place))
            accounts.append(account)
        return accounts

    def repository_maps(self) -> list[Tree]:
        """``artifactRepositoryRef``: a ConfigMap for each key."""
        maps = []
        for name, each in self.values.members("artifactRepositoryRef"):
            data: dict[str, Tree] = {}
            for key, repository in each.items():
                if key != "annotations":
                    text = RenderedText(to_yaml(repository.plain()) + "\n")
                    text.tree = repository
                    data[key] = Tree(text, repository.place)
            made = self._object("v1", "ConfigMap", name, each.place, {"data": Tree(dict(data), each.place)})
            if annotations := each.get("annotations"):
                made = merge(made, Tree({"metadata": Tree({"annotations": annotations}, each.place)}, each.place))
            maps.append(made)
        return maps

    def extras(self) -> list[Tree]:
        """``extraObjects`` that are no templates."""
        return [self._filled(each) for each in self.values.each("extraObjects") if each.get("kind")]

    def _labels(self, part: str) -> dict[str, str]:
        image, _ = self.image(part)
        name = self.values.text_at(part, "name", default={"controller": "workflow-controller"}.get(part, part))
        chart = self.values.text_at("nameOverride") or "argo-workflows"
        tag = image.rpartition(":")[2]
        version = {"app.kubernetes.io/version": tag} if is_known(tag) else {}
        return {
            **version,
            "helm.sh/chart": f"argo-workflows-{self.release.version or 'newest'}",
            "app.kubernetes.io/name": f"{chart}-{name}",
            "app.kubernetes.io/instance": self.release.name,
            "app.kubernetes.io/component": name,
            "app.kubernetes.io/part-of": "argo-workflows",
            "app": name,
        }

    def _object(self, version: str, kind: str, name: str, place: Place, rest: dict[str, Any]) -> Tree:
        metadata = {"name": name, **({"namespace": self.namespace} if self.namespace else {})}
        return tree_of({"apiVersion": version, "kind": kind, "metadata": metadata, **rest}, place)


_SELECTED: Final = ("app.kubernetes.io/name", "app.kubernetes.io/instance")


def _cut(name: str) -> str:
    """As the chart cuts names: at most 63 characters, no hyphen at the end."""
    return name[:63].removesuffix("-")
