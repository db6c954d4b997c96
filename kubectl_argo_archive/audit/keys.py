"""Ed25519 keys: reading, making, and who signs. The only home of private keys; none of them is ever shown.

Private keys are PEM in PKCS 8, public keys PEM (SubjectPublicKeyInfo). A public file may hold several keys, and
before a key lines ``Valid-From:`` and ``Valid-Until:`` (RFC 3339) that limit when it may have signed: that is how
keys are rotated with an overlap.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kubectl_argo_archive.audit.canonical import compact
from kubectl_argo_archive.errors import ConfigError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_VARIABLE = "KUBECTL_ARGO_ARCHIVE_AUDIT_KEY"
"""May hold the PEM of the private key itself."""
PASSPHRASE_VARIABLE = "KUBECTL_ARGO_ARCHIVE_AUDIT_PASSPHRASE"

_BLOCK = re.compile(r"(?P<head>(?:(?!-----).*\n)*)(?P<pem>-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----)")
_VALID = re.compile(r"^Valid-(From|Until):[ \t]*(\S+)[ \t]*$", re.MULTILINE | re.IGNORECASE)

SecretReader = Callable[[str, str, str], bytes]
"""Reads one entry of a Kubernetes Secret: namespace, name, entry."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Who may have signed, and when.

    Attributes:
        raw: the 32 bytes of the key.
        valid_from: not valid for digests sealed before.
        valid_until: not valid for digests sealed at or after.
    """

    raw: bytes
    valid_from: datetime | None = None
    valid_until: datetime | None = None

    @property
    def key_id(self) -> str:
        """SHA-256 over the key's canonical JSON, as securesystemslib and in-toto name a key."""
        named = {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": self.raw.hex()}}
        return hashlib.sha256(compact(named)).hexdigest()

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether this key made the signature."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True

    def valid_at(self, time: datetime) -> bool:
        """Whether it may have signed then."""
        return not (self.valid_from and time < self.valid_from) and not (self.valid_until and time >= self.valid_until)

    def pem(self) -> str:
        """As a file: its validity, then the key."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        key = Ed25519PublicKey.from_public_bytes(self.raw)
        times = (("Valid-From", self.valid_from), ("Valid-Until", self.valid_until))
        head = "".join(f"{name}: {time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}\n" for name, time in times if time)
        return head + key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The public keys that a verifier trusts; of one key several validities may be given."""

    keys: tuple[PublicKey, ...] = ()

    def find(self, key_id: str) -> tuple[PublicKey, ...]:
        """The keys of that id."""
        return tuple(key for key in self.keys if key.key_id == key_id)


NO_KEYS = KeyRing()


class Signer(Protocol):
    """Makes signatures; holds a private key or asks who does."""

    @property
    def public(self) -> PublicKey: ...

    def sign(self, data: bytes) -> bytes:
        """The 64 bytes of an Ed25519 signature over ``data``."""
        ...


@dataclass(frozen=True, slots=True)
class KeySigner:
    """Signs with a private key in memory."""

    _key: Ed25519PrivateKey = field(repr=False)

    @property
    def public(self) -> PublicKey:
        return _public(self._key.public_key())

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)


def load_signer(
    key: str | None = None,
    *,
    command: str | None = None,
    public: Sequence[str] = (),
    secrets: SecretReader | None = None,
) -> Signer:
    """Who signs: a command, else a private key.

    Args:
        key: a PEM file, ``env:VARIABLE``, or ``secret:NAMESPACE/NAME/ENTRY``; None: the variable's.
        command: an external signer; then ``public`` names one file with its public key.
        public: files of public keys.
        secrets: reads Kubernetes Secrets, if there is a cluster.

    Raises:
        ConfigError: there is no key, or it is none.
    """
    if command:
        ring = load_keys(public)
        if len(ring.keys) != 1:
            raise ConfigError("--signer needs the public key of who signs", "give it with --public-key FILE")
        from kubectl_argo_archive.audit.signer_command import CommandSigner

        return CommandSigner(command, ring.keys[0])
    return KeySigner(_private(*_private_pem(key, secrets)))


