"""Part 2: the lake's bytes against the JSON's and the database's."""

from __future__ import annotations

from typing import Any

from bench.context import Bench, disk_bytes
from bench.database import LABELS, TABLE
from bench.report import Table, megabytes, percent
from kubectl_argo_archive.tables.schema import TABLES


def measure(bench: Bench) -> dict[str, Any]:
    """Bytes of each table of the lake, logs included, and of the source."""
    bench.say("size")
    lake = bench.lake
    return {
        "rows": bench.archive.rows,
        "json_bytes": bench.archive.json_bytes,
        "relations": bench.archive.relation_bytes(),
        "lake_bytes": disk_bytes(lake),
        "lake": {
            spec.name: {
                "data": sum(disk_bytes(file) for file in (lake / spec.name).rglob("*.parquet")),
                "files": len(list((lake / spec.name).rglob("*.parquet"))),
                "log": disk_bytes(lake / spec.name / "_delta_log"),
            }
            for spec in TABLES
        },
    }


def tables(result: dict[str, Any]) -> list[Table]:
    """Sizes and shares."""
    json_bytes, database = result["json_bytes"], sum(result["relations"].values())

    def row(name: str, size: int, files: str = "") -> list[str]:
        return [name, files, megabytes(size), percent(size / json_bytes), percent(size / database)]

    lake = [
        row(f"lake: {name}", part["data"] + part["log"], str(part["files"])) for name, part in result["lake"].items()
    ]
    rows = [
        row("JSON as text", json_bytes),
        row(f"Postgres: {TABLE}", result["relations"][TABLE]),
        row(f"Postgres: {LABELS}", result["relations"][LABELS]),
        *lake,
        row("the whole lake", result["lake_bytes"], str(sum(part["files"] for part in result["lake"].values()))),
    ]
    mean = json_bytes / max(result["rows"], 1)
    note = (
        f"{result['rows']:,} workflows of {mean:,.0f} bytes of JSON on average. Postgres: with indexes and compressed "
        "long values. Lake: data files and Delta logs, raw JSON included."
    )
    return [Table("Size", ("What", "files", "size", "of the JSON", "of Postgres"), rows, note)]
