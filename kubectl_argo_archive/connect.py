"""Options become live objects: the one place that knows every edge.

Each function imports what it opens, so that a command pays for its own libraries only.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from kubectl_argo_archive.errors import ArgoArchiveError, ConfigError, SourceUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kubectl_argo_archive.archive.workflow_archive import ArchiveSnapshot, WorkflowArchive
    from kubectl_argo_archive.argo.controller import Controller
    from kubectl_argo_archive.argo.installation import Installation
    from kubectl_argo_archive.audit.files import Files
    from kubectl_argo_archive.audit.keys import SecretReader
    from kubectl_argo_archive.cluster.access import KubeOptions
    from kubectl_argo_archive.cluster.client import KubeClient
    from kubectl_argo_archive.config import Config
    from kubectl_argo_archive.lake.lake import Lake
    from kubectl_argo_archive.storage.objects import Objects, Place


def open_lake(uri: str, config: Config | None = None) -> Lake:
    """The lake at ``s3://bucket/prefix`` or in a folder; nothing is read yet.

    Raises:
        ConfigError: the location or the S3 settings are wrong.
    """
    from kubectl_argo_archive.lake.lake import Lake
    from kubectl_argo_archive.storage.filesystem import open_storage
    from kubectl_argo_archive.storage.location import Location

    return Lake(open_storage(Location.parse(uri), config))


def open_source(source: str | KubeOptions, tell: Callable[[str], None] | None = None) -> WorkflowArchive:
    """The archive at a Postgres URI, in files, or that of a controller in a cluster.

    Args:
        source: a URI or a file; or the cluster to be searched, which is asked now.
        tell: says what is done on the way, such as a port-forward.

    Raises:
        ConfigError: the text names no source that we know; several controllers were found.
        ClusterUnreachable, ClusterError: the cluster does not answer, refuses, or has no archive.
    """
    if isinstance(source, str):
        from kubectl_argo_archive.archive.source import open_archive

        return open_archive(source)
    client, _, controller = open_cluster(source)
    return ClusterArchive(client, controller, tell or _silent)


def open_cluster(options: KubeOptions) -> tuple[KubeClient, Installation, Controller]:
    """Search a cluster for Argo Workflows: the client, what leads to database and bucket, and the controller meant.

    Raises:
        ConfigError: no kubeconfig; several controllers were found.
        ClusterUnreachable, ClusterError: the cluster does not answer, refuses, or has no controller.
    """
    from kubectl_argo_archive.argo.choice import choose_controller
    from kubectl_argo_archive.cluster.client import KubeClient
    from kubectl_argo_archive.cluster.discover import discover

    client = KubeClient.connect(options)
    installation = discover(client, namespace=options.namespace)
    return client, installation, choose_controller(installation, options.controller)


class ClusterArchive:
    """The archive of a controller: the way to its database is open as long as a snapshot is.

    Args:
        client: the cluster.
        controller: whose archive.
        tell: says what is done on the way.

    Raises:
        ClusterError, ConfigError: there is no database, or one that cannot be read yet.
    """

    def __init__(self, client: KubeClient, controller: Controller, tell: Callable[[str], None]) -> None:
        from kubectl_argo_archive.cluster.database import database_of

        database_of(controller)
        self._client = client
        self._controller = controller
        self._tell = tell

    def __repr__(self) -> str:
        return f"ClusterArchive({self._controller.name!r})"

    @contextmanager
    def snapshot(self) -> Iterator[ArchiveSnapshot]:
        """Open a read-only transaction that sees one instant; see :class:`WorkflowArchive`."""
        from kubectl_argo_archive.archive.postgres import PostgresArchive
        from kubectl_argo_archive.cluster.database import open_database

        with ExitStack() as stack:
            access = stack.enter_context(open_database(self._client, self._controller, self._tell))
            archive = PostgresArchive(access.conninfo, place=access.place)
            try:
                snapshot = stack.enter_context(archive.snapshot())
            except SourceUnreachable as error:
                why = access.forward.last_error if access.forward else None
                if why is None:
                    raise
                raise SourceUnreachable(f"cannot reach {access.place}: {why.message}", why.hint) from error
            yield snapshot


def _silent(_message: str) -> None:
    """Who needs to hear it asked for it."""


def artifact_stores(
    config: Config | None = None,
    *,
    endpoints: Mapping[str, str] | None = None,
    customer_key: bytes | None = None,
    connections: int = 32,
) -> Callable[[Place], Objects]:
    """Opens the buckets in which Argo left logs; no request is sent.

    Args:
        config: settings of S3.
        endpoints: recorded endpoint → URL to use instead; the key ``""`` is for all others.
        customer_key: for objects encrypted with a key of the customer's (SSE-C).
        connections: at most so many at once, per bucket.
    """
    from kubectl_argo_archive.storage.objects import Access, open_objects

    access = Access(dict(endpoints or {}), customer_key, connections)
    return lambda place: open_objects(place, config, access)


@contextmanager
def with_cluster_stores(
    own: Callable[[Place], Objects],
    kube: KubeOptions,
    *,
    endpoints: Mapping[str, str] | None = None,
    customer_key: bytes | None = None,
    connections: int = 32,
    tell: Callable[[str], None] | None = None,
) -> Iterator[Callable[[Place], Objects]]:
    """Like ``own``, but buckets that only the cluster knows how to reach are opened as Argo does: keys from Secrets,
    a port-forward to servers inside the cluster. Port-forwards end with the context.

    The cluster is asked for a bucket if a person named it, if the recorded server is not AWS and nobody said where it
    is for us, or if we have no credentials of our own. What it does not know or refuses goes to ``own``.

    Args:
        own: see :func:`artifact_stores`.
        kube: which cluster.
        endpoints, customer_key, connections: see :func:`artifact_stores`.
        tell: says what is done on the way.
    """
    from kubectl_argo_archive.cluster.access import is_configured
    from kubectl_argo_archive.cluster.stores import ClusterStores
    from kubectl_argo_archive.storage.objects import Access, recorded_url

    say = tell or _silent
    named = bool(endpoints) or any(os.environ.get(name) for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"))

    def opened(place: Place) -> Objects:
        inside = recorded_url(place) is not None and not named
        if place.kind != "s3" or not (kube.is_given or inside):
            try:
                return own(place)
            except ConfigError:
                if place.kind != "s3" or named:
                    raise
        try:
            access = stores.access(place.bucket, place.endpoint)
        except ArgoArchiveError as error:
            if kube.is_given:
                raise
            say(f"{place.url}: the cluster does not help: {error.message}")
            access = None
        if access is None:
            return own(place)
        from kubectl_argo_archive.storage.objects_s3 import S3Objects
        from kubectl_argo_archive.storage.s3 import S3

        beyond = Access(customer_key=customer_key or access.customer_key, connections=connections)
        return S3Objects(place, S3(access.settings, place.bucket, connections), beyond)

    if not is_configured(kube):
        yield own
        return
    with ClusterStores(kube, say) as stores:
        yield opened


def open_evidence(uri: str, config: Config | None = None) -> Files:
    """A sealed lake or a bundle to be checked: ``s3://bucket/prefix``, a folder, or a zip in either.

    Raises:
        ConfigError: the location or the S3 settings are wrong, or there is nothing.
        LakeError: the zip is damaged.
    """
    from kubectl_argo_archive.audit.files import StoredFiles, ZippedFiles
    from kubectl_argo_archive.storage.filesystem import open_storage
    from kubectl_argo_archive.storage.location import Location

    location = Location.parse(uri)
    if not location.path.endswith(".zip") and not os.path.isfile(location.path):
        return StoredFiles(open_storage(location, config))
    folder, _, name = location.path.rpartition("/")
    parent = open_storage(
        Location(location.scheme, location.bucket, location.prefix.rpartition("/")[0], folder), config
    )
    with parent.errors():
        return ZippedFiles(location.display, parent.fs.open(parent.path(name), "rb"))


def secret_reader(options: KubeOptions | None = None) -> SecretReader:
    """Reads entries of Kubernetes Secrets; the cluster is found and asked when one is read."""

    def read(namespace: str, name: str, entry: str) -> bytes:
        from kubectl_argo_archive.argo.decode import SecretKeyRef
        from kubectl_argo_archive.cluster.access import KubeOptions
        from kubectl_argo_archive.cluster.client import KubeClient
        from kubectl_argo_archive.cluster.secrets import read_secret_value

        client = KubeClient.connect(options or KubeOptions())
        try:
            return read_secret_value(client, namespace, SecretKeyRef(name=name, key=entry)).reveal().encode()
        finally:
            client.close()

    return read
