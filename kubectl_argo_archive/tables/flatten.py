"""Batches of archived rows to Arrow tables: the vectorised path, with the exact one behind it.

Every document is parsed once, in DuckDB; the rest is Arrow and NumPy on whole columns. A document that the
vectorised path is not sure about goes to :mod:`kubectl_argo_archive.tables.rowwise`; one that is malformed
goes to the table ``quarantine``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kubectl_argo_archive.argo import names
from kubectl_argo_archive.argo.templates import Template
from kubectl_argo_archive.tables import vectors
from kubectl_argo_archive.tables.arguments import Part, argument_parts, inputs_of
from kubectl_argo_archive.tables.document import Malformed
from kubectl_argo_archive.tables.nodes import TemplateImages, node_columns
from kubectl_argo_archive.tables.parse import DocumentParser, explode, explode_map, members
from kubectl_argo_archive.tables.rowwise import flatten_document, inline_templates
from kubectl_argo_archive.tables.schema import BY_NAME, INT, QUARANTINE, SMALL, TEXT, WORKFLOW_TABLES, TableSpec
from kubectl_argo_archive.tables.suspects import wrong_types

_REPEATED = {"cluster", "uid", "namespace", "workflow", "export_id", "scope", "direction", "value_type"}
FEW = 2
"""So few documents are not worth a vectorised pass of their own."""
NO_MONTH = "__HIVE_DEFAULT_PARTITION__"
"""The month of a workflow that never finished, as Hive and Delta spell a null partition."""


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
    """Flattens batches on one thread.

    Args:
        export_id: written into every row.
        since: leave out workflows that finished before.
        until: leave out workflows that finished at or after.
    """

    def __init__(self, export_id: str, *, since: datetime | None = None, until: datetime | None = None) -> None:
        self._export_id = pa.array([export_id])
        self._since, self._until = since, until
        self._parser = DocumentParser()

    def close(self) -> None:
        """Give the parser's memory back."""
        self._parser.close()

    def flatten(self, rows: pa.RecordBatch) -> Flattened:
        """Flatten rows of ``ROW_SCHEMA`` (see ``archive``) with one more column, ``version`` (int32)."""
        result = Flattened([])
        readable = np.ones(len(rows), bool)
        texts = _as_text(rows.column("json"), readable)
        keys = _keys(rows)
        odd, odd_values = wrong_types(texts)
        exactly = ~readable | odd
        if odd_values.sum() <= FEW:
            exactly |= odd_values
        for mask, typed in ((~exactly & ~odd_values, False), (~exactly & odd_values, True)):
            chosen = np.flatnonzero(mask)
            exactly[chosen[self._together(*_only(mask, keys, texts), result, typed=typed)]] = True
        self._exactly(rows, np.flatnonzero(exactly), result)
        return result

    def _together(
        self, rows: pa.RecordBatch, texts: pa.LargeStringArray, result: Flattened, *, typed: bool
    ) -> np.ndarray:
        """The vectorised path; returns the indices of the documents that it gave up.

        Args:
            typed: parameters may hold values that are not strings, which costs a little more.
        """
        left = np.ones(len(rows), bool)
        parsed = self._parse(texts, left, typed=typed) if len(rows) else None
        while left.any():
            try:
                batch = self._vectorised(*_only(left, rows, texts, parsed), result, typed)
            except vectors.Suspicious as suspicious:
                left[np.flatnonzero(left)[suspicious.documents]] = False
                continue
            if batch is not None:
                result.batches.append(batch)
            break
        return np.flatnonzero(~left)

    def _parse(self, texts: pa.LargeStringArray, left: np.ndarray, *, typed: bool) -> pa.StructArray:
        """Parse documents; those that are not JSON leave ``left``."""
        parsed = self._parser.parse(texts, typed=typed)
        if parsed is None:
            left &= self._parser.valid(texts)
            parsed = self._parser.parse(pc.if_else(pa.array(left), texts, pa.scalar(None, texts.type)), typed=typed)
        if parsed is None:
            left[:] = False
        return parsed

    def _vectorised(
        self, rows: pa.RecordBatch, texts: pa.LargeStringArray, parsed: pa.StructArray, result: Flattened, typed: bool
    ) -> FlatBatch | None:
        document = {name: members(part) for name, part in members(parsed).items()}
        everyone = np.arange(len(rows))
        metadata, status = document["metadata"], document["status"]
        elsewhere = pc.or_(status["compressedNodes"].is_valid(), status["offloadNodeStatusVersion"].is_valid())
        for odd in (
            pc.and_(status["phase"].is_null(), status["nodes"].is_null()),
            metadata["name"].is_null(),
            metadata["labels"].is_null(),
            pc.and_(status["nodes"].is_null(), elsewhere),
        ):
            vectors.suspect(odd, everyone)
        wanted = self._wanted(vectors.times(status["finishedAt"], everyone))
        if wanted is None or all(wanted):
            return self._build(rows, texts, parsed, typed)
        mask = np.array(wanted)
        batch = self._build(*_only(mask, rows, texts, parsed), typed) if mask.any() else None
        result.skipped += len(rows) - int(mask.sum())
        return batch

    def _wanted(self, finished: pa.TimestampArray) -> list[bool] | None:
        if self._since is None and self._until is None:
            return None
        return [self._in_period(value) for value in finished.to_pylist()]

    def _in_period(self, finished: datetime | None) -> bool:
        if self._since is None and self._until is None:
            return True
        return finished is not None and not (
            (self._since is not None and finished < self._since) or (self._until is not None and finished >= self._until)
        )

    def _build(
        self, rows: pa.RecordBatch, texts: pa.LargeStringArray, parsed: pa.StructArray, typed: bool
    ) -> FlatBatch:
        document = {name: members(part) for name, part in members(parsed).items()}
        metadata, spec, status = document["metadata"], document["spec"], document["status"]
        count = len(rows)
        everyone = np.arange(count)
        nodes = node_columns(status["nodes"], metadata["name"], metadata["annotations"])
        how = {"typed": typed, "location_parts": self._parser.location_parts}
        parameters, artifacts = zip(
            argument_parts(spec["arguments"], "workflow", "in", everyone, None, **how),
            argument_parts(status["outputs"], "workflow", "out", everyone, None, **how),
            argument_parts(nodes.fields["inputs"], "node", "in", nodes.documents, nodes.ids, **how),
            argument_parts(nodes.fields["outputs"], "node", "out", nodes.documents, nodes.ids, **how),
            strict=True,
        )
        arguments = _arguments_of(parameters[0], count)
        inputs = inputs_of(nodes.fields["inputs"], parameters[2])
        images = TemplateImages(nodes, document, arguments, lambda i: inline_templates(texts[i].as_py()), inputs).add_images()
        conditions, structs = explode(status["conditions"])
        vectors.suspect(members(structs)["type"].is_null(), conditions)
        labels, label_names, label_values = explode_map(metadata["labels"])
        image_documents = np.array(images.pop("document"), np.int64)
        image_types = {c.name: c.type for c in BY_NAME["images"].columns}
        parts: dict[str, list[Part]] = {
            "workflows": [(everyone, _workflow_columns(document, nodes.documents, nodes.columns, nodes.retries, arguments))],
            "nodes": [(nodes.documents, nodes.columns)],
            "parameters": list(parameters),
            "artifacts": list(artifacts),
            "labels": [(labels, {"name": label_names, "value": label_values})],
            "conditions": [(conditions, members(structs))],
            "images": [(image_documents, {name: pa.array(v, image_types[name]) for name, v in images.items()})],
            "raw": [(everyone, {"json": texts.cast(TEXT) if texts.nbytes < 2**31 else texts})],
        }  # fmt: skip
        return self._assemble(rows, metadata["name"], metadata["namespace"], parts)

    def _assemble(
        self, rows: pa.RecordBatch, name: pa.StringArray, namespace: pa.StringArray, parts: dict[str, list[Part]]
    ) -> FlatBatch:
        """Add the columns that name the workflow, in the order and types of the tables."""
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
                    "export_id": vectors.dictionary(self._export_id, np.zeros(len(documents), np.int32)),
                }
                for field in schema:
                    if field.name in columns or field.name in known:
                        continue
                    values = repeated[field.name]
                    is_dictionary = pa.types.is_dictionary(field.type)
                    known[field.name] = vectors.dictionary(values, documents) if is_dictionary else values.take(pa.array(documents))
                ordered = [_typed(columns.get(field.name, known.get(field.name)), field.type) for field in schema]
                pieces.append(pa.Table.from_arrays(ordered, schema=schema))
            # a copy: as long as one column of DuckDB's answer lives, all of it does
            whole = pa.concat_tables(pieces).unify_dictionaries().combine_chunks()
            copied = len(pieces) > 1 or spec.name == "raw"
            tables[spec.name] = whole if copied else whole.take(_all(len(whole)))
            owners[spec.name] = np.concatenate([documents for documents, _ in parts[spec.name]])
        months = pc.strftime(workflows["finished_at"], "%Y-%m").to_pylist()
        return FlatBatch(tables, owners, [month or NO_MONTH for month in months])

    def _exactly(self, rows: pa.RecordBatch, chosen: np.ndarray, result: Flattened) -> None:
        """The exact path, document by document."""
        good: list[int] = []
        found: dict[str, list[dict[str, Any]]] = {spec.name: [] for spec in WORKFLOW_TABLES}
        owners: dict[str, list[int]] = {spec.name: [] for spec in WORKFLOW_TABLES}
        malformed: list[dict[str, Any]] = []
        for row in chosen.tolist():
            data = rows.column("json")[row].as_py()
            try:
                document = flatten_document(data)
            except Malformed as reason:
                malformed.append({**_key(rows, row), "reason": str(reason), "json": data.decode("utf-8", "replace"),
                                  "json_bytes": len(data), "export_id": self._export_id[0].as_py()})  # fmt: skip
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
                spec.name: [(np.array(owners[spec.name], np.int64), _columns_of(found[spec.name], spec))]
                for spec in WORKFLOW_TABLES
            }
            workflow = parts["workflows"][0][1]
            result.batches.append(self._assemble(some, workflow.pop("name"), workflow.pop("namespace"), parts))
        if malformed:
            result.quarantined = pa.Table.from_pylist(malformed, QUARANTINE.schema).cast(physical_schema(QUARANTINE))


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


