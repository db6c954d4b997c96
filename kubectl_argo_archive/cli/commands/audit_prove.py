"""``kubectl argo-archive audit prove``."""

from __future__ import annotations

import json

import click

from kubectl_argo_archive.cli.audit_options import open_location
from kubectl_argo_archive.cli.options import LAKE_VARIABLE
from kubectl_argo_archive.cli.output_file import opened
from kubectl_argo_archive.errors import ConfigError


@click.command(
    short_help="Write a small proof for one workflow, or for two digests.",
    epilog="""\b
Examples:
  kubectl argo-archive audit prove etl-nightly-x7k2p --lake s3://bucket/lake --out proof.json
  kubectl argo-archive audit prove --between 3 8 --lake s3://bucket/lake --out growth.json
  kubectl argo-archive audit prove --script --out standalone.py
  python standalone.py inclusion proof.json --public-key audit.key.pub""",
)
@click.argument("workflow", required=False)
@click.option("--lake", metavar="URI", envvar=LAKE_VARIABLE,
              help="A sealed lake: s3://bucket/prefix, a folder or a zip.  "
              f"[env: {LAKE_VARIABLE}; config: lake]")  # fmt: skip
@click.option("--cluster", metavar="NAME", help="Which cluster, if the lake holds several.")
@click.option("--version", "version", metavar="N", type=click.IntRange(min=1),
              help="Version of the workflow; default: the newest.")  # fmt: skip
@click.option("--digest", "number", metavar="N", type=click.IntRange(min=1),
              help="Against this digest; default: the newest.")  # fmt: skip
@click.option("--between", nargs=2, type=click.IntRange(min=1), metavar="OLD NEW",
              help="Prove that digest NEW only appended to digest OLD.")  # fmt: skip
@click.option("--script", is_flag=True, help="Write the stand-alone script that checks proofs.")
@click.option("--out", metavar="FILE", type=click.Path(), help="Write to a file, which appears when it is whole.")
@click.pass_context
def prove(
    ctx: click.Context,
    workflow: str | None,
    lake: str | None,
    cluster: str | None,
    version: int | None,
    number: int | None,
    between: tuple[int, int] | None,
    script: bool,
    out: str | None,
) -> None:
    """Write the proof that WORKFLOW (uid, name or namespace/name) is in the sealed lake, without showing the rest.

    The proof is JSON below 4 KB. It is checked with the public key and a script of Python's standard library and the
    package cryptography, anywhere, without this tool: see --script.
    """
    from kubectl_argo_archive.audit import prove as proofs

    if sum((workflow is not None, bool(between), script)) != 1:
        raise ConfigError("it is not clear what to prove", "give a WORKFLOW, --between OLD NEW, or --script")
    if script:
        content = proofs.script()
    elif between:
        files = open_location(ctx, None, lake)
        content = _text(proofs.consistency_proof(files, cluster, *between))
    else:
        files = open_location(ctx, None, lake)
        found = proofs.find_workflow(files, str(workflow), cluster=cluster, version=version, number=number)
        content = _text(proofs.inclusion_proof(*found))
    with opened(out) as sink:
        sink.write(content)


def _text(proof: dict[str, object]) -> bytes:
    return json.dumps(proof, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
