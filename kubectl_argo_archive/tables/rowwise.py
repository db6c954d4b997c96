"""One document to rows, in plain Python: slow, exact, and the definition of what the columns mean.

The fast path (:mod:`kubectl_argo_archive.native.flatten`) hands over every document that it is not sure about; a
property test holds the two against each other.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from kubectl_argo_archive.argo import names
from kubectl_argo_archive.argo.images import fill_image, split_image
from kubectl_argo_archive.argo.pods import pod_name_v2
from kubectl_argo_archive.argo.templates import NodeTemplate, Template, Templates, template_from_json
from kubectl_argo_archive.tables.document import Field, Malformed, compact, parse, value_text, value_type

_INLINE_DEPTH = 20
"""How deep templates written inside templates are followed; a broken document may point in circles."""

Row = dict[str, Any]
Rows = dict[str, list[Row]]


def flatten_document(data: bytes) -> Rows:
    """Rows of every workflow table but ``raw``, without the columns that name the workflow.

    Raises:
        Malformed: with the place in the document and the reason.
    """
    document = Field(parse(data), "")
    metadata, spec, status = document["metadata"], document["spec"], document["status"]
    if not status.members() and not metadata.members():
        raise Malformed("not a workflow: neither metadata nor status")
    for leftover in ("compressedNodes", "offloadNodeStatusVersion"):
        if status[leftover].text() and not status["nodes"].members():
            raise Malformed(f"status.{leftover}: the nodes are stored elsewhere and could not be read")
    parameters, artifacts = _arguments(spec["arguments"], "workflow", "in", None)
    _extend(parameters, artifacts, _arguments(status["outputs"], "workflow", "out", None))
    nodes = _Nodes(document)
    for node_id, node in status["nodes"].fields():
        if node.value is None:
            raise Malformed(f"{node.path}: expected an object, found null")
        _extend(parameters, artifacts, _arguments(node["inputs"], "node", "in", node_id))
        _extend(parameters, artifacts, _arguments(node["outputs"], "node", "out", node_id))
        nodes.add(node_id, node)
    node_rows = nodes.rows()
    return {
        "workflows": [_workflow(metadata, spec, status, nodes, node_rows)],
        "nodes": node_rows,
        "parameters": parameters,
        "artifacts": artifacts,
        "labels": [{"name": name, "value": value} for name, value in metadata["labels"].texts().items()],
        "conditions": [
            {name: item[name].text() for name in ("type", "status", "message")}
            for item in status["conditions"].objects()
        ],
        "images": nodes.images(),
    }


def _template_of(templates: Templates, nodes: dict[str, Any], node_id: str | None, depth: int = 0) -> Template | None:
    """The template that a node ran, by its name or, without one, inside the template around it."""
    node = nodes.get(node_id or "")
    if node is None or depth > _INLINE_DEPTH:
        return None
    reference = node.get("templateRef") or {}
    named = NodeTemplate(
        node.get("templateName"),
        node.get("templateScope"),
        reference.get("name"),
        reference.get("template"),
        reference.get("clusterScope") is True,
    )
    if named.name or named.ref_name:
        return templates.resolve(named)
    around = _template_of(templates, nodes, node.get("boundaryID"), depth + 1)
    if around is None:
        return None
    shown = node.get("displayName") or ""
    return around.inline.get(shown) or around.inline.get(shown.partition("(")[0])


def _extend(parameters: list[Row], artifacts: list[Row], more: tuple[list[Row], list[Row]]) -> None:
    parameters.extend(more[0])
    artifacts.extend(more[1])


def _seconds(started: datetime | None, finished: datetime | None) -> float | None:
    return (finished - started).total_seconds() if started and finished else None


def _resources(field: Field) -> Row:
    used = field.integers() if field.value is not None else None
    gpu = sum(seconds for name, seconds in (used or {}).items() if names.is_gpu(name))
    cpu, memory = (used or {}).get("cpu"), (used or {}).get("memory")
    return {
        "cpu_s": None if cpu is None else float(cpu),
        "memory_mib_s": None if memory is None else float(memory * names.MEMORY_UNIT_MIB),
        "gpu_s": None if used is None else float(gpu),
        "resources_duration": used,
    }


def _workflow(metadata: Field, spec: Field, status: Field, nodes: _Nodes, node_rows: list[Row]) -> Row:
    labels, annotations = metadata["labels"].texts(), metadata["annotations"].texts()
    stored = status["storedWorkflowTemplateSpec"]
    reference = spec["workflowTemplateRef"]
    reference_name, clustered = reference["name"].text(), bool(reference["clusterScope"].flag())
    owners = [o["name"].text() for o in metadata["ownerReferences"].objects() if o["kind"].text() == "CronWorkflow"]
    started, finished = status["startedAt"].time(), status["finishedAt"].time()
    scheduled = metadata["annotations"][names.ANNOTATION_SCHEDULED_TIME]

    def first(name: str) -> Field:
        return spec[name] if spec[name].value is not None else stored[name]

    return {
        "name": metadata["name"].text(),
        "generate_name": metadata["generateName"].text(),
        "namespace": metadata["namespace"].text(),
        "phase": status["phase"].text(),
        "created_at": metadata["creationTimestamp"].time(),
        "started_at": started,
        "finished_at": finished,
        "duration_s": _seconds(started, finished),
        "message": status["message"].text(),
        "progress": status["progress"].text(),
        "entrypoint": first("entrypoint").text(),
        "service_account": first("serviceAccountName").text(),
        "workflow_template": (reference_name if not clustered else None)
        if reference_name
        else labels.get(names.LABEL_WORKFLOW_TEMPLATE),
        "cluster_workflow_template": (reference_name if clustered else None)
        if reference_name
        else labels.get(names.LABEL_CLUSTER_WORKFLOW_TEMPLATE),
        "cron_workflow": labels.get(names.LABEL_CRON_WORKFLOW) or (owners[0] if owners else None),
        "scheduled_at": scheduled.time(),
        "creator": labels.get(names.LABEL_CREATOR),
        "creator_email": labels.get(names.LABEL_CREATOR_EMAIL),
        "actor": labels.get(names.LABEL_ACTOR),
        "action": labels.get(names.LABEL_ACTION),
        "resubmitted_from": labels.get(names.LABEL_RESUBMITTED_FROM),
        "shutdown": spec["shutdown"].text(),
        "priority": first("priority").integer(32),
        "parallelism": first("parallelism").integer(),
        "node_count": len(node_rows),
        "pod_count": sum(row["type"] == "Pod" for row in node_rows),
        "retry_count": nodes.retries(),
        "failed_node_count": sum(row["phase"] in names.FAILED_PHASES for row in node_rows),
        **_resources(status["resourcesDuration"]),
        "estimated_duration_s": status["estimatedDuration"].integer(),
        "labels": labels if metadata["labels"].value is not None else None,
        "annotations": annotations if metadata["annotations"].value is not None else None,
        "parameters": nodes.arguments,
    }


def _arguments(field: Field, scope: str, direction: str, node_id: str | None) -> tuple[list[Row], list[Row]]:
    """Rows of ``parameters`` and ``artifacts`` of one ``arguments``, ``inputs`` or ``outputs``."""
    where = {"scope": scope, "direction": direction, "node_id": node_id}
    parameters = [
        {
            **where,
            "name": item["name"].text(),
            "value": value_text(item["value"].value),
            "value_type": value_type(item["value"].value),
            "default_value": value_text(item["default"].value),
            "value_from": compact(item["valueFrom"].members()) if item["valueFrom"].value is not None else None,
            "global_name": item["globalName"].text(),
        }
        for item in field["parameters"].objects()
    ]
    return parameters, [{**where, **_artifact(item)} for item in field["artifacts"].objects()]


def _artifact(item: Field) -> Row:
    kind = next((k for k in names.ARTIFACT_KINDS if item[k].value is not None), None)
    location = item[kind] if kind else Field({}, "")
    return {
        "name": item["name"].text(),
        "path": item["path"].text(),
        "kind": kind,
        "bucket": location[names.ARTIFACT_BUCKET[kind]].text() if kind in names.ARTIFACT_BUCKET else None,
        "key": location[names.ARTIFACT_KEY[kind]].text() if kind in names.ARTIFACT_KEY else None,
        "location": compact(location.members()) if kind and kind != "s3" else None,
        "global_name": item["globalName"].text(),
        "from_expression": item["from"].text() or item["fromExpression"].text(),
        "sub_path": item["subPath"].text(),
        "optional": bool(item["optional"].flag()),
        "deleted": bool(item["deleted"].flag()),
    }


def _templates(document: Field) -> Templates:
    def by_name(field: Field) -> dict[str, Template]:
        found = [template_from_json(item.value) for item in field.objects()]
        return {template.name: template for template in reversed(found) if template.name}

    status = document["status"]
    stored = status["storedTemplates"]
    return Templates(
        by_name(document["spec"]["templates"]),
        by_name(status["storedWorkflowTemplateSpec"]["templates"]),
        {key: template_from_json(item.members()) for key, item in stored.fields()},
    )


class _Nodes:
    """The nodes of one document: rows that need a look at other nodes are finished in :meth:`rows`."""

    def __init__(self, document: Field) -> None:
        self.workflow = document["metadata"]["name"].text() or ""
        annotations = document["metadata"]["annotations"].texts()
        self.format = annotations.get(names.ANNOTATION_POD_NAME_FORMAT)
        self.templates = _templates(document)
        self.arguments: dict[str, str | None] = {
            item["name"].text() or "": value_text(item["value"].value)
            for item in document["spec"]["arguments"]["parameters"].objects()
        }
        self.values = document["status"]["nodes"].members()
        self.seen: dict[str, tuple[Row, Field]] = {}

    def add(self, node_id: str, node: Field) -> None:
        """Read one node of ``status.nodes``."""
        reference = node["templateRef"]
        started, finished = node["startedAt"].time(), node["finishedAt"].time()
        memo, outputs = node["memoizationStatus"], node["outputs"]
        row: Row = {
            "node_id": node_id,
            "name": node["name"].text(),
            "display_name": node["displayName"].text(),
            "type": node["type"].text(),
            "template_name": node["templateName"].text(),
            "template_ref": f"{reference['name'].text() or ''}/{reference['template'].text() or ''}"
            if reference.value is not None
            else None,
            "template_scope": node["templateScope"].text(),
            "boundary_id": node["boundaryID"].text(),
            "children": [child.text() for child in node["children"].items()],
            "phase": node["phase"].text(),
            "message": node["message"].text(),
            "created_at": node["createdAt"].time(),
            "started_at": started,
            "finished_at": finished,
            "duration_s": _seconds(started, finished),
            "exit_code": outputs["exitCode"].exit_code(),
            "host": node["hostNodeName"].text(),
            **_resources(node["resourcesDuration"]),
            "estimated_duration_s": node["estimatedDuration"].integer(),
            "progress": node["progress"].text(),
            "memoized": bool(memo["hit"].flag()),
            "memo_key": memo["key"].text(),
            "memo_cache": memo["cacheName"].text(),
            "daemoned": bool(node["daemoned"].flag()),
            "hooked": bool(node["nodeFlag"]["hooked"].flag()),
            "outputs_result": value_text(outputs["result"].value),
            "sync_waiting": node["synchronizationStatus"]["waiting"].text(),
            "failed_pod_restarts": node["failedPodRestarts"].integer(32),
            "pod_ip": node["podIP"].text(),
        }
        self.seen[node_id] = (row, node)

    def rows(self) -> list[Row]:
        """All nodes, with parents, attempts, pods and images."""
        parents: dict[str, list[str]] = {}
        for node_id, (row, _) in self.seen.items():
            for child in dict.fromkeys(row["children"]):
                parents.setdefault(child, []).append(node_id)
        version_2 = self._pods_are_v2()
        for node_id, (row, node) in self.seen.items():
            row["parent_ids"] = parents.get(node_id, [])
            row["retry_attempt"] = self._attempt(row)
            pod = row["type"] == "Pod" and not row["memoized"]
            row["pod_name"] = (self._pod_name(row, node) if version_2 else node_id) if pod else None
            row["image"] = self._image(row, node, self._template(node_id))
        return [row for row, _ in self.seen.values()]

    def retries(self) -> int:
        """Attempts beyond the first, over all Retry nodes."""
        total = 0
        for row, _ in self.seen.values():
            if row["type"] == "Retry":
                children = [self.seen[c][0] for c in dict.fromkeys(row["children"]) if c in self.seen]
                total += max(0, sum(_attempt_under(row, child) is not None for child in children) - 1)
        return total

    def images(self) -> list[Row]:
        """Rows of the table ``images``."""
        pods: Counter[tuple[str | None, str, str, str]] = Counter()
        for node_id, (row, node) in self.seen.items():
            template = self._template(node_id)
            if row["type"] == "Pod" and row["image"] is not None and template is not None:
                inputs = self._inputs(node) if any("{{" in c.image for c in template.containers) else {}
                filled = ((c.name, c.role, fill_image(c.image, inputs, self.arguments)) for c in template.containers)
                pods.update({(template.name, *container) for container in filled})
        rows = []
        for (template_name, container, role, image), count in pods.items():
            repository, tag, digest = split_image(image)
            rows.append({"template_name": template_name, "container": container, "role": role, "image": image,
                         "repository": repository, "tag": tag, "digest": digest, "pod_count": count})  # fmt: skip
        return rows

    def _template(self, node_id: str) -> Template | None:
        return _template_of(self.templates, self.values, node_id)

    def _attempt(self, row: Row) -> int | None:
        for parent in row["parent_ids"]:
            attempt = _attempt_under(self.seen[parent][0], row)
            if attempt is not None:
                return attempt
        return None

    def _pod_name(self, row: Row, node: Field) -> str:
        template = node["templateRef"]["template"].text() or row["template_name"]
        return pod_name_v2(self.workflow, row["name"] or "", template)

    def _pods_are_v2(self) -> bool:
        """By the annotation; without one (Argo < 3.2.5) by a recorded log key, else version 1."""
        if self.format in ("v1", "v2"):
            return self.format == "v2"
        for node_id, (row, node) in self.seen.items():
            if row["type"] != "Pod" or row["memoized"]:
                continue
            name = self._pod_name(row, node)
            for artifact in node["outputs"]["artifacts"].objects():
                key = _artifact(artifact)["key"]
                logs = (artifact["name"].text() or "").endswith("-logs")
                if logs and key and name != node_id and f"/{name}/" in key:
                    return True
        return False

    def _image(self, row: Row, node: Field, template: Template | None) -> str | None:
        ran = row["phase"] not in names.PHASES_THAT_RAN_NOTHING and not row["memoized"]
        if template is None or row["type"] not in ("Pod", "Container") or not ran:
            return None
        image = template.image if row["type"] == "Pod" else template.image_of(row["display_name"])
        return fill_image(image, self._inputs(node), self.arguments) if image else None

    @staticmethod
    def _inputs(node: Field) -> dict[str, str | None]:
        found = node["inputs"]["parameters"].objects()
        return {item["name"].text() or "": value_text(item["value"].value) for item in found}


def _attempt_under(parent: Row, child: Row) -> int | None:
    """The number in ``<parent>(<number>)`` if ``parent`` is a Retry node and ``child`` one of its attempts."""
    if parent["type"] != "Retry" or parent["name"] is None or child["name"] is None:
        return None
    name, base = child["name"], parent["name"] + "("
    digits = name[len(base) : -1]
    attempt = name.startswith(base) and name.endswith(")") and digits.isascii() and digits.isdigit()
    return int(digits) if attempt and len(digits) < 10 else None
