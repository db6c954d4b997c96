"""The export on one screen: compare keys, read what is needed, flatten, write, publish.

Three threads overlap: this one reads from the source, one flattens, one writes; all heavy steps release the
interpreter's lock. Batches are bounded in bytes and few are in flight, so memory does not grow with
the archive.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from kubectl_argo_archive.archive.selector import parse_selector
from kubectl_argo_archive.archive.workflow_archive import ArchiveInfo, ArchiveSnapshot, Selection, WorkflowArchive
from kubectl_argo_archive.export.compare import identical
from kubectl_argo_archive.export.plan import Known, Plan, make_plan, without
from kubectl_argo_archive.export.result import ExportResult
from kubectl_argo_archive.lake.lake import Lake, LakeWriter
from kubectl_argo_archive.tables.flatten import Flattened, Flattener
from kubectl_argo_archive.tables.memory import few_collections, peak_memory
from kubectl_argo_archive.tables.schema import BY_NAME, QUARANTINE, SOURCE_EVENTS, TABLES

BATCH_BYTES = 16 << 20
IN_FLIGHT = 3

Advance = Callable[[int, int], None]
"""Called with rows and bytes of JSON done since the last call."""


@dataclass(slots=True)
class Watcher:
    """Who wants to know how far the export is.

    Attributes:
        planned: called once with the number of rows to read.
        advance: called after each batch.
    """

    planned: Callable[[int], None] = lambda rows: None
    advance: Advance = lambda rows, size: None


def export(
    archive: WorkflowArchive,
    lake: Lake,
    selection: Selection | None = None,
    *,
    full: bool = False,
    dry_run: bool = False,
    batch_bytes: int = BATCH_BYTES,
    watcher: Watcher | None = None,
) -> ExportResult:
    """Bring the lake up to date with the archive.

    Args:
        archive: the source.
        lake: the target; made if it does not exist.
        selection: only these workflows are looked at (rows gone from the source are noticed all the same).
        full: compare the content of every selected row, not only of those whose fingerprint changed.
        dry_run: only say what would be done.
        batch_bytes: JSON bytes in one batch.
        watcher: is told about progress.

    Raises:
        SourceError, SourceUnreachable: the source cannot be read.
        StorageError, StorageUnreachable, LakeError: the lake cannot be written; nothing of this export is visible.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    selection, watcher = selection or Selection(), watcher or Watcher()
    if selection.labels:
        parse_selector(selection.labels)  # a slip of the pen must not make a lake
    export_id = f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    with archive.snapshot() as source:
        result = ExportResult(None, source.info.display, lake.storage.location.display, dry_run=dry_run)
        if dry_run:
            known = _known(lake, lake.snapshot() if lake.exists() else None)
            _count(result, _plan(known, source, source.keys(), selection, full))
        else:
            with ThreadPoolExecutor(1, "keys") as reading:
                everything = reading.submit(source.keys)  # while the lake is opened: both mostly wait
                with lake.writer(export_id) as writer:
                    plan = _plan(_known(lake, writer.before), source, everything.result(), selection, full)
                    _Run(export_id, source, lake, writer, selection, batch_bytes, watcher, result).run(plan, started)
    result.seconds = round(time.monotonic() - clock, 3)
    result.peak_memory_bytes = peak_memory()
    return result


def _known(lake: Lake, snapshot: Any) -> Known:
    return Known.of(snapshot, lake.storage) if snapshot is not None else Known.nothing()


def _plan(known: Known, source: ArchiveSnapshot, everything: pa.Table, selection: Selection, full: bool) -> Plan:
    selected = everything if selection == Selection() else source.select(selection)
    info = source.info
    return make_plan(known, selected, everything, source_id=info.source_id, complete=info.complete, full=full)


def _count(result: ExportResult, plan: Plan) -> None:
    result.new, result.changed, result.deleted = len(plan.new), len(plan.changed), len(plan.gone)
    result.restored, result.unchanged = len(plan.restored), plan.unchanged


