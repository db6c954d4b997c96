"""``kubectl argo-archive setup``: ``lint`` and ``init``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from kubectl_argo_archive.cli import diagnostics
from kubectl_argo_archive.cli.options import output_option
from kubectl_argo_archive.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kubectl_argo_archive.checks.finding import Report

_FORMATS = ("table", "wide", "json", "yaml", "junit", "sarif", "github")


@click.group(
    short_help="Write a set-up that archives, or find what is wrong with one.",
    epilog="""\b
Examples:
  kubectl argo-archive setup lint ./deploy
  kubectl argo-archive setup init ./deploy --bucket argo-logs --region eu-central-1 --volume ebs""",
)
def setup() -> None:
    """Write a set-up of Argo Workflows that archives, or find what is wrong with one, from its files alone."""


@setup.command(
    short_help="Find what is wrong with a set-up, from its files alone.",
    epilog="""\b
Examples:
  kubectl argo-archive setup lint .
  kubectl argo-archive setup lint helmfile.yaml values/ -o sarif > lint.sarif
  kubectl argo-archive setup lint deploy -o json | jq '.findings[] | select(.status == "fail")'
\b
Exit codes:
  0  nothing failed; with --strict no warnings either
  2  a path does not exist, or holds no YAML
  3  something failed""",
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path())
@click.option("--strict", is_flag=True, help="Warnings count as failures.")
@output_option(_FORMATS, "table")
def lint(paths: tuple[str, ...], strict: bool, output: str) -> ExitCode:
    """Find what is wrong with a set-up, from its files alone; no cluster is asked.

    PATH is a file or folder: manifests, ConfigMaps, helmfiles with their values and charts, values of the charts
    argo-workflows and postgresql, Kustomize folders, Applications of Argo CD. Values that only Helm or the environment
    knows stay unknown: their checks are skipped.
    """
    from kubectl_argo_archive.cli.render_findings import print_report
    from kubectl_argo_archive.setup.lint import lint as run

    report = run(paths)
    if output == "github":
        _annotate(report)
    else:
        print_report(report, output, name="setup lint")
    if report.has_problems or (strict and report.summary["warn"]):
        return ExitCode.FOUND_PROBLEMS
    return ExitCode.OK


def _annotate(report: Report) -> None:
    """Workflow commands of GitHub Actions, which shows them beside the lines of a pull request."""
    for each in report.findings:
        level = {"fail": "error", "error": "error", "warn": "warning"}.get(str(each.status))
        if level is not None:
            place = f"file={each.where.file},line={each.where.line or 1}," if each.where.file else ""
            text = f"{each.message}. {each.fix}".replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
            click.echo(f"::{level} {place}title={each.id}::{text}")


@setup.command(
    short_help="Write a set-up that archives.",
    epilog="""\b
