"""What the sources themselves must know of a workflow: whose it is, when it ended, its labels. Pure.

Tolerant: a value of the wrong type is as good as none. What the JSON means in full is decided by flattening.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kubectl_argo_archive.archive.json_text import members

_INNER = frozenset(("metadata", "status", "workflow"))
_BULK = frozenset(("spec", "nodes", "storedTemplates", "storedWorkflowTemplateSpec", "managedFields"))
_INSTANCE_LABEL = "workflows.argoproj.io/controller-instanceid"


@dataclass(frozen=True, slots=True)
class Facts:
    """What identifies and selects one workflow; texts are None where nothing is known."""

    uid: str | None = None
    cluster: str | None = None
    instance_id: str | None = None
    namespace: str | None = None
    name: str | None = None
    phase: str | None = None
    finished_at: str | None = None
    resource_version: int = -1
    labels: Mapping[str, str] = field(default_factory=dict)


def facts_of_workflow(workflow: Mapping[str, Any]) -> Facts:
    """The facts of a Workflow object."""
    metadata, status = _object(workflow.get("metadata")), _object(workflow.get("status"))
    labels = _labels(metadata)
    version = _text(metadata.get("resourceVersion")) or ""
    return Facts(
        uid=_text(metadata.get("uid")),
        instance_id=labels.get(_INSTANCE_LABEL),
        namespace=_text(metadata.get("namespace")),
        name=_text(metadata.get("name")),
        phase=_text(status.get("phase")),
        finished_at=_text(status.get("finishedAt")),
        resource_version=int(version) if version.isdecimal() and len(version) < 19 else -1,
        labels=labels,
    )


def facts_of_row(row: Mapping[str, Any], workflow: Mapping[str, Any]) -> Facts:
    """The facts of a row of Argo's table, whose columns win, and of its workflow."""
    inner = facts_of_workflow(workflow)
    return Facts(
        uid=_text(row.get("uid")) or inner.uid,
        cluster=_text(row.get("clustername")),
        instance_id=row["instanceid"] if isinstance(row.get("instanceid"), str) else inner.instance_id,
        namespace=_text(row.get("namespace")) or inner.namespace,
        name=_text(row.get("name")) or inner.name,
        phase=_text(row.get("phase")) or inner.phase,
        finished_at=inner.finished_at,  # the column has no zone
        resource_version=inner.resource_version,
        labels=inner.labels,
    )


def labels_of(document: bytes) -> Mapping[str, str]:
    """The labels in a workflow's JSON, as far as it is JSON."""
    return _labels(_object(outline(document.decode(errors="replace")).get("metadata")))


def outline(text: str, position: int = 0) -> dict[str, Any]:
    """The members of a workflow or row that matter here, without its bulk; those before the mistake if it has one."""
    found: dict[str, Any] = {}
    with suppress(ValueError):
        for member in members(text, position, skip=_BULK | _INNER):
            is_object = text[member.value_start] == "{"
            found[member.key] = (
                outline(text, member.value_start) if member.key in _INNER and is_object else member.value
            )
    return found


def instant(text: str) -> datetime | None:
    """An RFC 3339 time; None for Go's zero time and for anything else."""
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo and time.year >= 1970 else None
    except (ValueError, OverflowError):
        return None


def printable(text: str) -> str:
    """The text without lone surrogates, which neither UTF-8 nor Arrow can hold."""
    return text.encode(errors="replace").decode()


def _labels(metadata: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in _object(metadata.get("labels")).items() if isinstance(value, str)}


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
