"""Helmfiles: their releases with the values that they would get."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from kubectl_argo_archive.setup.files.model import Release
from kubectl_argo_archive.setup.files.sources import Sources
from kubectl_argo_archive.setup.files.trees import Place, Tree, merge, tree_of
from kubectl_argo_archive.setup.files.unknown import UNKNOWN
from kubectl_argo_archive.setup.files.yaml_reader import Parsed, parse
from kubectl_argo_archive.setup.gotemplate.run import render_template

_ACTION: Final = re.compile(
    r"\{\{-?\s*(?:[.$(`]|/\*|(?:if|range|with|env|requiredEnv|readFile|exec|include|define|toYaml|default|get|fetchSecretValue"
    r"|tpl|printf|index)\b)"
)
"""How an action of Helmfile begins; ``{{workflow.name}}`` in a value is none."""
_INDEX: Final = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def is_helmfile(path: Path) -> bool:
    """By its name, as Helmfile looks for it."""
    names = ("helmfile.yaml", "helmfile.yml", "helmfile.yaml.gotmpl")
    return path.name in names or (path.parent.name == "helmfile.d" and ".y" in path.name)


def releases_of(sources: Sources, path: Path, claimed: set[Path]) -> list[Release]:
    """The releases of a helmfile, those left out by ``installed: false`` too few.

    Args:
        claimed: takes every file that the helmfile reads: values, charts.
    """
    states = _documents(sources, path, {})
    environment = _environment(sources, path.parent, states, claimed)
    if environment:
        states = _documents(sources, path, environment)
    return [
        release
        for state in states
        for each in state.each("releases")
        if each.text_at("installed") != "false"
        and (release := _release(sources, path, state, each, claimed, environment))
    ]


def _documents(sources: Sources, path: Path, environment: dict[str, Any]) -> list[Tree]:
    return _rendered(sources, path, environment, always=path.suffix == ".gotmpl")


def _rendered(sources: Sources, path: Path, environment: dict[str, Any], *, always: bool) -> list[Tree]:
    text = sources.text(path)
    if text is None:
        return []
    name = sources.name(path)
    if always or _ACTION.search(text):
        root = {
            "Values": environment, "StateValues": environment,
            "Environment": {"Name": "default", "KubeContext": UNKNOWN},
            "Release": UNKNOWN, "Namespace": UNKNOWN,
        }  # fmt: skip
        return sources.rendered(path, *render_template(text, root, missing=UNKNOWN))
    return sources.keep(parse(text, name))


def _environment(sources: Sources, folder: Path, states: list[Tree], claimed: set[Path]) -> dict[str, Any]:
    """Values of the environment ``default``."""
    merged: Tree | None = None
    for state in states:
        for each in state.each("environments", "default", "values"):
            for tree in _values(sources, folder, each, claimed, {}):
                merged = merge(merged, tree)
    plain = merged.plain() if merged else {}
    return plain if isinstance(plain, dict) else {}


def _release(
    sources: Sources, path: Path, state: Tree, declared: Tree, claimed: set[Path], environment: dict[str, Any]
) -> Release | None:
    name = declared.text_at("name")
    if not isinstance(declared.value, dict) or not name:
        return None
    values = Tree({}, declared.place)
    for each in declared.each("values"):
        for tree in _values(sources, path.parent, each, claimed, environment):
            values = merge(values, tree)
    for each in declared.each("set"):
        if (value := each.get("value")) is not None:
            values = merge(values, _nested(each.text_at("name"), value))
    namespace = declared.text_at("namespace") or state.text_at("helmDefaults", "namespace")
    return Release(
        name=name,
        namespace=namespace or state.text_at("namespace"),
        chart=declared.text_at("chart"),
        version=declared.text_at("version") or None,
        values=values,
        place=declared.get("name").place if declared.get("name") else declared.place,  # type: ignore[union-attr]
        declared=declared,
        file=declared.place.file,
    )


def _values(
    sources: Sources, folder: Path, item: Tree, claimed: set[Path], environment: dict[str, Any]
) -> Iterator[Tree]:
    """Values written in place, or those of the file that is named."""
    if isinstance(item.value, dict):
        yield item
    if not isinstance(item.value, str) or "://" in item.value:
        return
    try:
        files = sorted(folder.glob(item.value)) if "*" in item.value else [folder / item.value]
        known = [each for each in files if each.is_file()]
    except (OSError, ValueError, NotImplementedError):
        return
    if not known:
        sources.unreadable.append(Parsed(None, f"it names the file {item.value}, which does not exist", item.place))
    for each in known:
        claimed.add(each.resolve())
        trees = _rendered(sources, each, environment, always=each.suffix == ".gotmpl")
        yield from (tree for tree in trees[:1] if isinstance(tree.value, dict))


def _nested(name: str, value: Tree) -> Tree:
    """``a.b[0].c`` of ``set`` as values; list items become the only ones of their list."""
    tree = value
    for key, index in reversed(_INDEX.findall(name)):
        tree = Tree([tree], value.place) if index else Tree({key: tree}, value.place)
    return tree if isinstance(tree.value, dict) else tree_of({}, value.place)


def local_chart(sources: Sources, release: Release, folder: Path) -> Path | None:
    """The folder of a release's chart, if it is one on disk."""
    if not release.chart or "://" in release.chart:
        return None
    try:
        chart = folder / release.chart
        return chart if chart.is_dir() else None
    except (OSError, ValueError):
        return None


def place_of(release: Release, *path: str) -> Place:
    """Where a key of a release's declaration stands; its name if it is not there."""
    found = release.declared.get(*path) if release.declared else None
    return found.place if found else release.place
