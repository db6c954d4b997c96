"""Workflows, their templates and crons: the settings that decide what is archived, and what is lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from kubectl_argo_archive.argo.decode import Problem, Section, decode
from kubectl_argo_archive.argo.objects import ManifestObject, Node, Origin
from kubectl_argo_archive.argo.persistence import LabelSelector
from kubectl_argo_archive.argo.repository import RepositoryRef

DEFAULT_SUCCESSFUL_HISTORY = 3
DEFAULT_FAILED_HISTORY = 1
"""How many finished runs a CronWorkflow keeps; the older ones go without a look at the archive."""


@dataclass(frozen=True, kw_only=True)
class _Open(Section):
    """Only what matters to an archive is read."""

    OPEN: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class TtlStrategy(_Open):
    """When a finished workflow's live object is deleted."""

    seconds_after_completion: int | None = None
    seconds_after_success: int | None = None
    seconds_after_failure: int | None = None


@dataclass(frozen=True, kw_only=True)
class PodGC(_Open):
    """When pods are deleted."""

    strategy: str | None = None
    label_selector: LabelSelector | None = None
    delete_delay_duration: str | None = None


@dataclass(frozen=True, kw_only=True)
class ArtifactGC(_Open):
    """When artifacts are deleted, archived logs among them."""

    strategy: str | None = None
    service_account_name: str | None = None


@dataclass(frozen=True, kw_only=True)
class ObjectMeta(_Open):
    """Labels and annotations."""

    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class ArchiveLocation(_Open):
    """``archiveLocation`` of a template; with a store of its own, ``archiveLogs`` of the controller is not heard."""

    archive_logs: bool | None = None
    s3: Any = None
    gcs: Any = None
    oss: Any = None
    azure: Any = None
    hdfs: Any = None
    artifactory: Any = None
    plugin: Any = None

    @property
    def has_store(self) -> bool:
        """Whether it names a place."""
        stores = (self.s3, self.gcs, self.oss, self.azure, self.hdfs, self.artifactory, self.plugin)
        return any(store is not None for store in stores)


@dataclass(frozen=True, kw_only=True)
class Template(_Open):
    """A template of a workflow."""

    name: str | None = None
    archive_location: ArchiveLocation | None = None
    service_account_name: str | None = None
    container: Any = None
    container_set: Any = None
    script: Any = None
    sidecars: tuple[Any, ...] = ()
    init_containers: tuple[Any, ...] = ()
    archive_logs: Any = None
    """Misplaced here: Argo reads it in ``archiveLocation``."""


@dataclass(frozen=True, kw_only=True)
class WorkflowSpec(_Open):
    """``spec`` of a Workflow, of a template, of a cron's workflow, and of the controller's defaults."""

    SPELT: ClassVar[Mapping[str, str]] = {"artifact_gc": "artifactGC", "pod_gc": "podGC", "archive_ttl": "archiveTTL"}

    archive_logs: bool | None = None
    artifact_repository_ref: RepositoryRef | None = None
    artifact_gc: ArtifactGC | None = None
    ttl_strategy: TtlStrategy | None = None
    pod_gc: PodGC | None = None
    service_account_name: str | None = None
    workflow_metadata: ObjectMeta | None = None
    templates: tuple[Template, ...] = ()
    archive_ttl: Any = None
    """Misplaced here: Argo reads it in ``persistence``."""


@dataclass(frozen=True, kw_only=True)
class WorkflowDefaults(_Open):
    """``workflowDefaults`` of the controller."""

    metadata: ObjectMeta | None = None
    spec: WorkflowSpec | None = None


@dataclass(frozen=True, kw_only=True)
class WorkflowSource:
    """A Workflow, WorkflowTemplate or ClusterWorkflowTemplate.

    Attributes:
        labels: of the object itself; a workflow made from a template has ``spec.workflow_metadata.labels`` too.
    """

    kind: str
    namespace: str
    name: str
    labels: Mapping[str, str]
    spec: WorkflowSpec
    origin: Origin = field(default=Origin(), compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class _CronSpec(_Open):
    schedule: str | None = None
    schedules: tuple[str, ...] = ()
    timezone: str | None = None
    suspend: bool | None = None
    concurrency_policy: str | None = None
    successful_jobs_history_limit: int | None = None
    failed_jobs_history_limit: int | None = None
    workflow_metadata: ObjectMeta | None = None
    workflow_spec: WorkflowSpec | None = None


@dataclass(frozen=True, kw_only=True)
class CronWorkflow:
    """A CronWorkflow.

    Attributes:
        schedules: cron expressions; ``schedule`` and ``schedules`` alike.
        successful_limit: finished runs that stay in the cluster; a default if not written.
        failed_limit: the same for failed runs.
        labels: that its workflows get.
    """

    namespace: str
    name: str
    schedules: tuple[str, ...]
    timezone: str | None
    suspended: bool
    concurrency_policy: str | None
    successful_limit: int
    failed_limit: int
    labels: Mapping[str, str]
    spec: WorkflowSpec
    last_scheduled: str | None = None
    origin: Origin = field(default=Origin(), compare=False, repr=False)
    limits_origin: Origin = field(default=Origin(), compare=False, repr=False)


def read_source(obj: ManifestObject, problems: list[Problem]) -> WorkflowSource:
    """Read a Workflow or a template of workflows."""
    spec = decode(WorkflowSpec, obj.node("spec"), problems) or WorkflowSpec(origins={"": obj.node("spec").origin})
    return WorkflowSource(
        kind=obj.kind, namespace=obj.namespace, name=obj.name, labels=obj.labels, spec=spec, origin=obj.origin
    )


def read_cron(obj: ManifestObject, problems: list[Problem]) -> CronWorkflow:
    """Read a CronWorkflow."""
    node = obj.node("spec")
    spec = decode(_CronSpec, node, problems) or _CronSpec(origins={"": node.origin})
    successful, failed = spec.successful_jobs_history_limit, spec.failed_jobs_history_limit
    last: Node = obj.node("status", "lastScheduledTime")
    return CronWorkflow(
        namespace=obj.namespace,
        name=obj.name,
        schedules=spec.schedules or ((spec.schedule,) if spec.schedule else ()),
        timezone=spec.timezone,
        suspended=bool(spec.suspend),
        concurrency_policy=spec.concurrency_policy,
        successful_limit=DEFAULT_SUCCESSFUL_HISTORY if successful is None else successful,
        failed_limit=DEFAULT_FAILED_HISTORY if failed is None else failed,
        labels=dict((spec.workflow_metadata and spec.workflow_metadata.labels) or {}),
        spec=spec.workflow_spec or WorkflowSpec(origins={"": node.get("workflowSpec").origin}),
        last_scheduled=last.value if isinstance(last.value, str) else None,
        origin=obj.origin,
        limits_origin=spec.origin("successful_jobs_history_limit"),
    )
