"""``kubectl argo-archive audit bundle``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubectl_argo_archive.cli import diagnostics
from kubectl_argo_archive.cli.audit_access import note_access, state_of
from kubectl_argo_archive.cli.audit_options import open_signers, signer_options
from kubectl_argo_archive.cli.options import (
    lake_option,
    namespace_options,
    output_option,
    selector_option,
    settings,
    time_options,
)
from kubectl_argo_archive.cli.progress import progress, size
from kubectl_argo_archive.errors import ConfigError

if TYPE_CHECKING:
    from datetime import datetime

    from kubectl_argo_archive.audit.bundle.bundle import Bundled
    from kubectl_argo_archive.audit.keys import Signer
    from kubectl_argo_archive.audit.redact.redact import Redactor


@click.command(
    short_help="Make one file that an auditor can read and check.",
    epilog="""\b
Examples:
  kubectl argo-archive audit bundle q2.zip -n prod --since 2026-04-01 --until 2026-07-01 --key audit.key --redact
  kubectl argo-archive audit bundle alice/ --creator alice.at.example.com --logs --key audit.key
  kubectl argo-archive audit bundle q2.zip --redact --rules our-rules.toml --disclosures keep-this.jsonl
  kubectl argo-archive audit verify q2.zip --public-key audit.key.pub
\b
Selections limit each other. If one state of a workflow matches, all its states (before and after a retry) are taken.
The same selection of the same lake gives the same bytes.""",
)
@click.argument("target", metavar="FILE.zip|FOLDER", type=click.Path(path_type=Path))
@lake_option
@namespace_options
@selector_option
@time_options
@click.option("--creator", "creators", metavar="NAME", multiple=True,
              help="Only workflows of this creator: the label, a mail address; may be repeated.")  # fmt: skip
@click.option("--template", "templates", metavar="NAME", multiple=True,
              help="Only runs of this (Cluster)WorkflowTemplate, CronWorkflow or generated name.")  # fmt: skip
@click.option(
    "--phase", "phases", metavar="PHASE", multiple=True, help="Only workflows that ended so: Failed, Error, …"
)
@click.option("--uid", "uids", metavar="UID", multiple=True, help="Only this workflow; may be repeated.")
@click.option("--logs", is_flag=True, help="Take the lines of the indexed pod logs, too.")
@click.option("--redact", is_flag=True, help="Mask secrets: tokens, passwords, keys, wherever they stand.")
@click.option("--rules", metavar="FILE", help="Mask by these rules, too (TOML, see docs/audit.md); implies --redact.")
@click.option("--redaction-key", metavar="FILE",
              help="Salts come from this file (or env:VARIABLE), not from the signing key.")  # fmt: skip
@click.option("--disclosures", metavar="FILE", type=click.Path(path_type=Path),
              help="Write salts and values of what was masked to FILE, for yourself: with it, a single value can be "
              "shown later. As secret as the values.")  # fmt: skip
@click.option("--format", "formats", metavar="FORMAT", type=click.Choice(("parquet", "csv", "jsonl")), multiple=True,
              default=("parquet", "csv"), show_default=True, help="Of the tables; may be repeated.")  # fmt: skip
@click.option("--as-of", metavar="TIME|EXPORT_ID", help="The lake as it was then.")
@signer_options
@output_option(("text", "json"), "text")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@click.pass_context
def bundle(
    ctx: click.Context,
    target: Path,
    lake: str,
    namespaces: tuple[str, ...],
    selector: str | None,
    since: datetime | None,
    until: datetime | None,
    creators: tuple[str, ...],
    templates: tuple[str, ...],
    phases: tuple[str, ...],
    uids: tuple[str, ...],
    logs: bool,
    redact: bool,
    rules: str | None,
    redaction_key: str | None,
    disclosures: Path | None,
    formats: tuple[str, ...],
    as_of: str | None,
    key_files: tuple[str, ...],
    signer: str | None,
    public_keys: tuple[str, ...],
    output: str,
    quiet: bool,
) -> None:
    """Write a bundle: records as tables and raw JSON, signed digests, a proof for each record, a summary for people,
    and the program that checks all of it.

    It is a zip if its name ends in .zip, else a folder; it appears when it is whole, and nothing is overwritten.
    """
    from kubectl_argo_archive.audit.bundle.bundle import Options
    from kubectl_argo_archive.audit.bundle.bundle import bundle as run
    from kubectl_argo_archive.audit.bundle.select import Criteria
    from kubectl_argo_archive.audit.report.report import spellings
    from kubectl_argo_archive.connect import open_lake

    config = settings(ctx)
    signers = open_signers(ctx, key_files, signer, public_keys)
    people = tuple(spellings(creators)) if creators else ()
    criteria = Criteria(namespaces, selector, people, templates, phases, since, until, uids)
    masked = redact or rules is not None
    if not masked and (redaction_key or disclosures):
        raise ConfigError("nothing is masked", "give --redact with --redaction-key and --disclosures")
    opened = open_lake(lake, config)
    with progress("bundle", quiet=quiet) as shown:
        redactor = _redactor(rules, redaction_key, signers) if masked else None
        options = Options(tuple(dict.fromkeys(formats)), logs, redactor, disclosures, state_of(as_of), shown.advance)
        made = run(opened, target, criteria, signers, options)
    what = {**criteria.to_dict(), "logs": logs, "redacted": masked, "sha256": made.sha256, "target": target.name}
    note_access(config, opened, "audit bundle", what, rows=made.versions, export_id=made.export_id)
    _print(made, output)
    if made.unsealed:
        diagnostics.warn(
            f"{made.unsealed:,} versions are not sealed yet: nothing is proven of them", "run 'audit seal'"
        )


def _redactor(rules: str | None, redaction_key: str | None, signers: list[Signer]) -> Redactor:
    from kubectl_argo_archive.audit.redact.redact import Redactor, read_salt_key, salt_key
    from kubectl_argo_archive.audit.redact.rules import Rules

    key = read_salt_key(redaction_key) if redaction_key else salt_key(signers[0])
    return Redactor(Rules.load(rules), key)


def _print(made: Bundled, output: str) -> None:
    if output == "json":
        click.echo(json.dumps(asdict(made), indent=2))
        return
    click.echo(f"{made.path}: {made.workflows:,} workflows in {made.versions:,} versions, {made.files} files, "
               f"{size(made.bytes)}")  # fmt: skip
    if made.sha256:
        click.echo(f"  sha256 {made.sha256}")
    click.echo(f"  proven {made.proven:,}, proof withheld {made.withheld:,}, not sealed yet {made.unsealed:,}")
    if made.rules:
        hits = ", ".join(f"{rule} {count:,}" for rule, count in made.rules.items())
        click.echo(f"  masked {made.masked_values:,} values in {made.masked:,} documents: {hits}")
