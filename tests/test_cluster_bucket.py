"""The bucket and its keys come from the cluster: Secrets, roles, a port-forward to a server inside."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from fixtures.kube_healthy import Healthy, MakeHealthy
from fixtures.kubectl import Kubectl
from fixtures.logs import pod, workflow

from kubectl_argo_archive.argo.repository import S3Store
from kubectl_argo_archive.cluster.access import KubeOptions
from kubectl_argo_archive.cluster.bucket import open_bucket
from kubectl_argo_archive.cluster.stores import ClusterStores
from kubectl_argo_archive.connect import open_cluster
from kubectl_argo_archive.errors import ClusterError
from kubectl_argo_archive.storage.s3 import S3, Settings


def options(healthy: Healthy) -> KubeOptions:
    return KubeOptions(kubeconfig=str(healthy.kubeconfig))


def s3_block(healthy: Healthy, **changed: Any) -> None:
    """Change the block ``s3``; None takes a key away."""
    repository = healthy.config()["artifactRepository"]
    block = {name: value for name, value in (repository["s3"] | changed).items() if value is not None}
    healthy.configure(artifactRepository=repository | {"s3": block})


def opened(healthy: Healthy, namespace: str = "argo") -> Any:
    client, installation, controller = open_cluster(options(healthy))
    store = installation.repository(controller, namespace).store
    assert isinstance(store, S3Store)
    return open_bucket(client, store, namespace=namespace, controller_namespace="argo", tell=lambda _: None)


def test_keys_from_secrets_and_a_port_forward_open_the_bucket(make_healthy: MakeHealthy) -> None:
    healthy = make_healthy()
    assert healthy.s3 is not None
    healthy.s3.client().put_object(Bucket=healthy.s3.bucket, Key=f"{healthy.s3.prefix}/x", Body=b"hello")
    secret = healthy.kube.get("Secret", "team-a", "my-minio-cred")["data"]
    secret["secretkey"] = base64.b64encode(base64.b64decode(secret["secretkey"]) + b"\n").decode()
    with opened(healthy, "team-a") as access:
        fs = S3(access.settings, access.bucket).fs
        assert fs.cat_file(f"{access.bucket}/{healthy.s3.prefix}/x") == b"hello"
        assert (access.prefix, access.through) == (healthy.s3.prefix, "port-forward to Service argo/minio")
        assert access.settings.credentials is not None
        assert access.settings.credentials.told_by == "key accesskey of Secret team-a/my-minio-cred"
        # the line break at the end of a key is noticed, and cut off as Argo does
        assert access.keys_have_white_space
        assert access.told_by.endswith("data.artifactRepository.s3")
        assert healthy.kube.forwards > 0
        assert not any(each in repr((access, access.settings.keys())) for each in healthy.secrets)
    assert healthy.kube.open_forwards == 0


@pytest.mark.parametrize(
    ("changed", "endpoint", "region", "virtual"),
    [
        ({"endpoint": "s3.amazonaws.com"}, None, "us-east-1", True),
        ({"endpoint": "s3.eu-central-1.amazonaws.com", "region": None}, None, "eu-central-1", True),
        ({"endpoint": None, "region": "eu-west-1"}, None, "eu-west-1", True),
        ({"endpoint": "127.0.0.1:9", "insecure": None}, "https://127.0.0.1:9", "us-east-1", False),
        ({"endpoint": "http://127.0.0.1:9/"}, "http://127.0.0.1:9", "us-east-1", False),
        ({"endpoint": "localhost", "addressingStyle": "virtual-hosted"}, "http://localhost:80", "us-east-1", True),
    ],
)
def test_endpoints(
    make_healthy: MakeHealthy, changed: dict[str, Any], endpoint: str | None, region: str, virtual: bool
) -> None:
    healthy = make_healthy(with_s3=False)
    s3_block(healthy, **changed)
    with opened(healthy) as access:
        settings: Settings = access.settings
        assert (settings.endpoint, settings.region, settings.virtual) == (endpoint, region, virtual)


def test_an_authority_from_a_secret(make_healthy: MakeHealthy) -> None:
    healthy = make_healthy(with_s3=False)
    healthy.kube.apply({"kind": "Secret", "metadata": {"name": "ca", "namespace": "argo"}, "stringData": {"ca": "PEM"}})
    s3_block(healthy, endpoint="127.0.0.1:9", insecure=False, caSecret={"name": "ca", "key": "ca"})
    with opened(healthy) as access:
        assert Path(access.settings.verify).read_text() == "PEM"
    assert not Path(access.settings.verify).exists()


def test_a_role_and_our_own_chain(make_healthy: MakeHealthy, monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = make_healthy(with_s3=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOWN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "own-secret")
    s3_block(healthy, endpoint=None, accessKeySecret=None, secretKeySecret=None, useSDKCreds=True)
    with opened(healthy) as access:
        assert access.settings.keys().access_key_id == "AKIAOWN"
    s3_block(healthy, roleARN="arn:aws:iam::1:role/logs")
    with opened(healthy) as access:
        assert access.settings.credentials.told_by == "the role arn:aws:iam::1:role/logs"


def test_what_is_missing(make_healthy: MakeHealthy) -> None:
    healthy = make_healthy(with_s3=False)
    with pytest.raises(ClusterError, match="no Secret my-minio-cred in namespace team-c"), opened(healthy, "team-c"):
        pass
    s3_block(healthy, bucket=None)
    with pytest.raises(ClusterError, match="bucket is not set"), opened(healthy):
        pass


def test_stores_are_found_by_bucket_and_endpoint(make_healthy: MakeHealthy) -> None:
    healthy = make_healthy()
    assert healthy.s3 is not None
    healthy.kube.apply(
        """
        kind: ConfigMap
        metadata: {name: artifact-repositories, namespace: team-b}
        data: {own: "s3: {bucket: theirs, endpoint: 'minio.argo:9000', insecure: true}"}
        """
    )
    with ClusterStores(options(healthy), lambda _: None) as stores:
        first = stores.access(healthy.s3.bucket, "minio.argo:9000")
        assert first is not None
        assert stores.access(healthy.s3.bucket, "http://minio.argo:9000/") is first
        assert stores.access(healthy.s3.bucket, "elsewhere:9000") is None
        assert stores.access("unknown", "minio.argo:9000") is None
    assert healthy.kube.open_forwards == 0


def test_index_and_logs_read_the_bucket_of_the_cluster(
    kubectl: Kubectl, make_healthy: MakeHealthy, tmp_path: Path
) -> None:
    """No key, no endpoint: only a kubeconfig."""
    healthy = make_healthy()
    s3 = healthy.s3
    assert s3 is not None
    repository = healthy.config()["artifactRepository"]
    key = f"{s3.prefix}/one/one/main.log"
    s3.client().put_object(Bucket=s3.bucket, Key=key, Body=b"first line\nsecond line\n")
    dump = tmp_path / "dump.ndjson"
    dump.write_text(json.dumps(workflow("one", pod("one", key=key), repository=repository)))
    lake = str(tmp_path / "lake")
    done = kubectl.run("argo-archive", "export", "--source", str(dump), "--lake", lake)
    assert done.returncode == 0, done.stderr
    done = kubectl.run("argo-archive", "index", "--lake", lake, "-o", "json", env=healthy.environment())
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["objects"] == {"indexed": 1}
    assert "port-forward to Service argo/minio, pod minio-0" in done.stderr
    done = kubectl.run("argo-archive", "logs", "one", "--raw", "--lake", lake, env=healthy.environment())
    assert done.stdout == "first line\nsecond line\n", done.stderr
    assert healthy.kube.open_forwards == 0
    assert healthy.kube.writes() == []
