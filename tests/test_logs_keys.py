"""Where logs lie: recorded keys, stores of their own, and keys rebuilt as Argo makes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kubectl_argo_archive.argo.log_keys import (
    LogArtifact,
    LogClaim,
    LogStore,
    PodNode,
    WorkflowLogs,
    claims,
    container_of,
    render,
    store_of,
    workflow_values,
)
from kubectl_argo_archive.argo.pods import pod_name_v2

VALUES = workflow_values(
    "wf", "team-a", "u-1", datetime(2026, 3, 1, 2, 3, 4, tzinfo=UTC),
    labels={"team": "risk"}, annotations={"a/b": "c"}, parameters={"date": "2026-03-01", "none": None},
)  # fmt: skip
STORE = LogStore("s3", "logs", archive_logs=True)


def node(**more: Any) -> PodNode:
    return PodNode(**{"node_id": "wf-1", "name": "wf.load", "template_name": "load", "phase": "Succeeded",
                      "pod_name": "wf-load-1", **more})  # fmt: skip


def found(workflow: WorkflowLogs, pod: PodNode) -> list[tuple[str, str, bool]]:
    return [(claim.container, claim.key, claim.recorded) for claim in claims(workflow, pod)]


@pytest.mark.parametrize(
    ("artifact", "key", "container"),
    [
        ("main-logs", "wf/pod/main.log", "main"),
        ("main-logs", "wf/pod/main.log.gz", "main"),
        ("main-logs", "wf/pod/main.tgz", "main"),
        ("side-car-logs", "x/side-car.log", "side-car"),
        ("training-logs", "wf/training.csv", None),
        ("training-logs", "wf/main.log", None),
        ("-logs", "wf/.log", None),
        ("main-logs", None, None),
        ("main", "wf/main.log", None),
    ],
)
def test_a_log_is_told_from_an_artifact_that_is_called_like_one(
    artifact: str, key: str | None, container: str | None
) -> None:
    assert container_of(artifact, key) == container


def test_the_recorded_key_comes_first() -> None:
    pod = node(logs=[LogArtifact("main-logs", "s3", "odd/place/main.log"), LogArtifact("x-logs", "s3", "x.csv")])
    assert list(claims(WorkflowLogs(VALUES, STORE), pod)) == [
        LogClaim("wf-1", "main", STORE, "odd/place/main.log", True)
    ]


def test_an_artifact_with_a_bucket_of_its_own() -> None:
    pod = node(logs=[LogArtifact("main-logs", "s3", "k/main.log", bucket="old")])
    store = LogStore("s3", "logs", endpoint="minio:9000", insecure=True, archive_logs=True)
    (claim,) = claims(WorkflowLogs(VALUES, store), pod)
    assert claim.store == LogStore("s3", "old", endpoint="minio:9000", insecure=True)
    full = LogArtifact("main-logs", "s3", "k/main.log", "b", {"bucket": "b", "endpoint": "other:1", "insecure": True})
    (claim,) = claims(WorkflowLogs(VALUES, store), node(logs=[full]))
    assert claim.store is not None
    assert (claim.store.bucket, claim.store.endpoint) == ("b", "other:1")


def test_a_missing_record_is_rebuilt_for_both_formats_of_pod_names() -> None:
    pod = node(pod_name="")
    assert found(WorkflowLogs(VALUES, STORE), pod) == [
        ("main", f"wf/{pod_name_v2('wf', 'wf.load', 'load')}/main.log", False),
        ("main", "wf/wf-1/main.log", False),
    ]
    assert found(WorkflowLogs(VALUES, STORE), node())[0] == ("main", "wf/wf-load-1/main.log", False)


@pytest.mark.parametrize(
    "more",
    [{"memoized": True}, {"phase": "Skipped"}, {"phase": "Omitted"}, {"phase": "Pending"}, {"ran": False}],
    ids=str,
)
def test_nodes_that_ran_no_pod_have_no_log(more: dict[str, Any]) -> None:
    assert found(WorkflowLogs(VALUES, STORE), node(**more)) == []


@pytest.mark.parametrize(
    ("repository", "workflow", "location", "expected"),
    [
        (True, None, None, True), (True, False, {"archiveLogs": False}, True),
        (None, True, None, True), (None, None, None, False), (False, True, None, True),
        (None, True, {"archiveLogs": False}, False), (None, False, {"archiveLogs": True}, True),
        # a place of its own: only its own word counts
        (True, True, {"s3": {"bucket": "b", "key": "k"}}, False),
        (None, None, {"s3": {"bucket": "b", "key": "k"}, "archiveLogs": True}, True),
    ],
)  # fmt: skip
def test_whether_logs_were_to_be_archived(
    repository: bool | None, workflow: bool | None, location: dict[str, Any] | None, expected: bool
) -> None:
    template = {"name": "load", "container": {}} | ({"archiveLocation": location} if location else {})
    facts = WorkflowLogs(VALUES, LogStore("s3", "logs", archive_logs=repository), workflow, {"load": template})
    assert bool(found(facts, node())) is expected


def test_the_place_of_a_template() -> None:
    location = {"archiveLogs": True, "s3": {"bucket": "own", "endpoint": "e:1", "key": "{{workflow.uid}}/{{pod.name}}"}}
    facts = WorkflowLogs(VALUES, STORE, None, {"load": {"name": "load", "archiveLocation": location}})
    claim = next(iter(claims(facts, node())))
    assert claim.store is not None
    assert (claim.store.bucket, claim.store.endpoint, claim.key) == ("own", "e:1", "u-1/wf-load-1/main.log")
    recorded = node(logs=[LogArtifact("main-logs", "s3", "u-1/wf-load-1/main.log")])
    (claim,) = claims(facts, recorded)
    assert claim.store is not None
    assert claim.store.bucket == "own"


def test_templates_are_found_where_argo_finds_them() -> None:
    location = {"archiveLogs": True, "s3": {"bucket": "shared", "key": "k"}}
    stored = {"namespaced/lib/load": {"name": "load", "archiveLocation": location}}
    for pod in (
        node(template_name="", template_ref="lib/load"),
        node(template_scope="namespaced/lib"),
    ):
        claim = next(iter(claims(WorkflowLogs(VALUES, STORE, None, stored), pod)))
        assert claim.store is not None
        assert claim.store.bucket == "shared"


def test_all_containers_of_a_set_have_logs() -> None:
    template = {"name": "load", "containerSet": {"containers": [{"name": "a"}, {"name": "b"}]}}
    facts = WorkflowLogs(VALUES, STORE, None, {"load": template})
    assert {container for container, _, _ in found(facts, node())} == {"a", "b"}
    half = node(logs=[LogArtifact("a-logs", "s3", "p/a.log")])
    assert [(c, recorded) for c, _, recorded in found(facts, half)][:2] == [("a", True), ("b", False)]
    assert found(WorkflowLogs(VALUES, STORE), half) == [("a", "p/a.log", True)]


@pytest.mark.parametrize(
    ("pattern", "key"),
    [
        ("{{workflow.name}}/{{pod.name}}", "wf/p"),
        ("a/{{workflow.namespace}}/{{workflow.uid}}/{{pod.name}}", "a/team-a/u-1/p"),
        ("{{workflow.creationTimestamp.Y}}/{{workflow.creationTimestamp.m}}/{{workflow.creationTimestamp.d}}",
         "2026/03/01"),
        ("{{workflow.creationTimestamp.RFC3339}}/{{workflow.creationTimestamp.s}}", "2026-03-01T02:03:04Z/1772330584"),
        ("{{workflow.labels.team}}/{{workflow.annotations.a/b}}/{{workflow.parameters.date}}", "risk/c/2026-03-01"),
        ("{{workflow.parameters['date']}}", "2026-03-01"),
        ("{{ workflow.name }}", "wf"),
        ("{{workflow.parameters.unknown}}/x", None),
        ("fixed", "fixed"),
    ],
)  # fmt: skip
def test_placeholders(pattern: str, key: str | None) -> None:
    assert render(pattern, {**VALUES, "pod.name": "p"}) == key


def test_stores_of_every_kind() -> None:
    assert store_of({"azure": {"container": "c", "endpoint": "https://a.blob.core.windows.net"}}) == LogStore(
        "azure", "c", endpoint="https://a.blob.core.windows.net"
    )
    assert store_of({"gcs": {"bucket": "g", "keyFormat": "k"}}) == LogStore("gcs", "g", key_format="k")
    assert store_of({"s3": {"bucket": "b", "keyPrefix": "p/"}}) == LogStore(
        "s3", "b", key_format="p/{{workflow.name}}/{{pod.name}}"
    )
    both = store_of({"s3": {"bucket": "b"}, "gcs": {"bucket": "g"}, "archiveLogs": True})
    assert both == LogStore("gcs", "g", archive_logs=True)
    secret = {"serverSideCustomerKeySecret": {"name": "s", "key": "k"}}
    encrypted = store_of({"s3": {"bucket": " b ", "encryptionOptions": secret}})
    assert encrypted == LogStore("s3", "b", customer_key=True)
    assert store_of({"archiveLogs": True}) is None
    assert store_of(None) is None
