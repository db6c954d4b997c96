"""``export`` without ``--source``: the cluster's API leads to the database, through a port-forward."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from fixtures.kube_healthy import Healthy, MakeHealthy
from fixtures.kubectl import Kubectl
from fixtures.lakes import read

from kubectl_argo_archive.cluster.access import KubeOptions
from kubectl_argo_archive.cluster.client import KubeClient
from kubectl_argo_archive.cluster.forward import PortForward
from kubectl_argo_archive.connect import open_cluster, open_source
from kubectl_argo_archive.demo.argo_schema import ArchiveRow
from kubectl_argo_archive.errors import ClusterError
from kubectl_argo_archive.tables.schema import WORKFLOW_TABLES


@pytest.fixture
def few(workflows: list[ArchiveRow]) -> list[ArchiveRow]:
    return workflows[:60]


def export(kubectl: Kubectl, lake: Path, *more: str, env: dict[str, str] | None = None) -> tuple[dict[str, Any], str]:
    done = kubectl.run("argo-archive", "export", "--lake", str(lake), "-o", "json", *more, env=env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def rows(lake: Path, table: str) -> list[str]:
    return sorted(str(row) for row in read(lake, table).drop_columns(["export_id"]).to_pylist())


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


def options(healthy: Healthy, **more: Any) -> KubeOptions:
    return KubeOptions(kubeconfig=str(healthy.kubeconfig), **more)


def test_an_export_through_the_port_forward_equals_the_direct_one(
    kubectl: Kubectl, make_healthy: MakeHealthy, few: list[ArchiveRow], tmp_path: Path
) -> None:
    healthy = make_healthy(few, with_s3=False)
    through, direct = tmp_path / "through", tmp_path / "direct"
    result, said = export(kubectl, through, env=healthy.environment())
    assert said.startswith("port-forward to Service argo/postgres, pod postgres-0")
    assert result["new"] == len(few)
    assert f"postgres:5432/{healthy.database.rpartition('/')[2]}" in result["source"]
    assert healthy.kube.forwards > 0
    assert healthy.kube.open_forwards == 0
    assert healthy.kube.writes() == []
    export(kubectl, direct, "--source", healthy.database)
    for table in (spec.name for spec in WORKFLOW_TABLES):
        assert rows(through, table) == rows(direct, table)
    # the lake takes both ways for one source: there is nothing new on the other one
    again, _ = export(kubectl, through, "--full", "--source", healthy.database)
    assert (again["new"], again["changed"], again["deleted"], again["unchanged"]) == (0, 0, 0, len(few))
    done = kubectl.run("argo-archive", "reconcile", "--lake", str(direct), env=healthy.environment())
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.mark.parametrize("signal_sent", [signal.SIGINT, signal.SIGTERM])
def test_the_forward_is_gone_after_an_interruption(
    kubectl: Kubectl, make_healthy: MakeHealthy, few: list[ArchiveRow], tmp_path: Path, signal_sent: signal.Signals
) -> None:
    healthy = make_healthy(few, with_s3=False)
    with psycopg.connect(healthy.database) as blocker:
        blocker.execute("lock table argo_archived_workflows in access exclusive mode")
        command = [str(kubectl.path), "argo-archive", "export", "--lake", str(tmp_path / "lake")]
        environment = kubectl.environment(healthy.environment())
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            wait_for(lambda: healthy.kube.open_forwards == 1 or process.poll() is not None)
            listening = [
                connection.laddr.port
                for connection in psutil.Process(process.pid).net_connections()
                if connection.status == psutil.CONN_LISTEN
            ]
            assert len(listening) == 1
            process.send_signal(signal_sent)
            _, said = process.communicate(timeout=20)
        assert process.returncode == 130, said
        assert "interrupted" in said
        assert "Traceback" not in said
        wait_for(lambda: healthy.kube.open_forwards == 0)
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", listening[0])) != 0


def test_many_connections_at_once_and_none_afterwards(make_healthy: MakeHealthy) -> None:
    healthy = make_healthy(with_s3=False)
    client = KubeClient.connect(options(healthy))
    password = psycopg.conninfo.conninfo_to_dict(healthy.database)
    with PortForward(client, "postgres", "argo", 5432) as forward:
        way = password | {"host": "postgres", "hostaddr": "127.0.0.1", "port": forward.port}
        sessions = [psycopg.connect(**way) for _ in range(12)]
        big = sum(each.execute("select repeat('x', 3000000)").fetchone() is not None for each in sessions)
        assert (big, healthy.kube.open_forwards) == (12, 12)
        sessions.pop().close()
        wait_for(lambda: healthy.kube.open_forwards == 11)
        port = forward.port
    wait_for(lambda: healthy.kube.open_forwards == 0)
    with pytest.raises(psycopg.OperationalError):
        sessions[0].execute("select 1")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_reader_that_waits_makes_the_sender_wait(make_healthy: MakeHealthy) -> None:
    """What is sent ahead stays bounded: the tunnel holds a megabyte, sockets a few more, never the archive."""
    healthy = make_healthy(with_s3=False)
    sent = 0

    def serve() -> None:
        nonlocal sent
        connection, _ = server.accept()
        connection.settimeout(2)
        with connection, suppress(TimeoutError, ConnectionError):
            while sent < 1 << 30:
                sent += connection.send(bytes(1 << 16))

    with socket.create_server(("127.0.0.1", 0)) as server:
        healthy.kube.ports["argo", "postgres-0", 5432] = server.getsockname()[1]
        thread = threading.Thread(target=serve)
        thread.start()
        with PortForward(KubeClient.connect(options(healthy)), "postgres", "argo", 5432) as forward:
            with socket.create_connection(("127.0.0.1", forward.port)):
                thread.join()
    assert 1 << 16 < sent < 100 << 20


def test_what_is_wrong_with_the_service_is_said(make_healthy: MakeHealthy) -> None:
    healthy = make_healthy(with_s3=False)
    kube, client = healthy.kube, KubeClient.connect(options(healthy))

    def refused(port: int = 5432) -> str:
        with pytest.raises(ClusterError) as error, PortForward(client, "postgres", "argo", port):
            pass
        return f"{error.value.message} · {error.value.hint}"

    assert "has no port 5433; it has 5432" in refused(5433)
    pod = kube.get("Pod", "argo", "postgres-0")
    pod["status"]["conditions"][0]["status"] = "False"
    pod["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "ImagePullBackOff"}}
    assert "postgres-0 is ImagePullBackOff" in refused()
    kube.delete("Pod", "argo", "postgres-0")
    assert "there is no pod" in refused()
    kube.get("Service", "argo", "postgres")["spec"].pop("selector")
    assert "no selector" in refused()
    kube.delete("Service", "argo", "postgres")
    assert "there is no Service postgres in namespace argo" in refused()


def test_a_pod_behind_which_nobody_listens_and_a_missing_right(
    kubectl: Kubectl, make_healthy: MakeHealthy, tmp_path: Path
) -> None:
    healthy = make_healthy(with_s3=False)
    healthy.kube.ports["argo", "postgres-0", 5432] = 1
    command = ("argo-archive", "export", "--lake", str(tmp_path / "lake"))
    done = kubectl.run(*command, env=healthy.environment())
    assert done.returncode == 4, done.stderr
    assert "cannot reach postgres:5432/" in done.stderr
    assert "connection refused" in done.stderr
    healthy.kube.deny("get", "pods/portforward")
    done = kubectl.run(*command, env=healthy.environment())
    assert "not allowed to get pods/portforward postgres-0 in namespace argo" in done.stderr
    assert not any(secret in done.stderr for secret in healthy.secrets)


def test_the_pod_may_change_between_connections(make_healthy: MakeHealthy) -> None:
    healthy = make_healthy(with_s3=False)
    kube = healthy.kube
    way = psycopg.conninfo.conninfo_to_dict(healthy.database)
    with PortForward(KubeClient.connect(options(healthy)), "postgres", "argo", 5432) as forward:
        there = way | {"host": "127.0.0.1", "port": forward.port}
        psycopg.connect(**there).close()
        moved = {**kube.get("Pod", "argo", "postgres-0")}
        moved["metadata"] = {**moved["metadata"], "name": "postgres-1"}
        kube.delete("Pod", "argo", "postgres-0")
        kube.apply(moved)
        kube.ports["argo", "postgres-1", 5432] = kube.ports["argo", "postgres-0", 5432]
        psycopg.connect(**there).close()
        assert forward.pod == "postgres-1"


def test_a_port_of_the_service_may_have_a_name_and_another_number(make_healthy: MakeHealthy) -> None:
    healthy = make_healthy(with_s3=False)
    service = healthy.kube.get("Service", "argo", "postgres")
    service["spec"]["ports"] = [{"port": 6000, "targetPort": "pg"}]
    pod = healthy.kube.get("Pod", "argo", "postgres-0")
    pod["spec"]["containers"][0]["ports"] = [{"name": "pg", "containerPort": 5432}]
    healthy.configure(persistence=healthy.config()["persistence"] | {"postgresql": {
        **healthy.config()["persistence"]["postgresql"], "host": "postgres.argo.svc.cluster.local:6000", "port": 0,
    }})  # fmt: skip
    told: list[str] = []
    with open_source(options(healthy), told.append).snapshot() as snapshot:
        assert snapshot.info.display.startswith("postgresql://postgres.argo.svc.cluster.local:6000/")
    assert len(told) == 1


def test_the_representations_of_what_holds_a_password_do_not_show_it(make_healthy: MakeHealthy) -> None:
    from kubectl_argo_archive.cluster.database import open_database

    healthy = make_healthy(with_s3=False)
    client, installation, controller = open_cluster(options(healthy))
    with open_database(client, controller, print) as access:
        shown = repr((client, client.access, installation, access, open_source(options(healthy)), installation.objects))
        assert healthy.secrets[0] in access.conninfo
    assert not any(secret in shown for secret in healthy.secrets)


def test_the_tunnel_trusts_what_the_kubeconfig_trusts(make_healthy: MakeHealthy) -> None:
    from kubectl_argo_archive.cluster.tunnel import _proxy, _tls

    client = KubeClient.connect(options(make_healthy(with_s3=False)))
    configuration: Any = client.access.configuration
    assert _tls(client) == {"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": configuration.ssl_ca_cert}
    assert _proxy(client) == {"http_no_proxy": ["*"]}
    configuration.tls_server_name, configuration.cert_file, configuration.key_file = "kubernetes", "c", "k"
    assert _tls(client) | {"ca_certs": ""} == {
        "cert_reqs": ssl.CERT_REQUIRED, "ca_certs": "", "server_hostname": "kubernetes",
        "certfile": "c", "keyfile": "k",
    }  # fmt: skip
    configuration.verify_ssl = False
    assert _tls(client)["cert_reqs"] == ssl.CERT_NONE
    configuration.proxy = "http://me:word@proxy:3128"
    assert _proxy(client) == {
        "http_proxy_host": "proxy", "http_proxy_port": 3128, "proxy_type": "http", "http_proxy_auth": ("me", "word"),
    }  # fmt: skip
    configuration.proxy = "https://proxy:3128"
    with pytest.raises(ClusterError, match="proxy of kind https"):
        _proxy(client)
