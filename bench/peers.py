"""The other ways to read the archive, each a program of its own: ``python -m bench.peers WAY URI OUT``.

Each prints how many rows it read. The password comes from ``PGPASSWORD``.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

TABLE = "argo_archived_workflows"
COLUMNS = "clustername, uid, name, namespace, phase, startedat, finishedat, workflow::text as workflow"
BATCH_ROWS = 500
EXTENSION = "duckdb_extension_postgres_scanner"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Peer:
    """One way.

    Attributes:
        title: for people.
        does: what it does with the rows.
        module: what must be installed for it.
        work: does it, given URI and output file; returns the number of rows.
        writes: whether there is an output.
    """

    title: str
    does: str
    module: str
    work: Callable[[str, Path], int]
    writes: bool = False

    @property
    def installed(self) -> bool:
        """Whether it can run here."""
        return importlib.util.find_spec(self.module) is not None


def adbc(uri: str, out: Path) -> int:
    """ADBC: Arrow batches, dropped one after the other."""
    from adbc_driver_postgresql import dbapi  # type: ignore[import-untyped]

    with dbapi.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(f"select {COLUMNS} from {TABLE}")
        return sum(len(batch) for batch in cursor.fetch_record_batch())


def connectorx(uri: str, out: Path) -> int:
    """ConnectorX: Arrow batches, dropped one after the other; one stream, for partitions need a number to split by."""
    import connectorx as cx

    from bench.database import with_password

    query = f"select {COLUMNS} from {TABLE}"
    batches = cx.read_sql(with_password(uri), query, return_type="arrow_stream", batch_size=BATCH_ROWS)
    return sum(len(batch) for batch in batches)


def duckdb_copy(uri: str, out: Path) -> int:
    """DuckDB's postgres extension: the rows as they are, to one Parquet file."""
    import duckdb

    package = importlib.import_module(EXTENSION)
    folder = Path(str(package.__file__)).parent / "extensions" / f"v{duckdb.__version__}"
    con = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    con.execute(f"LOAD '{folder / 'postgres_scanner.duckdb_extension'}'")
    con.execute(f"ATTACH '{uri}' AS pg (TYPE postgres, READ_ONLY)")
    row = con.execute(f"COPY (SELECT * FROM pg.{TABLE}) TO '{out}' (FORMAT parquet, COMPRESSION zstd)").fetchone()
    return int(row[0]) if row else 0


def naive(uri: str, out: Path) -> int:
    """What everybody writes first: psycopg, json.loads, lists of dicts, pyarrow; three tables."""
    import psycopg
    import pyarrow as pa
    import pyarrow.parquet as pq

    out.mkdir(parents=True)
    writers: dict[str, pq.ParquetWriter] = {}
    count = 0
    with psycopg.connect(uri) as connection, connection.cursor("archive") as cursor:
        cursor.execute(f"select clustername, uid, workflow::text from {TABLE}".encode())
        while rows := cursor.fetchmany(BATCH_ROWS):
            count += len(rows)
            for name, found in _flatten(rows).items():
                table = pa.Table.from_pylist(found, _schemas()[name])
                if name not in writers:
                    writers[name] = pq.ParquetWriter(out / f"{name}.parquet", table.schema, compression="zstd")
                writers[name].write_table(table)
    for writer in writers.values():
        writer.close()
    return count


def _flatten(rows: list[tuple[str, str, str]]) -> dict[str, list[Json]]:
    tables: dict[str, list[Json]] = {"workflows": [], "nodes": [], "parameters": []}
    for cluster, uid, text in rows:
        workflow = json_loads(text)
        metadata, spec, status = workflow["metadata"], workflow.get("spec") or {}, workflow.get("status") or {}
        key = {"cluster": cluster, "uid": uid}
        used = status.get("resourcesDuration") or {}
        tables["workflows"].append({
            **key, "name": metadata.get("name"), "namespace": metadata.get("namespace"), "phase": status.get("phase"),
            "message": status.get("message"), "created_at": _time(metadata.get("creationTimestamp")),
            "started_at": _time(status.get("startedAt")), "finished_at": _time(status.get("finishedAt")),
            "cpu_s": used.get("cpu"), "memory": used.get("memory"),
            "labels": list((metadata.get("labels") or {}).items()),
        })  # fmt: skip
        tables["parameters"] += _parameters({**key, "node_id": None, "direction": "in"}, spec.get("arguments"))
        for node in (status.get("nodes") or {}).values():
            used = node.get("resourcesDuration") or {}
            tables["nodes"].append({
                **key, "node_id": node.get("id"), "name": node.get("name"), "display_name": node.get("displayName"),
                "type": node.get("type"), "template_name": node.get("templateName"), "phase": node.get("phase"),
                "message": node.get("message"), "started_at": _time(node.get("startedAt")),
                "finished_at": _time(node.get("finishedAt")), "host": node.get("hostNodeName"),
                "cpu_s": used.get("cpu"), "memory": used.get("memory"), "children": node.get("children") or [],
            })  # fmt: skip
            for direction in ("inputs", "outputs"):
                owner = {**key, "node_id": node.get("id"), "direction": direction.removesuffix("puts")}
                tables["parameters"] += _parameters(owner, node.get(direction))
    return tables


def _parameters(owner: Json, arguments: Json | None) -> Iterator[Json]:
    for parameter in (arguments or {}).get("parameters") or ():
        value = parameter.get("value")
        yield {**owner, "name": parameter["name"], "value": None if value is None else str(value)}


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def json_loads(text: str) -> Json:
    """A document."""
    import json

    document: Json = json.loads(text)
    return document


def _schemas() -> dict[str, Any]:
    import pyarrow as pa

    text, time, number = pa.string(), pa.timestamp("us", "UTC"), pa.int64()
    key = {"cluster": text, "uid": text}
    node = dict.fromkeys(("node_id", "name", "display_name", "type", "template_name", "phase", "message"), text)
    work = {"started_at": time, "finished_at": time, "cpu_s": number, "memory": number}
    workflow = {"name": text, "namespace": text, "phase": text, "message": text, "created_at": time}
    return {
        "workflows": pa.schema({**key, **workflow, **work, "labels": pa.map_(text, text)}),
        "nodes": pa.schema({**key, **node, **work, "host": text, "children": pa.list_(text)}),
        "parameters": pa.schema({**key, **dict.fromkeys(("node_id", "direction", "name", "value"), text)}),
    }


PEERS = {
    "adbc": Peer("ADBC → Arrow", "read only", "adbc_driver_postgresql", adbc),
    "connectorx": Peer("ConnectorX → Arrow", "read only", "connectorx", connectorx),
    "duckdb": Peer("DuckDB postgres extension", "rows as they are → 1 Parquet file", EXTENSION, duckdb_copy, True),
    "naive": Peer("naive psycopg + json + pyarrow", "3 tables → Parquet", "psycopg", naive, True),
}

if __name__ == "__main__":
    print(PEERS[sys.argv[1]].work(sys.argv[2], Path(sys.argv[3])))
