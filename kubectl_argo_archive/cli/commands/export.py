"""``kubectl argo-archive export``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kubectl_argo_archive.cli import diagnostics
from kubectl_argo_archive.cli.options import (
    lake_option,
    namespace_options,
    output_option,
    selector_option,
    settings,
    source_option,
    time_options,
)
from kubectl_argo_archive.cli.progress import duration, progress, size
from kubectl_argo_archive.errors import ExitCode

if TYPE_CHECKING:
    from datetime import datetime

    from kubectl_argo_archive.cluster.access import KubeOptions
    from kubectl_argo_archive.export.result import ExportResult


@click.command(
    short_help="Copy the archived workflows into the lake.",
    epilog="""\b
Examples:
  kubectl argo-archive export --lake s3://bucket/lake
  kubectl argo-archive export --source postgresql://argo@db/argo --lake s3://bucket/lake
  kubectl argo-archive export --source dump.ndjson.gz --lake ./lake
  kubectl argo-archive export -n data -l team=risk --since 30d --dry-run -o json
\b
Exit codes:
  0  done
  3  done, and some rows are in quarantine: select reason, count(*) from quarantine group by 1
  4  the database or the lake cannot be reached""",
)
@source_option
@lake_option
@namespace_options
@selector_option
@time_options
@click.option("--full", is_flag=True, help="Compare the content of every row, not only of those that look changed.")
@click.option("--dry-run", is_flag=True, help="Only say what would be exported.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@output_option(("text", "json"), "text")
@click.pass_context
def export(
    ctx: click.Context,
    source: str | KubeOptions,
    lake: str,
    namespaces: tuple[str, ...],
    selector: str | None,
    since: datetime | None,
    until: datetime | None,
    full: bool,
    dry_run: bool,
    quiet: bool,
    output: str,
) -> ExitCode:
    """Copy the archived workflows into the lake: what is new, changed or gone since the last export.

    The source is only read, in one read-only transaction. The lake is made if it does not exist; readers see the
    whole export or nothing of it. Rows that are gone from the source stay in the lake, marked.
    """
    from kubectl_argo_archive.archive.workflow_archive import Selection
    from kubectl_argo_archive.connect import open_lake, open_source
    from kubectl_argo_archive.export.pipeline import Watcher
    from kubectl_argo_archive.export.pipeline import export as run

    with progress("export", quiet=quiet) as shown:
        result = run(
            open_source(source, diagnostics.note),
            open_lake(lake, settings(ctx)),
            Selection(namespaces, selector, since, until),
            full=full,
            dry_run=dry_run,
            watcher=Watcher(lambda rows: setattr(shown, "total_rows", rows), shown.advance),
        )
    _print(result, output)
    if settings(ctx).audit.seal and not dry_run:
        _seal(ctx, source, lake)
    if result.quarantined:
        diagnostics.warn(
            f"{result.quarantined} rows could not be read as workflows and are in quarantine",
            'kubectl argo-archive query "select uid, name, reason from quarantine where export_id = '
            f"'{result.export_id}'\"",
        )
        return ExitCode.FOUND_PROBLEMS
    return ExitCode.OK


def _seal(ctx: click.Context, source: str | KubeOptions, lake: str) -> None:
    """As section ``[audit]`` of the configuration file asks for."""
    from kubectl_argo_archive.audit.configured import seal_as_configured
    from kubectl_argo_archive.connect import open_lake, open_source, secret_reader

    config = settings(ctx)
    archive = None if source == "-" else open_source(source, diagnostics.note)  # standard input can be read once only
    for digest in seal_as_configured(open_lake(lake, config), archive, config.audit, secret_reader()):
        diagnostics.note(f"sealed: {digest.digest}, {digest.workflows:,} workflow versions")


def _print(result: ExportResult, output: str) -> None:
    if output == "json":
        import json

        click.echo(json.dumps(result.to_dict()))
        return
    counts = ("new", "changed", "deleted", "restored", "rewritten", "unchanged", "quarantined", "skipped", "vanished")
    always = ("new", "changed", "deleted", "unchanged", "quarantined")
    shown = [f"{getattr(result, name):,} {name}" for name in counts if name in always or getattr(result, name)]
    what = (
        "would be"
        if result.dry_run
        else "published as " + str(result.export_id)
        if result.published
        else "nothing to do"
    )
    click.echo(f"{result.source} → {result.lake}: {what}")
    click.echo("  " + ", ".join(shown))
    for name, added in result.tables.items():
        if added["rows"]:
            click.echo(f"  {name:<14} {added['rows']:>12,} rows {size(added['bytes']):>12}")
    click.echo(
        f"  {size(result.json_bytes)} of JSON in {duration(result.seconds)}, "
        f"peak memory {size(result.peak_memory_bytes)}"
    )
