"""Values of Secrets: read only when they are used, and never shown."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from kubectl_argo_archive.argo.decode import SecretKeyRef
from kubectl_argo_archive.cluster.client import KubeClient
from kubectl_argo_archive.cluster.resources import RESOURCES
from kubectl_argo_archive.errors import ClusterError


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class SecretValue:
    """A secret text. Whatever prints it prints ``***``; :meth:`reveal` is the only way to it.

    Attributes:
        place: for people: ``key password of Secret argo/argo-postgres-config``.
    """

    _text: str
    place: str

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return f"SecretValue({self.place})"

    def __str__(self) -> str:
        return "***"

    def __format__(self, _spec: str) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written anywhere")

    @property
    def has_white_space_around(self) -> bool:
        """Begins or ends with white space, such as the line break of ``echo``: Argo takes it as part of a password."""
        return self._text != self._text.strip()


def read_secret_value(client: KubeClient, namespace: str, ref: SecretKeyRef) -> SecretValue:
    """Read one key of a Secret.

    Raises:
        ClusterError: there is no such Secret or key; the message names those that there are.
        ClusterForbidden, ClusterUnreachable: as all requests.
    """
    name, key = ref.name or "", ref.key or ""
    written = f"{ref.origin()}"
    found = client.get(RESOURCES["Secret"], namespace, name) if name else None
    if found is None:
        raise ClusterError(
            f"there is no Secret {name or 'without a name'} in namespace {namespace}, which {written} refers to",
            f"kubectl get secrets -n {namespace}",
        )
    data = found.get("data") or {}
    if key not in data:
        known = ", ".join(sorted(data)) or "none at all"
        raise ClusterError(
            f"Secret {namespace}/{name} has no key {_shown(key)}, which {written} refers to", f"it has: {known}"
        )
    place = f"key {key} of Secret {namespace}/{name}"
    try:
        return SecretValue(base64.b64decode(data[key] or "").decode(), place)
    except (UnicodeDecodeError, binascii.Error):
        # the error would carry the bytes
        raise ClusterError(f"{place} is no text", "write it again with: kubectl create secret generic") from None


def _shown(key: str) -> str:
    """A key for people; one that is none, because somebody wrote the credential itself there, is not repeated."""
    return (
        key if len(key) < 40 and not key.startswith(("AKIA", "ASIA")) else "of that name (is it the credential itself?)"
    )
