"""The table ``images``, and the image of each node: which template it ran, and what that template names."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kubectl_argo_archive.argo import names
from kubectl_argo_archive.argo.images import fill_image, inputs_of_image, split_image
from kubectl_argo_archive.argo.templates import NodeTemplate, Template, Templates, template_from_json
from kubectl_argo_archive.tables import vectors
from kubectl_argo_archive.tables.arguments import Part
from kubectl_argo_archive.tables.document import Malformed
from kubectl_argo_archive.tables.nodes import NodeBatch
from kubectl_argo_archive.tables.parse import explode, explode_map, members
from kubectl_argo_archive.tables.rowwise import inline_templates
from kubectl_argo_archive.tables.schema import SMALL, TEXT

_IMAGE_COLUMNS = dict.fromkeys(("template_name", "container", "role", "image", "repository", "tag", "digest"), TEXT) | {
    "pod_count": SMALL
}


_PLACE = ("displayName", "boundaryID", "templateName", "templateScope", "templateRef")
_REFERENCE = ("name", "template", "clusterScope")

_Used = tuple[int, Template | None]
"""A document, and a template that its nodes ran."""

_Filled = tuple[str | None, frozenset[tuple[str, str, str]]]
"""The image of a pod, and its containers."""

_Image = tuple[int, str | None, str, str, str]
"""A document, and the columns template_name, container, role, image."""


class TemplateImages:
    """Which image each node ran, and how many pods ran which image.

    Args:
        batch: the nodes.
        document: the members of the documents.
        parameters: for each document, the workflow's arguments.
        templates: for some documents, their templates as JSON text by member of ``spec`` and ``status``.
        inputs: from a node's row to its input parameters.
    """

    def __init__(
        self,
        batch: NodeBatch,
        document: dict[str, dict[str, pa.Array]],
        parameters: list[dict[str, str | None]],
        templates: Callable[[list[int]], list[dict[str, dict[str, str | None]]]],
        inputs: Callable[[int], dict[str, str | None]],
    ) -> None:
        self._batch = batch
        self._inputs = inputs
        self._parameters = parameters
        self._whole_templates = templates
        self._templates = _templates_of(document)
        self._pods: Counter[_Image] = Counter()

    def add_images(self) -> Part:
        """Add the column ``image`` to the nodes and return the rows of the table ``images``."""
        batch, fields = self._batch, self._batch.fields
        kind = fields["type"]
        nothing = pc.is_in(fields["phase"], value_set=pa.array(names.PHASES_THAT_RAN_NOTHING))
        ran = pc.and_not(
            pc.is_in(kind, value_set=pa.array(["Pod", "Container"])), pc.or_(batch.columns["memoized"], nothing)
        )
        rows = np.flatnonzero(vectors.truth(ran))
        codes, used = self._distinct(rows)
        is_pod = vectors.truth(pc.equal(kind, "Pod"))[rows]
        # most templates name one fixed image for all of their pods
        images = np.array([template.image if template else None for _, template in used] or [None], object)[codes]
        pods = np.bincount(codes[is_pod], minlength=len(used))
        filled = np.array([template is not None and _has_parameters(template) for _, template in used], bool)
        for code in np.flatnonzero(~filled & (pods > 0)).tolist():
            document, template = used[code]
            if template is not None and template.image is not None:
                self._pods.update({(document, template.name, *c): int(pods[code]) for c in template.containers})
        wanted = [sorted(_inputs_of(template)) if template else [] for _, template in used]
        known: dict[tuple[Any, ...], _Filled] = {}
        for position in np.flatnonzero(filled[codes] | ~is_pod).tolist():
            code, row = int(codes[position]), int(rows[position])
            document, template = used[code]
            if template is None:
                continue
            inputs = self._inputs(row) if filled[code] else {}
            if not is_pod[position]:
                image = template.image_of(fields["displayName"][row].as_py())
                images[position] = image and fill_image(image, inputs, self._parameters[document])
                continue
            which = (code, *map(inputs.get, wanted[code]))  # the same inputs fill it in with the same images
            if which not in known:
                known[which] = self._filled(document, template, inputs)
            images[position], containers = known[which]
            for container in containers:
                self._pods[document, template.name, *container] += 1
        batch.columns["image"] = vectors.scatter(len(kind), rows, pa.array(images, TEXT))
        return _image_rows(self._pods)

    def _distinct(self, rows: np.ndarray) -> tuple[np.ndarray, list[_Used]]:
        """Number the distinct (document, way to name a template) of the nodes and resolve each once."""
        fields, take = self._batch.fields, pa.array(rows)
        reference = members(fields["templateRef"])
        named = (fields["templateName"], fields["templateScope"], *(reference[name] for name in _REFERENCE))
        words = []
        numbers = self._batch.documents[rows]
        for array in named:
            encoded = pc.fill_null(array.take(take), "").dictionary_encode()
            words.append(encoded.dictionary.to_pylist())
            numbers = numbers * len(words[-1]) + encoded.indices.to_numpy()
        distinct, codes = np.unique(numbers, return_inverse=True)
        used: list[_Used] = []
        nameless: list[int] = []
        for code, number in enumerate(distinct.tolist()):
            texts = []
            for known in reversed(words):
                number, index = divmod(number, len(known))
                texts.append(known[index])
            clustered, ref_template, ref_name, scope, name = texts
            if not name and not ref_name:
                nameless.append(code)
            node = NodeTemplate(name, scope, ref_name, ref_template, clustered == "true")
            used.append((number, self._templates[number].resolve(node)))
        return (self._with_inline(rows, codes, used, nameless), used) if nameless else (codes, used)

    def _with_inline(self, rows: np.ndarray, codes: np.ndarray, used: list[_Used], nameless: list[int]) -> np.ndarray:
        """Give every node without a template's name a number and a template of its own."""
        codes = codes.copy()
        documents = [used[code][0] for code in nameless]
        for code, document, templates in zip(nameless, documents, self._whole_templates(documents), strict=True):
            try:
                find = inline_templates(_from_json(templates), self._nodes_of(document))
            except (Malformed, ValueError) as error:  # JSON to DuckDB, but not to Python
                raise vectors.Suspicious(np.array([document])) from error
            positions = np.flatnonzero(codes == code)
            codes[positions] = np.arange(len(used), len(used) + len(positions))
            ids = self._batch.ids.take(pa.array(rows[positions])).to_pylist()
            used.extend((document, find(node_id)) for node_id in ids)
        return codes

    def _nodes_of(self, document: int) -> dict[str, dict[str, Any]]:
        """The nodes of a document as far as their place and their templates go, by id."""
        first, end = np.searchsorted(self._batch.documents, [document, document + 1]).tolist()
        fields = self._batch.fields
        columns = {name: fields[name].slice(first, end - first).to_pylist() for name in _PLACE}
        references = columns["templateRef"]
        columns["templateRef"] = [r and {**r, "clusterScope": r["clusterScope"] == "true"} for r in references]
        rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
        return dict(zip(self._batch.ids.slice(first, end - first).to_pylist(), rows, strict=True))

    def _filled(self, document: int, template: Template, inputs: dict[str, str | None]) -> _Filled:
        """The image of a pod whose template is filled in with its inputs, and what its containers are."""
        if template.image is None:
            return None, frozenset()
        parameters = self._parameters[document]
        containers = frozenset((c.name, c.role, fill_image(c.image, inputs, parameters)) for c in template.containers)
        return fill_image(template.image, inputs, parameters), containers


