"""The access log: every command that gives audit data out leaves a record that nobody can overwrite by chance."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from contract.archive_suite import workflow
from fixtures.sealed import SealedLake
from fixtures.servers import S3

from kubectl_argo_archive.audit import access
from kubectl_argo_archive.cli.main import cli
from kubectl_argo_archive.connect import open_lake
from kubectl_argo_archive.errors import LakeError

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: prod
contexts: [{name: prod, context: {cluster: main, user: alice@example.com}}, {name: dev, context: {user: x}}]
clusters: [{name: main, cluster: {server: "https://k8s.example.com:6443"}}]
users: [{name: alice@example.com, user: {token: very-secret-token}}]
"""


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> SealedLake:
    made = SealedLake(tmp_path_factory.mktemp("sealed"))
    made.export(workflow("a"), workflow("b"))
    return made


def invoke(*arguments: str) -> str:
    done = CliRunner().invoke(cli, ["audit", *arguments], prog_name="kubectl argo-archive", standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.stdout + done.stderr


def log(lake: SealedLake) -> list[dict[str, object]]:
    return access.entries(open_lake(str(lake.path)).storage)


def test_reports_and_bundles_are_recorded(lake: SealedLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text(KUBECONFIG)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("LOGNAME", "olga")
    before = len(log(lake))
    base = ("--lake", str(lake.path))
    invoke("report", "actions", *base, "-n", "ns", "-o", "json")
    invoke("bundle", str(tmp_path / "b.zip"), *base, "--key", str(lake.key), "--phase", "Succeeded", "-q")
    report, bundle = log(lake)[before:]
    assert (report["command"], report["rows"], report["os_user"]) == ("audit report", 2, "olga")
    assert report["what"] == {"sections": ["actions"], "namespaces": ["ns"]}
    assert (report["kube_user"], report["kube_context"]) == ("alice@example.com", "prod")
    assert report["kube_server"] == "https://k8s.example.com:6443"
    assert (bundle["command"], bundle["rows"], bundle["export_id"]) == ("audit bundle", 2, report["export_id"])
    assert {"phases", "sha256", "target"} <= set(bundle["what"])  # type: ignore[call-overload]
    text = "".join(path.read_text() for path in (lake.path / "audit/access").rglob("*.json"))
    assert "very-secret" not in text
    shown = json.loads(invoke("report", "access", *base, "-o", "json"))["sections"]["access"]
    assert [row["command"] for row in shown][-2:] == ["audit report", "audit bundle"]


def test_the_log_can_be_switched_off(lake: SealedLake, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[audit]\naccess_log = false\n")
    before = len(log(lake))
    invoke("report", "actions", "--lake", str(lake.path), "--config", str(tmp_path / "config.toml"))
    assert len(log(lake)) == before
    invoke("report", "actions", "--lake", str(lake.path))
    assert len(log(lake)) == before + 1


def test_a_failed_read_is_recorded_too(lake: SealedLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read was read, even if the reader has gone."""
    monkeypatch.setattr("kubectl_argo_archive.cli.render._write", _pipe_is_gone)
    before = len(log(lake))
    with pytest.raises(BrokenPipeError):
        invoke("report", "actions", "--lake", str(lake.path))
    (entry,) = log(lake)[before:]
    assert entry["rows"] is None


def _pipe_is_gone(*arguments: object) -> None:
    raise BrokenPipeError


def test_records_are_never_overwritten(lake: SealedLake, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = open_lake(str(lake.path)).storage
    names = iter(["same", "same", "other"])
    monkeypatch.setattr("kubectl_argo_archive.audit.records_store.secrets.token_hex", lambda size: next(names))
    monkeypatch.setattr("kubectl_argo_archive.audit.access.datetime", _Frozen)
    one, two = (access.record(storage, "x", {"n": n}) for n in range(2))
    assert one != two
    assert json.loads((lake.path / one).read_text())["what"] == {"n": 0}


class _Frozen(access.datetime):  # type: ignore[misc]
    @classmethod
    def now(cls, tz: object = None) -> _Frozen:
        return cls.fromisoformat("2026-03-01T10:00:00+00:00")


def test_a_lake_that_cannot_be_written_to_is_read_all_the_same(
    lake: SealedLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> str:
        raise LakeError("read only")

    monkeypatch.setattr("kubectl_argo_archive.audit.records_store.append", refuse)
    assert "could not be recorded" in invoke("report", "outcomes", "--lake", str(lake.path))


def test_verify_neither_seals_nor_accuses_the_log(lake: SealedLake) -> None:
    access.record(open_lake(str(lake.path)).storage, "x", {})
    invoke("verify", str(lake.path), "--public-key", str(lake.public), "-q")


def test_the_log_lies_in_s3_too(s3_environment: S3) -> None:
    from kubectl_argo_archive.storage.filesystem import open_storage
    from kubectl_argo_archive.storage.location import Location

    storage = open_storage(Location.parse(s3_environment.url))
    names = [access.record(storage, "audit report", {"n": n}) for n in range(3)]
    assert sorted(s3_environment.keys("audit/access")) == sorted(names)
    assert [entry["what"] for entry in access.entries(storage)] == [{"n": n} for n in range(3)]
