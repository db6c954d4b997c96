"""``kubectl argo-archive logs``."""

from __future__ import annotations

import os
import sys
from itertools import cycle
from typing import TYPE_CHECKING, Any

import click

from kubectl_argo_archive.cli import diagnostics
from kubectl_argo_archive.cli.kube_options import kube_options
from kubectl_argo_archive.cli.log_options import store_options
from kubectl_argo_archive.cli.options import lake_option, namespace_options, output_option, settings, time_option
from kubectl_argo_archive.cli.progress import size
from kubectl_argo_archive.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from kubectl_argo_archive.argo.log_keys import LogStore
    from kubectl_argo_archive.cluster.access import KubeOptions
    from kubectl_argo_archive.logs.find import PodLog
    from kubectl_argo_archive.logs.live import LiveRun
    from kubectl_argo_archive.logs.show import Line, Trouble

_COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green", "bright_yellow",
            "bright_magenta", "bright_blue")  # fmt: skip
_BUFFER = 64 << 10


@click.command(
    short_help="Print the logs of an archived workflow.",
    epilog="""\b
Examples:
  kubectl argo-archive logs etl-nightly-x7k2p
  kubectl argo-archive logs etl-nightly-x7k2p/load --tail 50
  kubectl argo-archive logs etl-nightly-x7k2p --prefix --timestamps --merge
  kubectl argo-archive logs --check
\b
Exit codes:
  0  printed
  1  nothing could be printed
  2  no such workflow or node, or several of that name
  3  printed, but some logs are missing or cannot be read; with --check: problems found""",
)
@click.argument("target", required=False, metavar="WORKFLOW[/NODE]")
@lake_option
@namespace_options
@click.option("-c", "--container", metavar="NAME", help="Only this container.")
@click.option("--template", metavar="NAME", help="Only nodes of this template.")
@click.option("--previous", is_flag=True, help="Earlier attempts only: those that a retry followed.")
@time_option("--since", help="Only lines of this time or later: 2026-03-01T12:00:00Z, or an age such as 7d.")
@click.option("--tail", metavar="N", type=click.IntRange(min=0), help="Only the last N lines of each log.")
@click.option("--timestamps", is_flag=True, help="The time of each line before it; a line without one has the time "
              "of the line before.")  # fmt: skip
@click.option("--prefix", is_flag=True, help="Pod and container before each line.")
@click.option("--merge", is_flag=True, help="Lines of all pods in the order of their times, instead of pod after pod.")
@click.option("--raw", is_flag=True, help="The objects themselves, even if the lake has their lines.")
@click.option("-f", "--follow", is_flag=True, help="Refused: what is archived does not grow.")
@click.option("--check", is_flag=True, help="Show what is wrong with the logs of the lake, instead of lines.")
@output_option(("text", "json"), "text", help="Of --check.")
@store_options
@kube_options()
@click.pass_context
def logs(
    ctx: click.Context,
    target: str | None,
    lake: str,
    namespaces: tuple[str, ...],
    container: str | None,
    template: str | None,
    previous: bool,
    since: datetime | None,
    tail: int | None,
    timestamps: bool,
    prefix: bool,
    merge: bool,
    raw: bool,
    follow: bool,
    check: bool,
    output: str,
    endpoints: Mapping[str, str],
    default_store: LogStore | None,
    customer_key: bytes | None,
    kube: KubeOptions,
) -> ExitCode:
    """Print the logs of an archived workflow as `kubectl logs` would: all its pods in the order of their start.

    WORKFLOW is a name or a uid, NODE a node's name or id, or a pod. Lines come from the lake if they are indexed,
    else straight from the artifact store; those of a workflow that is not in the lake, but still in the cluster, come
    from its pods.
    """
    if follow:
        raise ConfigError(
            "an archived workflow has ended, so there is nothing to follow", "leave --follow away, or use `argo logs`"
        )
    if check:
        return _check(ctx, lake, target, namespaces, output)
    if not target:
        raise ConfigError("no workflow is given", "name one: logs WORKFLOW[/NODE]")

    from kubectl_argo_archive.connect import artifact_stores, open_lake, with_cluster_stores
    from kubectl_argo_archive.logs.find import TABLES, UnknownRun, find_logs, find_run, select
    from kubectl_argo_archive.logs.show import Reader, narrowed
    from kubectl_argo_archive.logs.survey import Stores
    from kubectl_argo_archive.logs.workspace import Workspace

    opened = open_lake(lake, settings(ctx))
    name, _, node = target.partition("/")
    with Workspace(opened.snapshot(), opened.storage, TABLES) as space:
        try:
            run = find_run(space, name, namespaces)
        except UnknownRun:
            live = _live(kube, name, namespaces)
            if live is None:
                raise
            chosen = select(live.logs, node=node or None, container=container, template=template, previous=previous)
            lines = narrowed(live.lines(chosen), since=since, tail=tail)
            _print(lines, chosen, prefix=prefix, timestamps=timestamps)
            return ExitCode.OK
        found = find_logs(space, run, previous=previous, default=default_store)
        chosen = select(found, node=node or None, container=container, template=template, previous=previous)
        reach: Any = {"endpoints": endpoints, "customer_key": customer_key}
        own = artifact_stores(settings(ctx), **reach)
        opener = ctx.with_resource(with_cluster_stores(own, kube, tell=diagnostics.note, **reach))
        reader = Reader(space, Stores(opener), raw=raw, times=timestamps or since is not None)
        lines = narrowed(reader.lines(chosen, merge=merge), since=since, tail=tail, merged=merge)
        printed = _print(lines, chosen, prefix=prefix, timestamps=timestamps)
    return _tell(reader.troubles, printed, chosen)


