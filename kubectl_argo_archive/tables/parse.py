"""JSON documents to nested Arrow, parsed once, in DuckDB.

Every scalar is asked for as text, because DuckDB turns a scalar of another type into text but silently into
NULL when it asks for a number or a time; casts are made in Arrow, which refuses what it cannot cast.
"""

from __future__ import annotations

import json

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kubectl_argo_archive.argo.names import ARTIFACT_KINDS


def _struct(*texts: str, **nested: str) -> str:
    members = [f'"{name}" VARCHAR' for name in texts] + [f'"{name}" {type_}' for name, type_ in nested.items()]
    return f"STRUCT({', '.join(members)})"


_PARAMETER = _struct("name", "value", "default", "valueFrom", "globalName")
_ARTIFACT = _struct(
    "name", "path", "globalName", "from", "fromExpression", "subPath", "optional", "deleted",
    *ARTIFACT_KINDS[1:],  # kinds other than s3 are rare: as JSON text, read row by row
    s3=_struct("bucket", "key"),
)  # fmt: skip
_ARGUMENTS = _struct(parameters=_PARAMETER + "[]", artifacts=_ARTIFACT + "[]")
_CONTAINERS = _struct("name", "image") + "[]"
_TEMPLATE = _struct(
    "name",
    container=_struct("image"),
    script=_struct("image"),
    containerSet=_struct(containers=_CONTAINERS),
    initContainers=_CONTAINERS,
    sidecars=_CONTAINERS,
)
_NODE = _struct(
    "name", "displayName", "type", "templateName", "templateScope", "boundaryID", "phase", "message", "createdAt",
    "startedAt", "finishedAt", "hostNodeName", "podIP", "progress", "estimatedDuration", "daemoned",
    "failedPodRestarts",
    templateRef=_struct("name", "template", "clusterScope"),
    resourcesDuration="MAP(VARCHAR, VARCHAR)",
    children="VARCHAR[]",
    inputs=_ARGUMENTS,
    outputs=_struct("result", "exitCode", parameters=_PARAMETER + "[]", artifacts=_ARTIFACT + "[]"),
    memoizationStatus=_struct("hit", "key", "cacheName"),
    synchronizationStatus=_struct("waiting"),
    nodeFlag=_struct("hooked"),
)  # fmt: skip
_SPEC = ("entrypoint", "serviceAccountName", "priority", "parallelism")
_DOCUMENT = {
    "metadata": _struct(
        "name", "generateName", "namespace", "creationTimestamp",
        labels="MAP(VARCHAR, VARCHAR)",
        annotations="MAP(VARCHAR, VARCHAR)",
        ownerReferences=_struct("kind", "name") + "[]",
    ),
    "spec": _struct(
        *_SPEC, "shutdown",
        workflowTemplateRef=_struct("name", "clusterScope"),
        arguments=_ARGUMENTS,
        templates=_TEMPLATE + "[]",
    ),
    "status": _struct(
        "phase", "startedAt", "finishedAt", "message", "progress", "estimatedDuration",
        "compressedNodes", "offloadNodeStatusVersion",
        resourcesDuration="MAP(VARCHAR, VARCHAR)",
        conditions=_struct("type", "status", "message") + "[]",
        outputs=_ARGUMENTS,
        storedTemplates=f"MAP(VARCHAR, {_TEMPLATE})",
        storedWorkflowTemplateSpec=_struct(*_SPEC, templates=_TEMPLATE + "[]"),
        nodes=f"MAP(VARCHAR, {_NODE})",
    ),
}  # fmt: skip


_TEMPLATES = json.dumps(
    {"spec": {"templates": "JSON"}, "status": {"storedTemplates": "JSON", "storedWorkflowTemplateSpec": "JSON"}}
)


class DocumentParser:
    """Parses batches of documents on one thread of its own DuckDB; not safe to share between threads."""

    def __init__(self) -> None:
        self._connection = duckdb.connect(":memory:")
        self._connection.execute("SET threads = 1")
        usual = json.dumps(_DOCUMENT)
        typed = usual.replace('\\"value\\" VARCHAR', '\\"value\\" JSON').replace(
            '\\"default\\" VARCHAR', '\\"default\\" JSON'
        )
        self._queries = {
            is_typed: f"SELECT from_json(json, '{structure}') AS document FROM documents"
            for is_typed, structure in ((False, usual), (True, typed))
        }

    def close(self) -> None:
        """Give the parser's memory back."""
        self._connection.close()

    def parse(self, texts: pa.LargeStringArray, *, typed: bool = False) -> pa.StructArray | None:
        """One struct per document, or None if some document is not JSON (see :meth:`valid`).

        Args:
            texts: documents; null gives null.
            typed: values and defaults of parameters come as JSON text, which tells a string from a number.
        """
        try:
            parsed = self._run(self._queries[typed], texts)
        except duckdb.Error:
            return None
        return parsed.column("document").combine_chunks()

    def templates(self, texts: pa.LargeStringArray) -> list[dict[str, dict[str, str | None]]]:
        """For each document its templates, as JSON text by member of ``spec`` and ``status``."""
        parsed = self._run(f"SELECT from_json(json, '{_TEMPLATES}') AS part FROM documents", texts)
        found: list[dict[str, dict[str, str | None]]] = parsed.column("part").to_pylist()
        return found

    def valid(self, texts: pa.LargeStringArray) -> np.ndarray:
        """Which documents are JSON, one by one."""
        parsed = self._run("SELECT coalesce(json_valid(json), false) AS valid FROM documents", texts)
        return np.array(parsed.column("valid").to_pylist(), bool)

    def _run(self, query: str, texts: pa.LargeStringArray) -> pa.Table:
        cursor = self._connection.cursor()
        try:
            cursor.register("documents", pa.table({"json": texts}))
            # a relation goes straight to Arrow; execute() would collect the answer first, which costs twice as much
            return cursor.sql(query).to_arrow_table()
        finally:
            cursor.close()


def members(array: pa.StructArray) -> dict[str, pa.Array]:
    """The members of a struct array by name, null where the struct is null."""
    return {array.type.field(i).name: child for i, child in enumerate(array.flatten())}


def explode(array: pa.Array) -> tuple[np.ndarray, pa.Array]:
    """The elements of a list array and, for each, the index of its list."""
    return (
        pc.list_parent_indices(array).to_numpy(zero_copy_only=False),
        pc.list_flatten(array),
    )


def explode_map(array: pa.MapArray) -> tuple[np.ndarray, pa.Array, pa.Array]:
    """The keys and values of a map array and, for each, the index of its map."""
    offsets = array.offsets.to_numpy()
    parents = np.repeat(np.arange(len(array)), np.diff(offsets))
    first, count = int(offsets[0]), int(offsets[-1] - offsets[0])
    return parents, array.keys.slice(first, count), array.items.slice(first, count)
