"""The API server of the tests is one for others too: the real kubectl reads from it."""

from __future__ import annotations

import json
from pathlib import Path

from fixtures.kube import KubeApi
from fixtures.kube_healthy import MakeHealthy
from fixtures.kubectl import Kubectl


def test_kubectl_reads_from_it(kubectl: Kubectl, make_healthy: MakeHealthy) -> None:
    healthy = make_healthy(with_s3=False)
    done = kubectl.run("get", "pods", "-n", "argo", "-l", "app in (postgres)", "-o", "json", env=healthy.environment())
    assert done.returncode == 0, done.stderr
    assert [item["metadata"]["name"] for item in json.loads(done.stdout)["items"]] == ["postgres-0"]
    healthy.kube.deny("get", "secrets", namespace="argo")
    denied = kubectl.run("get", "secret", "argo-postgres-config", "-n", "argo", env=healthy.environment())
    assert "is forbidden" in denied.stderr


def test_a_wrong_token_and_a_foreign_authority_do_not_get_in(kubectl: Kubectl, kube: KubeApi, tmp_path: Path) -> None:
    wrong = kube.kubeconfig(tmp_path / "wrong", token="wrong")
    assert "logged in" in kubectl.run("get", "namespaces", env={"KUBECONFIG": str(wrong)}).stderr
    with_plugin = kube.kubeconfig(tmp_path / "plugin", exec_plugin=True)
    assert kubectl.run("get", "namespaces", env={"KUBECONFIG": str(with_plugin)}).returncode == 0
