"""All checks: importing this module declares every one of them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from kubectl_argo_archive.checks.check import Check, registered
from kubectl_argo_archive.checks.rules import (  # noqa: F401  importing them declares their checks
    archive_config,
    archive_process,
    archive_retention,
    archive_rows,
    bucket_posture,
    crons,
    database_config,
    database_health,
    database_mysql,
    database_reach,
    database_rights,
    database_schema,
    database_volumes,
    logs_bucket,
    logs_config,
    logs_keys,
    logs_objects,
    logs_secrets,
    query_side,
    setup_files,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

CHECKS: Mapping[str, Check] = MappingProxyType(dict(sorted(registered().items())))
"""Every check by id, in the order of ids."""
