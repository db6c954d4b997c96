"""Every error that we raise on purpose.

    ArgoArchiveError            the command failed                       exit 1
    ├── ConfigError             usage or configuration                   exit 2
    ├── UnreachableError        host, port, cluster, bucket: no answer   exit 4
    │   ├── SourceUnreachable   the archive database
    │   ├── StorageUnreachable  the lake's storage
    │   └── ClusterUnreachable  the Kubernetes API
    ├── SourceError             the archive answered, but not as Argo's archive
    ├── StorageError            the storage answered: no bucket, no rights, no space
    ├── LakeError               what lies there is not a readable lake, or another writer won
    └── QueryError              the SQL of a user: refused, wrong, too long, too big

A message says what is wrong and where; the hint says what to do next. Neither ever holds a secret:
whoever builds a message from a library's text passes it through :func:`redact` first.
"""

from __future__ import annotations

import re
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every command; documented in ``docs/cli.md``."""

    OK = 0
    FAILED = 1
    USAGE = 2
    FOUND_PROBLEMS = 3
    UNREACHABLE = 4
    INTERRUPTED = 130


class ArgoArchiveError(Exception):
    """Base of all errors raised on purpose.

    Args:
        message: what is wrong and where, one sentence, no secret.
        hint: what to do next: a command, an option, a file.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(ArgoArchiveError):
    """An option, environment variable or configuration file is wrong or missing."""

    exit_code = ExitCode.USAGE


class UnreachableError(ArgoArchiveError):
    """Nobody answered."""

    exit_code = ExitCode.UNREACHABLE


class SourceUnreachable(UnreachableError):
    """The archive database does not answer."""


class StorageUnreachable(UnreachableError):
    """The storage of the lake does not answer."""


class ClusterUnreachable(UnreachableError):
    """The Kubernetes API does not answer."""


class ClusterError(ArgoArchiveError):
    """The Kubernetes API answered and refused, or what runs there is not what a command needs."""


class ClusterForbidden(ClusterError):
    """A right in the cluster is missing; the message names verb, resource and namespace."""


class SourceError(ArgoArchiveError):
    """The source answered, but it refuses us or is not an Argo Workflows archive."""


class StorageError(ArgoArchiveError):
    """The storage answered and refused: no such bucket, no rights, no space left."""


class LakeError(ArgoArchiveError):
    """The lake cannot be read as one, or another writer published first."""


class QueryError(ArgoArchiveError):
    """A user's SQL is refused, wrong, or ran into a limit."""


_SECRETS = (
    # userinfo of a URL: keep the user, hide the password (greedy, a password may hold an @)
    (re.compile(r"(?P<keep>[a-z][a-z0-9+.-]*://[^:/?#\s@]*):[^\s/]*@(?=[^@\s]*(?:[/\s?#]|$))", re.I), r"\g<keep>:***@"),
    # key=value and key: value, as in connection strings, headers and query strings
    (
        re.compile(
            r"(?P<keep>\b(?:password|passwd|pwd|sslpassword|secret|secret_?access_?key|session_?token|token"
            r"|x-amz-signature|x-amz-security-token|x-amz-credential|signature)\b[\"']?\s*[=:]\s*)"
            r"(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^\s&,;]+)",
            re.I,
        ),
        r"\g<keep>***",
    ),
)


def redact(text: str, *secrets: str | None) -> str:
    """Return ``text`` without passwords and tokens: the given ones and whatever looks like one."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    for pattern, keep in _SECRETS:
        text = pattern.sub(keep, text)
    return text
