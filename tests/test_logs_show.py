"""``logs``: what a past workflow printed, as `kubectl logs` would show it."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from fixtures.kube import KubeApi
from fixtures.logs import NOW, LogLake, pod, stamp, workflow

from kubectl_argo_archive.logs.decide import Rules

SLACK = Rules(slack_s=86400.0)


def logs(
    log_lake: LogLake, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the command."""
    import os

    command = [sys.executable, "-m", "kubectl_argo_archive", "logs", "--lake", log_lake.path, *arguments]
    return subprocess.run(command, capture_output=True, check=False, env={**os.environ, **(environment or {})})


@pytest.fixture
def three(log_lake: LogLake) -> LogLake:
    """A workflow of three pods and four containers that ran one after the other."""
    first, last = pod("w-1", key="w/w-1/main.log", minutes=30), pod("w-3", key="w/w-3/main.log", minutes=10)
    middle = pod("w-2", minutes=20, template="train", outputs={"artifacts": [
        {"name": "a-logs", "s3": {"key": "w/w-2/a.log"}}, {"name": "b-logs", "s3": {"key": "w/w-2/b.log"}},
    ]})  # fmt: skip
    retry = {"id": "w-r", "name": "w-r", "type": "Retry", "phase": "Succeeded", "startedAt": first["startedAt"],
             "finishedAt": first["finishedAt"], "children": ["w-3"], "outputs": last["outputs"]}  # fmt: skip
    log_lake.add(workflow("w", last, middle, first, retry, bucket=log_lake.bucket))
    log_lake.put("w/w-1/main.log", "one\ntwo\r\n")
    log_lake.put("w/w-2/a.log", b"caf\xe9 \0\nno newline at its end")
    log_lake.put("w/w-2/b.log", gzip.compress(b"b\n" * 1000))
    log_lake.put("w/w-3/main.log", f"{stamp(NOW)} ERROR late\n  trace\n")
    return log_lake


ALL = (
    b"one\ntwo\r\n"
    + b"caf\xe9 \0\nno newline at its end"
    + b"b\n" * 1000
    + f"{stamp(NOW)} ERROR late\n  trace\n".encode()
)


@pytest.mark.parametrize("indexed", [True, False], ids=["from the lake", "from S3"])
def test_all_pods_are_the_concatenation_of_their_objects(three: LogLake, indexed: bool) -> None:
    if indexed:
        assert three.index(rules=SLACK).objects == {"indexed": 4}
        for key in ("w/w-1/main.log", "w/w-2/a.log", "w/w-2/b.log", "w/w-3/main.log"):
            three.delete(key)
    done = logs(three, "w")
    assert done.stdout == ALL
    assert (done.returncode, done.stderr) == (0, b"")
    assert logs(three, "uid-w").stdout == ALL


def test_a_part_of_it(three: LogLake) -> None:
    three.index(rules=SLACK)
    assert logs(three, "w/w-1").stdout == b"one\ntwo\r\n"
    assert logs(three, "w", "-c", "b", "--tail", "2").stdout == b"b\nb\n"
    assert logs(three, "w", "--template", "train", "-c", "a").stdout == ALL[9:37]
    assert logs(three, "w", "--tail", "0").stdout == b""
    since = stamp(NOW - timedelta(seconds=5))
    assert logs(three, "w", "--since", since).stdout == f"{stamp(NOW)} ERROR late\n  trace\n".encode()
    assert logs(three, "w", "--merge", "--tail", "1", "-c", "main").stdout.endswith(b"  trace\n")


def test_prefix_and_timestamps(three: LogLake) -> None:
    three.index(rules=SLACK)
    assert logs(three, "w/w-1", "--prefix").stdout == b"[pod/w-1/main] one\n[pod/w-1/main] two\r\n"
    shown = logs(three, "w/w-3", "--timestamps").stdout.decode().splitlines()
    at = f"{NOW:%Y-%m-%dT%H:%M:%S}.000000Z"
    assert shown == [f"{at} {stamp(NOW)} ERROR late", f"{at}   trace"]
    lines = logs(three, "w", "--prefix").stdout.split(b"\n")
    assert lines[3] == b"[pod/w-2/a] no newline at its end"
    assert lines[4] == b"[pod/w-2/b] b"


