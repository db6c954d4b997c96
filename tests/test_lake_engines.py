"""The lake is open: engines that know nothing of us read it, and find what helps them to skip data."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import duckdb_extension_delta
import duckdb_extension_httpfs
import polars as pl
import psycopg
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from fixtures.lakes import export_to
from fixtures.servers import S3, ArchiveDb

from kubectl_argo_archive.connect import open_lake
from kubectl_argo_archive.demo.argo_schema import ArchiveRow, archive_workflow, load_archive
from kubectl_argo_archive.storage.filesystem import Storage
from kubectl_argo_archive.tables.schema import BY_NAME, TABLES

SUMS = {
    "workflows": ("json_bytes", "node_count", "duration_s", "version"),
    "nodes": ("duration_s", "cpu_s", "memory_mib_s", "exit_code"),
    "images": ("pod_count",),
    "exports": ("new", "seq"),
}

Answer = dict[str, tuple[float, ...]]


def with_deltalake(storage: Storage) -> Answer:
    found = {}
    for spec in TABLES:
        table = DeltaTable(storage.url(spec.name), storage_options=storage.delta_options())
        data = table.to_pyarrow_dataset().to_table(columns=list(SUMS.get(spec.name, ("uid",))))
        found[spec.name] = (len(data), *(pc.sum(data[c]).as_py() for c in SUMS.get(spec.name, ())))
    return found


def with_polars(storage: Storage) -> Answer:
    found = {}
    options = {name: value for name, value in storage.delta_options().items() if name.startswith("aws_")}
    for spec in TABLES:
        frame = pl.scan_delta(storage.url(spec.name), storage_options=options or None)
        sums = [pl.col(c).sum().alias(c) for c in SUMS.get(spec.name, ())]
        (found[spec.name],) = frame.select(pl.len(), *sums).collect().rows()
    return found


def with_duckdb(storage: Storage) -> Answer:
    with connected(storage) as connection:
        return {
            spec.name: connection.execute(
                f"select {', '.join(['count(*)', *(f'sum({c})' for c in SUMS.get(spec.name, ()))])}"
                f" from delta_scan('{storage.url(spec.name)}')"
            ).fetchone()
            or ()
            for spec in TABLES
        }


def connected(storage: Storage | None = None) -> duckdb.DuckDBPyConnection:
    """DuckDB with the extensions of the wheels: nothing is downloaded."""
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true", "autoinstall_known_extensions": "false"})
    for module in (duckdb_extension_httpfs, duckdb_extension_delta):
        (extension,) = Path(module.__file__).parent.rglob("*.duckdb_extension")
        connection.execute(f"load '{extension}'")
    secret = storage.duckdb_secret() if storage else None
    if secret is not None:
        parameters = ", ".join(f"{name} '{value}'" for name, value in secret.items())
        connection.execute(f"create secret (type s3, {parameters})")
    return connection


ENGINES: dict[str, Callable[[Storage], Answer]] = {
    "deltalake": with_deltalake,
    "polars": with_polars,
    "duckdb": with_duckdb,
}


def grow(uri: str, lake: str, workflows: list[ArchiveRow]) -> None:
    """Two exports: the second one finds new, changed, unfinished and deleted workflows."""
    workflows = workflows[::3]
    load_archive(uri, workflows[:60])
    export_to(lake, uri)
    load_archive(uri, workflows[60:80])
    changed, unfinished = (json.loads(row.json) for row in workflows[:2])
    finished = datetime.fromisoformat(changed["status"]["finishedAt"]) + timedelta(hours=1, microseconds=1)
    changed["status"]["finishedAt"] = finished.isoformat()
    del unfinished["status"]["finishedAt"]
    with psycopg.connect(uri) as connection:
        archive_workflow(connection.cursor(), changed)
        archive_workflow(connection.cursor(), unfinished)
        connection.execute("delete from argo_archived_workflows where uid = %s", (workflows[5].uid,))
    result = export_to(lake, uri)
    assert (result.new, result.changed, result.deleted) == (20, 2, 1)


@pytest.fixture(params=["folder", "s3"])
def storage(
    request: pytest.FixtureRequest, archive_db: ArchiveDb, tmp_path: Path, workflows: list[ArchiveRow]
) -> Storage:
    """A lake of two exports, in a folder and in S3."""
    where = str(tmp_path / "lake")
    if request.param == "s3":
        s3: S3 = request.getfixturevalue("s3_environment")
        where = s3.url
    grow(archive_db(), where, workflows)
    return open_lake(where).storage


def test_all_engines_find_the_same(storage: Storage) -> None:
    answers = {name: ask(storage) for name, ask in ENGINES.items()}
    assert answers["polars"].keys() == {spec.name for spec in TABLES}
    assert answers["deltalake"]["workflows"][0] == 82
    assert answers["deltalake"]["exports"][0] == 2
    for name, found in answers.items():
        for table, numbers in found.items():
            assert numbers == pytest.approx(answers["deltalake"][table], rel=1e-12), (name, table)


@pytest.fixture
def lake(archive_db: ArchiveDb, tmp_path: Path, workflows: list[ArchiveRow]) -> Path:
    """The same lake in a folder."""
    grow(archive_db(), str(tmp_path / "lake"), workflows)
    return tmp_path / "lake"


def test_columns_have_the_types_that_are_promised(lake: Path) -> None:
    with connected() as connection:
        for spec in TABLES:
            described = connection.execute(f"describe select * from delta_scan('{lake / spec.name}')").fetchall()
            types = {name: kind for name, kind, *_ in described}
            assert list(types) == [c.name for c in spec.columns] + (["month"] if spec.by_month else [])
            for column in spec.columns:
                if str(column.type) == "timestamp[us, tz=UTC]":
                    assert types[column.name] == "TIMESTAMP WITH TIME ZONE"
                if str(column.type).startswith("map"):
                    assert types[column.name].startswith("MAP(VARCHAR, ")


def test_the_month_of_the_finish_is_the_partition(lake: Path) -> None:
    workflows = (
        DeltaTable(str(lake / "workflows"))
        .to_pyarrow_dataset()
        .to_table(columns=["uid", "version", "finished_at", "month"])
    )
    finished = {}
    for row in workflows.to_pylist():
        assert row["month"] == (f"{row['finished_at']:%Y-%m}" if row["finished_at"] else None)
        finished[row["uid"], row["version"]] = row["month"]
    assert None in finished.values()
    assert len(set(finished.values())) > 5
    for spec in TABLES:
        table = DeltaTable(str(lake / spec.name))
        assert table.metadata().partition_columns == (["month"] if spec.by_month else [])
        for row in (
            table.to_pyarrow_dataset().to_table(columns=["uid", "version", "month"]).to_pylist()
            if spec.by_month
            else ()
        ):
            assert row["month"] == finished[row["uid"], row["version"]]
    march = DeltaTable(str(lake / "nodes")).file_uris(file_pruning_predicate="month = '2026-03'")
    assert march
    assert all("/month=2026-03/" in uri for uri in march)


def added(table: DeltaTable) -> list[dict[str, Any]]:
    """What the log says of the data files."""
    actions: list[dict[str, Any]] = pl.DataFrame(table.get_add_actions(flatten=True)).to_dicts()
    return actions


def test_statistics_in_the_log_are_true(lake: Path) -> None:
    for spec in TABLES:
        for action in added(DeltaTable(str(lake / spec.name))):
            data = pq.read_table(lake / spec.name / action["path"], partitioning=None)
            assert action["num_records"] == len(data)
            assert action["size_bytes"] == (lake / spec.name / action["path"]).stat().st_size
            bounds = {name.partition(".")[2] for name in action if name.startswith("min.")}
            assert {"cluster", "uid"} & set(data.column_names) <= bounds
            for name in bounds - {"month"}:
                low, high, nulls = (action.get(f"{kind}.{name}") for kind in ("min", "max", "null_count"))
                assert nulls in (None, data[name].null_count)
                actual = pc.min_max(data[name]).as_py()
                if low is not None and actual["min"] is not None:
                    assert low <= actual["min"]
                    assert high >= actual["max"]
                    if isinstance(low, datetime):
                        assert high - actual["max"] < timedelta(milliseconds=1)
                        assert actual["min"] - low < timedelta(milliseconds=1)
                    else:
                        assert (low, high) == (actual["min"], actual["max"])


def test_statistics_skip_files(lake: Path) -> None:
    table = DeltaTable(str(lake / "nodes")).to_pyarrow_dataset()
    everything = list(table.get_fragments())
    middle = datetime(2026, 4, 1, tzinfo=UTC)
    late, early = (
        list(table.get_fragments(c)) for c in (pc.field("started_at") >= middle, pc.field("started_at") < middle)
    )
    assert 0 < len(late) < len(everything)
    assert 0 < len(early) < len(everything)
    assert list(table.get_fragments(pc.field("uid") == "~")) == []


def test_files_are_compressed_and_have_bloom_filters(lake: Path) -> None:
    with connected() as connection:
        for spec in TABLES:
            for action in added(DeltaTable(str(lake / spec.name))):
                file = lake / spec.name / action["path"]
                columns = connection.execute(
                    "select path_in_schema, compression, bloom_filter_offset from parquet_metadata(?)", [str(file)]
                ).fetchall()
                plain = {name for name, compression, _ in columns if compression == "UNCOMPRESSED"}
                assert plain == set(spec.repeated), spec.name
                assert {compression for _, compression, _ in columns} <= {"ZSTD", "UNCOMPRESSED"}
                filtered = {name for name, _, offset in columns if offset is not None}
                assert filtered == set(spec.bloom), spec.name
                for name in spec.bloom:
                    value = next(
                        (v for v in pq.read_table(file, columns=[name])[name].to_pylist() if v is not None), None
                    )
                    probe = f"select bool_or(not bloom_filter_excludes) from parquet_bloom_probe('{file}', '{name}', ?)"
                    assert value is None or connection.execute(probe, [value]).fetchone() == (True,)
                    misses = [connection.execute(probe, [f"absent-{n}"]).fetchone() for n in range(40)]
                    assert misses.count((True,)) < 10
    assert BY_NAME["nodes"].bloom == ("uid", "node_id")
