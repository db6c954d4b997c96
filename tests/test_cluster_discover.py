"""Discovery against an API server: what is found, with which rights, and what is said if something is missing."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any, Literal

import pytest
from fixtures.kube import KubeApi
from fixtures.kube_healthy import Healthy, MakeHealthy
from fixtures.kubectl import Kubectl

from kubectl_argo_archive.argo.decode import SecretKeyRef
from kubectl_argo_archive.argo.installation import Installation
from kubectl_argo_archive.cluster.access import KubeOptions, contexts, is_configured
from kubectl_argo_archive.cluster.client import KubeClient
from kubectl_argo_archive.cluster.discover import discover
from kubectl_argo_archive.cluster.names import service_named
from kubectl_argo_archive.cluster.reach import reach
from kubectl_argo_archive.cluster.resources import RESOURCES
from kubectl_argo_archive.cluster.secrets import read_secret_value
from kubectl_argo_archive.connect import open_cluster, open_source
from kubectl_argo_archive.errors import (
    ArgoArchiveError,
    ClusterError,
    ClusterForbidden,
    ClusterUnreachable,
    ConfigError,
)


def client_of(healthy: Healthy, **more: Any) -> KubeClient:
    return KubeClient.connect(KubeOptions(kubeconfig=str(healthy.kubeconfig), **more))


def asked(kube: KubeApi) -> set[str]:
    """What was asked for, in short: ``get secrets argo/name``."""
    return {f"{r.verb} {r.resource} {r.namespace or '*'}{'/' + r.name if r.name else ''}" for r in kube.requests}


@pytest.mark.parametrize("layout", ["keys", "config"])
def test_both_layouts_of_the_config_map(make_healthy: MakeHealthy, layout: Literal["keys", "config"]) -> None:
    healthy = make_healthy(with_s3=False, layout=layout)
    installation = discover(client_of(healthy))
    (controller,) = installation.controllers
    assert controller.config is not None
    assert (controller.config.layout, installation.problems, installation.unread) == (layout, (), ())
    assert controller.persistence is not None
    assert controller.persistence.database is not None
    assert controller.persistence.database.address == ("postgres", 5432)
    path = "data.config.persistence.archiveTTL" if layout == "config" else "data.persistence.archiveTTL"
    assert controller.persistence.origin("archive_ttl").path == path
    assert len(installation.servers) == 1


def test_only_what_is_needed_is_asked_for(make_healthy: MakeHealthy) -> None:
    """The rights that docs and messages name are all that it takes to find the database."""
    healthy = make_healthy(with_s3=False)
    installation = discover(client_of(healthy))
    assert asked(healthy.kube) == {
        "list deployments *",
        "get configmaps argo/workflow-controller-configmap",
        "get services argo/postgres",
        "get services argo/minio",
        "get secrets argo/argo-postgres-config",
        "get secrets argo/my-minio-cred",
    }
    ref = SecretKeyRef(name="argo-postgres-config", key="password")
    assert installation.has_key("argo", ref) is True


def test_everything_that_a_set_up_stands_on(make_healthy: MakeHealthy) -> None:
    healthy = make_healthy(with_s3=False)
    healthy.kube.apply(
        """
        kind: ConfigMap
        metadata:
          name: artifact-repositories
          namespace: team-b
          annotations: {workflows.argoproj.io/default-artifact-repository: own}
        data: {own: "s3: {bucket: b, accessKeySecret: {name: their-own, key: id}}"}
        ---
        kind: CronWorkflow
        metadata: {name: nightly, namespace: team-a}
        spec: {schedule: "0 3 * * *", workflowSpec: {templates: []}}
        """
    )
    installation = discover(client_of(healthy), everything=True, used=["team-c"])
    (controller,) = installation.controllers
    database = installation.service("argo", "postgres")
    assert database is not None
    (behind,) = installation.behind(database)
    claim = installation.claim("argo", behind.claims[0])
    assert claim is not None
    assert (behind.name, claim.phase, claim.volume) == ("postgres", "Bound", "pvc-postgres")
    assert installation.volumes[0].driver == "ebs.csi.aws.com"
    assert installation.repository(controller, "team-b").store is not None
    assert [each.name for each in installation.crons] == ["nightly"]
    # Secrets are looked for where workflows run
    assert installation.secret("team-a", "my-minio-cred") is not None
    assert installation.has_key("team-b", SecretKeyRef(name="their-own", key="id")) is False
    assert "get secrets team-c/my-minio-cred" in asked(healthy.kube)
    assert healthy.kube.writes() == []


def test_helm_names_and_a_config_map_of_another_name(make_healthy: MakeHealthy) -> None:
    healthy = make_healthy(with_s3=False, layout="config")
    kube = healthy.kube
    deployment = kube.get("Deployment", "argo", "workflow-controller")
    config = kube.get("ConfigMap", "argo", "workflow-controller-configmap")
    name = "prod-argo-workflows-workflow-controller"
    deployment["metadata"] |= {"name": name, "labels": {"helm.sh/chart": "argo-workflows-1.0.18"}}
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container |= {"name": "controller", "args": ["--configmap", f"{name}-configmap", "--loglevel", "info"]}
    config["metadata"]["name"] = f"{name}-configmap"
    kube.apply(config)
    kube.delete("ConfigMap", "argo", "workflow-controller-configmap")
    (controller,) = discover(client_of(healthy)).controllers
    assert (controller.chart, controller.name) == ("helm", f"argo/{name}")
    assert controller.persistence is not None
    assert controller.origin.object == f"Deployment argo/{name}"


def test_a_namespaced_install_found_without_rights_beyond_it(make_healthy: MakeHealthy) -> None:
    healthy = make_healthy(with_s3=False)
    kube = healthy.kube
    kube.get("Deployment", "argo", "workflow-controller")["spec"]["template"]["spec"]["containers"][0]["args"] = [
        "--namespaced"
    ]
    kube.deny("list", namespace="")
    kube.deny(namespace="argo-workflows")
    kube.deny(namespace="kubeflow")
    kube.deny(namespace="team-a")
    installation = discover(client_of(healthy), everything=True)
    (controller,) = installation.controllers
    assert (controller.namespaced, controller.managed_namespace) == (True, "argo")
    assert controller.persistence is not None
    refused = {(each.kind, each.namespace) for each in installation.unread}
    assert {("Deployment", None), ("Deployment", "team-a"), ("ClusterWorkflowTemplate", None)} <= refused
    assert ("CronWorkflow", "argo") not in refused
    # what is named explicitly is the only place
    kube.requests.clear()
    assert len(discover(client_of(healthy), namespace="argo").controllers) == 1
    assert "list deployments *" not in asked(kube)


def two_controllers(healthy: Healthy) -> None:
    kube = healthy.kube
    other = json.loads(json.dumps(kube.get("Deployment", "argo", "workflow-controller")))
    other["metadata"] |= {"name": "second"}
    other["spec"]["template"]["spec"]["containers"][0]["args"] = ["--configmap=second-map"]
    config = json.loads(json.dumps(kube.get("ConfigMap", "argo", "workflow-controller-configmap")))
    config["metadata"]["name"] = "second-map"
    config["data"]["instanceID"] = "blue"
    config["data"]["persistence"] = config["data"]["persistence"].replace("host: postgres", "host: second-database")
    kube.apply(other, config)


def test_several_controllers_ask_to_choose(kubectl: Kubectl, make_healthy: MakeHealthy, tmp_path: Path) -> None:
    healthy = make_healthy(with_s3=False)
    two_controllers(healthy)
    command = ("argo-archive", "export", "--lake", str(tmp_path / "lake"))
    done = kubectl.run(*command, env=healthy.environment())
    assert done.returncode == 2
    assert "there are 2 controllers: argo/workflow-controller, argo/second (instance id blue)" in done.stderr
    assert "--controller" in done.stderr
    for wanted in ("blue", "second", "argo/second"):
        options = KubeOptions(kubeconfig=str(healthy.kubeconfig), controller=wanted)
        assert open_cluster(options)[2].name == "argo/second"


@pytest.mark.parametrize(
    "kind",
    [
        "token",
        pytest.param("plugin", marks=pytest.mark.shows_secrets("a login plugin prints the token, for us")),
        "impersonation",
    ],
)
def test_ways_to_log_in(make_healthy: MakeHealthy, tmp_path: Path, kind: str) -> None:
    healthy = make_healthy(with_s3=False)
    healthy.kube.deny(user="nobody")
    file = healthy.kube.kubeconfig(tmp_path / "other", namespace="somewhere", exec_plugin=kind == "plugin")
    options = KubeOptions(kubeconfig=str(file), as_user="somebody" if kind == "impersonation" else None)
    client = KubeClient.connect(options)
    assert (client.access.context, client.access.namespace) == ("test", "somewhere")
    assert len(discover(client).controllers) == 1
    assert healthy.kube.requests[0].user == ("somebody" if kind == "impersonation" else "tester")
    with pytest.raises(ClusterForbidden):
        list(client_of(healthy, as_user="nobody").list(RESOURCES["Pod"], "argo"))


def test_inside_a_cluster(kube: KubeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kubernetes.config import incluster_config

    from kubectl_argo_archive.cluster import access

    files = {"token": kube.token, "ca.crt": kube.authority.cert_pem.bytes().decode(), "namespace": "jobs\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    host, _, port = kube.url.removeprefix("https://").partition(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    monkeypatch.setattr(access, "_SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    assert is_configured(KubeOptions())
    client = KubeClient.connect(KubeOptions())
    assert (client.access.context, client.access.namespace) == ("in-cluster", "jobs")
    assert client.version() == "v1.34.1"
    # names mean there what they mean to the controller: nothing is forwarded, nor asked
    with reach(client, "postgres", 5432, "argo", print) as reached:
        assert (reached.host, reached.dial, reached.through) == ("postgres", None, "")
    assert kube.requests == []


class TestErrors:
    def test_no_kubeconfig(self, tmp_path: Path) -> None:
        assert not is_configured(KubeOptions())
        with pytest.raises(ConfigError, match="there is no kubeconfig"):
            KubeClient.connect(KubeOptions())
        with pytest.raises(ConfigError, match="does not exist"):
            KubeClient.connect(KubeOptions(kubeconfig=str(tmp_path / "missing")))

    def test_a_kubeconfig_that_is_none_is_not_quoted(self, tmp_path: Path) -> None:
        file = tmp_path / "broken"
        file.write_text("users: [{user: {token: hunter2")
        with pytest.raises(ConfigError) as error:
            KubeClient.connect(KubeOptions(kubeconfig=str(file)))
        assert "hunter2" not in f"{error.value} {error.value.hint}"

    def test_a_context_that_does_not_exist(self, make_healthy: MakeHealthy) -> None:
        healthy = make_healthy(with_s3=False)
        with pytest.raises(ConfigError, match="production") as error:
            client_of(healthy, context="production")
        assert "get-contexts" in (error.value.hint or "")

    def test_nobody_answers(self, kubectl: Kubectl, make_healthy: MakeHealthy, tmp_path: Path) -> None:
        healthy = make_healthy(with_s3=False)
        command = ("argo-archive", "export", "--lake", str(tmp_path / "lake"))
        done = kubectl.run(*command, "--context", "nowhere", env=healthy.environment())
        assert done.returncode == 4
        assert "cannot reach the Kubernetes API at https://127.0.0.1:1 (context nowhere)" in done.stderr
        assert "Traceback" not in done.stderr
        healthy.kube.stop()
        with pytest.raises(ClusterUnreachable, match="refused"):
            discover(client_of(healthy))

    def test_an_authority_that_is_not_trusted(self, kube: KubeApi, tmp_path: Path) -> None:
        import trustme

        file = kube.kubeconfig(tmp_path / "config")
        own, kube.authority = kube.authority, trustme.CA()
        foreign = kube.kubeconfig(tmp_path / "foreign")
        kube.authority = own
        assert KubeClient.connect(KubeOptions(kubeconfig=str(file))).version()
        with pytest.raises(ClusterUnreachable, match=r"(?i)certificate") as error:
            KubeClient.connect(KubeOptions(kubeconfig=str(foreign))).version()
        assert "certificate-authority" in (error.value.hint or "")

    def test_a_login_that_has_ended(self, kube: KubeApi, tmp_path: Path) -> None:
        file = kube.kubeconfig(tmp_path / "config", token="old")
        with pytest.raises(ClusterError, match="does not know us") as error:
            KubeClient.connect(KubeOptions(kubeconfig=str(file))).version()
        assert "log in again" in (error.value.hint or "")

    def test_a_login_plugin_that_fails(self, kube: KubeApi, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        file = kube.kubeconfig(tmp_path / "config", exec_plugin=True)
        (tmp_path / "config.py").write_text("import sys; sys.exit('the SSO session has expired')")
        with pytest.raises(ClusterError, match="the SSO session has expired"):
            discover(KubeClient.connect(KubeOptions(kubeconfig=str(file))))
        assert capfd.readouterr().err == ""

    def test_a_right_is_named_exactly(self, make_healthy: MakeHealthy) -> None:
        healthy = make_healthy(with_s3=False)
        healthy.kube.deny("get", "secrets", namespace="argo")
        client, installation, controller = open_cluster(KubeOptions(kubeconfig=str(healthy.kubeconfig)))
        ref = SecretKeyRef(name="argo-postgres-config", key="password")
        assert installation.has_key("argo", ref) is None
        with pytest.raises(ClusterForbidden) as error:
            read_secret_value(client, controller.namespace, ref)
        assert error.value.message == "not allowed to get secrets argo-postgres-config in namespace argo"
        assert "verbs: [get], resources: [secrets] in namespace argo" in (error.value.hint or "")

    @pytest.mark.parametrize(
        ("spoil", "says"),
        [
            (lambda h: h.kube.delete("Secret", "argo", "argo-postgres-config"), "no Secret argo-postgres-config in"),
            (lambda h: h.kube.get("Secret", "argo", "argo-postgres-config")["data"].clear(), "has no key"),
            (lambda h: h.configure(persistence=None), "has no persistence: there is no archive"),
            (lambda h: h.configure(persistence={"archive": True}), "names no database"),
            (lambda h: h.configure(persistence={"mysql": {"host": "m", "database": "d"}}), "MySQL"),
            (lambda h: h.configure(persistence={"postgresql": {"database": "d"}}), "has no host"),
            (lambda h: h.kube.delete("ConfigMap", "argo", "workflow-controller-configmap"), "could not be read"),
            (lambda h: h.kube.delete("Deployment", "argo", "workflow-controller"), "no controller"),
        ],
    )  # fmt: skip
    def test_what_is_missing_is_named(self, make_healthy: MakeHealthy, spoil: Any, says: str) -> None:
        healthy = make_healthy(with_s3=False)
        spoil(healthy)
        if says == "no controller":
            healthy.kube.delete("ConfigMap", "argo", "workflow-controller-configmap")
        with pytest.raises(ArgoArchiveError, match=says) as error:
            with open_source(KubeOptions(kubeconfig=str(healthy.kubeconfig))).snapshot():
                pass
        assert error.value.hint
        shown = f"{error.value.message} {error.value.hint}"
        assert not any(secret in shown for secret in healthy.secrets)


class TestSecrets:
    def test_a_value_is_never_shown(self, make_healthy: MakeHealthy) -> None:
        healthy = make_healthy(with_s3=False)
        ref = SecretKeyRef(name="argo-postgres-config", key="password")
        value = read_secret_value(client_of(healthy), "argo", ref)
        assert value.reveal() == healthy.secrets[0]
        for shown in (repr(value), str(value), f"{value}", f"{value!r:>20}", "%s" % value, repr([value])):  # noqa: UP031
            assert healthy.secrets[0] not in shown
        with pytest.raises(TypeError):
            pickle.dumps(value)
        assert value.place == "key password of Secret argo/argo-postgres-config"

    def test_white_space_around_and_bytes_that_are_no_text(self, make_healthy: MakeHealthy) -> None:
        healthy = make_healthy(with_s3=False)
        client = client_of(healthy)
        healthy.kube.apply(
            {"kind": "Secret", "metadata": {"name": "s", "namespace": "argo"}, "stringData": {"a": "x\n"}}
        )
        healthy.kube.get("Secret", "argo", "s")["data"]["b"] = "//79"
        assert read_secret_value(client, "argo", SecretKeyRef(name="s", key="a")).has_white_space_around
        with pytest.raises(ClusterError, match="key b of Secret argo/s is no text") as error:
            read_secret_value(client, "argo", SecretKeyRef(name="s", key="b"))
        assert error.value.__cause__ is None

    def test_a_credential_that_was_pasted_as_the_key_is_not_repeated(self, make_healthy: MakeHealthy) -> None:
        healthy = make_healthy(with_s3=False)
        with pytest.raises(ClusterError) as error:
            read_secret_value(
                client_of(healthy), "argo", SecretKeyRef(name="my-minio-cred", key="AKIAIOSFODNN7EXAMPLE")
            )
        assert "AKIA" not in error.value.message

    def test_the_model_holds_no_values(self, make_healthy: MakeHealthy) -> None:
        healthy = make_healthy(with_s3=False)
        installation: Installation = discover(client_of(healthy), everything=True)
        (secret,) = [each for each in installation.of_kind("Secret") if each.name == "argo-postgres-config"]
        assert secret.node("data").value == {"username": None, "password": None}


def test_reviews_of_rights(make_healthy: MakeHealthy) -> None:
    healthy = make_healthy(with_s3=False)
    client = client_of(healthy)
    assert client.can("get", "secrets", namespace="argo")
    healthy.kube.deny("get", "secrets", namespace="argo")
    assert not client.can("get", "secrets", namespace="argo")
    assert client.can("get", "secrets", namespace="team-a")
    account = "system:serviceaccount:team-a:default"
    assert client.can("patch", "workflowtaskresults", group="argoproj.io", namespace="team-a", who=account)
    assert not client.can("delete", "workflowtaskresults", group="argoproj.io", namespace="team-a", who=account)
    assert not client.can("patch", "workflowtaskresults", group="argoproj.io", namespace="team-b", who=account)


def test_long_lists_come_page_by_page(make_healthy: MakeHealthy) -> None:
    healthy = make_healthy(with_s3=False)
    for n in range(23):
        healthy.kube.apply(
            {"kind": "ConfigMap", "metadata": {"name": f"c{n}", "namespace": "many", "labels": {"n": str(n)}}}
        )
    client = client_of(healthy)
    names = [item["metadata"]["name"] for item in client.list(RESOURCES["ConfigMap"], "many", page=5)]
    assert names == [f"c{n}" for n in range(23)]
    assert sum(r.resource == "configmaps" for r in healthy.kube.requests) == 5
    (one,) = client.list(RESOURCES["ConfigMap"], "many", labels="n in (7)")
    assert (one["kind"], one["apiVersion"], one["metadata"]["name"]) == ("ConfigMap", "v1", "c7")
    created = client.create(RESOURCES["ConfigMap"], "many", {"metadata": {"generateName": "x-"}})
    assert client.delete(RESOURCES["ConfigMap"], "many", created["metadata"]["name"])
    assert not client.delete(RESOURCES["ConfigMap"], "many", created["metadata"]["name"])


@pytest.mark.parametrize(
    ("host", "service"),
    [
        ("postgres", ("postgres", "argo")),
        ("postgres.db", ("postgres", "db")),
        ("postgres.db.svc", ("postgres", "db")),
        ("postgres.db.svc.cluster.local", ("postgres", "db")),
        ("postgres.db.svc.my-cluster.example.", ("postgres", "db")),
        ("pg-0.postgres.db.svc.cluster.local", ("postgres", "db")),
        ("db.example.com", None),
        ("10.0.0.7", None),
        ("::1", None),
        ("", None),
    ],
)
def test_names_of_services(host: str, service: tuple[str, str] | None) -> None:
    assert service_named(host, "argo") == service


def test_contexts_for_completion(kube: KubeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert contexts() == []
    monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig(tmp_path / "config")))
    assert contexts() == ["test", "nowhere"]


class TestWhichSource:
    """A flag goes before flags of a cluster, these before variables and the file, these before the current context."""

    def source(self, *arguments: str) -> object:
        import click

        from kubectl_argo_archive.cli.options import source_option

        seen: list[object] = []

        @click.command()
        @source_option
        def command(source: object) -> None:
            seen.append(source)

        command.main(list(arguments), standalone_mode=False)
        return seen[0]

    def test_the_order(self, kube: KubeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(ConfigError, match="no source given"):
            self.source()
        monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig(tmp_path / "config")))
        assert self.source() == KubeOptions()
        monkeypatch.setenv("KUBECTL_ARGO_ARCHIVE_SOURCE", "from-variable")
        assert self.source() == "from-variable"
        flags = ("--context", "c", "--as", "me", "--argo-namespace", "a", "--controller", "x", "--kubeconfig", "f")
        assert self.source(*flags) == KubeOptions("f", "c", "me", "a", "x")
        assert self.source("--context", "c", "--source", "from-flag") == "from-flag"


def test_in_commands_about_the_set_up_n_is_the_controllers_namespace() -> None:
    import click

    from kubectl_argo_archive.cli.kube_options import kube_options

    seen: list[KubeOptions] = []

    @click.command()
    @kube_options(short_namespace=True)
    def command(kube: KubeOptions) -> None:
        seen.append(kube)

    for name in ("-n", "--namespace", "--argo-namespace"):
        command.main([name, "argo"], standalone_mode=False)
    assert seen == [KubeOptions(namespace="argo")] * 3
