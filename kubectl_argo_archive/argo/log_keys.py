"""Where the archived logs of a workflow's pods lie: the recorded key first, the rebuilt path as fallback.

What Argo does (argo v3.0 to v4.1): the executor saves the output of each main container as artifact
``<container>-logs`` with key ``<archive location>/<container>.log`` (``workflow/executor/executor.go``), key only;
bucket and endpoint stand in ``status.artifactRepositoryRef``, or in the template's ``archiveLocation`` if that names
a place of its own. A Retry node repeats its last child's outputs, so only Pod nodes count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kubectl_argo_archive.argo.names import ARTIFACT_BUCKET, ARTIFACT_KEY
from kubectl_argo_archive.argo.pods import pod_name_v2

SUFFIX = "-logs"
DEFAULT_FORMAT = "{{workflow.name}}/{{pod.name}}"
ENDINGS = (".log", ".log.gz", ".log.zst", ".log.xz", ".tgz", ".log.tgz", ".tar.gz")
"""What an archived log's name may end in: plain as Argo writes it, or as a bucket's owner compressed it later."""
_PRECEDENCE = ("artifactory", "azure", "gcs", "hdfs", "oss", "plugin", "s3")
_PLACEHOLDER = re.compile(r"\{\{=?\s*([^{}]*?)\s*\}\}")
_RAN_NO_POD = ("Skipped", "Omitted", "Pending", "")


@dataclass(frozen=True, slots=True)
class LogStore:
    """A store of artifacts, as a workflow recorded it; names of secrets are left out.

    Attributes:
        kind: s3, gcs, oss, azure, hdfs, artifactory or plugin.
        bucket: bucket, or container of azure.
        endpoint: as recorded, empty for the cloud's own.
        region: as recorded.
        insecure: http instead of https.
        key_format: pattern of the keys of a pod's artifacts.
        archive_logs: of the repository; None if it says nothing.
        customer_key: encrypted with a key of the customer's (SSE-C): unreadable without it.
    """

    kind: str
    bucket: str
    endpoint: str = ""
    region: str = ""
    insecure: bool = False
    key_format: str = DEFAULT_FORMAT
    archive_logs: bool | None = None
    customer_key: bool = False


@dataclass(frozen=True, slots=True)
class LogArtifact:
    """A recorded output artifact whose name ends in ``-logs``.

    Attributes:
        name: ``main-logs``.
        kind: of its location, None if it has none.
        key: of the object.
        bucket: if the artifact names one itself (rows of Argo 2.x).
        location: other members of the location, if it is complete.
    """

    name: str
    kind: str | None
    key: str | None
    bucket: str | None = None
    location: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PodNode:
    """What we need to know of a Pod node."""

    node_id: str
    name: str
    template_name: str
    phase: str
    pod_name: str
    template_ref: str = ""
    template_scope: str = ""
    memoized: bool = False
    ran: bool = True
    logs: Sequence[LogArtifact] = ()


@dataclass(frozen=True, slots=True)
class WorkflowLogs:
    """What we need to know of a workflow.

    Attributes:
        values: placeholders of key formats that do not depend on the pod, ``workflow.name`` → its value.
        store: of ``status.artifactRepositoryRef``.
        archive_logs: ``spec.archiveLogs``.
        templates: raw templates: by name those of the spec, by ``scope/resource/name`` the stored ones.
    """

    values: Mapping[str, str]
    store: LogStore | None = None
    archive_logs: bool | None = None
    templates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def template(self, pod: PodNode) -> Mapping[str, Any] | None:
        """The template that a pod ran."""
        names = [f"{pod.template_scope}/{pod.template_name}", pod.template_name]
        if pod.template_ref:
            names = [f"namespaced/{pod.template_ref}", f"cluster/{pod.template_ref}", *names]
        return next((self.templates[name] for name in names if name in self.templates), None)


@dataclass(frozen=True, slots=True)
class LogClaim:
    """One place where the log of a container should lie.

    Attributes:
        node_id: of the pod.
        container: ``main``, or a name in a container set.
        store: where; None if nothing tells.
        key: of the object.
        recorded: Argo recorded the key; otherwise it is rebuilt, and ``rank`` orders the candidates.
    """

    node_id: str
    container: str
    store: LogStore | None
    key: str
    recorded: bool
    rank: int = 0


def container_of(artifact: str, key: str | None) -> str | None:
    """The container whose log an artifact is, or None: a user's own artifact may be called ``…-logs`` too."""
    container = artifact.removesuffix(SUFFIX)
    if not key or not container or container == artifact:
        return None
    last = key.rpartition("/")[2]
    return container if any(last == container + ending for ending in ENDINGS) else None


