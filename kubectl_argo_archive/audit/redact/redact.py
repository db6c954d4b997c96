"""Masking secrets in workflows and logs, with a salted commitment to every value that was masked.

A :class:`Redactor` first learns: it looks at everything that will be given away and remembers each secret. Then it
masks: where a rule says so, and wherever a remembered secret stands, in any spelling. What was masked is recorded by
place and rule, never by value; the commitment lets the owner show a single value later, and nobody guess it:

    commitment = SHA-256(salt ‖ JSON text of the value),  salt = HMAC-SHA-256(redaction key, record ‖ place)
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii
from pathlib import Path
from typing import Any

from kubectl_argo_archive.audit.keys import Signer
from kubectl_argo_archive.audit.redact.find import KNOWN, Finder, Known, Span, marker, mask, worth_knowing
from kubectl_argo_archive.audit.redact.rules import Rules
from kubectl_argo_archive.errors import ConfigError

GUESSABLE = 20
"""Shorter values might be found by trying, if a hash of the whole document were known."""
_OPTION = re.compile(r"--?(?P<name>[A-Za-z][A-Za-z0-9._-]*)$")
_VALUES = ("value", "default", "data")
"""Members that hold the value of an object with a ``name``: parameters, variables, headers, raw artifacts."""
_STRUCTURE = {
    ("metadata",): frozenset({"uid", "creationTimestamp", "namespace"}),
    ("status",): frozenset({"phase", "startedAt", "finishedAt"}),
    ("status", "nodes", "*"): frozenset(
        {"id", "type", "phase", "startedAt", "finishedAt", "boundaryID", "children", "outboundNodes", "templateScope"}
    ),
}
"""Members that Argo fills itself; they hold the tables together, and stay where they look as Argo writes them."""
_AS_ARGO_WRITES = re.compile(
    r"[a-z0-9][a-z0-9./-]*|(?:[A-Z][a-z]+){1,3}|\d{4}-\d\d-\d\dT[0-9:.]{8,20}(?:Z|[+-]\d\d:\d\d)|"
)

Place = tuple[str, ...]


class Literal:
    """A JSON number, as it is spelled."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


@dataclass(frozen=True, slots=True)
class MaskedField:
    """One value that was masked.

    Attributes:
        path: JSON pointer (RFC 6901) into the masked document; empty for a text that is no JSON.
        rules: why.
        is_key: the name of the member was masked, not its value.
        salt: kept by the owner.
        value: the JSON text that was there; kept by the owner.
    """

    path: str
    rules: tuple[str, ...]
    is_key: bool
    salt: bytes = field(repr=False)
    value: str = field(repr=False)

    @property
    def commitment(self) -> str:
        """What is published instead of the value."""
        return commitment(self.salt, self.value.encode())


@dataclass(frozen=True, slots=True)
class Masked:
    """A masked text.

    Attributes:
        data: without secrets.
        fields: what was masked; empty if ``data`` is the original.
    """

    data: bytes
    fields: tuple[MaskedField, ...] = ()

    @property
    def guessable(self) -> bool:
        """Whether a masked value is short enough to be found by trying."""
        return any(len(masked.value) - 2 < GUESSABLE for masked in self.fields)


def commitment(salt: bytes, value: bytes) -> str:
    """The published commitment to a value."""
    return hashlib.sha256(salt + value).hexdigest()


def salt_key(signer: Signer) -> bytes:
    """A redaction key that only who holds the signing key can make: the same for the same key, so bundles repeat."""
    return hashlib.sha256(signer.sign(b"kubectl-argo-archive redaction key v1")).digest()


def read_salt_key(name: str) -> bytes:
    """A redaction key of its own: the content of a file, or of a variable as ``env:NAME``.

    Raises:
        ConfigError: there is none, or it is too short to be one.
    """
    try:
        content = os.environ[name[4:]].encode() if name.startswith("env:") else Path(name).expanduser().read_bytes()
    except (OSError, KeyError) as error:
        raise ConfigError(f"cannot read the redaction key {name}", "check --redaction-key") from error
    if len(content.strip()) < 16:
        raise ConfigError(f"the redaction key {name} is too short", "32 random bytes: openssl rand -hex 32")
    return hashlib.sha256(content.strip()).digest()


