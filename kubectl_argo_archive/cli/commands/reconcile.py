"""``kubectl argo-archive reconcile``."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

from kubectl_argo_archive.cli import diagnostics
from kubectl_argo_archive.cli.options import (
    lake_option,
    namespace_options,
    output_option,
    settings,
    source_option,
    time_options,
)
from kubectl_argo_archive.cli.output_file import opened
from kubectl_argo_archive.cli.progress import progress
from kubectl_argo_archive.errors import ArgoArchiveError, ExitCode

if TYPE_CHECKING:
    from datetime import datetime
    from typing import BinaryIO

    from kubectl_argo_archive.audit.reconcile.reconcile import LiveWorkflow
    from kubectl_argo_archive.audit.reconcile.result import Reconciliation
    from kubectl_argo_archive.cluster.access import KubeOptions

KINDS = (
    "missing_in_lake", "extra_in_lake", "changed_content", "duplicate", "deleted_at_source", "day_shifted",
    "not_archived", "unpublished",
)  # fmt: skip
_NUMBER = "BIGINT"
_DAY_COLUMNS = {
    "cluster": "VARCHAR", "namespace": "VARCHAR", "day": "VARCHAR", "status": "VARCHAR", "source": _NUMBER,
    "lake": _NUMBER, **dict.fromkeys(KINDS[:-1], _NUMBER), "deleted_noted": _NUMBER, "late": _NUMBER,
    "source_hash": "VARCHAR", "lake_hash": "VARCHAR",
}  # fmt: skip
_DIFFERENCE_COLUMNS = {
    "kind": "VARCHAR", "cluster": "VARCHAR", "namespace": "VARCHAR", "name": "VARCHAR", "uid": "VARCHAR",
    "version": _NUMBER, "source_day": "VARCHAR", "lake_day": "VARCHAR", "detail": "VARCHAR",
}  # fmt: skip


@click.command(
    short_help="Compare the database with the lake, day by day.",
    epilog="""\b
Examples:
  kubectl argo-archive reconcile --source postgresql://argo@db/argo --lake s3://bucket/lake
  kubectl argo-archive reconcile -n data --since 2026-03-01 --until 2026-04-01 -o json
  kubectl argo-archive reconcile --rows -o csv --out differences.csv
\b
What can differ:
  missing_in_lake    in the database, not in the lake (not exported yet, or lost)
  extra_in_lake      in the lake, and no export accounts for it
  changed_content    the JSON (by its canonical hash) or a column says something else
  duplicate          one state twice, or two latest states of one workflow
  deleted_at_source  gone from the database since the last export
  day_shifted        on another day, because somebody's clock was not UTC
  not_archived       finished in the cluster, not in the database
  unpublished        a table has Delta versions that no publish of this tool made