def load_keys(files: Iterable[str]) -> KeyRing:
    """Read public keys; each text is a file, ``env:VARIABLE``, or the PEM itself.

    Raises:
        ConfigError: a file is missing or holds no Ed25519 public key.
    """
    found: list[PublicKey] = []
    for name in files:
        text = name if name.lstrip().startswith("-----BEGIN") else _text(name).decode("utf-8", "replace")
        blocks = list(_BLOCK.finditer(text.replace("\r\n", "\n")))
        if not blocks:
            raise ConfigError(
                f"{_shown(name)} holds no public key",
                "a public key is a PEM file that begins with -----BEGIN PUBLIC KEY-----; "
                "'kubectl argo-archive audit keygen' makes one",
            )
        found += [_parse_public(block["pem"], block["head"], name) for block in blocks]
    return KeyRing(tuple(found))


def generate(
    private_file: Path, public_file: Path, valid_from: datetime | None, valid_until: datetime | None
) -> PublicKey:
    """Make a pair of keys; the private file is readable by its owner only, and no file is ever overwritten.

    Raises:
        ConfigError: a file exists or cannot be written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    public = PublicKey(_public(key.public_key()).raw, valid_from, valid_until)
    if public_file.exists():
        raise ConfigError(f"{public_file} exists", "name other files; keys are never overwritten")
    _write_new(private_file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    _write_new(public_file, public.pem().encode(), 0o644)
    return public


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
    except FileExistsError as error:
        raise ConfigError(f"{path} exists", "name another file; keys are never overwritten") from error
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {_reason(error)}") from error


def _private_pem(spec: str | None, secrets: SecretReader | None) -> tuple[bytes, str]:
    if spec is None:
        if not os.environ.get(KEY_VARIABLE):
            raise ConfigError(
                "no key to sign with",
                f"give --key FILE or --signer COMMAND, set {KEY_VARIABLE}, or audit.key in the configuration file; "
                "'kubectl argo-archive audit keygen' makes a key",
            )
        spec = f"env:{KEY_VARIABLE}"
    if not spec.startswith("secret:"):
        return _text(spec), spec
    parts = spec.removeprefix("secret:").split("/")
    if len(parts) != 3 or not all(parts):
        raise ConfigError(f"'{spec}' names no entry of a Secret", "write secret:NAMESPACE/NAME/ENTRY")
    if secrets is None:
        raise ConfigError("Secrets can be read with access to a cluster only", "give --key FILE or env:VARIABLE")
    return secrets(*parts), spec


def _text(name: str) -> bytes:
    if name.startswith("env:"):
        variable = name.removeprefix("env:")
        if not os.environ.get(variable):
            raise ConfigError(f"the variable {variable} is not set", "it must hold a key as PEM")
        return os.environ[variable].encode()
    try:
        return Path(name).expanduser().read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read the key {name}: {_reason(error)}", "check --key and --public-key") from error


def _private(pem: bytes, name: str) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    is_locked = b"ENCRYPTED" in pem
    passphrase = os.environ.get(PASSPHRASE_VARIABLE) if is_locked else None
    try:
        key = load_pem_private_key(pem, passphrase.encode() if passphrase else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # its text is not repeated: it is about a key
        locked = f" (a passphrase goes into {PASSPHRASE_VARIABLE})" if is_locked else ""
        raise ConfigError(f"{_shown(name)} holds no private key that can be read{locked}", "PEM in PKCS 8") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{_shown(name)} is no Ed25519 key", "'kubectl argo-archive audit keygen' makes one")
    return key


def _parse_public(pem: str, head: str, name: str) -> PublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem.encode())
        times = {which.lower(): datetime.fromisoformat(time) for which, time in _VALID.findall(head)}
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{_shown(name)} holds a key or a validity that cannot be read") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{_shown(name)} is no Ed25519 key", "'kubectl argo-archive audit keygen' makes one")
    aware = {which: time if time.tzinfo else time.replace(tzinfo=UTC) for which, time in times.items()}
    return PublicKey(_public(key).raw, aware.get("from"), aware.get("until"))


def _public(key: Ed25519PublicKey) -> PublicKey:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return PublicKey(key.public_bytes(Encoding.Raw, PublicFormat.Raw))


def _shown(name: str) -> str:
    return "the key" if "-----" in name else name


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
