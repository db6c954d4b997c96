"""Options become live objects: the one place that knows every edge.

Each function imports what it opens, so that a command pays for its own libraries only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubectl_argo_archive.archive.workflow_archive import WorkflowArchive
    from kubectl_argo_archive.config import Config
    from kubectl_argo_archive.lake.lake import Lake


def open_lake(uri: str, config: Config | None = None) -> Lake:
    """The lake at ``s3://bucket/prefix`` or in a folder; nothing is read yet.

    Raises:
        ConfigError: the location or the S3 settings are wrong.
    """
    from kubectl_argo_archive.lake.lake import Lake
    from kubectl_argo_archive.storage.filesystem import open_storage
    from kubectl_argo_archive.storage.location import Location

    return Lake(open_storage(Location.parse(uri), config))


def open_source(uri: str) -> WorkflowArchive:
    """The archive at a Postgres URI or in files; nothing is read yet.

    Raises:
        ConfigError: the text names no source that we know.
    """
    from kubectl_argo_archive.archive.source import open_archive

    return open_archive(uri)
