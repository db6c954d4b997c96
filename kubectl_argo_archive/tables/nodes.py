"""The table ``nodes``: typed columns, the graph between nodes, and the images that they ran."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kubectl_argo_archive.argo import names
from kubectl_argo_archive.argo.images import fill_image, split_image
from kubectl_argo_archive.argo.templates import NodeTemplate, Template, Templates, template_from_json
from kubectl_argo_archive.tables import vectors
from kubectl_argo_archive.tables.parse import explode, explode_map, members
from kubectl_argo_archive.tables.schema import INT, SMALL, TEXT


@dataclass(slots=True)
class NodeBatch:
    """All nodes of a batch of documents.

    Attributes:
        documents: for each node, the index of its document.
        ids: for each node, its id (the key in ``status.nodes``).
        fields: the members of the nodes, one array each.
        columns: finished columns of the table ``nodes``.
        retries: for each document, attempts beyond the first.
    """

    documents: np.ndarray
    ids: pa.StringArray
    fields: dict[str, pa.Array]
    columns: dict[str, pa.Array]
    retries: np.ndarray


def node_columns(nodes: pa.MapArray, workflow: pa.StringArray, annotations: pa.MapArray) -> NodeBatch:
    """Everything about nodes but their images.

    Args:
        nodes: ``status.nodes`` of each document.
        workflow: the name of each document's workflow.
        annotations: ``metadata.annotations`` of each document.
    """
    documents, ids, structs = explode_map(nodes)
    fields = members(structs)
    if structs.null_count:
        vectors.suspect(structs.is_null(), documents)
    vectors.suspect(pc.and_(fields["type"].is_null(), fields["name"].is_null()), documents)
    outputs, memo = members(fields["outputs"]), members(fields["memoizationStatus"])
    waiting = members(fields["synchronizationStatus"])["waiting"]
    vectors.suspect(pc.match_substring_regex(waiting, r"^[\[{]"), documents)
    started, finished = (vectors.times(fields[name], documents) for name in ("startedAt", "finishedAt"))
    memoized = vectors.flags(memo["hit"])
    columns = {
        "node_id": ids,
        "name": fields["name"],
        "display_name": fields["displayName"],
        "type": fields["type"],
        "template_name": fields["templateName"],
        "template_ref": _reference(fields["templateRef"]),
        "template_scope": fields["templateScope"],
        "boundary_id": fields["boundaryID"],
        "phase": fields["phase"],
        "message": fields["message"],
        "created_at": vectors.times(fields["createdAt"], documents),
        "started_at": started,
        "finished_at": finished,
        "duration_s": vectors.seconds(started, finished),
        "exit_code": vectors.integers(outputs["exitCode"], INT, documents),
        "host": fields["hostNodeName"],
        **vectors.resources(fields["resourcesDuration"], documents),
        "estimated_duration_s": vectors.integers(fields["estimatedDuration"], INT, documents),
        "progress": fields["progress"],
        "memoized": memoized,
        "memo_key": memo["key"],
        "memo_cache": memo["cacheName"],
        "daemoned": vectors.flags(fields["daemoned"]),
        "hooked": vectors.flags(members(fields["nodeFlag"])["hooked"]),
        "outputs_result": outputs["result"],
        "sync_waiting": waiting,
        "failed_pod_restarts": vectors.integers(fields["failedPodRestarts"], SMALL, documents),
        "pod_ip": fields["podIP"],
    }
    retries = _graph(columns, fields["children"], documents, len(nodes))
    columns["pod_name"] = _pods(columns, fields, documents, workflow, annotations)
    return NodeBatch(documents, ids, fields, columns, retries)


def _reference(reference: pa.StructArray) -> pa.StringArray:
    parts = members(reference)
    if reference.null_count == len(reference):
        return pa.nulls(len(reference), TEXT)
    joined = pc.binary_join_element_wise(pc.fill_null(parts["name"], ""), pc.fill_null(parts["template"], ""), "/")
    return pc.if_else(reference.is_valid(), joined, pa.scalar(None, TEXT))


def _graph(columns: dict[str, pa.Array], children: pa.ListArray, documents: np.ndarray, count: int) -> np.ndarray:
    """Add parents, children and attempts; return each document's attempts beyond the first."""
    ids = columns["node_id"]
    parent, child_ids = explode(children)
    columns["children"] = vectors.lists(len(ids), parent, child_ids)
    child = _find(ids, documents, child_ids, documents[parent])
    vectors.suspect(child < 0, documents[parent])  # a child that is no node: rare enough for the exact path
    order = np.argsort(child, kind="stable")
    child, parent = child[order], parent[order]
    repeated = np.zeros(len(child), bool)
    repeated[1:] = (child[1:] == child[:-1]) & (parent[1:] == parent[:-1])
    child, parent = child[~repeated], parent[~repeated]
    columns["parent_ids"] = vectors.lists(len(ids), child, ids.take(pa.array(parent)))

    is_retry = vectors.truth(pc.equal(columns["type"], "Retry"))
    edges = is_retry[parent]
    child, parent = child[edges], parent[edges]
    attempt = np.full(len(ids), -1, np.int64)
    extra = np.zeros(count, np.int64)
    if len(child):
        names_ = columns["name"]
        split = pc.extract_regex(names_.take(pa.array(child)), r"(?s)^(?P<base>.*)\((?P<n>[0-9]{1,9})\)$")
        base, number = split.flatten()
        same = vectors.truth(pc.equal(base, names_.take(pa.array(parent))))
        child, parent = child[same], parent[same]
        numbers = number.filter(pa.array(same)).cast(pa.int64()).to_numpy()
        # the first parent of a node decides, as in the exact path
        attempt[child[::-1]] = numbers[::-1]
        attempts = np.bincount(parent, minlength=len(ids))
        np.add.at(extra, documents, np.maximum(attempts - 1, 0))
    columns["retry_attempt"] = pa.array(attempt, SMALL, mask=attempt < 0)
    return extra