def _only(left: np.ndarray, *arrays: Any) -> list[Any]:
    """The elements of all arrays that are ``left``."""
    return list(arrays) if left.all() else [array.filter(pa.array(left)) for array in arrays]


def _key(rows: pa.RecordBatch, row: int) -> dict[str, Any]:
    """The columns of ``quarantine`` that come from the source's own columns."""
    key = {name: rows.column(name)[row].as_py() for name in rows.schema.names if name != "json"}
    key["source_revision"] = key.pop("revision")
    return key


def _columns_of(items: list[dict[str, Any]], spec: TableSpec) -> dict[str, pa.Array]:
    """The columns that the exact path computed, of the table's types."""
    computed = items[0].keys() if items else {c.name for c in spec.columns} - {"cluster", "uid", "version", "export_id", "namespace", "workflow"}  # fmt: skip
    types = {c.name: c.type for c in spec.columns}
    return {
        name: pa.array([_mapped(item[name], types[name]) for item in items], types[name])
        for name in computed
        if name in types
    }


def _mapped(value: Any, type_: pa.DataType) -> Any:
    return list(value.items()) if pa.types.is_map(type_) and value is not None else value


def _all(count: int) -> pa.Array:
    return pa.array(np.arange(count))


def _typed(array: pa.Array, type_: pa.DataType) -> pa.Array:
    return array if array.type.equals(type_) else array.cast(type_)


