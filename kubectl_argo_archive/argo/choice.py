"""Which controller is meant, if a cluster has several."""

from __future__ import annotations

from collections.abc import Sequence

from kubectl_argo_archive.argo.controller import Controller
from kubectl_argo_archive.argo.installation import Installation
from kubectl_argo_archive.errors import ClusterError, ConfigError


def choose_controller(installation: Installation, wanted: str | None = None) -> Controller:
    """The controller that is meant.

    Args:
        installation: what was found.
        wanted: name of a Deployment, ``namespace/name``, or an instance id; None if nobody said.

    Raises:
        ClusterError: there is none.
        ConfigError: there are several, or none of that name.
    """
    everyone = installation.controllers
    if not everyone:
        refused = "; ".join(each.reason for each in installation.unread if each.kind in ("Deployment", "ConfigMap"))
        raise ClusterError(
            f"no controller of Argo Workflows was found{f': {refused}' if refused else ''}",
            "name its namespace with --argo-namespace, or the archive itself with --source",
        )
    if wanted is None:
        return everyone[0] if _are_one(everyone) else _ask(everyone)
    found = [each for each in everyone if wanted in (each.name, each.name.partition("/")[2], each.instance_id)]
    if not found:
        raise ConfigError(f"no controller is called {wanted}", f"there are: {_listed(everyone)}")
    return found[0] if _are_one(found) else _ask(found)


def _are_one(controllers: Sequence[Controller]) -> bool:
    """Several that archive into one database are one to us."""
    return len(controllers) == 1 or len({_target(each) for each in controllers}) == 1


def _target(controller: Controller) -> object:
    database = controller.persistence.database if controller.persistence else None
    if database is None:
        return controller.name
    host, port = database.address
    # a short name means another server in another namespace
    return host if "." in host else f"{host}.{controller.namespace}", port, database.database


def _ask(controllers: Sequence[Controller]) -> Controller:
    raise ConfigError(
        f"there are {len(controllers)} controllers: {_listed(controllers)}",
        "choose one: --argo-namespace NAMESPACE, or --controller NAME with its name or instance id",
    )


def _listed(controllers: Sequence[Controller]) -> str:
    return ", ".join(each.label() for each in controllers)
