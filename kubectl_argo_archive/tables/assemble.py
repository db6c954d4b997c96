"""Columns to tables: every row learns whose it is, in the types in which tables travel to their files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kubectl_argo_archive.tables.schema import SMALL, TEXT, WORKFLOW_TABLES, TableSpec

_WHOSE = ("cluster", "uid", "namespace", "workflow", "export_id")
_NOT_COMPUTED = {"version", *_WHOSE}
_REPEATED = pa.dictionary(pa.int32(), TEXT)

NO_MONTH = "__HIVE_DEFAULT_PARTITION__"
"""The month of a workflow that never finished, as Hive and Delta spell a null partition."""

Documents = npt.NDArray[np.integer[Any]]
Part = tuple[Documents, dict[str, pa.Array]]
"""Columns of a table, and the document of each row."""


@cache
def physical_schema(spec: TableSpec) -> pa.Schema:
    """The Arrow schema in which a table travels to its file: repeated text as dictionaries."""
    repeated = {*_WHOSE, *spec.repeated} - set(spec.unique)
    return pa.schema([pa.field(c.name, _REPEATED if c.name in repeated else c.type) for c in spec.columns])


@dataclass(slots=True)
class FlatBatch:
    """The rows of some documents in every workflow table.

    Attributes:
        tables: by table name, in :func:`physical_schema`.
        owners: for each table, the index of the document of every row.
        months: for each document ``YYYY-MM`` of its finish, or :data:`NO_MONTH`.
    """

    tables: dict[str, pa.Table]
    owners: dict[str, Documents]
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
            yield month, {name: _chosen(table, mine[self.owners[name]]) for name, table in self.tables.items()}


def _chosen(table: pa.Table, rows: npt.NDArray[np.bool_]) -> pa.Table:
    """The chosen rows; without a copy where they follow each other, as the months of an archive mostly do."""
    places = np.flatnonzero(rows)
    if len(places) and places[-1] - places[0] + 1 == len(places):
        return table.slice(places[0], len(places))
    return table.filter(pa.array(rows))


def assemble(export_id: str, rows: pa.RecordBatch, parts: Mapping[str, Part]) -> FlatBatch:
    """Add the columns that name the workflow, in the order and types of the tables.

    Args:
        export_id: of the export.
        rows: the keys of the documents, with ``version`` and ``json_bytes``.
        parts: of each table; where a workflow names neither itself, its namespace nor its phase, the source's own
            column does.
    """
    workflows = parts["workflows"][1]
    for name in ("namespace", "name", "phase"):
        workflows[name] = pc.coalesce(workflows[name], rows.column(name))
    workflows["instance_id"] = rows.column("instance_id")
    workflows["source_revision"] = rows.column("revision")
    workflows["json_bytes"] = rows.column("json_bytes")
    everyone = pa.array(np.arange(len(rows)))
    whose = {
        "cluster": rows.column("cluster"),
        "uid": rows.column("uid"),
        # copies: as long as one column of a native table lives, all of its memory does, and these outlive theirs
        "namespace": workflows["namespace"].take(everyone),
        "workflow": workflows["name"].take(everyone),
    }
    version = rows.column("version").to_numpy()
    export_ids = pa.array([export_id])
    tables, owners = {}, {}
    for spec in WORKFLOW_TABLES:
        documents, columns = parts[spec.name]
        codes = pa.array(documents, pa.int32())
        known = {name: _dictionary(codes, values) for name, values in whose.items()} | {
            "version": pa.array(version[documents], SMALL),
            "export_id": _dictionary(pa.array(np.zeros(len(documents), np.int32)), export_ids),
        }
        schema = physical_schema(spec)
        arrays = [columns[field.name] if field.name in columns else known[field.name] for field in schema]
        typed = [_typed(array, field.type) for array, field in zip(arrays, schema, strict=True)]
        tables[spec.name] = pa.Table.from_arrays(typed, schema=schema)
        owners[spec.name] = documents
    months = pc.strftime(workflows["finished_at"], "%Y-%m").to_pylist()
    return FlatBatch(tables, owners, [month or NO_MONTH for month in months])


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


def _dictionary(codes: pa.Int32Array, values: pa.StringArray) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(codes, values)


def _typed(array: pa.Array, type_: pa.DataType) -> pa.Array:
    return array if array.type.equals(type_) else array.cast(type_)
