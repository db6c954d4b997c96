"""What is known of buckets, of archived log objects and of the lake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Expiry:
    """One rule of a bucket's lifecycle.

    Attributes:
        id: its name.
        prefix: of the keys concerned, empty for all.
        days: until an object expires, None if it does not.
        noncurrent_days: until an overwritten version expires, None if it does not.
        enabled: whether it is in force.
    """

    id: str
    prefix: str
    days: int | None
    noncurrent_days: int | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, asked with the keys that Argo uses. None means: could not be learnt, and ``unread`` says why.

    Attributes:
        name: of the bucket.
        server: its endpoint, for people.
        prefix: what all keys of the repository begin with; of the lake, its folder.
        role: ``logs`` for an artifact repository, ``lake`` for the lake.
        told_by: where endpoint and keys come from.
        namespaces: whose workflows write there.
        failed_at: dns, tcp, tls, scheme, keys, denied, missing, region or other; empty if it answered.
        message: what was said.
        hint: what to do about it.
        scheme_of_server: http or https, if the other one was configured.
        region: where it lies.
        region_configured: what the configuration says.
        versioning: Enabled, Suspended or empty.
        lifecycle: its rules.
        object_lock: COMPLIANCE, GOVERNANCE, ``enabled`` without default retention, or empty.
        object_lock_days: default retention.
        encryption: AES256, aws:kms or empty.
        kms_key: key id of aws:kms.
        probes: put, get, list, delete of a probe object → empty for success, else the error code.
        conditional: whether a conditional put is refused when the object exists.
        probe_key: the probe object's key.
        unread: what could not be read, and why.
        keys_have_whitespace: the Secret's bytes begin or end with white space.
    """

    name: str
    server: str = ""
    prefix: str = ""
    role: str = "logs"
    told_by: str = ""
    namespaces: tuple[str, ...] = ()
    failed_at: str = ""
    message: str = ""
    hint: str = ""
    scheme_of_server: str = ""
    region: str | None = None
    region_configured: str = ""
    versioning: str | None = None
    lifecycle: tuple[Expiry, ...] | None = None
    object_lock: str | None = None
    object_lock_days: int | None = None
    encryption: str | None = None
    kms_key: str | None = None
    probes: Mapping[str, str] = field(default_factory=dict)
    conditional: bool | None = None
    probe_key: str = ""
    unread: Mapping[str, str] = field(default_factory=dict)
    keys_have_whitespace: bool = False

    @property
    def works(self) -> bool:
        """True if it answered."""
        return not self.failed_at

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix}" if self.prefix else f"s3://{self.name}"


@dataclass(frozen=True, slots=True)
class LogObject:
    """A pod of an archived workflow, and what became of its log.

    Attributes:
        workflow: ``namespace/name``.
        uid: of the workflow.
        node: display name of the pod's node.
        phase: of the node.
        bucket: where the log should be.
        key: of the log object; empty if none was recorded.
        status: present, missing, empty, overwritten, unreadable or unrecorded.
        why: what tells so.
        size: bytes, None if unknown.
        finished: when the node did.
        modified: when the object was written.
        version: of Argo, as far as known.
        message: of the node.
        expected: whether archiveLogs was in force, as far as known.
    """

    workflow: str
    uid: str
    node: str
    phase: str
    bucket: str
    key: str
    status: str
    why: str = ""
    size: int | None = None
    finished: datetime | None = None
    modified: datetime | None = None
    message: str = ""
    expected: bool = True


@dataclass(frozen=True, slots=True)
class Logs:
    """A sample of log objects.

    Attributes:
        workflows: so many archived workflows were looked at.
        pods: their pods.
        objects: one entry per pod and container.
        since: finish of the oldest of them.
        templates_beyond_main: templates with containers whose logs Argo never archives: ``wf: template (sidecar x)``.
        encrypted_with: SSE-C or KMS settings of the repositories seen in rows.
    """

    workflows: int
    pods: int
    objects: tuple[LogObject, ...]
    since: datetime | None = None
    templates_beyond_main: tuple[str, ...] = ()

    def of(self, *statuses: str) -> list[LogObject]:
        """Objects in one of these states."""
        return [entry for entry in self.objects if entry.status in statuses]


@dataclass(frozen=True, slots=True)
class LakeFacts:
    """The lake of ``export``.

    Attributes:
        place: URL.
        exists: whether anything was published.
        published_at: newest export.
        export_id: its id.
        workflows: workflow versions in it.
        newest_finish: of any workflow in it.
        files: data files that the log names.
        bytes: of them.
        missing: named but not there.
        wrong_size: there with another size: ``path: 10 bytes, should be 20``.
        lock: holder of the writer's lock, empty if free.
        message: what was said if it cannot be read.
        uids: of the newest rows of the database, those that the lake has; None if not compared.
        behind: newest rows of the database that the lake does not have.
        tool_version: that wrote it.
    """

    place: str
    exists: bool = True
    published_at: datetime | None = None
    export_id: str = ""
    workflows: int = 0
    newest_finish: datetime | None = None
    files: int = 0
    bytes: int = 0
    missing: tuple[str, ...] = ()
    wrong_size: tuple[str, ...] = ()
    lock: str = ""
    message: str = ""
    quarantined: int = 0


@dataclass(frozen=True, slots=True)
class Machine:
    """This process.

    Attributes:
        httpfs: version of DuckDB's extension that is installed with us, empty if none.
        duckdb: version of DuckDB.
        memory_limit: bytes that this process may use (cgroup), None without limit.
        query_memory: bytes that queries are configured to use, None for the default.
        credentials_from: which provider told the S3 keys, empty if none was needed.
        credentials_expire: when they do, None if they do not.
        credentials_error: why there are none.
        lake_error: why the lake's storage cannot be used, with the option to set.
        lake_hint: that option.
    """

    httpfs: str = ""
    duckdb: str = ""
    memory_limit: int | None = None
    query_memory: int | None = None
    credentials_from: str = ""
    credentials_expire: datetime | None = None
    credentials_error: str = ""
    lake_error: str = ""
    lake_hint: str = ""