@pytest.mark.parametrize("indexed", [True, False], ids=["from the lake", "from S3"])
def test_merged_by_time(log_lake: LogLake, indexed: bool) -> None:
    def text(*seconds: int) -> str:
        return "".join(f"{stamp(NOW + timedelta(seconds=s))} at {s}\n" for s in seconds)

    log_lake.add(workflow("m", pod("m-1", key="m1/main.log", minutes=2), pod("m-2", key="m2/main.log", minutes=1),
                          bucket=log_lake.bucket))  # fmt: skip
    log_lake.put("m1/main.log", text(1, 4, 5))
    log_lake.put("m2/main.log", text(2, 3, 6))
    if indexed:
        log_lake.index()
    assert logs(log_lake, "m").stdout.decode() == text(1, 4, 5, 2, 3, 6)
    assert logs(log_lake, "m", "--merge").stdout.decode() == text(1, 2, 3, 4, 5, 6)


def test_an_unknown_name_has_near_ones(three: LogLake) -> None:
    three.one("etl-nightly-x7k2p", "x\n")
    done = logs(three, "etl-nigthly-x7k2q")
    assert done.returncode == 2
    assert b"the lake has no workflow etl-nigthly-x7k2q" in done.stderr
    assert b"did you mean etl-nightly-x7k2p?" in done.stderr
    done = logs(three, "w/w-9")
    assert done.returncode == 2
    assert b"the workflow has no node w-9" in done.stderr
    assert b"w-1, w-2, w-3" in done.stderr
    assert logs(three, "w", "-c", "x").returncode == 2
    assert logs(three, "w", "-n", "other").returncode == 2


def test_several_runs_of_one_name_are_shown_not_guessed(log_lake: LogLake) -> None:
    for uid in ("uid-a", "uid-b"):
        log_lake.add(workflow("same", pod("same", key=f"{uid}/main.log"), uid=uid, bucket=log_lake.bucket))
        log_lake.put(f"{uid}/main.log", f"{uid}\n")
    done = logs(log_lake, "same")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"uid-a" in done.stderr
    assert b"uid-b" in done.stderr
    assert logs(log_lake, "uid-b").stdout == b"uid-b\n"


def test_follow_is_refused(three: LogLake) -> None:
    done = logs(three, "w", "-f")
    assert done.returncode == 2
    assert b"nothing to follow" in done.stderr


def test_earlier_attempts(log_lake: LogLake) -> None:
    nodes = [
        pod(f"r({i})", key=f"r/{i}.d/main.log", minutes=10 - i) | {"displayName": f"step({i})", "name": f"r.step({i})"}
        for i in (0, 1)
    ]
    nodes.append({"id": "retry", "name": "r.step", "type": "Retry", "phase": "Succeeded", "children": ["r(0)", "r(1)"],
                  "startedAt": stamp(NOW), "finishedAt": stamp(NOW)})  # fmt: skip
    log_lake.add(workflow("r", *nodes, bucket=log_lake.bucket))
    for i in (0, 1):
        log_lake.put(f"r/{i}.d/main.log", f"attempt {i}\n")
    log_lake.index()
    assert logs(log_lake, "r").stdout == b"attempt 0\nattempt 1\n"
    assert logs(log_lake, "r/step").stdout == b"attempt 0\nattempt 1\n"
    assert logs(log_lake, "r", "--previous").stdout == b"attempt 0\n"
    assert log_lake.logs("node_id, attempt") == [("r(0)", 0), ("r(1)", 1)]


def test_the_log_before_argo_retry_is_a_previous_one(log_lake: LogLake) -> None:
    failed = pod("w", key="w/main.log", minutes=30, phase="Failed", exit_code="1")
    log_lake.add(workflow("w", failed, phase="Failed", bucket=log_lake.bucket, ended=NOW - timedelta(minutes=20)))
    log_lake.put("w/main.log", "it failed\n")
    log_lake.index(rules=SLACK)
    log_lake.add(workflow("w", pod("w", key="w/main.log", minutes=2), bucket=log_lake.bucket))
    log_lake.put("w/main.log", "it worked\n")
    log_lake.index(rules=SLACK)
    assert logs(log_lake, "w").stdout == b"it worked\n"
    assert logs(log_lake, "w", "--previous").stdout == b"it failed\n"


