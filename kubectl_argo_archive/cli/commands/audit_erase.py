"""``kubectl argo-archive audit erase``."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from kubectl_argo_archive.cli import diagnostics
from kubectl_argo_archive.cli.audit_options import open_signers, signer_options, trusted_keys
from kubectl_argo_archive.cli.options import (
    lake_option,
    namespace_options,
    output_option,
    selector_option,
    settings,
    time_option,
)
from kubectl_argo_archive.errors import ConfigError

if TYPE_CHECKING:
    from datetime import datetime


@click.command(
    short_help="Erase workflows for good, leaving a tombstone.",
    epilog="""\b
Examples:
  kubectl argo-archive audit erase --uid 6522aff1-1e01-11ea-b443-42010aa80075 --reason GDPR-17 --key audit.key --yes
  kubectl argo-archive audit erase --creator alice@example.com --reason GDPR-18 --key audit.key --yes
  kubectl argo-archive audit erase -n test --until 2y --reason retention --key audit.key --yes
\b
Erase at the source first: the next export would bring back what is still there.""",
)
@lake_option
@namespace_options
@selector_option
@time_option("--until", help="Only workflows that finished before TIME.")
@click.option("--creator", "creators", metavar="NAME", multiple=True, help="Only workflows of this creator.")
@click.option("--uid", "uids", metavar="UID", multiple=True, help="Only this workflow; may be repeated.")
@click.option("--reason", required=True, metavar="TEXT", help="Stays in the signed digest: a ticket, never a name.")
@click.option("--yes", is_flag=True, help="Needed, because nothing brings the data back.")
@signer_options
@output_option(("text", "json"), "text")
@click.pass_context
def erase(
    ctx: click.Context,
    lake: str,
    namespaces: tuple[str, ...],
    selector: str | None,
    until: datetime | None,
    creators: tuple[str, ...],
    uids: tuple[str, ...],
    reason: str,
    yes: bool,
    key_files: tuple[str, ...],
    signer: str | None,
    public_keys: tuple[str, ...],
    output: str,
) -> None:
    """Erase workflows, all their states, logs and events, from the lake's files, and seal tombstones for them.

    Selections limit each other. What a legal hold covers is refused. The chain of digests still verifies; it shows that
    there was something, not what. States of the lake from before can no longer be read where they held it.
    """
    from kubectl_argo_archive.audit.bundle.select import Criteria
    from kubectl_argo_archive.audit.erase import erase as run
    from kubectl_argo_archive.audit.report.report import spellings
    from kubectl_argo_archive.connect import open_lake

    if not yes:
        raise ConfigError("erasing cannot be undone", "see what it would be with 'audit bundle', then add --yes")
    people = tuple(spellings(creators)) if creators else ()
    criteria = Criteria(namespaces, selector, people, until=until, uids=uids)
    signers = open_signers(ctx, key_files, signer, public_keys)
    trusted = trusted_keys(ctx, public_keys, required=False)
    erased = run(open_lake(lake, settings(ctx)), criteria, reason, signers, trusted)
    if output == "json":
        click.echo(json.dumps(asdict(erased), indent=2))
    else:
        click.echo(
            f"erased {erased.workflows:,} workflows in {erased.versions:,} versions, {erased.files} files deleted"
        )
        for name in erased.digests:
            click.echo(f"  tombstones in {name}")
    diagnostics.note("object versions of a bucket, backups, and bundles that were given away are out of reach")
