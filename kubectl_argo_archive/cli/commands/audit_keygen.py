"""``kubectl argo-archive audit keygen``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubectl_argo_archive.cli.options import time_option

if TYPE_CHECKING:
    from datetime import datetime


@click.command(
    short_help="Make a pair of keys.",
    epilog="""\b
Examples:
  kubectl argo-archive audit keygen audit.key
  kubectl argo-archive audit keygen 2027.key --valid-from 2027-01-01 --valid-until 2028-02-01""",
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@time_option("--valid-from", help="Digests sealed before TIME do not accept this key.")
@time_option("--valid-until", help="Digests sealed at or after TIME do not accept this key.")
def keygen(file: Path, valid_from: datetime | None, valid_until: datetime | None) -> None:
    """Make an Ed25519 key: FILE (PEM in PKCS 8, readable by its owner only) and FILE.pub.

    No file is ever overwritten. Give FILE.pub to those who verify, on another way than the lake. Its validity is
    written before the key; anybody who verifies may change it in the own copy.
    """
    from kubectl_argo_archive.audit.keys import generate

    public_file = file.with_name(f"{file.name}.pub")
    public = generate(file, public_file, valid_from, valid_until)
    click.echo(f"private key  {file}\npublic key   {public_file}\nkey id       {public.key_id}")