def _live(kube: KubeOptions, name: str, namespaces: tuple[str, ...]) -> LiveRun | None:
    """The workflow in the cluster, if there is a cluster and it has one of that name."""
    from kubectl_argo_archive.cluster.access import is_configured
    from kubectl_argo_archive.cluster.client import KubeClient
    from kubectl_argo_archive.logs.live import find_live

    if not is_configured(kube):
        return None
    live = find_live(KubeClient.connect(kube), name, namespaces)
    if live is not None:
        diagnostics.note(f"{live.namespace}/{live.name} is not in the lake; these are the logs of its pods")
    return live


def _print(lines: Iterable[Line], logs: list[PodLog], *, prefix: bool, timestamps: bool) -> bool:
    """Print the lines as bytes; whether there were any."""
    heads = _heads(logs) if prefix else {}
    out, held, waiting, printed, whole = sys.stdout.buffer, list[bytes](), 0, False, True
    sys.stdout.flush()
    for line in lines:
        printed = True
        head = heads.get((line.log.pod, line.log.container), b"")
        if timestamps:
            head += f"{line.at:%Y-%m-%dT%H:%M:%S.%f}Z ".encode()
        if head and not whole:
            head = b"\n" + head  # the log before had no newline at its end
        held.append(head + line.data)
        whole = line.data.endswith(b"\n")
        waiting += len(line.data)
        if waiting > _BUFFER:
            out.write(b"".join(held))
            held, waiting = [], 0
    out.write(b"".join(held))
    if not whole and sys.stdout.isatty():
        out.write(b"\n")
    out.flush()
    return printed


def _heads(logs: list[PodLog]) -> dict[tuple[str, str], bytes]:
    """What stands before the lines of each log, as kubectl writes it."""
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    heads = {}
    for log, colour in zip(logs, cycle(_COLOURS), strict=False):
        text = f"[pod/{log.pod}/{log.container or 'main'}]"
        heads[log.pod, log.container] = f"{click.style(text, fg=colour) if colours else text} ".encode()
    return heads


def _tell(troubles: list[Trouble], printed: bool, logs: list[PodLog]) -> ExitCode:
    """Say which logs are not there, or not what they seem; and the exit code."""
    for log in logs:
        if log.status == "overwritten" and log.text_id is not None:
            diagnostics.warn(f"{_name(log)}: what lies there was written after the node had ended")
        elif log.status == "ambiguous":
            diagnostics.warn(f"{_name(log)}: another workflow names the same object; the lines may be its")
    for trouble in troubles:
        diagnostics.warn(f"{_name(trouble.log)}: {trouble.message}")
    if not logs:
        diagnostics.warn("the workflow ran no pods")
    if not any(trouble.fatal for trouble in troubles):
        return ExitCode.OK
    return ExitCode.FOUND_PROBLEMS if printed else ExitCode.FAILED


def _name(log: PodLog) -> str:
    return f"{log.node}/{log.container}" if log.container else log.node


def _check(ctx: click.Context, lake: str, target: str | None, namespaces: tuple[str, ...], output: str) -> ExitCode:
    from kubectl_argo_archive.connect import open_lake
    from kubectl_argo_archive.logs.check import check

    found = check(open_lake(lake, settings(ctx)), target, namespaces)
    if output == "json":
        import json

        click.echo(json.dumps(found.to_dict(), ensure_ascii=False))
        return ExitCode.FOUND_PROBLEMS if found.problems else ExitCode.OK
    click.echo(f"{found.logs:,} logs, {size(found.bytes)}")
    for row in found.by_phase:
        share = row["readable"] / row["pods"]
        click.echo(f"  {row['phase']:<12} {row['pods']:>9,} pods, {share:.1%} with lines in the lake")
    for problem, facts in found.problems.items():
        click.echo(f"\n{problem}: {facts['logs']:,} logs" + (f", {size(facts['bytes'])}" if facts["bytes"] else ""))
        for example in facts["examples"]:
            click.echo(f"  {example}")
    if found.templates:
        click.echo("\nWho writes most:")
        for row in found.templates:
            click.echo(f"  {size(row['bytes']):>10} {row['logs']:>8,} logs  {row['namespace']}/{row['template_name']}")
    if found.problems:
        diagnostics.note('all of them: kubectl argo-archive query "select * from log_health"')
    return ExitCode.FOUND_PROBLEMS if found.problems else ExitCode.OK
