"""What a reader sees: every table at the version that one ledger row names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from operator import attrgetter
from typing import Any
from urllib.parse import unquote

from kubectl_argo_archive.lake.delta import DeltaTables, reading
from kubectl_argo_archive.storage.filesystem import Storage


@dataclass(frozen=True, slots=True)
class DataFile:
    """One data file of a table.

    Attributes:
        path: relative to the table.
        url: absolute path or ``s3://…``.
        rows: how many.
        size: bytes.
        low: smallest value of the columns for which it was noted.
        high: largest value of these.
    """

    path: str
    url: str
    rows: int
    size: int
    low: Mapping[str, Any]
    high: Mapping[str, Any]


@dataclass(frozen=True)
class TableSnapshot:
    """One table at one version.

    Attributes:
        name: of the table.
        version: Delta version.
        files: data files, by path.
    """

    name: str
    version: int
    files: list[DataFile]

    @property
    def paths(self) -> list[str]:
        """Data files, relative to the table."""
        return [file.path for file in self.files]

    @property
    def urls(self) -> list[str]:
        """Data files, absolute paths or ``s3://…``."""
        return [file.url for file in self.files]

    @property
    def rows(self) -> int:
        """In all files."""
        return sum(file.rows for file in self.files)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


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
            return TableSnapshot(name, -1, [])
        with reading(self._storage):
            found = self._tables.files(name, version)
        files = [self._data_file(name, file) for file in found]
        return TableSnapshot(name, version, sorted(files, key=attrgetter("path")))

    def _data_file(self, name: str, file: Mapping[str, Any]) -> DataFile:
        path = unquote(str(file["path"]))
        url = self._storage.url(name, path)
        return DataFile(path, url, int(file["rows"]), int(file["size"]), file["low"], file["high"])