def test_what_cannot_be_shown_is_said(log_lake: LogLake) -> None:
    log_lake.add(workflow("w", pod("w-1", key="w1/main.log", minutes=3), pod("w-2", key="w2/main.log", minutes=2),
                          pod("w-3", key="w3/main.log", minutes=1), bucket=log_lake.bucket))  # fmt: skip
    log_lake.put("w1/main.log", "one\n")
    log_lake.put("w3/main.log", b"")
    for _ in range(2):
        done = logs(log_lake, "w")
        assert (done.returncode, done.stdout) == (3, b"one\n")
        assert b"w-2/main: the object is not there" in done.stderr
        assert b"w-3" not in done.stderr
        log_lake.index()
    assert logs(log_lake, "w/w-2").returncode == 1


def test_masked_values_are_announced_and_raw_shows_them(log_lake: LogLake) -> None:
    text = "key AKIA" + "QWERTY2345ASDFGH was used\n"
    log_lake.one("m", text)
    assert log_lake.index().mask_rules == {"aws-access-key-id": 1}
    done = logs(log_lake, "m")
    assert done.stdout.decode() == f"key {'*' * 20} was used\n"
    assert b"1 values in it are masked" in done.stderr
    assert logs(log_lake, "m", "--raw").stdout.decode() == text


def test_check(log_lake: LogLake) -> None:
    assert logs(log_lake, "--check").returncode == 1
    log_lake.add(workflow(
        "w", pod("ok", key="ok/main.log"), pod("void", key="void/main.log"), pod("lost", key="lost/main.log"),
        pod("bare", phase="Failed"), bucket=log_lake.bucket,
    ))  # fmt: skip
    log_lake.put("ok/main.log", "fine\n")
    log_lake.put("void/main.log", b"")
    assert logs(log_lake, "--check").returncode == 1
    log_lake.index()
    done = logs(log_lake, "--check", "-o", "json")
    found = json.loads(done.stdout)
    assert done.returncode == 3
    assert {name: facts["logs"] for name, facts in found["problems"].items()} == {"missing": 2, "empty": 1}
    assert found["coverage"] == [
        {"phase": "Failed", "pods": 1, "readable": 0}, {"phase": "Succeeded", "pods": 3, "readable": 1},
    ]  # fmt: skip
    text = logs(log_lake, "--check")
    assert (text.returncode, b"missing: 2 logs" in text.stdout) == (3, True)


def test_a_live_workflow_is_read_from_its_pods(log_lake: LogLake, kube: KubeApi, tmp_path: Path) -> None:
    log_lake.one("archived", "old\n")
    kube.apply(
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "now", "namespace": "data"}}
    )
    for name, start in (("now-2", "2026-03-01T00:00:02Z"), ("now-1", "2026-03-01T00:00:01Z")):
        kube.apply({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "data", "labels": {"workflows.argoproj.io/workflow": "now"},
                         "annotations": {"workflows.argoproj.io/node-name": f"now.{name}"}},
            "spec": {"containers": [{"name": "wait"}, {"name": "main"}]}, "status": {"startTime": start},
        })  # fmt: skip
        kube.logs["data", name, "main"] = f"of {name}\nmore\n"
    cluster = {"KUBECONFIG": str(kube.kubeconfig(tmp_path / "kubeconfig", namespace="data"))}
    done = logs(log_lake, "now", environment=cluster)
    assert done.stdout == b"of now-1\nmore\nof now-2\nmore\n"
    assert b"not in the lake" in done.stderr
    assert logs(log_lake, "now/now-2", "--tail", "1", environment=cluster).stdout == b"more\n"
    assert logs(log_lake, "never", environment=cluster).returncode == 2
