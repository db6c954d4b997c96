"""Everything that the rules may look at: gathered by ``verify``, or read from files by ``setup lint``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from kubectl_argo_archive.argo.controller import Controller
from kubectl_argo_archive.argo.installation import Installation
from kubectl_argo_archive.checks.check import Need
from kubectl_argo_archive.checks.facts_cluster import Canary, Cluster
from kubectl_argo_archive.checks.facts_database import Connection, Database
from kubectl_argo_archive.checks.facts_storage import Bucket, LakeFacts, Logs, Machine

_REASONS = {
    Need.FILES: "only files show this: kubectl argo-archive setup lint",
    Need.CONFIG: "no controller's configuration is known: give a kubeconfig",
    Need.CLUSTER: "no Kubernetes API is known: give a kubeconfig",
    Need.WORKFLOWS: "no Kubernetes API is known: give a kubeconfig",
    Need.CONNECTION: "no database is known: give a kubeconfig or --source",
    Need.DATABASE: "no session in the database: see B03",
    Need.BUCKET: "no bucket is known: give a kubeconfig or --lake",
    Need.LOGS: "no archived workflow's logs could be looked at",
    Need.LAKE: "no lake is known: give --lake",
    Need.MACHINE: "this machine was not looked at",
    Need.CANARY: "no canary was asked for: --canary submits one",
}


@dataclass(frozen=True)
class Facts:
    """What is known; None is "not looked at", and ``missing`` says why.

    Attributes:
        live: the Installation comes from a cluster; in files, what is absent may merely be elsewhere.
        own_session: the database session is the controller's own user, not a reader of ours.
        archived: uids of finished live workflows that have a row, None if not compared.
    """

    installation: Installation | None = None
    live: bool = False
    cluster: Cluster | None = None
    connection: Connection | None = None
    database: Database | None = None
    own_session: bool = False
    archived: frozenset[str] | None = None
    buckets: tuple[Bucket, ...] | None = None
    logs: Logs | None = None
    lake: LakeFacts | None = None
    machine: Machine | None = None
    canary: Canary | None = None
    missing: Mapping[Need, str] = field(default_factory=dict)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def why_not(self, need: Need) -> str:
        """Empty if ``need`` is met, else the reason for people."""
        if need is Need.DATABASE and self.database is not None and not self.database.is_postgres:
            return f"{self.database.server} is not PostgreSQL: see B16"
        if self._has(need):
            return ""
        if need is Need.WORKFLOWS:
            refused = self.cluster.unread.get("workflows") if self.cluster else None
            return refused or self.missing.get(Need.CLUSTER) or _REASONS[need]
        return self.missing.get(need) or _REASONS[need]

    def _has(self, need: Need) -> bool:
        match need:
            case Need.CONFIG:
                return bool(self.controllers)
            case Need.WORKFLOWS:
                return self.cluster is not None and "workflows" not in self.cluster.unread
            case Need.BUCKET:
                return bool(self.buckets)
            case Need.FILES:
                return self.installation is not None and not self.live
        return getattr(self, str(need)) is not None

    @property
    def controllers(self) -> tuple[Controller, ...]:
        """Controllers whose configuration is known."""
        everyone = self.installation.controllers if self.installation else ()
        return tuple(each for each in everyone if each.config is not None)

    @property
    def the(self) -> Installation:
        """The Installation, for rules that need the configuration."""
        assert self.installation is not None
        return self.installation

    @property
    def api(self) -> Cluster:
        """The cluster, for rules that need it."""
        assert self.cluster is not None
        return self.cluster

    @property
    def db(self) -> Database:
        """The database, for rules that need it."""
        assert self.database is not None
        return self.database

    @property
    def log_buckets(self) -> list[Bucket]:
        """Buckets of artifact repositories."""
        return [each for each in self.buckets or () if each.role == "logs"]

    @property
    def namespaces(self) -> list[str]:
        """Namespaces in which workflows run or ran lately, as far as anything tells."""
        found = {each.namespace for each in (self.cluster.workflows if self.cluster else ())}
        if self.installation:
            found |= {cron.namespace for cron in self.installation.crons}
            found |= {source.namespace for source in self.installation.sources}
        if self.database:
            found |= {row.namespace for row in self.database.recent}
        return sorted(found - {""})
