"""What is known of the archive's database, read without writing anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Connection:
    """One attempt to open a session.

    Attributes:
        place: ``host:port/database``.
        failed_at: dns, tcp, tls, auth, database or session; empty if it worked.
        message: what was said, without secrets.
        hint: what to do about it.
        encrypted: whether the session is, None if there was none.
        wants_certificate: the server demands a client certificate.
        wants_encryption: the server refuses sessions in the clear.
        wrong_authority: the server's certificate is not trusted.
        told_by: where host and password come from: ``--source``, or the ConfigMap and Secret.
        through: how it was reached, if not directly: ``a port-forward to pod argo/postgres-0``.
        engine: postgresql or mysql.
        seconds: until the answer.
    """

    place: str
    failed_at: str = ""
    message: str = ""
    hint: str = ""
    encrypted: bool | None = None
    wants_certificate: bool = False
    wants_encryption: bool = False
    wrong_authority: bool = False
    told_by: str = ""
    through: str = ""
    engine: str = "postgresql"
    seconds: float = 0.0

    @property
    def works(self) -> bool:
        """True if a session could be opened."""
        return not self.failed_at


@dataclass(frozen=True, slots=True)
class Index:
    """An index.

    Attributes:
        name: its name.
        columns: as the catalog writes them: ``clustername, instanceid, startedat DESC``.
        valid: False if its creation never finished.
    """

    name: str
    columns: str
    valid: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """One of Argo's tables.

    Attributes:
        schema: where it lies.
        name: bare.
        columns: name → type.
        indexes: those that are there.
        key: columns of the primary key, in order.
        rights: of our user: select, insert, update, delete.
        rows: estimate of the planner, -1 if unknown.
        dead_rows: of the statistics collector.
        bytes: with indexes and long values.
        bytes_of_indexes: of these, the indexes.
        owner: role.
        vacuumed_at: newest vacuum, by hand or automatic.
        kind: ``relkind``.
    """

    schema: str
    name: str
    columns: Mapping[str, str]
    indexes: tuple[Index, ...] = ()
    key: tuple[str, ...] = ()
    rights: frozenset[str] = frozenset()
    rows: int = -1
    dead_rows: int = 0
    bytes: int = 0
    bytes_of_indexes: int = 0
    owner: str = ""
    vacuumed_at: datetime | None = None
    kind: str = "r"


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one writer in one namespace. Times are UTC."""

    cluster: str
    instance_id: str
    namespace: str
    rows: int
    oldest: datetime | None
    newest: datetime | None


@dataclass(frozen=True, slots=True)
class RowFact:
    """A few values of a row; times are UTC.

    Attributes:
        size: bytes as stored.
        shift_s: column ``startedat`` minus ``status.startedAt`` of the JSON, seconds; None if unknown.
    """

    uid: str
    namespace: str
    name: str
    phase: str
    finished: datetime | None
    size: int = 0
    shift_s: float | None = None
    has_marker: bool = False
    pod_names: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Database:
    """One read-only session's view. What could not be read is in ``unread``, reason by name of the attribute.

    Attributes:
        place: ``host:port/database``.
        user: our role.
        server: ``PostgreSQL 16.4``, or what else answers.
        is_postgres: False for those that only speak like it.
        version_num: ``server_version_num``: 160004.
        time_zone: what sessions get that ask for none.
        search_path: as set for the role.
        in_recovery: a replica.
        tables: Argo's, by bare name.
        offload_table: name of the table for off-loaded nodes, if found.
        schema_version: of ``schema_history``, None if it has no row.
        may_create: whether we may create tables in the first schema of the search path.
        groups: rows by writer and namespace.
        days: rows by day of their finish, newest 30 days.
        recent: the newest rows.
        repeated_names: name in namespace → number of rows, the most frequent first.
        connections: sessions of our role now.
        max_connections: of the server.
        superuser: whether our role is one.
        bytes: of the whole database.
        plan: nodes of the plan of the server's list query: ``Seq Scan on argo_archived_workflows``.
        invalid_label_rows: rows of labels without their workflow.
        unread: what could not be read, and why.
    """

    place: str
    user: str = ""
    server: str = ""
    is_postgres: bool = True
    version_num: int = 0
    time_zone: str = "UTC"
    search_path: str = ""
    in_recovery: bool = False
    tables: Mapping[str, Table] = field(default_factory=dict)
    offload_table: str | None = None
    schema_version: int | None = None
    may_create: bool = False
    groups: tuple[Group, ...] = ()
    days: Mapping[str, int] = field(default_factory=dict)
    recent: tuple[RowFact, ...] = ()
    repeated_names: Mapping[str, int] = field(default_factory=dict)
    connections: int = 0
    max_connections: int = 0
    superuser: bool = False
    bytes: int = 0
    plan: tuple[str, ...] = ()
    unread: Mapping[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Archived workflows."""
        return sum(group.rows for group in self.groups)

    @property
    def newest(self) -> datetime | None:
        """The newest finish of any row."""
        return max((g.newest for g in self.groups if g.newest), default=None)

    @property
    def oldest(self) -> datetime | None:
        """The oldest finish of any row."""
        return min((g.oldest for g in self.groups if g.oldest), default=None)
