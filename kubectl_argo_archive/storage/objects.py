"""Objects that others wrote: many small and some huge ones, in several buckets, read with high concurrency.

A lake's own files go through :mod:`.filesystem`; this is for the logs that Argo left in its artifact stores.
"""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from kubectl_argo_archive.errors import ConfigError

if TYPE_CHECKING:
    import asyncio

    from kubectl_argo_archive.config import Config

CHUNK_BYTES = 1 << 20
PROBE_PATIENCE_S = 2.0
PROTOCOLS = {"gcs": "gcs", "azure": "abfs", "oss": "oss", "hdfs": "hdfs"}
"""Kinds of artifact stores beside S3 → fsspec's protocol."""
EXTRAS = {"gcs": "gcs", "azure": "azure", "oss": "oss", "hdfs": "hdfs"}


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket as somebody recorded it.

    Attributes:
        kind: s3, gcs, azure, oss, hdfs.
        bucket: bucket or container.
        endpoint: ``host:port`` or a URL; empty for the cloud's own.
        region: empty if nobody said.
        insecure: http instead of https.
    """

    kind: str
    bucket: str
    endpoint: str = ""
    region: str = ""
    insecure: bool = False

    @property
    def url(self) -> str:
        """For people: ``s3://bucket``."""
        return f"{self.kind}://{self.bucket}"


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What a listing says about an object; ``modified`` is UTC."""

    key: str
    size: int
    modified: datetime | None
    etag: str | None = None
    version_id: str | None = None


class ObjectGone(Exception):
    """The object does not exist."""


class ObjectChanged(Exception):
    """The object is another one than that which was listed."""


class ObjectRefused(Exception):
    """The store refuses this one object; the text says why, without secrets."""


@dataclass(slots=True)
class Traffic:
    """What was asked of a store."""

    requests: int = 0
    bytes: int = 0


class Objects(Protocol):
    """The objects of one bucket. Coroutines run on :attr:`loop`, which another thread drives."""

    @property
    def place(self) -> Place:
        """Where it is."""
        ...

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Runs in a thread of its own."""
        ...

    @property
    def traffic(self) -> Traffic:
        """Requests and bytes so far."""
        ...

    def look_up(self, keys: Sequence[str]) -> dict[str, ObjectFacts]:
        """Which of ``keys`` (sorted) exist; in as few requests as it takes."""
        ...

    def listing(self, prefix: str = "") -> Iterable[ObjectFacts]:
        """All objects whose key begins with ``prefix``."""
        ...

    def read(self, key: str, etag: str | None = None) -> AsyncIterator[bytes]:
        """The bytes of an object, in pieces; broken connections are taken up again where they broke.

        Raises:
            ObjectGone, ObjectChanged, ObjectRefused: about this object.
        """
        ...

    def errors(self) -> AbstractContextManager[None]:
        """Turns what the store's client raises into our errors."""
        ...


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach stores, beyond what was recorded.

    Attributes:
        endpoints: recorded endpoint → URL to use instead; the key ``""`` is for all others.
        customer_key: 32 bytes, for objects encrypted with a key of the customer's (SSE-C).
        connections: at most so many at once, per bucket.
    """

    endpoints: Mapping[str, str] = field(default_factory=dict)
    customer_key: bytes | None = field(default=None, repr=False)
    connections: int = 32


def open_objects(place: Place, config: Config | None = None, access: Access | None = None) -> Objects:
    """Open a bucket; no request is sent.

    Raises:
        ConfigError: nothing here can read this kind of store, or credentials are missing.
    """
    from kubectl_argo_archive.config import Config as Defaults

    access = access or Access()
    if place.kind == "s3":
        from kubectl_argo_archive.storage.objects_s3 import S3Objects
        from kubectl_argo_archive.storage.s3 import S3, Settings

        settings = Settings.resolve((config or Defaults()).s3)
        endpoint, own = _endpoint(place, settings.endpoint, access.endpoints)
        region = place.region or settings.region
        settings = dataclasses.replace(
            settings, endpoint=endpoint, region=region, virtual=settings.virtual and not own
        )  # fmt: skip
        return S3Objects(place, S3(settings, place.bucket, access.connections), access)
    if place.kind not in PROTOCOLS:
        raise ConfigError(f"logs in a store of kind {place.kind} cannot be read", "s3, gcs, azure and oss can")
    from kubectl_argo_archive.storage.objects_fsspec import FsspecObjects

    return FsspecObjects(place, access)


def _endpoint(place: Place, configured: str | None, mapped: Mapping[str, str]) -> tuple[str | None, bool]:
    """The URL of the server, and whether it is one of the user's own.

    What the user maps comes first. A recorded server counts if it can be reached from here: names such as
    ``minio:9000`` mean something inside the cluster only, and then AWS_ENDPOINT_URL says where it is for us.
    """
    for name in (place.endpoint, place.endpoint.partition(":")[0], ""):
        if name in mapped:
            return mapped[name], True
    recorded = recorded_url(place)
    if recorded is None or (configured and not _answers(recorded)):
        return configured, bool(configured)
    return recorded, True


def recorded_url(place: Place) -> str | None:
    """The URL of a recorded endpoint; None for AWS' own, however it is spelt."""
    if not place.endpoint:
        return None
    scheme = "http" if place.insecure else "https"
    url = place.endpoint if "://" in place.endpoint else f"{scheme}://{place.endpoint}"
    host = urlsplit(url).hostname or ""
    return None if host.endswith((".amazonaws.com", ".amazonaws.com.cn")) else url.rstrip("/")


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with socket.create_connection((parts.hostname or "", port), PROBE_PATIENCE_S):
            return True
    except (OSError, ValueError):
        return False
