"""What somebody wants set up: a few answers, checked. ``render.py`` makes files of it.

The controller's settings are the very values that discovery reads back: those of ``argo/persistence.py`` and
``argo/repository.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from kubectl_argo_archive.argo.decode import SecretKeyRef, Ttl
from kubectl_argo_archive.argo.persistence import AwsRdsToken, ConnectionPool, Persistence, PostgreSQL
from kubectl_argo_archive.argo.repository import ArtifactRepository, S3Store
from kubectl_argo_archive.errors import ConfigError
from kubectl_argo_archive.setup.storage import bytes_of

VolumeKind: TypeAlias = Literal["efs", "nfs", "ebs", "storage-class"]
SecretKind: TypeAlias = Literal["stdin", "external-secrets", "irsa"]
Runner: TypeAlias = Literal["cronjob", "cronworkflow"]

RELEASE: Final = "argo-workflows"
CHART_VERSION: Final = "1.0.18"
ARGO_VERSION: Final = "v4.1.2"
POSTGRES_IMAGE: Final = "docker.io/library/postgres:18.4"
PYTHON_IMAGE: Final = "docker.io/library/python:3.13.5-slim-bookworm"
OWNER: Final = "argo"
"""Role of the database that the controller logs in with."""
READER: Final = "argo_archive_reader"
"""Role that may only read."""
KEY_FORMAT: Final = "{{workflow.namespace}}/{{workflow.name}}/{{workflow.uid}}/{{pod.name}}"
"""Two runs never share a key: the uid is unique, a pod's name is unique within a run."""
DATABASE: Final = "argo-archive-database"
"""Name of the database's objects and of the Secret of its owner."""
SUPERUSER: Final = "argo-archive-superuser"
READER_SECRET: Final = "argo-archive-reader"
S3_SECRET: Final = "argo-archive-s3"
EXPORTER: Final = "argo-archive-exporter"

