"""Which cluster, and who we are there: kubeconfig as kubectl reads it, or the pod's own service account."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubectl_argo_archive.errors import ConfigError, redact

if TYPE_CHECKING:
    from kubernetes.client import Configuration

VARIABLE = "KUBECONFIG"
IN_CLUSTER = "in-cluster"
"""What stands for the context's name in a pod with a service account."""
_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_POOL = 8
"""Connections that stay open: checks ask from several threads."""


@dataclass(frozen=True, slots=True)
class KubeOptions:
    """What a person says about the cluster; None is kubectl's own default.

    Attributes:
        kubeconfig: file, else ``$KUBECONFIG`` (which may name several), else ``~/.kube/config``.
        context: of the kubeconfig.
        as_user: whom to impersonate.
        namespace: where the controller lives; None searches all, as far as that is allowed.
        controller: which one, if there are several: name of its Deployment, or its instance id.
    """

    kubeconfig: str | None = None
    context: str | None = None
    as_user: str | None = None
    namespace: str | None = None
    controller: str | None = None

    @property
    def is_given(self) -> bool:
        """Whether a person said anything."""
        return self != KubeOptions()


@dataclass(frozen=True, slots=True)
class Access:
    """A cluster and a login.

    Attributes:
        configuration: the client's; holds a token, therefore not in ``repr``.
        context: name for people: of the context, or ``in-cluster``.
        namespace: the context's own.
        complaints: what went wrong with the login so far, such as a plugin that failed.
    """

    configuration: Configuration = field(repr=False)
    context: str
    namespace: str
    server: str
    as_user: str | None = None
    complaints: tuple[str, ...] = ()


def is_configured(options: KubeOptions) -> bool:
    """Whether a cluster is named anywhere: flag, environment, a file in the home folder, or by running in one."""
    named = options.kubeconfig or options.context or os.environ.get(VARIABLE)
    return bool(named) or _default_file().exists() or _is_in_cluster()


def find_access(options: KubeOptions) -> Access:
    """Read the kubeconfig, run its login plugin if it has one; nothing is asked of the cluster yet.

    Raises:
        ConfigError: there is no kubeconfig, it is malformed, or has no such context.
    """
    named = options.kubeconfig or os.environ.get(VARIABLE)
    files = [Path(each).expanduser() for each in named.split(os.pathsep) if each] if named else [_default_file()]
    present = [each for each in files if each.exists()]
    if options.kubeconfig and not present:
        raise ConfigError(f"kubeconfig {options.kubeconfig} does not exist", "see --kubeconfig and KUBECONFIG")
    if not present:
        if _is_in_cluster():
            return _in_cluster(options)
        raise ConfigError(
            "no cluster is configured: there is no kubeconfig",
            f"set {VARIABLE}, give --kubeconfig, or name the archive itself with --source",
        )
    return _from_files(os.pathsep.join(str(each) for each in present), options)


def contexts() -> list[str]:
    """Names of the kubeconfig's contexts, for completion; none if it cannot be read."""
    from kubernetes.config import kube_config

    library: Any = kube_config  # it has no types
    try:
        merged = library.KubeConfigMerger(os.environ.get(VARIABLE) or str(_default_file())).config
        return [str(each["name"]) for each in merged.value["contexts"]]
    except Exception:
        return []


def _from_files(files: str, options: KubeOptions) -> Access:
    from kubernetes.config import kube_config
    from kubernetes.config.config_exception import ConfigException

    library: Any = kube_config  # it has no types
    configuration = _configuration()
    with _overheard() as complaints:
        try:
            merger = library.KubeConfigMerger(files)
            if merger.config is None:
                raise ConfigException("it is empty")
            # an OIDC token that had to be renewed is kept, as kubectl does: the old one may be used up
            loader = library.KubeConfigLoader(
                merger.config, active_context=options.context, config_persister=merger.save_changes
            )
            loader.load_and_set(configuration)
            context = loader.current_context
        except ConfigException as error:
            hint = "list the contexts: kubectl config get-contexts"
            raise ConfigError(f"kubeconfig {files}: {_one_line(error)}", hint) from error
        except Exception as error:
            # a YAML error quotes the file, and that holds tokens
            raise ConfigError(f"kubeconfig {files} cannot be read", "try: kubectl config view") from error
    details = context.get("context") or {}
    return Access(
        configuration,
        context=str(context.get("name") or ""),
        namespace=str(details.get("namespace") or "default"),
        server=str(configuration.host),
        as_user=options.as_user,
        complaints=tuple(complaints),
    )


def _in_cluster(options: KubeOptions) -> Access:
    from kubernetes.config.config_exception import ConfigException
    from kubernetes.config.incluster_config import load_incluster_config

    load: Any = load_incluster_config  # it has no types
    configuration = _configuration()
    try:
        load(client_configuration=configuration)
    except ConfigException as error:
        raise ConfigError(
            f"this pod has no usable service account: {_one_line(error)}",
            "mount its token: automountServiceAccountToken: true",
        ) from error
    file = _SERVICE_ACCOUNT / "namespace"
    namespace = file.read_text().strip() if file.exists() else "default"
    return Access(configuration, IN_CLUSTER, namespace, str(configuration.host), options.as_user)


def _configuration() -> Configuration:
    from kubernetes.client import Configuration

    configuration = Configuration()
    configuration.retries = 1
    configuration.connection_pool_maxsize = _POOL
    return configuration


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """The client only logs when a login plugin fails, and goes on as nobody: keep what it says for our own error."""
    import logging

    said: list[str] = []

    class _Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(_one_line(record.getMessage()))

    listener = _Listener(logging.ERROR)
    root = logging.getLogger()
    root.addHandler(listener)
    try:
        yield said
    finally:
        root.removeHandler(listener)


def _one_line(error: object) -> str:
    return redact(str(error).strip().partition("\n")[0])


def _default_file() -> Path:
    return Path("~/.kube/config").expanduser()


def _is_in_cluster() -> bool:
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST")) and (_SERVICE_ACCOUNT / "token").exists()
