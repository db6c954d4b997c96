"""Options that several commands share, and what their texts mean."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kubectl_argo_archive.cli.kube_options import kube_options
from kubectl_argo_archive.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kubectl_argo_archive.cluster.access import KubeOptions
    from kubectl_argo_archive.config import Config

F = TypeVar("F", bound="Callable[..., Any]")

LAKE_VARIABLE = "KUBECTL_ARGO_ARCHIVE_LAKE"
SOURCE_VARIABLE = "KUBECTL_ARGO_ARCHIVE_SOURCE"

_CONFIG = "kubectl_argo_archive.cli.main.config"
_LOADED = f"{__name__}.loaded"
_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_RELATIVE = re.compile(r"(?:\d+[wdhms])+", re.ASCII)
_ABSOLUTE = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII)


def settings(ctx: click.Context | None = None) -> Config:
    """The configuration file of this invocation (``--config``), read once.

    Raises:
        ConfigError: it is wrong; see :func:`kubectl_argo_archive.config.load`.
    """
    from kubectl_argo_archive.config import load

    meta = (ctx or click.get_current_context()).meta
    if _LOADED not in meta:
        meta[_LOADED] = load(meta.get(_CONFIG))
    loaded: Config = meta[_LOADED]
    return loaded


def lake_option(function: F) -> F:
    """``--lake``: argument ``lake`` is the text of the location, from the flag, the environment or the file."""
    return click.option(
        "--lake",
        metavar="URI",
        envvar=LAKE_VARIABLE,
        callback=_or_configured("lake", "s3://bucket/prefix or a folder"),
        shell_complete=_complete_folder,
        help=f"The lake: s3://bucket/prefix or a folder.  [env: {LAKE_VARIABLE}; config: lake]",
    )(function)


def source_option(function: F) -> F:
    """``--source`` and the options of a cluster: argument ``source`` is a text, or a ``KubeOptions`` to search.

    ``--source`` goes before the flags of a cluster, these before the environment and the configuration file, and these
    before the kubeconfig's current context.
    """

    @click.option(
        "--source",
        metavar="URI",
        envvar=SOURCE_VARIABLE,
        shell_complete=_complete_file,
        help="The archive: postgresql://user@host/database, or a file of workflows; without it, that of the Argo "
        "controller in the cluster of the kubeconfig. A password is better kept in PGPASSWORD or ~/.pgpass.  "
        f"[env: {SOURCE_VARIABLE}; config: source]",
    )
    @kube_options()
    @wraps(function)
    def with_source(*args: Any, source: str | None, kube: KubeOptions, **kwargs: Any) -> Any:
        return function(*args, source=_source(click.get_current_context(), source, kube), **kwargs)

    return with_source  # type: ignore[return-value]  # click's decorators keep the callable's kind


def _source(ctx: click.Context, given: str | None, kube: KubeOptions) -> str | KubeOptions:
    from kubectl_argo_archive.cluster.access import is_configured

    from_flag = ctx.get_parameter_source("source") is click.core.ParameterSource.COMMANDLINE
    if kube.is_given and not from_flag:
        return kube
    if named := given or settings(ctx).source:
        return named
    if not is_configured(kube):
        raise ConfigError(
            "no source given",
            f"give --source (postgresql://user@host/database or a file), set {SOURCE_VARIABLE}, or `source` in the "
            "configuration file, or name a cluster: --context, --kubeconfig, KUBECONFIG",
        )
    return kube


def output_option(
    choices: Sequence[str], default: str | None = None, *, help: str = "Output format."
) -> Callable[[F], F]:
    """``-o/--output``: argument ``output`` is one of ``choices``."""
    return click.option(
        "-o", "--output", type=click.Choice(list(choices)), default=default, show_default=True, help=help
    )


def namespace_options(function: F) -> F:
    """``-n/--namespace`` and ``-A``: argument ``namespaces`` is a tuple of names, empty for all."""

    @click.option("-n", "--namespace", "namespaces", metavar="NAME", multiple=True,
                  help="Only workflows of this namespace; may be repeated.")  # fmt: skip
    @click.option("-A", "--all-namespaces", is_flag=True, help="Workflows of all namespaces (the default).")
    @wraps(function)
    def with_namespaces(*args: Any, namespaces: tuple[str, ...], all_namespaces: bool, **kwargs: Any) -> Any:
        names = tuple(dict.fromkeys(name for text in namespaces for name in text.split(",") if name))
        if names and all_namespaces:
            raise ConfigError("-n and -A contradict each other", "give one of them")
        if namespaces and not names:
            raise ConfigError("-n is empty", "name a namespace, or use -A for all")
        return function(*args, namespaces=names, **kwargs)

    return with_namespaces  # type: ignore[return-value]  # click's decorators keep the callable's kind


def selector_option(function: F) -> F:
    """``-l/--selector``: argument ``selector`` is the text of a label selector, or None."""
    help = "Only workflows with these labels, as in kubectl: 'team=risk,tier!=test'."
    return click.option("-l", "--selector", metavar="SELECTOR", help=help)(function)


def time_option(*names: str, help: str) -> Callable[[F], F]:
    """An option whose argument is a UTC time, or None; see :func:`parse_time`."""

    def callback(_ctx: click.Context, _param: click.Parameter, value: str | None) -> datetime | None:
        return None if value is None else parse_time(value, datetime.now(UTC))

    return click.option(*names, metavar="TIME", callback=callback, help=help)


def time_options(function: F) -> F:
    """``--since`` and ``--until``: arguments of these names are UTC times, or None."""
    since = time_option("--since", help="Only workflows that finished at or after TIME: 2026-03-01, "
                        "2026-03-01T12:00:00Z, or an age such as 7d, 12h, 30m.")  # fmt: skip
    until = time_option("--until", help="Only workflows that finished before TIME.")
    return since(until(function))


def parse_time(text: str, now: datetime) -> datetime:
    """Read a point in time: RFC 3339, a date (its midnight), both UTC unless a zone is named, or an age such as ``7d``.

    Args:
        text: ``2026-03-01T12:00:00Z``, ``2026-03-01``, ``1d12h``, ``30m``.
        now: what ages count back from.

    Raises:
        ConfigError: it is none of these.
    """
    plain = text.strip()
    try:
        if _RELATIVE.fullmatch(plain):
            return now - sum(
                (timedelta(**{_UNITS[unit]: int(count)}) for count, unit in re.findall(r"(\d+)([wdhms])", plain)),
                timedelta(),
            )
        if _ABSOLUTE.fullmatch(plain.upper()):
            time = datetime.fromisoformat(plain.upper())
            return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        pass  # the 30th of February, or before the year 1
    raise ConfigError(
        f"'{text}' is not a time", "write 2026-03-01, 2026-03-01T12:00:00Z, or an age such as 7d, 12h, 30m"
    )


def _or_configured(key: str, example: str) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    def callback(ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
        if value or ctx.resilient_parsing:
            return value
        configured: str | None = getattr(settings(ctx), key)
        if not configured:
            variable = f"KUBECTL_ARGO_ARCHIVE_{key.upper()}"
            raise ConfigError(
                f"no {key} given", f"give --{key} ({example}), set {variable}, or `{key}` in the configuration file"
            )
        return configured

    return callback


def _complete_folder(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[Any]:
    from click.shell_completion import CompletionItem

    return [] if "://" in incomplete else [CompletionItem(incomplete, type="dir")]


def _complete_file(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[Any]:
    from click.shell_completion import CompletionItem

    return [] if "://" in incomplete else [CompletionItem(incomplete, type="file")]
