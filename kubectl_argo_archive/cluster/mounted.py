"""Files that a controller sees at a path because a Secret or ConfigMap is mounted there."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from kubectl_argo_archive.argo.controller import Process
from kubectl_argo_archive.cluster.client import KubeClient
from kubectl_argo_archive.cluster.resources import RESOURCES


def read_mounted(client: KubeClient, process: Process, path: str) -> bytes | None:
    """The content of a file in a process' container; None if no Secret or ConfigMap is mounted there.

    Raises:
        ClusterForbidden, ClusterUnreachable: as all requests.
    """
    container, workload = process.container, process.workload
    if container is None or workload is None:
        return None
    volumes = {str(each.get("name")): each for each in workload.volumes}
    # the deepest mount wins, as in the pod
    for name, folder in sorted(container.mounts.items(), key=lambda mount: -len(mount[1])):
        if folder and PurePosixPath(path).is_relative_to(folder):
            inside = str(PurePosixPath(path).relative_to(folder))
            return _of_volume(client, process.namespace, volumes.get(name, {}), inside if inside != "." else "")
    return None


def _of_volume(client: KubeClient, namespace: str, volume: Mapping[str, Any], file: str) -> bytes | None:
    for kind, named_by in (("secret", "secretName"), ("configMap", "name")):
        source = volume.get(kind)
        if isinstance(source, Mapping):
            return _of_object(client, namespace, kind, str(source.get(named_by, "")), _key(source, file))
    for source in (volume.get("projected") or {}).get("sources") or ():
        for kind in ("secret", "configMap"):
            part = source.get(kind) if isinstance(source, Mapping) else None
            if isinstance(part, Mapping):
                found = _of_object(client, namespace, kind, str(part.get("name", "")), _key(part, file))
                if found is not None:
                    return found
    return None


def _key(source: Mapping[str, Any], file: str) -> str:
    """The key that becomes ``file``: its own name, unless ``items`` say otherwise."""
    for item in source.get("items") or ():
        if item.get("path") == file:
            return str(item.get("key"))
    return file


def _of_object(client: KubeClient, namespace: str, kind: str, name: str, key: str) -> bytes | None:
    resource = RESOURCES["Secret" if kind == "secret" else "ConfigMap"]
    found = client.get(resource, namespace, name) if name else None
    if found is None:
        return None
    if kind == "configMap" and key in (found.get("data") or {}):
        return str(found["data"][key]).encode()
    encoded = (found.get("data" if kind == "secret" else "binaryData") or {}).get(key)
    try:
        return None if encoded is None else base64.b64decode(encoded)
    except binascii.Error:
        return None
