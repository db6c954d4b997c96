"""The records of a bundle: documents as they were sealed or masked, their proofs, and the tables made of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from kubectl_argo_archive.archive.workflow_archive import ROW_SCHEMA
from kubectl_argo_archive.audit.bundle import check as bundle_check
from kubectl_argo_archive.audit.bundle.evidence import Evidence
from kubectl_argo_archive.audit.bundle.select import Key, Record, Selected, documents_of, rows
from kubectl_argo_archive.audit.bundle.tables import TableFiles
from kubectl_argo_archive.audit.redact.redact import Masked, MaskedField, Redactor, commitment
from kubectl_argo_archive.lake.snapshot import Snapshot
from kubectl_argo_archive.storage.filesystem import Storage
from kubectl_argo_archive.tables.flatten import Flattener
from kubectl_argo_archive.tables.schema import BY_NAME, QUARANTINE, WORKFLOW_TABLES

_BATCH_BYTES = 8 << 20
Disclose = Callable[[dict[str, Any]], None]
"""Takes what the owner keeps: salts and values."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document of the selection."""

    key: Key
    table: str
    record: Record
    data: bytes

    @property
    def name(self) -> str:
        """Names it for salts and people."""
        return "/".join(map(str, (*self.key, self.table)))

    @property
    def identity(self) -> dict[str, Any]:
        """As it begins every line about it."""
        cluster, uid, version = self.key
        return {"cluster": cluster, "uid": uid, "version": version, "table": self.table}


@dataclass(slots=True)
class Counts:
    """What a bundle holds."""

    versions: int = 0
    proven: int = 0
    withheld: int = 0
    unsealed: int = 0
    masked: int = 0
    masked_values: int = 0
    rules: dict[str, int] = field(default_factory=dict)


def documents(snapshot: Snapshot, storage: Storage, selected: Selected) -> Iterator[Document]:
    """The documents of the selection, in the order of the lake's files.

    Raises:
        LakeError, StorageError, StorageUnreachable: they cannot be read.
    """
    for key, table, data in documents_of(snapshot, storage, selected):
        wanted = selected.raw if table == "raw" else selected.quarantine
        yield Document(key, table, wanted[key], data)


class RecordWriter:
    """Writes documents, proofs, records of what was masked, and tables; a context manager.

    Args:
        folder: of the bundle.
        tables: takes the rows.
        evidence: proves the documents.
        redactor: masks them, None to give them as they are.
        disclose: takes salts and values of what was masked.
    """

    def __init__(self, folder: Path, tables: TableFiles, evidence: Evidence, redactor: Redactor | None,
                 disclose: Disclose) -> None:  # fmt: skip
        self.counts = Counts()
        self._tables, self._evidence, self._redactor, self._disclose = tables, evidence, redactor, disclose
        self._folder = folder
        self._files = ExitStack()
        self._flattener = Flattener("")
        self._waiting: list[Document] = []
        self._waiting_bytes = 0

    def __enter__(self) -> Self:
        self._documents = self._open(bundle_check.DOCUMENTS)
        self._proofs = self._open(bundle_check.PROOFS)
        self._redactions = self._open(bundle_check.REDACTIONS) if self._redactor else None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self._flatten()
        self._flattener.close()
        self._files.close()

    def add(self, document: Document) -> None:
        """Take one document."""
        masked = self._redactor.document(document.name, document.data) if self._redactor else Masked(document.data)
        text = masked.data.decode("utf-8", "replace")
        _line(self._documents, {**document.identity, "masked": bool(masked.fields), "json": text})
        _line(self._proofs, {**document.identity, **self._proof(document, masked)})
        self.note(document.identity, masked.fields)
        self.counts.versions += 1
        self.counts.masked += bool(masked.fields)
        self._waiting.append(Document(document.key, document.table, document.record, masked.data))
        self._waiting_bytes += len(masked.data)
        if self._waiting_bytes >= _BATCH_BYTES:
            self._flatten()

    def note(self, identity: dict[str, Any], fields: tuple[MaskedField, ...]) -> None:
        """Record what was masked, by place and rule; salt and value go to the owner only."""
        for masked in fields:
            place = {**identity, "path": masked.path, "key": masked.is_key}
            if self._redactions is not None:
                _line(self._redactions, {**place, "rules": list(masked.rules), "commitment": masked.commitment})
            self._disclose({**place, "salt": masked.salt.hex(), "value": masked.value})
            self.counts.masked_values += 1
            for rule in masked.rules:
                self.counts.rules[rule] = self.counts.rules.get(rule, 0) + 1

    def _proof(self, document: Document, masked: Masked) -> dict[str, Any]:
        """The proof of the document that was sealed; withheld where it would let a masked value be guessed."""
        cluster, uid, version = document.key
        proof = self._evidence.proof(cluster, uid, version, document.table)
        if proof is None:
            self.counts.unsealed += 1
            return {"unsealed": True}
        if not masked.guessable or self._redactor is None:
            self.counts.proven += 1
            return proof
        self.counts.withheld += 1
        salt = self._redactor.salt(document.name, "proof")
        text = json.dumps(proof, sort_keys=True, separators=(",", ":"))
        self._disclose({**document.identity, "path": "", "proof": True, "salt": salt.hex(), "value": text})
        return {"withheld": commitment(salt, text.encode())}

    def _flatten(self) -> None:
        good = [document for document in self._waiting if document.table == "raw"]
        if good:
            self._flatten_documents(good)
        for document in (document for document in self._waiting if document.table == "quarantine"):
            self._tables.append(QUARANTINE, _quarantined(document))
        self._waiting, self._waiting_bytes = [], 0

    def _flatten_documents(self, good: list[Document]) -> None:
        exports = {document.key: document.record.export_id for document in good}
        flattened = self._flattener.flatten(_batch(good))
        for flat in flattened.batches:
            keys = zip(*(flat.tables["workflows"][name].to_pylist() for name in ("cluster", "uid", "version")),
                       strict=True)  # fmt: skip
            ids = pa.array([exports[key] for key in keys], pa.string())
            for spec in WORKFLOW_TABLES:
                if spec.name == "raw":
                    continue
                table = flat.tables[spec.name].cast(spec.schema)
                place = table.schema.get_field_index("export_id")
                owned = ids.take(pa.array(flat.owners[spec.name]))
                self._tables.append(spec, table.set_column(place, "export_id", owned))
        if flattened.quarantined is not None:  # masking made it so; what is left of it is in the documents
            self._tables.append(QUARANTINE, flattened.quarantined.cast(QUARANTINE.schema))

    def _open(self, name: str) -> Any:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return self._files.enter_context(open(path, "w", encoding="utf-8"))


