"""The Kubernetes API: plain JSON in and out, errors in our words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from kubectl_argo_archive.cluster.access import Access, KubeOptions, find_access
from kubectl_argo_archive.cluster.refusals import explain, no_answer
from kubectl_argo_archive.cluster.resources import RESOURCES, Resource

CONNECT_PATIENCE_S = 5
READ_PATIENCE_S = 30
PAGE = 250
"""Objects per answer: an answer of thousands of workflows would be hundreds of megabytes."""

_NAMES_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    Attributes:
        verb: as roles name it; ``what``: resource and group, for people.
        absent_ok: an answer of "not found" is an answer.
    """

    verb: str
    what: str
    path: str
    namespace: str | None = None
    name: str | None = None
    method: str = "GET"
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    accept: str = "application/json"
    absent_ok: bool = True


class KubeClient:
    """One cluster, asked as one person. May be used from several threads.

    All methods raise:
        ClusterUnreachable: nobody answers, or not as somebody that we trust.
        ClusterForbidden: a right is missing.
        ClusterError: the API refuses for any other reason, such as a login that has ended.
    """

    def __init__(self, access: Access) -> None:
        from kubernetes.client.rest import RESTClientObject

        library: Any = RESTClientObject  # it has no types
        self.access = access
        self._rest = library(access.configuration)

    @classmethod
    def connect(cls, options: KubeOptions) -> KubeClient:
        """The client that ``options`` name; nothing is asked yet.

        Raises:
            ConfigError: see :func:`~kubectl_argo_archive.cluster.access.find_access`.
        """
        return cls(find_access(options))

    def __repr__(self) -> str:
        return f"KubeClient({self.access.context!r})"

    def close(self) -> None:
        """Close idle connections."""
        self._rest.close()

    def get(self, resource: Resource, namespace: str | None, name: str) -> dict[str, Any] | None:
        """An object; None if there is none."""
        found = self._json(Call("get", resource.full, resource.path(namespace, name), namespace, name))
        return None if found is None else _whole(found, resource)

    def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        names_only: bool = False,
        page: int = PAGE,
    ) -> Iterator[dict[str, Any]]:
        """All objects of a namespace, or of all namespaces, page by page; none if the kind is not installed.

        Args:
            labels: a label selector.
            fields: a field selector.
            names_only: ``metadata`` is enough: a workflow's status may have megabytes.
            page: objects per request.
        """
        selectors = {"labelSelector": labels, "fieldSelector": fields}
        query = {"limit": str(page)} | {name: text for name, text in selectors.items() if text}
        accept = _NAMES_ONLY if names_only else "application/json"
        while True:
            path = resource.path(namespace)
            answer = self._json(Call("list", resource.full, path, namespace, query=query, accept=accept))
            if answer is None:
                return
            for item in answer.get("items") or ():
                yield _whole(item, resource)
            following = (answer.get("metadata") or {}).get("continue")
            if not following:
                return
            query["continue"] = following

    def create(self, resource: Resource, namespace: str | None, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object and return it as stored."""
        path = resource.path(namespace)
        call = Call("create", resource.full, path, namespace, method="POST", body=body, absent_ok=False)
        return _whole(self._json(call) or {}, resource)

    def delete(self, resource: Resource, namespace: str | None, name: str) -> bool:
        """Delete an object; False if there was none."""
        path = resource.path(namespace, name)
        return self._json(Call("delete", resource.full, path, namespace, name, method="DELETE")) is not None

    def log(
        self, namespace: str, pod: str, *, container: str = "", tail: int = 5_000, limit_bytes: int = 4 << 20
    ) -> str:
        """The last lines of a pod's log; empty if there is no such pod."""
        query = {"tailLines": str(tail), "limitBytes": str(limit_bytes)}
        query |= {"container": container} if container else {}
        path = RESOURCES["Pod"].path(namespace, pod, "log")
        answer = self._send(Call("get", "pods/log", path, namespace, pod, query=query, accept="*/*"))
        return (answer or b"").decode(errors="replace")

    def can(
        self,
        verb: str,
        resource: str,
        *,
        group: str = "",
        namespace: str | None = None,
        name: str = "",
        sub: str = "",
        who: str | None = None,
    ) -> bool:
        """Ask the API whether we may do something, or whether ``who`` may (which itself needs a right).

        Args:
            resource: plural: ``secrets``.
            sub: subresource: ``log``, ``portforward``.
            who: ``system:serviceaccount:namespace:name``; None for ourselves.
        """
        asked = {"verb": verb, "resource": resource, "group": group, "namespace": namespace or "", "name": name}
        kind = "SubjectAccessReview" if who else "SelfSubjectAccessReview"
        reviews = Resource(kind, f"{kind.lower()}s", "authorization.k8s.io", namespaced=False)
        attributes = {key: value for key, value in (asked | {"subresource": sub}).items() if value}
        spec: dict[str, Any] = {"resourceAttributes": attributes} | ({"user": who} if who else {})
        answer = self.create(reviews, None, {"apiVersion": reviews.api_version, "kind": kind, "spec": spec})
        return bool((answer.get("status") or {}).get("allowed"))

    def version(self) -> str:
        """Release of the cluster; the cheapest question of all."""
        answer = self._json(Call("get", "version", "/version")) or {}
        return str(answer.get("gitVersion", ""))

    def headers(self) -> dict[str, str]:
        """Who we are, as every request says it: a secret."""
        settings: Mapping[str, Any] = self.access.configuration.auth_settings()  # renews a token that expires
        login = {each["key"]: each["value"] for each in settings.values() if each["value"]}
        return login | ({"Impersonate-User": self.access.as_user} if self.access.as_user else {})

    def _json(self, call: Call) -> dict[str, Any] | None:
        answer = self._send(call)
        if answer is None:
            return None
        try:
            parsed: dict[str, Any] = json.loads(answer)
        except ValueError as error:
            # a proxy's login page
            raise no_answer(self.access, error) from error
        return parsed

    def _send(self, call: Call) -> bytes | None:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        headers = self.headers() | {"Accept": call.accept, "User-Agent": "kubectl-argo-archive"}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        url = self.access.server.rstrip("/") + call.path + (f"?{urlencode(call.query)}" if call.query else "")
        patience = (CONNECT_PATIENCE_S, READ_PATIENCE_S)
        try:
            response = self._rest.request(call.method, url, headers=headers, body=call.body, _request_timeout=patience)
            content: bytes = response.read()
        except (HTTPError, OSError, ApiException) as error:
            raise no_answer(self.access, error) from error
        if 200 <= response.status < 300:
            return content
        if response.status == 404 and call.absent_ok:
            return None
        raise explain(self.access, response.status, content, call.verb, call.what, call.namespace, call.name)


def _whole(item: dict[str, Any], resource: Resource) -> dict[str, Any]:
    """Items of a list do not say what they are; those of a names-only answer say something else."""
    return item | {"apiVersion": resource.api_version, "kind": resource.kind}
