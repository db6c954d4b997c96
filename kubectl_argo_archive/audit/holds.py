"""Legal holds: what must not be erased, whatever retention says. Placed and released by records that stay.

<lake>/audit/holds/2026-11/20261123T160000.000000Z-3f9a2c1b.json
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from kubectl_argo_archive.audit import records_store
from kubectl_argo_archive.audit.access import Reader
from kubectl_argo_archive.errors import ConfigError
from kubectl_argo_archive.storage.filesystem import Storage

FOLDER = "audit/holds"
EVERYTHING = "*"


@dataclass(frozen=True, slots=True)
class Hold:
    """Workflows that must stay.

    Attributes:
        id: name of the hold: a case, a ticket.
        reason: why.
        cluster: of the workflows, ``*`` for every one.
        namespace: of the workflows, ``*`` for every one.
        uid: of one workflow, ``*`` for all.
        placed_at: when, RFC 3339.
        placed_by: who.
    """

    id: str
    reason: str
    cluster: str = EVERYTHING
    namespace: str = EVERYTHING
    uid: str = EVERYTHING
    placed_at: str = ""
    placed_by: str = ""

    def covers(self, cluster: str, namespace: str | None, uid: str) -> bool:
        """Whether a workflow is held."""
        pairs = ((self.cluster, cluster), (self.namespace, namespace), (self.uid, uid))
        return all(held in (EVERYTHING, given) for held, given in pairs)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def place(storage: Storage, hold: Hold, reader: Reader) -> Hold:
    """Record a hold.

    Raises:
        ConfigError: one of this id is in force.
        StorageError, StorageUnreachable, LakeError: it cannot be written.
    """
    if any(other.id == hold.id for other in in_force(storage)):
        raise ConfigError(f"hold {hold.id} is in force already", "choose another id, or release it first")
    now = datetime.now(UTC)
    placed = Hold(hold.id, hold.reason, hold.cluster, hold.namespace, hold.uid, now.isoformat(), reader.display)
    records_store.append(storage, FOLDER, {"kind": "placed", **placed.to_dict()}, now)
    return placed


def release(storage: Storage, id: str, reason: str, reader: Reader) -> None:
    """Record that a hold has ended.

    Raises:
        ConfigError: there is none of this id.
        StorageError, StorageUnreachable, LakeError: it cannot be written.
    """
    if not any(hold.id == id for hold in in_force(storage)):
        raise ConfigError(f"no hold {id} is in force", "'audit report holds' lists them")
    now = datetime.now(UTC)
    record = {"kind": "released", "id": id, "reason": reason, "at": now.isoformat(), "by": reader.display}
    records_store.append(storage, FOLDER, record, now)


def in_force(storage: Storage) -> list[Hold]:
    """The holds that were placed and not released, oldest first.

    Raises:
        StorageError, StorageUnreachable, LakeError: they cannot be read.
    """
    found: dict[str, Hold] = {}
    for _, record in records_store.read_all(storage, FOLDER):
        if record.get("kind") == "placed":
            found[record["id"]] = Hold(**{key: value for key, value in record.items() if key != "kind"})
        else:
            found.pop(str(record.get("id")), None)
    return list(found.values())


def holding(holds: Iterable[Hold], cluster: str, namespace: str | None, uid: str) -> list[Hold]:
    """The holds that keep a workflow."""
    return [hold for hold in holds if hold.covers(cluster, namespace, uid)]
