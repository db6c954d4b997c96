"""Argo's YAML settings into dataclasses: tolerant, and nothing that is odd gets lost.

A class derives from :class:`Section`, its fields are named after Argo's (``archive_label_selector`` reads
``archiveLabelSelector``). What Argo's parser refuses becomes a :class:`Problem`, never an exception. Its rules are
those of Go's ``sigs.k8s.io/yaml`` ``UnmarshalStrict``: unknown and doubled keys and wrong types are refused, keys match
whatever their case, a number or boolean may stand for a text.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from typing import Any, Literal, Self, TypeVar

from kubectl_argo_archive.argo.objects import Node, Origin

Code = Literal[
    "unknown-key", "wrong-type", "bad-yaml", "duplicate-key", "key-case", "mixed-layout", "misplaced", "missing-map"
]
"""What a :class:`Problem` is about; ``key-case`` alone is accepted by Argo."""

_UNIT_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_TTL = re.compile(r"([+-]?\d+)([dhms])", re.ASCII)

S = TypeVar("S", bound="Section")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that Argo refuses, or that we do not understand.

    Attributes:
        code: what it is about.
        origin: where.
        message: one sentence without any value from the text, which may be a secret.
        nearest: the known key that was probably meant.
    """

    code: Code
    origin: Origin
    message: str
    nearest: str | None = None


@dataclass(frozen=True, slots=True)
class Ttl:
    """A duration as Argo's own type ``TTL`` reads it (``config/ttl.go``): an integer and one of d, h, m, s.

    Attributes:
        text: as written.
        seconds: None if Argo refuses the text, such as ``1h30m``, ``1.5d``, ``2w``, ``240h0m0s`` or a bare number.
    """

    text: str
    seconds: int | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what was written; never raises."""
        if text == "":
            return cls(text, 0)
        if match := _TTL.fullmatch(text):
            return cls(text, int(match[1]) * _UNIT_SECONDS[match[2]])
        # Go's own durations are tried last, but all of its units end in s, m or h, which were tried before
        return cls(text, 0 if text in ("0", "+0", "-0") else None)


@dataclass(frozen=True, kw_only=True)
class Section:
    """Settings that know where they were read.

    Attributes:
        origins: by field name; the section's own under ``""``. Two sections are equal wherever they stand.
    """

    origins: Mapping[str, Origin] = field(default_factory=dict, compare=False, repr=False, hash=False)

    OPEN: typing.ClassVar[bool] = False
    """True if unknown keys are not worth a problem: we know only a part of this section."""

    SPELT: typing.ClassVar[Mapping[str, str]] = {}
    """Argo's keys where they are not the field's name in camelCase."""

    def origin(self, name: str = "") -> Origin:
        """Where field ``name`` was read; if it is not set, where it would have to stand."""
        own = self.origins.get("", Origin())
        if not name:
            return own
        return self.origins.get(name) or own.child(argo_key(type(self), name))

    def is_set(self, name: str) -> bool:
        """Whether the text has field ``name`` at all, right or wrong."""
        return name in self.origins


@dataclass(frozen=True, kw_only=True)
class SecretKeyRef(Section):
    """A key in a Secret, by name: never its value."""

    name: str | None = None
    key: str | None = None
    optional: bool | None = None

    def __bool__(self) -> bool:
        """Argo takes a reference without a name as none."""
        return bool(self.name)


@cache
def _keys(kind: Any) -> dict[str, tuple[str, Any]]:
    """Argo's keys of a section: key → (field name, type)."""
    hints = typing.get_type_hints(kind)
    return {
        kind.SPELT.get(each.name) or _camel(each.name): (each.name, hints[each.name])
        for each in dataclasses.fields(kind)
        if each.name != "origins" and not each.metadata.get("ours")
    }


def _keys_of(kind: Any) -> dict[str, tuple[str, Any]]:
    return _keys(kind)


def argo_key(kind: type[Section], name: str) -> str:
    """Argo's key of field ``name``."""
    return next((argo for argo, (own, _) in _keys_of(kind).items() if own == name), name)