\b
Exit codes:
  0  equal (rows that the lake knows to be gone, deleted_noted, and late ones are no difference)
  3  different
  4  the database or the lake cannot be reached""",
)
@source_option
@lake_option
@namespace_options
@time_options
@click.option("--live/--no-live", default=None,
              help="Also look for finished workflows of the cluster that never reached the database.  "
              "[default: if the database was found through the cluster]")  # fmt: skip
@click.option("--ignore", "ignored", metavar="KIND", type=click.Choice(KINDS), multiple=True,
              help="Show this kind of difference, but do not fail for it; may be repeated.")  # fmt: skip
@click.option("--rows", "by_row", is_flag=True, help="As table or CSV: one line per difference instead of per day.")
@click.option("--all", "all_days", is_flag=True, help="In the table, show days without a difference too.")
@click.option("--limit", metavar="N", type=click.IntRange(min=0), default=1000, show_default=True,
              help="List at most N differences one by one; all are counted.")  # fmt: skip
@output_option(("table", "json", "csv"), "table")
@click.option("--out", metavar="FILE", type=click.Path(), help="Write to a file, which appears when it is whole.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@click.pass_context
def reconcile(
    ctx: click.Context,
    source: str | KubeOptions,
    lake: str,
    namespaces: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    live: bool | None,
    ignored: tuple[str, ...],
    by_row: bool,
    all_days: bool,
    limit: int,
    output: str,
    out: str | None,
    quiet: bool,
) -> ExitCode:
    """Compare the database with the lake per day and namespace: counts, canonical hashes, and each difference.

    Both sides are read whole, once; nothing is changed. A day is the UTC day of the workflow's finish.
    """
    from kubectl_argo_archive.audit.reconcile.reconcile import reconcile as run
    from kubectl_argo_archive.audit.reconcile.result import Kind
    from kubectl_argo_archive.connect import open_lake, open_source

    with progress("reconcile", quiet=quiet) as shown:
        result = run(
            open_source(source, diagnostics.note),
            open_lake(lake, settings(ctx)),
            namespaces=namespaces,
            since=since,
            until=until,
            live=_live(source, live),
            listed=limit,
            ignored=frozenset(map(Kind, ignored)),
            advance=shown.advance,
        )
    found = result.to_dict()
    with opened(out) as sink:
        if output == "json":
            sink.write(json.dumps(found, indent=2).encode() + b"\n")
        elif output == "csv":
            _render(found, "csv", sink, by_row=by_row, all_days=True)
        else:
            _render(found, "table", sink, by_row=by_row, all_days=all_days)
    _tell(result, found)
    return ExitCode.OK if result.equal else ExitCode.FOUND_PROBLEMS


def _live(source: str | KubeOptions, wanted: bool | None) -> list[LiveWorkflow] | None:
    """Finished workflows of the cluster; None if it is not asked, or does not answer though nobody insisted."""
    if wanted is False or (wanted is None and isinstance(source, str)):
        return None
    from kubectl_argo_archive.audit.reconcile.live import finished_workflows
    from kubectl_argo_archive.cluster.access import KubeOptions
    from kubectl_argo_archive.connect import open_cluster

    try:
        client, _, controller = open_cluster(KubeOptions() if isinstance(source, str) else source)
        return finished_workflows(client, controller)
    except ArgoArchiveError as error:
        if wanted:
            raise
        diagnostics.warn(f"the cluster's own workflows were not compared: {error.message}", error.hint)
        return None


def _render(found: dict[str, Any], format: str, sink: BinaryIO, *, by_row: bool, all_days: bool) -> None:
    from kubectl_argo_archive.cli.plain_rows import PlainRows
    from kubectl_argo_archive.cli.render import render

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    rows = [day for day in found["days"] if all_days or day["status"] != "equal"]
    columns = {name: type_ for name, type_ in _DAY_COLUMNS.items() if format == "csv" or _shown(name, rows)}
    parts = [(columns, rows)] if not by_row and (rows or format == "csv") else []
    if by_row or (format == "table" and found["differences"]):
        parts.append((_DIFFERENCE_COLUMNS, found["differences"]))
    for number, (names, values) in enumerate(parts):
        sink.write(b"\n" if number else b"")
        render(PlainRows(names, values), format, sink, width=width)  # type: ignore[arg-type]  # a ResultSet's shape


def _shown(name: str, rows: list[dict[str, Any]]) -> bool:
    """For people: kinds that do not occur, and hashes, only take space."""
    optional = name in KINDS or name in ("deleted_noted", "late")
    return not name.endswith("_hash") and (not optional or any(row[name] for row in rows))


def _tell(result: Reconciliation, found: dict[str, Any]) -> None:
    totals = found["totals"]
    what = [f"{totals[kind]:,} {kind}" for kind in (*KINDS, "deleted_noted", "late") if totals[kind]]
    verdict = "equal" if result.equal else "DIFFERENT"
    diagnostics.note(
        f"{verdict}: {totals['source']:,} workflows in {result.source}, {totals['lake']:,} in {result.lake}"
        + (f"; {', '.join(what)}" if what else "")
    )
    if result.more:
        diagnostics.warn(f"{result.more:,} differences are counted but not listed one by one", "raise --limit")
    if result.clock_offsets_s:
        hours = ", ".join(f"{seconds / 3600:+g} h" for seconds in sorted(result.clock_offsets_s))
        diagnostics.note(f"the database's own time columns are not UTC: {hours} (a controller's TZ)")
