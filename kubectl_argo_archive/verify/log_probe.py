"""A sample of archived workflows: which log objects they should have, and what became of these."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from kubectl_argo_archive.argo.log_keys import (
    LogArtifact,
    LogStore,
    PodNode,
    WorkflowLogs,
    claims,
    store_of,
    workflow_values,
)
from kubectl_argo_archive.checks.facts_storage import LogObject, Logs
from kubectl_argo_archive.verify.concurrent import mapped

SLACK = timedelta(minutes=10)
"""How long after the end of its pod a log may still be written."""

_PER_WORKFLOW = 20
_AT_ONCE = 8
_KINDS = ("s3", "gcs", "oss", "azure", "hdfs", "artifactory", "plugin")


@dataclass(frozen=True, slots=True)
class Head:
    """What a bucket says of an object: ``found``, ``missing``, or an error code."""

    state: str
    size: int | None = None
    modified: datetime | None = None


Today = Callable[[str], LogStore | None]
"""Namespace → the store of its artifacts now."""
Look = Callable[[LogStore, str, str], Head]
"""(store, namespace of the workflow, key) → what the bucket says."""


def look_at_logs(documents: Sequence[str], look: Look, today: Today = lambda _namespace: None) -> Logs:
    """Ask for the log objects of archived workflows.

    Args:
        documents: their JSON.
        look: asks a bucket for one object.
        today: the store that a namespace has now, for documents that recorded none (before v3.1).
    """
    entries: list[tuple[LogObject, LogStore | None, str]] = []
    beyond: set[str] = set()
    pods = 0
    oldest: list[datetime] = []
    for text in documents:
        workflow = _parsed(text)
        found = list(_wanted(workflow))
        pods += len({entry.node for entry, _, _ in found})
        entries += found[:_PER_WORKFLOW]
        beyond |= set(_beyond_main(workflow))
        if finished := _time(workflow.get("status", {}).get("finishedAt")):
            oldest.append(finished)
    entries = [_with_store(*entry, today) for entry in entries]
    objects = tuple(mapped(lambda one: _answered(one[0], one[1], one[2], look), entries, _AT_ONCE))
    return Logs(len(documents), pods, objects, min(oldest, default=None), tuple(sorted(beyond)))


def _with_store(
    entry: LogObject, store: LogStore | None, namespace: str, today: Today
) -> tuple[LogObject, LogStore | None, str]:
    found = store or (today(namespace) if entry.key else None)
    return (replace(entry, bucket=found.bucket) if found and not entry.bucket else entry), found, namespace


def _parsed(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _wanted(workflow: Mapping[str, Any]) -> Iterator[tuple[LogObject, LogStore | None, str]]:
    """One entry per container that ran: with its store and namespace."""
    metadata, spec, status = (_object(workflow.get(name)) for name in ("metadata", "spec", "status"))
    namespace, name, uid = (str(metadata.get(key) or "") for key in ("namespace", "name", "uid"))
    reference = _object(status.get("artifactRepositoryRef"))
    stored = _object(status.get("storedWorkflowTemplateSpec"))
    logs = WorkflowLogs(
        values=workflow_values(
            name,
            namespace,
            uid,
            _time(metadata.get("creationTimestamp")),
            labels=_object(metadata.get("labels")),
            annotations=_object(metadata.get("annotations")),
            parameters={},
        ),
        store=store_of(reference.get("artifactRepository")),
        archive_logs=_flag(spec.get("archiveLogs"), stored.get("archiveLogs")),
        templates=_templates(spec, stored, status),
    )
    for node in _object(status.get("nodes")).values():
        if not isinstance(node, dict) or node.get("type") != "Pod":
            continue
        pod = _pod(node)
        entry = LogObject(
            workflow=f"{namespace}/{name}",
            uid=uid,
            node=str(node.get("displayName") or node.get("name") or pod.node_id),
            phase=pod.phase,
            bucket="",
            key="",
            status="unrecorded",
            finished=_time(node.get("finishedAt")),
            message=str(node.get("message") or "")[:200],
        )
        recorded = [claim for claim in claims(logs, pod) if claim.recorded]
        for claim in recorded:
            bucket = claim.store.bucket if claim.store else ""
            yield replace(entry, bucket=bucket, key=claim.key), claim.store, namespace
        if not recorded and any(True for _ in claims(logs, pod)):
            yield entry, None, namespace


def _pod(node: Mapping[str, Any]) -> PodNode:
    outputs = _object(node.get("outputs"))
    artifacts = outputs.get("artifacts")
    reference = _object(node.get("templateRef"))
    memoized = _object(node.get("memoizationStatus")).get("hit") is True
    phase = str(node.get("phase") or "")
    return PodNode(
        node_id=str(node.get("id") or ""),
        name=str(node.get("name") or ""),
        template_name=str(node.get("templateName") or ""),
        template_ref=f"{reference.get('name')}/{reference.get('template')}" if reference else "",
        template_scope=str(node.get("templateScope") or ""),
        phase=phase,
        pod_name="",
        memoized=memoized,
        ran=bool(node.get("hostNodeName")) or phase in ("Succeeded", "Failed", "Error"),
        logs=[_artifact(a) for a in artifacts if isinstance(a, dict) and str(a.get("name", "")).endswith("-logs")]
        if isinstance(artifacts, list)
        else [],
    )


def _artifact(artifact: Mapping[str, Any]) -> LogArtifact:
    kind = next((each for each in _KINDS if isinstance(artifact.get(each), dict)), None)
    location = _object(artifact.get(kind)) if kind else {}
    key, bucket = location.get("key"), location.get("bucket")
    return LogArtifact(
        str(artifact.get("name")),
        kind,
        key if isinstance(key, str) else None,
        bucket if isinstance(bucket, str) and bucket else None,
        location if bucket else {},
    )


def _answered(entry: LogObject, store: LogStore | None, namespace: str, look: Look) -> LogObject:
    if not entry.key:
        return entry
    if store is None or store.kind != "s3":
        return replace(entry, status="unknown", why=f"a {store.kind} store" if store else "no store is recorded")
    head = look(store, namespace, entry.key)
    if head.state == "missing":
        return replace(entry, status="missing")
    if head.state != "found":
        return replace(entry, status="unreadable" if head.state in _REFUSED else "unknown", why=head.state)
    known = replace(entry, size=head.size, modified=head.modified)
    if head.modified and entry.finished and head.modified > entry.finished + SLACK:
        late = head.modified - entry.finished
        return replace(known, status="overwritten", why=f"written {late} after the end of the pod".split(".")[0])
    return replace(known, status="present" if head.size else "empty")


_REFUSED = ("AccessDenied", "403", "400", "InvalidRequest", "KMS.DisabledException")


def _beyond_main(workflow: Mapping[str, Any]) -> Iterator[str]:
    metadata, spec = _object(workflow.get("metadata")), _object(workflow.get("spec"))
    templates = spec.get("templates")
    for template in templates if isinstance(templates, list) else ():
        if isinstance(template, dict) and template.get("sidecars"):
            yield f"{metadata.get('namespace')}/{metadata.get('name')}: {template.get('name')} (sidecars)"


def _templates(spec: Any, stored: Any, status: Any) -> dict[str, Mapping[str, Any]]:
    named: dict[str, Mapping[str, Any]] = {}
    for source in (stored, spec):
        templates = source.get("templates")
        for template in templates if isinstance(templates, list) else ():
            if isinstance(template, dict) and isinstance(template.get("name"), str):
                named[template["name"]] = template
    named |= {k: v for k, v in _object(status.get("storedTemplates")).items() if isinstance(v, dict)}
    return named


def _flag(*values: object) -> bool | None:
    return next((value for value in values if isinstance(value, bool)), None)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _time(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    return time.astimezone(UTC) if time.tzinfo and time.year > 1970 else None
