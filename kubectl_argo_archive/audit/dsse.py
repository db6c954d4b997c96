"""Signed envelopes: in-toto statements (v1) in DSSE, with Ed25519.

An envelope is written in one way only; any other spelling of the same content counts as modified, so that not one
byte of a stored file can change unnoticed.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from kubectl_argo_archive.audit.canonical import compact
from kubectl_argo_archive.audit.keys import KeyRing, Signer

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"

Check = Literal["good", "bad", "unknown key", "expired key"]


@dataclass(frozen=True, slots=True)
class Subject:
    """A file that a statement is about.

    Attributes:
        name: path, relative to the lake or the bundle.
        sha256: of its bytes, hexadecimal.
        size: bytes.
        mutable: its content may be replaced later, by a newer statement that names it again.
    """

    name: str
    sha256: str
    size: int
    mutable: bool = False

    def to_json(self) -> dict[str, Any]:
        """As in-toto's ResourceDescriptor."""
        notes: dict[str, Any] = {"size": self.size} | ({"mutable": True} if self.mutable else {})
        return {"name": self.name, "digest": {"sha256": self.sha256}, "annotations": notes}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Subject:
        """The reverse; raises KeyError or TypeError for another shape."""
        notes = value["annotations"]
        return cls(str(value["name"]), str(value["digest"]["sha256"]), int(notes["size"]), bool(notes.get("mutable")))


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature of an envelope."""

    key_id: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload and who signed it."""

    payload: bytes
    signatures: tuple[Signature, ...]
    payload_type: str = PAYLOAD_TYPE

    @property
    def signed_bytes(self) -> bytes:
        """What is signed: DSSE's pre-authentication encoding."""
        return pae(self.payload_type, self.payload)

    def to_bytes(self) -> bytes:
        """The one spelling in which envelopes are stored."""
        signatures = [{"keyid": s.key_id, "sig": _encode(s.signature)} for s in self.signatures]
        whole = {"payload": _encode(self.payload), "payloadType": self.payload_type, "signatures": signatures}
        return json.dumps(whole, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def parse(cls, content: bytes) -> Envelope:
        """Read an envelope.

        Raises:
            ValueError: it is none.
        """
        try:
            value = json.loads(content)
            signatures = tuple(Signature(str(s["keyid"]), _decode(s["sig"])) for s in value["signatures"])
            return cls(_decode(value["payload"]), signatures, str(value["payloadType"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError("not a DSSE envelope") from error

    def statement(self) -> dict[str, Any]:
        """The payload as a statement.

        Raises:
            ValueError: it is none.
        """
        try:
            value = json.loads(self.payload)
        except (ValueError, RecursionError) as error:
            raise ValueError("the payload is no JSON") from error
        if not isinstance(value, dict) or value.get("_type") != STATEMENT_TYPE or self.payload_type != PAYLOAD_TYPE:
            raise ValueError("the payload is no in-toto statement")
        return value

    def check(self, ring: KeyRing, at: datetime | None = None) -> Check:
        """What the signatures are worth to somebody who trusts ``ring``.

        Args:
            ring: the trusted keys.
            at: when it was signed, for the keys' validity.

        Returns:
            ``good`` if a trusted key has signed and no trusted key's signature is wrong.
        """
        data, results = self.signed_bytes, set[Check]()
        for signature in self.signatures:
            for key in ring.find(signature.key_id):
                if not key.verifies(signature.signature, data):
                    return "bad"
                results.add("good" if at is None or key.valid_at(at) else "expired key")
        return "good" if "good" in results else "expired key" if results else "unknown key"


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding (secure-systems-lab/dsse, protocol.md)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def statement(subjects: Sequence[Subject], predicate_type: str, predicate: dict[str, Any]) -> bytes:
    """The payload of an in-toto statement, in canonical JSON."""
    return compact(
        {
            "_type": STATEMENT_TYPE,
            "subject": [subject.to_json() for subject in subjects],
            "predicateType": predicate_type,
            "predicate": predicate,
        }
    )


def sign(payload: bytes, signers: Sequence[Signer]) -> Envelope:
    """Sign a payload with every signer (several while keys overlap)."""
    data = pae(PAYLOAD_TYPE, payload)
    return Envelope(payload, tuple(Signature(signer.public.key_id, signer.sign(data)) for signer in signers))


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(text: Any) -> bytes:
    if not isinstance(text, str):
        raise ValueError("not base64")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
