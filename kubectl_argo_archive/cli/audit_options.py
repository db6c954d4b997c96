"""Options that the commands of ``audit`` share: keys, and where the evidence lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from kubectl_argo_archive.cli.options import LAKE_VARIABLE, settings
from kubectl_argo_archive.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kubectl_argo_archive.audit.files import Files
    from kubectl_argo_archive.audit.keys import KeyRing, Signer

F = TypeVar("F", bound="Callable[..., Any]")


def signer_options(function: F) -> F:
    """``--key``, ``--signer``, ``--public-key``: arguments ``key_files``, ``signer``, ``public_keys``."""
    key = click.option("--key", "key_files", metavar="FILE", multiple=True,
                       help="Private key, PEM in PKCS 8 (Ed25519): a file, env:VARIABLE, secret:NAMESPACE/NAME/ENTRY."
                       " Give two while keys overlap.  [env: KUBECTL_ARGO_ARCHIVE_AUDIT_KEY holds the PEM; "
                       "config: audit.key]")  # fmt: skip
    signer = click.option("--signer", metavar="COMMAND",
                          help="Sign with a command instead (KMS, HSM): bytes on its standard input, the signature on "
                          "its standard output; needs its --public-key.  [config: audit.signer]")  # fmt: skip
    return key(signer(public_key_option(function)))


def public_key_option(function: F) -> F:
    """``--public-key``: argument ``public_keys`` is a tuple of files."""
    return click.option("--public-key", "public_keys", metavar="FILE", multiple=True,
                        help="Public keys that may have signed, PEM; may be repeated, one per generation of keys."
                        "  [config: audit.public_key]")(function)  # fmt: skip


def location_options(function: F) -> F:
    """Argument LOCATION or ``--lake``: argument ``location`` is a text, or None; see :func:`open_location`."""
    argument = click.argument("location", required=False, metavar="[LOCATION]")
    option = click.option("--lake", metavar="URI", envvar=LAKE_VARIABLE,
                          help=f"The same as LOCATION.  [env: {LAKE_VARIABLE}; config: lake]")  # fmt: skip
    return argument(option(function))


def open_location(ctx: click.Context, location: str | None, lake: str | None) -> Files:
    """What is to be checked.

    Raises:
        ConfigError: nothing is named, or there is nothing.
    """
    from kubectl_argo_archive.connect import open_evidence

    config = settings(ctx)
    named = location or lake or config.lake
    if not named:
        raise ConfigError("no location given", "name a lake: s3://bucket/prefix, a folder or a zip")
    return open_evidence(named, config)


def trusted_keys(ctx: click.Context, public_keys: Sequence[str], *, required: bool = True) -> KeyRing:
    """The keys that may have signed.

    Raises:
        ConfigError: none is named, or one cannot be read.
    """
    from kubectl_argo_archive.audit.keys import load_keys

    configured = settings(ctx).audit.public_key
    named = public_keys or ([configured] if configured else [])
    if required and not named:
        raise ConfigError(
            "no public key given", "give --public-key FILE, or audit.public_key in the configuration file; "
            "get the key from whoever seals, not from the lake",
        )  # fmt: skip
    return load_keys(named)


def open_signers(
    ctx: click.Context, key_files: Sequence[str], signer: str | None, public_keys: Sequence[str]
) -> list[Signer]:
    """Who signs: several only while keys overlap.

    Raises:
        ConfigError: nobody can.
    """
    from kubectl_argo_archive.audit.keys import load_signer
    from kubectl_argo_archive.connect import secret_reader

    config = settings(ctx).audit
    if signer or (config.signer and not key_files):
        public = public_keys or ([config.public_key] if config.public_key else [])
        return [load_signer(command=signer or config.signer, public=public)]
    keys: Sequence[str | None] = key_files or [config.key]
    return [load_signer(key, secrets=secret_reader()) for key in keys]
