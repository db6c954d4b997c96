"""What Postgres and libpq say, in our errors: what, where, and what to do next. Never a secret."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import errors, pq
from psycopg.conninfo import conninfo_to_dict

from kubectl_argo_archive.errors import ArgoArchiveError, ConfigError, SourceError, SourceUnreachable, redact

_PERCENT_HINT = (
    "write postgresql://user@host:port/database; percent-encode @ : / ? # % in a password (@ is %40), "
    "or give it as PGPASSWORD or in ~/.pgpass"
)
# libpq's own words, which are English everywhere; whatever else is said comes from a server
_NOBODY_ANSWERS = re.compile(
    r"failed to resolve|could not translate host name|connection refused|no route to host|unreachable|timed? ?out"
    r"|timeout expired|connection reset|server closed the connection|no such file or directory|host is down"
    r"|could not connect|network is down"
    r"|database system is (?:starting up|shutting down|not yet accepting|in recovery)",
    re.I,
)
_NOISE = re.compile(
    r'^(?:connection (?:failed|is bad): |connection to server (?:at|on socket) "[^"]*"(?: \([^)]*\))?(?:, port \d+)?'
    r" failed: |[A-ZА-Я致命错误]+: +)"
)
_REFUSALS = (
    (r"password|SASL|SCRAM|authentication failed", "give the right password as PGPASSWORD, in ~/.pgpass or in the URI"),
    (r"database .* does not exist", "list the databases of this server with: psql -l"),
    (r"role .* does not exist", "put the right user into the URI: postgresql://user@host/database"),
    (r"no encryption|SSL off|SSL connection is required", "add ?sslmode=require to the URI"),
    (r"pg_hba\.conf", "the server's pg_hba.conf must allow this user, database and address"),
    (r"does not support SSL", "add ?sslmode=disable to the URI if the network is trusted"),
    (r"certificate|SSL error", "add ?sslrootcert=ca.pem with the CA of the server, or choose another sslmode"),
    (r"too many (?:clients|connections)|connection slots", "wait, or connect through a pooler"),
    (r"invalid response|unsupported frontend|expected authentication", "is this the port of a PostgreSQL server?"),
    (r"definition of service", "see ~/.pg_service.conf and PGSERVICEFILE"),
)


@dataclass(frozen=True, slots=True)
class Target:
    """The place that a connection string names, fit for people: neither password nor user.

    Attributes:
        place: ``host:port/database``.
        password: to be blotted out of messages; never shown.
    """

    place: str
    password: str | None

    def __repr__(self) -> str:
        return f"Target({self.place!r})"


def target_of(conninfo: str) -> Target:
    """Parse a connection string or URI as libpq does, defaults and PG* variables included.

    Raises:
        ConfigError: libpq cannot read it, or reads part of a password as something else.
    """
    try:
        given = conninfo_to_dict(conninfo)
    except psycopg.Error:
        # libpq quotes the offending part, and that may be the password: neither its words nor its traceback
        raise ConfigError("the connection string of the archive is malformed", hint=_PERCENT_HINT) from None
    defaults = {o.keyword.decode(): (o.val or b"").decode(errors="replace") for o in pq.Conninfo.get_defaults()}
    values = {**defaults, **{name: str(value) for name, value in given.items() if value is not None}}
    host, port = values.get("host") or values.get("hostaddr") or "localhost", values.get("port") or "5432"
    database = values.get("dbname") or values.get("user") or ""
    if "@" in host + port or "@" in database or not re.fullmatch(r"[0-9,]*", port):
        raise ConfigError("the connection string of the archive is malformed", hint=_PERCENT_HINT)
    return Target(f"{host}:{port}/{database}", values.get("password") or os.environ.get("PGPASSWORD"))


@contextmanager
def translated(target: Target) -> Iterator[None]:
    """Turn psycopg's errors into ours."""
    try:
        yield
    except psycopg.Error as e:
        raise translate(e, target) from e


def translate(error: psycopg.Error, target: Target) -> ArgoArchiveError:
    """Our error for one of psycopg's."""
    reason = _reason(error, target)
    match error:
        case errors.QueryCanceled() if "statement timeout" in reason:
            return SourceError(f"{target.place}: a query took too long: {reason}", hint="raise the statement time-out")
        case errors.LockNotAvailable():
            return SourceError(
                f"{target.place}: somebody holds a lock on the archive: {reason}",
                hint="Argo may be upgrading its tables; try again when its controller runs",
            )
        case errors.SerializationFailure():
            return SourceError(
                f"{target.place}: the replica cancelled the read: {reason}",
                hint="read from the primary, or set hot_standby_feedback=on or a larger max_standby_streaming_delay",
            )
        case errors.InsufficientPrivilege():
            return SourceError(
                f"{target.place}: no rights: {reason}", hint="grant this user SELECT on the tables of the archive"
            )
        case errors.AdminShutdown() | errors.CrashShutdown() | errors.CannotConnectNow():
            return SourceUnreachable(f"{target.place}: the server is going away: {reason}", hint="try again")
    if error.sqlstate is None and isinstance(error, psycopg.OperationalError):
        return _connection_error(reason, target)
    return SourceError(f"{target.place}: {reason}", hint="the log of the server may say more")


def _connection_error(reason: str, target: Target) -> ArgoArchiveError:
    if _NOBODY_ANSWERS.search(reason):
        return SourceUnreachable(
            f"cannot reach the archive database at {target.place}: {reason}",
            hint="check host, port and network; inside a cluster: kubectl port-forward service/postgres 5432",
        )
    hints = (hint for pattern, hint in _REFUSALS if re.search(pattern, reason, re.I))
    hint = next(hints, "check --source and the PG* variables, or try the same with psql")
    return SourceError(f"the archive database at {target.place} refused the connection: {reason}", hint=hint)


def _reason(error: psycopg.Error, target: Target) -> str:
    """The first line of what was said, without the prefixes that repeat host and port."""
    text = (error.diag.message_primary or str(error)).strip() or type(error).__name__
    line = redact(text.splitlines()[0], target.password)
    while (shorter := _NOISE.sub("", line)) != line:
        line = shorter
    return line
