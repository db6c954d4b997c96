"""The row of our own canary: looked for, and removed again; nothing else of ours ever writes to an archive."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from kubectl_argo_archive.archive.postgres_errors import target_of, translated
from kubectl_argo_archive.archive.postgres_inspect_sql import ARCHIVE
from kubectl_argo_archive.errors import SourceError

_FIND = """
select n.nspname as schema from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relname = %s and c.relkind in ('r', 'p') order by pg_table_is_visible(c.oid) desc limit 1
"""


def document_of(uri: str, uid: str) -> str | None:
    """The archived document of a uid; None if there is no row.

    Raises:
        SourceError, SourceUnreachable: the database refuses or does not answer.
    """
    with translated(target_of(uri)), _connect(uri) as session:
        session.read_only = True
        query = sql.SQL("select workflow::text from {} where uid = %s").format(_archive(session))
        row = session.execute(query, [uid]).fetchone()
    return None if row is None else str(row[0])


def delete_row(uri: str, uid: str) -> int:
    """Delete the row of a uid; labels go with it. Returns the number of rows.

    Raises:
        SourceError, SourceUnreachable: the database refuses or does not answer.
    """
    with translated(target_of(uri)), _connect(uri) as session:
        name = _archive(session)
        return session.execute(sql.SQL("delete from {} where uid = %s").format(name), [uid]).rowcount


def _connect(uri: str) -> psycopg.Connection[Any]:
    return psycopg.connect(
        uri, prepare_threshold=None, connect_timeout=5, application_name="kubectl-argo-archive canary"
    )


def _archive(session: psycopg.Connection[Any]) -> sql.Identifier:
    row = session.execute(_FIND, [ARCHIVE]).fetchone()
    if row is None:
        raise SourceError(f"there is no table {ARCHIVE}")
    return sql.Identifier(row[0], ARCHIVE)
