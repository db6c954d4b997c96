"""The archive's database, opened as the controller opens it: its host, its login, its TLS."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kubectl_argo_archive.argo.controller import Controller
from kubectl_argo_archive.argo.persistence import DEFAULT_ENTRA_SCOPE, PostgreSQL
from kubectl_argo_archive.cluster.client import KubeClient
from kubectl_argo_archive.cluster.forward import PortForward, Tell
from kubectl_argo_archive.cluster.mounted import read_mounted
from kubectl_argo_archive.cluster.reach import Reached, reach
from kubectl_argo_archive.cluster.secrets import read_secret_value
from kubectl_argo_archive.errors import ClusterError, ConfigError

_TLS_FILES = {"sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY"}
"""Argo has no settings for these; its drivers read libpq's variables in the controller's environment."""


@dataclass(frozen=True, slots=True)
class DatabaseAccess:
    """How to open a session in the archive's database, valid now.

    Attributes:
        conninfo: libpq's connection string; holds the password, therefore not in ``repr``.
        place: ``host:port/database`` as configured, for people and as the identity of the source.
        told_by: where all this was read.
        through: how the server is reached, if not directly.
        forward: knows why, if the server cannot be reached after all.
    """

    conninfo: str = field(repr=False)
    place: str
    told_by: str
    through: str
    forward: PortForward | None = field(default=None, repr=False)


def database_of(controller: Controller) -> PostgreSQL:
    """The controller's database.

    Raises:
        ClusterError: its configuration is missing, or it has none.
        ConfigError: it is one that cannot be read yet.
    """
    if controller.config is None:
        raise ClusterError(
            f"the configuration of {controller.name} could not be read: {controller.config_origin.object}",
            f"kubectl get configmap {controller.config_map} -n {controller.namespace}",
        )
    if controller.persistence is None:
        raise ClusterError(
            f"{controller.label()} has no persistence: there is no archive ({controller.config_origin.object})",
            "see: kubectl argo-archive verify, and: kubectl argo-archive setup init",
        )
    database = controller.persistence.database
    if database is None:
        raise ClusterError(
            f"the persistence of {controller.label()} names no database ({controller.persistence.origin()})",
            "write a block postgresql there",
        )
    if not isinstance(database, PostgreSQL):
        raise ConfigError(
            f"the archive of {controller.label()} is in MySQL, which is not supported yet ({database.origin()})",
            "dump the workflows into a file: kubectl get workflows -A -o json > workflows.json; "
            "then --source workflows.json",
        )
    if not database.host or not database.database:
        missing = "host" if not database.host else "database"
        raise ClusterError(f"{database.origin()} has no {missing}", "the controller cannot start like this either")
    return database


@contextmanager
def open_database(client: KubeClient, controller: Controller, tell: Tell) -> Iterator[DatabaseAccess]:
    """Make the database reachable, and say how to open it; a port-forward and files last as long as this is open.

    Args:
        client: the cluster.
        controller: whose archive.
        tell: says what is done, for people.

    Raises:
        ClusterError, ConfigError: see :func:`database_of`; a Secret, a key or a pod is missing.
        ClusterForbidden: a right is missing.
        ClusterUnreachable: the API does not answer.
        StorageError: AWS or Entra gives no token.
    """
    database = database_of(controller)
    host, port = database.address
    user = _secret(client, controller, database, "user_name_secret")
    with (
        reach(client, host, port, controller.namespace, tell) as reached,
        tempfile.TemporaryDirectory(prefix="kubectl-argo-archive-") as folder,
    ):
        given = {
            "host": reached.host,
            "hostaddr": reached.dial or "",
            "port": str(reached.dial_port),
            "dbname": database.database or "",
            "user": user,
            "password": _password(client, controller, database, reached, user),
        } | _tls(client, controller, database, Path(folder))
        place = f"{host}:{port}/{database.database}"
        yield DatabaseAccess(_conninfo(given), place, str(database.origin()), reached.through, reached.forward)


def _password(client: KubeClient, controller: Controller, database: PostgreSQL, reached: Reached, user: str) -> str:
    if database.login == "aws":
        from kubectl_argo_archive.storage.rds import rds_token

        # signed for the server's own name and port, however we get there
        region = database.aws_rds_token.region if database.aws_rds_token else None
        return rds_token(reached.host, reached.port, user, region)
    if database.login == "azure":
        from kubectl_argo_archive.storage.entra import entra_token

        return entra_token((database.azure_token and database.azure_token.scope) or DEFAULT_ENTRA_SCOPE)
    return _secret(client, controller, database, "password_secret")


def _secret(client: KubeClient, controller: Controller, database: PostgreSQL, name: str) -> str:
    ref = getattr(database, name)
    if not ref:
        raise ClusterError(f"{database.origin(name)} is not set", "the controller cannot log in without it either")
    return read_secret_value(client, controller.namespace, ref).reveal()


def _tls(client: KubeClient, controller: Controller, database: PostgreSQL, folder: Path) -> dict[str, str]:
    """``sslmode`` as this release of Argo means it; certificates from the controller's pod, unless we have our own."""
    mode = database.effective_ssl_mode(controller.version)
    options = {"sslmode": mode}
    if mode == "disable":
        return options
    for option, variable in _TLS_FILES.items():
        path = controller.env.get(variable)
        if path and not os.environ.get(variable):
            content = read_mounted(client, controller, path)
            if content is not None:
                file = folder / option
                file.touch(mode=0o600)
                file.write_bytes(content)
                options[option] = str(file)
    if mode in ("verify-ca", "verify-full") and "sslrootcert" not in options and not _own_roots():
        options["sslrootcert"] = ssl.get_default_verify_paths().cafile or "system"
    return options


def _own_roots() -> bool:
    """Whether libpq finds authorities of ours by itself; Go takes the system's if it has none."""
    return bool(os.environ.get("PGSSLROOTCERT")) or Path("~/.postgresql/root.crt").expanduser().exists()


def _conninfo(options: Mapping[str, str]) -> str:
    """libpq's ``key='value'`` form, which takes any character after a backslash."""
    quoted = ((name, value.replace("\\", "\\\\").replace("'", "\\'")) for name, value in options.items() if value)
    return " ".join(f"{name}='{value}'" for name, value in quoted)