def store_of(block: Any, *, archive_logs: bool | None = None) -> LogStore | None:
    """The store that a repository or an archive location names; if it names several, Argo's precedence decides."""
    if not isinstance(block, Mapping):
        return None
    own = block.get("archiveLogs")
    for kind in _PRECEDENCE:
        section = block.get(kind)
        if isinstance(section, Mapping):
            return _store(kind, section, own if isinstance(own, bool) else archive_logs)
    return None


def _store(kind: str, section: Mapping[str, Any], archive_logs: bool | None) -> LogStore:
    def text(name: str) -> str:
        value = section.get(name)
        return value.strip() if isinstance(value, str) else ""

    encryption = section.get("encryptionOptions")
    customer_key = isinstance(encryption, Mapping) and bool(encryption.get("serverSideCustomerKeySecret"))
    pattern = text({"azure": "blobNameFormat", "hdfs": "pathFormat"}.get(kind, "keyFormat"))
    if not pattern:
        prefix = text("keyPrefix").strip("/")
        pattern = f"{prefix}/{DEFAULT_FORMAT}" if prefix else DEFAULT_FORMAT
    return LogStore(
        kind=kind,
        bucket=text(ARTIFACT_BUCKET.get(kind, "bucket")) or (text("repoURL") if kind == "artifactory" else ""),
        endpoint=text("endpoint"),
        region=text("region"),
        insecure=section.get("insecure") is True,
        key_format=pattern,
        archive_logs=archive_logs,
        customer_key=customer_key,
    )


def workflow_values(
    name: str,
    namespace: str,
    uid: str,
    created: datetime | None,
    *,
    labels: Mapping[str, str | None],
    annotations: Mapping[str, str | None],
    parameters: Mapping[str, str | None],
    service_account: str = "",
    scheduled: datetime | None = None,
) -> dict[str, str]:
    """Values of the placeholders that Argo fills from the workflow (docs/variables.md, "Global")."""
    values = {"workflow.name": name, "workflow.namespace": namespace, "workflow.uid": uid,
              "workflow.mainEntrypoint": "", "workflow.serviceAccountName": service_account}  # fmt: skip
    for kind, pairs in (("labels", labels), ("annotations", annotations), ("parameters", parameters)):
        values |= {f"workflow.{kind}.{key}": value for key, value in pairs.items() if value is not None}
    if created is not None:
        values["workflow.creationTimestamp"] = f"{created:%Y-%m-%d %H:%M:%S} +0000 UTC"
        values["workflow.creationTimestamp.RFC3339"] = f"{created:%Y-%m-%dT%H:%M:%SZ}"
        values["workflow.creationTimestamp.s"] = str(int(created.timestamp()))
        for letter in "aAbBcdDeFHIjklmMnprRStTuUvVwWxXyYzZ":  # strftime letters, argo util/strftime
            values[f"workflow.creationTimestamp.{letter}"] = created.astimezone(UTC).strftime(f"%{letter}")
    if scheduled is not None:
        values["workflow.scheduledTime"] = f"{scheduled:%Y-%m-%dT%H:%M:%SZ}"
    return values


def render(pattern: str, values: Mapping[str, str]) -> str | None:
    """Fill a key format; None if it names something that is not known."""
    unknown = False

    def fill(match: re.Match[str]) -> str:
        nonlocal unknown
        name = match[1].strip()
        quoted = re.fullmatch(r"(workflow\.(?:labels|annotations|parameters))\[['\"](.+)['\"]\]", name)
        value = values.get(f"{quoted[1]}.{quoted[2]}" if quoted else name)
        unknown = unknown or value is None
        return value or ""

    filled = _PLACEHOLDER.sub(fill, pattern)
    return None if unknown else filled


