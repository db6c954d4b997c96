"""Batches of archived rows to Arrow tables: the fast path, with the exact one behind it.

The fast path is C (:mod:`kubectl_argo_archive.native.flatten`): it reads every byte of a document once and takes only
what is plainly right. Any other document goes to :mod:`kubectl_argo_archive.tables.rowwise`, and what is malformed
there to the table ``quarantine``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kubectl_argo_archive.native.flatten import DOCUMENT, NOT_WANTED, ODD, TAKEN, NativeFlattener
from kubectl_argo_archive.tables.assemble import FlatBatch, assemble, columns_of, physical_schema
from kubectl_argo_archive.tables.document import Malformed
from kubectl_argo_archive.tables.rowwise import flatten_document
from kubectl_argo_archive.tables.schema import INT, QUARANTINE, WORKFLOW_TABLES

_UNFORESEEN = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, pa.ArrowException)
"""What code raises that meets a document which nobody imagined; it must not end an export."""


@dataclass(slots=True)
class Flattened:
    """What became of one batch of rows.

    Attributes:
        batches: rows of the workflow tables.
        quarantined: rows of ``quarantine``, or None.
        skipped: documents outside the wanted period.
        exact: documents that took the exact path.
    """

    batches: list[FlatBatch]
    quarantined: pa.Table | None = None
    skipped: int = 0
    exact: int = 0


class Flattener:
    """Flattens batches; one thread at a time.

    Args:
        export_id: written into every row.
        since: leave out workflows that finished before.
        until: leave out workflows that finished at or after.
    """

    def __init__(self, export_id: str, *, since: datetime | None = None, until: datetime | None = None) -> None:
        self._export_id = export_id
        self._since, self._until = since, until
        self._native = NativeFlattener(since=since, until=until)

    def close(self) -> None:
        """Give the memory back."""
        self._native.close()

    def flatten(self, rows: pa.RecordBatch) -> Flattened:
        """Flatten rows of ``ROW_SCHEMA`` (see ``archive``) with one more column, ``version`` (int32)."""
        result = Flattened([])
        outcomes, tables = self._native.flatten(rows.column("json"))
        taken = np.flatnonzero(outcomes == TAKEN)
        result.skipped = int((outcomes == NOT_WANTED).sum())
        if len(taken):
            result.batches.append(self._taken(rows, taken, tables))
        self._exactly(rows, np.flatnonzero(outcomes == ODD), result)
        return result

    def _taken(
        self,
        rows: pa.RecordBatch,
        taken: npt.NDArray[np.int64],
        tables: dict[str, pa.RecordBatch],
    ) -> FlatBatch:
        """What the fast path gave, with the columns that say whose row it is."""
        keys = _keys(rows)
        parts = {
            name: (table.column(DOCUMENT).to_numpy(), dict(zip(table.schema.names, table.columns, strict=True)))
            for name, table in tables.items()
        }
        parts["raw"] = (np.arange(len(taken)), {"json": _runs(rows.column("json"), taken)})
        return assemble(self._export_id, keys if len(taken) == len(rows) else keys.take(pa.array(taken)), parts)

    def _in_period(self, finished: datetime | None) -> bool:
        if self._since is None and self._until is None:
            return True
        return finished is not None and not (
            (self._since is not None and finished < self._since)
            or (self._until is not None and finished >= self._until)
        )

    def _exactly(self, rows: pa.RecordBatch, chosen: npt.NDArray[np.int64], result: Flattened) -> None:
        """The exact path, document by document."""
        good: list[int] = []
        found: dict[str, list[dict[str, Any]]] = {spec.name: [] for spec in WORKFLOW_TABLES}
        owners: dict[str, list[int]] = {spec.name: [] for spec in WORKFLOW_TABLES}
        malformed: list[dict[str, Any]] = []
        for row in chosen.tolist():
            data = rows.column("json")[row].as_py()
            try:
                document = _flattened(data)
            except Malformed as reason:
                malformed.append({**_key(rows, row), "reason": str(reason), "json": data.decode("utf-8", "replace"),
                                  "json_bytes": len(data), "export_id": self._export_id})  # fmt: skip
                continue
            if not self._in_period(document["workflows"][0]["finished_at"]):
                result.skipped += 1
                continue
            document["raw"] = [{"json": data.decode("utf-8")}]
            for name, items in document.items():
                found[name].extend(items)
                owners[name].extend([len(good)] * len(items))
            good.append(row)
        result.exact += len(good)
        if good:
            parts = {
                spec.name: (np.array(owners[spec.name], np.int64), columns_of(found[spec.name], spec))
                for spec in WORKFLOW_TABLES
            }
            result.batches.append(assemble(self._export_id, _keys(rows).take(pa.array(good)), parts))
        if malformed:
            result.quarantined = pa.Table.from_pylist(malformed, QUARANTINE.schema).cast(physical_schema(QUARANTINE))


def _flattened(data: bytes) -> dict[str, list[dict[str, Any]]]:
    """See :func:`flatten_document`; whatever goes wrong, it is the document's fault."""
    try:
        return flatten_document(data)
    except _UNFORESEEN as error:
        raise Malformed(f"cannot be flattened: {type(error).__name__}: {error}"[:500]) from error


def _runs(documents: pa.LargeBinaryArray, positions: npt.NDArray[np.int64]) -> pa.ChunkedArray:
    """The texts at ascending ``positions``, all of them UTF-8, as slices that copy nothing."""
    texts = pa.Array.from_buffers(pa.large_string(), len(documents), documents.buffers(), offset=documents.offset)
    breaks = np.flatnonzero(np.diff(positions) != 1) + 1
    chunks = [texts.slice(int(run[0]), len(run)) for run in np.split(positions, breaks) if len(run)]
    return pa.chunked_array(chunks, texts.type)


def _keys(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Everything but the JSON, of which only the size is kept."""
    size = pc.binary_length(rows.column("json")).cast(INT)
    return rows.drop_columns(["json"]).append_column("json_bytes", size)


def _key(rows: pa.RecordBatch, row: int) -> dict[str, Any]:
    """The columns of ``quarantine`` that come from the source's own columns."""
    key = {name: rows.column(name)[row].as_py() for name in rows.schema.names if name != "json"}
    key["source_revision"] = key.pop("revision")
    return key
