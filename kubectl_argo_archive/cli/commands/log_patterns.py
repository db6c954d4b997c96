"""``kubectl argo-archive log-patterns``."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import click

from kubectl_argo_archive.cli import diagnostics
from kubectl_argo_archive.cli.options import lake_option, namespace_options, output_option, settings, time_option

if TYPE_CHECKING:
    from datetime import datetime

    from kubectl_argo_archive.logs.patterns import Pattern

_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")


@click.command(
    short_help="Cluster log lines into patterns.",
    epilog="""\b
Examples:
  kubectl argo-archive log-patterns --template load
  kubectl argo-archive log-patterns --failed --level ERROR --since 30d
  kubectl argo-archive log-patterns --new-since 7d -o json""",
)
@lake_option
@namespace_options
@click.option("--template", metavar="NAME", help="Only nodes of this template.")
@click.option("--level", "levels", multiple=True, type=click.Choice(_LEVELS, case_sensitive=False),
              help="Only lines of this level; may be repeated.")  # fmt: skip
@time_option("--since", help="Only nodes that ended at this time or later: 2026-03-01, or an age such as 7d.")
@time_option("--new-since", help="Only patterns that no line had before this time.")
@click.option("--failed", is_flag=True, help="Only patterns of failed nodes that no other node of their template has.")
@click.option("--limit", metavar="N", type=click.IntRange(min=0), default=50, show_default=True,
              help="At most N patterns; 0 for all.")  # fmt: skip
@output_option(("table", "json", "jsonl"), "table")
@click.pass_context
def log_patterns(
    ctx: click.Context,
    lake: str,
    namespaces: tuple[str, ...],
    template: str | None,
    levels: tuple[str, ...],
    since: datetime | None,
    new_since: datetime | None,
    failed: bool,
    limit: int,
    output: str,
) -> None:
    """Cluster the indexed log lines into patterns: what they say, without numbers, ids and names.

    Patterns are counted per template, the most frequent first.
    """
    from kubectl_argo_archive.connect import open_lake
    from kubectl_argo_archive.logs.patterns import PatternFilter, patterns

    wanted = PatternFilter(namespaces, template, tuple(level.upper() for level in levels), since, new_since, failed)
    found = patterns(open_lake(lake, settings(ctx)), wanted)
    shown = found[:limit] if limit else found
    _print(shown, output)
    if len(shown) < len(found):
        diagnostics.warn(f"only {len(shown):,} of {len(found):,} patterns are shown", "--limit 0 shows all")


def _print(found: list[Pattern], output: str) -> None:
    if output != "table":
        import json

        rows = [pattern.to_dict() for pattern in found]
        if output == "json":
            click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        for row in rows if output == "jsonl" else ():
            click.echo(json.dumps(row, ensure_ascii=False))
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    size = max((len(pattern.template or "") for pattern in found), default=8)
    click.echo(f"{'LINES':>10} {'LOGS':>7} {'FAILED':>7}  {'TEMPLATE':<{size}}  PATTERN")
    for pattern in found:
        line = (
            f"{pattern.lines:>10,} {pattern.logs:>7,} {pattern.failed_logs:>7,}  "
            f"{pattern.template or '':<{size}}  {pattern.pattern}"
        )
        click.echo(line[:width] if width else line)