def _find(ids: pa.StringArray, documents: np.ndarray, wanted: pa.StringArray, wanted_in: np.ndarray) -> np.ndarray:
    """For each wanted id, the row that has it in the same document, else -1.

    Ids are unique within a document only; across a batch they mostly are, which saves building longer keys.
    """
    if len(pc.unique(ids)) != len(ids):
        ids = _within(documents, ids)
        wanted = _within(wanted_in, wanted)
        if len(pc.unique(ids)) != len(ids):
            return np.full(len(wanted), -1, np.int64)  # a document repeats a key: the exact path decides
    found = pc.fill_null(pc.index_in(wanted, value_set=ids), -1).to_numpy().astype(np.int64)
    if len(found):
        found[(found >= 0) & (documents[found] != wanted_in)] = -1
    return found


def _within(documents: np.ndarray, ids: pa.StringArray) -> pa.StringArray:
    return pc.binary_join_element_wise(pa.array(documents).cast(TEXT), ids, "/")


def _pods(columns: dict[str, pa.Array], fields: dict[str, pa.Array], documents: np.ndarray,
          workflow: pa.StringArray, annotations: pa.MapArray) -> pa.StringArray:  # fmt: skip
    """Pod names in the format of each document."""
    is_pod = pc.and_(pc.equal(columns["type"], "Pod"), pc.invert(columns["memoized"]))
    rows = np.flatnonzero(vectors.truth(is_pod))
    take = pa.array(rows)
    template = pc.coalesce(members(fields["templateRef"])["template"], fields["templateName"]).take(take)
    workflows = pc.fill_null(workflow.take(pa.array(documents[rows])), "")
    version_2 = vectors.pod_names(workflows, pc.fill_null(columns["name"].take(take), ""), template)
    version_1 = columns["node_id"].take(take)
    owner, keys, values = explode_map(annotations)
    mine = vectors.truth(pc.equal(keys, names.ANNOTATION_POD_NAME_FORMAT))
    formats = vectors.scatter(len(annotations), owner[mine], values.filter(pa.array(mine)))
    known = pc.is_in(formats, value_set=pa.array(["v1", "v2"]))
    second = vectors.truth(pc.equal(formats, "v2"))
    unknown = ~vectors.truth(known)
    if unknown[documents[rows]].any():
        second = second | _logs_say_v2(fields, documents, rows, version_1, version_2, unknown)
    chosen = pc.if_else(pa.array(second[documents[rows]]), version_2, version_1)
    return vectors.scatter(len(documents), rows, chosen)


