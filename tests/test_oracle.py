"""The referee itself, against rows that were worked out by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from oracle import expected_rows
from oracle_values import compact, fnv32a, parse, split_image, time

MIXED = (Path(__file__).parent / "data" / "mixed.json").read_text(encoding="utf-8")

Row = dict[str, Any]


@pytest.fixture(scope="module")
def rows() -> dict[str, list[Row]]:
    return expected_rows(MIXED, "prod", "u-1", instance_id="i", version=2, export_id="e", source_revision="r")


def nodes(rows: dict[str, list[Row]], *columns: str) -> dict[str, Any]:
    """Some columns of every node, by id; one column without a tuple."""
    found = {row["node_id"]: tuple(row[column] for column in columns) for row in rows["nodes"]}
    return {node_id: values[0] if len(columns) == 1 else values for node_id, values in found.items()}


def test_workflow_row(rows: dict[str, list[Row]]) -> None:
    assert rows["workflows"] == [
        {
            "cluster": "prod", "uid": "u-1", "version": 2, "instance_id": "i", "export_id": "e", "source_revision": "r",
            "name": "wf", "generate_name": "w", "namespace": "data", "phase": "Failed",
            "created_at": datetime(2026, 3, 1, 2, 0, tzinfo=UTC),
            "started_at": datetime(2026, 3, 1, 2, 0, 1, 123456, tzinfo=UTC),
            "finished_at": datetime(2026, 3, 1, 2, 0, 3, tzinfo=UTC),
            "duration_s": 1.876544,
            "message": "", "progress": "1/2", "entrypoint": "main", "service_account": "argo",
            "workflow_template": None, "cluster_workflow_template": "etl", "cron_workflow": "nightly",
            "scheduled_at": datetime(2026, 3, 1, 2, 0, tzinfo=UTC),
            "creator": "alice", "creator_email": None, "actor": None, "action": None, "resubmitted_from": None,
            "shutdown": "Stop", "priority": 7, "parallelism": None,
            "node_count": 12, "pod_count": 7, "retry_count": 1, "failed_node_count": 4,
            "cpu_s": 12.0, "memory_mib_s": 3400.0, "gpu_s": 7.0,
            "resources_duration": {"cpu": 12, "memory": 34, "nvidia.com/gpu": 5, "nvidia.com/mig-1g.5gb": 2},
            "estimated_duration_s": 90,
            "labels": {
                "team": "risk",
                "workflows.argoproj.io/creator": "alice",
                "workflows.argoproj.io/workflow-template": "from-label",
            },
            "annotations": {
                "workflows.argoproj.io/pod-name-format": "v2",
                "workflows.argoproj.io/scheduled-time": "2026-03-01T02:00:00Z",
            },
            "parameters": {
                "n": "1.10", "big": "123456789012345678901234567890", "yes": "true", "nothing": None, "absent": None,
                "empty": "", "o": '{"b":[1.0,"é\\n",null],"a":{}}', "tag": "3.12",
            },
            "json_bytes": len(MIXED.encode()),
        }
    ]  # fmt: skip


def test_one_node_in_full(rows: dict[str, list[Row]]) -> None:
    assert rows["nodes"][2] == {
        "cluster": "prod", "uid": "u-1", "version": 2, "namespace": "data", "workflow": "wf", "export_id": "e",
        "node_id": "wf-2", "name": "foo(0)", "display_name": "foo(0)", "type": "Pod", "template_name": "run",
        "template_ref": None, "template_scope": "local/wf", "boundary_id": "wf", "parent_ids": ["wf-1"], "children": [],
        "phase": "Failed", "message": "Error (exit code 137)", "created_at": None,
        "started_at": datetime(2026, 3, 1, 2, 0, 1, tzinfo=UTC),
        "finished_at": datetime(2026, 3, 1, 2, 1, 31, tzinfo=UTC),
        "duration_s": 90.0, "exit_code": 137, "retry_attempt": 0, "host": "h1",
        "pod_name": f"wf-run-{fnv32a('foo(0)')}", "image": "python:3.12",
        "cpu_s": 3.0, "memory_mib_s": None, "gpu_s": 0.0, "resources_duration": {"cpu": 3},
        "estimated_duration_s": None, "progress": None, "memoized": False, "memo_key": None, "memo_cache": None,
        "daemoned": False, "hooked": False, "outputs_result": None, "sync_waiting": None, "failed_pod_restarts": None,
        "pod_ip": "10.0.0.1",
    }  # fmt: skip


def test_graph_and_attempts(rows: dict[str, list[Row]]) -> None:
    assert nodes(rows, "retry_attempt") == {node: {"wf-2": 0, "wf-3": 1}.get(node) for node in nodes(rows, "name")}
    assert nodes(rows, "parent_ids")["wf-5"] == ["wf-3", "wf-11"]
    assert nodes(rows, "children")["wf-11"] == ["wf-5", "wf-5"]
    assert nodes(rows, "parent_ids")["wf"] == []


def test_times_and_flags(rows: dict[str, list[Row]]) -> None:
    assert nodes(rows, "started_at", "finished_at", "duration_s")["wf-3"] == (None, None, None)
    assert nodes(rows, "finished_at", "duration_s")["wf"] == (None, None)
    assert nodes(rows, "memoized", "memo_key", "memo_cache")["wf-7"] == (True, "k", "c")
    assert nodes(rows, "memoized", "memo_key")["wf-8"] == (False, "k2")
    assert nodes(rows, "hooked", "sync_waiting", "exit_code")["wf-11"] == (True, "data/Mutex/m", 143)
    assert nodes(rows, "daemoned", "outputs_result", "template_ref")["wf-5"] == (True, "42", "tools/run")
    assert nodes(rows, "failed_pod_restarts", "cpu_s", "gpu_s")["wf-3"] == (1, None, None)


def test_pod_names(rows: dict[str, list[Row]]) -> None:
    names = nodes(rows, "pod_name")
    assert names["wf-5"] == "wf-run-3214735720"  # 0xbf9cf968: the published FNV-1a of "foobar"
    assert names["wf-6"] == f"wf-{fnv32a('wf[0].lint(0:a)')}"
    assert [node for node, name in names.items() if name is None] == ["wf", "wf-1", "wf-4", "wf-7", "wf-10", "wf-9"]


def test_pod_names_without_annotation() -> None:
    document = json.loads(MIXED)
    assert document["metadata"].pop("annotations")
    names = nodes(expected_rows(json.dumps(document), "c", "u"), "pod_name")
    assert (names["wf-2"], names["wf-6"]) == ("wf-2", "wf-6")

    logs = document["status"]["nodes"]["wf-2"]["outputs"]["artifacts"][0]
    logs["s3"]["key"] = f"a/wf-run-{fnv32a('foo(0)')}/main.log"
    names = nodes(expected_rows(json.dumps(document), "c", "u"), "pod_name")
    assert names["wf-5"] == "wf-run-3214735720"

    document["metadata"]["annotations"] = {"workflows.argoproj.io/pod-name-format": "v1"}
    assert nodes(expected_rows(json.dumps(document), "c", "u"), "pod_name")["wf-5"] == "wf-5"


def test_pod_names_of_a_single_pod_and_of_a_long_one() -> None:
    pod = {"name": "w" * 200, "type": "Pod", "templateName": "t" * 100}
    document = {
        "metadata": {"name": "w" * 200, "annotations": {"workflows.argoproj.io/pod-name-format": "v2"}},
        "status": {"nodes": {"a": pod, "b": {**pod, "name": "foobar"}}},
    }
    names = nodes(expected_rows(json.dumps(document), "c", "u"), "pod_name")
    assert names == {"a": "w" * 200, "b": "w" * 200 + "-" + "t" * 41 + "-3214735720"}


def test_images_of_nodes(rows: dict[str, list[Row]]) -> None:
    images = {node: image for node, image in nodes(rows, "image").items() if image is not None}
    assert images == {
        "wf-2": "python:3.12",
        "wf-3": "python:3.12",
        "wf-5": "reg:5000/x/{{inputs.parameters.no}}",
        "wf-6": "lint",
        "wf-8": "two",
        "wf-10": "one:1",
        "wf-11": "only:2",
    }


def test_images(rows: dict[str, list[Row]]) -> None:
    columns = ("template_name", "container", "role", "image", "repository", "tag", "digest", "pod_count")
    assert [tuple(row[column] for column in columns) for row in rows["images"]] == [
        ("run", "main", "main", "python:3.12", "python", "3.12", None, 2),
        ("run", "init", "init", "localhost:5000/a/b", "localhost:5000/a/b", None, None, 2),
        ("run", "db", "sidecar", "pg@sha256:ab", "pg", None, "sha256:ab", 2),
        ("run", "db2", "sidecar", "r.io:1/pg:16@sha256:cd", "r.io:1/pg", "16", "sha256:cd", 2),
        ("run", "main", "main", "reg:5000/x/{{inputs.parameters.no}}", "reg:5000/x/{{inputs.parameters.no}}",
         None, None, 1),
        (None, "main", "main", "lint", "lint", None, None, 1),
        ("set", "one", "main", "one:1", "one", "1", None, 1),
        ("set", "main", "main", "two", "two", None, None, 1),
        ("only", "main", "main", "only:2", "only", "2", None, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("image", "repository", "tag", "digest"),
    [
        ("alpine", "alpine", None, None),
        ("localhost:5000/a/b", "localhost:5000/a/b", None, None),
        ("localhost:5000/a/b:1", "localhost:5000/a/b", "1", None),
        ("a@sha256:0", "a", None, "sha256:0"),
        ("a:1@sha256:0", "a", "1", "sha256:0"),
    ],
)
def test_split_image(image: str, repository: str, tag: str | None, digest: str | None) -> None:
    assert split_image(image) == {"repository": repository, "tag": tag, "digest": digest}


def test_parameters(rows: dict[str, list[Row]]) -> None:
    columns = (
        "scope",
        "direction",
        "node_id",
        "name",
        "value",
        "value_type",
        "default_value",
        "value_from",
        "global_name",
    )
    nothing = (None, None, None)
    assert [tuple(row[column] for column in columns) for row in rows["parameters"]] == [
        ("workflow", "in", None, "n", "1.10", "number", *nothing),
        ("workflow", "in", None, "big", "123456789012345678901234567890", "number", *nothing),
        ("workflow", "in", None, "yes", "true", "boolean", *nothing),
        ("workflow", "in", None, "nothing", None, None, *nothing),
        ("workflow", "in", None, "absent", None, None, *nothing),
        ("workflow", "in", None, "empty", "", "string", *nothing),
        ("workflow", "in", None, "o", '{"b":[1.0,"é\\n",null],"a":{}}', "object", "5e-3", None, None),
        ("workflow", "in", None, "tag", "3.12", "string", None, '{"path":"/t","default":"x"}', "g"),
        ("workflow", "out", None, "total", "9", "string", *nothing),
        ("node", "in", "wf-5", "image", "reg:5000/x", "string", *nothing),
    ]  # fmt: skip


def test_artifacts(rows: dict[str, list[Row]]) -> None:
    columns = ("scope", "direction", "node_id", "name", "path", "kind", "bucket", "key", "location", "optional")
    assert [tuple(row[column] for column in columns) for row in rows["artifacts"]] == [
        ("workflow", "in", None, "up", None, "s3", "b", "k", None, True),
        ("node", "out", "wf-2", "main-logs", None, "s3", None, "wf/wf-2/main.log", None, False),
        ("node", "out", "wf-2", "az", "/az", "azure", "c", "d/e", '{"container":"c","blob":"d/e","n":1.50}', False),
        ("node", "out", "wf-2", "raw", None, "raw", None, None, '{"data":"x"}', False),
        ("node", "out", "wf-2", "none", None, None, None, None, None, False),
    ]  # fmt: skip
    assert [row["deleted"] for row in rows["artifacts"]] == [False, False, True, False, False]
    assert rows["artifacts"][0]["from_expression"] == "{{inputs.artifacts.x}}"


def test_the_small_tables(rows: dict[str, list[Row]]) -> None:
    assert [(row["name"], row["value"]) for row in rows["labels"]] == list(rows["workflows"][0]["labels"].items())
    assert [(row["type"], row["status"], row["message"]) for row in rows["conditions"]] == [("Completed", "True", None)]
    assert rows["raw"] == [{"cluster": "prod", "uid": "u-1", "version": 2, "export_id": "e", "json": MIXED}]


def test_a_document_with_nothing_in_it() -> None:
    rows = expected_rows("{}", "c", "u", name="n", namespace="s", phase="Error")
    (workflow,) = rows["workflows"]
    assert (workflow["name"], workflow["namespace"], workflow["phase"]) == ("n", "s", "Error")
    zeroes = {"node_count": 0, "pod_count": 0, "retry_count": 0, "failed_node_count": 0, "parameters": {}}
    assert {column: workflow[column] for column in zeroes} == zeroes
    assert workflow["labels"] is workflow["cpu_s"] is workflow["gpu_s"] is workflow["duration_s"] is None
    assert all(not found for table, found in rows.items() if table not in ("workflows", "raw"))


def test_workflow_templates() -> None:
    def templates(spec: Row) -> tuple[str | None, str | None]:
        labels = {
            "workflows.argoproj.io/workflow-template": "a",
            "workflows.argoproj.io/cluster-workflow-template": "b",
        }
        text = json.dumps({"metadata": {"labels": labels}, "spec": spec})
        (row,) = expected_rows(text, "c", "u")["workflows"]
        return row["workflow_template"], row["cluster_workflow_template"]

    assert templates({}) == ("a", "b")
    assert templates({"workflowTemplateRef": {"name": "t"}}) == ("t", None)
    assert templates({"workflowTemplateRef": {"name": "t", "clusterScope": True}}) == (None, "t")


def test_the_nul_marker_is_restored() -> None:
    text = '{"spec":{"arguments":{"parameters":[{"name":"p","value":"aARGO_POSTGRES_NULL_REPLACEMENTb"}]}}}'
    rows = expected_rows(text, "c", "u")
    assert rows["parameters"][0]["value"] == "a\0b"
    assert rows["raw"][0]["json"].endswith('"value":"a\\u0000b"}]}}}')
    assert rows["workflows"][0]["json_bytes"] == len(text)


def test_nodes_from_elsewhere() -> None:
    rows = expected_rows('{"status":{}}', "c", "u", nodes_text='{"x":{"name":"x","type":"Pod"}}')
    assert rows["workflows"][0]["pod_count"] == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("0001-01-01T00:00:00Z", None),
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.1Z", datetime(2026, 1, 2, 3, 4, 5, 100_000, tzinfo=UTC)),
        ("2026-01-02T03:04:05.999999999-03:30", datetime(2026, 1, 2, 6, 34, 5, 999_999, tzinfo=UTC)),
    ],
)
def test_time(text: str | None, expected: datetime | None) -> None:
    assert time(text) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2026-01-02", "2026-01-02T03:04:05", "2026-13-01T00:00:00Z"])
def test_no_time(text: str) -> None:
    with pytest.raises(ValueError):
        time(text)


@pytest.mark.parametrize(
    "text", ['{"b":1.10,"a":[1e3,-0,{}],"c":"é\\"\\\\/\\n\\u0000"}', "[]", "null", "12345678901234567890"]
)
def test_compact_keeps_the_text(text: str) -> None:
    assert compact(parse(text)) == text
