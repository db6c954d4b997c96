"""Proofs for one workflow version, or for two digests, that fit into a mail; ``standalone.py`` checks them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from importlib import resources
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kubectl_argo_archive.audit.deltalog import log_files
from kubectl_argo_archive.audit.digest import Head, name_of, parse_name
from kubectl_argo_archive.audit.dsse import Envelope
from kubectl_argo_archive.audit.files import DamagedFile, Files, MissingFile
from kubectl_argo_archive.audit.leaves import Leaf, Origin, hashes, unpack
from kubectl_argo_archive.audit.merkle import Levels
from kubectl_argo_archive.audit.seal.before import clusters_of
from kubectl_argo_archive.errors import ConfigError, LakeError

INCLUSION = "kubectl-argo-archive/inclusion-proof/v1"
CONSISTENCY = "kubectl-argo-archive/consistency-proof/v1"
THREADS = 8


class LeafIndex:
    """All leaves of one cluster, up to one digest.

    Args:
        files: a sealed lake.
        cluster: whose tree.
        number: of the digest, None for the newest.

    Attributes:
        number: of the digest.
        head_bytes: its signed tree head, as it is stored.
        head: what that states.
        lines: the leaves' bytes, in their order.

    Raises:
        LakeError: there is no such digest, or its files are missing or damaged.
    """

    def __init__(self, files: Files, cluster: str, number: int | None = None) -> None:
        names = files.list()
        parsed = (parse_name(name) for name in names)
        numbers = {found[2] for found in parsed if found and found[:2] == ("digests", cluster)}
        if not numbers or (number or 1) not in numbers:
            raise LakeError(f"{files.display} has no digest {number or ''} of cluster {cluster}", "see 'audit verify'")
        self.cluster, self.number = cluster, number or max(numbers)
        self.head_bytes = _read(files, name_of("heads", cluster, self.number))
        wanted = [name_of("leaves", cluster, one) for one in range(1, self.number + 1)]
        try:
            self.head = Head.parse(Envelope.parse(self.head_bytes))
            with ThreadPoolExecutor(THREADS) as pool:
                parts = pool.map(lambda name: unpack(_read(files, name)), wanted)
                self.lines: list[bytes] = [line for part in parts for line in part]
        except ValueError as error:
            raise LakeError(f"the evidence in {files.display} is damaged", "see 'audit verify'") from error
        if len(self.lines) != self.head.size:
            raise LakeError(f"the evidence in {files.display} is damaged: leaves are missing", "see 'audit verify'")

    @cached_property
    def levels(self) -> Levels:
        """The tree.

        Raises:
            LakeError: it is not the signed one.
        """
        levels = Levels(list(hashes(self.lines)))
        if levels.root().hex() != self.head.root:
            raise LakeError("the leaves do not give the signed root", "see 'audit verify'")
        return levels

    @cached_property
    def _positions(self) -> dict[tuple[str, str, int, Origin], int]:
        return {Leaf.parse(line).key: index for index, line in enumerate(self.lines)}

    def index_of(self, cluster: str, uid: str, version: int, origin: Origin = "raw") -> int | None:
        """Position of a workflow version in the tree; for many of them."""
        return self._positions.get((cluster, uid, version, origin))

    def of_uid(self, uid: str) -> list[tuple[int, Leaf]]:
        """Positions and leaves of all versions of a workflow, oldest first."""
        mark = json.dumps(uid, ensure_ascii=False).encode()
        found = [(index, Leaf.parse(line)) for index, line in enumerate(self.lines) if mark in line]
        return sorted(((i, leaf) for i, leaf in found if leaf.uid == uid), key=lambda one: one[1].version)

    def leaf(self, index: int) -> Leaf:
        """The leaf at a position."""
        return Leaf.parse(self.lines[index])

    def path(self, index: int) -> list[bytes]:
        """The audit path of a leaf to the head's root."""
        return self.levels.inclusion(index)


def inclusion_proof(index: LeafIndex, position: int) -> dict[str, Any]:
    """The proof that a workflow version is in the tree, with the signed head; below 4 KB up to 2³² leaves."""
    return {
        "format": INCLUSION,
        "leaf": json.loads(index.lines[position]),
        "index": position,
        "path": [sibling.hex() for sibling in index.path(position)],
        "head": json.loads(index.head_bytes),
    }