def _logs_say_v2(fields: dict[str, pa.Array], documents: np.ndarray, rows: np.ndarray, version_1: pa.Array,
                 version_2: pa.Array, unknown: np.ndarray) -> np.ndarray:  # fmt: skip
    """Documents without a pod name format of which a recorded log key holds a v2 name."""
    found = np.zeros(len(unknown), bool)
    position = np.full(len(documents), -1, np.int64)
    position[rows] = np.arange(len(rows))
    owner, artifacts = explode(members(fields["outputs"])["artifacts"])
    wanted = np.flatnonzero((position[owner] >= 0) & unknown[documents[owner]])
    artifact = artifacts.take(pa.array(wanted))
    parts = members(artifact)
    for node, name, key in zip(
        owner[wanted].tolist(),
        parts["name"].to_pylist(),
        members(parts["s3"])["key"].to_pylist(),
        strict=True,
    ):
        if key is None:
            raise vectors.Suspicious(documents[node : node + 1])  # another store: the exact path knows its key
        pod = version_2[int(position[node])].as_py()
        if (name or "").endswith("-logs") and f"/{pod}/" in key and pod != version_1[int(position[node])].as_py():
            found[documents[node]] = True
    return found


class TemplateImages:
    """Which image each node ran, and how many pods ran which image.

    Args:
        batch: the nodes.
        document: the members of the documents.
        parameters: for each document, the workflow's arguments.
        inline: for a document, a function from a node's id to the template written inside a step or task.
        inputs: from a node's row to its input parameters.
    """

    def __init__(self, batch: NodeBatch, document: dict[str, dict[str, pa.Array]], parameters: list[dict[str, str | None]],
                 inline: Callable[[int], Callable[[str], Template | None]],
                 inputs: Callable[[int], dict[str, str | None]]) -> None:  # fmt: skip
        self._batch = batch
        self._inputs = inputs
        self._parameters = parameters
        self._inline = inline
        self._templates = _templates_of(document)

    def add_images(self) -> dict[str, list[Any]]:
        """Add the column ``image`` and return the columns of the table ``images`` with ``document``."""
        batch, fields = self._batch, self._batch.fields
        kind = fields["type"]
        nothing = pc.is_in(fields["phase"], value_set=pa.array(names.PHASES_THAT_RAN_NOTHING))
        ran = pc.and_not(
            pc.is_in(kind, value_set=pa.array(["Pod", "Container"])), pc.or_(batch.columns["memoized"], nothing)
        )
        rows = np.flatnonzero(vectors.truth(ran))
        codes, used = self._distinct(rows)
        is_pod = vectors.truth(pc.equal(kind, "Pod"))[rows]
        images = np.full(len(rows), None, object)
        counts: dict[tuple[int, str | None, str, str, str], int] = {}
        pods = np.bincount(codes[is_pod], minlength=len(used))
        by_node = np.zeros(len(used), bool)
        for code, (document, template) in enumerate(used):
            if template is None:
                continue
            parametrised = any("{{" in c.image for c in template.containers)
            several = sum(c.role == "main" for c in template.containers) > 1
            by_node[code] = parametrised or several
            if not parametrised and template.image is not None and pods[code]:
                for c in set(template.containers):
                    key = (document, template.name, c.name, c.role, c.image)
                    counts[key] = counts.get(key, 0) + int(pods[code])
        plain = np.array([t.image if t is not None else None for _, t in used], object)
        if len(rows):
            images[:] = plain[codes]
        for position in np.flatnonzero(by_node[codes] | ~is_pod).tolist():
            self._image_of_node(rows, position, used[codes[position]], bool(is_pod[position]), images, counts)
        batch.columns["image"] = vectors.scatter(len(kind), rows, pa.array(images, TEXT))
        return _image_rows(counts)

    def _distinct(self, rows: np.ndarray) -> tuple[np.ndarray, list[tuple[int, Template | None]]]:
        """Number the distinct (document, way to name a template) of the nodes and resolve each once."""
        fields, documents = self._batch.fields, self._batch.documents[rows]
        take = pa.array(rows)
        reference = members(fields["templateRef"])
        parts = [
            pa.array(documents).cast(TEXT),
            *(pc.fill_null(array.take(take), "") for array in
              (fields["templateName"], fields["templateScope"], reference["name"], reference["template"], reference["clusterScope"])),
        ]  # fmt: skip
        encoded = pc.binary_join_element_wise(*parts, "\x1f").dictionary_encode()
        used: list[tuple[int, Template | None]] = []
        nameless: list[int] = []
        for code, text in enumerate(encoded.dictionary.to_pylist()):
            document, name, scope, ref_name, ref_template, clustered = text.split("\x1f")
            if not name and not ref_name:
                nameless.append(code)
            node = NodeTemplate(name, scope, ref_name, ref_template, clustered == "true")
            used.append((int(document), self._templates[int(document)].resolve(node)))
        codes = encoded.indices.to_numpy()
        return (self._inline_templates(rows, codes, used, nameless), used) if nameless else (codes, used)

    def _inline_templates(self, rows: np.ndarray, codes: np.ndarray, used: list[tuple[int, Template | None]],
                          nameless: list[int]) -> np.ndarray:  # fmt: skip
        """Give every node without a template's name a number and a template of its own."""
        codes = codes.copy()
        for code in nameless:
            document = used[code][0]
            find = self._inline(document)
            for position in np.flatnonzero(codes == code).tolist():
                codes[position] = len(used)
                used.append((document, find(self._batch.ids[int(rows[position])].as_py())))
        return codes

    def _image_of_node(self, rows: np.ndarray, position: int, used: tuple[int, Template | None], is_pod: bool,
                       images: np.ndarray, counts: dict[tuple[int, str | None, str, str, str], int]) -> None:  # fmt: skip
        document, template = used
        row = int(rows[position])
        if template is None:
            return
        shown = self._batch.fields["displayName"][row].as_py()
        image = template.image if is_pod else template.image_of(shown)
        parametrised = any("{{" in c.image for c in template.containers)
        workflow = self._parameters[document]
        inputs = self._inputs(row) if parametrised else {}
        images[position] = fill_image(image, inputs, workflow) if image else None
        if is_pod and parametrised and image is not None:
            for key in {(document, template.name, c.name, c.role, fill_image(c.image, inputs, workflow)) for c in template.containers}:  # fmt: skip
                counts[key] = counts.get(key, 0) + 1


