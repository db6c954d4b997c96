"""Helm values that the chart does not look at."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Final

from kubectl_argo_archive.checks.check import failed
from kubectl_argo_archive.setup.files.helm import known_chart
from kubectl_argo_archive.setup.files.model import SetUp
from kubectl_argo_archive.setup.files.trees import Tree
from kubectl_argo_archive.setup.rules.found import Found, spot, where

_PLACES: Final = {
    "persistence": ("controller", "persistence"),
    "artifactRepository": ("artifactRepository",),
}
"""Where the chart argo-workflows takes a section of the configuration from."""
_TELLING: Final = {
    "persistence": {"archive", "archiveTTL", "postgresql", "mysql", "nodeStatusOffLoad"},
    "artifactRepository": {"archiveLogs", "s3", "gcs", "azure", "oss"},
}
"""Keys that show that a section is meant; others may have the same name."""
_ALIKE: Final = 0.8


def misplaced(set_up: SetUp) -> Iterator[Found]:
    """A02."""
    for release in set_up.releases:
        if known_chart(release.chart) != "argo-workflows":
            continue
        for path, tree in release.values.walk():
            section = _meant(str(path[-1]), tree) if path else None
            if section is None or tuple(path) == _PLACES[section] or "artifactRepositoryRef" in path:
                continue
            written, right = ".".join(str(each) for each in path), ".".join(_PLACES[section])
            yield (
                "A02",
                failed(
                    f"the chart does not look at {written}: it takes {section} from {right}",
                    f"{spot(tree.place)}: {written}",
                    f"move it to {right}",
                    where=where(tree.place, release, written),
                ),
            )


def _meant(key: str, tree: Tree) -> str | None:
    """The section that a key means, perhaps misspelt."""
    members = {name for name, _ in tree.items()}
    for section, telling in _TELLING.items():
        if members & telling and SequenceMatcher(None, key.lower(), section.lower()).ratio() >= _ALIKE:
            return section
    return None
