"""This process: libraries, credentials and memory, as queries will find them."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any

from kubectl_argo_archive.checks.facts_storage import Machine
from kubectl_argo_archive.config import Config
from kubectl_argo_archive.errors import ArgoArchiveError
from kubectl_argo_archive.query.limits import container_memory, parse_bytes

if TYPE_CHECKING:
    from kubectl_argo_archive.storage.s3 import Settings


def look_at_machine(config: Config, lake: str | None) -> Machine:
    """What is installed here, and who tells the keys for S3 if the lake needs some."""
    facts: dict[str, Any] = {
        "httpfs": _release("duckdb-extension-httpfs"),
        "duckdb": _release("duckdb"),
        "memory_limit": container_memory(),
        "query_memory": parse_bytes(config.query.memory_limit) if config.query.memory_limit else None,
    }
    if lake and lake.lower().startswith("s3:"):
        facts |= _credentials(config)
    return Machine(**facts)


def _release(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _credentials(config: Config) -> dict[str, Any]:
    from kubectl_argo_archive.storage.s3 import Settings

    try:
        settings = Settings.resolve(config.s3)
        settings.keys()
    except ArgoArchiveError as error:
        return {"credentials_error": error.message}
    return _told(settings)


def _told(settings: Settings) -> dict[str, Any]:
    credentials = settings.credentials
    if credentials is None:
        return {"credentials_from": "nobody: requests are anonymous"}
    return {"credentials_from": credentials.told_by, "credentials_expire": _end_of_environment()}


def _end_of_environment() -> datetime | None:
    """When keys in the environment end; all others are renewed. The variable is botocore's and aws-vault's."""
    text = os.environ.get("AWS_CREDENTIAL_EXPIRATION") if os.environ.get("AWS_ACCESS_KEY_ID") else None
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)
