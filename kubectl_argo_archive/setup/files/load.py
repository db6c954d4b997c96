"""From paths to a :class:`~kubectl_argo_archive.setup.model.SetUp`: which file is what, and who uses it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kubectl_argo_archive.setup.files import helmfile, kustomize
from kubectl_argo_archive.setup.files.gitops import release_of
from kubectl_argo_archive.setup.files.helm import (
    empty,
    known_chart,
    load_chart,
    lone_release,
    objects_of,
    render_chart,
    render_release,
)
from kubectl_argo_archive.setup.files.model import Release, Resource, SetUp
from kubectl_argo_archive.setup.files.sources import Sources
from kubectl_argo_archive.setup.files.trees import Place, Tree, merge
from kubectl_argo_archive.setup.files.unknown import UNKNOWN
from kubectl_argo_archive.setup.files.yaml_reader import parse
from kubectl_argo_archive.setup.gotemplate.run import render_template

_ARGO_KEYS = {"controller", "server", "artifactRepository", "workflow", "useStaticCredentials", "artifactRepositoryRef"}
_POSTGRESQL_KEYS = {"auth", "primary", "postgresqlDatabase", "readReplicas", "volumePermissions", "image"}


def load(paths: Iterable[str]) -> SetUp:
    """Read a set-up from files.

    Raises:
        ConfigError: a path does not exist, or there is nothing in it.
    """
    loader = _Loader(Sources(paths))
    loader.helmfiles()
    loader.kustomizations()
    loader.charts()
    loader.rest()
    names = tuple(loader.sources.name(path) for path in loader.sources.given)
    return SetUp(
        tuple(loader.resources),
        tuple(loader.releases),
        tuple(loader.sources.unreadable),
        tuple(loader.sources.doubled.items()),
        names,
    )


class _Loader:
    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.resources: list[Resource] = []
        self.releases: list[Release] = []
        self.claimed: set[Path] = set()
        self._chart_folders = [path.parent for path in sources.given if path.name == "Chart.yaml"]

    def helmfiles(self) -> None:
        """Every helmfile, its releases and the charts of these."""
        for path in self.sources.given:
            if not helmfile.is_helmfile(path):
                continue
            self.claimed.add(path)
            for release in helmfile.releases_of(self.sources, path, self.claimed):
                folder = helmfile.local_chart(self.sources, release, path.parent)
                self._release(release, folder)

    def kustomizations(self) -> None:
        """Every folder with a kustomization that no other one uses."""
        folders = [path.parent for path in self.sources.given if path.name in kustomize.NAMES]
        for folder in kustomize.roots(folders, self.sources):
            self.resources += kustomize.build(self.sources, folder, self.claimed)

    def charts(self) -> None:
        """Charts on disk that no release of a helmfile installs."""
        for folder in self._chart_folders:
            above = folder.parent.parent if folder.parent.name == "charts" else None
            if folder / "Chart.yaml" in self.claimed or above in self._chart_folders:
                continue
            chart = load_chart(self.sources, folder)
            if chart is not None:
                place = Place(self.sources.name(folder / "Chart.yaml"), 1)
                release = Release(
                    chart.name, "", str(folder), None, chart.values or empty(place), place, None, place.file
                )
                self._release(release, folder)

    def rest(self) -> None:
        """Files that nobody has claimed: manifests, and values files of known charts."""
        for path in self.sources.given:
            if path in self.claimed or self._in_chart(path) or path.suffix in (".tpl", ".env"):
                continue
            for tree in self._documents(path):
                objects = objects_of(tree, "", group="")
                self.resources += objects
                if not objects:
                    self._values(path, tree)
                for each in objects:
                    if (release := release_of(each)) is not None:
                        self._release(release, None)

    def _release(self, release: Release, folder: Path | None) -> None:
        self.releases.append(release)
        if folder is None:
            self.resources += render_release(self.sources, release, None)
            return
        resolved = folder.resolve()
        self.claimed |= {path for path in self.sources.given if path.is_relative_to(resolved)}
        self.claimed.add(resolved / "Chart.yaml")
        chart = load_chart(self.sources, folder)
        if chart is not None:
            self.resources += render_chart(self.sources, chart, release)
        else:  # Helmfile takes a folder of plain manifests for a chart, too
            for path in sorted(folder.rglob("*.y*ml")):
                for tree in self.sources.trees(path):
                    self.resources += objects_of(tree, release.namespace, release, release.name)

    def _documents(self, path: Path) -> list[Tree]:
        """A file's documents; one that only becomes YAML as a template is taken for one."""
        text = self.sources.text(path)
        if text is None:
            return []
        name = self.sources.name(path)
        documents = parse(text, name)
        if "{{" in text and (path.suffix == ".gotmpl" or any(each.tree is None for each in documents)):
            return self.sources.rendered(path, *render_template(text, {}, missing=UNKNOWN))
        return self.sources.keep(documents)

    def _in_chart(self, path: Path) -> bool:
        return any(path.is_relative_to(folder) for folder in self._chart_folders)

    def _values(self, path: Path, tree: Tree) -> None:
        """A values file that no release names: alone, or over the ``values.yaml`` beside it."""
        beside = path.with_name("values.yaml")
        if path.name != "values.yaml" and path.stem.startswith("values") and beside.resolve() in self.sources.given:
            base = self.sources.trees(beside)
            tree = merge(base[0], tree) if base else tree
        chart = _chart_of_values(tree)
        if chart is not None:
            self._release(lone_release(tree, chart, chart), None)
            return
        for key, member in tree.items():  # values of a chart that has the known ones inside
            inner = known_chart(key)
            if inner is not None and _chart_of_values(member) == inner:
                self._release(lone_release(member, inner, inner), None)


def _chart_of_values(tree: Tree) -> str | None:
    """Which chart's values these look like."""
    keys = {key for key, _ in tree.items()}
    if "apiVersion" in keys and "kind" in keys:
        return None
    controller = tree.get("controller")
    if keys & _ARGO_KEYS and (
        {"artifactRepository", "artifactRepositoryRef", "useStaticCredentials"} & keys
        or (
            controller is not None
            and any(controller.get(key) for key in ("persistence", "workflowNamespaces", "workflowDefaults"))
        )
        or "persistence" in keys
    ):
        return "argo-workflows"
    if len(keys & _POSTGRESQL_KEYS) > 1 and (
        tree.get("primary") or tree.get("auth", "postgresPassword") or tree.get("auth", "database")
    ):
        return "postgresql"
    return None
