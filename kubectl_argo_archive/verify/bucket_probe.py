"""The buckets of the artifact repositories, with the keys that Argo's pods use, and the lake's bucket."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from kubectl_argo_archive.argo.controller import Controller
from kubectl_argo_archive.argo.installation import Installation
from kubectl_argo_archive.argo.log_keys import LogStore
from kubectl_argo_archive.argo.repository import S3Store
from kubectl_argo_archive.checks.facts_storage import Bucket
from kubectl_argo_archive.cluster.bucket import open_bucket
from kubectl_argo_archive.cluster.client import KubeClient
from kubectl_argo_archive.cluster.forward import Tell
from kubectl_argo_archive.config import Config
from kubectl_argo_archive.errors import ArgoArchiveError, ClusterError, ClusterForbidden
from kubectl_argo_archive.storage.location import Location
from kubectl_argo_archive.storage.posture import Access, client, examine, head, remove
from kubectl_argo_archive.storage.s3 import Settings
from kubectl_argo_archive.verify.log_probe import Head


@dataclass(frozen=True)
class Store:
    """A repository's bucket and how to reach it now.

    Attributes:
        store: as configured.
        namespaces: whose workflows use it.
        access: how to reach it; a port-forward stays open as long as the stores are.
    """

    store: S3Store
    namespaces: tuple[str, ...]
    access: Access
    told_by: str
    keys_have_whitespace: bool = False

    def examine(self, *, write_probes: bool, timeout: float) -> Bucket:
        """Ask the bucket everything."""
        found = examine(self.access, write_probes=write_probes, timeout=timeout)
        return replace(
            found,
            server=self.store.endpoint or "AWS",
            told_by=self.told_by,
            namespaces=self.namespaces,
            keys_have_whitespace=self.keys_have_whitespace,
        )


@dataclass
class Stores:
    """What came of opening the repositories.

    Attributes:
        found: those that can be asked.
        lost: those whose server cannot be reached.
        refused: why one could not be opened.
    """

    found: list[Store] = field(default_factory=list)
    lost: list[Bucket] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def _lost(store: S3Store, error: ArgoArchiveError) -> Bucket:
    return Bucket(store.bucket or "", store.endpoint or "AWS", told_by=str(store.origin()), failed_at="tcp",
                  message=error.message, hint=error.hint or "")  # fmt: skip


@contextmanager
def open_stores(
    kube: KubeClient, installation: Installation, controller: Controller, namespaces: list[str], tell: Tell
) -> Iterator[Stores]:
    """The S3 repositories of a controller's workflows, each bucket once."""
    by_place: dict[tuple[str, str], tuple[S3Store, list[str]]] = {}
    for namespace in namespaces:
        store = installation.repository(controller, namespace).store
        if isinstance(store, S3Store) and store.bucket:
            by_place.setdefault((store.endpoint or "", store.bucket), (store, []))[1].append(namespace)
    with ExitStack() as stack:
        stores = Stores()
        for store, spaces in by_place.values():
            try:
                stores.found.append(_open(stack, kube, controller, store, spaces, tell))
            except ArgoArchiveError as error:
                stores.refused.append(f"bucket {store.bucket}: {error.message}")
                known = all(installation.has_key(spaces[0], ref) for ref in store.secrets.values())
                if known and isinstance(error, ClusterError) and not isinstance(error, ClusterForbidden):
                    # neither a Secret nor a right is missing: it is the server behind the Service
                    stores.lost.append(_lost(store, error))
        yield stores


def _open(
    stack: ExitStack, kube: KubeClient, controller: Controller, store: S3Store, spaces: list[str], tell: Tell
) -> Store:
    opening = open_bucket(kube, store, namespace=spaces[0], controller_namespace=controller.namespace, tell=tell)
    way = stack.enter_context(opening)
    path = f"{way.bucket}/{way.prefix}" if way.prefix else way.bucket
    access = Access.of(Location("s3", way.bucket, way.prefix, path), way.settings)
    return Store(store, tuple(spaces), access, way.told_by, way.keys_have_white_space)


def lake_bucket(lake: str, config: Config, *, write_probes: bool, timeout: float) -> Bucket | None:
    """The bucket of the lake, asked with the lake's own settings; None for a folder.

    Raises:
        ConfigError, StorageError, StorageUnreachable: there are no credentials.
    """
    location = Location.parse(lake)
    if location.is_local:
        return None
    access = Access.of(location, Settings.resolve(config.s3))
    found = examine(access, write_probes=write_probes, timeout=timeout)
    return replace(found, role="lake", told_by="--lake")


@dataclass
class Heads:
    """Asks buckets for single objects; each bucket's client is made once.

    Attributes:
        stores: of the repositories, by bucket.
    """

    stores: Mapping[str, Store]
    timeout: float
    _clients: dict[str, Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, store: LogStore, namespace: str, key: str) -> Head:
        """What the bucket says of an object. Only buckets of today's repositories can be asked."""
        known = self.stores.get(store.bucket)
        if known is None:
            return Head(f"bucket {store.bucket} is not among the configured repositories")
        state, size, modified = head(self._client(known), store.bucket, key)
        return Head(state, size, modified)

    def remove(self, bucket: str, key: str) -> str:
        """Remove one object, the canary's log; empty, or why not."""
        return remove(self._client(self.stores[bucket]), bucket, key)

    def _client(self, store: Store) -> Any:
        with self._lock:
            bucket = store.access.bucket
            if bucket not in self._clients:
                self._clients[bucket] = client(store.access, timeout=self.timeout)
            return self._clients[bucket]
