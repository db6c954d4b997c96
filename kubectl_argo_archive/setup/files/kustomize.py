"""Kustomize folders: the objects of each root, after its namespace, names, patches and generators."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from kubectl_argo_archive.setup.files.helm import objects_of, render_release
from kubectl_argo_archive.setup.files.model import Release, Resource
from kubectl_argo_archive.setup.files.sources import Sources
from kubectl_argo_archive.setup.files.trees import Tree, merge, tree_of
from kubectl_argo_archive.setup.files.yaml_reader import parse

NAMES: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_MAX_DEPTH: Final = 20
_CLUSTER_WIDE: Final = {
    "Namespace", "PersistentVolume", "StorageClass", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition",
    "ClusterWorkflowTemplate", "PriorityClass", "ClusterSecretStore",
}  # fmt: skip
_OPERATIONS: Final = ("add", "replace")


def roots(folders: Iterable[Path], sources: Sources) -> list[Path]:
    """The folders that no other one uses: what people apply."""
    everyone = [folder.resolve() for folder in folders]
    used: set[Path] = set()
    for folder in everyone:
        for tree in _kustomization(sources, folder):
            for key in ("resources", "bases", "components"):
                used |= {
                    target for each in _listed(tree, key) if (target := _inside(folder, each)) and target != folder
                }
    return [folder for folder in everyone if folder not in used] or everyone


def build(sources: Sources, folder: Path, claimed: set[Path], depth: int = 0) -> list[Resource]:
    """The objects of a kustomization; ``claimed`` takes every file that it reads."""
    resources: list[Resource] = []
    for tree in _kustomization(sources, folder):
        for name in NAMES:
            claimed.add((folder / name).resolve())
        for key in ("resources", "bases", "components"):
            for each in _listed(tree, key):
                target = _inside(folder, each)
                if target is None or depth > _MAX_DEPTH:
                    continue
                if target.is_dir():
                    resources += build(sources, target, claimed, depth + 1)
                else:
                    claimed.add(target)
                    resources += [one for each_tree in sources.trees(target) for one in objects_of(each_tree, "")]
        resources += _generated(sources, folder, tree, claimed)
        resources += _charts(sources, folder, tree, claimed)
        resources = _patched(sources, folder, tree, resources, claimed)
        resources = [_transformed(each, tree) for each in resources]
    return [replace(each, group=each.group or str(folder)) for each in resources]


def _kustomization(sources: Sources, folder: Path) -> list[Tree]:
    for name in NAMES:
        if trees := sources.trees(folder / name):
            return trees[:1]
    return []


def _listed(tree: Tree, key: str) -> list[str]:
    return [each.value for each in tree.each(key) if isinstance(each.value, str)]


def _inside(folder: Path, name: str) -> Path | None:
    """A file or folder named by a kustomization; None for remote ones."""
    if "://" in name or name.startswith("github.com") or "?ref=" in name:
        return None
    try:
        target = (folder / name).resolve()
        return target if target.exists() else None
    except (OSError, ValueError):
        return None


def _generated(sources: Sources, folder: Path, tree: Tree, claimed: set[Path]) -> list[Resource]:
    """``configMapGenerator`` and ``secretGenerator``; names carry a hash unless that is switched off."""
    made: list[Resource] = []
    for key, kind in (("configMapGenerator", "ConfigMap"), ("secretGenerator", "Secret")):
        for each in tree.each(key):
            data: dict[str, Tree] = {}
            for name, item in _pairs(each, "literals"):
                data[name] = item
            for part in ("files", "envs"):
                for entry in each.each(part):
                    data |= _from_file(sources, folder, entry, part, claimed)
            metadata: dict[str, Any] = {"name": each.get("name") or "", "annotations": {"kustomize/generated": "true"}}
            if namespace := each.get("namespace"):
                metadata["namespace"] = namespace
            content = "stringData" if kind == "Secret" else "data"
            body = {"apiVersion": "v1", "kind": kind, "metadata": metadata, content: Tree(dict(data), each.place)}
            made.append(Resource(tree_of(body, each.place)))
    return made


def _pairs(tree: Tree, key: str) -> list[tuple[str, Tree]]:
    pairs = []
    for each in tree.each(key):
        name, equals, value = each.text_at().partition("=")
        if equals:
            pairs.append((name, tree_of(value, each.place)))
    return pairs


def _from_file(sources: Sources, folder: Path, entry: Tree, part: str, claimed: set[Path]) -> dict[str, Tree]:
    name, equals, path = entry.text_at().rpartition("=")
    target = _inside(folder, path)
    text = sources.text(target) if target is not None and target.is_file() else None
    if target is None or text is None:
        return {}
    claimed.add(target)
    if part == "envs":
        lines = [line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#")]
        return {key.strip(): tree_of(value.strip(), entry.place) for key, _, value in lines}
    start = tree_of(text, entry.place).place
    begins = replace(start, file=sources.name(target), line=1)
    return {name if equals else target.name: Tree(text, entry.place, text=begins, block=True)}


def _charts(sources: Sources, folder: Path, tree: Tree, claimed: set[Path]) -> list[Resource]:
    resources: list[Resource] = []
    for each in tree.each("helmCharts"):
        values = each.get("valuesInline") or Tree({}, each.place)
        for name in (each.text_at("valuesFile"), *(_listed(each, "additionalValuesFiles"))):
            target = _inside(folder, name) if name else None
            if target is not None and target.is_file():
                claimed.add(target)
                for found in sources.trees(target)[:1]:
                    values = merge(found, values)
        release = Release(
            name=each.text_at("releaseName") or each.text_at("name"),
            namespace=each.text_at("namespace") or tree.text_at("namespace"),
            chart=f"{each.text_at('repo')}/{each.text_at('name')}",
            version=each.text_at("version") or None,
            values=values,
            place=each.place,
            declared=each,
            file=each.place.file,
        )
        resources += render_release(sources, release, None)
    return resources


def _patched(
    sources: Sources, folder: Path, tree: Tree, resources: list[Resource], claimed: set[Path]
) -> list[Resource]:
    for key in ("patches", "patchesStrategicMerge", "patchesJson6902"):
        for each in tree.each(key):
            for patch in _patch_trees(sources, folder, each, claimed):
                resources = [_apply(one, patch, each.get("target")) for one in resources]
    return resources


def _patch_trees(sources: Sources, folder: Path, entry: Tree, claimed: set[Path]) -> list[Tree]:
    inline, path = entry.get("patch"), entry.text_at("path") if isinstance(entry.value, dict) else entry.text_at()
    if inline is not None and isinstance(inline.value, str):
        place = inline.text or inline.place
        return sources.keep(parse(inline.value, place.file, lambda line: line + place.line - 1))
    if "\n" in path:
        place = entry.text or entry.place
        return sources.keep(parse(path, place.file, lambda line: line + place.line - 1))
    target = _inside(folder, path)
    if target is None or not target.is_file():
        return []
    claimed.add(target)
    return sources.trees(target)


def _apply(resource: Resource, patch: Tree, target: Tree | None) -> Resource:
    if isinstance(patch.value, list):
        return replace(resource, tree=_json_patch(resource.tree, patch)) if _is_target(resource, target) else resource
    named = (patch.text_at("kind"), patch.text_at("metadata", "name")) == (resource.kind, resource.name)
    if not (_is_target(resource, target) if target is not None else named):
        return resource
    merged = _strategic(resource.tree, patch)
    name = {"kind": resource.tree.get("kind"), "metadata": resource.tree.get("metadata", "name")}
    if target is not None and name["kind"] is not None and isinstance(merged.value, dict):
        merged = Tree({**merged.value, "kind": name["kind"]}, merged.place)
    return replace(resource, tree=merged)


def _is_target(resource: Resource, target: Tree | None) -> bool:
    if target is None:
        return False
    kind, name = target.text_at("kind"), target.text_at("name")
    return kind in ("", resource.kind) and name in ("", ".*", resource.name)


def _strategic(below: Tree, above: Tree) -> Tree:
    """Mappings key by key, lists of named things by name, other lists are replaced; null removes."""
    if isinstance(below.value, dict) and isinstance(above.value, dict):
        if above.text_at("$patch") == "delete":
            return Tree(None, above.place)
        merged = dict(below.value)
        for key, member in above.value.items():
            if member.value is None:
                merged.pop(key, None)
            elif key in merged:
                merged[key] = _strategic(merged[key], member)
            else:
                merged[key] = member
        return Tree(merged, below.place)
    if isinstance(below.value, list) and isinstance(above.value, list):
        names = [each.text_at("name") for each in below.value]
        if all(each.text_at("name") for each in above.value) and any(names):
            result = list(below.value)
            for each in above.value:
                if each.text_at("name") in names:
                    result[names.index(each.text_at("name"))] = _strategic(
                        result[names.index(each.text_at("name"))], each
                    )
                else:
                    result.append(each)
            return Tree(result, below.place)
    return above


def _json_patch(tree: Tree, patch: Tree) -> Tree:
    for operation in patch.elements():
        path = [part.replace("~1", "/").replace("~0", "~") for part in operation.text_at("path").split("/")[1:]]
        if path:
            value = operation.get("value") if operation.text_at("op") in _OPERATIONS else None
            tree = _set(tree, path, value)
    return tree


def _set(tree: Tree, path: list[str], value: Tree | None) -> Tree:
    head, rest = path[0], path[1:]
    if isinstance(tree.value, list):
        items = list(tree.value)
        index = len(items) if head == "-" else int(head) if head.isdecimal() else -1
        if rest and 0 <= index < len(items):
            items[index] = _set(items[index], rest, value)
        elif not rest and value is not None and 0 <= index <= len(items):
            items[index : index + 1] = [value]
        elif not rest and 0 <= index < len(items):
            del items[index]
        return Tree(items, tree.place)
    members = dict(tree.items())
    if rest:
        if head in members:
            members[head] = _set(members[head], rest, value)
    elif value is None:
        members.pop(head, None)
    else:
        members[head] = value
    return Tree(members, tree.place)


def _transformed(resource: Resource, kustomization: Tree) -> Resource:
    """Namespace, prefix and suffix of names, and tags of images."""
    tree = resource.tree
    namespace = kustomization.get("namespace")
    if namespace is not None and resource.kind not in _CLUSTER_WIDE:
        tree = merge(tree, tree_of({"metadata": {"namespace": namespace}}, tree.place))
    prefix, suffix = kustomization.text_at("namePrefix"), kustomization.text_at("nameSuffix")
    name = tree.get("metadata", "name")
    if (prefix or suffix) and name is not None:
        renamed = Tree(f"{prefix}{name.text_at()}{suffix}", name.place, name.place)
        tree = merge(tree, tree_of({"metadata": {"name": renamed}}, tree.place))
    if images := list(kustomization.each("images")):
        tree = _with_images(tree, images)
    return replace(resource, tree=tree)


def _with_images(tree: Tree, images: list[Tree]) -> Tree:
    if isinstance(tree.value, list):
        return Tree([_with_images(each, images) for each in tree.value], tree.place)
    if not isinstance(tree.value, dict):
        return tree
    members = {key: _with_images(each, images) for key, each in tree.value.items()}
    image = members.get("image")
    if image is not None and isinstance(image.value, str):
        repository, _, tag = image.value.partition("@")[0].rpartition(":")
        if "/" in tag or not repository:
            repository, tag = image.value.partition("@")[0], ""
        for each in images:
            if each.text_at("name") == repository:
                new = each.text_at("newName") or repository
                place = (each.get("newTag") or each).place
                digest = each.text_at("digest")
                end = f"@{digest}" if digest else f":{each.text_at('newTag') or tag}"
                members["image"] = tree_of(f"{new}{end}", place)
    return Tree(members, tree.place)
