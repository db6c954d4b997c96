"""Sealing as the configuration file says, after an export."""

from __future__ import annotations

import re
from datetime import timedelta

from kubectl_argo_archive.archive.workflow_archive import WorkflowArchive
from kubectl_argo_archive.audit.keys import NO_KEYS, SecretReader, load_keys, load_signer
from kubectl_argo_archive.audit.seal.seal import Request, Sealed, seal
from kubectl_argo_archive.config import AuditConfig
from kubectl_argo_archive.errors import ConfigError
from kubectl_argo_archive.lake.lake import Lake

_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


def seal_as_configured(
    lake: Lake, archive: WorkflowArchive | None, config: AuditConfig, secrets: SecretReader | None = None
) -> list[Sealed]:
    """Seal with the configured key, keys and interval.

    Raises:
        ConfigError: the configuration names no key, or one that cannot be read.
        LakeError, …: as :func:`kubectl_argo_archive.audit.seal.seal.seal`.
    """
    public = [config.public_key] if config.public_key else []
    signer = load_signer(config.key, command=config.signer, public=public, secrets=secrets)
    trusted = load_keys(public) if public else NO_KEYS
    return seal(lake, [signer], Request(archive=archive, trusted=trusted, interval=interval(config.interval)))


def interval(text: str | None) -> timedelta | None:
    """How often digests are expected: ``1h``, ``1d12h``.

    Raises:
        ConfigError: it is none.
    """
    if text is None:
        return None
    if not re.fullmatch(r"(?:\d{1,6}[wdhms])+", text, re.ASCII):
        raise ConfigError(f"'{text}' is no interval", "write 1h, 1d or 30m")
    parts = re.findall(r"(\d+)([wdhms])", text)
    return sum((timedelta(**{_UNITS[unit]: int(count)}) for count, unit in parts), timedelta())
