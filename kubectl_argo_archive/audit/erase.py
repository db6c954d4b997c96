"""Erasing workflows for good, so that the chain of digests still verifies and says that something was erased.

The order makes every step repeatable: the tombstones stand in the ledger's row of the erasure before anything is
deleted, and go into the next digest from there, whoever was interrupted.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from kubectl_argo_archive.audit import holds
from kubectl_argo_archive.audit.bundle.select import Criteria, Selected, documents_of, rows, select
from kubectl_argo_archive.audit.digest import Digest, parse_name
from kubectl_argo_archive.audit.dsse import Envelope
from kubectl_argo_archive.audit.files import StoredFiles
from kubectl_argo_archive.audit.keys import NO_KEYS, KeyRing, Signer
from kubectl_argo_archive.audit.leaves import Leaf
from kubectl_argo_archive.audit.seal.seal import Erasure, Request, Sealed, seal
from kubectl_argo_archive.errors import ConfigError, LakeError
from kubectl_argo_archive.lake.erase import KIND, Gone, delete_files, delete_rows
from kubectl_argo_archive.lake.lake import Lake
from kubectl_argo_archive.lake.snapshot import Snapshot
from kubectl_argo_archive.query.session import open_session


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased; ``audit erase -o json`` prints it.

    Attributes:
        workflows: different workflows.
        versions: their archived states.
        files: data files that were deleted.
        digests: names of the digests that hold the tombstones.
    """

    workflows: int
    versions: int
    files: int
    digests: tuple[str, ...]


def erase(lake: Lake, criteria: Criteria, reason: str, signers: Sequence[Signer], trusted: KeyRing = NO_KEYS) -> Erased:
    """Erase the workflows of a selection, and finish erasures that were interrupted.

    Args:
        lake: the lake.
        criteria: which workflows; with all their states.
        reason: stays in the digest: a ticket, never a name.
        signers: seal the tombstones.
        trusted: other keys that sealed the lake before.

    Raises:
        ConfigError: everything would go, or a legal hold keeps one of them.
        LakeError, StorageError, StorageUnreachable: the lake cannot be read or written.
    """
    if criteria == Criteria():
        raise ConfigError("this would erase everything", "select workflows: --uid, -n, -l, --creator, --until")
    snapshot = lake.snapshot()
    selected = select(snapshot, lake.storage, criteria)
    _refuse_held(lake, selected)
    if selected.workflows:
        _publish(lake, snapshot, selected, reason)
    deleted, tombstones = _finish(lake)
    sealed: list[Sealed] = []
    if tombstones:
        sealed = seal(lake, signers, Request(trusted=trusted, erased=tuple(tombstones)))
    return Erased(selected.workflows, len(selected.raw) + len(selected.quarantine), deleted,
                  tuple(one.digest for one in sealed))  # fmt: skip


def _refuse_held(lake: Lake, selected: Selected) -> None:
    kept = holds.in_force(lake.storage)
    for key, record in (*selected.raw.items(), *selected.quarantine.items()):
        if found := holds.holding(kept, key[0], record.namespace, key[1]):
            raise ConfigError(
                f"legal hold {found[0].id} keeps workflow {key[1]} ({found[0].reason})",
                "release it first: audit hold ID --release --reason TEXT",
            )


def _publish(lake: Lake, snapshot: Snapshot, selected: Selected, reason: str) -> None:
    """Take the rows out; the tombstones stand in the ledger from the same moment on."""
    now = datetime.now(UTC)
    tombstones = [
        Erasure(*key, table, Leaf.of(*key, table, data).hash().hex(), reason, now.isoformat())
        for key, table, data in documents_of(snapshot, lake.storage, selected)
    ]
    keys = sorted({key[:2] for key in (*selected.raw, *selected.quarantine)})
    gone = {*selected.raw, *selected.quarantine}
    replaced = {
        (row["cluster"], row["uid"], row["version"])
        for row in rows(snapshot, lake.storage, "source_events", ("cluster", "uid", "version", "kind"))
        if row["kind"] == "superseded"
    }
    ledger = {
        "started_at": now, "source": "", "source_id": "", "new": 0, "changed": 0, "deleted": 0, "unchanged": 0,
        "quarantined": 0, "selection": json.dumps({"erased": [asdict(one) for one in tombstones]}),
        "total_versions": snapshot.total - len(selected.raw),
        "superseded_versions": snapshot.superseded - len(replaced & gone),
    }  # fmt: skip
    export_id = f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    delete_rows(lake, export_id, Gone(keys, _texts(lake, snapshot, selected.uids)), ledger)


def _texts(lake: Lake, snapshot: Snapshot, uids: list[str]) -> list[int]:
    """The ids of the workflows' log texts."""
    if not snapshot.versions.get("log_objects"):
        return []
    sql = "SELECT DISTINCT text_id FROM log_object_versions WHERE list_contains($uids::VARCHAR[], uid) ORDER BY 1"
    with open_session(snapshot, s3=lake.storage) as session:
        return [row[0] for some in session.run(sql, {"uids": uids}).rows() for row in some if row[0] is not None]


def _finish(lake: Lake) -> tuple[int, list[Erasure]]:
    """Delete what erasures replaced; returns how many files that were, and the tombstones that no digest holds yet."""
    snapshot = lake.snapshot()
    told = _sealed_tombstones(StoredFiles(lake.storage))
    columns = ("export_id", "seq", "kind", "selection")
    ledger = sorted(rows(snapshot, lake.storage, "exports", columns), key=lambda row: int(row["seq"]))
    deleted, open_ones = 0, list[Erasure]()
    for before, row in pairwise(ledger):
        if row["kind"] != KIND:
            continue
        tombstones = [Erasure(**one) for one in json.loads(row["selection"])["erased"]]
        missing = [one for one in tombstones if (one.cluster, one.uid, one.version, one.table) not in told]
        if missing:
            deleted += delete_files(lake, lake.snapshot(before["export_id"]), snapshot)
            open_ones += missing
    return deleted, open_ones


def _sealed_tombstones(files: StoredFiles) -> set[tuple[Any, ...]]:
    found: set[tuple[Any, ...]] = set()
    for name in files.list():
        parsed = parse_name(name)
        if parsed is None or parsed[0] != "digests":
            continue
        try:
            digest = Digest.parse(Envelope.parse(files.read(name)))
        except ValueError as error:
            raise LakeError(f"{name} is damaged", "see 'audit verify'") from error
        found |= {(e["cluster"], e["uid"], e["version"], e["table"]) for e in digest.predicate["erased"]}
    return found
