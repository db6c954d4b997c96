"""Helm releases that Kubernetes objects declare: Applications of Argo CD, HelmReleases of Flux."""

from __future__ import annotations

from kubectl_argo_archive.setup.files.model import Release, Resource
from kubectl_argo_archive.setup.files.trees import Tree, merge
from kubectl_argo_archive.setup.files.yaml_reader import parse


def release_of(resource: Resource) -> Release | None:
    """The release that an object declares with values of its own; None if it declares none."""
    if resource.kind == "HelmRelease":
        chart = resource.tree.get("spec", "chart", "spec")
        values = resource.tree.get("spec", "values")
        namespace = resource.tree.text_at("spec", "targetNamespace") or resource.space
        name = resource.tree.text_at("spec", "releaseName") or resource.name
        return _release(resource, chart, values, name, namespace)
    if resource.kind != "Application":
        return None
    sources = [resource.tree.get("spec", "source"), *resource.tree.each("spec", "sources")]
    source = next((each for each in sources if each is not None and each.get("helm") and each.get("chart")), None)
    if source is None:
        return None
    name = source.text_at("helm", "releaseName") or resource.name
    return _release(resource, source, _values(source), name, resource.tree.text_at("spec", "destination", "namespace"))


def _release(resource: Resource, chart: Tree | None, values: Tree | None, name: str, namespace: str) -> Release | None:
    if chart is None:
        return None
    version = chart.text_at("targetRevision") or chart.text_at("version") or None
    reference = f"{chart.text_at('repoURL')}/{chart.text_at('chart')}"
    place = chart.place
    return Release(name, namespace, reference, version, values or Tree({}, place), place, chart, place.file)


def _values(source: Tree) -> Tree | None:
    """``valuesObject`` over the text ``values``."""
    written = source.get("helm", "values")
    found: Tree | None = None
    if written is not None and isinstance(written.value, str):
        start = written.text or written.place
        documents = parse(written.value, start.file, lambda line: line + start.line - 1)
        found = documents[0].tree if documents else None
    above = source.get("helm", "valuesObject")
    return merge(found, above) if found is not None or above is not None else None
