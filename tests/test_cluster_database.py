"""Logging in as the controller does: TLS with a private authority and client certificates, tokens of RDS and Entra."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trustme
from fixtures.kube_healthy import Healthy, MakeHealthy
from fixtures.pg_tls import postgres_over_tls
from psycopg import conninfo, sql

from kubectl_argo_archive.cluster.access import KubeOptions
from kubectl_argo_archive.cluster.database import open_database
from kubectl_argo_archive.connect import open_cluster, open_source
from kubectl_argo_archive.errors import ArgoArchiveError, ConfigError, SourceError
from kubectl_argo_archive.storage.rds import rds_token

RDS_HOST = "argo.abc123.eu-central-1.rds.amazonaws.com"


def options(healthy: Healthy) -> KubeOptions:
    return KubeOptions(kubeconfig=str(healthy.kubeconfig))


def log_in(healthy: Healthy) -> str:
    with open_source(options(healthy)).snapshot() as snapshot:
        return snapshot.info.server


def refused(healthy: Healthy) -> str:
    with pytest.raises(ArgoArchiveError) as error:
        log_in(healthy)
    shown = f"{error.value.message} · {error.value.hint}"
    assert not any(secret in shown for secret in healthy.secrets)
    return shown


def given(healthy: Healthy) -> dict[str, Any]:
    """What the connection string says."""
    client, _, controller = open_cluster(options(healthy))
    with open_database(client, controller, lambda _: None) as access:
        return conninfo.conninfo_to_dict(access.conninfo)


def postgresql(healthy: Healthy, **changed: Any) -> None:
    """Change the block ``postgresql``."""
    persistence = healthy.config()["persistence"]
    healthy.configure(persistence=persistence | {"postgresql": persistence["postgresql"] | changed})


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def over_tls(make_healthy: MakeHealthy, authority: trustme.CA) -> Iterator[Healthy]:
    """A database that takes nothing but TLS with a client certificate; the controller has both in a Secret."""
    healthy = make_healthy(with_s3=False)
    kube = healthy.kube
    client = authority.issue_cert("argo@client")
    files = {
        "ca.pem": authority.cert_pem.bytes(),
        "tls.crt": client.cert_chain_pems[0].bytes(),
        "tls.key": client.private_key_pem.bytes(),
    }
    data = {name: base64.b64encode(content).decode() for name, content in files.items()}
    kube.apply({"kind": "Secret", "metadata": {"name": "pg-tls", "namespace": "argo"}, "data": data})
    pod = kube.get("Deployment", "argo", "workflow-controller")["spec"]["template"]["spec"]
    items = [
        {"key": "ca.pem", "path": "roots/ca.pem"},
        *({"key": f"tls.{e}", "path": f"tls.{e}"} for e in ("crt", "key")),
    ]
    pod["volumes"] = [{"name": "tls", "secret": {"secretName": "pg-tls", "items": items}}]
    pod["containers"][0]["volumeMounts"] = [{"name": "tls", "mountPath": "/etc/pg"}]
    pod["containers"][0]["env"] = [
        {"name": "PGSSLROOTCERT", "value": "/etc/pg/roots/ca.pem"},
        {"name": "PGSSLCERT", "value": "/etc/pg/tls.crt"},
        {"name": "PGSSLKEY", "value": "/etc/pg/tls.key"},
    ]
    postgresql(healthy, ssl=True, sslMode="verify-full")
    with postgres_over_tls(
        kube.ports["argo", "postgres-0", 5432], authority, "postgres", client_certificates=True
    ) as port:
        kube.ports["argo", "postgres-0", 5432] = port
        yield healthy


class TestTls:
    def test_verify_full_through_the_port_forward(self, over_tls: Healthy) -> None:
        assert log_in(over_tls).startswith("PostgreSQL")

    def test_the_files_are_ours_alone_and_gone_afterwards(self, over_tls: Healthy) -> None:
        client, _, controller = open_cluster(options(over_tls))
        with open_database(client, controller, lambda _: None) as access:
            said = conninfo.conninfo_to_dict(access.conninfo)
            files = [Path(str(said[name])) for name in ("sslrootcert", "sslcert", "sslkey")]
            assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)
            assert said["host"] == "postgres"
            assert said["hostaddr"] == "127.0.0.1"
            assert said["sslmode"] == "verify-full"
        assert not any(file.exists() or file.parent.exists() for file in files)

    def test_another_authority_than_the_servers(self, over_tls: Healthy) -> None:
        other = trustme.CA().cert_pem.bytes()
        over_tls.kube.get("Secret", "argo", "pg-tls")["data"]["ca.pem"] = base64.b64encode(other).decode()
        assert "certificate" in refused(over_tls)

    def test_a_certificate_for_another_name(self, over_tls: Healthy) -> None:
        service = over_tls.kube.get("Service", "argo", "postgres")
        service["metadata"]["name"] = "database"
        over_tls.kube.apply(service)
        postgresql(over_tls, host="database")
        assert "database" in refused(over_tls)

    def test_no_client_certificate(self, over_tls: Healthy) -> None:
        pod = over_tls.kube.get("Deployment", "argo", "workflow-controller")["spec"]["template"]["spec"]
        del pod["containers"][0]["env"][1:]
        assert "SSL error" in refused(over_tls)

    def test_ssl_switched_off(self, over_tls: Healthy) -> None:
        postgresql(over_tls, ssl=False)
        assert given(over_tls)["sslmode"] == "disable"
        refused(over_tls)

    def test_files_of_our_own_go_first(
        self, over_tls: Healthy, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = tmp_path / "own.pem"
        authority.cert_pem.write_to_path(str(own))
        over_tls.kube.get("Secret", "argo", "pg-tls")["data"]["ca.pem"] = base64.b64encode(b"nonsense").decode()
        monkeypatch.setenv("PGSSLROOTCERT", str(own))
        assert log_in(over_tls)

    def test_an_authority_in_a_config_map(self, over_tls: Healthy, authority: trustme.CA) -> None:
        text = authority.cert_pem.bytes().decode()
        kube = over_tls.kube
        kube.apply({"kind": "ConfigMap", "metadata": {"name": "roots", "namespace": "argo"}, "data": {"ca": text}})
        pod = kube.get("Deployment", "argo", "workflow-controller")["spec"]["template"]["spec"]
        source = {"configMap": {"name": "roots", "items": [{"key": "ca", "path": "deep/ca.crt"}]}}
        pod["volumes"].append({"name": "roots", "projected": {"sources": [source]}})
        pod["containers"][0]["volumeMounts"].append({"name": "roots", "mountPath": "/etc/roots"})
        pod["containers"][0]["env"][0]["value"] = "/etc/roots/deep/ca.crt"
        assert log_in(over_tls)

    def test_without_any_authority_the_systems_own_count(self, over_tls: Healthy) -> None:
        pod = over_tls.kube.get("Deployment", "argo", "workflow-controller")["spec"]["template"]["spec"]
        del pod["containers"][0]["env"][0]
        assert given(over_tls)["sslrootcert"]
        assert "certificate" in refused(over_tls)


# -- tokens


@pytest.fixture
def aws_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "very-secret", "AWS_SESSION_TOKEN": "tok/en"}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token depends on the second."""
    import botocore.auth
    import botocore.compat

    now = datetime.now(UTC)
    for module in (botocore.auth, botocore.compat):
        monkeypatch.setattr(module, "get_current_datetime", lambda remove_tzinfo=True: now.replace(tzinfo=None))


