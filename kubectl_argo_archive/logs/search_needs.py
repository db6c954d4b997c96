"""What a line must hold to match a pattern, as folded literals: the question that the index can answer.

Conservative: whatever is not understood asks for nothing, and then everything has to be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kubectl_argo_archive.logs import grams
from kubectl_argo_archive.logs.search_tree import Alt, Assert, Chars, Repeat, Seq, Tree

_MOST = 48
"""Alternatives that are kept apart."""
_UNROLLED = 4


@dataclass(frozen=True)
class Need:
    """All (``and``) or one (``or``) of the parts, or one text (``text``), folded as the index is."""

    kind: Literal["and", "or", "text"]
    parts: tuple[Need, ...] = ()
    text: bytes = b""

    def __str__(self) -> str:
        if self.kind == "text":
            return repr(self.text.decode("utf-8", "replace"))
        return "(" + f" {self.kind} ".join(map(str, self.parts)) + ")"


def needs(tree: Tree) -> Need | None:
    """What each matching line holds; None: nothing can be said, or only what is too short for the index."""
    exact, need = _look(tree)
    return _one_of(exact) if exact is not None else need


def _look(tree: Tree) -> tuple[frozenset[str] | None, Need | None]:
    """All texts that the tree can match if they are few, and else what it needs."""
    match tree:
        case Assert():
            return frozenset({""}), None
        case Chars():
            few = tree.few()
            return (frozenset(c.casefold() for c in few), None) if few else (None, None)
        case Alt():
            return _alternatives([_look(item) for item in tree.items])
        case Repeat():
            return _repeat(tree)
        case Seq():
            return _sequence(tree.items)


def _repeat(tree: Repeat) -> tuple[frozenset[str] | None, Need | None]:
    if tree.low == 0:
        exact, _ = _look(tree.item)
        return (exact | {""}, None) if tree.high == 1 and exact is not None and len(exact) < _MOST else (None, None)
    unrolled = (tree.item,) * min(tree.low, _UNROLLED)
    if tree.high == tree.low <= _UNROLLED:
        return _sequence(unrolled)
    exact, need = _sequence(unrolled)
    return None, need if exact is None else _one_of(exact)


def _sequence(items: tuple[Tree, ...]) -> tuple[frozenset[str] | None, Need | None]:
    current: frozenset[str] = frozenset({""})
    found: list[Need | None] = []
    broken = False
    for item in items:
        many = isinstance(item, Repeat) and item.low > 0 and item.high != item.low
        if many and isinstance(item, Repeat):  # x+ is x, then anything
            exact, _ = _sequence((item.item,) * min(item.low, _UNROLLED))
            if exact is not None and len(current) * len(exact) <= _MOST:
                found.append(_one_of(frozenset(a + b for a in current for b in exact)))
                current, broken = frozenset({""}), True
                continue
        exact, need = _look(item)
        if exact is not None and len(current) * len(exact) <= _MOST:
            current = frozenset(a + b for a in current for b in exact)
            continue
        found += [_one_of(current), need]
        broken = True
        current = exact if exact is not None else frozenset({""})
    if not broken:
        return current, None
    return None, _all_of([*found, _one_of(current)])


def _alternatives(found: list[tuple[frozenset[str] | None, Need | None]]) -> tuple[frozenset[str] | None, Need | None]:
    exacts = [exact for exact, _ in found if exact is not None]
    if len(exacts) == len(found) and sum(map(len, exacts)) <= _MOST:
        return frozenset().union(*exacts), None
    parts = [_one_of(exact) if exact is not None else need for exact, need in found]
    given = [part for part in parts if part is not None]
    return None, Need("or", tuple(given)) if len(given) == len(parts) else None


def _one_of(texts: frozenset[str]) -> Need | None:
    encoded = sorted({text.encode("utf-8", "surrogatepass") for text in texts})
    if not encoded or any(len(text) < grams.SHORT.size for text in encoded):
        return None
    parts = tuple(Need("text", text=text) for text in encoded)
    return parts[0] if len(parts) == 1 else Need("or", parts)


def _all_of(parts: list[Need | None]) -> Need | None:
    given = tuple(dict.fromkeys(part for part in parts if part is not None))
    if not given:
        return None
    return given[0] if len(given) == 1 else Need("and", given)
