"""Signing by a command of the user's: a KMS, an HSM, a smart card."""

from __future__ import annotations

import base64
import binascii
import shlex
import subprocess
from dataclasses import dataclass

from kubectl_argo_archive.audit.keys import PublicKey
from kubectl_argo_archive.errors import ArgoArchiveError, redact

SIGNER_PATIENCE_S = 120


@dataclass(frozen=True, slots=True)
class CommandSigner:
    """Asks a command: the bytes to sign on its standard input, the signature on its standard output.

    The signature may be raw (64 bytes), hexadecimal or base64. It is checked with ``public`` before it is used.
    """

    command: str
    public: PublicKey

    def sign(self, data: bytes) -> bytes:
        words = shlex.split(self.command)
        try:
            done = subprocess.run(words, input=data, capture_output=True, timeout=SIGNER_PATIENCE_S, check=False)
        except (OSError, subprocess.TimeoutExpired, IndexError, ValueError) as error:
            raise ArgoArchiveError(f"the signer cannot be run: {_reason(error)}", "check --signer") from error
        if done.returncode:
            said = redact(done.stderr.decode("utf-8", "replace").strip()[:300])
            raise ArgoArchiveError(f"the signer failed with exit code {done.returncode}: {said}", "check --signer")
        signature = _signature(done.stdout)
        if not self.public.verifies(signature, data):
            raise ArgoArchiveError(
                "the signer's signature does not fit the public key",
                "give with --public-key the key that the signer signs with; it must be Ed25519",
            )
        return signature


def _signature(output: bytes) -> bytes:
    """Raw, hexadecimal or base64; empty for anything else."""
    if len(output) == 64:
        return output
    text = output.strip()
    try:
        return bytes.fromhex(text.decode()) if len(text) == 128 else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
