"""The canary's last step: exported with the lake's own settings, beside the lake, not into it."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from uuid import uuid4

from kubectl_argo_archive.archive.source import open_archive
from kubectl_argo_archive.archive.workflow_archive import Selection
from kubectl_argo_archive.config import Config
from kubectl_argo_archive.export.pipeline import export
from kubectl_argo_archive.lake.lake import Lake
from kubectl_argo_archive.storage.filesystem import open_storage
from kubectl_argo_archive.storage.location import Location
from kubectl_argo_archive.verify.database_probe import Way

LABEL = "kubectl-argo-archive/canary"


def lake_row(way: Way, lake: str, config: Config, uid: str, since: datetime) -> str | None:
    """Export the canary into a folder of its own next to the lake, look for its row, and remove the folder.

    The lake itself is immutable: a canary that went into it could never be taken out again.

    Returns:
        None if it arrived, else what is lacking.

    Raises:
        ArgoArchiveError: the export failed.
    """
    folder = Location.parse(f"{lake.rstrip('/')}-canary-{uuid4().hex[:8]}")
    storage = open_storage(folder, config)
    beside = Lake(storage)
    try:
        result = export(open_archive(way.uri), beside, Selection(labels=f"{LABEL}=true", since=since))
        rows = beside.snapshot().table("workflows").rows if result.published else 0
        return None if rows else f"the export of uid {uid} put no row into table workflows"
    finally:
        with storage.errors(), suppress(FileNotFoundError):
            storage.fs.rm(storage.root, recursive=True)
