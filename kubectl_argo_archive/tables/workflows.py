"""The table ``workflows``: what a document says of itself, and sums over its nodes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kubectl_argo_archive.argo import names
from kubectl_argo_archive.tables import vectors
from kubectl_argo_archive.tables.arguments import Part
from kubectl_argo_archive.tables.nodes import NodeBatch
from kubectl_argo_archive.tables.parse import explode, explode_map, members
from kubectl_argo_archive.tables.schema import INT, SMALL, TEXT, TEXT_MAP


def arguments_of(part: Part, count: int) -> list[dict[str, str | None]]:
    """``spec.arguments.parameters`` of each document as a dictionary."""
    documents, columns = part
    found: list[dict[str, str | None]] = [{} for _ in range(count)]
    for document, name, value in zip(
        documents.tolist(), columns["name"].to_pylist(), columns["value"].to_pylist(), strict=True
    ):
        found[document][name] = value
    return found


def workflow_columns(
    document: dict[str, dict[str, pa.Array]],
    nodes: NodeBatch,
    arguments: list[dict[str, str | None]],
) -> dict[str, pa.Array]:
    """The columns of the table ``workflows`` that come from the document.

    Args:
        document: the members of ``metadata``, ``spec`` and ``status``.
        nodes: their nodes.
        arguments: for each document, ``spec.arguments.parameters``.
    """
    metadata, spec, status = document["metadata"], document["spec"], document["status"]
    stored = members(status["storedWorkflowTemplateSpec"])
    count = len(nodes.retries)
    owners = nodes.documents
    everyone = np.arange(count)
    label, annotation = _lookup(metadata["labels"]), _lookup(metadata["annotations"])
    reference = members(spec["workflowTemplateRef"])
    referred = pc.and_(reference["name"].is_valid(), pc.not_equal(pc.fill_null(reference["name"], ""), ""))
    clustered = vectors.flags(reference["clusterScope"])
    nothing = pa.scalar(None, TEXT)

    def template(mine: pa.BooleanArray, name: str) -> pa.Array:
        return pc.if_else(referred, pc.if_else(mine, reference["name"], nothing), label(name))

    def first(name: str) -> pa.Array:
        return pc.coalesce(spec[name], stored[name])

    def count_nodes(mask: pa.BooleanArray) -> pa.Array:
        return pa.array(np.bincount(owners[vectors.truth(mask)], minlength=count), SMALL)

    started, finished = vectors.times(status["startedAt"], everyone), vectors.times(status["finishedAt"], everyone)
    cron = label(names.LABEL_CRON_WORKFLOW)
    return {
        "generate_name": metadata["generateName"],
        "phase": status["phase"],
        "created_at": vectors.times(metadata["creationTimestamp"], everyone),
        "started_at": started,
        "finished_at": finished,
        "duration_s": vectors.seconds(started, finished),
        "message": status["message"],
        "progress": status["progress"],
        "entrypoint": first("entrypoint"),
        "service_account": first("serviceAccountName"),
        "workflow_template": template(pc.invert(clustered), names.LABEL_WORKFLOW_TEMPLATE),
        "cluster_workflow_template": template(clustered, names.LABEL_CLUSTER_WORKFLOW_TEMPLATE),
        "cron_workflow": pc.if_else(pc.equal(cron, "").fill_null(True), _cron_owner(metadata["ownerReferences"]), cron),
        "scheduled_at": vectors.times(annotation(names.ANNOTATION_SCHEDULED_TIME), everyone),
        "creator": label(names.LABEL_CREATOR),
        "creator_email": label(names.LABEL_CREATOR_EMAIL),
        "actor": label(names.LABEL_ACTOR),
        "action": label(names.LABEL_ACTION),
        "resubmitted_from": label(names.LABEL_RESUBMITTED_FROM),
        "shutdown": spec["shutdown"],
        "priority": vectors.integers(first("priority"), SMALL, everyone),
        "parallelism": vectors.integers(first("parallelism"), INT, everyone),
        "node_count": pa.array(np.bincount(owners, minlength=count), SMALL),
        "pod_count": count_nodes(pc.equal(nodes.columns["type"], "Pod")),
        "retry_count": pa.array(nodes.retries, SMALL),
        "failed_node_count": count_nodes(pc.is_in(nodes.columns["phase"], value_set=pa.array(names.FAILED_PHASES))),
        **vectors.resources(status["resourcesDuration"], everyone),
        "estimated_duration_s": vectors.integers(status["estimatedDuration"], INT, everyone),
        "labels": metadata["labels"],
        "annotations": metadata["annotations"],
        "parameters": pa.array([list(mine.items()) for mine in arguments], TEXT_MAP),
    }  # fmt: skip


def _lookup(array: pa.MapArray) -> Callable[[str], pa.Array]:
    """A function from a key to its value in each map."""
    owner, keys, values = explode_map(array)
    vectors.suspect_repeats(owner, keys, owner)

    def find(name: str) -> pa.Array:
        mine = vectors.truth(pc.equal(keys, name))
        return vectors.scatter(len(array), owner[mine], values.filter(pa.array(mine)))

    return find


def _cron_owner(owners: pa.ListArray) -> pa.Array:
    """The name of the first owner that is a CronWorkflow."""
    rows, structs = explode(owners)
    fields = members(structs)
    vectors.suspect(fields["kind"].is_null(), rows)
    cron = vectors.truth(pc.equal(fields["kind"], "CronWorkflow"))
    rows, found = rows[cron], fields["name"].filter(pa.array(cron))
    _, first = np.unique(rows, return_index=True)
    return vectors.scatter(len(owners), rows[first], found.take(pa.array(first)))
