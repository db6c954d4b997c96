"""What a workflow's JSON says about who, what, when and outcome, and when the database's own columns say it ended."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from kubectl_argo_archive.argo.names import LABEL_CREATOR
from kubectl_argo_archive.argo.times import parse_rfc3339
from kubectl_argo_archive.tables.document import Malformed
from kubectl_argo_archive.tables.rowwise import flatten_document

CELLS = ("name", "namespace", "phase", "message", "created_at", "started_at", "finished_at", "service_account",
         "creator", "shutdown")  # fmt: skip
"""Columns of ``workflows`` that are compared with the JSON one by one."""
_LONGEST = 80
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
_ODD = (ValueError, ArithmeticError, AttributeError, LookupError, TypeError, RecursionError)

Cells = tuple[Any, ...]
"""One value per name of :data:`CELLS`; times in microseconds since 1970, long text by its hash."""


class _Metadata(msgspec.Struct):
    name: str | None = None
    namespace: str | None = None
    creationTimestamp: str | None = None
    labels: dict[str, str] | None = None


class _Spec(msgspec.Struct):
    serviceAccountName: str | None = None
    shutdown: str | None = None


class _Status(msgspec.Struct):
    phase: str | None = None
    message: str | None = None
    startedAt: str | None = None
    finishedAt: str | None = None
    storedWorkflowTemplateSpec: _Spec | None = None


class _Document(msgspec.Struct):
    metadata: _Metadata | None = None
    spec: _Spec | None = None
    status: _Status | None = None


_DECODER = msgspec.json.Decoder(_Document)


def cells_of_document(data: bytes, namespace: str | None, name: str | None, phase: str | None) -> Cells | None:
    """The cells that a document must have in the lake; None if it belongs into quarantine.

    Args:
        data: the JSON.
        namespace: the source's own column, for a document that does not say.
        name: likewise.
        phase: likewise.
    """
    try:
        document = _DECODER.decode(data)
        return _cells(document, namespace, name, phase)
    except (msgspec.MsgspecError, *_ODD):
        return _exactly(data, namespace, name, phase)


def cells_of_row(row: dict[str, Any]) -> Cells:
    """The cells of a row of the lake's table ``workflows``."""
    return tuple(_plain(row[name]) for name in CELLS)


def day_of(micros: int | None) -> date | None:
    """The UTC day of a time in microseconds since 1970."""
    return None if micros is None else (EPOCH + micros * MICROSECOND).date()


def finish_of_revision(revision: str) -> int | None:
    """The wall clock of the database's column ``finishedat``, seconds since 1970 as if it were UTC.

    Postgres' revisions begin with it in hexadecimal (``archive.queries``); None for other sources and odd times.
    """
    try:
        found = int(revision.partition(".")[0], 16)
    except ValueError:
        return None
    return found if 0 < found < 1 << 40 else None


def _cells(document: _Document, namespace: str | None, name: str | None, phase: str | None) -> Cells:
    metadata, spec = document.metadata or _Metadata(), document.spec or _Spec()
    status = document.status or _Status()
    stored = status.storedWorkflowTemplateSpec or _Spec()
    account = spec.serviceAccountName if spec.serviceAccountName is not None else stored.serviceAccountName
    times = (metadata.creationTimestamp, status.startedAt, status.finishedAt)
    created, started, finished = (None if text is None else _plain(parse_rfc3339(text)) for text in times)
    creator = (metadata.labels or {}).get(LABEL_CREATOR)
    first = (metadata.name if metadata.name is not None else name,
             metadata.namespace if metadata.namespace is not None else namespace,
             status.phase if status.phase is not None else phase)  # fmt: skip
    rest = (status.message, created, started, finished, account, creator, spec.shutdown)
    return tuple(map(_plain, (*first, *rest)))


def _exactly(data: bytes, namespace: str | None, name: str | None, phase: str | None) -> Cells | None:
    """The definition's own way, for documents with members of unexpected types."""
    try:
        row = flatten_document(data)["workflows"][0]
    except (Malformed, *_ODD):
        return None
    given = {"namespace": namespace, "name": name, "phase": phase}
    return cells_of_row(row | {key: value for key, value in given.items() if row[key] is None})


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value - EPOCH) // MICROSECOND
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"sha256:{hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()}"
    return value
