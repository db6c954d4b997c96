"""Objects and files as such: doubled, misnamed, unreadable, missing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from kubectl_argo_archive.checks.check import failed, warned
from kubectl_argo_archive.setup.files.model import Resource, SetUp
from kubectl_argo_archive.setup.files.unknown import is_known
from kubectl_argo_archive.setup.rules.found import Found, label, spot, where

_WORDS: Final = {
    "pvc": "PersistentVolumeClaim",
    "claim": "PersistentVolumeClaim",
    "persistentvolumeclaim": "PersistentVolumeClaim",
    "pv": "PersistentVolume",
    "persistentvolume": "PersistentVolume",
    "secret": "Secret",
    "configmap": "ConfigMap",
    "statefulset": "StatefulSet",
    "deployment": "Deployment",
    "cronjob": "CronJob",
}


def doubled(set_up: SetUp) -> Iterator[Found]:
    """S02."""
    groups: dict[tuple[str, ...], list[Resource]] = defaultdict(list)
    for each in set_up.resources:
        if each.name and is_known(each.name):
            version = each.tree.text_at("apiVersion").rpartition("/")[0]
            groups[each.group, version, each.kind, each.space, each.name].append(each)
    for same in groups.values():
        first, *others = same
        for each in others:
            if (each.tree.place.file, each.tree.place.line) == (first.tree.place.file, first.tree.place.line):
                continue
            place = (each.tree.get("kind") or each.tree).place
            message = f"{label(each)} is defined twice; the second definition replaces the first"
            meant = _meant(each)
            fix = f"change the kind to {meant}: its file is named so" if meant else None
            evidence = f"{spot((first.tree.get('kind') or first.tree).place)}\n{spot(place)}"
            yield "S02", failed(message, evidence, fix, where=where(place, each))


def misnamed(set_up: SetUp) -> Iterator[Found]:
    """S03."""
    by_file: dict[str, list[Resource]] = defaultdict(list)
    for each in set_up.resources:
        by_file[each.tree.place.file].append(each)
    for resources in by_file.values():
        if len({each.kind for each in resources}) != 1 or not (meant := _meant(resources[0])):
            continue
        first = resources[0]
        place = (first.tree.get("kind") or first.tree).place
        file = PurePosixPath(place.file).name
        yield (
            "S03",
            warned(
                f"{file} holds a {first.kind}, not a {meant}",
                f"{spot(place)}: kind: {first.kind}",
                f"write kind: {meant} if that was meant, or rename the file",
                where=where(place, first),
            ),
        )


def _meant(resource: Resource) -> str | None:
    """The kind that the file's name speaks of, if it is another one."""
    stem = PurePosixPath(resource.tree.place.file).name.partition(".")[0].lower()
    kinds = {_WORDS[word] for word in re.split(r"[^a-z]+", stem) if word in _WORDS}
    if resource.kind not in _WORDS.values() or not kinds:
        return None
    return None if resource.kind in kinds else sorted(kinds)[0]


def unreadable(set_up: SetUp) -> Iterator[Found]:
    """S11."""
    for each in set_up.unreadable:
        if each.place is not None:
            yield "S11", failed(f"this cannot be read: {each.error}", spot(each.place), where=where(each.place))
    for place, key in set_up.doubled:
        message = f"{key} stands twice in one mapping; only one of the two counts"
        yield "S11", failed(message, spot(place), "remove one of them", where=where(place))


def needs(set_up: SetUp) -> Iterator[Found]:
    """S12."""
    by_file: dict[str, set[str]] = defaultdict(set)
    for release in set_up.releases:
        by_file[release.file].add(release.name)
    for release in set_up.releases:
        for each in release.declared.each("needs") if release.declared else ():
            name = each.text_at().rpartition("/")[2]
            if name and is_known(name) and name not in by_file[release.file]:
                known = ", ".join(sorted(by_file[release.file]))
                yield (
                    "S12",
                    failed(
                        f"release {release.name} needs {name}, which the helmfile does not have",
                        f"releases: {known}",
                        where=where(each.place, release, "needs"),
                    ),
                )
