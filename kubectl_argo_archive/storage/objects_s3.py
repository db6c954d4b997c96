"""The objects of an S3 bucket: listed by leaps, read by ranges."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar, cast

from kubectl_argo_archive.errors import StorageError, redact
from kubectl_argo_archive.storage.location import Location
from kubectl_argo_archive.storage.objects import (
    CHUNK_BYTES,
    Access,
    ObjectChanged,
    ObjectFacts,
    ObjectGone,
    ObjectRefused,
    Place,
    Traffic,
)
from kubectl_argo_archive.storage.s3 import S3
from kubectl_argo_archive.storage.translate import storage_errors

T = TypeVar("T")

FEW = 16
"""So many keys are asked for one by one; beyond, a listing is cheaper."""
SHARDS = 8
ATTEMPTS = 5
FIRST_PAUSE_S = 0.2
_OTHER = "name the server of these logs with --endpoint"
_BUSY = ("SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "Throttling", "TooManyRequests")


class S3Objects:
    """Implements :class:`~kubectl_argo_archive.storage.objects.Objects` for S3 and what speaks like it."""

    def __init__(self, place: Place, s3: S3, access: Access) -> None:
        self.place = place
        self.traffic = Traffic()
        self._s3 = s3
        self._limit = access.connections
        self._connecting = asyncio.Lock()
        self._sse = _customer_key(access.customer_key)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        loop: asyncio.AbstractEventLoop = self._s3.fs.loop
        return loop

    def errors(self) -> AbstractContextManager[None]:
        settings = self._s3.settings
        told_by = settings.credentials.told_by if settings.credentials else None
        where = Location("s3", self.place.bucket, "", self.place.bucket)
        return storage_errors(where, server=settings.server, region=settings.region, told_by=told_by)

    def look_up(self, keys: Sequence[str]) -> dict[str, ObjectFacts]:
        with self.errors():
            return self._run(self._look_up(list(keys)))

    def listing(self, prefix: str = "") -> Iterable[ObjectFacts]:
        after = ""
        while True:
            with self.errors():
                page, more = self._run(self._page(after, prefix))
            yield from page
            if not more or not page:
                return
            after = page[-1].key

    async def read(self, key: str, etag: str | None = None) -> AsyncIterator[bytes]:
        done, attempt = 0, 0
        sse: dict[str, str] = {}
        while True:
            try:
                body = await self._get(key, etag, done, sse)
                async with body as stream:
                    while chunk := await stream.read(CHUNK_BYTES):
                        done += len(chunk)
                        self.traffic.bytes += len(chunk)
                        attempt = 0
                        yield chunk
                return
            except (ObjectGone, ObjectChanged, ObjectRefused, asyncio.CancelledError, GeneratorExit):
                raise
            except Exception as error:
                refused = _judge(error)
                if isinstance(refused, ObjectRefused) and _status(error) == 400 and self._sse and not sse:
                    sse = self._sse  # it wants the customer's key, which plain objects would refuse
                    continue
                if refused is not None:
                    raise refused from error
                attempt += 1
                if attempt >= ATTEMPTS:
                    raise
                await asyncio.sleep(FIRST_PAUSE_S * 2**attempt)

    async def _client(self) -> Any:
        async with self._connecting:  # s3fs hands out a client that is only half made
            return await self._s3.fs.set_session()

    async def _get(self, key: str, etag: str | None, start: int, sse: dict[str, str]) -> Any:
        client = await self._client()
        options: dict[str, Any] = dict(sse)
        if start:
            options["Range"] = f"bytes={start}-"
        if etag and start:
            options["IfMatch"] = f'"{etag}"'
        self.traffic.requests += 1
        answer = await client.get_object(Bucket=self.place.bucket, Key=key, **options)
        found = str(answer.get("ETag", "")).strip('"')
        if etag and found and found != etag:
            answer["Body"].close()
            raise ObjectChanged(key)
        return answer["Body"]

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def _look_up(self, keys: list[str]) -> dict[str, ObjectFacts]:
        found: dict[str, ObjectFacts] = {}
        if len(keys) > FEW:
            size = max(len(keys) // SHARDS + 1, 2 * FEW)
            shards = [keys[i : i + size] for i in range(0, len(keys), size)]
            for part in await asyncio.gather(*(self._leap(shard) for shard in shards)):
                found |= part
        # some servers list in another order than S3's: whoever seems missing is asked for by name
        gate = asyncio.Semaphore(self._limit)
        missing = [key for key in keys if key not in found]
        for start in range(0, len(missing), 1000):
            heads = await asyncio.gather(*(self._head(key, gate) for key in missing[start : start + 1000]))
            found |= {facts.key: facts for facts in heads if facts is not None}
        if keys and not found:
            await self._must_exist()
        return found

    async def _must_exist(self) -> None:
        """Whether the bucket is there: the answer 404 says the same of a missing key and of a missing bucket."""
        client = await self._client()
        self.traffic.requests += 1
        try:
            await client.head_bucket(Bucket=self.place.bucket)
        except Exception as error:
            if _status(error) != 404:
                raise
            server = self._s3.settings.server
            raise StorageError(f"bucket '{self.place.bucket}' does not exist on {server}", _OTHER) from error

    async def _leap(self, keys: list[str]) -> dict[str, ObjectFacts]:
        """Pages of the listing, each begun just before the next key that is wanted."""
        found: dict[str, ObjectFacts] = {}
        wanted, after, i = set(keys), "", 0
        while i < len(keys):
            page, more = await self._page(max(after, keys[i][:-1]))
            found |= {facts.key: facts for facts in page if facts.key in wanted}
            if not page or not more:
                break
            last = page[-1].key
            if last <= after:  # another order than S3's
                break
            after = last
            while i < len(keys) and keys[i] <= last:
                i += 1
        return found

    async def _page(self, after: str, prefix: str = "") -> tuple[list[ObjectFacts], bool]:
        client = await self._client()
        self.traffic.requests += 1
        answer = await client.list_objects_v2(Bucket=self.place.bucket, Prefix=prefix, StartAfter=after)
        page = [
            ObjectFacts(item["Key"], int(item["Size"]), item["LastModified"], str(item["ETag"]).strip('"'))
            for item in answer.get("Contents", [])
        ]
        return page, bool(answer.get("IsTruncated"))

    async def _head(self, key: str, gate: asyncio.Semaphore) -> ObjectFacts | None:
        client = await self._client()
        async with gate:
            self.traffic.requests += 1
            try:
                answer = await client.head_object(Bucket=self.place.bucket, Key=key)
            except Exception as error:
                if _status(error) == 404:
                    return None
                if _status(error) == 400:  # encrypted with another key than ours: it is there all the same
                    page, _ = await self._page(key[:-1], key)
                    return next((facts for facts in page if facts.key == key), None)
                raise
        etag = str(answer.get("ETag", "")).strip('"') or None
        return ObjectFacts(key, int(answer["ContentLength"]), answer["LastModified"], etag, answer.get("VersionId"))


def _status(error: Exception) -> int:
    from botocore.exceptions import ClientError

    if not isinstance(error, ClientError):
        return 0
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _judge(error: Exception) -> Exception | None:
    """What an answer says about the object; None for what may go better the next time."""
    from botocore.exceptions import ClientError

    if not isinstance(error, ClientError):
        return None
    code, status = str(error.response.get("Error", {}).get("Code", "")), _status(error)
    if code in ("NoSuchKey", "404") or (status == 404 and code != "NoSuchBucket"):
        return ObjectGone()
    if status == 412:
        return ObjectChanged()
    if status >= 500 or status == 429 or code in _BUSY:
        return None
    if code in ("NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"):
        return cast("Exception", error)  # not about this object
    said = redact(str(error.response.get("Error", {}).get("Message", ""))).partition("\n")[0][:200]
    if code == "InvalidRequest" or "encrypt" in said.lower():
        return ObjectRefused(f"it is encrypted with a key that was not given ({code}: {said})")
    if code == "InvalidObjectState":
        return ObjectRefused("it lies in an archive tier and must be restored first")
    return ObjectRefused(f"{code}: {said}")


def _customer_key(key: bytes | None) -> dict[str, str]:
    if key is None:
        return {}
    return {
        "SSECustomerAlgorithm": "AES256",
        "SSECustomerKey": base64.b64encode(key).decode(),
        "SSECustomerKeyMD5": base64.b64encode(hashlib.md5(key, usedforsecurity=False).digest()).decode(),
    }
