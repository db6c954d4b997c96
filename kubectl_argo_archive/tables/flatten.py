"""Batches of archived rows to Arrow tables: the vectorised path, with the exact one behind it.

Every document is parsed once, in DuckDB; the rest is Arrow and NumPy on whole columns. A document that the
vectorised path is not sure about goes to :mod:`kubectl_argo_archive.tables.rowwise`; one that is malformed
goes to the table ``quarantine``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kubectl_argo_archive.tables import vectors
from kubectl_argo_archive.tables.arguments import ArgumentReader, Part, inputs_of
from kubectl_argo_archive.tables.assemble import FlatBatch, assemble, columns_of, physical_schema
from kubectl_argo_archive.tables.document import Malformed
from kubectl_argo_archive.tables.images import TemplateImages
from kubectl_argo_archive.tables.nodes import node_columns
from kubectl_argo_archive.tables.parse import DocumentParser, explode, explode_map, members
from kubectl_argo_archive.tables.rowwise import flatten_document
from kubectl_argo_archive.tables.schema import INT, QUARANTINE, WORKFLOW_TABLES
from kubectl_argo_archive.tables.suspects import wrong_types
from kubectl_argo_archive.tables.workflows import arguments_of, workflow_columns

FEW = 2
"""So few documents are not worth a vectorised pass of their own."""


_UNFORESEEN = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, pa.ArrowException)
"""What code raises that meets a document which nobody imagined; it must not end an export."""


@dataclass(slots=True)
class _Documents:
    """Some documents: their keys (with ``version`` and ``json_bytes``), their text, and the text parsed.

    Attributes:
        texts: of all documents of the batch: they are too large to be copied without need.
        positions: where in ``texts`` these documents stand.
    """

    keys: pa.RecordBatch
    texts: pa.LargeStringArray
    positions: np.ndarray
    parsed: pa.StructArray | None = None

    def only(self, mask: np.ndarray) -> _Documents:
        """Those where ``mask`` is true."""
        if mask.all():
            return self
        chosen = pa.array(mask)
        parsed = None if self.parsed is None else self.parsed.filter(chosen)
        return _Documents(self.keys.filter(chosen), self.texts, self.positions[mask], parsed)

    def text(self, rows: list[int]) -> pa.LargeStringArray:
        """The text of a few of the documents."""
        return self.texts.take(pa.array(self.positions[rows]))

    def members(self) -> dict[str, dict[str, pa.Array]]:
        """The members of ``metadata``, ``spec`` and ``status``."""
        return {name: members(part) for name, part in members(self.parsed).items()}


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


@dataclass(slots=True)
class Screened:
    """Rows, looked at before they are parsed.

    Attributes:
        rows: as they came.
        documents: their keys and text.
        unsure: documents for the exact path.
        odd_values: documents with parameters that are not strings.
    """

    rows: pa.RecordBatch
    documents: _Documents
    unsure: np.ndarray
    odd_values: np.ndarray


@dataclass(slots=True)
class _Group:
    """Documents that were parsed together: where they stand among the rows, and which are left."""

    documents: _Documents
    positions: np.ndarray
    left: np.ndarray
    typed: bool


@dataclass(slots=True)
class Parsed:
    """Rows, parsed as far as the vectorised path can; see :class:`Screened`."""

    rows: pa.RecordBatch
    unsure: np.ndarray
    groups: list[_Group]


def screen(rows: pa.RecordBatch) -> Screened:
    """The beginning of :meth:`Flattener.flatten`: which way each document goes."""
    readable = np.ones(len(rows), bool)
    documents = _Documents(_keys(rows), _as_text(rows.column("json"), readable), np.arange(len(rows)))
    odd, odd_values = wrong_types(documents.texts)
    unsure = ~readable | odd
    if odd_values.sum() <= FEW:
        unsure |= odd_values
    return Screened(rows, documents, unsure, odd_values)


class Flattener:
    """Flattens batches in three steps (see :func:`screen`), each of which may have a thread of its own.

    Args:
        export_id: written into every row.
        since: leave out workflows that finished before.
        until: leave out workflows that finished at or after.
    """

    def __init__(self, export_id: str, *, since: datetime | None = None, until: datetime | None = None) -> None:
        self._export_id = export_id
        self._since, self._until = since, until
        self._parser = DocumentParser()
        self._parts = DocumentParser()  # for the thread that builds

    def close(self) -> None:
        """Give the parsers' memory back."""
        self._parser.close()
        self._parts.close()

    def flatten(self, rows: pa.RecordBatch) -> Flattened:
        """Flatten rows of ``ROW_SCHEMA`` (see ``archive``) with one more column, ``version`` (int32)."""
        return self.build(self.parse(screen(rows)))

    def parse(self, screened: Screened) -> Parsed:
        """The middle of :meth:`flatten`; may run on another thread than the rest."""
        unsure = screened.unsure.copy()
        groups = []
        for mask, typed in ((~unsure & ~screened.odd_values, False), (~unsure & screened.odd_values, True)):
            if not mask.any():
                continue
            left = mask.copy()
            everyone = replace(screened.documents, parsed=self._parse(screened.documents.texts, left, typed=typed))
            groups.append(_Group(everyone.only(mask), np.flatnonzero(mask), left[mask], typed))
        return Parsed(screened.rows, unsure, groups)

    def build(self, parsed: Parsed) -> Flattened:
        """The end of :meth:`flatten`: tables out of parsed documents."""
        result = Flattened([])
        for group in parsed.groups:
            given_up = self._together(group, result)
            parsed.unsure[group.positions[given_up]] = True
        parsed.groups.clear()
        self._exactly(parsed.rows, np.flatnonzero(parsed.unsure), result)
        return result

    def _together(self, group: _Group, result: Flattened) -> np.ndarray:
        """The vectorised path; returns the indices of the documents that it gave up."""
        left = group.left
        while left.any():
            try:
                batch = self._vectorised(group.documents.only(left), result, typed=group.typed)
            except vectors.Suspicious as suspicious:
                left[np.flatnonzero(left)[suspicious.documents]] = False
                continue
            except _UNFORESEEN:  # some document of these: the exact path finds out which
                left[:] = False
                break
            if batch is not None:
                result.batches.append(batch)
            break
        return np.flatnonzero(~left)

    def _parse(self, texts: pa.LargeStringArray, left: np.ndarray, *, typed: bool) -> pa.StructArray | None:
        """Parse the documents in ``left``; those that are not JSON leave it."""
        parsed = self._parser.parse(vectors.masked(texts, left), typed=typed)
        if parsed is None:
            left &= self._parser.valid(texts)
            parsed = self._parser.parse(vectors.masked(texts, left), typed=typed)
        if parsed is None:
            left[:] = False
        return parsed

    def _vectorised(self, documents: _Documents, result: Flattened, *, typed: bool) -> FlatBatch | None:
        document = documents.members()
        everyone = np.arange(len(documents.keys))
        metadata, status = document["metadata"], document["status"]
        elsewhere = pc.or_(status["compressedNodes"].is_valid(), status["offloadNodeStatusVersion"].is_valid())
        for odd in (
            pc.and_(status["phase"].is_null(), status["nodes"].is_null()),
            metadata["name"].is_null(),
            metadata["labels"].is_null(),
            elsewhere,
        ):
            vectors.suspect(odd, everyone)
        wanted = self._wanted(vectors.times(status["finishedAt"], everyone))
        batch = self._build(documents.only(wanted), typed=typed) if wanted.any() else None
        result.skipped += int((~wanted).sum())
        return batch

    def _wanted(self, finished: pa.TimestampArray) -> np.ndarray:
        if self._since is None and self._until is None:
            return np.ones(len(finished), bool)
        return np.array([self._in_period(value) for value in finished.to_pylist()], bool)

    def _in_period(self, finished: datetime | None) -> bool:
        if self._since is None and self._until is None:
            return True
        return finished is not None and not (
            (self._since is not None and finished < self._since)
            or (self._until is not None and finished >= self._until)
        )

    def _build(self, documents: _Documents, *, typed: bool) -> FlatBatch:
        """All tables of documents that are sound."""
        document = documents.members()
        metadata, spec, status = document["metadata"], document["spec"], document["status"]
        everyone = np.arange(len(documents.keys))
        nodes = node_columns(status["nodes"], metadata["name"], metadata["annotations"])
        inputs, outputs = nodes.fields["inputs"], nodes.fields["outputs"]
        reader = ArgumentReader(typed=typed)
        parameters, artifacts = zip(
            reader.parts(spec["arguments"], "workflow", "in", everyone, None),
            reader.parts(status["outputs"], "workflow", "out", everyone, None),
            reader.parts(inputs, "node", "in", nodes.documents, nodes.ids),
            reader.parts(outputs, "node", "out", nodes.documents, nodes.ids),
            strict=True,
        )
        arguments = arguments_of(parameters[0], len(everyone))
        images = TemplateImages(
            nodes,
            document,
            arguments,
            lambda rows: self._parts.templates(documents.text(rows)),
            inputs_of(inputs, parameters[2]),
        )
        conditions, structs = explode(status["conditions"])
        condition_columns = members(structs)
        vectors.suspect(condition_columns["type"].is_null(), conditions)
        vectors.suspect(pc.match_substring_regex(condition_columns["status"], r"^[\[{]"), conditions)
        labels, label_names, label_values = explode_map(metadata["labels"])
        parts: dict[str, list[Part]] = {
            "images": [images.add_images()],
            "workflows": [(everyone, workflow_columns(document, nodes, arguments))],
            "nodes": [(nodes.documents, nodes.columns)],
            "parameters": list(parameters),
            "artifacts": list(artifacts),
            "labels": [(labels, {"name": label_names, "value": label_values})],
            "conditions": [(conditions, condition_columns)],
            "raw": [(everyone, {"json": vectors.runs(documents.texts, documents.positions)})],
        }
        return assemble(self._export_id, documents.keys, metadata["name"], metadata["namespace"], parts)

    def _exactly(self, rows: pa.RecordBatch, chosen: np.ndarray, result: Flattened) -> None:
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
            some = _keys(rows).take(pa.array(good))
            parts = {
                spec.name: [(np.array(owners[spec.name], np.int64), columns_of(found[spec.name], spec))]
                for spec in WORKFLOW_TABLES
            }
            workflow = parts["workflows"][0][1]
            result.batches.append(
                assemble(self._export_id, some, workflow.pop("name"), workflow.pop("namespace"), parts)
            )
        if malformed:
            result.quarantined = pa.Table.from_pylist(malformed, QUARANTINE.schema).cast(physical_schema(QUARANTINE))


