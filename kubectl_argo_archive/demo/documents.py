"""The rest of a generated workflow around its nodes: labels, annotations, spec, status, managed fields."""

from __future__ import annotations

import hashlib
from random import Random

from kubectl_argo_archive.demo import vocabulary as words
from kubectl_argo_archive.demo.leaves import Facts, stamp
from kubectl_argo_archive.demo.node_writer import NodeWriter, Outcome
from kubectl_argo_archive.demo.pipelines import Pipeline
from kubectl_argo_archive.demo.templates import Json

_PREFIX = "workflows.argoproj.io/"
_REJECTIONS = (
    ("Error", "invalid spec: templates.main.tasks.load template name 'laod' undefined"),
    ("Failed", "invalid spec: spec.arguments.date.value or spec.arguments.date.valueFrom is required"),
    ("Error", "workflow templates: workflowtemplates.argoproj.io \"etl-base\" not found"),
)  # fmt: skip
_REPOSITORY: Json = {
    "archiveLogs": True,
    "s3": {
        "endpoint": "s3.eu-central-1.amazonaws.com",
        "bucket": "company-argo-artifacts",
        "region": "eu-central-1",
        "keyFormat": "{{workflow.name}}/{{pod.name}}",
        "useSDKCreds": True,
    },
}


def labels_of(rng: Random, pipeline: Pipeline, facts: Facts, phase: str) -> dict[str, str]:
    """``metadata.labels``: Argo's own and the company's, sorted as Go writes a map."""
    found = {
        **pipeline.labels,
        f"{_PREFIX}completed": "true",
        f"{_PREFIX}phase": phase,
        f"{_PREFIX}workflow-archiving-status": pipeline.era.archiving_status,
        "company.example/data-date": facts.date,
    }
    if pipeline.shape.cron:
        found[f"{_PREFIX}cron-workflow"] = pipeline.name
    else:
        person = pipeline.creator if rng.random() < 0.8 else rng.choice(words.PEOPLE)
        found[f"{_PREFIX}creator"] = f"system-serviceaccount-argo-{person}" if person == "bob" else person
        found[f"{_PREFIX}creator-email"] = f"{person}.at.company.example"
        found[f"{_PREFIX}creator-preferred-username"] = person
        if rng.random() < 0.1:
            found[f"{_PREFIX}resubmitted-from-workflow"] = f"{pipeline.name}-{letters(rng, 5)}"
    if pipeline.by_reference == "namespaced":
        found[f"{_PREFIX}workflow-template"] = pipeline.name
    if pipeline.by_reference == "cluster":
        found[f"{_PREFIX}cluster-workflow-template"] = pipeline.name
    if not pipeline.era.managed_fields and rng.random() < 0.06:
        found |= {
            f"{_PREFIX}actor": rng.choice(words.PEOPLE),
            f"{_PREFIX}action": rng.choice(("Retry", "Stop", "Resume")),
        }
    if rng.random() < 0.3:
        found["company.example/ticket"] = f"OPS-{rng.randrange(100, 9000)}"
    return dict(sorted(found.items()))


