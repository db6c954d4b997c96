"""Images and charts: still served, and pinned."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from kubectl_argo_archive.argo.images import split_image
from kubectl_argo_archive.checks.check import failed, warned
from kubectl_argo_archive.setup.files.helm import known_chart
from kubectl_argo_archive.setup.files.model import Release, Resource, SetUp
from kubectl_argo_archive.setup.files.trees import Place, Tree
from kubectl_argo_archive.setup.files.unknown import MARK, is_known
from kubectl_argo_archive.setup.rules.found import Found, containers, label, pods, spot, where

_MOVING: Final = ("latest", "stable", "main", "master", "edge", "nightly", "dev")
_BITNAMI: Final = re.compile(r"(?:(?:index\.|registry-1\.)?docker\.io/)?bitnami/")
_LEGACY: Final = re.compile(r"(?:(?:index\.|registry-1\.)?docker\.io/)?bitnamilegacy/")
_FROZEN: Final = re.compile(r"k8s\.gcr\.io/")
_FIRST_WITHOUT_TAGS: Final = 18
"""Since this version Bitnami's chart postgresql runs the tag latest, the only one that is still free."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image that something runs."""

    text: str
    place: Place
    owner: Resource | Release
    chart_major: int | None = None

    @property
    def tag(self) -> str:
        return split_image(self.text)[1] or ""

    @property
    def pinned_by_digest(self) -> bool:
        return "@sha256:" in self.text


def images(set_up: SetUp) -> list[Image]:
    """Images of pods, and those that values of charts name; each place once."""
    found: dict[tuple[str, int, str], Image] = {}
    for resource, spec in pods(set_up):
        major = _major(resource.release.version) if resource.release else None
        for container in containers(spec):
            image = container.get("image")
            if image is not None and isinstance(image.value, str) and image.value:
                each = Image(image.value, image.place, resource, major)
                found[each.place.file, each.place.line, split_image(each.text)[0]] = each
    for release in set_up.releases:
        if known_chart(release.chart) is None:
            for each in _of_values(release.values, release):
                found.setdefault((each.place.file, each.place.line, split_image(each.text)[0]), each)
    return list(found.values())


def _of_values(values: Tree, release: Release) -> Iterator[Image]:
    """Mappings of registry, repository and tag, as most charts have them."""
    for path, tree in values.walk():
        if not path or not isinstance(tree.value, dict) or "image" not in str(path[-1]).lower():
            continue
        repository = tree.text_at("repository")
        if repository:
            registry = tree.text_at("registry")
            tag = tree.text_at("tag")
            place = (tree.get("tag") or tree.get("repository") or tree).place
            text = f"{registry + '/' if registry else ''}{repository}:{tag or MARK}"
            yield Image(text, place, release)


def _major(version: str | None) -> int | None:
    head = (version or "").removeprefix("v").partition(".")[0]
    return int(head) if head.isascii() and head.isdecimal() else None


def unserved(set_up: SetUp) -> Iterator[Found]:
    """B29."""
    for each in images(set_up):
        name = split_image(each.text)[0]
        if _BITNAMI.match(name) and _is_gone(each):
            tag = each.tag if is_known(each.tag) else "of its chart"
            yield (
                "B29",
                failed(
                    f"{name} {tag} is no longer served: Bitnami moved its versioned images away in September 2025",
                    f"{spot(each.place)}: {_shown(each.text)}\nthe next node that pulls it gets ImagePullBackOff",
                    _bitnami_fix(name),
                    where=where(each.place, each.owner),
                ),
            )
        elif _LEGACY.match(name):
            yield (
                "B29",
                warned(
                    f"{name} is a frozen copy: it gets no updates and no security fixes",
                    f"{spot(each.place)}: {_shown(each.text)}",
                    _bitnami_fix(name),
                    where=where(each.place, each.owner),
                ),
            )
        elif _FROZEN.match(name):
            yield (
                "B29",
                warned(
                    f"{name}: k8s.gcr.io is frozen since 2023",
                    f"{spot(each.place)}: {_shown(each.text)}",
                    "write registry.k8s.io/… instead",
                    where=where(each.place, each.owner),
                ),
            )


def _is_gone(image: Image) -> bool:
    """Only the tag latest is still served."""
    if image.pinned_by_digest:
        return True
    if not is_known(image.tag):
        return image.chart_major is not None and image.chart_major < _FIRST_WITHOUT_TAGS
    return image.tag not in ("", "latest")


def _bitnami_fix(name: str) -> str:
    what = name.rpartition("/")[2]
    if "postgres" in what and "exporter" not in what:
        return "run docker.io/library/postgres:18.4, a managed database, or an operator such as CloudNativePG"
    return f"take the project's own image instead of {what}; bitnamilegacy only as a stopgap"


def _shown(text: str) -> str:
    return text.replace(MARK, "(the chart's default)")


def unpinned(set_up: SetUp) -> Iterator[Found]:
    """S06."""
    for each in images(set_up):
        name = split_image(each.text)[0]
        if each.pinned_by_digest or not is_known(name):
            continue
        tag = each.tag
        bitnami_latest = not is_known(tag) and _BITNAMI.match(name) and (each.chart_major or 0) >= _FIRST_WITHOUT_TAGS
        if tag in _MOVING or not tag or bitnami_latest:
            what = (
                "no tag" if not tag else "the tag latest, its chart's default" if bitnami_latest else f"the tag {tag}"
            )
            yield (
                "S06",
                warned(
                    f"{name} has {what}: the next pull may bring another release",
                    f"{spot(each.place)}: {_shown(each.text)}",
                    where=where(each.place, each.owner),
                ),
            )


def unpinned_charts(set_up: SetUp) -> Iterator[Found]:
    """S07."""
    for release in set_up.releases:
        local = release.chart.startswith((".", "/")) or "/" not in release.chart
        version = release.version or ""
        if release.declared is None or local or (version and is_known(version) and version not in ("*", ">0.0.0-0")):
            continue
        if version and not is_known(version):
            continue
        yield (
            "S07",
            warned(
                f"{label(release)} takes whatever version of {release.chart} is newest",
                spot(release.place),
                f"write version: … (helm search repo {release.chart.rpartition('/')[2]} shows the newest)",
                where=where(release.place, release),
            ),
        )