def _arguments_of(part: Part, count: int) -> list[dict[str, str | None]]:
    """``spec.arguments.parameters`` of each document as a dictionary."""
    documents, columns = part
    found: list[dict[str, str | None]] = [{} for _ in range(count)]
    for document, name, value in zip(
        documents.tolist(), columns["name"].to_pylist(), columns["value"].to_pylist(), strict=True
    ):
        found[document][name] = value
    return found


def _workflow_columns(
    document: dict[str, dict[str, pa.Array]],
    owners: np.ndarray,
    nodes: dict[str, pa.Array],
    retries: np.ndarray,
    arguments: list[dict[str, str | None]],
) -> dict[str, pa.Array]:
    metadata, spec, status = document["metadata"], document["spec"], document["status"]
    stored = members(status["storedWorkflowTemplateSpec"])
    count = len(retries)
    everyone = np.arange(count)
    label, annotation = _lookup(metadata["labels"]), _lookup(metadata["annotations"])
    reference = members(spec["workflowTemplateRef"])
    referred = pc.and_(reference["name"].is_valid(), pc.not_equal(pc.fill_null(reference["name"], ""), ""))
    clustered = vectors.flags(reference["clusterScope"])
    nothing = pa.scalar(None, TEXT)

    def template(mine: pa.BooleanArray, name: str) -> pa.Array:
        return pc.if_else(referred, pc.if_else(mine, reference["name"], nothing), label(name))

    def first(name: str) -> pa.Array:
        return pc.coalesce(spec[name], stored[name])

    def count_nodes(mask: pa.BooleanArray) -> pa.Array:
        return pa.array(np.bincount(owners[vectors.truth(mask)], minlength=count), SMALL)

    started, finished = vectors.times(status["startedAt"], everyone), vectors.times(status["finishedAt"], everyone)
    cron = label(names.LABEL_CRON_WORKFLOW)
    return {
        "generate_name": metadata["generateName"],
        "phase": status["phase"],
        "created_at": vectors.times(metadata["creationTimestamp"], everyone),
        "started_at": started,
        "finished_at": finished,
        "duration_s": vectors.seconds(started, finished),
        "message": status["message"],
        "progress": status["progress"],
        "entrypoint": first("entrypoint"),
        "service_account": first("serviceAccountName"),
        "workflow_template": template(pc.invert(clustered), names.LABEL_WORKFLOW_TEMPLATE),
        "cluster_workflow_template": template(clustered, names.LABEL_CLUSTER_WORKFLOW_TEMPLATE),
        "cron_workflow": pc.if_else(pc.equal(cron, "").fill_null(True), _cron_owner(metadata["ownerReferences"]), cron),
        "scheduled_at": vectors.times(annotation(names.ANNOTATION_SCHEDULED_TIME), everyone),
        "creator": label(names.LABEL_CREATOR),
        "creator_email": label(names.LABEL_CREATOR_EMAIL),
        "actor": label(names.LABEL_ACTOR),
        "action": label(names.LABEL_ACTION),
        "resubmitted_from": label(names.LABEL_RESUBMITTED_FROM),
        "shutdown": spec["shutdown"],
        "priority": vectors.integers(first("priority"), SMALL, everyone),
        "parallelism": vectors.integers(first("parallelism"), INT, everyone),
        "node_count": pa.array(np.bincount(owners, minlength=count), SMALL),
        "pod_count": count_nodes(pc.equal(nodes["type"], "Pod")),
        "retry_count": pa.array(retries, SMALL),
        "failed_node_count": count_nodes(pc.is_in(nodes["phase"], value_set=pa.array(names.FAILED_PHASES))),
        **vectors.resources(status["resourcesDuration"], everyone),
        "estimated_duration_s": vectors.integers(status["estimatedDuration"], INT, everyone),
        "labels": metadata["labels"],
        "annotations": metadata["annotations"],
        "parameters": pa.array([list(mine.items()) for mine in arguments], BY_NAME["workflows"].schema.field("parameters").type),
    }  # fmt: skip


def _lookup(array: pa.MapArray) -> Any:
    """A function from a key to its value in each map."""
    owner, keys, values = explode_map(array)

    def find(name: str) -> pa.Array:
        mine = vectors.truth(pc.equal(keys, name))
        return vectors.scatter(len(array), owner[mine], values.filter(pa.array(mine)))

    return find


def _cron_owner(owners: pa.ListArray) -> pa.Array:
    """The name of the first owner that is a CronWorkflow."""
    rows, structs = explode(owners)
    fields = members(structs)
    cron = vectors.truth(pc.equal(fields["kind"], "CronWorkflow"))
    rows, found = rows[cron], fields["name"].filter(pa.array(cron))
    _, first = np.unique(rows, return_index=True)
    return vectors.scatter(len(owners), rows[first], found.take(pa.array(first)))