def _image_rows(counts: dict[tuple[int, str | None, str, str, str], int]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {
        name: [] for name in ("document", "template_name", "container", "role", "image", "repository", "tag", "digest", "pod_count")
    }  # fmt: skip
    for key, count in counts.items():
        for name, value in zip(found, (*key, *split_image(key[4]), count), strict=True):
            found[name].append(value)
    return found


def _templates_of(document: dict[str, dict[str, pa.Array]]) -> list[Templates]:
    spec, status = document["spec"], document["status"]
    count = len(spec["templates"])
    own = _by_document(count, *explode(spec["templates"]))
    of_template = _by_document(count, *explode(members(status["storedWorkflowTemplateSpec"])["templates"]))
    owner, keys, values = explode_map(status["storedTemplates"])
    stored = _by_document(count, owner, values, keys)
    return [Templates(*three) for three in zip(own, of_template, stored, strict=True)]


def _by_document(count: int, owner: np.ndarray, templates: pa.StructArray, keys: pa.Array | None = None) -> list[dict[str, Template]]:
    """Templates by document and name (or by the given key); the first of a name wins."""
    found: list[dict[str, Template]] = [{} for _ in range(count)]
    fields = members(templates)
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


def _simple(name: str | None, image: str | None) -> Template:
    return template_from_json({"name": name, "container": {"image": image}})
