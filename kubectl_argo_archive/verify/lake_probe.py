"""The lake: how old, and whether every data file that its log names is there."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kubectl_argo_archive.checks.facts_storage import LakeFacts
from kubectl_argo_archive.config import Config
from kubectl_argo_archive.errors import LakeError, StorageError, UnreachableError
from kubectl_argo_archive.lake.inspect import named_files
from kubectl_argo_archive.lake.lake import Lake
from kubectl_argo_archive.lake.snapshot import Snapshot
from kubectl_argo_archive.storage.filesystem import open_storage
from kubectl_argo_archive.storage.location import Location


def look_at_lake(uri: str, config: Config) -> LakeFacts:
    """Read the newest publish and list the files; nothing is written.

    Raises:
        ConfigError: the location or the settings of S3 are wrong.
        UnreachableError, StorageError: the storage cannot be used at all.
    """
    lake = Lake(open_storage(Location.parse(uri), config))
    place = lake.storage.location.display
    try:
        if not lake.exists():
            return LakeFacts(place, exists=False)
        snapshot = lake.snapshot()
        return _facts(lake, place, snapshot)
    except (UnreachableError, StorageError):
        raise
    except LakeError as error:
        return LakeFacts(place, message=error.message)


def _facts(lake: Lake, place: str, snapshot: Snapshot) -> LakeFacts:
    missing: list[str] = []
    wrong: list[str] = []
    finishes: list[datetime] = []
    files = size = 0
    for name in snapshot.versions:
        found = _sizes(lake, name)
        for file in named_files(lake.storage, snapshot, name):
            files, size = files + 1, size + file.size
            if name == "workflows" and file.finished:
                finishes.append(file.finished)
            there = found.get(lake.storage.path(name, file.path))
            if there is None:
                missing.append(f"{name}/{file.path}")
            elif there != file.size:
                wrong.append(f"{name}/{file.path}: {there} bytes, should be {file.size}")
    return LakeFacts(
        place=place,
        published_at=snapshot.published_at,
        export_id=snapshot.export_id,
        workflows=snapshot.total,
        newest_finish=max(finishes, default=None),
        files=files,
        bytes=size,
        missing=tuple(missing),
        wrong_size=tuple(wrong),
        quarantined=snapshot.table("quarantine").rows,
    )


def _sizes(lake: Lake, name: str) -> dict[str, int]:
    """Sizes of all objects below a table, by path."""
    with lake.storage.errors():
        listed: dict[str, Any] = lake.storage.fs.find(lake.storage.path(name), detail=True)
    return {path: int(info["size"]) for path, info in listed.items()}
