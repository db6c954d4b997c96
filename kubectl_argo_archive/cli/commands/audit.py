"""``kubectl argo-archive audit``: the group; its commands are imported when they run."""

from __future__ import annotations

import click

from kubectl_argo_archive.cli.lazy import LazyGroup

_COMMANDS = "kubectl_argo_archive.cli.commands.audit_"
COMMANDS = {
    "keygen": (_COMMANDS + "keygen", "Make a pair of keys."),
    "seal": (_COMMANDS + "seal", "Sign what the lake holds."),
    "verify": (_COMMANDS + "verify", "Check a sealed lake or a bundle, offline."),
    "prove": (_COMMANDS + "prove", "Write a small proof for one workflow, or for two digests."),
    "bundle": (_COMMANDS + "bundle", "Make one file that an auditor can read and check."),
    "report": (_COMMANDS + "report", "Show who did what, and what is past its retention."),
    "hold": (_COMMANDS + "hold", "Place or release a legal hold."),
    "erase": (_COMMANDS + "erase", "Erase workflows for good, leaving a tombstone."),
    "timestamp": (_COMMANDS + "timestamp", "Let a third party vouch for a digest's time (RFC 3161)."),
}


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    invoke_without_command=True,
    short_help="Seal the lake, and check what was sealed.",
    epilog="""\b
Examples:
  kubectl argo-archive audit keygen audit.key
  kubectl argo-archive audit seal --lake s3://bucket/lake --key audit.key
  kubectl argo-archive audit verify s3://bucket/lake --public-key audit.key.pub""",
)
@click.pass_context
def audit(ctx: click.Context) -> None:
    """Evidence that an outsider can check: signed digests over the lake, proofs, and their verification.

    What the chain of digests proves and what not: docs/audit.md. The format: docs/audit-format.md.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
