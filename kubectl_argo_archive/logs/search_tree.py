"""What a pattern means: a small tree, made from a literal or from a regular expression.

Only whether a line matches is asked, so greediness and groups leave no trace here. Sets of characters stay symbolic
(``\\w`` is a name) until somebody needs them beyond ASCII, which few patterns do.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

Ranges = tuple[tuple[int, int], ...]
LAST = 0x10FFFF
_SURROGATES = (0xD800, 0xDFFF)
# general category So, yet alphabetic: circled letters
_CIRCLED = ((0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189))
_SPACES = ((9, 13), (32, 32), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
           (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000))  # fmt: skip

POSIX = {
    "alnum": ((48, 57), (65, 90), (97, 122)), "alpha": ((65, 90), (97, 122)), "ascii": ((0, 127),),
    "blank": ((9, 9), (32, 32)), "cntrl": ((0, 31), (127, 127)), "digit": ((48, 57),), "graph": ((33, 126),),
    "lower": ((97, 122),), "print": ((32, 126),), "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": ((9, 13), (32, 32)), "upper": ((65, 90),), "word": ((48, 57), (65, 90), (95, 95), (97, 122)),
    "xdigit": ((48, 57), (65, 70), (97, 102)),
}  # fmt: skip
"""Sets that POSIX names in brackets, ASCII only."""


@dataclass(frozen=True)
class Chars:
    """One character out of a set; never a newline.

    Attributes:
        ranges: of code points.
        names: of sets, see :func:`named`; a leading ``^`` means the rest.
        negated: everything but these.
        folded: whatever its case.
    """

    ranges: Ranges = ()
    names: tuple[str, ...] = ()
    negated: bool = False
    folded: bool = False

    def few(self, limit: int = 8) -> list[str] | None:
        """The members if they are at most ``limit`` (cases not counted), else None."""
        if self.names or self.negated or sum(high - low + 1 for low, high in self.ranges) > limit:
            return None
        return [chr(code) for low, high in self.ranges for code in range(low, high + 1)]

    @cached_property
    def ascii(self) -> Ranges:
        """The members below 128, newline excluded."""
        inside = [code for code in range(128) if self._has_ascii(code) != self.negated and code != 10]
        return tuple(_runs(inside))

    @cached_property
    def full(self) -> Ranges:
        """All members, newline and surrogates (they stand for bytes that are no UTF-8) excluded."""
        found = list(self.ranges)
        for name in self.names:
            found += named(name.lstrip("^")) if name[0] != "^" else rest(named(name[1:]))
        merged = _merge(found)
        if self.folded:
            merged = _merge([*merged, *_case_partners(merged)])
        if self.negated:
            merged = rest(merged)
        return tuple(_without(merged, ((10, 10), _SURROGATES)))

    def _has_ascii(self, code: int) -> bool:
        codes = {code, *_ascii_partners(code)} if self.folded else {code}
        if any(low <= c <= high for c in codes for low, high in self.ranges):
            return True
        # names are closed under case
        return any(_ascii_named(name.lstrip("^"), code) != (name[0] == "^") for name in self.names)


@dataclass(frozen=True)
class Seq:
    """One after the other."""

    items: tuple[Tree, ...]


@dataclass(frozen=True)
class Alt:
    """One of them."""

    items: tuple[Tree, ...]


@dataclass(frozen=True)
class Repeat:
    """From ``low`` to ``high`` times; None: any number."""

    item: Tree
    low: int
    high: int | None


@dataclass(frozen=True)
class Assert:
    """A place: beginning or end of the line, edge of a word, or no edge of a word.

    ``left`` and ``right`` are what ``-w`` asks for: no word character before, or behind.
    """

    kind: Literal["start", "end", "edge", "inside", "left", "right"]


Tree = Chars | Seq | Alt | Repeat | Assert


def literal(text: str, *, ignore_case: bool) -> Tree:
    """A text that stands in the line as it is."""
    return Seq(tuple(Chars(((ord(c), ord(c)),), folded=ignore_case) for c in text))


def whole_word(tree: Tree) -> Tree:
    """What ``-w`` makes of a pattern."""
    return Seq((Assert("left"), tree, Assert("right")))


@lru_cache(maxsize=256)
def named(name: str) -> Ranges:
    """The members of a set: ``word``, ``digit``, ``space``, ``any``, or a general category such as ``Lu`` or ``L``."""
    if name == "any":
        return ((0, LAST),)
    if name == "space":
        return _SPACES
    if name == "digit":
        return named("Nd")
    if name in ("word", "Alphabetic"):
        kinds = ("L", "M", "Nd", "Nl", "Pc") if name == "word" else ("L", "Nl", "M")
        joiners = ((0x200C, 0x200D),) if name == "word" else ()
        return tuple(_merge([*joiners, *_CIRCLED, *(r for kind in kinds for r in named(kind))]))
    return tuple(run for category, run in _categories() if category.startswith(name))


def is_named(name: str) -> bool:
    """Whether Unicode has a general category of this name."""
    return name in ("L", "M", "N", "P", "S", "Z", "C") or name in _CATEGORY_NAMES


_CATEGORY_NAMES = frozenset({
    "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm",
    "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cn",
})  # fmt: skip


@lru_cache(maxsize=1)
def _categories() -> tuple[tuple[str, tuple[int, int]], ...]:
    """Runs of code points with the same general category."""
    found = []
    start, before = 0, unicodedata.category("\0")
    for code in range(1, LAST + 1):
        category = unicodedata.category(chr(code))
        if category != before:
            found.append((before, (start, code - 1)))
            start, before = code, category
    return (*found, (before, (start, LAST)))


def _ascii_named(name: str, code: int) -> bool:
    character = chr(code)
    match name:
        case "any":
            return True
        case "space":
            return character in "\t\n\v\f\r "
        case "digit":
            return character.isdigit()
        case "word":
            return character.isalnum() or character == "_"
        case "Alphabetic":
            return character.isalpha()
    return unicodedata.category(character).startswith(name)


def simple_fold(character: str) -> str:
    """The character that stands for all that differ from it in case only."""
    for folded in (character.casefold(), character.lower()):
        if len(folded) == 1:
            return folded
    return character


def _ascii_partners(code: int) -> tuple[int, ...]:
    character = chr(code)
    partners = [ord(character.swapcase())]
    if character in "kK":
        partners.append(0x212A)  # the Kelvin sign
    if character in "sS":
        partners.append(0x17F)  # the long s
    return tuple(partners)


@lru_cache(maxsize=1)
def _partners() -> dict[int, tuple[int, ...]]:
    """Code points that differ in case only, for each that has such partners."""
    classes: dict[str, list[int]] = {}
    for code in range(0x1E944):
        character = chr(code)
        folded = simple_fold(character)
        if folded != character:
            classes.setdefault(folded, [ord(folded)]).append(code)
    return {code: tuple(members) for members in classes.values() for code in members}


def _case_partners(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    partners = _partners()
    for low, high in ranges:
        codes = range(low, high + 1) if high - low < len(partners) else [c for c in partners if low <= c <= high]
        for code in codes:
            for other in partners.get(code, ()):
                yield other, other


def _runs(codes: Iterable[int]) -> Iterator[tuple[int, int]]:
    start = last = None
    for code in codes:
        if last is None or code != last + 1:
            if start is not None and last is not None:
                yield start, last
            start = code
        last = code
    if start is not None and last is not None:
        yield start, last


def _merge(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def rest(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """All code points that are in none of these ranges."""
    found, start = [], 0
    for low, high in _merge(ranges):
        if low > start:
            found.append((start, low - 1))
        start = high + 1
    return [*found, (start, LAST)] if start <= LAST else found


def _without(ranges: Iterable[tuple[int, int]], holes: Ranges) -> list[tuple[int, int]]:
    return rest([*rest(ranges), *holes])
