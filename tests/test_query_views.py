"""The curated views, against numbers worked out by hand."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from fixtures.tiny_lake import Row, TinyLake, node, workflow

from kubectl_argo_archive.query.catalog import relations
from kubectl_argo_archive.query.session import open_session
from kubectl_argo_archive.query.statement import analyse
from kubectl_argo_archive.query.views import all_views
from kubectl_argo_archive.query.views_failure import failure_class, signature

VIEWS = {view.name: view for view in all_views()}


@pytest.fixture
def lake(tmp_path: Path) -> TinyLake:
    return TinyLake(tmp_path)


def ask(lake: TinyLake, sql: str) -> list[tuple[Any, ...]]:
    with open_session(lake.snapshot) as session:
        return [row for rows in session.run(sql).rows() for row in rows]


def blamed(lake: TinyLake, *nodes: Row, phase: str = "Failed") -> str | None:
    """Which node of one failed workflow is to blame."""
    lake.add("workflows", workflow("w", phase))
    lake.add("nodes", *nodes)
    ((node_id,),) = ask(lake, "select node_id from failures")
    return node_id


# --- all views


@pytest.mark.parametrize("name", VIEWS)
def test_uses_are_declared(name: str) -> None:
    with duckdb.connect() as con:
        assert analyse(con, VIEWS[name].sql, relations).tables == set(VIEWS[name].uses)


@pytest.mark.parametrize("name", VIEWS)
def test_no_view_compares_every_row_with_every_row(lake: TinyLake, name: str) -> None:
    lake.add("workflows", workflow("a"))
    lake.add("nodes", node("a", "n"))
    ((_, plan),) = ask(lake, f"explain select * from {name}")
    for join in ("NL_JOIN", "NESTED_LOOP", "CROSS_PRODUCT", "IE_JOIN"):
        assert join not in plan


@pytest.mark.parametrize("name", relations())
def test_examples_run(lake: TinyLake, name: str) -> None:
    lake.add("workflows", workflow("a", "Failed"))
    lake.add("nodes", node("a", "n", "Failed"))
    ask(lake, relations()[name].example)


@pytest.mark.parametrize("name", VIEWS)
def test_only_latest_states_count(lake: TinyLake, name: str) -> None:
    """An older state, as failed and odd as can be, changes no view but ``who``, which lists all states."""
    new = workflow("a", version=2, cron_workflow="c", created_at="09:00")
    lake.add("workflows", new)
    lake.add("nodes", node("a", "n", version=2))
    before = ask(lake, f"select * from {name}")
    lake.add("workflows", workflow("a", "Failed", cron_workflow="c"))
    lake.add("nodes", node("a", "n", "Failed", sync_waiting="x/Mutex/y"), node("a", "r", "Failed", type="Retry"))
    lake.add("source_events", {"uid": "a", "version": 1, "kind": "superseded", "noticed_at": "12:00"})
    after = ask(lake, f"select * from {name}")
    assert len(after) == 2 if name == "who" else after == before


# --- failures


def test_what_a_failure_tells(lake: TinyLake) -> None:
    lake.add(
        "workflows",
        workflow("ok"),
        workflow(
            "w", "Failed", "10:00", "10:20", message="child 'wf-w-1' failed", workflow_template="etl", creator="al"
        ),
        workflow("e", "Error", message="invalid spec: templates.main must be defined", generate_name="adhoc-"),
        workflow("r", "Running", end=None),
    )
    lake.add(
        "nodes",
        node("w", "wf-w", "Failed", type="DAG", children=["p1", "p2"]),
        node("w", "p1", boundary_id="wf-w", parent_ids=["wf-w"], template_name="extract"),
        node("w", "p2", "Failed", "10:05", "10:19", boundary_id="wf-w", parent_ids=["wf-w"], template_name="load",
             message="OOMKilled (exit code 137)", exit_code=137, host="ip-1", image="python:3.12", display_name="load"),
    )  # fmt: skip
    found = ask(
        lake,
        "select workflow, template, phase, duration_s, creator, class, message, exit_code, signature, "
        "workflow_message, node_id, node_type, template_name, node_started_at, node_finished_at, host, "
        "image from failures order by uid",
    )
    assert found == [
        ("wf-e", "adhoc", "Error", 600.0, None, "InvalidSpec", "invalid spec: templates.main must be defined", None,
         "invalid spec: templates.main must be defined", "invalid spec: templates.main must be defined",
         None, None, None, None, None, None, None),
        ("wf-w", "etl", "Failed", 1200.0, "al", "OOMKilled", "OOMKilled (exit code 137)", 137,
         "OOMKilled (exit code 137)", "child 'wf-w-1' failed",
         "p2", "Pod", "load", "2026-03-02T10:05:00Z", "2026-03-02T10:19:00Z", "ip-1", "python:3.12"),
    ]  # fmt: skip


def test_the_earliest_failed_leaf_is_blamed(lake: TinyLake) -> None:
    root = node("w", "root", "Failed", type="DAG")
    within = {"boundary_id": "root", "parent_ids": ["root"]}
    assert blamed(
        lake,
        root,
        node("w", "late", "Failed", end="10:09", **within),
        node("w", "early", "Failed", end="10:03", **within),
        node("w", "fine", end="10:01", **within),
    ) == "early"  # fmt: skip


def test_a_pod_is_blamed_before_other_leaves(lake: TinyLake) -> None:
    within = {"boundary_id": "root", "parent_ids": ["root"]}
    assert blamed(
        lake,
        node("w", "root", "Failed", type="Steps"),
        node("w", "suspend", "Failed", type="Suspend", end="10:01", **within),
        node("w", "pod", "Error", end="10:05", **within),
    ) == "pod"  # fmt: skip


def test_without_pods_any_leaf_is_blamed(lake: TinyLake) -> None:
    assert blamed(
        lake,
        node("w", "root", "Error", type="DAG"),
        node("w", "skipped", "Error", type="Skipped", boundary_id="root", parent_ids=["root"]),
    ) == "skipped"  # fmt: skip


def test_a_workflow_of_one_pod(lake: TinyLake) -> None:
    assert blamed(lake, node("w", "w", "Failed")) == "w"


def test_a_failure_that_a_later_step_followed_is_not_a_leaf(lake: TinyLake) -> None:
    """``continueOn`` in steps: the next group hangs below the failed pod."""
    assert blamed(
        lake,
        node("w", "root", "Failed", type="Steps", children=["g0"]),
        node("w", "g0", type="StepGroup", boundary_id="root", parent_ids=["root"]),
        node("w", "a", "Failed", end="10:02", boundary_id="root", parent_ids=["g0"], children=["g1"]),
        node("w", "g1", "Failed", type="StepGroup", boundary_id="root", parent_ids=["a"]),
        node("w", "b", "Failed", end="10:06", boundary_id="root", parent_ids=["g1"]),
    ) == "b"  # fmt: skip


def test_attempts_of_a_retry_that_succeeded_are_not_blamed(lake: TinyLake) -> None:
    within = {"boundary_id": "root"}
    assert blamed(
        lake,
        node("w", "root", "Failed", type="DAG"),
        node("w", "r", name="w.a", type="Retry", children=["r0", "r1"], parent_ids=["root"], **within),
        node("w", "r0", "Failed", end="10:01", name="w.a(0)", retry_attempt=0, parent_ids=["r"], **within),
        node("w", "r1", end="10:02", name="w.a(1)", retry_attempt=1, parent_ids=["r"], **within),
        node("w", "b", "Failed", end="10:08", parent_ids=["r1"], **within),
    ) == "b"  # fmt: skip


def test_attempts_of_a_retry_that_failed_are_blamed(lake: TinyLake) -> None:
    assert blamed(
        lake,
        node("w", "r", "Failed", name="w", type="Retry", children=["r0", "r1"]),
        node("w", "r0", "Failed", end="10:01", name="w(0)", retry_attempt=0, parent_ids=["r"]),
        node("w", "r1", "Failed", end="10:02", name="w(1)", retry_attempt=1, parent_ids=["r"]),
    ) == "r0"  # fmt: skip


def test_failures_inside_a_template_that_succeeded_are_not_blamed(lake: TinyLake) -> None:
    """Two levels down: an attempt of a whole DAG failed, the next attempt of it succeeded."""
    deep = {"boundary_id": "d0", "parent_ids": ["d0"]}
    assert blamed(
        lake,
        node("w", "root", "Failed", type="DAG"),
        node("w", "r", name="w.d", type="Retry", boundary_id="root", parent_ids=["root"], children=["d0", "d1"]),
        node("w", "d0", "Failed", name="w.d(0)", type="DAG", retry_attempt=0, boundary_id="root", parent_ids=["r"]),
        node("w", "inner", "Failed", end="10:01", name="w.d(0).x", **deep),
        node("w", "d1", name="w.d(1)", type="DAG", retry_attempt=1, boundary_id="root", parent_ids=["r"]),
        node("w", "other", "Failed", end="10:09", boundary_id="root", parent_ids=["root"]),
    ) == "other"  # fmt: skip


def test_a_root_that_never_ended_does_not_excuse(lake: TinyLake) -> None:
    assert blamed(
        lake,
        node("w", "root", "Running", type="DAG", end=None),
        node("w", "pod", "Failed", boundary_id="root", parent_ids=["root"]),
        phase="Error",
    ) == "pod"  # fmt: skip


def test_the_pod_of_a_container_set_is_blamed(lake: TinyLake) -> None:
    assert blamed(
        lake,
        node("w", "pod", "Failed", end="10:05", children=["c"]),
        node("w", "c", "Failed", end="10:04", type="Container", parent_ids=["pod"], boundary_id="pod"),
    ) == "pod"  # fmt: skip


@pytest.mark.parametrize("name", ["w.onExit", "w.onExit[0].notify", "w.a.onExit", "w.hooks.failed", "w.hooks.x(0)"])
def test_an_exit_handler_is_blamed_last(lake: TinyLake, name: str) -> None:
    main = node("w", "main", "Failed", end="10:05", name="w", children=["h"])
    assert blamed(lake, main, node("w", "h", "Failed", end="10:01", name=name, parent_ids=["main"])) == "main"


def test_an_exit_handler_may_be_the_only_failure(lake: TinyLake) -> None:
    main = node("w", "main", end="10:05", name="w")
    assert blamed(lake, main, node("w", "h", "Failed", name="w.onExit", hooked=True)) == "h"


def test_node_ids_are_unique_only_within_a_workflow(lake: TinyLake) -> None:
    lake.add("workflows", workflow("a", "Failed"), workflow("b", "Failed"), workflow("a", cluster="two"))
    lake.add("nodes", node("a", "n", "Failed", message="a"), node("b", "n", "Failed", message="b"),
             node("a", "n", cluster="two"))  # fmt: skip
    assert ask(lake, "select uid, message from failures order by uid") == [("a", "a"), ("b", "b")]


@pytest.mark.parametrize(
    ("message", "exit_code", "expected"),
    [
        ("OOMKilled (exit code 137)", 137, "OOMKilled"),
        ("Error (exit code 137): OOMKilled", None, "OOMKilled"),
        ("main: OOMKilled (exit code 137)", 137, "OOMKilled"),
        ("Error (exit code 1)", 1, "ExitCode"),
        ("failed with exit code 1", 1, "ExitCode"),
        ("main: Error (exit code 2): deadline of the job passed, pod deleted", 2, "ExitCode"),
        ("Error (exit code 143)", 143, "ExitCode"),
        (None, 3, "ExitCode"),
        ("The node was low on resource: memory. Threshold quantity: 100Mi", None, "Evicted"),
        ("Pod ephemeral local storage usage exceeds the total limit of containers 1Gi.", None, "Evicted"),
        ("Preempted in order to admit critical pod", None, "Preempted"),
        ("Pod was terminated in response to imminent node shutdown.", None, "NodeShutdown"),
        ("Stopped with strategy 'Terminate'", None, "Stopped"),
        ("workflow shutdown with strategy:  Stop", None, "Stopped"),
        ("pod deleted", None, "PodDeleted"),
        ("Pod was active on the node longer than the specified deadline", None, "DeadlineExceeded"),
        ("Step exceeded its deadline", None, "DeadlineExceeded"),
        ("Max duration limit exceeded", None, "DeadlineExceeded"),
        ('ImagePullBackOff: Back-off pulling image "x:1"', None, "ImagePull"),
        ("ErrImageNeverPull", None, "ImagePull"),
        ('Pod failed before main container starts due to CreateContainerConfigError: secret "x" not found', None,
         "ContainerConfig"),
        ('pods "x" is forbidden: exceeded quota: team, requested: cpu=4', None, "QuotaExceeded"),
        ('workflowtaskresults.argoproj.io is forbidden: User "x" cannot create resource', None, "Forbidden"),
        ("Unschedulable: 0/3 nodes are available: 3 Insufficient cpu.", None, "Unschedulable"),
        ("Failed to acquire the synchronization lock. no such config map", None, "Lock"),
        ("failed to save outputs: open /tmp/x: no such file or directory", None, "Artifact"),
        ("wait: Error (exit code 64): failed to put file: artifact x", 0, "Artifact"),
        ("init: Error (exit code 64): boom", None, "Executor"),
        ("invalid spec: templates.main must be defined", None, "InvalidSpec"),
        ("failed to resolve {{steps.a.outputs.result}}", None, "InvalidSpec"),
        ("something else", None, "Unknown"),
        (None, None, "Unknown"),
        ("something else", 0, "Unknown"),
    ],
)  # fmt: skip
def test_classes(message: str | None, exit_code: int | None, expected: str) -> None:
    sql = f"SELECT {failure_class('m', 'e')} FROM (SELECT $m::VARCHAR AS m, $e::BIGINT AS e)"
    assert duckdb.execute(sql, {"m": message, "e": exit_code}).fetchone() == (expected,)
    assert expected in relations()["failures"].columns[11].doc


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Error (exit code 137)", "Error (exit code 137)"),
        ("child 'wf-a-1234567890' failed", "child '<workflow>-<n>' failed"),
        ("took 12.5s of 300", "took <n>s of <n>"),
        ("uid 6522aff1-1e01-11ea-b443-42010aa80075 at 10.8.0.12:5432", "uid <uuid> at <n>:<n>"),
        ("digest 9f86d081884c7d65 differs", "digest <hex> differs"),
        ("line\n  two", "line two"),
        (None, None),
    ],
)
def test_signatures(message: str | None, expected: str | None) -> None:
    sql = f"SELECT {signature('m', 'w')} FROM (SELECT $m::VARCHAR AS m, 'wf-a' AS w)"
    assert duckdb.execute(sql, {"m": message}).fetchone() == (expected,)


# --- retries


def test_retries(lake: TinyLake) -> None:
    day = "2026-03-02T"
    lake.add("workflows", workflow("w", workflow_template="etl"))
    cost = {"cpu_s": 100.0, "memory_mib_s": 10.0, "gpu_s": 1.0, "template_name": "load", "parent_ids": ["r"]}
    lake.add(
        "nodes",
        node("w", "r", "Succeeded", "10:00", "10:20", name="w.a", type="Retry", children=["r0", "r1", "r2", "hook"]),
        node("w", "r0", "Failed", "10:00:00", "10:03:20", name="w.a(0)", retry_attempt=0, message="one", **cost),
        node("w", "r1", "Error", "10:05:00", "10:08:20", name="w.a(1)", retry_attempt=1, message="two", **cost),
        node("w", "r2", "Succeeded", "10:10", "10:20", name="w.a(2)", retry_attempt=2, **cost),
        node("w", "hook", "Failed", "10:00", "10:59", name="w.a.hooks.x", hooked=True, **cost),
        node("w", "q", "Failed", "10:00", "10:04", name="w.b", type="Retry", children=["q0"], template_name="fetch"),
        node("w", "q0", "Failed", "10:00", "10:04", name="w.b(0)", retry_attempt=0, parent_ids=["q"]),
        node("w", "z", "Failed", "10:06", "10:07", name="w.c", type="Retry"),
    )  # fmt: skip
    assert ask(
        lake,
        "select node_id, template, template_name, succeeded, attempts, failed_attempts, wasted_s, wasted_cpu_s, "
        "wasted_memory_mib_s, wasted_gpu_s, started_at, finished_at, last_message from retries order by node_id",
    ) == [
        ("q", "etl", "fetch", False, 1, 1, 240.0, 0.0, 0.0, 0.0, f"{day}10:00:00Z", f"{day}10:04:00Z", None),
        ("r", "etl", "load", True, 3, 2, 400.0, 200.0, 20.0, 2.0, f"{day}10:00:00Z", f"{day}10:20:00Z", "two"),
        ("z", "etl", None, False, 0, 0, 0.0, 0.0, 0.0, 0.0, f"{day}10:06:00Z", f"{day}10:07:00Z", None),
    ]  # fmt: skip


# --- templates, daily, durations


def test_templates(lake: TinyLake) -> None:
    etl = {"workflow_template": "etl"}
    lake.add(
        "workflows",
        workflow("a", "Succeeded", "10:00", "10:10", cpu_s=3600.0, **etl),
        workflow("b", "Succeeded", "11:00", "11:20", **etl),
        workflow("c", "Failed", "12:00", "12:30", **etl),
        workflow("d", "Error", "13:00", "13:30", cpu_s=1800.0, **etl),
        workflow("e", "Running", "14:00", None, **etl),
        workflow("f", "Succeeded", namespace="other", **etl),
        workflow("g", cluster_workflow_template="cwt", workflow_template="", cron_workflow="x"),
        workflow("h", cron_workflow="cron", generate_name="gen-"),
        workflow("i", generate_name="gen-"),
        workflow("j", name="single"),
    )
    sql = "select template, runs, succeeded, failed, errored, success_rate, first_at, last_at, last_phase, "
    found = ask(lake, sql + "last_success_at, median_s, cpu_hours from templates order by namespace, template")
    day = "2026-03-02T"
    assert found[2] == (
        "etl",
        5,
        2,
        1,
        1,
        0.5,
        f"{day}10:10:00Z",
        f"{day}13:30:00Z",
        "Error",
        f"{day}11:20:00Z",
        900.0,
        1.5,
    )
    assert [row[0] for row in found] == ["cron", "cwt", "etl", "gen", "single", "etl"]


def test_daily(lake: TinyLake) -> None:
    lake.add(
        "workflows",
        workflow("a", "Succeeded", "2026-03-01 23:50", "2026-03-01 23:59:59", pod_count=3, retry_count=1, cpu_s=7200.0),
        workflow("b", "Failed", "2026-03-01 23:50", "2026-03-02 00:50", pod_count=2),
        workflow("c", "Error", "2026-03-02 10:00", "2026-03-02 11:00"),
        workflow("d", "Succeeded", "2026-03-02 10:00", "2026-03-02 11:00", namespace="other"),
        workflow("e", "Running", "2026-03-02 10:00", None),
    )
    assert ask(lake, "select * from daily order by day, namespace") == [
        ("2026-03-01", "default", "data", 1, 1, 0, 0, 3, 1, 599 / 3600, 2.0),
        ("2026-03-02", "default", "data", 2, 0, 1, 1, 2, 0, 2.0, 0.0),
        ("2026-03-02", "default", "other", 1, 1, 0, 0, 0, 0, 1.0, 0.0),
    ]


def test_durations(lake: TinyLake) -> None:
    seconds = [100, 200, 300, 400, 1000]
    runs = [workflow(f"w{s}", "Succeeded", end="10:30", duration_s=float(s), workflow_template="t") for s in seconds]
    sunday = workflow("s", start="2026-03-01 23:00", end="2026-03-01 23:01", workflow_template="t")
    lake.add("workflows", *runs, sunday, workflow("f", "Failed", workflow_template="t"))
    assert ask(lake, "select week, runs, p50_s, p90_s, p95_s, p99_s, max_s, total_s from durations order by week") == [
        ("2026-02-23", 1, 60.0, 60.0, 60.0, 60.0, 60.0, 60.0),
        ("2026-03-02", 5, 300.0, pytest.approx(760.0), pytest.approx(880.0), 976.0, 1000.0, 2000.0),
    ]
    assert date(2026, 3, 2).weekday() == 0


def test_step_durations(lake: TinyLake) -> None:
    lake.add("workflows", workflow("w", workflow_template="etl"))
    lake.add(
        "nodes",
        node("w", "a", "Succeeded", "10:00", "10:01", template_name="load"),
        node("w", "b", "Succeeded", "10:00", "10:03", template_name="load"),
        node("w", "c", "Failed", "10:00", "10:59", template_name="load"),
        node("w", "d", "Succeeded", "10:00", "10:00", template_name="load", memoized=True),
        node("w", "e", "Succeeded", "10:00", "10:59", template_name="load", type="DAG"),
        node("w", "f", "Running", "10:00", None, template_name="load"),
    )
    assert ask(lake, "select template, template_name, pods, failed, p50_s, max_s, total_s from step_durations") == [
        ("etl", "load", 3, 1, 120.0, 180.0, 240.0)
    ]


# --- time


@pytest.mark.parametrize(
    ("pods", "busy", "pod_seconds"),
    [
        ([], 0, 0),
        ([("10:00", "10:10")], 600, 600),
        ([("10:02", "10:04")], 120, 120),
        ([("10:00", "10:02"), ("10:02", "10:04")], 240, 240),
        ([("10:00", "10:02"), ("10:05", "10:06")], 180, 180),
        ([("10:00", "10:05"), ("10:03", "10:06")], 360, 480),
        ([("10:00", "10:09"), ("10:01", "10:02"), ("10:03", "10:04")], 540, 660),
        ([("10:01", "10:04"), ("10:01", "10:02"), ("10:06", "10:07")], 240, 300),
        ([("09:00", "10:01"), ("10:09", "11:00")], 120, 120),
        ([("08:00", "09:00")], 0, 0),
        ([("10:08", None)], 120, 120),
        ([("10:05", "10:05")], 0, 0),
        ([("10:05", "10:04")], 0, 0),
    ],
)
def test_gaps(lake: TinyLake, pods: list[tuple[str, str | None]], busy: int, pod_seconds: int) -> None:
    lake.add("workflows", workflow("w", created_at="09:59:30"), workflow("r", "Running", end=None))
    lake.add(
        "nodes",
        *[node("w", f"p{i}", start=start, end=end) for i, (start, end) in enumerate(pods)],
        node("w", "dag", type="DAG"),
        node("w", "memo", memoized=True),
        node("r", "p0"),
    )
    sql = "select uid, queue_s, wall_s, busy_s, gap_s, gap_share, pod_s from gaps"
    assert ask(lake, sql) == [("w", 30.0, 600.0, busy, 600.0 - busy, (600 - busy) / 600, pod_seconds)]


def test_a_workflow_that_took_no_time(lake: TinyLake) -> None:
    lake.add("workflows", workflow("w", end="10:00"))
    assert ask(lake, "select wall_s, gap_s, gap_share from gaps") == [(0.0, 0.0, None)]


def test_waits(lake: TinyLake) -> None:
    lake.add("workflows", workflow("w", "Failed", "10:00", "10:30", workflow_template="etl"))
    lake.add(
        "nodes",
        node("w", "a", "Failed", "10:05", "10:20", sync_waiting="data/Mutex/db"),
        node("w", "b", "Pending", "10:10", None, message="Waiting for data/ConfigMap/limits/db lock. Lock status: 0/1"),
        node("w", "c", sync_waiting=""),
    )
    assert ask(lake, "select node_id, template, lock, lock_kind, waited_s from waits order by node_id") == [
        ("a", "etl", "data/Mutex/db", "Mutex", 900.0),
        ("b", "etl", "data/ConfigMap/limits/db", "ConfigMap", 1200.0),
    ]


# --- cost, people


def test_costs(lake: TinyLake) -> None:
    lake.add(
        "workflows",
        workflow("a", cpu_s=7200.0, memory_mib_s=1024.0 * 3600 * 3, gpu_s=1800.0, labels={"team": "risk", "x": "y"},
                 service_account="sa", creator="al"),
        workflow("b"),
    )  # fmt: skip
    sql = "select uid, month, team, creator, service_account, cpu_hours, memory_gib_hours, gpu_hours, labels from costs"
    assert ask(lake, f"{sql} order by uid") == [
        ("a", "2026-03", "risk", "al", "sa", 2.0, 3.0, 0.5, {"team": "risk", "x": "y"}),
        ("b", "2026-03", None, None, None, 0.0, 0.0, 0.0, None),
    ]


def test_who(lake: TinyLake) -> None:
    event = {"workflows.argoproj.io/workflow-event-binding": "push"}
    lake.add(
        "workflows",
        workflow("a", creator="alice", actor="bob", action="Stop", shutdown="Stop"),
        workflow("b", cron_workflow="nightly", creator="system-serviceaccount-argo-controller"),
        workflow("c", resubmitted_from="wf-a", creator="alice"),
        workflow("d", labels=event),
        workflow("e", creator="system-serviceaccount-ci-jenkins"),
        workflow("f", labels={"x": "y"}),
        workflow("g", resubmitted_from="wf-b", cron_workflow="nightly", creator="alice"),  # it keeps that label
    )
    found = ask(lake, "select uid, creator, actor, action, shutdown, origin, is_latest from who order by uid")
    assert found[0] == ("a", "alice", "bob", "Stop", "Stop", "person", True)
    origins = ["person", "cron", "resubmit", "event", "service account", "unknown", "resubmit"]
    assert [row[5] for row in found] == origins
    assert found[5][1] == "unknown"


def test_cron_runs(lake: TinyLake) -> None:
    def run(uid: str, hour: str, phase: str = "Succeeded", **more: Any) -> Row:
        times = {"scheduled_at": f"{hour}:00", "created_at": f"{hour}:00:05"} | more
        return workflow(uid, phase, f"{hour}:00:30", f"{hour}:10:30", cron_workflow="hourly", **times)

    lake.add("workflows", run("a", "01"), run("b", "02", "Failed"), run("c", "03"), run("d", "06"),
             run("e", "07", scheduled_at=None), workflow("x"))  # fmt: skip
    sql = "select uid, delay_s, duration_s, previous_at, interval_s, usual_interval_s, missed_before, last_success_at"
    day = "2026-03-02T"
    assert ask(lake, f"{sql} from cron_runs order by uid") == [
        ("a", 30.0, 600.0, None, None, 3602.5, None, None),
        ("b", 30.0, 600.0, f"{day}01:00:00Z", 3600.0, 3602.5, 0, f"{day}01:10:30Z"),
        ("c", 30.0, 600.0, f"{day}02:00:00Z", 3600.0, 3602.5, 0, f"{day}01:10:30Z"),
        ("d", 30.0, 600.0, f"{day}03:00:00Z", 10800.0, 3602.5, 2, f"{day}03:10:30Z"),
        ("e", None, 600.0, f"{day}06:00:00Z", 3605.0, 3602.5, 0, f"{day}06:10:30Z"),
    ]


def test_cron_workflows_of_the_same_name(lake: TinyLake) -> None:
    lake.add("workflows", workflow("a", cron_workflow="c"), workflow("b", cron_workflow="c", namespace="other"),
             workflow("d", cron_workflow="c", cluster="two"))  # fmt: skip
    assert ask(lake, "select distinct previous_at from cron_runs") == [(None,)]


# --- data quality


def test_data_quality(lake: TinyLake) -> None:
    lake.add(
        "workflows",
        workflow("ok", children=1),
        workflow("run", "Running", end=None),
        workflow("none", "Error", message="invalid spec", node_count=0),
        workflow("noend", "Failed", end=None),
        workflow("back", "Failed", "10:00", "09:00", created_at="09:00"),
        workflow("early", created_at="10:01"),
    )
    lake.add(
        "nodes",
        node("ok", "fine", children=["running"]),
        node("ok", "running", "Running", end=None),
        node("ok", "pending", "Pending", end=None),
        node("ok", "noend", "Succeeded", end=None),
        node("ok", "back", start="10:05", end="10:04"),
        node("ok", "parent", children=["fine", "gone"]),
        node("run", "running", "Running", end=None),
    )
    assert ask(lake, "select problem, uid, node_id, detail from data_quality order by all") == [
        ("child_missing", "ok", "parent", "gone"),
        ("node_ends_before_start", "ok", "back", "2026-03-02 10:05:00+00 > 2026-03-02 10:04:00+00"),
        ("node_unfinished", "ok", "pending", "Pending"),
        ("node_unfinished", "ok", "running", "Running"),
        ("node_without_end", "ok", "noend", "Succeeded"),
        ("workflow_ends_before_start", "back", None, "2026-03-02 10:00:00+00 > 2026-03-02 09:00:00+00"),
        ("workflow_starts_before_creation", "early", None, "2026-03-02 10:01:00+00 > 2026-03-02 10:00:00+00"),
        ("workflow_unfinished", "run", None, "Running"),
        ("workflow_without_end", "noend", None, "Failed"),
        ("workflow_without_nodes", "none", None, "invalid spec"),
    ]
