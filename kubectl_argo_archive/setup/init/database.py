"""Postgres in the cluster, its volume, and the roles of any Postgres."""

from __future__ import annotations

from typing import Any

from kubectl_argo_archive.setup.init.plan import (
    DATABASE,
    OWNER,
    POSTGRES_IMAGE,
    READER,
    READER_SECRET,
    SUPERUSER,
    Plan,
)
from kubectl_argo_archive.setup.init.yaml_text import dump

GP3 = "argo-archive-gp3"
_LABELS = {"app.kubernetes.io/name": DATABASE, "app.kubernetes.io/part-of": "argo-archive"}
_KEPT = {"helm.sh/resource-policy": "keep"}

_READER_SQL = """\
-- May read, and nothing else; what Argo's migrations make later, too.
SELECT format('CREATE ROLE %I LOGIN', :'reader')
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'reader') \\gexec
{password}ALTER ROLE :"reader" SET default_transaction_read_only = on;
ALTER ROLE :"reader" SET statement_timeout = '30min';
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), :'reader') \\gexec
GRANT USAGE ON SCHEMA public TO :"reader";
GRANT SELECT ON ALL TABLES IN SCHEMA public TO :"reader";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT SELECT ON TABLES TO :"reader";
"""
_PASSWORD_SQL = "ALTER ROLE :\"reader\" PASSWORD :'reader_password';\n"
_TOKEN_SQL = 'GRANT rds_iam TO :"reader";\n'

_OWNER_SQL = """\
CREATE ROLE :"owner" LOGIN PASSWORD :'owner_password';
SELECT format('ALTER DATABASE %I OWNER TO %I', current_database(), :'owner') \\gexec
GRANT USAGE, CREATE ON SCHEMA public TO :"owner";
SELECT format('ALTER DATABASE %I SET timezone = %L', current_database(), 'UTC') \\gexec
"""

_GETENV = """\
\\getenv owner OWNER_USER
\\getenv owner_password OWNER_PASSWORD
\\getenv reader READER_USER
\\getenv reader_password READER_PASSWORD
"""


def files(plan: Plan) -> dict[str, str]:
    """Everything about the database."""
    made = {"sql/reader.sql": reader_sql(plan)}
    if not plan.in_cluster:
        return made
    made["database/Chart.yaml"] = chart("argo-archive-database", "Postgres for the archive of Argo Workflows")
    made["database/templates/claim.yaml"] = _claim(plan)
    made["database/templates/roles.yaml"] = _roles()
    made["database/templates/service.yaml"] = dump(_service())
    made["database/templates/statefulset.yaml"] = _stateful_set(plan)
    if plan.volume in ("efs", "nfs"):
        made["database/templates/volume.yaml"] = _volume(plan)
    if plan.volume == "ebs":
        made["database/templates/storage-class.yaml"] = _storage_class()
    return made


def chart(name: str, description: str) -> str:
    """A chart of plain manifests."""
    about = "# Plain manifests: kubectl apply -f templates/ works as well.\n"
    return about + dump({"apiVersion": "v2", "name": name, "description": description, "version": "0.1.0"})


def reader_sql(plan: Plan) -> str:
    """``sql/reader.sql``: for psql, run by the owner of the database."""
    variables = f"\\set owner {OWNER}\n\\set reader {READER}\n"
    if plan.database_token:
        head = "-- The reader logs in with a token of RDS IAM. Run once, as the owner:  psql -f sql/reader.sql\n"
        return head + variables + _READER_SQL.format(password=_TOKEN_SQL)
    head = (
        "-- Run once, as the owner. The password comes from the environment: it is in no file and on no command line.\n"
        "--   IFS= read -rs READER_PASSWORD; export READER_PASSWORD; psql -v ON_ERROR_STOP=1 -f sql/reader.sql URL\n"
    )
    if plan.in_cluster:
        head = (
            "-- The database does this by itself when it is new (database/templates/roles.yaml); for an older one:\n"
            + head
        )
    return head + variables + "\\getenv reader_password READER_PASSWORD\n" + _READER_SQL.format(password=_PASSWORD_SQL)


def _roles() -> str:
    script = (
        "# Runs once, when the volume is empty. Passwords come from the environment, never from a command line.\n"
        'psql --no-psqlrc --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<\'SQL\'\n'
        + _GETENV
        + _OWNER_SQL
        + _READER_SQL.format(password=_PASSWORD_SQL)
        + "SQL\n"
    )
    metadata = {"name": f"{DATABASE}-roles", "labels": _LABELS}
    return dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"10-roles.sh": script}})


