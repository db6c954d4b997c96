"""The views over generated workflows, exported for real, against plain Python over their JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from kubectl_argo_archive.archive.workflow_archive import Selection
from kubectl_argo_archive.connect import open_lake, open_source
from kubectl_argo_archive.demo.workflows import generate_json
from kubectl_argo_archive.export.pipeline import export
from kubectl_argo_archive.query.session import Session, open_session

Json = dict[str, Any]
BROKEN = ("Failed", "Error")


@pytest.fixture(scope="module")
def documents() -> list[Json]:
    return [json.loads(text) for text in generate_json(250, seed=7)]


@pytest.fixture(scope="module")
def session(documents: list[Json], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("generated")
    (folder / "dump.ndjson").write_text("".join(f"{json.dumps(document)}\n" for document in documents))
    lake = open_lake(str(folder / "lake"))
    export(open_source(str(folder / "dump.ndjson")), lake, Selection())
    with open_session(lake.snapshot(None), s3=lake.storage) as opened:
        yield opened


def ask(session: Session, sql: str) -> list[tuple[Any, ...]]:
    return [row for rows in session.run(sql).rows() for row in rows]


def at(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None


def nodes(document: Json) -> dict[str, Json]:
    found: dict[str, Json] = document["status"].get("nodes") or {}
    return found


def retry_of(node: Json, all_nodes: dict[str, Json]) -> Json | None:
    """The Retry node of which ``node`` is an attempt."""
    for parent in all_nodes.values():
        if parent["type"] == "Retry" and node["id"] in parent.get("children", []):
            rest = node["name"].removeprefix(parent["name"])
            if rest != node["name"] and rest[0] == "(" and rest[1:-1].isdigit():
                return parent
    return None


def is_hook(node: Json) -> bool:
    flags = node.get("nodeFlag") or {}
    name = node["name"]
    return bool(flags.get("hooked")) or any(part in f"{name}." for part in (".onExit.", ".onExit[", ".hooks."))


def tolerated(node: Json, all_nodes: dict[str, Json]) -> bool:
    """Whether something around the node succeeded nevertheless."""
    seen = set()
    while node["id"] not in seen:
        seen.add(node["id"])
        around = retry_of(node, all_nodes) or all_nodes.get(node.get("boundaryID", ""))
        if around is None:
            return False
        if around["phase"] in ("Succeeded", "Skipped", "Omitted"):
            return True
        node = around
    return False


def blamed(document: Json) -> str | None:
    every = nodes(document)
    failed = {key: node for key, node in every.items() if node.get("phase") in BROKEN}
    leaves = [
        node
        for node in failed.values()
        if not any(
            child in failed and failed[child]["type"] != "Container" and not is_hook(failed[child])
            for child in node.get("children", [])
        )
        and not tolerated(node, every)
    ]
    order = sorted(leaves, key=lambda n: (is_hook(n), n["type"] != "Pod", at(n.get("finishedAt")) or 1e99,
                                          at(n.get("startedAt")) or 1e99, n["id"]))  # fmt: skip
    return order[0]["id"] if order else None


def test_failures(session: Session, documents: list[Json]) -> None:
    expected = {d["metadata"]["uid"]: blamed(d) for d in documents if d["status"]["phase"] in BROKEN}
    assert len(expected) > 20
    assert sum(node is not None for node in expected.values()) > 15
    assert dict(ask(session, "select uid, node_id from failures")) == expected


def test_retries(session: Session, documents: list[Json]) -> None:
    expected = {}
    for document in documents:
        every = nodes(document)
        for node in every.values():
            if node["type"] == "Retry":
                attempts = [
                    every[c] for c in node.get("children", []) if c in every and retry_of(every[c], every) is node
                ]
                failed = [a for a in attempts if a["phase"] in BROKEN]
                wasted = sum(
                    (at(a["finishedAt"]) or 0) - (at(a["startedAt"]) or 0) for a in failed if a.get("finishedAt")
                )
                cpu = sum((a.get("resourcesDuration") or {}).get("cpu", 0) for a in failed)
                key = (document["metadata"]["uid"], node["id"])
                expected[key] = (len(attempts), len(failed), wasted, cpu, node["phase"] == "Succeeded")
    assert len(expected) > 100
    sql = "select uid, node_id, attempts, failed_attempts, wasted_s, wasted_cpu_s, succeeded from retries"
    assert {row[:2]: row[2:] for row in ask(session, sql)} == expected


def test_gaps(session: Session, documents: list[Json]) -> None:
    expected = {}
    for document in documents:
        status = document["status"]
        start, end = at(status.get("startedAt")), at(status.get("finishedAt"))
        if start is None or end is None:
            continue
        busy = set()
        for node in nodes(document).values():
            low, high = at(node.get("startedAt")), at(node.get("finishedAt")) or end
            if node["type"] == "Pod" and low is not None and not (node.get("memoizationStatus") or {}).get("hit"):
                busy.update(range(int(max(low, start)), int(min(high, end))))
        expected[document["metadata"]["uid"]] = (end - start, float(len(busy)))
    assert len(expected) > 200
    assert {row[0]: row[1:] for row in ask(session, "select uid, wall_s, busy_s from gaps")} == expected


def test_counts(session: Session, documents: list[Json]) -> None:
    phases = [document["status"]["phase"] for document in documents]
    assert ask(session, "select sum(runs), sum(succeeded), sum(failed), sum(errored) from templates") == [
        (len(phases), phases.count("Succeeded"), phases.count("Failed"), phases.count("Error"))
    ]
    cron = [d for d in documents if d["metadata"].get("labels", {}).get("workflows.argoproj.io/cron-workflow")]
    assert ask(session, "select count(*) from cron_runs") == [(len(cron),)]
    unfinished = sum(
        node.get("phase") in ("Running", "Pending")
        for d in documents if d["status"]["phase"] in (*BROKEN, "Succeeded") for node in nodes(d).values()
    )  # fmt: skip
    assert ask(session, "select count(*) from data_quality where problem = 'node_unfinished'") == [(unfinished,)]
