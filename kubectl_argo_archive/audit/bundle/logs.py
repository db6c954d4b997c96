"""The logs of a bundle: rows of ``log_objects`` and ``log_lines`` of its workflows, masked if the rest is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from kubectl_argo_archive.audit.bundle.records import RecordWriter
from kubectl_argo_archive.audit.bundle.tables import TableFiles
from kubectl_argo_archive.audit.redact.redact import Redactor
from kubectl_argo_archive.query.session import Session
from kubectl_argo_archive.tables.spec import TableSpec

_UIDS = 200
_ORDER = {
    "log_objects": "cluster, uid, node_id, container, log_id",
    "log_lines": "cluster, uid, node_id, container, log_id, line_no",
}
_TEXTS = ("message", "key", "workflow", "node_id", "pod_name")
_BEGIN, _END = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY"), re.compile(r"-----END [A-Z0-9 ]*PRIVATE KEY")
_LONGEST_KEY = 200


def batches(session: Session, spec: TableSpec, uids: list[str]) -> Iterator[pa.RecordBatch]:
    """The rows of a table of logs that belong to some workflows, in a fixed order.

    Raises:
        QueryError, LakeError, StorageError, StorageUnreachable: they cannot be read.
    """
    columns = ", ".join(f'"{name}"' for name in spec.schema.names)
    sql = f"SELECT {columns} FROM {spec.name} WHERE list_contains($uids::VARCHAR[], uid) ORDER BY {_ORDER[spec.name]}"
    for start in range(0, len(uids), _UIDS):
        result = session.run(sql, {"uids": uids[start : start + _UIDS]}, lossless=False)
        yield from result.record_batches()[1]


def learn(redactor: Redactor, found: Iterator[pa.RecordBatch]) -> None:
    """Remember the secrets in lines; a private key spans several."""
    block: list[str] = []
    for batch in found:
        for line in batch.column("message").to_pylist():
            text = line or ""
            redactor.learn_text(text)
            if block or _BEGIN.search(text):
                block.append(text)
                if _END.search(text) or len(block) > _LONGEST_KEY:
                    redactor.learn_text("\n".join(block))
                    block = []
    if block:
        redactor.learn_text("\n".join(block))


def write(found: Iterator[pa.RecordBatch], spec: TableSpec, tables: TableFiles, redactor: Redactor | None,
          records: RecordWriter) -> None:  # fmt: skip
    """Add rows to the tables of a bundle."""
    for batch in found:
        table = pa.Table.from_batches([batch]).select(spec.schema.names).cast(spec.schema)
        if redactor is not None:
            table = _masked(table, spec, redactor, records)
        tables.append(spec, table)


def _masked(table: pa.Table, spec: TableSpec, redactor: Redactor, records: RecordWriter) -> pa.Table:
    names = [name for name in _TEXTS if name in spec.schema.names]
    keys = [name for name in ("cluster", "uid", "log_id", "line_no") if name in spec.schema.names]
    rows = table.select(list(dict.fromkeys([*keys, *names]))).to_pylist()
    for name in names:
        values, changed = [], False
        for row in rows:
            text = row[name]
            masked = redactor.text(_record(spec, row, name), text) if text else None
            if masked is not None and masked.fields:
                identity: dict[str, Any] = {"cluster": row["cluster"], "uid": row["uid"], "version": 0,
                                            "table": spec.name, "log_id": row["log_id"], "column": name}  # fmt: skip
                records.note(identity | ({"line_no": row["line_no"]} if "line_no" in row else {}), masked.fields)
                text, changed = masked.data.decode(), True
            values.append(text)
        if changed:
            place = table.schema.get_field_index(name)
            table = table.set_column(place, spec.schema.field(name), pa.array(values, pa.string()))
    return table


def _record(spec: TableSpec, row: dict[str, Any], name: str) -> str:
    return f"{spec.name}/{row['cluster']}/{row['uid']}/{row['log_id']}/{row.get('line_no', '')}/{name}"
