"""The tables ``parameters`` and ``artifacts``, from arguments, inputs and outputs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kubectl_argo_archive.argo import names
from kubectl_argo_archive.tables import vectors
from kubectl_argo_archive.tables.parse import explode, members
from kubectl_argo_archive.tables.schema import TEXT

Part = tuple[np.ndarray, dict[str, pa.Array]]
"""Rows of a table: the document of each, and the columns."""


@dataclass(frozen=True, slots=True)
class ArgumentReader:
    """Reads parameters and artifacts out of parsed documents.

    Attributes:
        typed: whether values and defaults of parameters are JSON text (see ``parse``).
    """

    typed: bool

    def parts(
        self, arguments: pa.StructArray, scope: str, direction: str, documents: np.ndarray, ids: pa.StringArray | None
    ) -> tuple[Part, Part]:
        """Rows of ``parameters`` and of ``artifacts`` of one member of documents or nodes.

        Args:
            arguments: ``spec.arguments``, ``status.outputs``, ``inputs`` or ``outputs``.
            scope: ``workflow`` or ``node``.
            direction: ``in`` or ``out``.
            documents: the document of each element of ``arguments``.
            ids: the node of each element; None for the workflow's own.
        """
        fields = members(arguments)

        def part(name: str, read: Callable[[pa.StructArray, np.ndarray], dict[str, pa.Array]]) -> Part:
            owner, structs = explode(fields[name])
            row_documents = documents[owner]
            count = len(structs)
            return row_documents, {
                "scope": vectors.dictionary(pa.array([scope]), np.zeros(count, np.int32)),
                "direction": vectors.dictionary(pa.array([direction]), np.zeros(count, np.int32)),
                "node_id": pa.nulls(count, TEXT) if ids is None else ids.take(pa.array(owner)),
                **read(structs, row_documents),
            }

        return part("parameters", self._parameters), part("artifacts", self._artifacts)

    def _parameters(self, structs: pa.StructArray, documents: np.ndarray) -> dict[str, pa.Array]:
        fields = members(structs)
        vectors.suspect(fields["name"].is_null(), documents)
        value, default, value_from = fields["value"], fields["default"], fields["valueFrom"]
        _suspect_escapes(value_from, documents)
        if self.typed:
            value, types = _values(value, documents)
            default, _ = _values(default, documents)
        else:
            types = pc.if_else(value.is_valid(), pa.scalar(0, pa.int32()), pa.scalar(None, pa.int32()))
        return {
            "name": fields["name"],
            "value": value,
            "value_type": pa.DictionaryArray.from_arrays(types, _TYPES),
            "default_value": default,
            "value_from": value_from,
            "global_name": fields["globalName"],
        }

    def _artifacts(self, structs: pa.StructArray, documents: np.ndarray) -> dict[str, pa.Array]:
        fields = members(structs)
        vectors.suspect(fields["name"].is_null(), documents)
        s3 = members(fields["s3"])
        kind = pc.if_else(fields["s3"].is_valid(), "s3", pa.scalar(None, TEXT))
        bucket, key, location = s3["bucket"], s3["key"], pa.nulls(len(structs), TEXT)
        others = [name for name in names.ARTIFACT_KINDS[1:] if fields[name].null_count < len(structs)]
        if others:
            rows, found = self._other_kinds(fields, others, kind, documents)
            kind, bucket, key, location = (
                pc.coalesce(old, vectors.scatter(len(structs), rows, found[column]))
                for column, old in (("kind", kind), ("bucket", bucket), ("key", key), ("location", location))
            )
        return {
            "name": fields["name"],
            "path": fields["path"],
            "kind": kind,
            "bucket": bucket,
            "key": key,
            "location": location,
            "global_name": fields["globalName"],
            "from_expression": _first_filled(fields["from"], fields["fromExpression"]),
            "sub_path": fields["subPath"],
            "optional": vectors.flags(fields["optional"]),
            "deleted": vectors.flags(fields["deleted"]),
        }

    def _other_kinds(
        self, fields: dict[str, pa.Array], others: list[str], kind: pa.Array, documents: np.ndarray
    ) -> tuple[np.ndarray, dict[str, pa.Array]]:
        """Rows whose location is not s3, and what it says; all kinds are read in one go."""
        free = vectors.truth(kind.is_null())
        rows_of, texts_of = {}, {}
        for other in others:
            mine = np.flatnonzero(free & vectors.truth(fields[other].is_valid()))
            free[mine] = False
            rows_of[other], texts_of[other] = mine, fields[other].take(pa.array(mine))
        rows, texts = np.concatenate(list(rows_of.values())), pa.concat_arrays(list(texts_of.values()))
        _suspect_escapes(texts, documents[rows])
        found: dict[str, list[str | None]] = {"kind": [], "bucket": [], "key": []}
        start = 0
        for other, mine in rows_of.items():
            for text in texts.slice(start, len(mine)).to_pylist():
                location = json.loads(text)
                found["kind"].append(other)
                found["bucket"].append(_named(location, names.ARTIFACT_BUCKET.get(other)))
                found["key"].append(_named(location, names.ARTIFACT_KEY.get(other)))
            start += len(mine)
        return rows, {"location": texts} | {column: pa.array(values, TEXT) for column, values in found.items()}


def _named(location: dict[str, Any], member: str | None) -> str | None:
    """A member of a location; raises TypeError if it is no text."""
    value = location.get(member) if member else None
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{member} is no text")
    return value


def inputs_of(inputs: pa.StructArray, part: Part) -> Callable[[int], dict[str, str | None]]:
    """A function from a node's row to its input parameters, for a few nodes."""
    offsets = members(inputs)["parameters"].offsets.to_pylist()

    @cache  # all of them at the first question: one by one costs more than asking for many
    def lists() -> tuple[list[str], list[str | None]]:
        return part[1]["name"].to_pylist(), part[1]["value"].to_pylist()

    def find(row: int) -> dict[str, str | None]:
        names_, values = lists()
        first, end = offsets[row] - offsets[0], offsets[row + 1] - offsets[0]
        return dict(zip(names_[first:end], values[first:end], strict=True))

    return find


