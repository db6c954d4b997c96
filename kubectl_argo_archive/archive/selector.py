"""Kubernetes label selectors: text to requirements, requirements to a verdict. Pure.

The grammar is that of ``kubectl -l``: requirements joined by commas, all of which must hold::

    team=risk   team==risk   tier!=test   owner in (a,b)   owner notin (a,b)   gpu   !gpu   tries>3   tries<3

As in Kubernetes, ``!=`` and ``notin`` also match where the label is absent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from kubectl_argo_archive.errors import ConfigError

INT64 = range(-(2**63), 2**63)
"""Numbers that ``>`` and ``<`` can compare, on both sides; other label values never match."""

_TOKEN = re.compile(r"\s*(?P<token>==|!=|[=!<>(),]|[^\s=!<>(),]+|$)")
_NAME = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_SYMBOLS = frozenset(("", "=", "==", "!=", "!", "<", ">", "(", ")", ","))


class Operator(StrEnum):
    """What a requirement asks of a label; ``=`` is IN with one value, ``!=`` is NOT_IN with one."""

    EXISTS = "exists"
    ABSENT = "!"
    IN = "in"
    NOT_IN = "notin"
    GREATER = ">"
    LESS = "<"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One part of a selector.

    Attributes:
        key: the label's name, prefix included.
        operator: what is asked of it.
        values: the values of IN and NOT_IN, the one number of GREATER and LESS, else empty.
    """

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """True if an object with these labels fulfils the requirement."""
        value = labels.get(self.key)
        match self.operator:
            case Operator.EXISTS:
                return value is not None
            case Operator.ABSENT:
                return value is None
            case Operator.IN:
                return value in self.values
            case Operator.NOT_IN:
                return value not in self.values
        number = None if value is None else integer(value)
        bound = int(self.values[0])
        return number is not None and (number > bound if self.operator is Operator.GREATER else number < bound)


@dataclass(frozen=True, slots=True)
class Selector:
    """A parsed selector; without requirements it matches everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """True if an object with these labels fulfils every requirement."""
        return all(requirement.matches(labels) for requirement in self.requirements)


def parse_selector(text: str) -> Selector:
    """Parse a label selector.

    Raises:
        ConfigError: it is not one; the message says at which character.
    """
    tokens = _Tokens(text)
    if tokens.peek() == "":
        return Selector()
    requirements = [_requirement(tokens)]
    while tokens.peek() != "":
        tokens.expect(",")
        requirements.append(_requirement(tokens))
    return Selector(tuple(requirements))


def integer(text: str) -> int | None:
    """The signed 64-bit number that a label value spells, or None."""
    number = int(text) if _INTEGER.fullmatch(text) else None
    return number if number is not None and number in INT64 else None


def _requirement(tokens: _Tokens) -> Requirement:
    if tokens.peek() == "!":
        tokens.next()
        return Requirement(_key(tokens), Operator.ABSENT)
    key = _key(tokens)
    match tokens.peek():
        case "" | ",":
            return Requirement(key, Operator.EXISTS)
        case "=" | "==":
            tokens.next()
            return Requirement(key, Operator.IN, (_value(tokens),))
        case "!=":
            tokens.next()
            return Requirement(key, Operator.NOT_IN, (_value(tokens),))
        case ">" | "<" as symbol:
            tokens.next()
            return Requirement(key, Operator(symbol), (_number(tokens),))
        case "in" | "notin" as word:
            tokens.next()
            return Requirement(key, Operator(word), tuple(_values(tokens)))
    raise tokens.error("an operator (=, !=, in, notin, <, >) or a comma")


def _key(tokens: _Tokens) -> str:
    key = tokens.peek()
    prefix, slash, name = key.rpartition("/")
    if key in _SYMBOLS or not _NAME.fullmatch(name) or (slash and not _PREFIX.fullmatch(prefix)):
        raise tokens.error("a label name")
    return tokens.next()


def _value(tokens: _Tokens) -> str:
    """One value; nothing stands for the empty one."""
    value = tokens.peek()
    if value in ("", ",", ")"):
        return ""
    if not _NAME.fullmatch(value):
        raise tokens.error("a label value")
    return tokens.next()


def _values(tokens: _Tokens) -> Iterator[str]:
    tokens.expect("(")
    if tokens.peek() == ")":
        raise tokens.error("at least one value")
    yield _value(tokens)
    while tokens.peek() == ",":
        tokens.next()
        yield _value(tokens)
    tokens.expect(")")


def _number(tokens: _Tokens) -> str:
    number = integer(tokens.peek())
    if number is None:
        raise tokens.error("a whole number")
    tokens.next()
    return str(number)


class _Tokens:
    """The tokens of a selector, one ahead; the empty one marks the end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._read(0)

    def peek(self) -> str:
        return self._token

    def next(self) -> str:
        token = self._token
        self._read(self._start + len(token))
        return token

    def expect(self, symbol: str) -> None:
        if self._token != symbol:
            raise self.error(f"{symbol!r}")
        self.next()

    def error(self, expected: str) -> ConfigError:
        found = f"found {self._token!r}" if self._token else "it ends"
        return ConfigError(
            f"label selector {self._text!r}: {found} at character {self._start + 1}, expected {expected}",
            hint="for example: -l 'team=risk,tier!=test,owner in (a,b),!draft'",
        )

    def _read(self, position: int) -> None:
        match = _TOKEN.match(self._text, position)
        assert match is not None  # a token is a symbol, a word, or the end
        self._token, self._start = match["token"], match.start("token")