def _volume(plan: Plan) -> str:
    name = f"{DATABASE}-{plan.namespace}"
    spec: dict[str, Any] = {
        "capacity": {"storage": plan.size},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": "",
        "claimRef": {"namespace": plan.namespace, "name": DATABASE},
    }
    about = "# Kept for the one claim beside it (claimRef), which names it in turn: nothing else can take it.\n"
    if plan.volume == "efs":
        spec["csi"] = {"driver": "efs.csi.aws.com", "volumeHandle": plan.volume_handle}
        about += (
            "# The EFS driver mounts hard and encrypts. Commits are slower than on a disk: EBS is the better choice.\n"
        )
    else:
        server, _, path = (plan.volume_handle or "").partition(":")
        spec["mountOptions"] = ["hard", "nfsvers=4.1", "noatime"]
        spec["nfs"] = {"server": server, "path": path}
        about += (
            "# hard: a write is never given up. One writer only. A disk is still the better choice for a database.\n"
        )
    metadata = {"name": name, "labels": _LABELS, "annotations": _KEPT}
    return about + dump({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec})


def _storage_class() -> str:
    return "# Retain: the disk stays when the claim goes. The disk is made in the zone where the pod starts.\n" + dump(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": GP3, "labels": _LABELS},
            "provisioner": "ebs.csi.aws.com",
            "parameters": {"type": "gp3", "encrypted": "true"},
            "reclaimPolicy": "Retain",
            "volumeBindingMode": "WaitForFirstConsumer",
            "allowVolumeExpansion": True,
        }
    )


def _claim(plan: Plan) -> str:
    metadata = {
        "name": DATABASE,
        "labels": _LABELS,
        "annotations": _KEPT,
    }
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": plan.size}},
    }
    if plan.volume in ("efs", "nfs"):
        spec |= {"storageClassName": "", "volumeName": f"{DATABASE}-{plan.namespace}"}
    elif plan.volume == "ebs":
        spec["storageClassName"] = GP3
    elif plan.storage_class:
        spec["storageClassName"] = plan.storage_class
    about = "# keep: removing the release does not remove the archive.\n"
    return about + dump({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec})


def _service() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": DATABASE, "labels": _LABELS},
        "spec": {
            "selector": {"app.kubernetes.io/name": DATABASE},
            "ports": [{"name": "postgresql", "port": 5432, "targetPort": "postgresql"}],
        },
    }


def _stateful_set(plan: Plan) -> str:
    env: list[dict[str, Any]] = [{"name": "POSTGRES_DB", "value": plan.database}]
    env += _from_secret("POSTGRES", SUPERUSER) + _from_secret("OWNER", DATABASE) + _from_secret("READER", READER_SECRET)
    ready = {"exec": {"command": ["sh", "-c", 'exec pg_isready --username "$POSTGRES_USER" --dbname "$POSTGRES_DB"']}}
    container = {
        "name": "postgresql",
        "image": POSTGRES_IMAGE,
        "ports": [{"name": "postgresql", "containerPort": 5432}],
        "env": env,
        "volumeMounts": [
            {"name": "data", "mountPath": "/var/lib/postgresql"},
            {"name": "roles", "mountPath": "/docker-entrypoint-initdb.d", "readOnly": True},
            {"name": "run", "mountPath": "/var/run/postgresql"},
            {"name": "shm", "mountPath": "/dev/shm"},
        ],
        "readinessProbe": {**ready, "periodSeconds": 10, "timeoutSeconds": 5},
        "livenessProbe": {**ready, "initialDelaySeconds": 60, "periodSeconds": 30, "timeoutSeconds": 5},
        "resources": {"requests": {"cpu": "250m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }  # fmt: skip
    pod = {
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 999,
            "runAsGroup": 999,
            "fsGroup": 999,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 120,
        "containers": [container],
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": DATABASE}},
            {"name": "roles", "configMap": {"name": f"{DATABASE}-roles"}},
            {"name": "run", "emptyDir": {}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "256Mi"}},
        ],
    }
    spec = {
        "serviceName": DATABASE,
        "replicas": 1,
        "selector": {"matchLabels": {"app.kubernetes.io/name": DATABASE}},
        "template": {"metadata": {"labels": _LABELS}, "spec": pod},
    }
    about = (
        "# The project's own image: Bitnami's versioned images left docker.io/bitnami in 2025. Since Postgres 18 it\n"
        "# keeps its data below /var/lib/postgresql, in a folder of its release.\n"
    )
    metadata = {"name": DATABASE, "labels": _LABELS}
    return about + dump({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec})


def _from_secret(prefix: str, secret: str) -> list[dict[str, Any]]:
    return [
        {"name": f"{prefix}_{name}", "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
        for name, key in (("USER", "username"), ("PASSWORD", "password"))
    ]