Examples:
  kubectl argo-archive setup init deploy --bucket argo-logs --region eu-central-1 --volume ebs
  kubectl argo-archive setup init deploy --database external --db-host db.example.com --bucket argo-logs \\
      --region eu-central-1 --secret irsa --role-arn arn:aws:iam::123456789012:role/argo
  kubectl argo-archive setup init --dry-run --bucket logs --endpoint minio.minio.svc:9000 --insecure \\
      --volume nfs --volume-handle nfs.example.com:/exports/argo""",
)
@click.argument("folder", required=False, default="argo-archive", type=click.Path(file_okay=False))
@click.option("-n", "--namespace", default="argo", show_default=True, help="Of controller, database and exporter.")
@click.option("--workflow-namespace", "workflow_namespaces", multiple=True, metavar="NAME",
              help="Where workflows run; may be repeated.  [default: that of the controller]")  # fmt: skip
@click.option("--cluster-name", default="main", show_default=True, help="Column clustername of the archive.")
@click.option(
    "--database", type=click.Choice(["in-cluster", "external"]), help="Where Postgres is.  [default: in-cluster]"
)
@click.option("--db-host", metavar="HOST", help="Of an external database.")
@click.option("--db-port", type=int, default=5432, show_default=True, help="Of an external database.")
@click.option("--db-name", default="argo", show_default=True, help="Name of the database.")
@click.option("--volume", type=click.Choice(["efs", "nfs", "ebs", "storage-class"]),
              help="What a database in the cluster is kept on.  [default: storage-class]")  # fmt: skip
@click.option("--volume-handle", metavar="ID", help="EFS: fs-0123456789abcdef0. NFS: server:/folder.")
@click.option("--storage-class", metavar="NAME", help="For --volume storage-class.  [default: the cluster's]")
@click.option("--size", default="50Gi", show_default=True, help="Of the volume.")
@click.option("--bucket", metavar="NAME", help="Of artifacts and logs.")
@click.option("--region", metavar="NAME", help="Of AWS.")
@click.option("--endpoint", metavar="HOST[:PORT]", help="MinIO or another store; without it AWS.")
@click.option("--insecure", is_flag=True, help="The endpoint speaks plain HTTP.")
@click.option("--secret", type=click.Choice(["stdin", "external-secrets", "irsa"]),
              help="How credentials get into the cluster: by a script that reads them from standard input, by External "
              "Secrets from AWS Secrets Manager, or by IAM roles of service accounts.  [default: stdin]")  # fmt: skip
@click.option("--role-arn", metavar="ARN", help="IAM role, for external-secrets and irsa.")
@click.option("--secret-path", default="argo-archive", show_default=True, help="Beginning of names in Secrets Manager.")
@click.option("--archive-ttl", default="180d", show_default=True, help="How long the database keeps workflows.")
@click.option("--lake", metavar="URI", help="Where the exporter writes.  [default: s3://BUCKET/lake]")
@click.option("--schedule", default="17 * * * *", show_default=True, help="Of the exporter, UTC.")
@click.option("--runner", type=click.Choice(["cronjob", "cronworkflow"]), default="cronjob", show_default=True,
              help="What runs the exporter.")  # fmt: skip
@click.option("--tool-image", metavar="IMAGE", help="Holds this tool.  [default: Python's, which installs it]")
@click.option("--dry-run", is_flag=True, help="Print the files, write nothing.")
@click.option("--force", is_flag=True, help="Overwrite files that differ.")
def init(folder: str, dry_run: bool, force: bool, **answers: Any) -> None:
    """Write a folder with helmfile, values and manifests: Postgres, Argo with archive and logs, the export to a lake.

    What is not given is asked for on a terminal. No file holds a password, and none is asked for.
    """
    from pathlib import Path

    from kubectl_argo_archive.setup.init.render import render, write

    files = render(_plan(_asked(answers) if sys.stdin.isatty() and diagnostics.is_terminal() else answers))
    if dry_run:
        for path, text in files.items():
            click.echo(f"# ---- {path}\n{text}", nl=not text.endswith("\n"))
        return
    written = write(files, Path(folder), force=force)
    for path in written:
        click.echo(f"{folder}/{path}")
    diagnostics.note(f"{len(written)} of {len(files)} files written; next: {folder}/README.md")


def _plan(answers: Mapping[str, Any]) -> Any:
    from kubectl_argo_archive import __version__
    from kubectl_argo_archive.setup.init.plan import Plan

    given = {key: value for key, value in answers.items() if value is not None}
    external = given.pop("database", "external" if given.get("db_host") else "in-cluster") == "external"
    host = given.pop("db_host", None)
    if external and not host:
        raise ConfigError("an external database needs a host", "--db-host db.example.com")
    if host and not external:
        raise ConfigError("--db-host is for an external database", "--database external")
    if "bucket" not in given:
        raise ConfigError("no bucket is given", "--bucket NAME: artifacts and logs go there")
    return Plan(
        external_host=host, port=given.pop("db_port"), database=given.pop("db_name"), tool_version=__version__, **given
    )


def _asked(answers: dict[str, Any]) -> dict[str, Any]:
    """Ask for what is not given: only what has no good default."""

    def ask(key: str, question: str, choices: tuple[str, ...] = (), default: str | None = None) -> None:
        if not answers[key]:
            kind = click.Choice(choices) if choices else str
            answers[key] = click.prompt(question, type=kind, default=default, err=True)

    if answers["db_host"]:
        answers["database"] = answers["database"] or "external"
    ask("database", "Postgres", ("in-cluster", "external"), "in-cluster")
    if answers["database"] == "external":
        ask("db_host", "Host of the database")
    else:
        ask("volume", "Volume of the database", ("efs", "nfs", "ebs", "storage-class"), "storage-class")
        if answers["volume"] in ("efs", "nfs"):
            ask(
                "volume_handle",
                "File system (fs-…)" if answers["volume"] == "efs" else "Server and folder (host:/path)",
            )
    ask("bucket", "Bucket of artifacts and logs")
    ask("secret", "Credentials", ("stdin", "external-secrets", "irsa"), "stdin")
    if not answers["endpoint"]:
        ask("region", "Region of AWS")
    if answers["secret"] != "stdin":
        ask("role_arn", "IAM role")
    return answers
