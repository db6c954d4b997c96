"""What a reader sees: every table at the version that one ledger row names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from urllib.parse import unquote

from kubectl_argo_archive.lake.delta import DeltaTables, reading
from kubectl_argo_archive.storage.filesystem import Storage


@dataclass(frozen=True)
class TableSnapshot:
    """One table at one version.

    Attributes:
        name: of the table.
        version: Delta version.
        paths: data files, relative to the table.
        urls: data files, absolute paths or ``s3://…``.
        rows: in all files.
        size: bytes of all files.
    """

    name: str
    version: int
    paths: list[str]
    urls: list[str]
    rows: int
    size: int


@dataclass(frozen=True)
class Snapshot:
    """The lake as one publish left it. Tables are opened when first asked for.

    Attributes:
        export_id: the publish.
        seq: its number.
        published_at: when it was published.
        versions: Delta version of each table.
        superseded: workflow versions that are no longer the latest.
        total: workflow versions in the lake.
        logs: rows ever written to ``log_objects``.
        dead_logs: those of them that a later index run replaced.
        dead_texts: indexed texts whose object has changed since.
    """

    export_id: str
    seq: int
    published_at: datetime
    versions: Mapping[str, int]
    superseded: int
    total: int
    _storage: Storage = field(repr=False)
    logs: int = 0
    dead_logs: int = 0
    dead_texts: int = 0
    _opened: dict[str, TableSnapshot] = field(default_factory=dict, repr=False)

    @property
    def root(self) -> str:
        """The lake's URL."""
        return self._storage.url()

    @cached_property
    def _tables(self) -> DeltaTables:
        return DeltaTables(self._storage.url(), self._storage.delta_options())

    def table(self, name: str) -> TableSnapshot:
        """Open one table; a table that is younger than this snapshot is empty."""
        if name not in self._opened:
            self._opened[name] = self._open(name)
        return self._opened[name]

    def _open(self, name: str) -> TableSnapshot:
        version = self.versions.get(name)
        if version is None:
            return TableSnapshot(name, -1, [], [], 0, 0)
        with reading(self._storage):
            files = self._tables.files(name, version)
        paths = sorted(unquote(str(file["path"])) for file in files)
        return TableSnapshot(
            name,
            version,
            paths,
            [self._storage.url(name, path) for path in paths],
            sum(int(file["rows"]) for file in files),
            sum(int(file["size"]) for file in files),
        )
