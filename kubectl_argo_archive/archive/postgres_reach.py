"""Why a session could not be opened: which step on the way failed, in words for people."""

from __future__ import annotations

import re

import psycopg

from kubectl_argo_archive.archive.postgres_errors import Target, translate
from kubectl_argo_archive.checks.facts_database import Connection

# libpq's own words are English everywhere; those of a server may not be, so what it says comes last
_STEPS = (
    ("dns", r"failed to resolve|could not translate host name|name or service not known|nodename nor servname"),
    ("tcp", r"connection refused|no route to host|unreachable|timed? ?out|timeout expired|host is down"
            r"|no such file or directory|connection reset|server closed the connection|network is down"),
    ("tls", r"ssl error|certificate|does not support ssl|ssl negotiation|root\.crt|sslmode"),
    ("database", r"database .* does not exist"),
    ("auth", r"password|sasl|scram|authentication|pg_hba\.conf|role .* does not exist|no encryption|ssl off"),
)  # fmt: skip
_CLIENT_CERTIFICATE = re.compile(r"requires a valid client certificate|certificate required|client certificate", re.I)
_ENCRYPTION = re.compile(r"no encryption|ssl off|requires? (?:an )?(?:ssl|encrypt)|ssl connection is required", re.I)
_AUTHORITY = re.compile(r"certificate verify failed|unknown (?:ca|authority)|self.signed|root\.crt.*not exist", re.I)


def failed_attempt(error: psycopg.Error, target: Target, *, told_by: str, through: str, seconds: float) -> Connection:
    """The attempt that ended in ``error``."""
    ours = translate(error, target)
    text = f"{ours.message}\n{error}"
    step = next((name for name, pattern in _STEPS if re.search(pattern, text, re.I)), "session")
    needs_certificate = bool(_CLIENT_CERTIFICATE.search(text))
    return Connection(
        place=target.place,
        failed_at="tls" if needs_certificate else step,
        message=ours.message,
        hint=ours.hint or "",
        wants_certificate=needs_certificate,
        wants_encryption=bool(_ENCRYPTION.search(text)),
        wrong_authority=bool(_AUTHORITY.search(text)),
        told_by=told_by,
        through=through,
        seconds=seconds,
    )
