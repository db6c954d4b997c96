"""The way from this machine to a server that the controller's configuration names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from kubectl_argo_archive.cluster.access import IN_CLUSTER
from kubectl_argo_archive.cluster.client import KubeClient
from kubectl_argo_archive.cluster.forward import PortForward, Tell, find_service
from kubectl_argo_archive.cluster.names import address_of, answers, service_named


@dataclass(frozen=True, slots=True)
class Reached:
    """A server, and how to dial it.

    Attributes:
        host: its name as configured, for certificates.
        port: of the server, as configured.
        dial: address to dial; None to resolve ``host``.
        dial_port: port to dial.
        through: for people: ``port-forward to Service argo/postgres``; empty if directly.
        forward: the port-forward, if there is one.
    """

    host: str
    port: int
    dial: str | None
    dial_port: int
    through: str = ""
    forward: PortForward | None = None


@contextmanager
def reach(client: KubeClient, host: str, port: int, namespace: str, tell: Tell) -> Iterator[Reached]:
    """Make ``host`` reachable: directly if it answers, else by a port-forward while this is open.

    Args:
        client: the cluster.
        host: as configured; a Service's name is seen from ``namespace``.
        port: as configured.
        namespace: of the controller.
        tell: says what is done, for people.

    Raises:
        ClusterError: the Service is there and cannot be forwarded to.
        ClusterForbidden, ClusterUnreachable: as all requests.
    """
    named = service_named(host, namespace)
    if named is None or client.access.context == IN_CLUSTER or answers(host, port):
        yield Reached(host, port, None, port)
        return
    service = find_service(client, *named)
    if service is None:
        # not ours to explain: whoever dials it says that the name does not resolve
        yield Reached(host, port, None, port)
        return
    if service.external_name:
        with reach(client, service.external_name, port, namespace, tell) as behind:
            # certificates and signatures are still for the name that was configured
            yield replace(behind, host=host, dial=behind.dial or address_of(behind.host))
        return
    with PortForward(client, *named, port) as forward:
        through = f"port-forward to Service {named[1]}/{named[0]}"
        why = "does not answer here" if address_of(host) else "does not resolve here"
        tell(f"{through}, pod {forward.pod}: {host} {why}")
        yield Reached(host, port, "127.0.0.1", forward.port, through, forward)