def annotations_of(pipeline: Pipeline, created: int) -> dict[str, str]:
    """``metadata.annotations``."""
    found = {"company.example/runbook": f"https://wiki.company.example/{pipeline.team}/{pipeline.name}"}
    if pipeline.applied:
        found["kubectl.kubernetes.io/last-applied-configuration"] = pipeline.applied
    if pipeline.shape.cron:
        found[f"{_PREFIX}scheduled-time"] = stamp(created // 60 * 60)
    if pipeline.era.pod_names:
        found[f"{_PREFIX}pod-name-format"] = pipeline.era.pod_names
    return found


def owner(pipeline: Pipeline) -> Json:
    """The CronWorkflow in ``metadata.ownerReferences``."""
    digest = hashlib.sha256(pipeline.name.encode()).hexdigest()
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "CronWorkflow",
        "name": pipeline.name,
        "uid": as_uuid(int(digest[:32], 16)),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def spec(rng: Random, pipeline: Pipeline, facts: Facts, input_artifact: bool) -> Json:
    """``spec``: everything, or a reference to a template and the arguments."""
    parameters: list[Json] = [
        {"name": "date", "value": facts.date},
        {"name": "mode", "value": facts.mode},
        {"name": "source", "value": facts.source(0)},
        {"name": "release", "value": f"5.{rng.randrange(40)}.{rng.randrange(9)}"},
        {"name": "requested-by", "value": pipeline.creator, "description": "who asked for this run"},
    ]
    if facts.odd:
        parameters += [{"name": f"odd-{n}", "value": value} for n, value in enumerate(rng.sample(facts.odd, 4))]
        parameters.append({"name": "from-config", "valueFrom": {"configMapKeyRef": {"name": "limits", "key": "max"}}})
    arguments: Json = {"parameters": parameters}
    if input_artifact:
        key = f"uploads/{facts.dataset}/{facts.date}.csv"
        arguments["artifacts"] = [{"name": "upload", "s3": {"bucket": "company-uploads", "key": key}}]
    if pipeline.by_reference is None:
        return {**pipeline.spec, "arguments": arguments}
    reference: Json = {"name": pipeline.name}
    if pipeline.by_reference == "cluster":
        reference["clusterScope"] = True
    return {"entrypoint": "main", "arguments": arguments, "workflowTemplateRef": reference}


def status(rng: Random, pipeline: Pipeline, written: NodeWriter, root: Outcome) -> Json:
    """``status`` of a run that was played."""
    phase = root.node["phase"] if root.node["phase"] in ("Succeeded", "Failed", "Error") else "Failed"
    found: Json = {"phase": phase, "startedAt": stamp(written.started), "finishedAt": stamp(root.end)}
    if pipeline.shape.cron:
        found["estimatedDuration"] = int(60 + pipeline.fixed_nodes * 40)
    found["progress"] = f"{root.done}/{root.total}"
    if message := root.node.get("message"):
        found["message"] = message
    found["nodes"] = dict(sorted(written.nodes.items()))
    if pipeline.stored:
        found["storedTemplates"] = pipeline.stored
    if rng.random() < 0.25:
        found["outputs"] = {
            "parameters": [{"name": "rows-total", "value": str(rng.randrange(10**6)), "globalName": "rows-total"}],
            "artifacts": [
                {"name": "summary", "globalName": "summary", "s3": {"key": f"{written.workflow}/summary.json"}}
            ],
        }
    found["conditions"] = [{"type": "PodRunning", "status": "False"}, {"type": "Completed", "status": "True"}]
    if rng.random() < 0.03:
        found["conditions"].append(
            {"type": "MetricsError", "status": "True", "message": "invalid metric name: 1st-rows"}
        )
    if root.used:
        found["resourcesDuration"] = root.used
    if pipeline.by_reference:
        found["storedWorkflowTemplateSpec"] = pipeline.spec
    if written.terminated and not root.ok:
        held = {"mutex": f"{pipeline.namespace}/Mutex/{pipeline.name}", "holder": written.workflow}
        found["synchronization"] = {"mutex": {"holding": [held]}}
    found["artifactRepositoryRef"] = {
        "configMap": "artifact-repositories", "key": "default-v1", "namespace": pipeline.namespace,
        "artifactRepository": _REPOSITORY,
    }  # fmt: skip
    found["artifactGCStatus"] = {"notSpecified": True}
    if pipeline.era.node_flags:
        found["taskResultsCompletionStatus"] = written.task_results
    return found


def rejected(rng: Random, at: int) -> Json:
    """``status`` of a workflow that Argo never started."""
    phase, message = rng.choice(_REJECTIONS)
    conditions = [{"type": "Completed", "status": "True"}, {"type": "SpecError", "status": "True", "message": message}]
    return {
        "phase": phase,
        "startedAt": stamp(at),
        "finishedAt": stamp(at),
        "message": message,
        "conditions": conditions,
    }


def managed_fields(pipeline: Pipeline, found: Json, at: int, end: int) -> list[Json]:
    """``metadata.managedFields``: who owns which field, down to every field of every node."""
    nodes: Json = {".": {}}
    for node_id, node in (found.get("nodes") or {}).items():
        nodes[f"f:{node_id}"] = _owned(tuple(node))
    of_status: Json = {f"f:{name}": {} for name in found} | {".": {}, "f:nodes": nodes}
    owned_labels: Json = {".": {}, **{f"f:{name}": {} for name in pipeline.labels}}
    by_argo: Json = {f"f:{_PREFIX}completed": {}, f"f:{_PREFIX}phase": {}, ".": {}}
    creator = "argo-controller" if pipeline.shape.cron else "argo"
    return [
        _entry(creator, at, {"f:metadata": {"f:labels": owned_labels, "f:generateName": {}}, "f:spec": {}}),
        _entry("workflow-controller", end, {"f:metadata": {"f:labels": by_argo}, "f:status": of_status}),
    ]


def _entry(manager: str, at: int, fields: Json) -> Json:
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "argoproj.io/v1alpha1",
        "time": stamp(at),
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }


_owned_shapes: dict[tuple[str, ...], Json] = {}


def _owned(names: tuple[str, ...]) -> Json:
    """The same few shapes for all nodes: made once."""
    if names not in _owned_shapes:
        _owned_shapes[names] = {".": {}, **{f"f:{name}": {} for name in sorted(names)}}
    return _owned_shapes[names]


def letters(rng: Random, count: int) -> str:
    """A random suffix, of the letters that Kubernetes uses for generated names."""
    return "".join(rng.choices("bcdfghjklmnpqrstvwxz2456789", k=count))


def as_uuid(bits: int) -> str:
    """A version 4 UUID of 128 bits."""
    text = f"{bits & ~(0xF << 76) | 0x4 << 76:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
