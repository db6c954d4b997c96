"""Tables as files that anybody can open: Parquet for machines, CSV and JSON lines for people."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kubectl_argo_archive.tables.spec import TableSpec

FORMATS = ("parquet", "csv", "jsonl")
_GROUP_BYTES = 8 << 20


class TableFiles:
    """The files of all tables of a bundle, below one folder.

    Args:
        folder: where ``parquet/``, ``csv/`` and ``jsonl/`` come to lie.
        formats: some of :data:`FORMATS`.
    """

    def __init__(self, folder: Path, formats: tuple[str, ...]) -> None:
        self._folder = folder
        self._formats = formats
        self._open: dict[str, _Table] = {}
        self.rows: dict[str, int] = {}

    def append(self, spec: TableSpec, rows: pa.Table) -> None:
        """Add rows of a table."""
        if spec.name not in self._open:
            self._open[spec.name] = _Table(self._folder, spec, self._formats)
        self._open[spec.name].append(rows.select(spec.schema.names).cast(spec.schema))
        self.rows[spec.name] = self.rows.get(spec.name, 0) + len(rows)

    def close(self) -> None:
        """Finish all files."""
        for table in self._open.values():
            table.close()


class _Table:
    """One table in every format that was asked for."""

    def __init__(self, folder: Path, spec: TableSpec, formats: tuple[str, ...]) -> None:
        paths = {format: folder / format / f"{spec.name}.{format}" for format in formats}
        for path in paths.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        self._waiting: list[pa.Table] = []
        self._parquet = None
        if "parquet" in paths:
            # no schema of Arrow's, and no statistics that depend on how rows were batched: see append
            self._parquet = pq.ParquetWriter(
                paths["parquet"], spec.schema, compression="zstd", compression_level=3, store_schema=False
            )
        self._csv = open(paths["csv"], "w", encoding="utf-8", newline="") if "csv" in paths else None  # noqa: SIM115
        self._jsonl = open(paths["jsonl"], "w", encoding="utf-8") if "jsonl" in paths else None  # noqa: SIM115
        if self._csv:
            csv.writer(self._csv, lineterminator="\n").writerow(spec.schema.names)

    def append(self, rows: pa.Table) -> None:
        """Write rows; Parquet's row groups have a size of their own, whatever the batches were."""
        if self._parquet is not None:
            self._waiting.append(rows)
            if sum(table.nbytes for table in self._waiting) >= _GROUP_BYTES:
                self._flush()
        if self._csv or self._jsonl:
            for row in rows.to_pylist(maps_as_pydicts="lossy"):
                if self._csv:
                    csv.writer(self._csv, lineterminator="\n").writerow([_cell(value) for value in row.values()])
                if self._jsonl:
                    self._jsonl.write(json.dumps({k: _plain(v) for k, v in row.items()}, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Finish the files."""
        if self._parquet is not None:
            self._flush()
            self._parquet.close()
        for file in (self._csv, self._jsonl):
            if file:
                file.close()

    def _flush(self) -> None:
        if self._waiting and self._parquet is not None:
            rows = pa.concat_tables(self._waiting).combine_chunks()
            self._parquet.write_table(rows, row_group_size=max(len(rows), 1))
        self._waiting = []


def csv_text(columns: list[str], rows: list[list[Any]]) -> str:
    """A small CSV."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[_cell(value) for value in row] for row in rows])
    return target.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return value


def _cell(value: Any) -> Any:
    """One cell: empty for NULL, true and false, RFC 3339 times, lists and maps as JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return _plain(value)
