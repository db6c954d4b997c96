"""What is known of the live cluster beyond its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

ARCHIVING = "workflows.argoproj.io/workflow-archiving-status"
COMPLETED = "workflows.argoproj.io/completed"
INSTANCE = "workflows.argoproj.io/controller-instanceid"
CRON = "workflows.argoproj.io/cron-workflow"


@dataclass(frozen=True, slots=True)
class LiveWorkflow:
    """A Workflow object of the cluster.

    Attributes:
        finished: when it did, None while it runs.
        bytes: of its JSON.
        service_account: that its pods use.
        ttl_s: seconds until the object is deleted after its end, None if never.
    """

    namespace: str
    name: str
    uid: str
    phase: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    created: datetime | None = None
    finished: datetime | None = None
    bytes: int = 0
    service_account: str = "default"
    ttl_s: int | None = None

    @property
    def completed(self) -> bool:
        """Whether the controller is done with it."""
        return self.labels.get(COMPLETED) == "true"

    @property
    def archiving(self) -> str:
        """Pending, Archived, or empty if it will not be archived."""
        return self.labels.get(ARCHIVING, "")

    @property
    def instance_id(self) -> str:
        """Which controller it wants."""
        return self.labels.get(INSTANCE, "")

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of a controller or server.

    Attributes:
        process: ``namespace/name`` of the Deployment.
        role: controller or server.
        started: when its container last did.
    """

    namespace: str
    name: str
    process: str
    role: str
    started: datetime | None = None
    ready: bool = True
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Access:
    """Whether somebody may do something.

    Attributes:
        who: ``you``, or ``system:serviceaccount:ns:name``.
        resource: with its group: ``workflows.argoproj.io``.
        why: which of our tasks wants it.
    """

    who: str
    verb: str
    resource: str
    namespace: str
    allowed: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Cluster:
    """What the Kubernetes API told; what it refused is in ``unread``, reason by what was wanted.

    Attributes:
        context: where we asked, for people.
        workflows: live ones, of all namespaces that we may list.
        truncated: there were more than we looked at.
        pods: of controllers and servers.
        config_changed: ``namespace/name`` of a ConfigMap → its newest change.
        namespaces: that exist; None if they may not be listed.
        access: answers to access reviews.
        service_accounts: ``namespace/name`` → annotations.
        log_lines: of a controller, ``namespace/name`` → the lines that tell something of the archive, newest last.
    """

    context: str = ""
    workflows: tuple[LiveWorkflow, ...] = ()
    truncated: bool = False
    pods: tuple[Pod, ...] = ()
    config_changed: Mapping[str, datetime] = field(default_factory=dict)
    namespaces: frozenset[str] | None = None
    access: tuple[Access, ...] = ()
    service_accounts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    log_lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)

    @property
    def finished(self) -> list[LiveWorkflow]:
        """Workflows that the controller is done with."""
        return [each for each in self.workflows if each.completed]

    def said(self, *texts: str) -> list[str]:
        """Lines of controllers' logs with one of these texts."""
        return [line for lines in self.log_lines.values() for line in lines if any(text in line for text in texts)]


@dataclass(frozen=True, slots=True)
class Canary:
    """A workflow submitted for the test, and how far it came.

    Attributes:
        name: ``namespace/name``.
        phase: at its end.
        steps: what was waited for → empty if it came, else why not.
        seconds: what was waited for → how long.
        left_behind: what could not be removed.
    """

    name: str
    uid: str = ""
    phase: str = ""
    steps: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    left_behind: tuple[str, ...] = ()
