"""What every test gets: a clean environment; and by name: real servers, kubectl, workflows (``fixtures/``)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest_plugins = [
    "fixtures.leaks", "fixtures.audit", "fixtures.servers", "fixtures.kubectl", "fixtures.kube",
    "fixtures.kube_healthy", "fixtures.workflows", "fixtures.logs",
]  # fmt: skip

_FOREIGN = ("AWS_", "PG", "KUBECTL_ARGO_ARCHIVE_", "KUBECONFIG", "XDG_", "S3_")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nothing of the developer's shell reaches a test: no cloud, no database, no cluster, an empty home folder.

    Returns:
        The home folder.
    """
    for name in list(os.environ):
        if name.startswith(_FOREIGN) or name.lower() in _PROXIES:
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    # without credentials, botocore would wait for a cloud's metadata service that is not there
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return home