def _batch(good: list[Document]) -> pa.RecordBatch:
    columns = {
        "cluster": [document.key[0] for document in good],
        "instance_id": [document.record.instance_id for document in good],
        "uid": [document.key[1] for document in good],
        "namespace": [document.record.namespace for document in good],
        "name": [document.record.name for document in good],
        "phase": [document.record.phase for document in good],
        "revision": [document.record.revision for document in good],
        "json": [document.data for document in good],
    }
    batch = pa.RecordBatch.from_pydict(columns, ROW_SCHEMA)
    return batch.append_column("version", pa.array([document.key[2] for document in good], pa.int32()))


def _quarantined(document: Document) -> pa.Table:
    cluster, uid, version = document.key
    row = {
        "cluster": cluster, "uid": uid, "version": version, "instance_id": document.record.instance_id,
        "name": document.record.name, "namespace": document.record.namespace, "phase": document.record.phase,
        "reason": "not a workflow that can be read", "json": document.data.decode("utf-8", "replace"),
        "json_bytes": len(document.data), "source_revision": document.record.revision,
        "export_id": document.record.export_id,
    }  # fmt: skip
    return pa.Table.from_pylist([row], QUARANTINE.schema)


def _line(file: Any, value: dict[str, Any]) -> None:
    file.write(json.dumps(value) + "\n")


def tables_of_selection(snapshot: Snapshot, storage: Storage, selected: Selected, tables: TableFiles) -> None:
    """Rows of ``source_events`` and ``exports`` that belong to the selection: when each version came, and went."""
    uids = {key[:2] for key in (*selected.raw, *selected.quarantine)}
    exports = {record.export_id for record in (*selected.raw.values(), *selected.quarantine.values())}
    for name in ("source_events", "exports"):
        spec = BY_NAME[name]
        found = [
            {k: list(v.items()) if isinstance(v, dict) else v for k, v in row.items()}
            for row in rows(snapshot, storage, name, tuple(spec.schema.names))
            if (row["export_id"] in exports if name == "exports" else (row["cluster"], row["uid"]) in uids)
        ]
        if found:
            tables.append(spec, pa.Table.from_pylist(found, spec.schema))


def file_hash(path: Path) -> tuple[str, int]:
    """SHA-256 and size of a file."""
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256")
        return found.hexdigest(), file.tell()
