"""The two sides of a reconciliation, each read once, batch by batch: facts about every row go into spills."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from kubectl_argo_archive.archive.workflow_archive import ArchiveSnapshot, Selection
from kubectl_argo_archive.audit.canonical import document_hash
from kubectl_argo_archive.audit.reconcile.facts import (
    CELLS,
    EPOCH,
    MICROSECOND,
    cells_of_document,
    cells_of_row,
    finish_of_revision,
)
from kubectl_argo_archive.audit.reconcile.spill import Spill
from kubectl_argo_archive.lake.delta import DeltaTables, reading
from kubectl_argo_archive.lake.lake import Lake
from kubectl_argo_archive.lake.lock import FILE as LOCK_FILE
from kubectl_argo_archive.lake.snapshot import Snapshot
from kubectl_argo_archive.tables.schema import BY_NAME

BATCH_BYTES = 8 << 20
SOURCE = pa.schema(
    [("cluster", pa.string()), ("uid", pa.string()), ("namespace", pa.string()), ("name", pa.string()),
     ("hash", pa.string()), ("cells", pa.binary()), ("finished", pa.int64()), ("clock", pa.int64())]
)  # fmt: skip
"""``cells`` is JSON, null for a document that cannot be flattened; ``clock`` is the column's wall clock, seconds."""
KEYS = pa.schema([("cluster", pa.string()), ("uid", pa.string())])
STATES = pa.schema(
    [("cluster", pa.string()), ("uid", pa.string()), ("version", pa.int32()), ("namespace", pa.string()),
     ("name", pa.string()), ("export_id", pa.string()), ("cells", pa.binary()), ("finished", pa.int64()),
     ("hash", pa.string())]
)  # fmt: skip
"""Rows of ``workflows`` (without hash) and of ``quarantine`` (without cells)."""
DOCUMENTS = pa.schema([("cluster", pa.string()), ("uid", pa.string()), ("version", pa.int32()), ("hash", pa.string())])
EVENTS = pa.schema(
    [("cluster", pa.string()), ("uid", pa.string()), ("version", pa.int32()), ("kind", pa.string()),
     ("noticed", pa.int64())]
)  # fmt: skip

Advance = Callable[[int, int], None]
"""Called with rows and bytes of JSON looked at since the last call."""


@dataclass(slots=True)
class Sides:
    """Facts about all rows of both sides.

    Attributes:
        source: rows of the source, as :data:`SOURCE`.
        present: keys of all rows of the source, if only some were read; as :data:`KEYS`.
        states: the lake's ``workflows``, as :data:`STATES`.
        quarantine: the lake's ``quarantine``, as :data:`STATES`.
        documents: the lake's ``raw``, as :data:`DOCUMENTS`.
        events: the lake's ``source_events``, as :data:`EVENTS`.
        clusters: cluster names seen in the source.
        rows_of: rows of ``workflows`` by export.
        unpublished: table → (published version, newest version), where they differ.
    """

    source: Spill = field(default_factory=lambda: Spill(SOURCE))
    present: Spill | None = None
    states: Spill = field(default_factory=lambda: Spill(STATES))
    quarantine: Spill = field(default_factory=lambda: Spill(STATES))
    documents: Spill = field(default_factory=lambda: Spill(DOCUMENTS))
    events: Spill = field(default_factory=lambda: Spill(EVENTS))
    clusters: set[str] = field(default_factory=set)
    rows_of: dict[str, int] = field(default_factory=dict)
    unpublished: dict[str, tuple[int, int]] = field(default_factory=dict)

    def close(self) -> None:
        """Give the temporary files back."""
        for spill in (self.source, self.present, self.states, self.quarantine, self.documents, self.events):
            if spill is not None:
                spill.__exit__()


def read_source(sides: Sides, snapshot: ArchiveSnapshot, selection: Selection, advance: Advance) -> None:
    """Read the rows of the source, all or those of the selection.

    Raises:
        SourceError, SourceUnreachable: they cannot be read.
    """
    keys = None
    if selection != Selection():
        keys = snapshot.select(selection)
        sides.present = Spill(KEYS)
        for batch in snapshot.keys().select(["cluster", "uid"]).to_batches():
            for key in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                sides.clusters.add(key[0])
                sides.present.add(key)
    wall_clock = snapshot.info.source_id.startswith("pg:")
    for batch in snapshot.rows(keys, batch_bytes=BATCH_BYTES):
        columns = {name: batch.column(name).to_pylist() for name in batch.schema.names if name != "instance_id"}
        for row in zip(*columns.values(), strict=True):
            cluster, uid, namespace, name, phase, revision, data = row
            cells = cells_of_document(data, namespace, name, phase)
            named = dict(zip(CELLS, cells, strict=True)) if cells else {"namespace": namespace, "name": name}
            sides.clusters.add(cluster)
            sides.source.add(
                (cluster, uid, named["namespace"], named["name"], document_hash(_readable(data)).sha256,
                 msgspec.json.encode(cells) if cells else None, named.get("finished_at"),
                 finish_of_revision(revision) if wall_clock else None)
            )  # fmt: skip
        advance(len(batch), batch.column("json").nbytes)


