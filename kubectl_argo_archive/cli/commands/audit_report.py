"""``kubectl argo-archive audit report``."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from kubectl_argo_archive.cli import diagnostics
from kubectl_argo_archive.cli.audit_access import note_access, state_of, text_of
from kubectl_argo_archive.cli.options import lake_option, namespace_options, output_option, settings, time_option
from kubectl_argo_archive.cli.output_file import opened
from kubectl_argo_archive.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


SECTIONS = ("outcomes", "actions", "unidentified", "service-accounts", "images", "retention", "holds", "access")


@click.command(
    short_help="Show who did what, and what is past its retention.",
    epilog="""\b
Examples:
  kubectl argo-archive audit report --lake s3://bucket/lake
  kubectl argo-archive audit report actions --user alice@example.com --since 2026-04-01 --until 2026-07-01 -o csv
  kubectl argo-archive audit report retention --retention 7y --retention test=90d
  kubectl argo-archive audit report -o html --out report.html
  kubectl argo-archive audit report access --since 30d -o json
\b
Sections:
  outcomes          how runs ended, by namespace
  actions           who submitted, resubmitted, retried, stopped, terminated, suspended, resumed what
  unidentified      runs without an identifiable creator
  service-accounts  which service accounts ran workflows
  images            which images ran
  retention         records past retention, and those that a legal hold keeps
  holds             legal holds in force
  access            who read or exported audit data with this tool
\b
Argo keeps no journal. Names are its labels, in which @ became .at. and other characters -; what nobody recorded is
"unknown". CSV takes one section.""",
)
@click.argument("sections", nargs=-1, type=click.Choice(SECTIONS), metavar="[SECTION]...")
@lake_option
@namespace_options
@click.option("--user", "users", metavar="NAME", multiple=True,
              help="Only what this person created or acted on: mail address, user name or label.")  # fmt: skip
@time_option("--since", help="Only workflows that ended (or, if they never did, were created) at or after TIME.")
@time_option("--until", help="Only workflows that ended before TIME.")
@click.option("--retention", "retention", metavar="[NAMESPACE=]AGE", multiple=True,
              help="How long records are kept: 7y, test=90d; may be repeated. Units: d, w, m, y.")  # fmt: skip
@click.option("--as-of", metavar="TIME|EXPORT_ID", help="The lake as it was then.")
@output_option(("table", "json", "csv", "html"), "table")
@click.option("--out", metavar="FILE", type=click.Path(), help="Write to a file, which appears when it is whole.")
@click.pass_context
def report(
    ctx: click.Context,
    sections: tuple[str, ...],
    lake: str,
    namespaces: tuple[str, ...],
    users: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    retention: tuple[str, ...],
    as_of: str | None,
    output: str,
    out: str | None,
) -> None:
    """Show who submitted, resubmitted, retried, stopped what; which images and service accounts ran; what lacks a
    creator; what is past its retention; who looked at it.

    Without SECTION, all of them (retention only if --retention is given).
    """
    from kubectl_argo_archive.audit.report.lake import LakeReport
    from kubectl_argo_archive.audit.report.report import Policy, ReportFilter
    from kubectl_argo_archive.connect import open_lake

    chosen = tuple(dict.fromkeys(sections)) or tuple(name for name in SECTIONS if name != "retention" or retention)
    if output == "csv" and len(chosen) != 1:
        raise ConfigError("CSV holds one section", f"name one: {', '.join(SECTIONS)}")
    config = settings(ctx)
    found = open_lake(lake, config)
    asked = ReportFilter(namespaces, users, since, until)
    made = LakeReport(found, asked, Policy.parse(retention), state_of(as_of))
    what = {"sections": list(chosen), "retention": list(retention),
            **{name: text_of(getattr(asked, name)) for name in ("namespaces", "users", "since", "until")}}  # fmt: skip
    rows: int | None = None
    try:
        with opened(out) as sink, made:
            rows = _WRITERS[output](made, chosen, sink)
    finally:  # what was read was read, even if the reader has gone
        note_access(config, found, "audit report", what, rows=rows, export_id=made.export_id)
    if output == "table":
        diagnostics.note("names are Argo's labels, as it sanitised them (@ became .at.); unknown: nobody recorded it")


def _tables(made: Any, chosen: tuple[str, ...], sink: BinaryIO) -> int:
    from kubectl_argo_archive.cli.render import render

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    total = 0
    for number, name in enumerate(chosen):
        section, result = made.section(name)
        sink.write((("\n" if number else "") + f"# {section.title}\n").encode())
        total += render(result, "table", sink, width=width).rows
    return total


def _json(made: Any, chosen: tuple[str, ...], sink: BinaryIO) -> int:
    from kubectl_argo_archive.cli.render import render

    total = 0
    sink.write(b'{"export_id": ' + json.dumps(made.export_id).encode() + b', "sections": {')
    for number, name in enumerate(chosen):
        _, result = made.section(name)
        sink.write((b",\n" if number else b"\n") + json.dumps(name).encode() + b": ")
        total += render(result, "json", sink).rows
    sink.write(b"}}\n")
    return total


def _csv(made: Any, chosen: tuple[str, ...], sink: BinaryIO) -> int:
    from kubectl_argo_archive.cli.render import render

    _, result = made.section(chosen[0])
    return render(result, "csv", sink).rows


def _html(made: Any, chosen: tuple[str, ...], sink: BinaryIO) -> int:
    total = 0
    for piece, rows in made.html(chosen):
        sink.write(piece.encode("utf-8", "replace"))
        total += rows
    return total


_WRITERS: dict[str, Callable[[Any, tuple[str, ...], BinaryIO], int]] = {
    "table": _tables, "json": _json, "csv": _csv, "html": _html,
}  # fmt: skip
