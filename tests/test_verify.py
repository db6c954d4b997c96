"""``verify`` through the real kubectl: an API server, Postgres and S3 behind it, and one thing after another broken."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import psycopg
import pytest
from fixtures.kube_healthy import NAMESPACE, TEAMS, Healthy, MakeHealthy, live_workflow
from fixtures.kubectl import Kubectl
from fixtures.leaks import plant
from fixtures.servers import S3, ArchiveDb

from kubectl_argo_archive.cli import main
from kubectl_argo_archive.demo.argo_schema import archive_workflow

TEAM = TEAMS[0]
_PREFIX = "workflows.argoproj.io/"


def archived(name: str, healthy_s3: S3, ago: timedelta = timedelta(minutes=15)) -> dict[str, Any]:
    """An archived workflow whose one pod has a log, as Argo writes it."""
    ended = datetime.now(UTC) - ago
    begun = ended - timedelta(minutes=5)
    stamp = "%Y-%m-%dT%H:%M:%SZ"
    key = f"{healthy_s3.prefix}/{TEAM}/{begun:%Y}/{name}-uid-{name}/{name}/main.log"
    node = {
        "id": name, "name": name, "displayName": name, "type": "Pod", "templateName": "main", "phase": "Succeeded",
        "hostNodeName": "node-1", "startedAt": f"{begun:{stamp}}", "finishedAt": f"{ended:{stamp}}",
        "outputs": {"artifacts": [{"name": "main-logs", "s3": {"key": key}}], "exitCode": "0"},
    }  # fmt: skip
    repository = {
        "archiveLogs": True,
        "s3": {"bucket": healthy_s3.bucket, "endpoint": f"minio.{NAMESPACE}:9000", "insecure": True},
    }
    labels = {_PREFIX + "completed": "true", _PREFIX + "phase": "Succeeded"}
    return {
        "metadata": {"name": name, "namespace": TEAM, "uid": f"uid-{name}", "labels": labels,
                     "creationTimestamp": f"{begun:{stamp}}"},
        "spec": {"entrypoint": "main", "templates": [{"name": "main", "container": {"image": "busybox"}}]},
        "status": {"phase": "Succeeded", "startedAt": f"{begun:{stamp}}", "finishedAt": f"{ended:{stamp}}",
                   "nodes": {name: node}, "artifactRepositoryRef": {"artifactRepository": repository}},
    }  # fmt: skip


def log_key(workflow: dict[str, Any]) -> str:
    """Key of its log."""
    (node,) = workflow["status"]["nodes"].values()
    return str(node["outputs"]["artifacts"][0]["s3"]["key"])


@dataclass
class Setup:
    """A healthy set-up with three archived workflows and their logs."""

    healthy: Healthy
    workflows: list[dict[str, Any]]
    s3: S3

    def forget_log(self, workflow: dict[str, Any]) -> None:
        """Delete a log object."""
        self.s3.client().delete_object(Bucket=self.s3.bucket, Key=log_key(workflow))

    def sql(self, statement: str) -> None:
        """Change the database behind everybody's back."""
        with psycopg.connect(self.healthy.database) as connection:
            connection.execute(statement.encode())

    def persistence(self, **changes: Any) -> None:
        """Change settings of the persistence block."""
        self.healthy.configure(persistence=self.healthy.config()["persistence"] | changes)

    def bucket(self, **changes: Any) -> None:
        """Change settings of the S3 block."""
        repository = self.healthy.config()["artifactRepository"]
        self.healthy.configure(artifactRepository=repository | {"s3": repository["s3"] | changes})


@pytest.fixture
def setup(make_healthy: MakeHealthy, s3: S3) -> Setup:
    """The set-up; each of its workflows is live, archived and has its log."""
    workflows = [archived(f"w{n}", s3) for n in range(3)]
    # the objects of the logs are as old as this test, so the pods must be
    healthy = make_healthy(rows=workflows)
    for workflow in workflows:
        s3.client().put_object(Bucket=s3.bucket, Key=log_key(workflow), Body=b"hello\n")
        finished = datetime.fromisoformat(workflow["status"]["finishedAt"])
        healthy.kube.apply(
            live_workflow(workflow["metadata"]["name"], TEAM, uid=workflow["metadata"]["uid"],
                          age=datetime.now(UTC) - finished)
        )  # fmt: skip
    return Setup(healthy, workflows, s3)


def run(kubectl: Kubectl, healthy: Healthy, *arguments: str) -> CompletedProcess[str]:
    """``kubectl argo-archive verify …``; no secret may be in what it says."""
    return kubectl.run("argo-archive", "verify", *arguments, env=healthy.environment())


