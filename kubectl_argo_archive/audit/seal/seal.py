"""Sealing on one screen: what is new in the lake, its leaves, one signed digest per cluster, the pointer last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from kubectl_argo_archive import __version__
from kubectl_argo_archive.archive.workflow_archive import WorkflowArchive
from kubectl_argo_archive.audit.digest import DIGEST_TYPE, FORMAT, Digest, Head, name_of, sha256, time_text
from kubectl_argo_archive.audit.dsse import Subject, sign, statement
from kubectl_argo_archive.audit.files import StoredFiles
from kubectl_argo_archive.audit.keys import NO_KEYS, KeyRing, Signer
from kubectl_argo_archive.audit.leaves import Leaf, hashes, pack
from kubectl_argo_archive.audit.seal import counts as seal_counts
from kubectl_argo_archive.audit.seal.before import Before, clusters_of, find_before
from kubectl_argo_archive.audit.seal.gaps import gaps
from kubectl_argo_archive.audit.seal.logs import TABLE, log_lines
from kubectl_argo_archive.audit.seal.write import put, write_digest
from kubectl_argo_archive.audit.survey import Survey, leaves, survey
from kubectl_argo_archive.lake.lake import Lake
from kubectl_argo_archive.lake.snapshot import Snapshot
from kubectl_argo_archive.storage.filesystem import Storage

DEFAULT_CLUSTER = "default"
"""Argo's own default; a lake without any workflow is sealed under it."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """A document that was removed for good; its leaf stays in the tree.

    Attributes:
        cluster: of the workflow.
        uid: of the workflow.
        version: of the workflow.
        table: ``raw`` or ``quarantine``.
        leaf: hash of its leaf, hexadecimal.
        reason: why, in words.
        at: when, RFC 3339.
    """

    cluster: str
    uid: str
    version: int
    table: str
    leaf: str
    reason: str
    at: str


@dataclass(frozen=True, slots=True)
class Request:
    """What to write into the digests besides what the lake tells.

    Attributes:
        archive: the database to compare with, None for none.
        trusted: keys that may have signed the previous digests, besides the signers' own.
        interval: how often digests are expected; a longer silence is recorded as a gap.
        pause: why there will be no digests for a while.
        erased: documents that were removed since the last seal.
    """

    archive: WorkflowArchive | None = None
    trusted: KeyRing = NO_KEYS
    interval: timedelta | None = None
    pause: str | None = None
    erased: tuple[Erasure, ...] = ()


@dataclass(frozen=True, slots=True)
class Sealed:
    """One new digest, as ``audit seal -o json`` tells it."""

    cluster: str
    number: int
    digest: str
    sha256: str
    window_from: str | None
    window_until: str
    exports: int
    workflows: int
    tree_size: int
    root: str
    files: int
    bytes: int
    reconciliation: str
    gaps: int
    key_ids: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def seal(lake: Lake, signers: Sequence[Signer], request: Request | None = None) -> list[Sealed]:
    """Write one digest for every cluster of the lake, also when nothing happened.

    Nobody else writes to the lake meanwhile. A seal that is cut off leaves no digest; the next one repairs that.

    Raises:
        LakeError: there is no lake, another writer has it, or what lies there is not what was exported or sealed.
        StorageError, StorageUnreachable, SourceError, SourceUnreachable: something cannot be read or written.
        ArgoArchiveError: the signer failed.
    """
    request, now = request or Request(), datetime.now(UTC)
    lake.snapshot()  # raises if there is no lake: a slip of the pen must not make one
    database = seal_counts.look_at(request.archive, now) if request.archive else None
    with lake.writer(f"seal-{now:%Y%m%dT%H%M%SZ}"):
        snapshot, files = lake.snapshot(), StoredFiles(lake.storage)
        listing = files.list()
        known = {name: find_before(files, listing, name, signers, request.trusted) for name in clusters_of(listing)}
        found = survey(
            files, listing, _oldest([before.digest.log_versions for before in known.values() if before.digest])
        )
        run = _Seal(lake.storage, files, snapshot, signers, request, datetime.now(UTC), found, database)
        clusters = sorted({*known, *run.leaves} or {DEFAULT_CLUSTER})
        return [run.one(name, known.get(name, Before())) for name in clusters]


def _oldest(states: Sequence[dict[str, int]]) -> dict[str, int]:
    """From where to look: chains differ only after a seal that was cut off between two clusters."""
    return {table: min(state.get(table, -1) for state in states) for state in states for table in state}


class _Seal:
    """One seal: what its digests share."""

    def __init__(
        self, storage: Storage, files: StoredFiles, snapshot: Snapshot, signers: Sequence[Signer], request: Request,
        now: datetime, found: Survey, database: seal_counts.Database | None,
    ) -> None:  # fmt: skip
        self.storage, self.signers, self.request, self.now = storage, signers, request, now
        self.survey, self.snapshot, self.database = found, snapshot, database
        self.leaves: dict[str, list[tuple[int, Leaf]]] = {}
        for seq, leaf in leaves(files, found):
            self.leaves.setdefault(leaf.cluster, []).append((seq, leaf))
        self.logs = log_lines(files, found.live(TABLE))
        self.window = seal_counts.window(files, found)
        self.current: pa.Table = seal_counts.current(snapshot, storage)
        self.by_cluster = seal_counts.by_cluster(self.current)

    def one(self, cluster: str, before: Before) -> Sealed:
        """Write the digest of one cluster."""
        number, exports = before.number + 1, [row for row in self.survey.exports if row["seq"] > before.seq]
        lines = [leaf.line() for seq, leaf in self.leaves.get(cluster, ()) if seq > before.seq]
        subjects = list(self.survey.subjects)
        subjects.append(put(self.storage, name_of("leaves", cluster, number), pack(lines)))
        if logs := self.logs.get(cluster):
            subjects.append(put(self.storage, name_of("logs", cluster, number), pack(logs)))
        tree = before.tree.append(hashes(lines))
        predicate = {
            "format": FORMAT,
            "cluster": cluster,
            "number": number,
            "window": {
                "from": time_text(before.digest.window_until) if before.digest else None,
                "until": time_text(self.now),
            },
            "sealed_at": time_text(self.now),
            "lake": self._lake(),
            "exports": [_export(row) for row in exports],
            "tree": {
                "size": tree.size,
                "root": tree.root.hex(),
                "start": before.tree.size,
                "frontier": [subtree.hex() for subtree in tree.frontier],
                "leaves": name_of("leaves", cluster, number),
            },
            "counts": self._counts(cluster, before),
            "reconciliation": seal_counts.reconcile(self.current, self.database, cluster),
            "log_objects": {"count": len(logs), "list": name_of("logs", cluster, number)} if logs else None,
            "removed": self.survey.removed,
            "erased": [asdict(one) for one in self.request.erased if one.cluster == cluster],
            "gaps": gaps(before.digest, self.now, self.request.interval, self.request.pause),
            "previous": before.previous,
            "tool": {"name": "kubectl-argo-archive", "version": __version__},
        }
        envelope = sign(statement(subjects, DIGEST_TYPE, predicate), self.signers)
        digest, content = Digest.parse(envelope), envelope.to_bytes()
        head = sign(Head.of(digest, Subject(digest.name, sha256(content), len(content))).payload(), self.signers)
        write_digest(self.storage, digest, content, head.to_bytes())
        return self._result(digest, sha256(content), len(lines))

    def _lake(self) -> dict[str, Any]:
        return {
            "export_id": self.snapshot.export_id,
            "seq": self.snapshot.seq,
            "published_at": time_text(self.snapshot.published_at),
            "table_versions": dict(self.snapshot.versions),
            "log_versions": self.survey.versions,
        }

    def _counts(self, cluster: str, before: Before) -> dict[str, Any]:
        window = self.window.get(cluster, before.seq)
        versions = before.predicate["counts"]["versions"] if before.digest else {}
        theirs = seal_counts.of_database(self.database, cluster)
        return {
            "window": window,
            "versions": seal_counts.added(window, versions),
            "lake": self.by_cluster.get(cluster, {}),
            "database": theirs,
        }

    def _result(self, digest: Digest, file_sha256: str, workflows: int) -> Sealed:
        p = digest.predicate
        return Sealed(
            cluster=digest.cluster,
            number=digest.number,
            digest=digest.name,
            sha256=file_sha256,
            window_from=p["window"]["from"],
            window_until=p["window"]["until"],
            exports=len(p["exports"]),
            workflows=workflows,
            tree_size=digest.tree.size,
            root=digest.tree.root.hex(),
            files=len(digest.subjects),
            bytes=sum(subject.size for subject in digest.subjects),
            reconciliation=p["reconciliation"]["result"],
            gaps=len(p["gaps"]),
            key_ids=tuple(signer.public.key_id for signer in self.signers),
        )


def _export(row: dict[str, Any]) -> dict[str, Any]:
    counts = ("seq", "new", "changed", "deleted", "unchanged", "quarantined")
    return {
        "export_id": row["export_id"],
        "kind": row["kind"],
        "source": row["source"],
        "source_id": row["source_id"],
        "selection": row["selection"],
        **{name: time_text(row[name]) if row[name] else None for name in ("started_at", "published_at")},
        **{name: row[name] for name in counts},
    }
