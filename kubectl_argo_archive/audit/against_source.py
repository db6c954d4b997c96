"""The sealed lake against the live database: is everything there, and is it still the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from kubectl_argo_archive.archive.workflow_archive import WorkflowArchive
from kubectl_argo_archive.audit.canonical import document_hash
from kubectl_argo_archive.audit.chain import Chain, read_chain
from kubectl_argo_archive.audit.files import Files
from kubectl_argo_archive.audit.findings import Finding
from kubectl_argo_archive.audit.keys import KeyRing
from kubectl_argo_archive.audit.leaves import Leaf
from kubectl_argo_archive.audit.prove import LeafIndex
from kubectl_argo_archive.audit.seal.before import clusters_of

BATCH_BYTES = 8 << 20


class _Status(msgspec.Struct):
    finishedAt: str | None = None


class _Workflow(msgspec.Struct):
    status: _Status | None = None


_FINISHED = msgspec.json.Decoder(_Workflow)


@dataclass(slots=True)
class Comparison:
    """How the database compares.

    Attributes:
        findings: workflows that should be sealed and are not, or say something else.
        source: the database, without secrets.
        rows: rows in the database.
        equal: rows that are sealed as they are.
        newer: rows that ended after the last sealed export began: not sealed yet.
        gone: sealed workflows that the database no longer has (TTL, deletion).
    """

    findings: list[Finding] = field(default_factory=list)
    source: str = ""
    rows: int = 0
    equal: int = 0
    newer: int = 0
    gone: int = 0


def compare(files: Files, ring: KeyRing, archive: WorkflowArchive, advance: Callable[[int, int], None]) -> Comparison:
    """Hash every row of the database and look it up in the trees.

    A row that ended before the last export of everything began must have been sealed.

    Raises:
        SourceError, SourceUnreachable: the database cannot be read.
        LakeError: the leaves cannot be read.
    """
    listing = files.list()
    chains = [read_chain(files, listing, cluster, ring) for cluster in clusters_of(listing)]
    newest: dict[tuple[str, str], Leaf] = {}
    for chain in chains:
        for leaf in map(Leaf.parse, LeafIndex(files, chain.cluster).lines):
            if leaf.version >= newest.get((leaf.cluster, leaf.uid), leaf).version:
                newest[leaf.cluster, leaf.uid] = leaf
    horizon = _horizon(chains)
    found = Comparison()
    seen: set[tuple[str, str]] = set()
    with archive.snapshot() as source:
        found.source = source.info.display
        for batch in source.rows(None, batch_bytes=BATCH_BYTES):
            documents = batch.column("json")
            for cluster, uid, document in zip(
                batch.column("cluster").to_pylist(), batch.column("uid").to_pylist(), documents, strict=True
            ):
                seen.add((cluster, uid))
                _row(found, newest.get((cluster, uid)), cluster, uid, document.as_py(), horizon)
            advance(len(batch), documents.nbytes)
        complete = source.info.complete
    known = {chain.cluster for chain in chains}
    found.gone = sum(key not in seen for key in newest if key[0] in known) if complete else 0
    return found


def _row(
    found: Comparison, leaf: Leaf | None, cluster: str, uid: str, document: bytes, horizon: datetime | None
) -> None:
    found.rows += 1
    if leaf and document_hash(document) == (leaf.sha256, leaf.form):
        found.equal += 1
        return
    ended = _ended(document)
    if horizon is None or ended is None or ended >= horizon:
        found.newer += 1
        return
    name = f"{cluster}/{uid}"
    if leaf is None:
        message = "in the database, and not sealed, although it ended before the last sealed export"
        found.findings.append(Finding("missing", name, message, cluster, None, (name,)))
    else:
        message = "the database says something else than what was sealed"
        found.findings.append(Finding("modified", name, message, cluster, None, (f"{name}/{leaf.version}",)))


def _horizon(chains: Iterable[Chain]) -> datetime | None:
    """When the last sealed export that took everything began."""
    exports = [e for chain in chains for link in chain.links if link.digest for e in link.digest.predicate["exports"]]
    whole = [e["started_at"] for e in exports if e["kind"] == "export" and not _filtered(e["selection"])]
    return datetime.fromisoformat(max(whole)) if whole else None


def _filtered(selection: str | None) -> bool:
    try:
        return any(json.loads(selection or "{}").values())
    except (ValueError, AttributeError):
        return True


def _ended(document: bytes) -> datetime | None:
    try:
        status = _FINISHED.decode(document).status
        return datetime.fromisoformat(status.finishedAt) if status and status.finishedAt else None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
