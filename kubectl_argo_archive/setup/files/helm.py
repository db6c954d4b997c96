"""Helm charts on disk, and those charts of others whose result for the archive we know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from kubectl_argo_archive.setup.files.chart_argo import render_argo_workflows
from kubectl_argo_archive.setup.files.chart_postgresql import render_postgresql
from kubectl_argo_archive.setup.files.model import Release, Resource
from kubectl_argo_archive.setup.files.sources import Sources
from kubectl_argo_archive.setup.files.trees import Place, Tree, merge, tree_of
from kubectl_argo_archive.setup.files.unknown import UNKNOWN, is_known
from kubectl_argo_archive.setup.gotemplate.run import render_template
from kubectl_argo_archive.setup.gotemplate.syntax import Block, parse_template

Renderer: TypeAlias = Callable[[Release], list[Resource]]

KNOWN_CHARTS: Final[dict[str, Renderer]] = {
    "argo-workflows": render_argo_workflows,
    "postgresql": render_postgresql,
}
"""Charts of others by name: their result as far as the archive depends on it."""

_MAX_DEPTH: Final = 5


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart in a folder."""

    folder: Path
    metadata: Tree
    values: Tree | None
    templates: tuple[Path, ...]

    @property
    def name(self) -> str:
        return self.metadata.text_at("name") or self.folder.name


def load_chart(sources: Sources, folder: Path) -> Chart | None:
    """The chart in ``folder``; None if there is none."""
    metadata = sources.trees(folder / "Chart.yaml")
    if not metadata:
        return None
    values = sources.trees(folder / "values.yaml")
    templates = sorted(each for each in (folder / "templates").rglob("*") if each.suffix in (".yaml", ".yml", ".tpl"))
    return Chart(folder, metadata[0], values[0] if values else None, tuple(templates))


def render_release(sources: Sources, release: Release, folder: Path | None) -> list[Resource]:
    """The objects of a release: from its chart's folder, or by knowing the chart; nothing for unknown charts."""
    chart = load_chart(sources, folder) if folder else None
    if chart is not None:
        return render_chart(sources, chart, release)
    renderer = KNOWN_CHARTS.get(known_chart(release.chart) or "")
    return renderer(release) if renderer else []


def known_chart(chart: str) -> str | None:
    """Which known chart a reference such as ``oci://registry/argo-helm/argo-workflows`` means."""
    name = chart.rstrip("/").rpartition("/")[2].partition(":")[0].lower()
    if name == "argo-workflows":
        return name if "bitnami" not in chart else None  # Bitnami's chart of this name has other values
    return "postgresql" if name == "postgresql" else None


def render_chart(sources: Sources, chart: Chart, release: Release, depth: int = 0) -> list[Resource]:
    """Render a chart on disk with its release's values, its sub-charts too."""
    values = merge(chart.values, release.values) if chart.values else release.values
    own = replace(release, values=values)
    if (renderer := _copied(chart)) is not None:
        return renderer(replace(own, version=chart.metadata.text_at("version") or None))
    root = {
        "Values": _readable(values),
        "Release": {"Name": release.name or UNKNOWN, "Namespace": release.namespace or UNKNOWN, "Service": "Helm",
                    "IsInstall": True, "IsUpgrade": False, "Revision": 1},
        "Chart": {"Name": chart.name, "Version": chart.metadata.text_at("version"),
                  "AppVersion": chart.metadata.text_at("appVersion")},
        "Template": UNKNOWN, "Capabilities": UNKNOWN, "Files": UNKNOWN, "Subcharts": UNKNOWN,
    }  # fmt: skip
    helpers: dict[str, Block] = {}
    texts = {path: sources.text(path) or "" for path in chart.templates}
    for text in texts.values():
        helpers |= parse_template(text)[1]
    resources: list[Resource] = []
    for path, text in texts.items():
        if path.suffix == ".tpl":
            continue
        for tree in sources.rendered(path, *render_template(text, root, helpers)):
            resources += objects_of(tree, release.namespace, own, group=release.name)
    if depth < _MAX_DEPTH:
        resources += _sub_charts(sources, chart, own, depth)
    return resources


def _copied(chart: Chart) -> Renderer | None:
    """A known chart that was copied into the folder: its own templates need more of Helm than we carry out."""
    origin = " ".join([chart.metadata.text_at("home"), *(each.text_at() for each in chart.metadata.each("sources"))])
    home = {"argo-workflows": "argo-helm", "postgresql": "bitnami"}.get(chart.name)
    return KNOWN_CHARTS[chart.name] if home is not None and home in origin else None


def _sub_charts(sources: Sources, chart: Chart, release: Release, depth: int) -> list[Resource]:
    """Dependencies: with their own part of the values, from ``charts/`` or by knowing them."""
    resources: list[Resource] = []
    for each in chart.metadata.each("dependencies"):
        name = each.text_at("name")
        key = each.text_at("alias") or name
        condition = each.text_at("condition")
        switch = release.values.get(*condition.split(".")) if condition else None
        if switch is not None and not switch.value and is_known(switch.value):
            continue
        values = release.values.get(key) or Tree({}, each.place)
        globals_ = release.values.get("global")
        if globals_ is not None and isinstance(values.value, dict):
            values = merge(Tree({"global": globals_}, globals_.place), values)
        repository = each.text_at("repository")
        part = replace(release, chart=f"{repository}/{name}", version=each.text_at("version") or None, values=values)
        folder = chart.folder / "charts" / name
        if repository.startswith("file://"):
            folder = chart.folder / repository.removeprefix("file://")
        sub_chart = load_chart(sources, folder)
        if sub_chart is not None:
            resources += render_chart(sources, sub_chart, part, depth + 1)
        else:
            resources += render_release(sources, part, None)
    return resources


def objects_of(tree: Tree, namespace: str, release: Release | None = None, group: str = "") -> list[Resource]:
    """The Kubernetes objects in a document: itself, or those in a ``List``."""
    items = tree.get("items")
    if tree.text_at("kind").endswith("List") and items is not None and isinstance(items.value, list):
        return [each for item in items.elements() for each in objects_of(item, namespace, release, group)]
    if not tree.text_at("kind") or tree.get("apiVersion") is None:
        return []
    return [Resource(tree, namespace, release, group)]


def lone_release(values: Tree, chart: str, name: str) -> Release:
    """A release for a values file that no helmfile names."""
    return Release(name, "", chart, None, values, values.place, None, values.place.file)


def _readable(tree: Tree) -> Any:
    """Plain values for templates; texts that hold unknown parts are unknown."""
    if isinstance(tree.value, dict):
        return {key: _readable(member) for key, member in tree.items()}
    if isinstance(tree.value, list):
        return [_readable(each) for each in tree.elements()]
    return tree.value if is_known(tree.value) else UNKNOWN


def empty(place: Place) -> Tree:
    """No values."""
    return tree_of({}, place)