_NAME: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9.]{0,251}[A-Za-z0-9])?", re.ASCII)
_ENDPOINT: Final = re.compile(r"[A-Za-z0-9][-A-Za-z0-9.]*(?::[0-9]{1,5})?", re.ASCII)
_BUCKET: Final = re.compile(r"[a-z0-9][-a-z0-9.]{1,61}[a-z0-9]", re.ASCII)
_DATABASE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}", re.ASCII)
_REGION: Final = re.compile(r"[a-z]{2}(?:-[a-z]+)+-[0-9]", re.ASCII)
_ROLE: Final = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+", re.ASCII)
_FILE_SYSTEM: Final = re.compile(r"fs-[0-9a-f]{8,40}(?:::fsap-[0-9a-f]{8,40})?", re.ASCII)
_EXPORT: Final = re.compile(r"[A-Za-z0-9][-A-Za-z0-9.]*:/[-A-Za-z0-9._/]*", re.ASCII)
_SCHEDULE: Final = re.compile(r"[0-9*/,-]+(?: [0-9A-Za-z*/,-]+){4}", re.ASCII)
_LAKE: Final = re.compile(r"s3://[a-z0-9][-a-z0-9.]{1,61}[a-z0-9](?:/[-A-Za-z0-9._/]*)?", re.ASCII)
_IMAGE: Final = re.compile(r"[a-z0-9][-A-Za-z0-9._/:]*(?:@sha256:[0-9a-f]{64})?", re.ASCII)
_KEY: Final = re.compile(r"[-A-Za-z0-9_+=.@!/]{1,500}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The answers.

    Attributes:
        namespace: of the controller, its Secrets, the database and the exporter.
        workflow_namespaces: where workflows run.
        cluster_name: what tells this cluster's rows from another one's.
        external_host: of a database that exists; None for one in the cluster.
        volume: where the database in the cluster keeps its data.
        volume_handle: EFS: ``fs-…``; NFS: ``server:/path``; else None.
        storage_class: name, None for the cluster's default.
        bucket: of artifacts and logs.
        endpoint: ``host[:port]`` of MinIO and the like; None for AWS.
        secret: how credentials come into the cluster.
        role_arn: IAM role of the service accounts (``irsa``), or of External Secrets.
        secret_path: beginning of the names in AWS Secrets Manager.
        lake: where the exporter writes.
        tool_image: that holds this tool; None installs it at the start of the job.
    """

    namespace: str = "argo"
    workflow_namespaces: tuple[str, ...] = ()
    cluster_name: str = "main"
    external_host: str | None = None
    port: int = 5432
    database: str = "argo"
    volume: VolumeKind = "storage-class"
    volume_handle: str | None = None
    storage_class: str | None = None
    size: str = "50Gi"
    bucket: str
    region: str | None = None
    endpoint: str | None = None
    insecure: bool = False
    secret: SecretKind = "stdin"
    role_arn: str | None = None
    secret_path: str = "argo-archive"
    archive_ttl: str = "180d"
    lake: str | None = None
    schedule: str = "17 * * * *"
    runner: Runner = "cronjob"
    tool_image: str | None = None
    tool_version: str = ""

    def __post_init__(self) -> None:
        for name, pattern, what in _PATTERNS:
            value = getattr(self, name)
            if value is not None and not pattern.fullmatch(value):
                raise ConfigError(f"--{name.replace('_', '-')} is not usable", f"it has to be {what}")
        for each in self.workflow_namespaces:
            if not _NAME.fullmatch(each):
                raise ConfigError("a workflow namespace has a name that Kubernetes refuses", "use a-z, 0-9 and -")
        if not 0 < self.port < 65_536:
            raise ConfigError(f"{self.port} is no port", "the port of Postgres is 5432")
        if not bytes_of(self.size):
            raise ConfigError("--size is no amount of storage", "write 50Gi")
        if not Ttl.parse(self.archive_ttl).seconds:
            raise ConfigError("--archive-ttl is not usable", "Argo takes a whole number and one unit: 180d, 12h")
        self._check_volume()
        self._check_access()

    def _check_volume(self) -> None:
        if self.in_cluster and self.volume == "efs" and not _FILE_SYSTEM.fullmatch(self.volume_handle or ""):
            raise ConfigError("EFS needs the id of a file system", "--volume-handle fs-0123456789abcdef0")
        if self.in_cluster and self.volume == "nfs" and not _EXPORT.fullmatch(self.volume_handle or ""):
            raise ConfigError("NFS needs a server and a folder", "--volume-handle nfs.example.com:/exports/argo")

    def _check_access(self) -> None:
        if self.secret == "irsa" and self.endpoint:
            raise ConfigError("IRSA is for AWS only, and --endpoint names another store", "use --secret stdin")
        if self.secret != "stdin" and not self.role_arn:
            raise ConfigError(
                f"--secret {self.secret} needs an IAM role", "--role-arn arn:aws:iam::123456789012:role/NAME"
            )
        if not self.region and (self.secret != "stdin" or not self.endpoint):
            raise ConfigError("AWS needs a region", "--region eu-central-1")
        if self.insecure and not self.endpoint:
            raise ConfigError("--insecure is for a store of your own", "name it with --endpoint")

    @property
    def in_cluster(self) -> bool:
        """The database runs in the cluster, set up here."""
        return self.external_host is None

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Of workflows; without any named, the controller's."""
        return self.workflow_namespaces or (self.namespace,)

    @property
    def host(self) -> str:
        """What the controller dials."""
        return self.external_host or f"{DATABASE}.{self.namespace}.svc.cluster.local"

    @property
    def database_token(self) -> bool:
        """The database takes tokens of AWS instead of a password."""
        return self.secret == "irsa" and not self.in_cluster

    @property
    def ssl_mode(self) -> str:
        """A database outside is reached by TLS only; the one set up here serves inside its namespace."""
        return "disable" if self.in_cluster else "require"

    @property
    def static_keys(self) -> bool:
        """The bucket is reached with keys in a Secret."""
        return self.secret != "irsa"

    @property
    def s3_endpoint(self) -> str:
        """As Argo wants it: a host, no scheme."""
        return self.endpoint or f"s3.{self.region}.amazonaws.com"

    @property
    def lake_location(self) -> str:
        """Where the exporter writes: beside the logs unless said otherwise."""
        return self.lake or f"s3://{self.bucket}/lake"

    @property
    def persistence(self) -> Persistence:
        """The controller's block."""
        return Persistence(
            archive=True,
            archive_ttl=Ttl.parse(self.archive_ttl),
            cluster_name=self.cluster_name,
            node_status_offload=True,
            connection_pool=ConnectionPool(max_idle_conns=5, max_open_conns=20, conn_max_lifetime=Ttl.parse("30m")),
            postgresql=PostgreSQL(
                host=self.host,
                port=self.port,
                database=self.database,
                table_name="argo_workflows",
                user_name_secret=SecretKeyRef(name=DATABASE, key="username"),
                password_secret=SecretKeyRef(name=DATABASE, key="password"),
                ssl=not self.in_cluster,
                ssl_mode=self.ssl_mode,
                aws_rds_token=AwsRdsToken(enabled=True, region=self.region) if self.database_token else None,
            ),
        )

    @property
    def repository(self) -> ArtifactRepository:
        """The controller's default artifact repository, with logs."""
        keys: dict[str, Any] = {"use_sdk_creds": True}
        if self.static_keys:
            keys = {
                "access_key_secret": SecretKeyRef(name=S3_SECRET, key="accesskey"),
                "secret_key_secret": SecretKeyRef(name=S3_SECRET, key="secretkey"),
            }
        store = S3Store(
            bucket=self.bucket,
            endpoint=self.s3_endpoint,
            region=self.region,
            insecure=self.insecure,
            key_format=KEY_FORMAT,
            **keys,
        )
        return ArtifactRepository(archive_logs=True, s3=store)


_PATTERNS: Final = (
    ("namespace", _NAME, "a name of a-z, 0-9 and -"),
    ("cluster_name", re.compile(r"[A-Za-z0-9][-A-Za-z0-9._]{0,63}", re.ASCII), "a name of at most 64 characters"),
    ("external_host", _HOST, "a host name, without a port"),
    ("database", _DATABASE, "the name of a database"),
    ("storage_class", re.compile(r"[a-z0-9][-a-z0-9.]{0,251}", re.ASCII), "the name of a storage class"),
    ("bucket", _BUCKET, "the name of a bucket, without s3://"),
    ("region", _REGION, "a region of AWS: eu-central-1"),
    ("endpoint", _ENDPOINT, "a host and perhaps a port, without http://"),
    ("role_arn", _ROLE, "arn:aws:iam::123456789012:role/NAME"),
    ("secret_path", _KEY, "a name in AWS Secrets Manager"),
    ("lake", _LAKE, "s3://bucket/folder"),
    ("schedule", _SCHEDULE, "five fields of cron: 17 * * * *"),
    ("tool_image", _IMAGE, "an image with its tag"),
)
