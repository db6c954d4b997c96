"""Small append-only records in the lake, one JSON file each: created only if absent, never changed, never renamed."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from kubectl_argo_archive.errors import LakeError
from kubectl_argo_archive.storage.filesystem import Storage
from kubectl_argo_archive.storage.translate import lost_race

_TRIES = 3


def append(storage: Storage, folder: str, record: dict[str, Any], at: datetime) -> str:
    """Write a record; returns its path in the lake.

    Args:
        storage: of the lake.
        folder: below the lake, ``audit/access``.
        record: what to write, as JSON.
        at: when it happened: names sort by time.

    Raises:
        StorageError, StorageUnreachable: it cannot be written.
    """
    stamp = at.astimezone(UTC)
    content = json.dumps(record, sort_keys=True).encode() + b"\n"
    for _ in range(_TRIES):
        name = f"{folder}/{stamp:%Y-%m}/{stamp:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}.json"
        with storage.errors():
            try:
                with storage.fs.open(storage.path(name), "xb") as file:
                    file.write(content)
            except OSError as error:
                if isinstance(error, FileExistsError) or lost_race(error):
                    continue
                raise
        return name
    raise LakeError(f"cannot find a free name in {folder}", "try again")


def read_all(storage: Storage, folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """All records with their paths, oldest first.

    Raises:
        LakeError: one of them is damaged.
        StorageError, StorageUnreachable: they cannot be read.
    """
    root = storage.path(folder)
    with storage.errors():
        found = sorted(storage.fs.find(root)) if storage.fs.exists(root) else []
        contents = [(path, storage.fs.cat_file(path)) for path in found if path.endswith(".json")]
    for path, content in contents:
        name = f"{folder}/{path[len(root) :].lstrip('/')}"
        try:
            record = json.loads(content)
            if not isinstance(record, dict):
                raise ValueError
        except ValueError as error:
            raise LakeError(f"{name} is damaged", "restore it (a bucket keeps versions)") from error
        yield name, record
