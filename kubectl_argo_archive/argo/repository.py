"""Artifact repositories: where Argo keeps artifacts and archived logs (argo v4.1 ``artifact_repository_types.go``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from kubectl_argo_archive.argo.decode import SecretKeyRef, Section
from kubectl_argo_archive.argo.objects import Origin

DEFAULT_KEY_FORMAT = "{{workflow.name}}/{{pod.name}}"
DEFAULT_MAP = "artifact-repositories"
"""The ConfigMap of a namespace that Argo looks for if a workflow names none."""
DEFAULT_KEY_ANNOTATION = "workflows.argoproj.io/default-artifact-repository"


@dataclass(frozen=True, kw_only=True)
class CreateBucket(Section):
    """``createBucketIfNotPresent`` of S3."""

    object_locking: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Encryption(Section):
    """``encryptionOptions`` of S3."""

    enable_encryption: bool | None = None
    kms_key_id: str | None = None
    kms_encryption_context: str | None = None
    server_side_customer_key_secret: SecretKeyRef | None = None


@dataclass(frozen=True, kw_only=True)
class Store(Section):
    """What all kinds of repositories have: a pattern for keys."""

    KIND: ClassVar[str]

    @property
    def kind(self) -> str:
        """Argo's name of the kind: ``s3``, ``gcs``, …"""
        return self.KIND

    @property
    def pattern(self) -> str:
        """The key of a pod's archive, with Argo's placeholders; the default where none is written."""
        return getattr(self, "key_format", None) or DEFAULT_KEY_FORMAT

    @property
    def secrets(self) -> dict[str, SecretKeyRef]:
        """Secrets that are read from the workflow's namespace, by field name."""
        own = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "origins"}
        return {name: ref for name, ref in own.items() if isinstance(ref, SecretKeyRef) and ref}


@dataclass(frozen=True, kw_only=True)
class S3Store(Store):
    """``s3``."""

    KIND = "s3"

    SPELT: ClassVar[Mapping[str, str]] = {"role_arn": "roleARN", "use_sdk_creds": "useSDKCreds"}

    endpoint: str | None = None
    bucket: str | None = None
    region: str | None = None
    insecure: bool | None = None
    access_key_secret: SecretKeyRef | None = None
    secret_key_secret: SecretKeyRef | None = None
    session_token_secret: SecretKeyRef | None = None
    role_arn: str | None = None
    use_sdk_creds: bool | None = None
    create_bucket_if_not_present: CreateBucket | None = None
    encryption_options: Encryption | None = None
    ca_secret: SecretKeyRef | None = None
    addressing_style: str | None = None
    key_format: str | None = None
    key_prefix: str | None = None

    @property
    def pattern(self) -> str:
        if self.key_format:
            return self.key_format
        prefix = (self.key_prefix or "").strip("/")
        return f"{prefix}/{DEFAULT_KEY_FORMAT}" if prefix else DEFAULT_KEY_FORMAT

    @property
    def secrets(self) -> dict[str, SecretKeyRef]:
        own = super().secrets
        customer_key = self.encryption_options and self.encryption_options.server_side_customer_key_secret
        return own | ({"server_side_customer_key_secret": customer_key} if customer_key else {})


@dataclass(frozen=True, kw_only=True)
class GcsStore(Store):
    """``gcs``."""

    KIND = "gcs"

    bucket: str | None = None
    service_account_key_secret: SecretKeyRef | None = None
    key_format: str | None = None


@dataclass(frozen=True, kw_only=True)
class OssLifecycle(Section):
    """``lifecycleRule`` of OSS."""

    mark_infrequent_access_after_days: int | None = None
    mark_deletion_after_days: int | None = None