def claims(workflow: WorkflowLogs, pod: PodNode) -> Iterator[LogClaim]:
    """Where the logs of a pod lie: what Argo recorded; for containers without a record, if logs were to be
    archived, each place where they may be, the likeliest first."""
    template = workflow.template(pod)
    location = template.get("archiveLocation") if template is not None else None
    own = store_of(location)
    store = own if own is not None and own.bucket else workflow.store
    seen: set[str] = set()
    for artifact in pod.logs:
        container = container_of(artifact.name, artifact.key)
        if container is None or container in seen:
            continue
        seen.add(container)
        yield LogClaim(pod.node_id, container, _own_store(artifact, store), artifact.key or "", True)
    if not pod.ran or pod.memoized or pod.phase in _RAN_NO_POD or store is None or (seen and template is None):
        return
    if not _archives(workflow, template, location, own):
        return
    for container in _containers(template):
        if container not in seen:
            for rank, key in enumerate(_keys(workflow, pod, location, store)):
                yield LogClaim(pod.node_id, container, store, f"{key}/{container}.log", False, rank)


def _own_store(artifact: LogArtifact, store: LogStore | None) -> LogStore | None:
    """The store of a recorded artifact: its own if it is complete, else that of its pod."""
    if artifact.location and artifact.kind:
        full = _store(artifact.kind, artifact.location, None)
        if full.bucket:
            return full
    if artifact.bucket and (store is None or store.bucket != artifact.bucket):
        like = store if store is not None and store.kind == (artifact.kind or store.kind) else None
        return LogStore(
            artifact.kind or "s3",
            artifact.bucket,
            endpoint=like.endpoint if like else "",
            region=like.region if like else "",
            insecure=like.insecure if like else False,
        )
    return store


def _archives(workflow: WorkflowLogs, template: Mapping[str, Any] | None, location: Any, own: LogStore | None) -> bool:
    """Whether logs of this template were to be archived (argo ``workflow/controller/workflowpod.go``)."""
    at_template = location.get("archiveLogs") if isinstance(location, Mapping) else None
    if own is not None and own.bucket:
        return at_template is True
    if template is not None and any(kind in template for kind in ("data", "http", "plugin", "suspend")):
        return False
    if workflow.store is not None and workflow.store.archive_logs:
        return True
    return at_template if isinstance(at_template, bool) else workflow.archive_logs is True


def _containers(template: Mapping[str, Any] | None) -> list[str]:
    """Containers whose output is archived: ``main``, or all of a container set."""
    container_set = template.get("containerSet") if template is not None else None
    found = container_set.get("containers") if isinstance(container_set, Mapping) else None
    names = [c.get("name") for c in found if isinstance(c, Mapping)] if isinstance(found, list) else []
    return [name for name in names if isinstance(name, str) and name] or ["main"]


def _keys(workflow: WorkflowLogs, pod: PodNode, location: Any, store: LogStore) -> list[str]:
    """Keys of the pod's archive, without ``/main.log``: for the pod's name, then for both formats of names."""
    fixed = None
    if isinstance(location, Mapping) and isinstance(location.get(store.kind), Mapping):
        fixed = location[store.kind].get(ARTIFACT_KEY.get(store.kind, "key"))
    pattern = fixed if isinstance(fixed, str) and fixed else store.key_format
    name = workflow.values["workflow.name"]
    template = pod.template_ref.rpartition("/")[2] or pod.template_name
    pods = [pod.pod_name, pod_name_v2(name, pod.name, template), pod.node_id]
    keys = (render(pattern, {**workflow.values, "pod.name": each, "node.name": pod.name}) for each in pods if each)
    # the executor joins paths, which drops doubled and outer slashes
    return list(dict.fromkeys(re.sub(r"/+", "/", key).strip("/") for key in keys if key))
