"""The referee: every row that a workflow's JSON must give, computed in plain Python, one value at a time.

It shares nothing with the package but the names of the columns. Where ``tables/schema.py`` leaves a choice
open, the rules are these:

* A missing key and ``null`` are None; an empty string stays empty. Lists and maps of a row are None when their
  key is missing; only a node's ``children`` and ``parent_ids`` and a workflow's ``parameters`` are empty then.
* A value of any JSON type becomes text: a string as it is, a number, true and false as they are written, an
  object or array as JSON without spaces, with the document's key order and spelling of numbers.
* Times are UTC, cut to microseconds; Go's zero time is None.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from oracle_templates import Templates
from oracle_values import (
    Row,
    artifact_location,
    as_text,
    compact,
    exit_code,
    first,
    fnv32a,
    integer,
    json_type,
    parse,
    period,
    resources,
    time,
)

from kubectl_argo_archive.tables import schema

NUL_MARKER = "ARGO_POSTGRES_NULL_REPLACEMENT"
LABEL = "workflows.argoproj.io/"


def expected_rows(
    document_text: str,
    cluster: str,
    uid: str,
    *,
    instance_id: str = "",
    version: int = 1,
    name: str | None = None,
    namespace: str | None = None,
    phase: str | None = None,
    nodes_text: str | None = None,
    source_revision: str | None = None,
    export_id: str | None = None,
) -> dict[str, list[Row]]:
    """All rows of one archived workflow, by table.

    Args:
        document_text: the JSON as the source gives it, with Argo's NUL marker.
        cluster, uid, instance_id, version: as in the row's own columns.
        name, namespace, phase: the row's own columns, for a document that lacks them.
        nodes_text: JSON of the nodes, where they are compressed or off-loaded.
    """
    text = document_text.replace(NUL_MARKER, "\\u0000")
    document = parse(text)
    if nodes_text is not None:
        document["status"]["nodes"] = parse(nodes_text.replace(NUL_MARKER, "\\u0000"))
    workflow = Workflow(document)
    workflow.name = first(workflow.name, name)
    workflow.namespace = first(workflow.namespace, namespace)
    workflow.phase = first(workflow.phase, phase)

    key = {"cluster": cluster, "uid": uid, "version": version, "export_id": export_id}
    of_workflow = {**key, "namespace": workflow.namespace, "workflow": workflow.name}
    head = workflow.row() | {
        **key,
        "instance_id": instance_id,
        "json_bytes": len(document_text.encode()),
        "source_revision": source_revision,
    }
    rows = {
        "workflows": [head],
        "nodes": [of_workflow | row for row in workflow.node_rows()],
        "parameters": [of_workflow | row for row in workflow.parameter_rows()],
        "artifacts": [of_workflow | row for row in workflow.artifact_rows()],
        "labels": [of_workflow | {"name": n, "value": v} for n, v in (workflow.labels or {}).items()],
        "conditions": [
            of_workflow | {column: condition.get(column) for column in ("type", "status", "message")}
            for condition in workflow.status.get("conditions") or []
        ],
        "images": [of_workflow | row for row in workflow.templates.image_rows()],
        "raw": [{**key, "json": text}],
    }
    for table, found in rows.items():
        columns = {column.name for column in schema.BY_NAME[table].columns}
        assert all(set(row) == columns for row in found), (table, [set(row) ^ columns for row in found][:1])
    return rows


class Workflow:
    """One document, and what follows from it."""

    def __init__(self, document: Row) -> None:
        self.metadata: Row = document.get("metadata") or {}
        self.spec: Row = document.get("spec") or {}
        self.status: Row = document.get("status") or {}
        self.name = self.metadata.get("name")
        self.namespace = self.metadata.get("namespace")
        self.phase = self.status.get("phase")
        self.labels = self.metadata.get("labels")
        self.annotations = self.metadata.get("annotations")
        self.nodes: dict[str, Row] = self.status.get("nodes") or {}
        self.stored_spec: Row = self.status.get("storedWorkflowTemplateSpec") or {}
        self.arguments: Row = self.spec.get("arguments") or {}
        self.templates = Templates(self.spec, self.status, self.nodes)
        self.pods = {node_id: node for node_id, node in self.nodes.items() if node.get("type") == "Pod"}
        self.parents: dict[str, list[str]] = {}
        for node_id, node in self.nodes.items():
            for child in dict.fromkeys(node.get("children") or []):
                self.parents.setdefault(child, []).append(node_id)
        self.attempts = self._attempts()
        self.v2_names = self._uses_v2_names()

    # ---- workflows

    def row(self) -> Row:
        namespaced_template, cluster_template = self._workflow_templates()
        owners = [o.get("name") for o in self.metadata.get("ownerReferences") or [] if o.get("kind") == "CronWorkflow"]
        attempts = [len(numbers) for numbers in self.attempts_by_retry.values()]
        parameters = self.arguments.get("parameters") or []
        return {
            "name": self.name,
            "generate_name": self.metadata.get("generateName"),
            "namespace": self.namespace,
            "phase": self.phase,
            "created_at": time(self.metadata.get("creationTimestamp")),
            **period(self.status),
            "message": self.status.get("message"),
            "progress": self.status.get("progress"),
            "entrypoint": self._of_spec("entrypoint"),
            "service_account": self._of_spec("serviceAccountName"),
            "workflow_template": namespaced_template,
            "cluster_workflow_template": cluster_template,
            "cron_workflow": first(self._label("cron-workflow"), *owners),
            "scheduled_at": time((self.annotations or {}).get(f"{LABEL}scheduled-time")),
            "creator": self._label("creator"),
            "creator_email": self._label("creator-email"),
            "actor": self._label("actor"),
            "action": self._label("action"),
            "resubmitted_from": self._label("resubmitted-from-workflow"),
            "shutdown": self.spec.get("shutdown"),
            "priority": integer(self._of_spec("priority")),
            "parallelism": integer(self._of_spec("parallelism")),
            "node_count": len(self.nodes),
            "pod_count": len(self.pods),
            "retry_count": sum(max(0, count - 1) for count in attempts),
            "failed_node_count": sum(1 for node in self.nodes.values() if node.get("phase") in ("Failed", "Error")),
            **resources(self.status.get("resourcesDuration")),
            "estimated_duration_s": integer(self.status.get("estimatedDuration")),
            "labels": self.labels,
            "annotations": self.annotations,
            "parameters": {parameter.get("name"): as_text(parameter.get("value")) for parameter in parameters},
        }

    def _workflow_templates(self) -> tuple[str | None, str | None]:
        """The namespaced and the cluster template: by reference, only without one by label."""
        reference = self.spec.get("workflowTemplateRef")
        if reference is None:
            return self._label("workflow-template"), self._label("cluster-workflow-template")
        name = reference.get("name")
        return (None, name) if reference.get("clusterScope") is True else (name, None)

    def _of_spec(self, key: str) -> Any:
        return first(self.spec.get(key), self.stored_spec.get(key))

    def _label(self, name: str) -> str | None:
        return (self.labels or {}).get(LABEL + name)

    # ---- nodes

    def _attempts(self) -> dict[str, int]:
        """Number of each attempt by node id; per Retry node in ``attempts_by_retry``."""
        self.attempts_by_retry: dict[str, list[int]] = {}
        found: dict[str, int] = {}
        for retry_id, retry in self.nodes.items():
            if retry.get("type") != "Retry":
                continue
            numbers = self.attempts_by_retry.setdefault(retry_id, [])
            for child_id in retry.get("children") or []:
                child_name = (self.nodes.get(child_id) or {}).get("name") or ""
                match = re.fullmatch(re.escape(retry.get("name") or "") + r"\(([0-9]+)\)", child_name)
                if match:
                    found[child_id] = int(match[1])
                    numbers.append(int(match[1]))
        return found

    def node_rows(self) -> Iterator[Row]:
        for node_id, node in self.nodes.items():
            outputs = node.get("outputs") or {}
            reference = node.get("templateRef")
            memo = node.get("memoizationStatus") or {}
            yield {
                "node_id": node_id,
                "name": node.get("name"),
                "display_name": node.get("displayName"),
                "type": node.get("type"),
                "template_name": node.get("templateName"),
                "template_ref": f"{reference.get('name')}/{reference.get('template')}" if reference else None,
                "template_scope": node.get("templateScope"),
                "boundary_id": node.get("boundaryID"),
                "parent_ids": self.parents.get(node_id, []),
                "children": node.get("children") or [],
                "phase": node.get("phase"),
                "message": node.get("message"),
                "created_at": time(node.get("createdAt")),
                **period(node),
                "exit_code": exit_code(outputs.get("exitCode")),
                "retry_attempt": self.attempts.get(node_id),
                "host": node.get("hostNodeName"),
                "pod_name": self.pod_name(node_id, node),
                "image": self.templates.images[node_id],
                **resources(node.get("resourcesDuration")),
                "estimated_duration_s": integer(node.get("estimatedDuration")),
                "progress": node.get("progress"),
                "memoized": memo.get("hit") is True,
                "memo_key": memo.get("key"),
                "memo_cache": memo.get("cacheName"),
                "daemoned": node.get("daemoned") is True,
                "hooked": (node.get("nodeFlag") or {}).get("hooked") is True,
                "outputs_result": as_text(outputs.get("result")),
                "sync_waiting": (node.get("synchronizationStatus") or {}).get("waiting"),
                "failed_pod_restarts": integer(node.get("failedPodRestarts")),
                "pod_ip": node.get("podIP"),
            }

    # ---- names of pods

    def pod_name(self, node_id: str, node: Row) -> str | None:
        if node_id not in self.pods or (node.get("memoizationStatus") or {}).get("hit") is True:
            return None
        return self._v2_name(node) if self.v2_names else node_id

    def _v2_name(self, node: Row) -> str:
        workflow = self.name or ""
        if node.get("name") == workflow:
            return workflow
        template = (node.get("templateRef") or {}).get("template") or node.get("templateName")
        prefix = f"{workflow}-{template}" if template else workflow
        return f"{prefix[:242]}-{fnv32a(node.get('name') or '')}"

    def _uses_v2_names(self) -> bool:
        annotation = (self.annotations or {}).get(f"{LABEL}pod-name-format")
        if annotation is not None:
            return bool(annotation != "v1")
        for node_id, node in self.pods.items():
            v2_name = self._v2_name(node)
            for artifact in (node.get("outputs") or {}).get("artifacts") or []:
                key = artifact_location(artifact)["key"] or ""
                is_log = (artifact.get("name") or "").endswith("-logs")
                if is_log and v2_name != node_id and f"/{v2_name}/" in key:
                    return True
        return False

    # ---- parameters and artifacts

    def _holders(self) -> Iterator[tuple[Row, Row]]:
        """Everything that has parameters and artifacts, with the columns that say whose they are."""
        yield {"scope": "workflow", "direction": "in", "node_id": None}, self.arguments
        yield {"scope": "workflow", "direction": "out", "node_id": None}, self.status.get("outputs") or {}
        for node_id, node in self.nodes.items():
            yield {"scope": "node", "direction": "in", "node_id": node_id}, node.get("inputs") or {}
            yield {"scope": "node", "direction": "out", "node_id": node_id}, node.get("outputs") or {}

    def parameter_rows(self) -> Iterator[Row]:
        for whose, holder in self._holders():
            for parameter in holder.get("parameters") or []:
                yield {
                    **whose,
                    "name": parameter.get("name"),
                    "value": as_text(parameter.get("value")),
                    "value_type": json_type(parameter.get("value")),
                    "default_value": as_text(parameter.get("default")),
                    "value_from": None if parameter.get("valueFrom") is None else compact(parameter["valueFrom"]),
                    "global_name": parameter.get("globalName"),
                }

    def artifact_rows(self) -> Iterator[Row]:
        for whose, holder in self._holders():
            for artifact in holder.get("artifacts") or []:
                yield {
                    **whose,
                    "name": artifact.get("name"),
                    "path": artifact.get("path"),
                    **artifact_location(artifact),
                    "global_name": artifact.get("globalName"),
                    "from_expression": first(artifact.get("from"), artifact.get("fromExpression")),
                    "sub_path": artifact.get("subPath"),
                    "optional": artifact.get("optional") is True,
                    "deleted": artifact.get("deleted") is True,
                }
