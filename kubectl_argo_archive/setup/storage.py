"""Kinds of storage and their sizes, as Kubernetes writes them."""

from __future__ import annotations

import re
from typing import Final

NETWORK_SOURCES: Final = ("nfs", "azureFile", "cephfs", "glusterfs")
"""Volume sources that many nodes share."""
NETWORK_DRIVERS: Final = {
    "efs.csi.aws.com", "nfs.csi.k8s.io", "file.csi.azure.com", "filestore.csi.storage.gke.io", "smb.csi.k8s.io",
    "cephfs.csi.ceph.com", "rook-ceph.cephfs.csi.ceph.com", "fsx.csi.aws.com",
    "cluster.local/nfs-subdir-external-provisioner", "k8s-sigs.io/nfs-subdir-external-provisioner",
}  # fmt: skip
"""CSI drivers and provisioners that serve shared file systems."""
NETWORK_CLASSES: Final = ("efs", "nfs", "azurefile", "cephfs", "glusterfs", "filestore", "fsx", "smb")
"""Words in the names of storage classes that say the same."""

_QUANTITY: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(Ki|Mi|Gi|Ti|Pi|Ei|k|M|G|T|P|E|m|)", re.ASCII)
_POWERS: Final = {"k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}


def bytes_of(quantity: str) -> float | None:
    """A quantity of storage in bytes; None if it is none."""
    match = _QUANTITY.fullmatch(quantity.strip())
    if match is None:
        return None
    number, unit = float(match[1]), match[2]
    if unit == "m":
        return number / 1000
    base = 1024 if unit.endswith("i") else 1000
    return float(number * base ** _POWERS.get({"K": "k"}.get(unit[:1], unit[:1]), 0))
