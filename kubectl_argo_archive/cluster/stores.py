"""Buckets that archived workflows name, opened with the server and the keys that the cluster knows for them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from kubectl_argo_archive.argo.controller import Controller
from kubectl_argo_archive.argo.installation import Installation
from kubectl_argo_archive.argo.repository import S3Store
from kubectl_argo_archive.cluster.access import KubeOptions
from kubectl_argo_archive.cluster.bucket import BucketAccess, open_bucket
from kubectl_argo_archive.cluster.client import KubeClient
from kubectl_argo_archive.cluster.discover import discover
from kubectl_argo_archive.cluster.forward import Tell
from kubectl_argo_archive.errors import ArgoArchiveError, ClusterError


class ClusterStores:
    """The buckets of a cluster's artifact repositories; use it as a context manager: port-forwards end with it.

    The cluster is searched at the first question. May be asked from several threads.

    Args:
        options: which cluster.
        tell: says what is done, for people.
    """

    def __init__(self, options: KubeOptions, tell: Tell) -> None:
        self._options = options
        self._tell = tell
        self._stack = ExitStack()
        self._lock = threading.Lock()
        self._found: tuple[KubeClient, Installation] | None = None
        self._open: dict[tuple[str, str], BucketAccess | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def access(self, bucket: str, endpoint: str) -> BucketAccess | None:
        """How to reach a bucket at a recorded endpoint; None if no repository of the cluster is this one.

        Raises:
            ConfigError: no kubeconfig.
            ClusterUnreachable, ClusterError: the cluster does not answer or refuses; a Secret or a pod is missing.
            StorageError, StorageUnreachable: credentials of ours are needed and cannot be had.
        """
        key = (bucket, _plain(endpoint))
        with self._lock:
            if key not in self._open:
                self._open[key] = self._look_for(*key)
            return self._open[key]

    def _look_for(self, bucket: str, endpoint: str) -> BucketAccess | None:
        if self._found is None:
            client = KubeClient.connect(self._options)
            self._stack.callback(client.close)
            self._found = client, discover(client, namespace=self._options.namespace, everything=True)
        client, installation = self._found
        problem: ArgoArchiveError | None = None
        for controller, store, namespace in _stores(installation):
            if store.bucket == bucket and _plain(store.endpoint or "") == endpoint:
                try:
                    return self._stack.enter_context(
                        open_bucket(
                            client,
                            store,
                            namespace=namespace,
                            controller_namespace=controller.namespace,
                            tell=self._tell,
                        )
                    )
                except ClusterError as error:
                    # another namespace may have the Secret that this one lacks
                    problem = problem or error
        if problem is not None:
            raise problem
        return None


def _stores(installation: Installation) -> Iterator[tuple[Controller, S3Store, str]]:
    """Every S3 repository, with each namespace whose Secrets may open it, the likeliest first."""
    for controller in installation.controllers:
        for each in installation.repository_maps:
            for repository in each.repositories.values():
                if repository and repository.s3:
                    yield controller, repository.s3, each.namespace
        default = controller.artifact_repository
        if default and default.s3:
            with_secrets = (secret.namespace for secret in installation.secrets)
            for namespace in dict.fromkeys((controller.namespace, *with_secrets)):
                yield controller, default.s3, namespace


def _plain(endpoint: str) -> str:
    """An endpoint without scheme and slash: documents and configurations write it in several ways."""
    return endpoint.rpartition("://")[2].rstrip("/").lower()