def _flattened(data: bytes) -> dict[str, list[dict[str, Any]]]:
    """See :func:`flatten_document`; whatever goes wrong, it is the document's fault."""
    try:
        return flatten_document(data)
    except _UNFORESEEN as error:
        raise Malformed(f"cannot be flattened: {type(error).__name__}: {error}"[:500]) from error


def _as_text(json: pa.LargeBinaryArray, left: np.ndarray) -> pa.LargeStringArray:
    """The documents as text; those that are no UTF-8 leave ``left`` and become empty."""
    try:
        return json.cast(pa.large_string())
    except pa.ArrowInvalid:
        texts: list[str | None] = []
        for row, data in enumerate(json.to_pylist()):
            try:
                texts.append(data.decode("utf-8"))
            except UnicodeDecodeError:
                texts.append("")
                left[row] = False
        return pa.array(texts, pa.large_string())


def _keys(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Everything but the JSON, of which only the size is kept."""
    size = pc.binary_length(rows.column("json")).cast(INT)
    return rows.drop_columns(["json"]).append_column("json_bytes", size)


def _key(rows: pa.RecordBatch, row: int) -> dict[str, Any]:
    """The columns of ``quarantine`` that come from the source's own columns."""
    key = {name: rows.column(name)[row].as_py() for name in rows.schema.names if name != "json"}
    key["source_revision"] = key.pop("revision")
    return key
