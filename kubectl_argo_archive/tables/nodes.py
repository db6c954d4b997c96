"""The table ``nodes``: typed columns, and the graph between nodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kubectl_argo_archive.argo import names
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
        "exit_code": vectors.exit_codes(outputs["exitCode"]),
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
    order = np.argsort(child, kind="stable")
    order = order[np.searchsorted(child[order], 0) :]  # a retry leaves children behind that are no nodes any more
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
        vectors.suspect_repeats(documents, ids, documents)
        ids = _within(documents, ids)
        wanted = _within(wanted_in, wanted)
    found: np.ndarray = pc.fill_null(pc.index_in(wanted, value_set=ids), -1).to_numpy().astype(np.int64)
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
    logs = vectors.truth(pc.ends_with(members(artifacts)["name"], "-logs"))
    wanted = np.flatnonzero(logs & (position[owner] >= 0) & unknown[documents[owner]])
    nodes = owner[wanted]
    keys = members(members(artifacts.take(pa.array(wanted)))["s3"])["key"]
    vectors.suspect(keys.is_null(), documents[nodes])  # another store: the exact path knows its key
    pods = pa.array(position[nodes])
    for node, key, old, new in zip(
        nodes.tolist(),
        keys.to_pylist(),
        version_1.take(pods).to_pylist(),
        version_2.take(pods).to_pylist(),
        strict=True,
    ):
        if new != old and f"/{new}/" in key:
            found[documents[node]] = True
    return found
