"""The cluster as the third side: what finished there and is not in the database."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from fixtures.kube_healthy import TEAMS, Healthy, MakeHealthy, live_workflow

from kubectl_argo_archive.cli.main import cli

P = "workflows.argoproj.io/"


def invoke(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, list(arguments), prog_name="kubectl argo-archive", standalone_mode=False)
    if done.exception:
        raise done.exception
    return int(done.return_value or 0), done.stdout, done.stderr


@pytest.fixture
def healthy(make_healthy: MakeHealthy, monkeypatch: pytest.MonkeyPatch) -> Healthy:
    made = make_healthy([live_workflow("there", uid="u1")], with_s3=False)
    monkeypatch.setenv("KUBECONFIG", str(made.kubeconfig))
    made.kube.apply(live_workflow("there", uid="u1"))
    return made


def test_finished_workflows_that_never_reached_the_archive(healthy: Healthy, tmp_path: Path) -> None:
    """Not those that run, ended just now, belong to another controller, or are not to be archived."""
    lake = str(tmp_path / "lake")
    assert invoke("export", "--lake", lake, "-q")[0] == 0
    code, text, _ = invoke("reconcile", "--lake", lake, "-q", "-o", "json")
    assert (code, json.loads(text)["cluster_checked"]) == (0, True)
    healthy.kube.apply(
        live_workflow("lost", uid="u2", archiving="Pending"),
        live_workflow("lost-too", TEAMS[1], uid="u3", phase="Failed", archiving=None),
        live_workflow("running", phase="Running"),
        live_workflow("just-now", age=timedelta(minutes=1), archiving="Pending"),
        live_workflow("another", labels={P + "controller-instanceid": "other"}),
    )
    code, text, _ = invoke("reconcile", "--lake", lake, "-q", "-o", "json")
    found = json.loads(text)
    assert (code, found["totals"]["not_archived"]) == (3, 2)
    assert {d["name"] for d in found["differences"]} == {"lost", "lost-too"}
    assert invoke("reconcile", "--lake", lake, "-q", "--no-live", "-o", "json")[0] == 0
    assert invoke("reconcile", "--source", healthy.database, "--lake", lake, "-q", "-o", "json")[0] == 0
    code, text, _ = invoke("reconcile", "--source", healthy.database, "--lake", lake, "-q", "--live", "-n", TEAMS[1])
    assert (code, "lost-too" in text, "lost " in text) == (3, True, False)
