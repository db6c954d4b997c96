"""The signed digests that a bundle carries, and the proof of each of its records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kubectl_argo_archive.audit.digest import name_of, parse_name
from kubectl_argo_archive.audit.files import DamagedFile, Files, MissingFile
from kubectl_argo_archive.audit.prove import LeafIndex
from kubectl_argo_archive.errors import LakeError


class Evidence:
    """What was sealed, of the clusters that a bundle is about.

    Args:
        files: the sealed lake.
        clusters: names of clusters; one that was never sealed has no evidence.

    Raises:
        LakeError: the evidence is damaged.
    """

    def __init__(self, files: Files, clusters: set[str]) -> None:
        self._files = files
        self._names = sorted(files.list())
        sealed = {found[1] for found in map(parse_name, self._names) if found and found[0] == "digests"}
        self.indexes = {cluster: LeafIndex(files, cluster) for cluster in sorted(clusters & sealed)}

    def copy(self, folder: Path) -> None:
        """Write all digests and the newest tree heads, under the names that they have in the lake."""
        for name in self._names:
            found = parse_name(name)
            if found is None or found[1] not in self.indexes:
                continue
            kind, cluster, number = found
            index = self.indexes[cluster]
            wanted = number <= index.number if kind in ("digests", "timestamps") else number == index.number
            if kind in ("digests", "heads", "timestamps") and wanted:
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(self._read(name))

    def proof(self, cluster: str, uid: str, version: int, table: Any) -> dict[str, Any] | None:
        """Hash, place and audit path of a record; None if no digest covers it yet."""
        index = self.indexes.get(cluster)
        place = index.index_of(cluster, uid, version, table) if index else None
        if index is None or place is None:
            return None
        leaf = index.leaf(place)
        path = [sibling.hex() for sibling in index.path(place)]
        return {"sha256": leaf.sha256, "form": leaf.form, "index": place, "path": path}

    def to_list(self) -> list[dict[str, Any]]:
        """For the statement: the tree that the proofs lead to."""
        return [
            {"cluster": cluster, "digest": index.number, "head": f"evidence/{name_of('heads', cluster, index.number)}",
             "tree_size": index.head.size, "root": index.head.root}
            for cluster, index in self.indexes.items()
        ]  # fmt: skip

    def _read(self, name: str) -> bytes:
        try:
            return self._files.read(name)
        except (MissingFile, DamagedFile) as error:
            raise LakeError(f"{name} is missing or damaged", "see 'audit verify'") from error
