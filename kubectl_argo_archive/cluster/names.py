"""Names of Services as they are used inside a cluster."""

from __future__ import annotations

import ipaddress
import socket
from contextlib import suppress

PATIENCE_S = 3


def service_named(host: str, namespace: str) -> tuple[str, str] | None:
    """The Service that ``host`` may name for a pod in ``namespace``: (name, namespace); None if it names none.

    ``postgres``, ``postgres.argo``, ``postgres.argo.svc``, ``postgres.argo.svc.cluster.local`` and the pod of a
    headless Service in front of these (``postgres-0.postgres.argo.svc``). A cluster's domain may have another name.
    """
    host = host.rstrip(".").lower()
    if not host or _is_address(host):
        return None
    labels = host.split(".")
    if "svc" in labels[2:]:
        at = labels.index("svc", 2)
        return labels[at - 2], labels[at - 1]
    if len(labels) == 1:
        return labels[0], namespace
    return (labels[0], labels[1]) if len(labels) == 2 else None


def address_of(host: str) -> str | None:
    """An address of ``host`` as this machine resolves it; None if it does not."""
    with suppress(OSError, UnicodeError):
        return str(socket.getaddrinfo(host, None)[0][4][0])
    return None


def answers(host: str, port: int) -> bool:
    """Whether somebody listens there: a Service's short name may mean another machine in a search domain of ours."""
    with suppress(OSError, UnicodeError), socket.create_connection((host, port), PATIENCE_S):
        return True
    return False


def _is_address(host: str) -> bool:
    with suppress(ValueError):
        return bool(ipaddress.ip_address(host.strip("[]")))
    return False
