"""Columns to tables: every row learns whose it is, in the types in which tables travel to their files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kubectl_argo_archive.tables import vectors
from kubectl_argo_archive.tables.arguments import Part
from kubectl_argo_archive.tables.schema import SMALL, TEXT, WORKFLOW_TABLES, TableSpec

_NOT_COMPUTED = {"cluster", "uid", "version", "export_id", "namespace", "workflow"}
_REPEATED = {"cluster", "uid", "namespace", "workflow", "export_id", "scope", "direction", "value_type"}

NO_MONTH = "__HIVE_DEFAULT_PARTITION__"
"""The month of a workflow that never finished, as Hive and Delta spell a null partition."""


@cache
def physical_schema(spec: TableSpec) -> pa.Schema:
    """The Arrow schema in which a table travels to its file: repeated text as dictionaries."""
    repeated = _REPEATED - set(spec.unique)
    types = {c.name: pa.dictionary(pa.int32(), TEXT) if c.name in repeated else c.type for c in spec.columns}
    return pa.schema([pa.field(name, type_) for name, type_ in types.items()])


@dataclass(slots=True)
class FlatBatch:
    """The rows of some documents in every workflow table.

    Attributes:
        tables: by table name, in :func:`physical_schema`.
        owners: for each table, the index of the document of every row.
        months: for each document ``YYYY-MM`` of its finish, or :data:`NO_MONTH`.
    """

    tables: dict[str, pa.Table]
    owners: dict[str, np.ndarray]
    months: list[str]

    def by_month(self) -> Iterator[tuple[str, dict[str, pa.Table]]]:
        """The tables of each month."""
        distinct = sorted(set(self.months))
        if len(distinct) == 1:
            yield distinct[0], self.tables
            return
        months = np.array(self.months)
        for month in distinct:
            mine = months == month
            yield month, {name: table.filter(pa.array(mine[self.owners[name]])) for name, table in self.tables.items()}


def assemble(
    export_id: str, rows: pa.RecordBatch, name: pa.StringArray, namespace: pa.StringArray, parts: dict[str, list[Part]]
) -> FlatBatch:
    """Add the columns that name the workflow, in the order and types of the tables.

    Args:
        export_id: of the export.
        rows: the keys of the documents, with ``version`` and ``json_bytes``.
        name: of each workflow, by the document; the source's own column stands in for null.
        namespace: likewise.
        parts: the columns of each table, and the document of each row.
    """
    export_ids = pa.array([export_id])
    workflows = parts["workflows"][0][1]
    workflows["namespace"] = namespace = pc.coalesce(namespace, rows.column("namespace"))
    workflows["name"] = name = pc.coalesce(name, rows.column("name"))
    workflows["phase"] = pc.coalesce(workflows["phase"], rows.column("phase"))
    workflows["instance_id"] = rows.column("instance_id")
    workflows["source_revision"] = rows.column("revision")
    workflows["json_bytes"] = rows.column("json_bytes")
    repeated = {
        "cluster": rows.column("cluster"),
        "uid": rows.column("uid"),
        "namespace": namespace,
        "workflow": name,
    }
    version = rows.column("version").to_numpy()
    tables, owners = {}, {}
    for spec in WORKFLOW_TABLES:
        schema = physical_schema(spec)
        pieces = []
        for documents, columns in parts[spec.name]:
            known: dict[str, Any] = {
                "version": pa.array(version[documents], SMALL),
                "export_id": vectors.dictionary(export_ids, np.zeros(len(documents), np.int32)),
            }
            for field in schema:
                if field.name in columns or field.name in known:
                    continue
                values = repeated[field.name]
                is_dictionary = pa.types.is_dictionary(field.type)
                known[field.name] = (
                    vectors.dictionary(values, documents) if is_dictionary else values.take(pa.array(documents))
                )
            ordered = [_typed(columns.get(field.name, known.get(field.name)), field.type) for field in schema]
            pieces.append(pa.Table.from_arrays(ordered, schema=schema))
        tables[spec.name] = _own(pieces, keep=spec.name == "raw")
        owners[spec.name] = np.concatenate([documents for documents, _ in parts[spec.name]])
    months = pc.strftime(workflows["finished_at"], "%Y-%m").to_pylist()
    return FlatBatch(tables, owners, [month or NO_MONTH for month in months])


def _own(pieces: list[pa.Table], *, keep: bool) -> pa.Table:
    """One table that shares no memory with DuckDB's answer: as long as one column of that lives, all of it does.

    Args:
        pieces: parts of the table.
        keep: the columns come from elsewhere, and are too large to be copied.
    """
    if len(pieces) > 1:
        return pa.concat_tables(pieces).unify_dictionaries().combine_chunks()
    return pieces[0] if keep else pieces[0].take(pa.array(np.arange(len(pieces[0]))))


def columns_of(items: list[dict[str, Any]], spec: TableSpec) -> dict[str, pa.Array]:
    """The columns that the exact path computed, of the table's types."""
    computed = items[0].keys() if items else {c.name for c in spec.columns} - _NOT_COMPUTED
    types = {c.name: c.type for c in spec.columns}
    return {
        name: pa.array([_mapped(item[name], types[name]) for item in items], types[name])
        for name in computed
        if name in types
    }


def _mapped(value: Any, type_: pa.DataType) -> Any:
    return list(value.items()) if pa.types.is_map(type_) and value is not None else value


def _typed(array: pa.Array, type_: pa.DataType) -> pa.Array:
    return array if array.type.equals(type_) else array.cast(type_)