@dataclass(frozen=True, kw_only=True)
class OssStore(Store):
    """``oss``: Alibaba Cloud."""

    KIND = "oss"

    SPELT: ClassVar[Mapping[str, str]] = {"use_sdk_creds": "useSDKCreds"}

    endpoint: str | None = None
    bucket: str | None = None
    access_key_secret: SecretKeyRef | None = None
    secret_key_secret: SecretKeyRef | None = None
    create_bucket_if_not_present: bool | None = None
    security_token: str | None = field(default=None, repr=False)
    lifecycle_rule: OssLifecycle | None = None
    use_sdk_creds: bool | None = None
    key_format: str | None = None


@dataclass(frozen=True, kw_only=True)
class AzureStore(Store):
    """``azure``: Blob Storage."""

    KIND = "azure"

    SPELT: ClassVar[Mapping[str, str]] = {"use_sdk_creds": "useSDKCreds"}

    endpoint: str | None = None
    container: str | None = None
    account_key_secret: SecretKeyRef | None = None
    use_sdk_creds: bool | None = None
    blob_name_format: str | None = None

    @property
    def pattern(self) -> str:
        return self.blob_name_format or DEFAULT_KEY_FORMAT


@dataclass(frozen=True, kw_only=True)
class HdfsStore(Store):
    """``hdfs``."""

    KIND = "hdfs"

    addresses: tuple[str, ...] = ()
    hdfs_user: str | None = None
    data_transfer_protection: str | None = None
    krb_c_cache_secret: SecretKeyRef | None = None
    krb_keytab_secret: SecretKeyRef | None = None
    krb_username: str | None = None
    krb_realm: str | None = None
    krb_config_config_map: SecretKeyRef | None = None
    krb_service_principal_name: str | None = None
    path_format: str | None = None
    force: bool | None = None

    @property
    def pattern(self) -> str:
        return self.path_format or DEFAULT_KEY_FORMAT

    @property
    def secrets(self) -> dict[str, SecretKeyRef]:
        return {name: ref for name, ref in super().secrets.items() if name != "krb_config_config_map"}


@dataclass(frozen=True, kw_only=True)
class ArtifactoryStore(Store):
    """``artifactory``."""

    KIND = "artifactory"

    SPELT: ClassVar[Mapping[str, str]] = {"repo_url": "repoURL"}

    repo_url: str | None = None
    username_secret: SecretKeyRef | None = None
    password_secret: SecretKeyRef | None = None
    key_format: str | None = None


@dataclass(frozen=True, kw_only=True)
class PluginStore(Store):
    """``plugin`` (since v4.0)."""

    KIND = "plugin"

    name: str | None = None
    configuration: str | None = field(default=None, repr=False)
    key_format: str | None = None


@dataclass(frozen=True, kw_only=True)
class ArtifactRepository(Section):
    """Block ``artifactRepository``, and each entry of an ``artifact-repositories`` map."""

    archive_logs: bool | None = None
    s3: S3Store | None = None
    artifactory: ArtifactoryStore | None = None
    hdfs: HdfsStore | None = None
    oss: OssStore | None = None
    gcs: GcsStore | None = None
    azure: AzureStore | None = None
    plugin: PluginStore | None = None

    @property
    def store(self) -> Store | None:
        """The one that Argo takes if several are written."""
        order = (self.artifactory, self.azure, self.gcs, self.hdfs, self.oss, self.plugin, self.s3)
        return next((store for store in order if store is not None), None)


@dataclass(frozen=True, kw_only=True)
class RepositoryRef(Section):
    """``artifactRepositoryRef`` of a workflow."""

    config_map: str | None = None
    key: str | None = None


@dataclass(frozen=True, kw_only=True)
class RepositoryMap:
    """A ConfigMap of artifact repositories.

    Attributes:
        namespace: the workflows' namespace that it serves.
        name: ``artifact-repositories``, or what workflows refer to.
        default_key: what its annotation names.
        repositories: by key; None for an entry that cannot be read.
        origin: the map.
    """

    namespace: str
    name: str
    default_key: str | None
    repositories: Mapping[str, ArtifactRepository | None]
    origin: Origin = field(default=Origin(), compare=False, repr=False)
