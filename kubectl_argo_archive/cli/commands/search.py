"""``kubectl argo-archive search``."""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from kubectl_argo_archive.cli import diagnostics, render_hits
from kubectl_argo_archive.cli.options import (
    lake_option,
    namespace_options,
    output_option,
    selector_option,
    settings,
    time_option,
)
from kubectl_argo_archive.cli.output_file import opened

if TYPE_CHECKING:
    from kubectl_argo_archive.logs.search import Explain, Query, Searcher

HITS = 1000
"""Hits that are shown unless --limit says otherwise."""
_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")


@click.command(
    short_help="Search the text of all indexed pod logs.",
    epilog="""\b
Examples:
  kubectl argo-archive search "connection reset by peer"
  kubectl argo-archive search -E "OOM|out of memory" -i --exit-code 137 --since 30d -C 3
  kubectl argo-archive search -w E4021 --workflow "etl-*" --template load -o jsonl | jq .key
  kubectl argo-archive search --level ERROR --count "" -n data
\b
The pattern is a text unless -E is given; then it is a regular expression as ripgrep knows them (docs/logs.md). Lines
are searched one by one. --since and --until look at the time in the line; a line without one counts as written when
its node ended. Hits come in the order of the lake: by month, namespace, template and end of the workflow.""",
)
@click.argument("pattern")
@lake_option
@click.option("-E", "--regex", is_flag=True, help="The pattern is a regular expression.")
@click.option("-i", "--ignore-case", is_flag=True, help="Any case, of any script.")
@click.option("-w", "--word-regexp", "word", is_flag=True, help="Only whole words.")
@click.option("-v", "--invert-match", "invert", is_flag=True, help="Lines that do not match; needs a filter.")
@namespace_options
@click.option("--workflow", metavar="NAME", help="Only workflows of this name, glob (etl-*) or uid.")
@selector_option
@click.option(
    "--template", "templates", metavar="NAME", multiple=True, help="Only nodes that ran this template (glob)."
)
@click.option("--phase", "phases", metavar="PHASE", multiple=True, help="Only nodes that ended so: Failed, Error, …")
@click.option("--exit-code", "exit_codes", metavar="N", type=int, multiple=True, help="Only nodes with this exit code.")
@click.option("-c", "--container", "containers", metavar="NAME", multiple=True, help="Only logs of this container.")
@click.option("--level", "levels", type=click.Choice(_LEVELS, case_sensitive=False), multiple=True,
              help="Only lines of this level.")  # fmt: skip
@time_option("--since", help="Only lines at or after TIME: 2026-03-01, 2026-03-01T12:00:00Z, or an age such as 7d.")
@time_option("--until", help="Only lines before TIME.")
@click.option("-C", "--context", metavar="N", type=click.IntRange(0, 1000), default=0, help="Lines around each hit.")
@click.option("--count", is_flag=True, help="Only the number of matching lines of each log.")
@click.option("--files-with-matches", "files", is_flag=True, help="Only the logs that have a matching line.")
@click.option("--limit", metavar="N", type=click.IntRange(min=0), default=HITS, show_default=True,
              help="At most N hits; 0 for all.")  # fmt: skip
@click.option("--explain", is_flag=True, help="Say on stderr which stage pruned what, and what had to be scanned.")
@output_option(render_hits.FORMATS, "table")
@click.pass_context
def search(ctx: click.Context, /, pattern: str, lake: str, **options: Any) -> None:
    """Search the text of all indexed pod logs (`kubectl argo-archive index`)."""
    from kubectl_argo_archive.connect import open_lake
    from kubectl_argo_archive.logs.search import Explain, Searcher, plan

    query = _query(pattern, options)
    plan(query)  # a wrong pattern should not wait for the lake
    searcher = Searcher(open_lake(lake, settings(ctx)))
    explain = Explain()
    try:
        shown, more = _show(searcher, query, explain, options)
    finally:
        if options["explain"]:
            _explain(explain)
    _tell(shown, more, options)


def _query(pattern: str, options: dict[str, Any]) -> Query:
    from kubectl_argo_archive.logs.search import Query
    from kubectl_argo_archive.logs.search_filter import Filter

    return Query(
        pattern=pattern,
        regex=options["regex"],
        ignore_case=options["ignore_case"],
        word=options["word"],
        invert=options["invert"],
        context=options["context"],
        filter=Filter(
            namespaces=options["namespaces"],
            workflow=options["workflow"],
            selector=options["selector"],
            templates=options["templates"],
            phases=options["phases"],
            exit_codes=options["exit_codes"],
            containers=options["containers"],
        ),
        levels=tuple(level.upper() for level in options["levels"]),
        since=options["since"],
        until=options["until"],
    )


def _show(searcher: Searcher, query: Query, explain: Explain, options: dict[str, Any]) -> tuple[int, bool]:
    """Write what was found; returns how many, and whether there is more."""
    limit, output = options["limit"] or None, options["output"]
    with opened(None) as sink:
        if options["count"] or options["files"]:
            found = searcher.count(query, explain)
            return render_hits.logs(islice(found, limit), output, sink, counts=options["count"]), next(
                found, None
            ) is not None
        hits = searcher.search(query, explain)
        shown = render_hits.hits(
            islice(hits, limit), output, sink, context=bool(query.context), colour=sys.stdout.isatty()
        )
        return shown, next(hits, None) is not None


def _tell(shown: int, more: bool, options: dict[str, Any]) -> None:
    what = "logs" if options["count"] or options["files"] else "hits"
    if more:
        diagnostics.warn(
            f"only the first {shown:,} {what} are shown, there are more", "raise --limit, or --limit 0 for all"
        )
    elif not shown:
        diagnostics.note("no line matches")
    elif diagnostics.is_terminal():
        diagnostics.note(f"{shown:,} {what}")


def _explain(explain: Explain) -> None:
    """What each stage left, and why nothing could be skipped if so."""
    diagnostics.note(f"index was asked for: {explain.need or 'nothing'}")
    if explain.why_scan:
        diagnostics.note(f"full scan of what the filters left: {explain.why_scan}")
    diagnostics.note(
        f"{explain.segments} segments, {explain.blocks:,} blocks of 1 MiB → {explain.after_filter:,} after filters → "
        f"{explain.after_index:,} after the index → {explain.blocks_read:,} read, {explain.false_blocks:,} of them "
        f"without a match; {explain.lines:,} lines match; {explain.row_groups:,} row groups read"
    )
