"""Options that name a cluster and the controller in it.

``-n`` belongs to the workflows wherever a command is about workflows (``export``, ``index``, …), as it does in kubectl
and argo; where the controller lives is then ``--argo-namespace``. In commands about the set-up (``verify``), ``-n`` is
another name of it.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


def kube_options(*, short_namespace: bool = False) -> Callable[[F], F]:
    """``--context --kubeconfig --as --argo-namespace --controller``: argument ``kube`` is a :class:`KubeOptions`.

    Args:
        short_namespace: ``-n`` and ``--namespace`` are the controller's namespace too.
    """
    names = ("-n", "--namespace", "--argo-namespace") if short_namespace else ("--argo-namespace",)

    def decorate(function: F) -> F:
        @click.option("--context", metavar="NAME", shell_complete=_complete_context,
                      help="Context of the kubeconfig.")  # fmt: skip
        @click.option("--kubeconfig", metavar="FILE", type=click.Path(dir_okay=False),
                      help="Kubeconfig file.  [env: KUBECONFIG; default: ~/.kube/config]")  # fmt: skip
        @click.option("--as", "as_user", metavar="USER", help="Whom to impersonate in the cluster.")
        @click.option(*names, "argo_namespace", metavar="NAMESPACE",
                      help="Where Argo's controller lives; all namespaces are searched otherwise.")  # fmt: skip
        @click.option("--controller", metavar="NAME",
                      help="Which controller, if there are several: its name or instance id.")  # fmt: skip
        @wraps(function)
        def with_kube(
            *args: Any,
            context: str | None,
            kubeconfig: str | None,
            as_user: str | None,
            argo_namespace: str | None,
            controller: str | None,
            **kwargs: Any,
        ) -> Any:
            from kubectl_argo_archive.cluster.access import KubeOptions

            kube = KubeOptions(kubeconfig, context, as_user, argo_namespace, controller)
            return function(*args, kube=kube, **kwargs)

        return with_kube  # type: ignore[return-value]  # click's decorators keep the callable's kind

    return decorate


def _complete_context(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from kubectl_argo_archive.cluster.access import contexts

    return [name for name in contexts() if name.startswith(incomplete)]
