"""The generator's archives: alike a real one in size and variety, and the same every time."""

from __future__ import annotations

import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from oracle import expected_rows
from oracle_values import KINDS, fnv32a

from kubectl_argo_archive.demo.argo_schema import ArchiveRow
from kubectl_argo_archive.demo.workflows import END, generate, generate_json, generate_rows

NODE_TYPES = {
    "Pod", "Steps", "StepGroup", "DAG", "TaskGroup", "Retry", "Skipped", "Suspend", "HTTP", "Plugin", "Container",
}  # fmt: skip


@pytest.fixture(scope="module")
def rows() -> list[ArchiveRow]:
    return list(generate_rows(1000, seed=1))


@pytest.fixture(scope="module")
def documents(workflows: list[ArchiveRow]) -> list[dict[str, Any]]:
    return [json.loads(row.json) for row in workflows]


def nodes_of(documents: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for document in documents:
        yield from (document["status"].get("nodes") or {}).values()


def test_sizes_are_those_of_a_real_archive(rows: list[ArchiveRow]) -> None:
    counts = sorted(len(re.findall('"displayName":', row.json)) for row in rows)
    assert 60_000 < sum(len(row.json.encode()) for row in rows) / len(rows) < 78_000
    assert 12.0 < sum(len(row.labels) for row in rows) / len(rows) < 13.2
    assert counts[0] == 0
    assert counts[len(counts) // 2] < 30
    assert counts[-1] > 1000


def test_it_compresses_like_a_real_archive(rows: list[ArchiveRow]) -> None:
    text = "".join(row.json for row in rows[::10]).encode()
    assert 0.06 < len(zlib.compress(text, 6)) / len(text) < 0.16


def test_a_smaller_mean_is_possible() -> None:
    sizes = [len(text) for text in generate_json(200, seed=1, mean_json_bytes=35_000)]
    assert sum(sizes) / len(sizes) < 50_000


def test_the_same_seed_gives_the_same_archive() -> None:
    whole = list(generate_json(60, seed=7))
    assert whole == list(generate_json(60, seed=7))
    assert whole[20:40] == list(generate_json(20, seed=7, first=20, total=60))
    assert whole != list(generate_json(60, seed=8))
    assert [json.loads(text) for text in whole] == list(generate(60, seed=7))


def test_rows_say_what_their_json_says(workflows: list[ArchiveRow]) -> None:
    assert [ArchiveRow.of(row.json) for row in workflows] == workflows


def test_uids_and_times(rows: list[ArchiveRow]) -> None:
    assert len({row.uid for row in rows}) == len(rows)
    assert all(earlier.created_at <= later.created_at for earlier, later in pairwise(rows))
    assert all(row.created_at <= row.started_at <= row.finished_at for row in rows)
    assert rows[-1].created_at <= END
    assert len({row.started_at.strftime("%Y-%m") for row in rows}) >= 6


def test_every_type_and_phase_occurs(documents: list[dict[str, Any]]) -> None:
    nodes = list(nodes_of(documents))
    assert {node["type"] for node in nodes} == NODE_TYPES
    phases = {"Succeeded", "Failed", "Error", "Skipped", "Omitted", "Running", "Pending"}
    assert {node["phase"] for node in nodes} == phases
    assert {document["status"]["phase"] for document in documents} == {"Succeeded", "Failed", "Error"}
    messages = " ".join({node.get("message", "") for node in nodes})
    for word in ("exit code 137", "deadline", "low on resource", "deleted", "evaluated false", "omitted", "No more"):
        assert word in messages


def test_every_kind_of_artifact_occurs(documents: list[dict[str, Any]]) -> None:
    kinds: Counter[str] = Counter()
    for node in nodes_of(documents):
        for direction in ("inputs", "outputs"):
            for artifact in (node.get(direction) or {}).get("artifacts") or []:
                kinds.update(kind for kind in KINDS if kind in artifact)
    assert set(kinds) == set(KINDS)
    assert kinds["s3"] > 0.7 * kinds.total()


def test_every_feature_occurs(workflows: list[ArchiveRow], documents: list[dict[str, Any]]) -> None:
    text = "\n".join(row.json for row in workflows)
    for word in (
        '"memoizationStatus":{"hit":true', '"daemoned":true', '"nodeFlag":{"hooked":true}',
        '"nodeFlag":{"retried":true}', '"templateRef":', '"clusterScope":true', '"storedTemplates":',
        '"storedWorkflowTemplateSpec":', '"workflowTemplateRef":', '"initContainers":', '"sidecars":',
        '"containerSet":', '"inline":', "{{inputs.parameters.image}}", "{{workflow.parameters.release}}",
        '"managedFields":', '"ownerReferences":', '/pod-name-format":"v1"', '/pod-name-format":"v2"',
        "scheduled-time", "last-applied-configuration", '"synchronizationStatus":{"waiting"',
        '"synchronization":', '"shutdown":', '"failedPodRestarts":', '"nvidia.com/gpu":', '"nvidia.com/mig-1g.5gb":',
        '"ephemeral-storage":', '"accessKeySecret":', "main-logs", "compile-logs", '"globalName":', '"MetricsError"',
        "\\u0000", "\\u003cb\\u003e", "日本語", "🚀", '"value":1.10', '"value":123456789012345678901234567890',
        '"value":true', '"value":null', '"value":{', '"value":[', '"default":',
    ):  # fmt: skip
        assert word in text
    assert "@@" not in text
    without_nodes = [document for document in documents if "nodes" not in document["status"]]
    assert all("not found" in d["status"]["message"] or "invalid spec" in d["status"]["message"] for d in without_nodes)
    assert without_nodes


def test_node_ids_are_argos(documents: list[dict[str, Any]]) -> None:
    for document in documents[:60]:
        name = document["metadata"]["name"]
        for node_id, node in (document["status"].get("nodes") or {}).items():
            assert node["id"] == node_id
            assert node_id == (name if node["name"] == name else f"{name}-{fnv32a(node['name'])}")


def test_the_graph_holds_together(documents: list[dict[str, Any]]) -> None:
    for document in documents:
        nodes = document["status"].get("nodes") or {}
        listed = {child for node in nodes.values() for child in node.get("children") or []}
        name = document["metadata"]["name"]
        roots = {
            node_id
            for node_id, node in nodes.items()
            if node["name"] in (name, f"{name}.onExit", f"{name}.hooks.running")
        }
        assert listed <= set(nodes)
        assert set(nodes) - listed == roots
        assert {node["boundaryID"] for node in nodes.values() if "boundaryID" in node} <= set(nodes)
        for node in nodes.values():
            assert len(set(node.get("children") or [])) == len(node.get("children") or [])


def test_the_pods_that_ran_have_images_and_their_logs_lie_under_their_names(workflows: list[ArchiveRow]) -> None:
    for row in workflows:
        tables = expected_rows(row.json, "default", row.uid)
        images = {
            node["node_id"]: node["image"] for node in tables["nodes"] if node["type"] == "Pod" and not node["memoized"]
        }
        data_templates = {node["node_id"] for node in tables["nodes"] if node["template_name"] == "listing"}
        assert {node_id for node_id, image in images.items() if image is None} == data_templates & set(images)
        pods = {node["node_id"]: node["pod_name"] for node in tables["nodes"]}
        for artifact in tables["artifacts"]:
            if artifact["name"].endswith("-logs") and pods[artifact["node_id"]]:
                assert f"{pods[artifact['node_id']]}/" in artifact["key"]