class _Run:
    """One export that writes."""

    def __init__(self, export_id: str, source: ArchiveSnapshot, lake: Lake, writer: LakeWriter, selection: Selection,
                 batch_bytes: int, watcher: Watcher, result: ExportResult) -> None:  # fmt: skip
        self.export_id = export_id
        self.source = source
        self.lake = lake
        self.writer = writer
        self.selection = selection
        self.batch_bytes = batch_bytes
        self.watcher = watcher
        self.result = result
        self.events: list[dict[str, Any]] = []
        self.superseded = 0
        self.newly_quarantined = 0

    def run(self, plan: Plan, started: datetime) -> None:
        """Do what the plan says, then publish."""
        _count(self.result, plan)
        self.result.export_id = self.writer.before.export_id if self.writer.before else None
        same = self._identical(plan)
        plan.changed = without(plan.changed, same)
        self._move(plan)
        now = datetime.now(UTC)
        for keys, kind in ((plan.gone, "deleted"), (plan.restored, "restored")):
            self._note(keys, kind, now)
        if self._nothing_happened():
            return
        with self.lake.storage.errors():
            if self.events:
                rows = pa.Table.from_pylist(self.events, SOURCE_EVENTS.schema)
                self.writer.files.append(SOURCE_EVENTS, None, rows)
        row = self.writer.publish(self._ledger(self.source.info, started))
        self.result.export_id, self.result.published = self.export_id, True
        self.result.tables = {
            name: {"rows": row["table_rows"].get(name, 0), "bytes": row["table_bytes"].get(name, 0)}
            for name in (table.name for table in TABLES)
            if name != "exports"
        }

    def _nothing_happened(self) -> bool:
        r = self.result
        first = self.writer.before is None
        return not (first or r.new or r.changed or self.newly_quarantined or self.events)

    def _identical(self, plan: Plan) -> set[tuple[str, str]]:
        if not len(plan.changed) or self.writer.before is None:
            return set()
        before, storage = self.writer.before, self.lake.storage
        same = set(identical(plan.changed, self.source, before, storage, batch_bytes=self.batch_bytes))
        kept = set(zip(plan.changed["cluster"].to_pylist(), plan.changed["uid"].to_pylist(), strict=True)) - same
        rewritten = without(plan.changed, kept)
        moved = rewritten.filter(pa.compute.not_equal(rewritten["revision"], rewritten["known_revision"]))
        self._note(moved, "rewritten", datetime.now(UTC))
        back = rewritten.filter(rewritten["deleted"])
        self._note(back, "restored", datetime.now(UTC))
        self.result.rewritten, self.result.restored = len(moved), self.result.restored + len(back)
        self.result.unchanged += len(rewritten) - len(moved)
        return same

    def _note(self, keys: pa.Table, kind: str, at: datetime) -> None:
        names = {"revision", "known_revision"} & set(keys.column_names)
        revision = "revision" if "revision" in names else "known_revision"
        for key in keys.select(["cluster", "uid", "version", revision]).to_pylist():
            self.events.append({"cluster": key["cluster"], "uid": key["uid"], "version": key["version"], "kind": kind,
                                "noticed_at": at, "source_revision": key[revision], "export_id": self.export_id})  # fmt: skip  # noqa: E501

    def _move(self, plan: Plan) -> None:
        """Read, flatten and write; count what really happened."""
        known = {(k["cluster"], k["uid"]): k for k in plan.changed.to_pylist()}
        wanted = len(plan.new) + len(plan.changed)
        self.result.new = self.result.changed = 0
        self.watcher.planned(wanted)
        if not wanted:
            return
        columns = self.source.keys().schema.names if not len(plan.new) else plan.new.column_names
        keys = pa.concat_tables([plan.new.select(columns), plan.changed.select(columns)])
        whole = (
            not len(plan.changed)
            and plan.unchanged == 0
            and self.selection == Selection()
            and self.writer.before is None
        )
        flattener = Flattener(self.export_id, since=self.selection.since, until=self.selection.until)
        pending: deque[Future[None]] = deque()
        try:
            with (
                few_collections(),
                ThreadPoolExecutor(1, "flatten") as flattening,
                ThreadPoolExecutor(1, "write") as writing,
            ):
                for batch in self.source.rows(None if whole else keys, batch_bytes=self.batch_bytes):
                    rows = _with_versions(batch, plan.versions)
                    flattened = flattening.submit(flattener.flatten, rows)
                    pending.append(writing.submit(self._write, rows, flattened, known))
                    del batch, rows, flattened
                    while len(pending) >= IN_FLIGHT:
                        pending.popleft().result()
                while pending:
                    pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
            flattener.close()
        r = self.result
        r.vanished = wanted - r.new - r.changed - r.quarantined - r.skipped

    def _write(
        self, batch: pa.RecordBatch, future: Future[Flattened], known: dict[tuple[str, str], dict[str, Any]]
    ) -> None:
        flattened = future.result()
        with self.lake.storage.errors():
            for flat in flattened.batches:
                for month, tables in flat.by_month():
                    for name, table in tables.items():
                        self.writer.files.append(BY_NAME[name], month, table)
            if flattened.quarantined is not None:
                fresh = _not_yet_known(flattened.quarantined, known)
                self.newly_quarantined += len(fresh)
                self.writer.files.append(QUARANTINE, None, fresh)
        for flat in flattened.batches:
            self._count_batch(flat.tables["workflows"], known)
        self.result.quarantined += len(flattened.quarantined) if flattened.quarantined is not None else 0
        self.result.skipped += flattened.skipped
        size = batch.column("json").nbytes
        self.result.json_bytes += size
        self.watcher.advance(len(batch), size)

    def _count_batch(self, workflows: pa.Table, known: dict[tuple[str, str], dict[str, Any]]) -> None:
        if not known:
            self.result.new += len(workflows)
            return
        replaced = []
        for cluster, uid in zip(workflows["cluster"].to_pylist(), workflows["uid"].to_pylist(), strict=True):
            before = known.get((cluster, uid))
            if before is None or before["good_version"] is None:
                self.result.new += 1
            else:
                self.result.changed += 1
                replaced.append({**before, "version": before["good_version"]})
        if replaced:
            schema = pa.schema(
                [("cluster", pa.string()), ("uid", pa.string()), ("version", pa.int32()), ("revision", pa.string())]
            )
            self._note(pa.Table.from_pylist(replaced, schema), "superseded", datetime.now(UTC))
            self.superseded += len(replaced)

    def _ledger(self, info: ArchiveInfo, started: datetime) -> dict[str, Any]:
        before, r = self.writer.before, self.result
        return {
            "kind": "export",
            "started_at": started,
            "source": info.display,
            "source_id": info.source_id,
            "selection": json.dumps(asdict(self.selection), default=str),
            "new": r.new,
            "changed": r.changed,
            "deleted": r.deleted,
            "unchanged": r.unchanged,
            "quarantined": r.quarantined,
            "total_versions": (before.total if before else 0) + r.new + r.changed,
            "superseded_versions": (before.superseded if before else 0) + self.superseded,
        }


def _not_yet_known(quarantined: pa.Table, known: dict[tuple[str, str], dict[str, Any]]) -> pa.Table:
    """Rows of quarantine less those that lie there already, as ``--full`` finds them."""
    if not known:
        return quarantined
    rows = zip(*(quarantined[name].to_pylist() for name in ("cluster", "uid", "source_revision")), strict=True)
    fresh = [known.get((cluster, uid), {}).get("known_revision") != revision for cluster, uid, revision in rows]
    return quarantined.filter(pa.array(fresh, pa.bool_()))


def _with_versions(batch: pa.RecordBatch, versions: dict[tuple[str, str], int]) -> pa.RecordBatch:
    if not versions:
        return batch.append_column("version", pa.array(np.ones(len(batch), np.int32)))
    keys = zip(batch.column("cluster").to_pylist(), batch.column("uid").to_pylist(), strict=True)
    return batch.append_column("version", pa.array([versions.get(key, 1) for key in keys], pa.int32()))
