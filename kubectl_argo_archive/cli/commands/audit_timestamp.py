"""``kubectl argo-archive audit timestamp``."""

from __future__ import annotations

from pathlib import Path

import click

from kubectl_argo_archive.cli.options import lake_option, settings
from kubectl_argo_archive.cli.output_file import opened
from kubectl_argo_archive.errors import ConfigError


@click.command(
    short_help="Let a third party vouch for a digest's time (RFC 3161).",
    epilog="""\b
Examples:
  kubectl argo-archive audit timestamp --request digest.tsq
  curl -H 'Content-Type: application/timestamp-query' --data-binary @digest.tsq https://tsa.example.com > digest.tsr
  kubectl argo-archive audit timestamp --response digest.tsr --tsa-ca tsa.pem""",
)
@lake_option
@click.option("--request", metavar="FILE", type=click.Path(), help="Write the request for a time stamp.")
@click.option("--response", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Check the authority's answer and keep it in the lake.")  # fmt: skip
@click.option("--tsa-ca", "authorities", metavar="FILE", multiple=True,
              type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Certificate of the authority, PEM: check the answer's signature, too.")  # fmt: skip
@click.option("--cluster", metavar="NAME", help="Which cluster, if the lake holds several.")
@click.option("--digest", "number", metavar="N", type=click.IntRange(min=1), help="Which digest; default: the newest.")
@click.pass_context
def timestamp(
    ctx: click.Context,
    lake: str,
    request: str | None,
    response: Path | None,
    authorities: tuple[Path, ...],
    cluster: str | None,
    number: int | None,
) -> None:
    """Have an authority state that a digest existed at a time. This tool sends nothing: you carry the files.

    Answers are kept beside the digests, and 'audit verify' checks them.
    """
    from kubectl_argo_archive.audit import timestamps
    from kubectl_argo_archive.audit.files import StoredFiles
    from kubectl_argo_archive.audit.prove import newest_digest
    from kubectl_argo_archive.connect import open_lake

    if (request is None) == (response is None):
        raise ConfigError("it is not clear what to do", "give --request FILE, or --response FILE")
    storage = open_lake(lake, settings(ctx)).storage
    files = StoredFiles(storage)
    which = newest_digest(files, cluster, number)
    if request is not None:
        with opened(request) as sink:
            sink.write(timestamps.request(files, *which))
    elif response is not None:
        trusted = timestamps.load_authorities([file.read_bytes() for file in authorities])
        click.echo(timestamps.add(storage, files, *which, response.read_bytes(), trusted))
