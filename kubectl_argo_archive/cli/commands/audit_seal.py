"""``kubectl argo-archive audit seal``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from kubectl_argo_archive.cli import diagnostics
from kubectl_argo_archive.cli.audit_options import open_signers, signer_options, trusted_keys
from kubectl_argo_archive.cli.options import SOURCE_VARIABLE, lake_option, output_option, settings

if TYPE_CHECKING:
    from kubectl_argo_archive.audit.seal.seal import Sealed


@click.command(
    short_help="Sign what the lake holds.",
    epilog="""\b
Examples:
  kubectl argo-archive audit seal --lake s3://bucket/lake --key audit.key
  kubectl argo-archive audit seal --key secret:argo/audit/key --source postgresql://argo@db/argo --interval 1h
  kubectl argo-archive audit seal --signer 'aws-kms-sign alias/audit' --public-key audit.pub
  kubectl argo-archive audit seal --key new.key --public-key old.pub      # after a change of keys
\b
Exit codes:
  0  sealed
  1  another writer has the lake, or what lies there is not what was exported or sealed
  4  the lake or the database cannot be reached""",
)
@lake_option
@click.option("--source", metavar="URI", envvar=SOURCE_VARIABLE,
              help="Also count the workflows in the database and say whether the lake holds them.  "
              f"[env: {SOURCE_VARIABLE}; config: source]")  # fmt: skip
@click.option("--no-source", is_flag=True, help="Do not look at a database.")
@signer_options
@click.option("--interval", metavar="TIME", help="How often digests are expected: 1h, 1d. A longer silence is recorded "
              "as a gap.  [config: audit.interval]")  # fmt: skip
@click.option("--pause", metavar="REASON", help="Record that there will be no digests for a while, and why.")
@output_option(("text", "json"), "text")
@click.pass_context
def seal(
    ctx: click.Context,
    lake: str,
    source: str | None,
    no_source: bool,
    key_files: tuple[str, ...],
    signer: str | None,
    public_keys: tuple[str, ...],
    interval: str | None,
    pause: str | None,
    output: str,
) -> None:
    """Write one signed digest per cluster over what came into the lake since the previous one; also if nothing came.

    A digest states the hash of every workflow version (in a Merkle tree), every file with size and SHA-256, counts by
    namespace and phase, and the hash and signature of the digest before it. It lies under LAKE/audit/ and is never
    changed again.
    """
    from kubectl_argo_archive.audit.configured import interval as read_interval
    from kubectl_argo_archive.audit.seal.seal import Request
    from kubectl_argo_archive.audit.seal.seal import seal as run
    from kubectl_argo_archive.connect import open_lake, open_source

    config = settings(ctx)
    named = None if no_source else source or config.source
    request = Request(
        archive=open_source(named) if named else None,
        trusted=trusted_keys(ctx, public_keys, required=False),
        interval=read_interval(interval or config.audit.interval),
        pause=pause,
    )
    _print(run(open_lake(lake, config), open_signers(ctx, key_files, signer, public_keys), request), output)


def _print(sealed: list[Sealed], output: str) -> None:
    if output == "json":
        click.echo(json.dumps({"digests": [one.to_dict() for one in sealed]}, indent=2))
    for one in sealed:
        if output != "json":
            click.echo(
                f"{one.cluster}: digest {one.number}, {one.window_from or 'the beginning'} to {one.window_until}"
            )
            click.echo(f"  {one.workflows:,} workflow versions in {one.exports:,} exports, {one.files:,} files")
            click.echo(f"  {one.tree_size:,} in the tree, root {one.root}")
            click.echo(f"  database: {one.reconciliation}; {one.digest} ({one.sha256[:16]}…)")
        if one.reconciliation == "different":
            diagnostics.warn(
                f"{one.cluster}: database and lake differ; the digest says so",
                "run 'kubectl argo-archive export', then seal again; 'reconcile' names each difference",
            )