def read_lake(sides: Sides, lake: Lake, snapshot: Snapshot, advance: Advance) -> None:
    """Read what the lake holds, as anybody sees it who opens its tables.

    While no writer is at work, tables are read at their newest Delta version, published or not: a commit that was
    made past this tool must show.

    Raises:
        LakeError, StorageError, StorageUnreachable: it cannot be read.
    """
    files = _Files(lake, snapshot)
    for row in files.rows("workflows", ("cluster", "uid", "version", "export_id", *CELLS)):
        cells = cells_of_row(row)
        finished = cells[CELLS.index("finished_at")]
        sides.rows_of[row["export_id"]] = sides.rows_of.get(row["export_id"], 0) + 1
        sides.states.add(
            (row["cluster"], row["uid"], row["version"], row["namespace"], row["name"], row["export_id"],
             msgspec.json.encode(cells), finished, None)
        )  # fmt: skip
    for row in files.rows("quarantine", ("cluster", "uid", "version", "namespace", "name", "export_id", "json")):
        found = document_hash(row["json"].encode()).sha256
        named = tuple(row[name] for name in ("cluster", "uid", "version", "namespace", "name", "export_id"))
        sides.quarantine.add((*named, None, None, found))
    for row in files.rows("raw", ("cluster", "uid", "version", "json")):
        data = row["json"].encode()
        sides.documents.add((row["cluster"], row["uid"], row["version"], document_hash(data).sha256))
        advance(1, len(data))
    for row in files.rows("source_events", ("cluster", "uid", "version", "kind", "noticed_at")):
        noticed = _micros(row["noticed_at"])
        sides.events.add((row["cluster"], row["uid"], row["version"], row["kind"], noticed))
    sides.unpublished = files.unpublished


class _Files:
    """The data files of the lake's tables, at their newest version unless somebody writes just now."""

    def __init__(self, lake: Lake, snapshot: Snapshot) -> None:
        self._storage = lake.storage
        self._snapshot = snapshot
        self._tables = DeltaTables(lake.storage.url(), lake.storage.delta_options())
        with lake.storage.errors():
            self._busy = bool(lake.storage.fs.exists(lake.storage.path(LOCK_FILE)))
        self.unpublished: dict[str, tuple[int, int]] = {}

    def rows(self, name: str, columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
        """Rows of a table, a row group at a time; a column that an older file lacks is None."""
        schema = BY_NAME[name].schema
        for path in self._paths(name):
            with (
                reading(self._storage),
                pq.ParquetFile(self._storage.path(name, path), filesystem=self._storage.fs) as file,
            ):
                present = [column for column in columns if column in file.schema_arrow.names]
                absent = dict.fromkeys(set(columns) - set(present))
                types = pa.schema([schema.field(column) for column in present])
                for batch in file.iter_batches(2000, columns=present):
                    for row in pa.Table.from_batches([batch]).select(present).cast(types).to_pylist():
                        yield {**row, **absent}

    def _paths(self, name: str) -> list[str]:
        published = self._snapshot.versions.get(name)
        if published is None:
            return []
        pinned = self._snapshot.table(name).paths
        if self._busy:
            return pinned
        with reading(self._storage):
            newest = self._tables.version(name)
            if newest == published:
                return pinned
            live = sorted(unquote(str(file["path"])) for file in self._tables.files(name, newest))
        if live != pinned:  # a restored table has another version and the same files
            self.unpublished[name] = (published, newest)
        return live


def _readable(data: bytes) -> bytes:
    """The document as a text column holds it: bytes that are no UTF-8 become U+FFFD, as in ``quarantine``."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace").encode()
    return data


def _micros(at: datetime | None) -> int:
    return 0 if at is None else (at - EPOCH) // MICROSECOND
