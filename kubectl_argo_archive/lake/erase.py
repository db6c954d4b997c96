"""Taking rows out of the lake for good: the one operation that replaces data files.

Files with such rows are written anew without them; the old ones are deleted once a publish names the new ones. States
of the lake from before can then no longer be read where they held such rows.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kubectl_argo_archive.lake.datafiles import NULL_MONTH, DataFiles
from kubectl_argo_archive.lake.delta import MONTH, AddedFile, reading
from kubectl_argo_archive.lake.lake import Lake
from kubectl_argo_archive.lake.snapshot import Snapshot
from kubectl_argo_archive.storage.filesystem import Storage
from kubectl_argo_archive.tables.log_schema import LOG_BLOCKS, LOG_EVENTS, LOG_TABLES
from kubectl_argo_archive.tables.schema import BY_NAME, EXPORTS
from kubectl_argo_archive.tables.spec import TableSpec

KIND = "erasure"
_PLACE = ("block", "log_id", "part", "first_line", "byte_offset")
"""Columns of a block of text that stay: the search index counts blocks."""


@dataclass(frozen=True, slots=True)
class Gone:
    """What is taken out.

    Attributes:
        keys: cluster and uid of workflows.
        logs: ids of their log texts.
    """

    keys: Sequence[tuple[str, str]]
    logs: Sequence[int]

    def mask(self, rows: pa.Table) -> pa.BooleanArray:
        """Which of some rows are concerned."""
        if "uid" not in rows.schema.names:
            return pc.is_in(rows["log_id"].combine_chunks(), value_set=pa.array(self.logs, pa.int64()))
        wanted = set(self.keys)
        pairs = zip(rows["cluster"].to_pylist(), rows["uid"].to_pylist(), strict=True)
        return pa.array([pair in wanted for pair in pairs], pa.bool_())


def delete_rows(lake: Lake, export_id: str, gone: Gone, ledger: Mapping[str, Any]) -> None:
    """Publish the lake without the rows of some workflows and texts.

    Args:
        lake: the lake.
        export_id: of this publish.
        gone: what is taken out.
        ledger: further columns of the ledger's row.

    Raises:
        LakeError: another writer has the lake, or a file is damaged.
        StorageError, StorageUnreachable: it cannot be written; nothing of this is visible.
    """
    with lake.writer(export_id) as writer:
        before = writer.before
        assert before is not None
        files, removed = DataFiles(lake.storage, f"{export_id}-kept"), dict[str, list[str]]()
        try:
            for name, spec in _tables(before).items():
                paths = [path for path in before.table(name).paths if _concerns(lake.storage, name, path, gone)]
                removed[name] = paths
                for path in paths:
                    with reading(lake.storage):
                        _rewrite(lake.storage, spec, path, gone, files)
            added = files.finish()
            for name, paths in removed.items():
                if paths:
                    _commit(lake.storage, name, added.get(name, []), paths, export_id)
        except BaseException:
            files.abandon()
            raise
        if gone.logs:
            event = {"kind": "text_superseded", "noticed_at": datetime.now(UTC), "export_id": export_id}
            rows = [{"log_id": log, **event} for log in gone.logs]
            writer.files.append(LOG_EVENTS, None, pa.Table.from_pylist(rows, LOG_EVENTS.schema))
        writer.publish({"kind": KIND, "dead_texts": before.dead_texts + len(gone.logs), **ledger})


def delete_files(lake: Lake, before: Snapshot, after: Snapshot) -> int:
    """Delete the data files that an erasure replaced, as far as they are still there; returns how many were.

    Raises:
        StorageError, StorageUnreachable: they cannot be deleted.
    """
    deleted = 0
    for name in _tables(before):
        for path in sorted(set(before.table(name).paths) - set(after.table(name).paths)):
            with lake.storage.errors():
                place = lake.storage.path(name, path)
                if lake.storage.fs.exists(place):
                    lake.storage.fs.rm_file(place)
                    deleted += 1
    return deleted


def _tables(snapshot: Snapshot) -> dict[str, TableSpec]:
    """Tables that may hold rows of workflows or their texts."""
    specs = [spec for spec in (*BY_NAME.values(), *LOG_TABLES) if not spec.virtual and spec is not EXPORTS]
    return {
        spec.name: spec
        for spec in specs
        if spec.name in snapshot.versions and ({"cluster", "uid"} <= set(spec.schema.names) or spec is LOG_BLOCKS)
    }


def _concerns(storage: Storage, name: str, path: str, gone: Gone) -> bool:
    columns = ["log_id"] if name == LOG_BLOCKS.name else ["cluster", "uid"]
    with reading(storage), pq.ParquetFile(storage.path(name, path), filesystem=storage.fs) as file:
        return any(
            pc.any(gone.mask(pa.Table.from_batches([batch]))).as_py() for batch in file.iter_batches(columns=columns)
        )


def _rewrite(storage: Storage, spec: TableSpec, path: str, gone: Gone, files: DataFiles) -> None:
    """Write a file's rows anew, less those that go."""
    month = path.partition("/")[0].partition("=")[2] if spec.by_month else None
    with pq.ParquetFile(storage.path(spec.name, path), filesystem=storage.fs) as file:
        if spec is LOG_BLOCKS:
            _blank(file, month, gone, files)
            return
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group)
            kept = rows.filter(pc.invert(gone.mask(rows)))
            files.append(spec, month, _in_schema(kept, spec))


