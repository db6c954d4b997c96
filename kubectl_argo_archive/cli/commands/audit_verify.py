"""``kubectl argo-archive audit verify``."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from kubectl_argo_archive.cli import diagnostics
from kubectl_argo_archive.cli.audit_options import location_options, open_location, public_key_option, trusted_keys
from kubectl_argo_archive.cli.options import SOURCE_VARIABLE, output_option, settings
from kubectl_argo_archive.cli.output_file import opened
from kubectl_argo_archive.cli.progress import progress, size
from kubectl_argo_archive.errors import ConfigError, ExitCode

_COLUMNS = {"kind": "VARCHAR", "object": "VARCHAR", "message": "VARCHAR", "digest": "BIGINT", "records": "VARCHAR"}


@click.command(
    short_help="Check a sealed lake or a bundle, offline.",
    epilog="""\b
Examples:
  kubectl argo-archive audit verify s3://bucket/lake --public-key audit.key.pub
  kubectl argo-archive audit verify ./copy-of-the-lake --public-key audit.key.pub --checkpoint seen.json
  kubectl argo-archive audit verify bundle.zip --public-key audit.key.pub -o json
\b
Kinds of findings:
  modified        another content than was sealed        missing    not there any more
  inserted        named by no digest and no publish      reordered  holds what belongs elsewhere
  truncated tail  its end, or the newest digests, are cut off
  re-signed       signed by a key that is not trusted    wrong key  not signed by the keys given
  gap             a window or a publish that no digest covers
\b
Exit codes:
  0  everything is as it was sealed
  3  it is not: the first object, its kind, and all others are named
  4  the storage or the database cannot be reached""",
)
@location_options
@public_key_option
@click.option("--checkpoint", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
              help="Read only what is new since the run that wrote FILE; written anew if all is well. Kept apart from "
              "the lake, it also tells when newest digests were replaced by older ones.")  # fmt: skip
@click.option("--deep", is_flag=True, help="Also compute the hash of every workflow's JSON anew (reads all of it).")
@click.option("--against-source", is_flag=True, help="Also compare every row of the database with what was sealed.")
@click.option("--source", metavar="URI", envvar=SOURCE_VARIABLE,
              help=f"The database, for --against-source.  [env: {SOURCE_VARIABLE}; config: source]")  # fmt: skip
@click.option("--tsa-ca", "authorities", metavar="FILE", multiple=True, type=click.Path(exists=True, dir_okay=False),
              help="Certificate of a time stamping authority, PEM.")  # fmt: skip
@output_option(("table", "json"), "table")
@click.option("--out", metavar="FILE", type=click.Path(), help="Write to a file, which appears when it is whole.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@click.pass_context
def verify(
    ctx: click.Context,
    location: str | None,
    lake: str | None,
    public_keys: tuple[str, ...],
    checkpoint: Path | None,
    deep: bool,
    against_source: bool,
    source: str | None,
    authorities: tuple[str, ...],
    output: str,
    out: str | None,
    quiet: bool,
) -> ExitCode:
    """Check every signature, every link of the chain, every file and every publish of a sealed lake.

    LOCATION is s3://bucket/prefix, a folder or a zip, the lake itself or a copy anywhere; nothing else is asked for.
    """
    from kubectl_argo_archive.audit.verification import Options, run
    from kubectl_argo_archive.connect import open_source

    named = source or settings(ctx).source
    if against_source and not named:
        raise ConfigError("no source given", "give --source with --against-source")
    ring = trusted_keys(ctx, public_keys)
    with progress("verify", quiet=quiet, unit="files") as shown:
        report = run(
            open_location(ctx, location, lake),
            ring,
            Options(
                checkpoint=checkpoint,
                deep=deep,
                archive=open_source(named) if against_source and named else None,
                authorities=tuple(Path(name).read_bytes() for name in authorities),
            ),
            shown.advance,
        )
    found = report.to_dict()
    with opened(out) as sink:
        if output == "json":
            sink.write(json.dumps(found, indent=2).encode() + b"\n")
        else:
            _table(found, sink)
    _tell(found)
    return ExitCode.OK if report.ok else ExitCode.FOUND_PROBLEMS


def _table(found: dict[str, Any], sink: Any) -> None:
    from kubectl_argo_archive.cli.plain_rows import PlainRows
    from kubectl_argo_archive.cli.render import render

    for one in found["clusters"]:
        sink.write(
            f"{one['cluster']}: {one['digests']:,} digests until {one['until']}, "
            f"{one['workflows']:,} workflow versions, root {one['root']}\n".encode()
        )
        for gap in one["gaps"]:
            sink.write(f"  {gap['kind']} {gap['from']} to {gap['until'] or 'now'}: {gap['reason']}\n".encode())
    if not found["findings"]:
        return
    rows = [
        {**finding, "digest": finding["number"], "records": _some(finding["records"])} for finding in found["findings"]
    ]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    sink.write(b"\n")
    render(PlainRows(_COLUMNS, rows), "table", sink, width=width)  # type: ignore[arg-type]  # a ResultSet's shape


def _some(records: list[str]) -> str:
    return ", ".join(records[:3]) + (f" and {len(records) - 3:,} more" if len(records) > 3 else "")


def _tell(found: dict[str, Any]) -> None:
    read = f"{found['files']:,} files, {size(found['bytes_read'])} read of {size(found['bytes'])}"
    for note in found["notes"]:
        diagnostics.note(note)
    for publish in found["unsealed"]:
        diagnostics.warn(
            f"export {publish['export_id']} is not sealed yet: nothing is proven of it", "run 'audit seal'"
        )
    first = found["first"]
    if first is None:
        diagnostics.note(f"as sealed: {read}, in {found['seconds']:.1f} s")
    else:
        others = len(found["findings"]) - 1
        more = f"; {others:,} more" if others else ""
        diagnostics.error(f"NOT as sealed: {first['object']}: {first['kind']} ({first['message']}){more}")
