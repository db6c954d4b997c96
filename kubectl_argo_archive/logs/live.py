"""The logs of a workflow that is not archived yet: from its pods, as the cluster has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kubectl_argo_archive.argo.times import parse_rfc3339
from kubectl_argo_archive.cluster.client import KubeClient
from kubectl_argo_archive.cluster.resources import RESOURCES
from kubectl_argo_archive.errors import ConfigError
from kubectl_argo_archive.logs.find import PodLog
from kubectl_argo_archive.logs.show import EARLIEST, Line, line_time

LABEL = "workflows.argoproj.io/workflow"
_NODE_NAME, _NODE_ID = "workflows.argoproj.io/node-name", "workflows.argoproj.io/node-id"
_OURS = ("wait", "init", "supervisor")
"""Containers that Argo adds to a pod."""
_ALL_LINES = 1_000_000_000
_MOST_BYTES = 64 << 20


@dataclass(slots=True)
class LiveRun:
    """A workflow in a cluster.

    Attributes:
        namespace: its own.
        name: its own.
        logs: of the containers of its pods, in the order of their start.
    """

    namespace: str
    name: str
    logs: list[PodLog]
    _client: KubeClient = field(repr=False)

    def lines(self, logs: list[PodLog]) -> Iterator[Line]:
        """The lines of some of its logs, log after log; at most the last 64 MiB of each."""
        for log in logs:
            text = self._client.log(
                self.namespace, log.pod, container=log.container, tail=_ALL_LINES, limit_bytes=_MOST_BYTES
            )
            at = log.started_at or EARLIEST
            for line in text.encode(errors="surrogateescape").splitlines(keepends=True):
                at = line_time(line) or at
                yield Line(log, at, line)


def find_live(client: KubeClient, name: str, namespaces: tuple[str, ...] = ()) -> LiveRun | None:
    """The workflow of this name in the cluster; None if there is none.

    Args:
        client: of the cluster.
        name: of the workflow.
        namespaces: to look in; the context's own if empty.

    Raises:
        ConfigError: several namespaces have one.
        ClusterUnreachable, ClusterForbidden, ClusterError: the cluster cannot be asked.
    """
    wanted = namespaces or (client.access.namespace,)
    found = [space for space in wanted if client.get(RESOURCES["Workflow"], space, name) is not None]
    if len(found) > 1:
        raise ConfigError(f"{name} is a live workflow in {' and '.join(found)}", "name one namespace with -n")
    if not found:
        return None
    pods = client.list(RESOURCES["Pod"], found[0], labels=f"{LABEL}={name}")
    logs = [log for pod in pods for log in _of_pod(pod)]
    return LiveRun(found[0], name, sorted(logs, key=lambda log: (log.started_at or EARLIEST, log.node_id)), client)


def _of_pod(pod: Mapping[str, Any]) -> Iterator[PodLog]:
    metadata, status = pod["metadata"], pod.get("status") or {}
    annotations = metadata.get("annotations") or {}
    for container in (pod.get("spec") or {}).get("containers") or ():
        if container["name"] not in _OURS:
            yield PodLog(
                node=str(annotations.get(_NODE_NAME, metadata["name"])).rpartition(".")[2],
                node_id=annotations.get(_NODE_ID, metadata["name"]),
                pod=metadata["name"],
                container=container["name"],
                template="",
                started_at=_time(status.get("startTime") or metadata.get("creationTimestamp")),
                finished_at=None,
                previous=False,
                status="live",
            )


def _time(text: Any) -> datetime | None:
    try:
        return parse_rfc3339(text) if isinstance(text, str) else None
    except ValueError:
        return None
