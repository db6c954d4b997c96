"""``verify``: is the archive alive, and would we notice if it were not?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kubectl_argo_archive.cli import diagnostics
from kubectl_argo_archive.cli.kube_options import kube_options
from kubectl_argo_archive.cli.options import LAKE_VARIABLE, SOURCE_VARIABLE, output_option, settings
from kubectl_argo_archive.cli.render_findings import FINDING_FORMATS, print_page, print_report
from kubectl_argo_archive.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from kubectl_argo_archive.cluster.access import KubeOptions
    from kubectl_argo_archive.verify.scope import Scope


@click.command(
    short_help="Find what is wrong with the archive, before it is needed.",
    epilog="""\b
Examples:
  kubectl argo-archive verify
  kubectl argo-archive verify --lake s3://bucket/lake --category logs -o wide
  kubectl argo-archive verify --source postgresql://reader@db/argo --no-cluster
  kubectl argo-archive verify --canary --workflow-namespace team-a
  kubectl argo-archive verify --explain A11
\b
Exit codes:
  0  nothing failed (there may be warnings)
  3  some check failed
  4  the API server, or all that was asked, cannot be reached""",
)
@click.option("--check", "only", metavar="ID", multiple=True, help="Only this check, or all that begin so: A11, C.")
@click.option("--skip", metavar="ID", multiple=True, help="Leave out this check, or all that begin so.")
@click.option("--category", "categories", metavar="NAME", multiple=True,
              help="Only checks of archive, database, logs, query, health or setup.")  # fmt: skip
@click.option("--explain", metavar="ID", help="Print what a check is about, and look at nothing.")
@click.option("--source", metavar="URI", envvar=SOURCE_VARIABLE,
              help=f"A database instead of the controller's.  [env: {SOURCE_VARIABLE}; config: source]")  # fmt: skip
@click.option("--lake", metavar="URI", envvar=LAKE_VARIABLE,
              help=f"Look at this lake too.  [env: {LAKE_VARIABLE}; config: lake]")  # fmt: skip
@kube_options(short_namespace=True)
@click.option("--workflow-namespace", "namespaces", metavar="NAME", multiple=True,
              help="Only workflows of this namespace; may be repeated. The canary runs in the first one.")  # fmt: skip
@click.option("--no-cluster", is_flag=True, help="Look at --source and --lake only.")
@click.option("--write-probes/--no-write-probes", default=True,
              help="Put a small object into each bucket and remove it again (the default).")  # fmt: skip
@click.option("--canary", is_flag=True, help="Submit a tiny workflow, wait until it has arrived everywhere, remove it.")
@click.option(
    "--canary-timeout", metavar="TIME", default="120s", show_default=True, help="How long the canary may take."
)
@click.option("--timeout", metavar="TIME", default="60s", show_default=True, help="How long everything else may take.")
@click.option("-q", "--quiet", is_flag=True, help="No messages on stderr about what is done.")
@output_option(FINDING_FORMATS, "table")
@click.pass_context
def verify(
    ctx: click.Context,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    categories: tuple[str, ...],
    explain: str | None,
    source: str | None,
    lake: str | None,
    kube: KubeOptions,
    namespaces: tuple[str, ...],
    no_cluster: bool,
    write_probes: bool,
    canary: bool,
    canary_timeout: str,
    timeout: str,
    quiet: bool,
    output: str,
) -> ExitCode:
    """Find what is wrong with the archive: configuration, database, tables, rows, logs, buckets and the lake.

    Everything is only read, but for a probe object in each bucket (see --no-write-probes) and what --canary submits;
    both are removed again. What cannot be looked at is skipped with the reason.
    """
    from kubectl_argo_archive.checks.run import choose, find

    if explain:
        print_page(find(explain).explain())
        return ExitCode.OK
    checks = choose(only, skip, categories)
    from kubectl_argo_archive.cluster.access import is_configured
    from kubectl_argo_archive.query.limits import parse_seconds
    from kubectl_argo_archive.verify.scope import Scope
    from kubectl_argo_archive.verify.verify import verify as run

    config = settings(ctx)
    scope = Scope(
        kube=None if no_cluster or not is_configured(kube) else kube,
        source=source or config.source,
        lake=lake or config.lake,
        config=config,
        namespaces=namespaces,
        timeout=parse_seconds(timeout),
        write_probes=write_probes,
        canary=canary,
        canary_timeout=parse_seconds(canary_timeout),
    )
    _check(scope)
    found = run(scope, checks, (lambda _: None) if quiet else diagnostics.note)
    print_report(found.report, output, name="verify")
    if found.unreachable:
        diagnostics.error(found.unreachable, found.hint or None)
        return ExitCode.UNREACHABLE
    return ExitCode.FOUND_PROBLEMS if found.report.has_problems else ExitCode.OK


def _check(scope: Scope) -> None:
    if scope.kube is None and not scope.source and not scope.lake:
        raise ConfigError(
            "there is nothing to look at: no kubeconfig, no --source, no --lake",
            "set KUBECONFIG, or name a database or a lake",
        )
    if scope.canary and scope.kube is None:
        raise ConfigError("a canary needs a cluster", "set KUBECONFIG, and leave out --no-cluster")
    if scope.source and not scope.source.lower().startswith(("postgres", "host", "dbname", "service", "user")):
        raise ConfigError("verify looks at databases, not at files", "give --source postgresql://user@host/database")