def problems(done: CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    """The failed findings by id."""
    return {f["id"]: f for f in json.loads(done.stdout)["findings"] if f["status"] in ("fail", "error")}


def test_a_healthy_set_up_is_found_healthy(kubectl: Kubectl, setup: Setup) -> None:
    done = run(kubectl, setup.healthy, "-o", "json")
    assert done.returncode == 0, (done.stderr, problems(done))
    report = json.loads(done.stdout)
    assert set(report) == {"findings", "summary"}
    by_id = {finding["id"]: finding for finding in report["findings"]}
    assert {finding["status"] for finding in report["findings"]} <= {"pass", "warn", "skip"}
    assert {"id", "status", "severity", "title", "message", "evidence", "fix"} <= set(report["findings"][0])
    for id in ("A01", "A11", "B03", "C15", "E01", "E02", "E03", "E04", "E06", "E13", "C24"):
        assert by_id[id]["status"] == "pass", by_id[id]
    assert "3 recorded log objects of 3 workflows" in by_id["E06"]["message"]
    assert report["summary"]["fail"] == 0
    assert report["summary"]["checks"] == len(by_id) == 108
    assert setup.healthy.kube.open_forwards == 0


def _database_down(setup: Setup) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        setup.healthy.kube.ports[NAMESPACE, "postgres-0", 5432] = free.getsockname()[1]


def _wrong_namespace(setup: Setup) -> None:
    secret = setup.healthy.kube.get("Secret", NAMESPACE, "argo-postgres-config")
    moved = {**secret, "metadata": {"name": secret["metadata"]["name"], "namespace": TEAM}}
    setup.healthy.kube.apply(moved)
    setup.healthy.kube.delete("Secret", NAMESPACE, "argo-postgres-config")


def _misspelt(setup: Setup) -> None:
    block = setup.healthy.config()["persistence"]["postgresql"]
    setup.persistence(postgresql=block | {"passwordSecret": {"name": "argo-postgres-config", "key": "pasword"}})


def _bad_key(setup: Setup) -> None:
    for namespace in (NAMESPACE, *TEAMS):
        secret = setup.healthy.kube.get("Secret", namespace, "my-minio-cred")
        secret["data"] = dict(secret["data"]) | {"accesskey": "bm9ib2R5LWtub3dzLW1l"}


def _old_schema(setup: Setup) -> None:
    setup.sql(
        "alter table argo_archived_workflows drop column creationtimestamp;"
        "update schema_history set schema_version = 62; drop index argo_archived_workflows_i1;"
        "create index argo_archived_workflows_i1 on argo_archived_workflows"
        " (clustername, instanceid, namespace)"
    )


def _pending(setup: Setup) -> None:
    for number in range(2):
        setup.healthy.kube.apply(live_workflow(f"stuck-{number}", TEAM, archiving="Pending", age=timedelta(hours=3)))


SCENARIOS: dict[str, tuple[Callable[[Setup], object], dict[str, str]]] = {
    "database down": (_database_down, {"B03": "does not answer"}),
    "secret missing": (
        lambda s: s.healthy.kube.delete("Secret", NAMESPACE, "argo-postgres-config"), {"B01": "argo-postgres-config"},
    ),
    "secret in the wrong namespace": (_wrong_namespace, {"B01": "namespaces that have it: team-a"}),
    "key misspelt": (_misspelt, {"B02": "pasword"}),
    "archive off": (lambda s: s.persistence(archive=False), {"A01": "archive: false"}),
    "selector mismatch": (
        lambda s: s.persistence(archiveLabelSelector={"matchLabels": {"archive": "yes"}}),
        {"A04": "0 % of 3 workflows"},
    ),
    "no pod of the database": (lambda s: s.healthy.kube.delete("Pod", NAMESPACE, "postgres-0"), {"B03": "no pod"}),
    "no pod of the store": (lambda s: s.healthy.kube.delete("Pod", NAMESPACE, "minio-0"), {"C17": "minio"}),
    "wrong bucket": (lambda s: s.bucket(bucket="no-such-bucket"), {"C15": "no-such-bucket"}),
    "bad key": (_bad_key, {"C14": "access key id"}),
    "missing index": (
        lambda s: s.sql("drop index argo_archived_workflows_i2"), {"E02": "argo_archived_workflows_i2"},
    ),
    "old schema": (_old_schema, {"B19": "schema version 62"}),
    "TTL unparsable": (lambda s: s.persistence(archiveTTL="1h30m"), {"A14": "1h30m"}),
    "pending workflows": (_pending, {"A11": "team-a/stuck-1: finished 3h"}),
    "missing log objects": (lambda s: [s.forget_log(w) for w in s.workflows[:2]], {"E06": "w1-uid-w1/w1/main.log"}),
    "secret of the store missing": (
        lambda s: s.healthy.kube.delete("Secret", TEAM, "my-minio-cred"), {"C06": "Secret team-a/my-minio-cred"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_is_broken_is_named_and_nothing_else(kubectl: Kubectl, setup: Setup, name: str) -> None:
    spoil, expected = SCENARIOS[name]
    spoil(setup)
    done = run(kubectl, setup.healthy, "-o", "json", "--timeout", "30s")
    assert done.returncode == 3, done.stderr
    found = problems(done)
    assert set(found) == set(expected), {id: (f["message"], f["evidence"]) for id, f in found.items()}
    for id, text in expected.items():
        assert text in found[id]["message"] + found[id]["evidence"]
        assert found[id]["fix"]


def test_an_api_server_that_does_not_answer(kubectl: Kubectl, setup: Setup) -> None:
    for arguments in (("--context", "nowhere"), ("-o", "json", "--context", "nowhere")):
        done = run(kubectl, setup.healthy, *arguments)
        assert done.returncode == 4
        assert done.stderr.count("error: ") == 1
        assert "Traceback" not in done.stderr
    report = json.loads(done.stdout)
    assert report["summary"]["fail"] == 0
    assert "cannot reach the Kubernetes API" in report["findings"][0]["message"]


def test_nothing_that_was_asked_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    nowhere = f"postgresql://me:very-secret-word@127.0.0.1:{port}/argo"
    plant("very-secret-word", "a password")
    assert main.run(["verify", "--source", nowhere]) == 4
    assert "Connection refused" in capsys.readouterr().err
    assert (
        main.run(["verify", "--source", nowhere, "--lake", str(tmp_path / "lake")]) == 3
    )  # there is no lake: an answer
    assert main.run(["verify"]) == 2
    assert "nothing to look at" in capsys.readouterr().err


def test_a_database_and_a_lake_without_a_cluster(
    kubectl: Kubectl, archive_db: ArchiveDb, s3: S3, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source, lake = archive_db(rows=[archived("w0", s3)]), s3.url
    env = s3.environment()
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert main.run(["export", "--source", source, "--lake", lake, "-q"]) == 0
    capsys.readouterr()
    done = kubectl.run("argo-archive", "verify", "--source", source, "--lake", lake, "-o", "json", env=env)
    assert done.returncode == 0, done.stdout
    findings = {f["id"]: f for f in json.loads(done.stdout)["findings"]}
    assert findings["E16"]["status"] == findings["E15"]["status"] == findings["E13"]["status"] == "pass"
    assert findings["E01"]["status"] == findings["D03"]["status"] == findings["B03"]["status"] == "pass"
    assert findings["A01"]["status"] == "skip"
    assert "kubeconfig" in findings["A01"]["message"]
    (victim, *_) = [key for key in list(s3.keys()) if key.startswith("workflows/") and key.endswith(".parquet")]
    s3.client().put_object(Bucket=s3.bucket, Key=f"{s3.prefix}/{victim}", Body=b"short")
    assert main.run(["verify", "--lake", lake, "--check", "E16"]) == 3
    told = capsys.readouterr().out
    assert victim in told
    assert "5 bytes, should be" in told


def test_other_formats(setup: Setup, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import xml.etree.ElementTree as Xml

    import yaml

    setup.persistence(archiveTTL="2w")
    monkeypatch.setenv("KUBECONFIG", str(setup.healthy.kubeconfig))
    outputs = {}
    for format in ("table", "junit", "sarif", "yaml"):
        assert main.run(["verify", "-o", format, "--check", "A14,A01,E08", "-q"]) == 3
        done = capsys.readouterr()
        assert done.err == ""
        outputs[format] = done.out
    assert "fail  A14" in outputs["table"]
    assert "A01" not in outputs["table"]
    suite = Xml.fromstring(outputs["junit"])
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    (log,) = json.loads(outputs["sarif"])["runs"]
    assert [(r["ruleId"], r["level"]) for r in log["results"]] == [("A14", "error"), ("E08", "none")]
    assert {rule["id"] for rule in log["tool"]["driver"]["rules"]} == {"A14", "E08"}
    assert yaml.safe_load(outputs["yaml"])["summary"]["fail"] == 1


def test_explain_and_wrong_ids(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["verify", "--explain", "a11"]) == 0
    assert "workflow-archiving-status: Pending" in capsys.readouterr().out
    assert main.run(["verify", "--check", "Z99"]) == 2
    assert "no check Z99" in capsys.readouterr().err


def test_without_the_canary_nothing_is_written(kubectl: Kubectl, setup: Setup) -> None:
    setup.sql("create role only_reader login password 'reader-word'; grant usage on schema public to only_reader;"
              "grant select on all tables in schema public to only_reader")  # fmt: skip
    kube, s3 = setup.healthy.kube, setup.s3
    secret = kube.get("Secret", NAMESPACE, "argo-postgres-config")
    secret["data"] = dict(secret["data"]) | {"username": "b25seV9yZWFkZXI=", "password": "cmVhZGVyLXdvcmQ="}
    before = s3.keys()
    try:
        done = run(kubectl, setup.healthy, "-o", "json")
        found = problems(done)
        assert set(found) == {"A13"}  # a controller must write; this one is only for reading
        assert done.returncode == 3
        assert s3.keys() == before
        reviews = ("selfsubjectaccessreviews", "subjectaccessreviews")
        assert [w for w in kube.writes() if not any(name in str(w) for name in (*reviews, "portforward"))] == []
        quiet = json.loads(run(kubectl, setup.healthy, "--no-write-probes", "--check", "C15,E13", "-o", "json").stdout)
        assert {f["id"]: f["status"] for f in quiet["findings"]} == {"C15": "pass", "E13": "skip"}
        assert "nothing was written" in quiet["findings"][0]["message"]
    finally:
        setup.sql("drop owned by only_reader; drop role only_reader")


def test_the_canary_flies_and_leaves_nothing(kubectl: Kubectl, setup: Setup, tmp_path: Path) -> None:
    kube, s3 = setup.healthy.kube, setup.s3

    def controller(obj: dict[str, Any]) -> None:
        """Plays Argo: runs the pod, stores the log, archives."""
        name, namespace = obj["metadata"]["name"], obj["metadata"]["namespace"]
        stored = kube.get("Workflow", namespace, name)
        done = archived(name, s3, timedelta(0))
        done["metadata"] |= {"uid": stored["metadata"]["uid"], "namespace": namespace}
        done["metadata"]["labels"] |= stored["metadata"]["labels"]
        s3.client().put_object(Bucket=s3.bucket, Key=log_key(done), Body=b"canary\n")
        with psycopg.connect(setup.healthy.database) as connection, connection.cursor() as cursor:
            archive_workflow(cursor, done)
        stored["status"] = done["status"]
        stored["metadata"]["labels"] = done["metadata"]["labels"] | {_PREFIX + "workflow-archiving-status": "Archived"}

    before = s3.keys()
    kube.on_create["Workflow"] = controller
    lake = tmp_path / "lake"
    done = run(kubectl, setup.healthy, "--canary", "--workflow-namespace", TEAM, "--lake", str(lake), "--check", "E08",
               "-o", "json")  # fmt: skip
    (finding,) = json.loads(done.stdout)["findings"]
    assert finding["status"] == "pass", finding
    assert set(finding["details"]["seconds"]) == {
        "submitted", "finished", "marked archived", "row", "labels", "log object", "lake row",
    }  # fmt: skip
    assert s3.keys() == before
    assert not list(tmp_path.glob("lake*"))
    assert [w["metadata"]["name"] for w in kube.all("Workflow")] == ["w0", "w1", "w2"]
    with psycopg.connect(setup.healthy.database) as connection:
        assert connection.execute("select count(*) from argo_archived_workflows").fetchone() == (3,)

    kube.on_create["Workflow"] = lambda obj: None
    done = run(kubectl, setup.healthy, "--canary", "--canary-timeout", "1s", "--check", "E08", "-o", "json")
    assert done.returncode == 3
    assert "finished" in json.loads(done.stdout)["findings"][0]["message"]
    assert len(kube.all("Workflow")) == 3


def test_what_may_not_be_read_is_skipped_with_the_right_that_is_missing(kubectl: Kubectl, setup: Setup) -> None:
    setup.healthy.kube.deny("get", "secrets")
    setup.healthy.kube.deny("list", "workflows", namespace=None)
    done = run(kubectl, setup.healthy, "-o", "json")
    assert done.returncode == 0, problems(done)
    found = {f["id"]: f for f in json.loads(done.stdout)["findings"]}
    for id in ("B01", "C06", "B03", "E01", "C15", "E06"):
        assert found[id]["status"] == "skip", found[id]
    for id in ("A11", "E04", "E03"):
        assert found[id]["status"] == "skip"
        assert "not allowed to list workflows" in found[id]["message"]
    assert "secrets" in found["B03"]["message"]
    assert found["E10"]["status"] == "warn"
    assert "resources: [secrets], verbs: [get]" in found["E10"]["fix"]
    assert found["A01"]["status"] == found["C18"]["status"] == "pass"
