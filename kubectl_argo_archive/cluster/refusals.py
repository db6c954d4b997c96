"""What the Kubernetes API and the way to it say, in our errors. Never a token."""

from __future__ import annotations

import json
import re

from kubectl_argo_archive.cluster.access import Access
from kubectl_argo_archive.errors import (
    ArgoArchiveError,
    ClusterError,
    ClusterForbidden,
    ClusterUnreachable,
    redact,
)

_CERTIFICATE = re.compile(r"certificate|hostname .* doesn't match|SSL", re.I)
_TOO_BUSY = (429, 500, 502, 503, 504)


def no_answer(access: Access, error: Exception) -> ArgoArchiveError:
    """Nobody answered, or not in a way that we trust."""
    reason = _reason(error)
    where = f"the Kubernetes API at {access.server} (context {access.context})"
    if _CERTIFICATE.search(reason):
        hint = "check certificate-authority in the kubeconfig; does kubectl get namespaces work?"
    else:
        hint = "does kubectl get namespaces work? see --context and --kubeconfig, a VPN may be needed"
    return ClusterUnreachable(f"cannot reach {where}: {reason}", hint)


def explain(
    access: Access, status: int, body: bytes, verb: str, what: str, namespace: str | None, name: str | None
) -> ArgoArchiveError:
    """The API refused."""
    said = _message(body)
    if status == 401:
        reason = f": {access.complaints[-1]}" if access.complaints else ""
        return ClusterError(
            f"the Kubernetes API at {access.server} (context {access.context}) does not know us{reason}",
            "log in again, then try: kubectl get namespaces",
        )
    if status == 403:
        return ClusterForbidden(
            f"not allowed to {verb} {what}{_scope(namespace, name)}",
            f"ask for a Role with verbs: [{verb}], resources: [{what.partition('.')[0]}]"
            + (f" in namespace {namespace}" if namespace else " for all namespaces (a ClusterRole), or name one"),
        )
    if status in _TOO_BUSY:
        return ClusterUnreachable(
            f"the Kubernetes API at {access.server} cannot answer now: {status} {said}".rstrip(), "try again"
        )
    return ClusterError(f"cannot {verb} {what}{_scope(namespace, name)}: {status} {said}".rstrip())


def _scope(namespace: str | None, name: str | None) -> str:
    which = f" {name}" if name else ""
    return f"{which} in namespace {namespace}" if namespace else which


def _message(body: bytes) -> str:
    """The API's own words, if it has some; never the whole of another server's page."""
    try:
        status = json.loads(body)
        text = status.get("message", "") if isinstance(status, dict) else ""
    except ValueError:
        text = ""
    return redact(str(text).partition("\n")[0])


def _reason(error: Exception) -> str:
    """The innermost cause: outer ones repeat the URL and the number of retries."""
    cause: object = error
    while (inner := getattr(cause, "reason", None)) is not None and isinstance(inner, Exception):
        cause = inner
    text = re.sub(r"^<?[\w.]*(?:Connection|Pool)[^>]*?>?: ", "", str(cause).strip()) or type(cause).__name__
    text = re.sub(r"^HTTPSConnection\([^)]*\): ", "", text)
    return redact(text.partition("\n")[0])
