"""Memory: bounded however large the archive, and one enormous workflow still passes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from fixtures.lakes import read, result_of
from fixtures.servers import ArchiveDb

from kubectl_argo_archive.demo.argo_schema import ArchiveRow, load_archive
from kubectl_argo_archive.demo.workflows import generate_rows


def exported(uri: str, lake: Path) -> dict[str, Any]:
    """The result of an export in a process of its own, whose memory nobody else uses."""
    command = [
        sys.executable,
        "-m",
        "kubectl_argo_archive",
        "export",
        "--source",
        uri,
        "--lake",
        str(lake),
        "-o",
        "json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return result_of(done.stdout)


def many(workflows: list[ArchiveRow], first: int, count: int) -> Iterator[ArchiveRow]:
    """As many workflows as are wanted, each with a uid of its own."""
    for n in range(first, first + count):
        row = workflows[n % len(workflows)]
        uid = f"{n:08}{row.uid[8:]}"
        yield replace(row, uid=uid, json=row.json.replace(row.uid, uid))


def test_memory_is_flat_when_the_archive_doubles(archive_db: ArchiveDb, tmp_path: Path) -> None:
    count, results = 1_000, []
    uri, workflows = archive_db(), list(generate_rows(200, seed=9))
    for part in range(2):
        load_archive(uri, many(workflows, part * count, count), analyze=False)
        results.append(exported(uri, tmp_path / f"lake-{part}"))
    small, large = results
    assert large["json_bytes"] > 1.8 * small["json_bytes"] > 100e6
    assert large["peak_memory_bytes"] < 1.25 * small["peak_memory_bytes"]


NODE = (
    '"big-{n}":{{"id":"big-{n}","name":"big[0].work({n}:x)","displayName":"work({n}:x)","type":"Pod",'
    '"templateName":"work","templateScope":"local/big","phase":"Succeeded","boundaryID":"big-0",'
    '"startedAt":"2026-03-01T02:00:05Z","finishedAt":"2026-03-01T02:00:50Z","progress":"1/1",'
    '"resourcesDuration":{{"cpu":{cpu},"memory":12}},"inputs":{{"parameters":[{{"name":"item","value":"number {n}"}}]}},'  # noqa: E501
    '"outputs":{{"exitCode":"0","artifacts":[{{"name":"main-logs","s3":{{"key":"big/big-work-{n}/main.log"}}}}]}},'
    '"message":"{filler}","hostNodeName":"ip-10-0-3-7"}}'
)
SHELL = (
    '{{"metadata":{{"name":"big","namespace":"ns","uid":"big","labels":{{}}}},'
    '"spec":{{"templates":[{{"name":"work","container":{{"image":"python:3.12"}}}}]}},"status":{{"phase":"Succeeded",'
    '"startedAt":"2026-03-01T02:00:05Z","finishedAt":"2026-03-01T03:00:50Z","nodes":{{{nodes}}}}}}}'
)


def test_a_workflow_of_two_hundred_megabytes_passes(
    archive_db: ArchiveDb, tmp_path: Path, workflows: list[ArchiveRow]
) -> None:
    count = 200_000
    nodes = ",".join(NODE.format(n=n, cpu=n % 100, filler="x" * 480) for n in range(count))
    text = SHELL.format(nodes=nodes)
    assert len(text) > 200e6
    big = ArchiveRow("big", "big", "ns", "Succeeded", None, None, None, {}, text)
    uri = archive_db(59, [*workflows[:3], big, *workflows[3:6]])
    result = exported(uri, tmp_path / "lake")
    assert (result["new"], result["quarantined"]) == (7, 0)
    found = read(tmp_path / "lake", "nodes", uids=["big"])
    assert len(found) == count
    assert pc.sum(found["cpu_s"]).as_py() == sum(n % 100 for n in range(count))
    assert pc.sum(found["duration_s"]).as_py() == 45 * count
    assert pc.count_distinct(found["pod_name"]).as_py() == count
    assert pc.unique(found["image"]).to_pylist() == ["python:3.12"]
    assert read(tmp_path / "lake", "raw", uids=["big"])["json"].to_pylist() == [text]
    assert read(tmp_path / "lake", "images", uids=["big"])["pod_count"].to_pylist() == [count]
    assert len(read(tmp_path / "lake", "parameters", uids=["big"])) == count
