"""Container image references."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PLACEHOLDER = re.compile(r"\{\{=?\s*(inputs|workflow)\.parameters\.([^\s}]+)\s*\}\}")


def split_image(image: str) -> tuple[str, str | None, str | None]:
    """Split a reference into (repository, tag, digest).

    A colon before the last slash belongs to the registry's port, not to a tag
    (OCI distribution spec, "pulling manifests").
    """
    name, _, digest = image.partition("@")
    head, slash, last = name.rpartition("/")
    repository, colon, tag = last.partition(":")
    return head + slash + repository, (tag if colon else None), (digest or None)


def fill_image(image: str, inputs: Mapping[str, str | None], workflow: Mapping[str, str | None]) -> str:
    """Replace ``{{inputs.parameters.X}}`` and ``{{workflow.parameters.X}}``; what is unknown stays as it is."""

    def replace(match: re.Match[str]) -> str:
        value = (inputs if match[1] == "inputs" else workflow).get(match[2])
        return match[0] if value is None else value

    return _PLACEHOLDER.sub(replace, image) if "{{" in image else image
