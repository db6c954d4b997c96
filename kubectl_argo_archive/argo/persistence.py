"""Block ``persistence`` of the controller's configuration (argo v4.1 ``config/config.go``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from kubectl_argo_archive.argo.decode import SecretKeyRef, Section, Ttl
from kubectl_argo_archive.argo.versions import Version

DEFAULT_CLUSTER_NAME = "default"
DEFAULT_PORTS = {"postgresql": 5432, "mysql": 3306}
DEFAULT_ENTRA_SCOPE = "https://ossrdbms-aad.database.windows.net/.default"
"""What Argo asks Entra for if ``azureToken.scope`` is empty (``util/sqldb/sqldb.go``)."""


@dataclass(frozen=True, kw_only=True)
class LabelRequirement(Section):
    """One of a selector's ``matchExpressions``."""

    key: str | None = None
    operator: str | None = None
    values: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LabelSelector(Section):
    """Kubernetes' label selector as YAML writes it."""

    match_labels: Mapping[str, str] | None = None
    match_expressions: tuple[LabelRequirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether ``labels`` fulfil all that is asked; an unknown operator is never fulfilled."""
        return all(labels.get(name) == value for name, value in (self.match_labels or {}).items()) and all(
            _fulfilled(each, labels) for each in self.match_expressions
        )


def _fulfilled(asked: LabelRequirement, labels: Mapping[str, str]) -> bool:
    name = asked.key or ""
    match asked.operator:
        case "In":
            return labels.get(name) in asked.values
        case "NotIn":
            return labels.get(name) not in asked.values
        case "Exists":
            return name in labels
        case "DoesNotExist":
            return name not in labels
    return False


@dataclass(frozen=True, kw_only=True)
class ConnectionPool(Section):
    """``connectionPool``; None or 0 is unlimited for open connections and lifetime."""

    max_idle_conns: int | None = None
    max_open_conns: int | None = None
    conn_max_lifetime: Ttl | None = None


@dataclass(frozen=True, kw_only=True)
class Reconnection(Section):
    """``reconnectionConfig`` (since v4.1)."""

    max_retries: int | None = None
    base_delay_seconds: int | None = None
    max_delay_seconds: int | None = None
    retry_multiple: float | None = None


@dataclass(frozen=True, kw_only=True)
class AzureToken(Section):
    """``azureToken``: login with a token of Entra (since v4.1)."""

    enabled: bool | None = None
    scope: str | None = None


@dataclass(frozen=True, kw_only=True)
class AwsRdsToken(Section):
    """``awsRDSToken``: login with a token of RDS IAM (since v4.1); needs ``ssl: true``."""

    enabled: bool | None = None
    region: str | None = None


@dataclass(frozen=True, kw_only=True)
class Database(Section):
    """What ``postgresql`` and ``mysql`` have in common."""

    KIND: ClassVar[Literal["postgresql", "mysql"]]

    host: str | None = None
    port: int | None = None
    database: str | None = None
    table_name: str | None = None
    user_name_secret: SecretKeyRef | None = None
    password_secret: SecretKeyRef | None = None

    @property
    def kind(self) -> Literal["postgresql", "mysql"]:
        """Which of the two."""
        return self.KIND

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that Argo dials: ``host`` may hold a port already, none means the driver's default."""
        host, port = (self.host or "").strip(), self.port
        if not port and host.count(":") == 1:
            host, _, written = host.partition(":")
            port = int(written) if written.isdecimal() else None
        return host.strip("[]"), port or DEFAULT_PORTS[self.KIND]


@dataclass(frozen=True, kw_only=True)
class PostgreSQL(Database):
    """Block ``postgresql``; Argo has no fields for a CA or a client certificate."""

    KIND = "postgresql"

    SPELT: ClassVar[Mapping[str, str]] = {"aws_rds_token": "awsRDSToken"}

    ssl: bool | None = None
    ssl_mode: str | None = None
    azure_token: AzureToken | None = None
    aws_rds_token: AwsRdsToken | None = None

    @property
    def login(self) -> Literal["password", "aws", "azure"]:
        """How the controller proves who it is; RDS comes first if both are on, which Argo refuses."""
        if self.aws_rds_token and self.aws_rds_token.enabled:
            return "aws"
        return "azure" if self.azure_token and self.azure_token.enabled else "password"

    def effective_ssl_mode(self, version: Version | None) -> str:
        """libpq's ``sslmode`` as this release of Argo sets it; an unknown release counts as the newest.

        Up to v3.4 no mode means no TLS; v3.5 to v4.0 ``ssl: false`` alone does not switch TLS off.
        """
        wanted = self.ssl_mode if self.ssl and self.ssl_mode else None
        if version is not None and version < Version(3, 5):
            return wanted or "disable"
        if version is not None and version < Version(4, 1):
            return wanted or "prefer"
        return wanted or ("prefer" if self.ssl else "disable")


@dataclass(frozen=True, kw_only=True)
class MySQL(Database):
    """Block ``mysql``; ``options`` are parameters of go-sql-driver, ignored before v3.4."""

    KIND = "mysql"

    options: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class DatabaseBlock(Section):
    """What ``persistence`` and ``synchronization`` have in common."""

    connection_pool: ConnectionPool | None = None
    reconnection_config: Reconnection | None = None
    connection_timeout_seconds: int | None = None
    postgresql: PostgreSQL | None = None
    mysql: MySQL | None = None

    @property
    def database(self) -> PostgreSQL | MySQL | None:
        """The database that Argo uses: Postgres, if both blocks are there."""
        return self.postgresql or self.mysql


@dataclass(frozen=True, kw_only=True)
class Persistence(DatabaseBlock):
    """Block ``persistence``; None is "not written", the ``effective_…`` say what Argo makes of that."""

    SPELT: ClassVar[Mapping[str, str]] = {"archive_ttl": "archiveTTL", "node_status_offload": "nodeStatusOffLoad"}

    archive: bool | None = None
    archive_ttl: Ttl | None = None
    archive_label_selector: LabelSelector | None = None
    cluster_name: str | None = None
    node_status_offload: bool | None = None
    skip_migration: bool | None = None

    @property
    def effective_cluster_name(self) -> str:
        """What stands in column ``clustername``."""
        return self.cluster_name or DEFAULT_CLUSTER_NAME

    def archives(self, labels: Mapping[str, str]) -> bool:
        """Whether a workflow with these labels is archived."""
        selector = self.archive_label_selector
        return bool(self.archive) and (selector is None or selector.matches(labels))


@dataclass(frozen=True, kw_only=True)
class Synchronization(DatabaseBlock):
    """Block ``synchronization`` (since v3.7): locks in a database, independent of the archive."""

    SPELT: ClassVar[Mapping[str, str]] = {"enable_api": "enableAPI"}

    enable_api: bool | None = None
    controller_name: str | None = None
    skip_migration: bool | None = None
    limit_table_name: str | None = None
    state_table_name: str | None = None
    controller_table_name: str | None = None
    lock_table_name: str | None = None
    poll_seconds: int | None = None
    heartbeat_seconds: int | None = None
    inactive_controller_seconds: int | None = None
    semaphore_limit_cache_seconds: Any = None
