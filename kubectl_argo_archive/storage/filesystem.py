"""A lake's storage, opened: a folder or a bucket, as fsspec, delta-rs and DuckDB want it."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from kubectl_argo_archive.errors import ConfigError
from kubectl_argo_archive.storage.location import Location
from kubectl_argo_archive.storage.translate import storage_errors

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

    from kubectl_argo_archive.config import Config
    from kubectl_argo_archive.storage.s3 import S3


class Storage(Protocol):
    """Files below one location. Opening it asks nobody anything; the first use does."""

    @property
    def location(self) -> Location:
        """Where it is."""
        ...

    @property
    def root(self) -> str:
        """The location as :attr:`fs` names it: an absolute path, or ``bucket/prefix``."""
        ...

    @property
    def fs(self) -> AbstractFileSystem:
        """The file system; writing makes missing folders, listing is never cached."""
        ...

    def path(self, *parts: str) -> str:
        """Something below the location as :attr:`fs` names it: ``path("nodes", "a.parquet")``."""
        ...

    def url(self, *parts: str) -> str:
        """The same as engines name it: an absolute path, or ``s3://bucket/key``."""
        ...

    def delta_options(self) -> dict[str, str]:
        """deltalake's ``storage_options``, with keys that are valid now: ask anew for each table opened."""
        ...

    def duckdb_secret(self) -> dict[str, str] | None:
        """Parameters of DuckDB's S3 secret, with keys that are valid now; None for a folder."""
        ...

    def duckdb_settings(self) -> dict[str, str]:
        """DuckDB settings that reaching the storage needs, name → value."""
        ...

    def errors(self) -> AbstractContextManager[None]:
        """``with storage.errors():`` turns whatever the storage's clients raise into our errors."""
        ...


def open_storage(location: Location, config: Config | None = None) -> Storage:
    """Open ``location``; for S3 its settings and credentials are resolved now, no request is sent.

    Raises:
        ConfigError: no credentials, a wrong endpoint or profile, a file where a folder should be.
        StorageError, StorageUnreachable: credentials cannot be had now.
    """
    if location.is_local:
        if os.path.exists(location.path) and not os.path.isdir(location.path):
            raise ConfigError(f"{location.display} is a file, not a folder", "name a folder, or s3://bucket/prefix")
        return LocalStorage(location)
    from kubectl_argo_archive.config import Config as Defaults
    from kubectl_argo_archive.storage.s3 import S3, Settings

    return S3Storage(location, S3(Settings.resolve((config or Defaults()).s3), location.bucket))


class _Paths:
    """What both kinds share: names."""

    def __init__(self, location: Location) -> None:
        self.location = location

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.location.display!r})"

    @property
    def root(self) -> str:
        return self.location.path

    def path(self, *parts: str) -> str:
        return self.location.join(*parts).path

    def url(self, *parts: str) -> str:
        return self.location.join(*parts).url


class LocalStorage(_Paths):
    """A folder of this machine."""

    @cached_property
    def fs(self) -> AbstractFileSystem:
        from fsspec.implementations.local import LocalFileSystem

        return LocalFileSystem(auto_mkdir=True, skip_instance_cache=True)

    def delta_options(self) -> dict[str, str]:
        return {}

    def duckdb_secret(self) -> None:
        return None

    def duckdb_settings(self) -> dict[str, str]:
        return {}

    def errors(self) -> AbstractContextManager[None]:
        return storage_errors(self.location)


class S3Storage(_Paths):
    """A bucket, or what begins with a prefix in it."""

    def __init__(self, location: Location, s3: S3) -> None:
        super().__init__(location)
        self._s3 = s3

    @property
    def fs(self) -> AbstractFileSystem:
        return self._s3.fs

    def delta_options(self) -> dict[str, str]:
        return self._s3.delta_options()

    def duckdb_secret(self) -> dict[str, str]:
        return self._s3.duckdb_secret()

    def duckdb_settings(self) -> dict[str, str]:
        return self._s3.duckdb_settings()

    def errors(self) -> AbstractContextManager[None]:
        settings = self._s3.settings
        told_by = settings.credentials.told_by if settings.credentials else None
        return storage_errors(self.location, server=settings.server, region=settings.region, told_by=told_by)
