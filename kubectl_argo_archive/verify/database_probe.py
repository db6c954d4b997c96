"""The way to the controller's database, and the questions to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from kubectl_argo_archive.archive.postgres_canary import delete_row, document_of
from kubectl_argo_archive.archive.postgres_inspect import archived_uids, inspect, newest_documents
from kubectl_argo_archive.argo.controller import Controller
from kubectl_argo_archive.checks.facts_database import Connection, Database
from kubectl_argo_archive.cluster.client import KubeClient
from kubectl_argo_archive.cluster.database import open_database
from kubectl_argo_archive.cluster.forward import Tell
from kubectl_argo_archive.errors import ArgoArchiveError

DOCUMENTS = 60


@dataclass(frozen=True, slots=True)
class Way:
    """A connection string that works here and now.

    Attributes:
        uri: with the password.
        told_by: where it comes from, for people.
        through: how it is reached, if not directly.
        place: ``host:port/database`` as configured; empty for what the string says.
    """

    uri: str = field(repr=False)
    told_by: str = "--source"
    through: str = ""
    place: str = ""


def ask_database(way: Way, statement_timeout: float, connect_timeout: int) -> tuple[Connection, Database | None]:
    """One attempt and, if it works, everything that the checks want to know."""
    attempt, database = inspect(
        way.uri,
        told_by=way.told_by,
        through=way.through,
        statement_timeout=statement_timeout,
        connect_timeout=connect_timeout,
    )
    if way.place:
        attempt = replace(attempt, place=way.place)
        database = replace(database, place=way.place) if database else None
    return attempt, database


def ask_for_uids(way: Way, uids: Sequence[str], statement_timeout: float) -> frozenset[str]:
    """Which of these uids have a row."""
    return archived_uids(way.uri, uids, statement_timeout=statement_timeout)


def ask_for_documents(way: Way, statement_timeout: float) -> list[str]:
    """The newest archived documents, failed ones among them."""
    return newest_documents(way.uri, DOCUMENTS, statement_timeout=statement_timeout)


def ask_for_document(way: Way, uid: str) -> str | None:
    """The archived document of one uid; None if it is not there."""
    return document_of(way.uri, uid)


def remove_row(way: Way, uid: str) -> str:
    """Delete the archived row of our own canary, as ``argo archive delete`` does; empty, or why not."""
    try:
        delete_row(way.uri, uid)
        return ""
    except ArgoArchiveError as error:
        return error.message


@contextmanager
def open_way(client: KubeClient, controller: Controller, tell: Tell) -> Iterator[Way]:
    """The way to a controller's own database, with its own user; a port-forward stays open as long as this does.

    Raises:
        ArgoArchiveError: see :func:`~kubectl_argo_archive.cluster.database.open_database`.
    """
    with open_database(client, controller, tell) as access:
        yield Way(access.conninfo, access.told_by, access.through, access.place)