def _blank(file: pq.ParquetFile, month: str | None, gone: Gone, files: DataFiles) -> None:
    """Blocks of text stay where they are, empty: their numbers and row groups are what the search index counts."""
    target = files.open_file(LOG_BLOCKS, month)
    writer = pq.ParquetWriter(
        target, LOG_BLOCKS.schema, compression="zstd", use_dictionary=False, write_statistics=["block", "log_id"],
        store_schema=False,
    )  # fmt: skip
    for group in range(file.num_row_groups):
        rows = _in_schema(file.read_row_group(group), LOG_BLOCKS)
        mask = gone.mask(rows)
        for place, column in enumerate(LOG_BLOCKS.schema):
            if column.name not in _PLACE:
                nothing = pa.scalar("" if column.name in ("text", "levels") else None, column.type)
                values = rows.column(place).to_pylist()
                blank = [nothing.as_py() if hit else value for value, hit in zip(values, mask.to_pylist(), strict=True)]
                rows = rows.set_column(place, column, pa.array(blank, column.type))
        writer.write_table(rows, row_group_size=max(len(rows), 1))
    writer.close()
    files.add_file(target, writer.writer.metadata)


def _in_schema(rows: pa.Table, spec: TableSpec) -> pa.Table:
    """Today's columns, in their order; one that an older file lacks is null."""
    present = set(rows.schema.names)
    columns = [
        rows[field.name].cast(field.type) if field.name in present else pa.nulls(len(rows), field.type)
        for field in spec.schema
    ]
    return pa.Table.from_arrays(columns, schema=spec.schema)


def _commit(storage: Storage, name: str, added: Sequence[AddedFile], removed: Sequence[str], export_id: str) -> None:
    """One commit that replaces files."""
    from deltalake import CommitProperties, DeltaTable
    from deltalake.transaction import AddAction, RemoveAction

    with reading(storage):
        table = DeltaTable(storage.url(name), storage_options=storage.delta_options())
        by_month = bool(table.metadata().partition_columns)
        now = int(time.time() * 1000)
        months = {path: path.partition("/")[0].partition("=")[2] for path in removed}
        actions: list[Any] = [
            RemoveAction(path, True, now, None, {MONTH: _month(months[path])} if by_month else {}) for path in removed
        ]
        actions += [
            AddAction(f.path, f.size, {MONTH: f.month} if by_month else {}, f.modified_ms, True, f.stats) for f in added
        ]
        table.create_write_transaction(
            actions,
            mode="append",
            schema=table.schema(),
            partition_by=[MONTH] if by_month else None,
            commit_properties=CommitProperties(custom_metadata={"export_id": export_id}, max_commit_retries=3),
        )


def _month(folder: str) -> str | None:
    return None if folder == NULL_MONTH else folder