@pytest.mark.usefixtures("aws_keys", "stopped_clock")
def test_a_token_of_rds_is_the_one_that_aws_makes() -> None:
    from botocore.session import Session

    theirs = Session().create_client("rds", region_name="eu-central-1")
    expected = theirs.generate_db_auth_token(RDS_HOST, 5432, "argo", Region="eu-central-1")
    assert rds_token(RDS_HOST, 5432, "argo") == expected
    assert rds_token(RDS_HOST, 5432, "argo", "us-west-2") != expected
    with pytest.raises(ConfigError, match="region"):
        rds_token("db.example.com", 5432, "argo")


def password_is(healthy: Healthy, password: str) -> str:
    """Make a database user whose password is the token, and put it into the Secret; returns its name."""
    name = f"reader_{os.urandom(4).hex()}"
    with psycopg.connect(healthy.database) as connection:
        role = sql.Identifier(name)
        connection.execute(sql.SQL("create role {} login password {}").format(role, sql.Literal(password)))
        connection.execute(sql.SQL("grant select on all tables in schema public to {}").format(role))
    secret = healthy.kube.get("Secret", "argo", "argo-postgres-config")
    secret["data"] = {"username": base64.b64encode(name.encode()).decode()}
    return name


@pytest.mark.usefixtures("aws_keys", "stopped_clock")
def test_login_with_a_token_of_rds(make_healthy: MakeHealthy, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token is signed for the server's own name and port, though the connection goes through the forward."""
    healthy = make_healthy(with_s3=False)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    postgresql(healthy, awsRDSToken={"enabled": True}, ssl=True, sslMode="prefer")
    name = password_is(healthy, "placeholder")
    token = rds_token("postgres", 5432, name)
    assert token.startswith(f"postgres:5432/?Action=connect&DBUser={name}")
    with psycopg.connect(healthy.database) as connection:
        change = sql.SQL("alter role {} password {}").format(sql.Identifier(name), sql.Literal(token))
        connection.execute(change)
    assert given(healthy)["password"] == token
    assert log_in(healthy).startswith("PostgreSQL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    shown = refused(healthy)
    assert "password authentication failed" in shown
    assert "X-Amz" not in shown


def test_login_with_a_token_of_entra(
    make_healthy: MakeHealthy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Azure CLI is one of the sources of Azure's default chain; here it is a script."""
    healthy = make_healthy(with_s3=False)
    token = f"entra-{os.urandom(16).hex()}"
    asked = tmp_path / "asked"
    answer = {"accessToken": token, "expires_on": 4102444800, "expiresOn": "2100-01-01 00:00:00", "tokenType": "Bearer"}
    script = tmp_path / "az"
    script.write_text(f"#!/bin/sh\necho \"$@\" > {asked}\necho '{json.dumps(answer)}'\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")
    postgresql(healthy, azureToken={"enabled": True})
    password_is(healthy, token)
    assert log_in(healthy).startswith("PostgreSQL")
    assert "https://ossrdbms-aad.database.windows.net" in asked.read_text()
    postgresql(healthy, azureToken={"enabled": True, "scope": "https://other/.default"})
    assert log_in(healthy)
    assert "https://other" in asked.read_text()
    script.write_text("#!/bin/sh\necho 'Please run az login' >&2\nexit 1\n")
    shown = refused(healthy)
    assert "Entra gives no token" in shown
    assert "az login" in shown


# -- the rest of the connection string


def test_any_character_may_stand_in_a_password(make_healthy: MakeHealthy) -> None:
    healthy = make_healthy(with_s3=False)
    password = "it's a \\ 'pass\" word=%20&?@:/"
    name = password_is(healthy, password)
    secret = healthy.kube.get("Secret", "argo", "argo-postgres-config")
    secret["data"]["password"] = base64.b64encode(password.encode()).decode()
    assert given(healthy)["password"] == password
    assert given(healthy)["user"] == name
    assert log_in(healthy)
    secret["data"]["password"] = base64.b64encode((password + "\n").encode()).decode()
    with pytest.raises(SourceError, match="password authentication failed"):
        log_in(healthy)


def test_an_alias_leads_to_a_host_outside(make_healthy: MakeHealthy) -> None:
    """A Service of type ExternalName is only another name: nothing is forwarded, the certificate is for the alias."""
    healthy = make_healthy(with_s3=False)
    port = healthy.kube.ports["argo", "postgres-0", 5432]
    healthy.kube.get("Service", "argo", "postgres")["spec"] = {"type": "ExternalName", "externalName": "localhost"}
    postgresql(healthy, port=port)
    said = given(healthy)
    assert (said["host"], said["port"]) == ("postgres", str(port))
    assert said["hostaddr"] in ("127.0.0.1", "::1")
    assert healthy.kube.forwards == 0


def test_a_host_that_resolves_here_is_dialled_directly(make_healthy: MakeHealthy) -> None:
    healthy = make_healthy(with_s3=False)
    port = healthy.kube.ports["argo", "postgres-0", 5432]
    postgresql(healthy, host="127.0.0.1", port=port)
    assert log_in(healthy)
    postgresql(healthy, host=f"127.0.0.1:{port}", port=0)
    assert log_in(healthy)
    assert healthy.kube.forwards == 0
    postgresql(healthy, host="no-such-host.invalid")
    assert "no-such-host.invalid" in refused(healthy)


def test_a_name_that_means_another_machine_here(make_healthy: MakeHealthy) -> None:
    """A search domain may know a machine of the Service's name, where nobody listens: the Service is meant."""
    healthy = make_healthy(with_s3=False)
    service = healthy.kube.get("Service", "argo", "postgres")
    service["metadata"]["name"] = "localhost"
    service["spec"]["ports"] = [{"port": 1, "targetPort": 5432}]
    healthy.kube.apply(service)
    postgresql(healthy, host="localhost", port=1)
    told: list[str] = []
    with open_source(options(healthy), told.append).snapshot():
        assert told == ["port-forward to Service argo/localhost, pod postgres-0: localhost does not answer here"]
