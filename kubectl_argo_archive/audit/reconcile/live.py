"""Finished workflows of the live cluster that the archive should hold: the third side of a reconciliation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from kubectl_argo_archive.argo.controller import Controller
from kubectl_argo_archive.argo.times import parse_rfc3339
from kubectl_argo_archive.audit.reconcile.reconcile import LiveWorkflow
from kubectl_argo_archive.cluster.client import KubeClient
from kubectl_argo_archive.cluster.resources import RESOURCES

GRACE = timedelta(minutes=10)
"""Archiving takes its time, and a failed attempt is repeated."""
_COMPLETED = "workflows.argoproj.io/completed=true"
_INSTANCE = "workflows.argoproj.io/controller-instanceid"


def finished_workflows(client: KubeClient, controller: Controller, now: datetime | None = None) -> list[LiveWorkflow]:
    """The finished workflows of a controller that its archive should hold by now.

    Left out are those that the controller does not archive: another instance, ``archiveLabelSelector``, ``archive``
    switched off; and those that ended less than :data:`GRACE` ago.

    Args:
        client: the cluster.
        controller: whose workflows.
        now: the moment; None for this one.

    Raises:
        ClusterUnreachable, ClusterError: the cluster does not answer, or refuses.
    """
    instance = controller.instance_id
    selector = f"{_COMPLETED},{_INSTANCE}={instance}" if instance else f"{_COMPLETED},!{_INSTANCE}"
    found = client.list(RESOURCES["Workflow"], controller.managed_namespace, labels=selector)
    return list(_archived(found, controller, (now or datetime.now(UTC)) - GRACE))


def _archived(found: Iterator[dict[str, object]], controller: Controller, before: datetime) -> Iterator[LiveWorkflow]:
    persistence = controller.persistence
    if persistence is None:
        return
    for item in found:
        metadata, status = _mapping(item.get("metadata")), _mapping(item.get("status"))
        finished = _time(status.get("finishedAt"))
        if finished is None or finished > before:
            continue
        labels = {str(key): str(value) for key, value in _mapping(metadata.get("labels")).items()}
        if persistence.archives(labels):
            yield LiveWorkflow(persistence.effective_cluster_name, str(metadata.get("namespace") or ""),
                               str(metadata.get("name") or ""), str(metadata.get("uid") or ""), finished)  # fmt: skip


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _time(value: object) -> datetime | None:
    try:
        return parse_rfc3339(value) if isinstance(value, str) else None
    except ValueError:
        return None
