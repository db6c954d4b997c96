"""The bucket of an artifact repository, opened as Argo opens it: its server, its keys, its TLS."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from kubectl_argo_archive.argo.decode import SecretKeyRef
from kubectl_argo_archive.argo.repository import S3Store
from kubectl_argo_archive.cluster.client import KubeClient
from kubectl_argo_archive.cluster.forward import PortForward, Tell
from kubectl_argo_archive.cluster.reach import reach
from kubectl_argo_archive.cluster.secrets import SecretValue, read_secret_value
from kubectl_argo_archive.errors import ClusterError
from kubectl_argo_archive.storage.credentials import Credentials, Keys
from kubectl_argo_archive.storage.keys import fixed_credentials, own_credentials, role_credentials
from kubectl_argo_archive.storage.s3 import Settings

_AWS = re.compile(r"(?:^|\.)s3[.-](?:.*\.)?amazonaws\.com(?:\.cn)?$")
_DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class BucketAccess:
    """How to reach a bucket, valid now.

    Attributes:
        settings: for every S3 client of ours.
        bucket: its name.
        prefix: what all keys of the repository begin with: the format up to its first placeholder.
        endpoint: as configured, for people.
        told_by: where all this was read.
        through: how the server is reached, if not directly.
        keys_have_white_space: the Secrets' texts begin or end with white space, which Argo cuts off.
        customer_key: for objects encrypted with a key of the customer's (SSE-C).
        forward: knows why, if the server cannot be reached after all.
    """

    settings: Settings
    bucket: str
    prefix: str
    endpoint: str
    told_by: str
    through: str = ""
    keys_have_white_space: bool = False
    customer_key: bytes | None = field(default=None, repr=False)
    forward: PortForward | None = field(default=None, repr=False)


@contextmanager
def open_bucket(
    client: KubeClient, store: S3Store, *, namespace: str, controller_namespace: str, tell: Tell
) -> Iterator[BucketAccess]:
    """Make the bucket reachable, and say how to open it; a port-forward and files last as long as this is open.

    The order of credentials is Argo's: keys from Secrets, a role, the SDK's own chain; the last two are ours here,
    not those of the workflow's service account.

    Args:
        client: the cluster.
        store: the repository.
        namespace: of the workflows, where Argo reads the Secrets.
        controller_namespace: from which names of Services are seen.
        tell: says what is done, for people.

    Raises:
        ClusterError: a Secret, a key or a pod is missing, or no bucket is named.
        ClusterForbidden: a right is missing.
        ClusterUnreachable: the API does not answer.
        ConfigError, StorageError, StorageUnreachable: AWS' credentials are needed and cannot be had.
    """
    if not store.bucket:
        raise ClusterError(f"{store.origin('bucket')} is not set", "name a bucket there")
    values = _values(client, store, namespace)
    texts = {name: value.reveal().strip() for name, value in values.items()}
    with ExitStack() as stack:
        endpoint, through, forward = None, "", None
        if store.endpoint and not _AWS.search(_host_and_port(store)[0]):
            host, port = _host_and_port(store)
            reached = stack.enter_context(reach(client, host, port, controller_namespace, tell))
            through, forward = reached.through, reached.forward
            endpoint = f"{_scheme(store)}://{_bracketed(reached.dial or host)}:{reached.dial_port}"
        verify: bool | str = True
        if forward is not None:
            # the certificate is for another name; that this is the right pod is what the Kubernetes API stands for
            verify = False
        elif authority := texts.get("ca_secret"):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="kubectl-argo-archive-"))
            verify = str(Path(folder) / "ca.pem")
            Path(verify).write_text(authority)
        settings = Settings(
            endpoint=endpoint,
            region=store.region or _region_of(store) or _DEFAULT_REGION,
            virtual=endpoint is None if not store.addressing_style else store.addressing_style == "virtual-hosted",
            verify=verify,
            credentials=_credentials(store, texts, values),
        )
        customer_key = texts.get("server_side_customer_key_secret")
        yield BucketAccess(
            settings=settings,
            bucket=store.bucket,
            prefix=store.pattern.partition("{{")[0].rpartition("/")[0],
            endpoint=store.endpoint or "AWS",
            told_by=str(store.origin()),
            through=through,
            keys_have_white_space=any(value.has_white_space_around for value in values.values()),
            customer_key=customer_key.encode() if customer_key else None,
            forward=forward,
        )


def _values(client: KubeClient, store: S3Store, namespace: str) -> dict[str, SecretValue]:
    refs: dict[str, SecretKeyRef] = store.secrets
    return {name: read_secret_value(client, namespace, ref) for name, ref in refs.items()}


def _credentials(store: S3Store, texts: dict[str, str], values: dict[str, SecretValue]) -> Credentials:
    if "access_key_secret" in texts and "secret_key_secret" in texts:
        keys = Keys(texts["access_key_secret"], texts["secret_key_secret"], texts.get("session_token_secret"))
        return fixed_credentials(keys, values["access_key_secret"].place)
    if store.role_arn:
        return role_credentials(store.role_arn, store.region)
    return own_credentials()


def _scheme(store: S3Store) -> str:
    return "http" if store.insecure else "https"


def _host_and_port(store: S3Store) -> tuple[str, int]:
    """Argo wants a host and perhaps a port; a URL, which it refuses, is understood all the same."""
    text = store.endpoint or ""
    try:
        url = urlsplit(text if "://" in text else f"//{text}")
        return url.hostname or "", url.port or (80 if store.insecure else 443)
    except ValueError as error:
        raise ClusterError(f"{store.origin('endpoint')} is not host:port", "write minio.example.com:9000") from error


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _region_of(store: S3Store) -> str | None:
    """``s3.eu-central-1.amazonaws.com`` → ``eu-central-1``."""
    match = re.search(r"s3[.-](?:dualstack\.)?([a-z]{2}(?:-[a-z]+)+-\d)\.", store.endpoint or "")
    return match[1] if match else None