_TYPES = pa.array(["string", "number", "boolean", "object", "array"])
_TYPE_OF = {'"': 0, "t": 2, "f": 2, "{": 3, "[": 4}


def _values(texts: pa.Array, documents: np.ndarray) -> tuple[pa.StringArray, pa.Array]:
    """JSON texts to parameter values and the index of their type in ``_TYPES``; JSON null is null."""
    texts = texts.cast(TEXT)
    texts = pc.if_else(pc.equal(texts, "null").fill_null(True), pa.scalar(None, TEXT), texts)
    types = pa.array(
        [None if c is None else _TYPE_OF.get(c, 1) for c in pc.utf8_slice_codeunits(texts, 0, 1).to_pylist()],
        pa.int32(),
    )
    strings = pc.equal(types, 0)
    _suspect_escapes(pc.if_else(strings, pa.scalar(None, TEXT), texts), documents)
    plain = pc.utf8_slice_codeunits(texts, 1, -1)
    escaped = np.flatnonzero(vectors.truth(pc.and_(strings, pc.match_substring(texts, "\\"))))
    if len(escaped):
        decoded = [json.loads(text) for text in texts.take(pa.array(escaped)).to_pylist()]
        plain = pc.coalesce(vectors.scatter(len(texts), escaped, pa.array(decoded, TEXT)), plain)
    return pc.if_else(strings, plain, texts), types


def _suspect_escapes(texts: pa.StringArray, documents: np.ndarray) -> None:
    """JSON writers differ in how they spell control characters and slashes: the exact path has one way."""
    if texts.null_count < len(texts):
        vectors.suspect(pc.match_substring_regex(texts, r"\\[u/]|[0-9][.eE]|-0|[0-9]{16}"), documents)


def _first_filled(first: pa.StringArray, second: pa.StringArray) -> pa.StringArray:
    if first.null_count == len(first):
        return second
    return pc.if_else(pc.equal(first, "").fill_null(True), second, first)
