"""A port of this machine that leads to a Service of the cluster, as ``kubectl port-forward`` does it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from kubectl_argo_archive.argo.estate import Service, read_service
from kubectl_argo_archive.argo.objects import ManifestObject
from kubectl_argo_archive.cluster.client import KubeClient
from kubectl_argo_archive.cluster.resources import RESOURCES
from kubectl_argo_archive.cluster.tunnel import Tunnel
from kubectl_argo_archive.errors import ArgoArchiveError, ClusterError, redact

Tell = Callable[[str], None]


class PortForward:
    """A listener on 127.0.0.1; each connection gets a tunnel of its own. Use it as a context manager.

    Args:
        client: the cluster.
        service: name of the Service.
        namespace: of the Service.
        port: of the Service.

    Raises:
        ClusterError: there is no such Service or port, or no pod of it is ready; on entering.
    """

    def __init__(self, client: KubeClient, service: str, namespace: str, port: int) -> None:
        self._client = client
        self._service = service
        self._namespace = namespace
        self._service_port = port
        self._lock = threading.Lock()
        self._open: set[Tunnel] = set()
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._pod: tuple[str, int] | None = None
        self.last_error: ArgoArchiveError | None = None
        """Why the newest connection could not be made; whoever connected only saw it closed."""

    @property
    def pod(self) -> str:
        """The pod at the other end of the newest connection."""
        return self._pod[0] if self._pod else ""

    @property
    def port(self) -> int:
        """The local port."""
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        self._pod = self._target()  # what is wrong with the Service is said now, not by a connection that just ends
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.2)
        accepting = threading.Thread(target=self._accept, name="port-forward", daemon=True)
        self._threads.append(accepting)
        accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the listener and all connections, and wait until they are gone."""
        with self._lock:
            self._closed = True
            tunnels = list(self._open)
        for tunnel in tunnels:
            tunnel.close()
        for thread in list(self._threads):
            thread.join(timeout=5)
        self._listener.close()

    def _accept(self) -> None:
        while not self._closed:
            with suppress(TimeoutError, OSError):
                local, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=(local,), name="port-forward", daemon=True)
                self._threads = [each for each in self._threads if each.is_alive()] + [thread]
                thread.start()

    def _serve(self, local: socket.socket) -> None:
        with local:
            try:
                tunnel = self._tunnel()
            except ArgoArchiveError as error:
                self.last_error = error
                return
            with self._lock:
                if self._closed:
                    tunnel.close()
                    return
                self._open.add(tunnel)
            tunnel.run(local)
            with self._lock:
                self._open.discard(tunnel)

    def _tunnel(self) -> Tunnel:
        """A tunnel to the pod that served last, or to another one if that is gone."""
        if self._pod is not None:
            with suppress(ClusterError):
                return Tunnel(self._client, self._namespace, *self._pod, self._complain)
        self._pod = self._target()
        return Tunnel(self._client, self._namespace, *self._pod, self._complain)

    def _complain(self, text: str) -> None:
        self.last_error = ClusterError(f"port-forward to pod {self._namespace}/{self.pod}: {redact(text)}")

    def _target(self) -> tuple[str, int]:
        """A ready pod of the Service, and its port."""
        service = find_service(self._client, self._service, self._namespace)
        if service is None:
            raise ClusterError(
                f"there is no Service {self._service} in namespace {self._namespace}",
                f"kubectl get services -n {self._namespace}",
            )
        if self._service_port not in service.ports:
            known = ", ".join(str(port) for port in service.ports) or "none"
            raise ClusterError(
                f"Service {self._namespace}/{self._service} has no port {self._service_port}; it has {known}",
                "the port in the controller's configuration must be one of the Service",
            )
        pod = self._ready_pod(service)
        return str(pod["metadata"]["name"]), _number(pod, service.ports[self._service_port])

    def _ready_pod(self, service: Service) -> dict[str, Any]:
        name = f"{service.namespace}/{service.name}"
        if not service.selector:
            raise ClusterError(
                f"Service {name} has no selector: its endpoints are not pods", "reach it directly, with --source"
            )
        labels = ",".join(f"{key}={value}" for key, value in service.selector.items())
        pods = list(self._client.list(RESOURCES["Pod"], service.namespace, labels=labels))
        ready = [pod for pod in pods if _is_ready(pod)]
        if not ready:
            states = ", ".join(sorted(_state(pod) for pod in pods)) or "there is no pod"
            raise ClusterError(
                f"no pod of Service {name} is ready: {states}", f"kubectl get pods -n {service.namespace} -l {labels}"
            )
        return min(ready, key=lambda pod: str(pod["metadata"]["name"]))


def find_service(client: KubeClient, name: str, namespace: str) -> Service | None:
    """A Service by its name."""
    found = client.get(RESOURCES["Service"], namespace, name)
    return read_service(ManifestObject(found)) if found else None


def _is_ready(pod: dict[str, Any]) -> bool:
    if (pod.get("metadata") or {}).get("deletionTimestamp"):
        return False
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def _state(pod: dict[str, Any]) -> str:
    """``postgres-0 is Pending``, or what its container waits for."""
    status = pod.get("status") or {}
    waits = [
        reason
        for each in status.get("containerStatuses") or ()
        if (reason := ((each.get("state") or {}).get("waiting") or {}).get("reason"))
    ]
    return f"{pod['metadata']['name']} is {waits[0] if waits else status.get('phase', 'unknown')}"


def _number(pod: dict[str, Any], target: int | str) -> int:
    """The port of a pod: a number, or the name of one of its containers' ports."""
    if isinstance(target, int) or target.isdecimal():
        return int(target)
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or ():
            if port.get("name") == target:
                return int(port["containerPort"])
    raise ClusterError(f"pod {pod['metadata']['name']} has no port of the name {target}")