def _from_json(members_: dict[str, dict[str, str | None]]) -> dict[str, Any]:
    return {
        member: {name: json.loads(text) for name, text in (part or {}).items() if text is not None}
        for member, part in members_.items()
    }


def _inputs_of(template: Template) -> set[str]:
    return set[str]().union(*(inputs_of_image(c.image) for c in template.containers if "{{" in c.image))


def _has_parameters(template: Template) -> bool:
    return any("{{" in c.image for c in template.containers)


def _image_rows(counts: Counter[_Image]) -> Part:
    documents = np.array([key[0] for key in counts], np.int64)
    rows = [(*key[1:], *split_image(key[4]), count) for key, count in counts.items()]
    columns = list(zip(*rows, strict=True)) or [()] * len(_IMAGE_COLUMNS)
    return documents, {
        name: pa.array(values, type_) for (name, type_), values in zip(_IMAGE_COLUMNS.items(), columns, strict=True)
    }


def _templates_of(document: dict[str, dict[str, pa.Array]]) -> list[Templates]:
    spec, status = document["spec"], document["status"]
    count = len(spec["templates"])
    own = _by_document(count, *explode(spec["templates"]))
    of_template = _by_document(count, *explode(members(status["storedWorkflowTemplateSpec"])["templates"]))
    owner, keys, values = explode_map(status["storedTemplates"])
    stored = _by_document(count, owner, values, keys)
    return [Templates(*three) for three in zip(own, of_template, stored, strict=True)]


def _by_document(
    count: int, owner: np.ndarray, templates: pa.StructArray, keys: pa.Array | None = None
) -> list[dict[str, Template]]:
    """Templates by document and name (or by the given key); the first of a name wins."""
    found: list[dict[str, Template]] = [{} for _ in range(count)]
    fields = members(templates)
    vectors.suspect(fields["name"].is_null(), owner)  # what is no object has no name either
    if keys is not None:
        vectors.suspect_repeats(owner, keys, owner)
    plain = pc.and_(
        pc.and_(members(fields["containerSet"])["containers"].is_null(), fields["initContainers"].is_null()),
        fields["sidecars"].is_null(),
    )
    container, script = members(fields["container"])["image"], members(fields["script"])["image"]
    simple = pc.and_(plain, pc.or_(container.is_null(), script.is_null())).to_pylist()
    named = fields["name"].to_pylist()
    images = pc.coalesce(container, script).to_pylist()
    labels = named if keys is None else keys.to_pylist()
    for i in range(len(templates)):
        label = labels[i]
        if not label or (keys is None and label in found[owner[i]]):
            continue
        found[owner[i]][label] = _simple(named[i], images[i]) if simple[i] else template_from_json(templates[i].as_py())
    return found


@lru_cache(maxsize=4096)
def _simple(name: str | None, image: str | None) -> Template:
    return template_from_json({"name": name, "container": {"image": image}})
