"""The archive as a source: the protocol that Postgres and files both fulfil."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pyarrow as pa

KEY_SCHEMA = pa.schema(
    [
        pa.field("cluster", pa.string(), nullable=False),
        pa.field("instance_id", pa.string(), nullable=False),
        pa.field("uid", pa.string(), nullable=False),
        pa.field("namespace", pa.string()),
        pa.field("name", pa.string()),
        pa.field("phase", pa.string()),
        pa.field("revision", pa.string(), nullable=False),
    ]
)
"""One row per archived workflow, without its JSON. ``revision`` changes whenever the row does."""

ROW_SCHEMA = KEY_SCHEMA.append(pa.field("json", pa.large_binary(), nullable=False))
"""A key and its JSON: the bytes of a UTF-8 text, unless the source is broken (then flattening says so)."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which workflows to look at; empty means all.

    Attributes:
        namespaces: names of namespaces, empty for all.
        labels: a Kubernetes label selector (``team=risk,tier!=test,owner in (a,b)``), or None.
        since: only workflows that finished at or after this instant (the JSON's time).
        until: only workflows that finished before this instant.
    """

    namespaces: tuple[str, ...] = ()
    labels: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class ArchiveInfo:
    """What a look at the source told.

    Attributes:
        display: the source for people, without secrets.
        source_id: identity that survives another host name or port-forward.
        complete: True if a key that is missing from the source is gone (a database), False for dumps.
        schema_version: Argo's migration counter (``schema_history``), None if there is none.
        server: version text of the server, empty for files.
    """

    display: str
    source_id: str
    complete: bool
    schema_version: int | None = None
    server: str = ""


class ArchiveSnapshot(Protocol):
    """One consistent view of the source: keys and rows of the same instant."""

    @property
    def info(self) -> ArchiveInfo: ...

    def keys(self) -> pa.Table:
        """All keys of the source, unordered, as :data:`KEY_SCHEMA`; reads no JSON from a database."""
        ...

    def select(self, selection: Selection) -> pa.Table:
        """The keys that match ``selection``, as :data:`KEY_SCHEMA`.

        Times are compared loosely (the columns of the database hold a local wall clock): every match is
        there, rows up to 15 hours outside may be too. The pipeline decides exactly, from the JSON.
        """
        ...

    def rows(self, keys: pa.Table | None, *, batch_bytes: int) -> Iterator[pa.RecordBatch]:
        """The rows of ``keys`` (None: of all), as :data:`ROW_SCHEMA` batches.

        A batch holds at most ``batch_bytes`` of JSON, or one row that is larger. Rows come roughly in the
        order of their finish, so that each month's rows lie together. A key that vanished since is absent.
        """
        ...


class WorkflowArchive(Protocol):
    """A source of archived workflows."""

    def snapshot(self) -> AbstractContextManager[ArchiveSnapshot]:
        """Open one consistent, read-only view; closing it releases everything.

        Raises:
            SourceUnreachable: nobody answers.
            SourceError: wrong password, no rights, no archive tables.
        """
        ...