class Redactor:
    """Learns secrets, then masks them.

    Args:
        rules: what is a secret.
        key: from which salts are made.
    """

    def __init__(self, rules: Rules, key: bytes) -> None:
        self.rules = rules
        self._finder = Finder(rules)
        self._key = key
        self._secrets: set[str] = set()
        self._known: Known | None = None

    def learn(self, document: bytes) -> None:
        """Remember the secrets of a document."""
        value = _parsed(document)
        if isinstance(value, str):
            self.learn_text(value)
        else:
            _walk(value, (), None, self._learn_one, self._finder)
        self._known = None

    def learn_text(self, text: str) -> None:
        """Remember the secrets of a text."""
        self._secrets |= self._finder.find(text).secrets
        self._known = None

    def document(self, record: str, document: bytes) -> Masked:
        """A document without its secrets.

        Args:
            record: names the document, for salts.
            document: its JSON, or whatever is there instead.
        """
        value = _parsed(document)
        if isinstance(value, str):
            return self.text(record, value)
        fields: list[MaskedField] = []

        def masked(path: Place, one: Any, rule: str | None, is_key: bool) -> Any:
            found = self._masked(one, rule)
            if found is None:
                return one
            fields.append(self._field(record, pointer(path), found[1], is_key, one))
            return found[0]

        clean = _walk(value, (), None, masked, self._finder)
        return Masked(_dumped(clean).encode(), tuple(fields)) if fields else Masked(document)

    def text(self, record: str, text: str) -> Masked:
        """A text without its secrets: a log line, a document that is no JSON."""
        found = self._masked(text, None)
        if found is None:
            return Masked(text.encode("utf-8", "replace"))
        return Masked(found[0].encode("utf-8", "replace"), (self._field(record, "", found[1], False, text),))

    def salt(self, record: str, place: str) -> bytes:
        """The salt of one place."""
        return hmac.digest(self._key, f"{record}\0{place}".encode("utf-8", "surrogatepass"), "sha256")

    def _field(self, record: str, path: str, rules: list[str], is_key: bool, value: Any) -> MaskedField:
        place = f"{path}\0key" if is_key else path
        text = value.text if isinstance(value, Literal) else encode_basestring_ascii(value)
        return MaskedField(path, tuple(rules), is_key, self.salt(record, place), text)

    def _learn_one(self, path: Place, one: Any, rule: str | None, is_key: bool) -> Any:
        text = one.text if isinstance(one, Literal) else one
        if rule is not None and not _empty(text):
            self._secrets.update(worth_knowing(text))
        if isinstance(one, str):
            self._secrets |= self._finder.find(text).secrets
        return one

    def _masked(self, one: Any, rule: str | None) -> tuple[str, list[str]] | None:
        """The masked text and the rules; None if there is nothing to mask."""
        text = one.text if isinstance(one, Literal) else one
        if rule is not None and not _empty(text):
            return marker(rule), [rule]
        if isinstance(one, Literal):
            return (marker(KNOWN), [KNOWN]) if text in self._all().secrets else None
        spans: list[Span] = [*self._finder.find(text).spans, *self._all().spans(text)]
        if not spans:
            return None
        result, rules = mask(text, spans)
        # what masking left, in whatever spelling, takes the whole text with it
        if self._all().spans(result) or self._finder.find(result).spans:
            return marker(rules[0]), rules
        return result, rules

    def _all(self) -> Known:
        if self._known is None:
            self._known = Known(self._secrets)
        return self._known


def pointer(path: Place) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)


Visit = Callable[[Place, Any, str | None, bool], Any]
"""Called with path, value, the rule of its name, whether it is a member's name; returns what takes its place."""


def _walk(value: Any, path: Place, rule: str | None, visit: Visit, finder: Finder) -> Any:
    """Visit every text and number of a document; objects and lists are made anew."""
    if isinstance(value, dict):
        return _walk_object(value, path, rule, visit, finder)
    if isinstance(value, list):
        items: list[Any] = []
        for index, item in enumerate(value):
            option = _OPTION.match(value[index - 1]) if index and isinstance(value[index - 1], str) else None
            named = finder.name(option["name"]) if option else None
            items.append(_walk(item, (*path, str(index)), rule or named, visit, finder))
        return items
    if isinstance(value, str | Literal):
        return visit(path, value, rule, False)
    return value


def _walk_object(value: dict[str, Any], path: Place, rule: str | None, visit: Visit, finder: Finder) -> dict[str, Any]:
    name = value.get("name")
    named = finder.name(name) if isinstance(name, str) else None
    nodes = path == ("status", "nodes")
    structure = _STRUCTURE.get(("status", "nodes", "*") if path[:-1] == ("status", "nodes") else path, frozenset())
    found: dict[str, Any] = {}
    for key, item in value.items():
        if key in structure and all(map(_as_argo_writes, item if isinstance(item, list) else [item])):
            found[key] = item
            continue
        label = key if nodes else visit((*path, key), key, None, True)
        while label in found:
            label += "~"
        reason = rule or (named if key in _VALUES else None)
        if reason is None and not isinstance(item, dict):
            reason = finder.name(key)
        # a name says something about values, not about the objects below it
        inherited = None if isinstance(item, dict) and key not in _VALUES else reason
        found[label] = _walk(item, (*path, label), inherited, visit, finder)
    return found


def _as_argo_writes(value: Any) -> bool:
    return value is None or (isinstance(value, str) and _AS_ARGO_WRITES.fullmatch(value) is not None)


def _empty(text: str) -> bool:
    """Values that cannot be secrets: none, a reference to something else, a word of configuration."""
    return not text.strip() or "{{" in text[:4] or text.lower() in ("true", "false", "null", "none")


def _parsed(document: bytes) -> Any:
    """The document's value, or its text if it is no JSON object."""
    try:
        value = json.loads(document.decode("utf-8"), parse_int=Literal, parse_float=Literal)
        if isinstance(value, dict):
            return value
    except (ValueError, RecursionError):
        pass
    return document.decode("utf-8", "replace")


def _dumped(value: Any) -> str:
    """Compact JSON in ASCII."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{encode_basestring_ascii(k)}:{_dumped(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return f"[{','.join(map(_dumped, value))}]"
    if isinstance(value, Literal):
        return value.text
    return json.dumps(value)
