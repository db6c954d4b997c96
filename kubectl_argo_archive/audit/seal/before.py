"""The newest digest of a cluster, as the next seal continues from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kubectl_argo_archive.audit.digest import Digest, parse_name, sha256
from kubectl_argo_archive.audit.dsse import Envelope
from kubectl_argo_archive.audit.files import Files
from kubectl_argo_archive.audit.keys import KeyRing, Signer
from kubectl_argo_archive.audit.merkle import Tree
from kubectl_argo_archive.errors import LakeError

_VERIFY = "run 'kubectl argo-archive audit verify' first: it names what is wrong"


@dataclass(frozen=True, slots=True)
class Before:
    """Where the chain of a cluster stands; without a digest, at its beginning."""

    digest: Digest | None = None
    previous: dict[str, Any] | None = None

    @property
    def number(self) -> int:
        """Of the newest digest, 0 if there is none."""
        return self.digest.number if self.digest else 0

    @property
    def seq(self) -> int:
        """The last publish that is sealed."""
        return self.digest.seq if self.digest else 0

    @property
    def tree(self) -> Tree:
        """The tree so far."""
        return self.digest.tree if self.digest else Tree()

    @property
    def predicate(self) -> dict[str, Any]:
        """What the newest digest states."""
        return self.digest.predicate if self.digest else {}


def clusters_of(names: Iterable[str]) -> list[str]:
    """The clusters that have a chain."""
    parsed = (parse_name(name) for name in names)
    return sorted({found[1] for found in parsed if found and found[0] == "digests"})


def find_before(
    files: Files, names: Iterable[str], cluster: str, signers: Sequence[Signer], trusted: KeyRing
) -> Before:
    """The newest digest of ``cluster``, checked so that nobody continues a forged chain.

    Raises:
        LakeError: it was not signed by us or by a trusted key, or is damaged.
    """
    parsed = ((name, parse_name(name)) for name in names)
    numbers = {found[2]: name for name, found in parsed if found and found[:2] == ("digests", cluster)}
    if not numbers:
        return Before()
    name = numbers[max(numbers)]
    content = files.read(name)
    try:
        envelope = Envelope.parse(content)
        digest = Digest.parse(envelope)
    except ValueError as error:
        raise LakeError(f"the newest digest {name} is damaged", _VERIFY) from error
    ring = KeyRing((*trusted.keys, *(signer.public for signer in signers)))
    check = envelope.check(ring)
    if check == "unknown key":
        ids = ", ".join(signature.key_id[:16] for signature in envelope.signatures)
        raise LakeError(
            f"the newest digest {name} was signed by another key ({ids})",
            "after a change of keys, give the old public key with --public-key; if nobody changed keys, " + _VERIFY,
        )
    if check == "bad" or digest.name != name or envelope.to_bytes() != content:
        raise LakeError(f"the newest digest {name} was modified", _VERIFY)
    previous = {
        "name": name,
        "number": digest.number,
        "sha256": sha256(content),
        "signatures": [{"keyid": s.key_id, "sig": s.signature.hex()} for s in envelope.signatures],
    }
    return Before(digest, previous)
