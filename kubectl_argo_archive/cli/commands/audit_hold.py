"""``kubectl argo-archive audit hold``."""

from __future__ import annotations

import click

from kubectl_argo_archive.cli.options import lake_option, settings
from kubectl_argo_archive.errors import ConfigError


@click.command(
    short_help="Place or release a legal hold.",
    epilog="""\b
Examples:
  kubectl argo-archive audit hold case-42 --reason 'claim of Acme' -n prod --lake s3://bucket/lake
  kubectl argo-archive audit hold case-43 --reason 'single run' --uid 6522aff1-1e01-11ea-b443-42010aa80075
  kubectl argo-archive audit hold case-42 --release --reason settled
  kubectl argo-archive audit report holds""",
)
@click.argument("id", metavar="ID")
@lake_option
@click.option("--reason", required=True, metavar="TEXT", help="Why: it stays in the record.")
@click.option("--cluster", metavar="NAME", default="*", help="Only workflows of this cluster.")
@click.option("-n", "--namespace", metavar="NAME", default="*", help="Only workflows of this namespace.")
@click.option("--uid", metavar="UID", default="*", help="Only this workflow.")
@click.option("--release", is_flag=True, help="End the hold instead.")
@click.pass_context
def hold(
    ctx: click.Context, id: str, lake: str, reason: str, cluster: str, namespace: str, uid: str, release: bool
) -> None:
    """Place the legal hold ID: what it covers must not be erased. With --release, end it.

    Placing and releasing are records in the lake (audit/holds/), which are never changed.
    """
    from kubectl_argo_archive.audit import holds
    from kubectl_argo_archive.audit.access import whoami
    from kubectl_argo_archive.connect import open_lake

    found = open_lake(lake, settings(ctx))
    found.snapshot()  # raises if there is no lake: a slip of the pen must not make one
    if not id.strip() or not reason.strip():
        raise ConfigError("a hold has an id and a reason", "for example: audit hold case-42 --reason 'claim of Acme'")
    if release:
        holds.release(found.storage, id, reason, whoami())
        click.echo(f"released {id}")
        return
    placed = holds.place(found.storage, holds.Hold(id, reason, cluster, namespace, uid), whoami())
    click.echo(f"hold {placed.id} is in force: cluster {cluster}, namespace {namespace}, workflow {uid}")
