"""One Delta table, through delta-rs; the only place that knows ``deltalake``.

We use a small part of Delta: create, add files, restore. Never MERGE, never rewriting in place.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from kubectl_argo_archive.errors import LakeError
from kubectl_argo_archive.storage.filesystem import Storage
from kubectl_argo_archive.tables.schema import TableSpec

_CONFIGURATION = {
    # --as-of must reach back as far as the lake does: no log entry expires
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.enableExpiredLogCleanup": "false",
    "delta.checkpointInterval": "20",
}
MONTH = "month"


@dataclass(frozen=True, slots=True)
class AddedFile:
    """A data file that a commit adds.

    Attributes:
        path: relative to the table, with its ``month=`` folder.
        month: partition value, None for tables without partitions and for the null month.
        size: bytes.
        rows: number of rows.
        stats: Delta statistics, as JSON text.
        sha256: of the file's bytes, hexadecimal.
        modified_ms: when it was finished, milliseconds since 1970.
    """

    path: str
    month: str | None
    size: int
    rows: int
    stats: str
    sha256: str
    modified_ms: int


@contextmanager
def reading(storage: Storage) -> Iterator[None]:
    """``with reading(storage):`` turns what is wrong with a lake's files, or with its storage, into our errors.

    Raises:
        LakeError: a file is damaged.
        StorageError, StorageUnreachable: it cannot be had.
    """
    from deltalake.exceptions import DeltaError

    try:
        with storage.errors():
            yield
    except (DeltaError, pa.ArrowException) as error:
        said = " ".join(str(error).split())[:300]
        raise LakeError(
            f"the lake at {storage.location.display} is damaged: {said}",
            "restore the file (a bucket keeps versions), or export everything into another folder",
        ) from error


class DeltaTables:
    """The Delta tables below one root.

    Args:
        root: URL of the lake, as delta-rs wants it (an absolute path or ``s3://…``).
        options: storage options of delta-rs.
    """

    def __init__(self, root: str, options: Mapping[str, str]) -> None:
        self._root = root
        self._options = dict(options)
        self._newest: dict[str, Any] = {}

    def _open(self, name: str) -> Any:
        """A table at its newest version; the log is read once, then only what came since."""
        if name in self._newest:
            self._newest[name].update_incremental()
        else:
            self._newest[name] = self._at(name, None)
        return self._newest[name]

    def _at(self, name: str, version: int | None) -> Any:
        from deltalake import DeltaTable

        return DeltaTable(f"{self._root}/{name}", version=version, storage_options=self._options)

    def exists(self, name: str) -> bool:
        """Whether the table was ever created."""
        from deltalake import DeltaTable

        return bool(DeltaTable.is_deltatable(f"{self._root}/{name}", storage_options=self._options))

    def create(self, spec: TableSpec) -> None:
        """Create an empty table: its version 0."""
        from deltalake import DeltaTable

        schema = spec.schema.append(pa.field(MONTH, pa.string())) if spec.by_month else spec.schema
        DeltaTable.create(
            f"{self._root}/{spec.name}",
            schema=schema,
            mode="ignore",
            partition_by=[MONTH] if spec.by_month else None,
            name=spec.name,
            description=spec.doc,
            configuration=_CONFIGURATION,
            storage_options=self._options,
        )

    def version(self, name: str) -> int:
        """The newest version of a table, published or not."""
        return int(self._open(name).version())

    def add_missing_columns(self, spec: TableSpec) -> int:
        """Bring an older table to today's columns; return its version."""
        from deltalake import Field, Schema

        table = self._open(spec.name)
        known = {field.name for field in table.schema().fields}
        missing = [column.name for column in spec.columns if column.name not in known]
        if missing:
            wanted: list[Field] = [f for f in Schema.from_arrow(spec.schema).fields if f.name in missing]
            table.alter.add_columns(wanted)
        return int(table.version())

    def commit(
        self,
        spec: TableSpec,
        added: Sequence[AddedFile],
        metadata: Mapping[str, str],
    ) -> int:
        """Add data files in one commit; return the table's new version."""
        from deltalake import CommitProperties
        from deltalake.transaction import AddAction

        table = self._open(spec.name)
        partition = [MONTH] if spec.by_month else None
        table.create_write_transaction(
            [
                AddAction(f.path, f.size, {MONTH: f.month} if spec.by_month else {}, f.modified_ms, True, f.stats)
                for f in added
            ],
            mode="append",
            schema=table.schema(),
            partition_by=partition,
            commit_properties=CommitProperties(custom_metadata=dict(metadata), max_commit_retries=3),
        )
        return int(self._open(spec.name).version())

    def restore(self, name: str, version: int) -> int:
        """Make the state of an older version the newest one; return its number."""
        table = self._open(name)
        table.restore(version)
        return int(table.version())

    def files(self, name: str, version: int) -> list[dict[str, Any]]:
        """The live data files of one version: path, size, rows, month; ``low`` and ``high``: values by column."""
        actions = pa.table(self._at(name, version).get_add_actions(flatten=True))
        wanted = {"path": "path", "size_bytes": "size", "num_records": "rows", f"partition.{MONTH}": "month"}
        present = {old: new for old, new in wanted.items() if old in actions.column_names}
        files: list[dict[str, Any]] = actions.select(list(present)).rename_columns(list(present.values())).to_pylist()
        for limit, prefix in (("low", "min."), ("high", "max.")):
            noted = [c for c in actions.column_names if c.startswith(prefix) and actions[c].null_count < len(actions)]
            for file, values in zip(files, actions.select(noted).to_pylist(), strict=True):
                file[limit] = {name.removeprefix(prefix): value for name, value in values.items()}
        return files

    def commits(self, name: str, limit: int | None = None) -> list[dict[str, Any]]:
        """Commit metadata of a table, newest first."""
        history: list[dict[str, Any]] = self._open(name).history(limit)
        return history


def stats_json(rows: int, minimum: Mapping[str, Any], maximum: Mapping[str, Any], nulls: Mapping[str, int]) -> str:
    """Delta's per-file statistics (protocol, "Per-file Statistics")."""
    return json.dumps(
        {"numRecords": rows, "minValues": dict(minimum), "maxValues": dict(maximum), "nullCount": dict(nulls)}
    )
