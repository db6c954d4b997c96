"""Every cell of the lake against the referee: from a real Postgres, through the real export, read back by Delta."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from uuid import uuid4

import pytest
from fixtures.lakes import data_files, export_to, from_database, in_parallel, live_files, read, rows, wrong_cells
from fixtures.servers import ArchiveDb

from kubectl_argo_archive.demo.argo_schema import SCHEMA_VERSIONS, ArchiveRow, load_archive
from kubectl_argo_archive.demo.workflows import generate_rows

DATA = Path(__file__).parent / "data"
COUNT = 5_000
SHARE = 625
BYTES = 45_000


@pytest.fixture(scope="module")
def documents(request: pytest.FixtureRequest) -> dict[str, ArchiveRow]:
    """Hand-written workflows, and real ones where somebody has them."""
    found = {file.stem: ArchiveRow.of(file.read_text(encoding="utf-8")) for file in sorted(DATA.glob("*.json"))}
    with suppress(pytest.skip.Exception):
        found |= request.getfixturevalue("samples")
    return {name: replace(row, uid=f"document-{n}") for n, (name, row) in enumerate(found.items())}


def fill(uri: str, first: int, count: int) -> int:
    """Archive some of the generated workflows; runs in a process of its own."""
    made = generate_rows(count, seed=20, first=first, total=COUNT, mean_json_bytes=BYTES, nul=True)
    return load_archive(uri, made, analyze=False)


def check(uri: str, lake: str, uids: list[str], export_id: str) -> dict[str, list[str]]:
    """Hold some workflows against the referee; runs in a process of its own."""
    return wrong_cells(lake, from_database(uri, uids), export_id)


def shares(items: list[str]) -> Iterator[list[str]]:
    remaining = iter(items)
    while share := list(islice(remaining, SHARE)):
        yield share


def test_five_thousand_workflows(archive_db: ArchiveDb, tmp_path: Path) -> None:
    uri, lake = archive_db(), tmp_path / "lake"
    share = COUNT // (os.cpu_count() or 1)
    in_parallel(fill, [(uri, first, min(share, COUNT - first)) for first in range(0, COUNT, share)])
    result = export_to(lake, uri)
    assert (result.new, result.changed, result.quarantined, result.vanished) == (COUNT, 0, 0, 0)
    assert data_files(lake) == live_files(lake)
    uids = rows(lake, "workflows", "uid")
    assert len(set(uids)) == COUNT
    found = in_parallel(check, [(uri, str(lake), part, result.export_id) for part in shares(uids)])
    assert [wrong for wrong in found if wrong] == []
    for name, added in result.tables.items():
        assert added["rows"] == read(lake, name).num_rows
        assert added["bytes"] == sum((lake / file).stat().st_size for file in live_files(lake) if file.startswith(name))


@pytest.mark.parametrize("version", SCHEMA_VERSIONS)
def test_every_layout_of_the_database(
    archive_db: ArchiveDb, tmp_path: Path, workflows: list[ArchiveRow], documents: dict[str, ArchiveRow], version: int
) -> None:
    given = [*workflows[: 300 if version == SCHEMA_VERSIONS[0] else 40], *documents.values()]
    uri = archive_db(version, given, cluster="east", instance_id="blue")
    result = export_to(tmp_path / "lake", uri)
    assert (result.new, result.quarantined) == (len(given), 0)
    assert wrong_cells(tmp_path / "lake", from_database(uri), result.export_id) == {}


def test_small_batches_give_the_same_rows(archive_db: ArchiveDb, tmp_path: Path, workflows: list[ArchiveRow]) -> None:
    uri = archive_db(56, workflows[:60])
    result = export_to(tmp_path / "lake", uri, batch_bytes=1)
    assert result.new == 60
    assert wrong_cells(tmp_path / "lake", from_database(uri), result.export_id) == {}


def test_several_clusters_and_instances_keep_apart(
    archive_db: ArchiveDb, tmp_path: Path, workflows: list[ArchiveRow]
) -> None:
    uri = archive_db(68, workflows[:10], cluster="east")
    load_archive(uri, workflows[:10], cluster="west", instance_id="blue")
    load_archive(uri, workflows[10:20], cluster="west", instance_id="green")
    result = export_to(tmp_path / "lake", uri)
    assert result.new == 30
    archived = from_database(uri)
    assert {(row["cluster"], row["instance_id"]) for row in archived} == {
        ("east", ""),
        ("west", "blue"),
        ("west", "green"),
    }
    assert wrong_cells(tmp_path / "lake", archived, result.export_id) == {}


def test_a_file_gives_what_the_database_gives(
    archive_db: ArchiveDb, tmp_path: Path, workflows: list[ArchiveRow]
) -> None:
    uri, dump = archive_db(56, workflows[:80]), tmp_path / "dump.ndjson"
    dump.write_text("".join(f"{row.json}\n" for row in workflows[:80]), encoding="utf-8")
    own = {"export_id", "source_revision", "json_bytes"}  # the marker of NUL is longer than NUL
    export_to(tmp_path / "a", uri)
    export_to(tmp_path / "b", dump)
    for name in ("workflows", "nodes", "parameters", "artifacts", "labels", "conditions", "images", "raw"):
        kept = [column for column in read(tmp_path / "a", name).column_names if column not in own]
        assert rows(tmp_path / "a", name, *kept) == rows(tmp_path / "b", name, *kept), name


def test_uids_of_another_test_do_not_matter(archive_db: ArchiveDb, tmp_path: Path, workflows: list[ArchiveRow]) -> None:
    """The same documents under other uids: node ids and names repeat, rows do not mix."""
    twins = [replace(row, uid=str(uuid4())) for row in workflows[:30]]
    uri = archive_db(68, [*workflows[:30], *twins])
    result = export_to(tmp_path / "lake", uri)
    assert wrong_cells(tmp_path / "lake", from_database(uri), result.export_id) == {}
