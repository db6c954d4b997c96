"""``kubectl argo-archive index``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kubectl_argo_archive.cli import diagnostics
from kubectl_argo_archive.cli.kube_options import kube_options
from kubectl_argo_archive.cli.log_options import store_options
from kubectl_argo_archive.cli.options import lake_option, namespace_options, output_option, settings, time_options
from kubectl_argo_archive.cli.progress import duration, progress, size
from kubectl_argo_archive.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from kubectl_argo_archive.argo.log_keys import LogStore
    from kubectl_argo_archive.cluster.access import KubeOptions
    from kubectl_argo_archive.logs.claims import Chosen
    from kubectl_argo_archive.logs.decide import Rules
    from kubectl_argo_archive.logs.result import IndexResult


@click.command(
    short_help="Index the archived pod logs of the lake's workflows.",
    epilog="""\b
Examples:
  kubectl argo-archive index --lake s3://bucket/lake
  kubectl argo-archive index -n data --since 30d -o json
  kubectl argo-archive index --endpoint minio:9000=https://minio.example.com
\b
Exit codes:
  0  done
  3  done, and some stores could not be used
  4  no store, or not the lake, can be reached""",
)
@lake_option
@namespace_options
@time_options
@store_options
@kube_options()
@click.option("--mask/--no-mask", default=True, show_default=True,
              help="Mask values that look like keys, tokens and passwords before they are indexed.")  # fmt: skip
@click.option("--max-size", metavar="SIZE", default="1GiB", show_default=True, help="Do not read larger objects.")
@click.option("--slack", metavar="TIME", default="1h", show_default=True,
              help="A log written later than this after the end of its node counts as overwritten.")  # fmt: skip
@click.option("--full", is_flag=True, help="Look at all workflows again, not only at new ones.")
@click.option("--orphans", is_flag=True, help="Also list the buckets for logs that no workflow of the lake names.")
@click.option("--concurrency", type=click.IntRange(1, 256), default=32, show_default=True, metavar="N",
              help="Objects that are fetched at once.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only say what would be read.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@output_option(("text", "json"), "text")
@click.pass_context
def index(
    ctx: click.Context,
    lake: str,
    namespaces: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    endpoints: Mapping[str, str],
    default_store: LogStore | None,
    customer_key: bytes | None,
    kube: KubeOptions,
    mask: bool,
    max_size: str,
    slack: str,
    full: bool,
    orphans: bool,
    concurrency: int,
    dry_run: bool,
    quiet: bool,
    output: str,
) -> ExitCode:
    """Index the archived pod logs of the lake's workflows: what is new or changed since the last run.

    Every log gets a row in log_objects, its lines go to log_lines and into the search index. Readers see the whole
    run or nothing of it. The stores are only read.
    """
    from kubectl_argo_archive.connect import artifact_stores, open_lake, with_cluster_stores
    from kubectl_argo_archive.logs.index import IndexOptions, Watcher
    from kubectl_argo_archive.logs.index import index as run

    options = IndexOptions(
        chosen=_chosen(namespaces, since, until),
        rules=_rules(max_size, slack),
        mask=mask,
        full=full,
        dry_run=dry_run,
        orphans=orphans,
        default_store=default_store,
        at_once=concurrency,
    )
    reach: Any = {"endpoints": endpoints, "customer_key": customer_key, "connections": concurrency}
    own = artifact_stores(settings(ctx), **reach)
    opener = ctx.with_resource(with_cluster_stores(own, kube, tell=diagnostics.note, **reach))
    with progress("index", quiet=quiet, unit="objects") as shown:

        def planned(objects: int, bytes: int) -> None:
            shown.total_rows = (shown.total_rows or 0) + objects
            shown.total_bytes = (shown.total_bytes or 0) + bytes

        watcher = Watcher(planned=planned, advance=shown.advance)
        result = run(open_lake(lake, settings(ctx)), opener, options, watcher)
    _print(result, output)
    for problem in result.problems:
        diagnostics.warn(problem, "name its server with --endpoint; the next run tries again")
    return ExitCode.FOUND_PROBLEMS if result.problems else ExitCode.OK


def _chosen(namespaces: tuple[str, ...], since: datetime | None, until: datetime | None) -> Chosen:
    from kubectl_argo_archive.logs.claims import Chosen

    return Chosen(namespaces=namespaces, since=since, until=until)


def _rules(max_size: str, slack: str) -> Rules:
    from kubectl_argo_archive.logs.decide import Rules
    from kubectl_argo_archive.query.limits import parse_bytes, parse_seconds

    return Rules(max_bytes=parse_bytes(max_size), slack_s=parse_seconds(slack))


def _print(result: IndexResult, output: str) -> None:
    if output == "json":
        import json

        click.echo(json.dumps(result.to_dict()))
        return
    what = (
        f"{result.read:,} objects, {size(result.bytes)} would be read"
        if result.dry_run
        else f"published as {result.index_id}"
        if result.published
        else "nothing to do"
    )
    click.echo(f"{result.lake}: {what}")
    counts = ("new", "changed", "gone", "unchanged")
    click.echo("  " + ", ".join(f"{getattr(result, name):,} {name}" for name in counts))
    if result.objects:
        click.echo("  logs: " + ", ".join(f"{count:,} {status}" for status, count in result.objects.items()))
    if result.read and not result.dry_run:
        click.echo(
            f"  {result.read:,} objects read, {size(result.bytes)} in {result.requests:,} requests; "
            f"{result.lines:,} lines, {size(result.text_bytes)} of text"
        )
    if result.orphans:
        click.echo(f"  {result.orphans:,} objects belong to no known workflow: select * from log_orphans")
    if result.masked:
        rules = ", ".join(f"{count:,} {rule}" for rule, count in sorted(result.mask_rules.items()))
        click.echo(f"  {result.masked:,} values masked: {rules}")
    click.echo(f"  in {duration(result.seconds)}, peak memory {size(result.peak_memory_bytes)}")