def newest_digest(files: Files, cluster: str | None, number: int | None = None) -> tuple[str, int]:
    """Cluster and number of a digest; by default of the only cluster, and the newest.

    Raises:
        ConfigError: there are several clusters.
        LakeError: there is none.
    """
    parsed = [found for found in map(parse_name, files.list()) if found and found[0] == "digests"]
    known = sorted({found[1] for found in parsed})
    if not known:
        raise LakeError(f"{files.display} was never sealed: there is no digest", "'audit seal' makes the first one")
    if cluster is None and len(known) > 1:
        raise ConfigError(f"the lake holds several clusters: {', '.join(known)}", "name one with --cluster")
    cluster = cluster or known[0]
    return cluster, number or max((found[2] for found in parsed if found[1] == cluster), default=1)


def script() -> bytes:
    """The stand-alone script that checks proofs and chains, as it travels with them."""
    return (resources.files("kubectl_argo_archive.audit") / "standalone.py").read_bytes()


def consistency_proof(files: Files, cluster: str | None, first: int, second: int | None = None) -> dict[str, Any]:
    """The proof that digest ``second`` (None: the newest) only appended to digest ``first``.

    Raises:
        ConfigError: the first is not older.
        LakeError: a digest is missing or damaged.
    """
    cluster, second = newest_digest(files, cluster, second)
    index = LeafIndex(files, cluster, second)
    if first > index.number:
        raise ConfigError(f"digest {first} is newer than digest {index.number}", "name the older one first")
    try:
        head_bytes = _read(files, name_of("heads", cluster, first))
        old = Head.parse(Envelope.parse(head_bytes))
        path = index.levels.consistency(old.size)
    except ValueError as error:
        raise LakeError(f"the evidence in {files.display} is damaged", "see 'audit verify'") from error
    return {
        "format": CONSISTENCY,
        "first": json.loads(head_bytes),
        "second": json.loads(index.head_bytes),
        "path": [sibling.hex() for sibling in path],
    }


def find_workflow(
    files: Files, workflow: str, *, cluster: str | None = None, version: int | None = None, number: int | None = None
) -> tuple[LeafIndex, int]:
    """The tree and the position of a workflow: by uid, name or ``namespace/name``; its newest version by default.

    Raises:
        ConfigError: there is none, or several are meant.
        LakeError: nothing was sealed, or the evidence is damaged.
    """
    clusters = [cluster] if cluster else clusters_of(files.list())
    if not clusters:
        raise LakeError(f"{files.display} was never sealed: there is no digest", "'audit seal' makes the first one")
    indexes = [LeafIndex(files, one, number) for one in clusters]
    found = [(index, at, leaf) for index in indexes for at, leaf in index.of_uid(workflow)]
    if not found:
        uids = set(_uids(files, workflow))
        found = [(index, at, leaf) for index in indexes for uid in sorted(uids) for at, leaf in index.of_uid(uid)]
    if version is not None:
        found = [one for one in found if one[2].version == version]
    if not found:
        raise ConfigError(f"no sealed workflow '{workflow}'", "give a uid, a name, or namespace/name; see --version")
    if len({(leaf.cluster, leaf.uid) for _, _, leaf in found}) > 1:
        uids_text = ", ".join(sorted({f"{leaf.cluster}/{leaf.uid}" for _, _, leaf in found})[:5])
        raise ConfigError(f"'{workflow}' means several workflows: {uids_text}", "give the uid, and --cluster")
    index, at, _ = max(found, key=lambda one: one[2].version)
    return index, at


def _uids(files: Files, workflow: str) -> Iterable[str]:
    """Uids of the workflows of a name, from the data files of ``workflows``."""
    namespace, _, name = workflow.rpartition("/")
    listing = files.list()
    logs = {file.name for file in log_files(listing)}
    for path in listing:
        if path.startswith("workflows/") and path.endswith(".parquet") and path not in logs:
            try:
                rows = pq.read_table(pa.BufferReader(files.read(path)), columns=["uid", "name", "namespace"])
            except (pa.ArrowException, OSError):
                continue
            for row in rows.to_pylist():
                if row["name"] == name and namespace in ("", row["namespace"]):
                    yield row["uid"]


def _read(files: Files, name: str) -> bytes:
    try:
        return files.read(name)
    except (MissingFile, DamagedFile) as error:
        raise LakeError(f"{name} is missing or damaged", "see 'audit verify'") from error