def decode(kind: type[S], node: Node, problems: list[Problem]) -> S | None:
    """Read a mapping as ``kind``; None (and a problem) if it is no mapping, None alone if it is absent."""
    if node.value is None:
        return None
    if not isinstance(node.value, Mapping):
        problems.append(_wrong(node, "a section with keys"))
        return None
    return decode_members(kind, dict(node.items()), node.origin, problems)


def decode_members(kind: type[S], members: Mapping[str, Node], origin: Origin, problems: list[Problem]) -> S:
    """Read members that may come from several texts as one ``kind``, which stands at ``origin``."""
    known = _keys_of(kind)
    by_lower = {name.lower(): name for name in known}
    values: dict[str, Any] = {}
    origins = {"": origin}
    for written, member in members.items():
        name = written if written in known else by_lower.get(written.lower())
        if name is None:
            if not kind.OPEN:
                problems.append(_unknown(written, known, member))
            continue
        if name != written:
            message = f"{written} is spelt {name}"
            problems.append(Problem("key-case", member.origin, message, name))
        own, hint = known[name]
        origins[own] = member.origin
        value = _value(hint, member, problems)
        if value is not None:
            values[own] = value
    return kind(**values, origins=origins)


def document_problems(node: Node) -> Iterator[Problem]:
    """What a parsed text says about itself: no YAML, doubled keys."""
    document = node.document
    if document.error is not None:
        yield Problem("bad-yaml", node.line(document.error_line), f"this is not YAML: {document.error}")
    for path in document.duplicates:
        yield Problem("duplicate-key", node.where(path), f"{path[-1]} stands here twice")


def _value(hint: Any, node: Node, problems: list[Problem]) -> Any:
    """A member in the type of its field; None if it is null or wrong."""
    value = node.value
    if value is None:
        return None
    kind, arguments = _plain(hint)
    if kind is Any:
        return value
    if isinstance(kind, type) and issubclass(kind, Section):
        return decode(kind, node, problems)
    if kind is Ttl:
        return _ttl(node, problems)
    if kind is tuple:
        if not isinstance(value, list):
            problems.append(_wrong(node, "a list"))
            return None
        items = (_value(arguments[0], element, problems) for element in node.elements())
        return tuple(item for item in items if item is not None)
    if kind is Mapping:
        if not isinstance(value, Mapping):
            problems.append(_wrong(node, "a section with keys"))
            return None
        items_of = {name: _value(arguments[1], member, problems) for name, member in node.items()}
        return {name: item for name, item in items_of.items() if item is not None}
    return _scalar(kind, node, problems)


def _scalar(kind: Any, node: Node, problems: list[Problem]) -> Any:
    value = node.value
    if kind is bool and isinstance(value, bool):
        return value
    if kind is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind is str:
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, int | float):
            return str(value)
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    problems.append(_wrong(node, names[kind]))
    return None


def _ttl(node: Node, problems: list[Problem]) -> Ttl | None:
    if isinstance(node.value, str):
        return Ttl.parse(node.value)
    problems.append(_wrong(node, "a text such as 30d"))
    if isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return Ttl(str(node.value), None)
    return None


def _plain(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """The type without ``| None``, and its arguments."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        hint = next(each for each in typing.get_args(hint) if each is not type(None))
    origin = typing.get_origin(hint)
    return (origin, typing.get_args(hint)) if origin is not None else (hint, ())


def _wrong(node: Node, wanted: str) -> Problem:
    name = node.path[-1] if node.path else "this"
    return Problem("wrong-type", node.origin, f"{name} must be {wanted}, not {_kind_of(node.value)}")


def _kind_of(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "a list" if isinstance(value, list) else "a section with keys"


def _unknown(written: str, known: Mapping[str, Any], node: Node) -> Problem:
    near = get_close_matches(written, known, n=1, cutoff=0.6)
    return Problem("unknown-key", node.origin, f"Argo has no setting {written} here", near[0] if near else None)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
