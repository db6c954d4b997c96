"""The objects of other stores than S3, through fsspec: Google Cloud Storage, Azure Blob Storage, Alibaba OSS, HDFS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

from kubectl_argo_archive.errors import ConfigError
from kubectl_argo_archive.storage.location import Location
from kubectl_argo_archive.storage.objects import (
    CHUNK_BYTES,
    EXTRAS,
    PROTOCOLS,
    Access,
    ObjectFacts,
    ObjectGone,
    ObjectRefused,
    Place,
    Traffic,
)
from kubectl_argo_archive.storage.translate import storage_errors

THREADS = 16
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "created")
"""What the packages call the time of an object's last change."""


class FsspecObjects:
    """Implements :class:`~kubectl_argo_archive.storage.objects.Objects` with blocking calls in threads.

    Raises:
        ConfigError: the package for this kind of store is not installed.
    """

    def __init__(self, place: Place, access: Access) -> None:
        import fsspec
        from fsspec.asyn import get_loop

        self.place = place
        self.traffic = Traffic()
        self.loop: asyncio.AbstractEventLoop = get_loop()
        self._threads = ThreadPoolExecutor(min(access.connections, THREADS), "objects")
        try:
            self._fs: Any = fsspec.filesystem(PROTOCOLS[place.kind], use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise ConfigError(
                f"logs lie in {place.url}, and nothing here can read {place.kind}",
                f"pip install 'kubectl-argo-archive[{EXTRAS[place.kind]}]'",
            ) from error

    def errors(self) -> AbstractContextManager[None]:
        return storage_errors(Location("s3", self.place.bucket, "", self.place.url), server=self.place.url)

    def look_up(self, keys: Sequence[str]) -> dict[str, ObjectFacts]:
        with self.errors():
            found = self._threads.map(self._look_up, keys)
            return {facts.key: facts for facts in found if facts is not None}

    def listing(self, prefix: str = "") -> Iterable[ObjectFacts]:
        with self.errors():
            self.traffic.requests += 1
            below = self._fs.find(f"{self.place.bucket}/{prefix}" if prefix else self.place.bucket, detail=True)
        for path, info in below.items():
            yield _facts(path.lstrip("/").removeprefix(self.place.bucket + "/"), info)

    async def read(self, key: str, etag: str | None = None) -> AsyncIterator[bytes]:
        run = asyncio.get_running_loop().run_in_executor
        self.traffic.requests += 1
        try:
            file = await run(self._threads, lambda: self._fs.open(self._path(key), "rb", cache_type="readahead"))
        except FileNotFoundError as error:
            raise ObjectGone(key) from error
        except PermissionError as error:
            raise ObjectRefused("access denied") from error
        try:
            while chunk := await run(self._threads, file.read, CHUNK_BYTES):
                self.traffic.bytes += len(chunk)
                yield chunk
        finally:
            file.close()

    def _path(self, key: str) -> str:
        return f"{self.place.bucket}/{key}"

    def _look_up(self, key: str) -> ObjectFacts | None:
        self.traffic.requests += 1
        try:
            return _facts(key, self._fs.info(self._path(key)))
        except FileNotFoundError:
            return None


def _facts(key: str, info: dict[str, Any]) -> ObjectFacts:
    found = next((info[name] for name in _TIMES if info.get(name)), None)
    if isinstance(found, int | float):
        found = datetime.fromtimestamp(found, UTC)
    elif isinstance(found, str):
        found = datetime.fromisoformat(found)
    if found is not None and found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    etag = next((str(info[name]).strip('"') for name in ("ETag", "etag") if info.get(name)), None)
    return ObjectFacts(key, int(info.get("size") or 0), found, etag)
