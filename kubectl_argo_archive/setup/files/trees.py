"""YAML values that remember the file and line of every key, also after they were merged from several files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from kubectl_argo_archive.argo.objects import Document, Path

Scalar: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line of a file; lines count from 1."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Tree:
    """A value of YAML and its place. The ``repr`` hides the value: it may be a password.

    Attributes:
        value: a scalar, or trees by key, or trees in a list.
        place: of the key or list item that the value belongs to.
        text: where the content of a text begins: the line after ``|``.
        duplicates: keys that stand twice in this mapping.
        block: a text as ``|`` or ``>`` writes it.
    """

    value: Scalar | dict[str, Tree] | list[Tree] = field(repr=False)
    place: Place
    text: Place | None = None
    duplicates: tuple[tuple[str, Place], ...] = ()
    block: bool = False

    def get(self, *path: str | int) -> Tree | None:
        """The tree below, None if anything on the way is missing."""
        tree: Tree | None = self
        for key in path:
            if tree is None:
                return None
            if isinstance(tree.value, dict):
                tree = tree.value.get(str(key))
            elif isinstance(tree.value, list) and isinstance(key, int) and 0 <= key < len(tree.value):
                tree = tree.value[key]
            else:
                return None
        return tree

    def at(self, *path: str | int, default: Any = None) -> Any:
        """The plain value below; ``default`` if it is missing or null."""
        found = self.get(*path)
        return default if found is None or found.value is None else found.plain()

    def text_at(self, *path: str | int, default: str = "") -> str:
        """The scalar below as text; ``default`` if it is missing, null or no scalar."""
        found = self.get(*path)
        if found is None or found.value is None or isinstance(found.value, dict | list):
            return default
        return _written(found.value)

    def is_true(self, *path: str | int, default: bool = False) -> bool:
        """As a template's ``if`` takes it: present, not false, not empty."""
        found = self.get(*path)
        return default if found is None else bool(found.value)

    def items(self) -> Iterator[tuple[str, Tree]]:
        """Members of a mapping; nothing for anything else."""
        if isinstance(self.value, dict):
            yield from self.value.items()

    def elements(self) -> Iterator[Tree]:
        """Items of a list; nothing for anything else."""
        if isinstance(self.value, list):
            yield from self.value

    def each(self, *path: str | int) -> Iterator[Tree]:
        """Items of the list below; nothing if there is none."""
        found = self.get(*path)
        return iter(()) if found is None else found.elements()

    def members(self, *path: str | int) -> Iterator[tuple[str, Tree]]:
        """Members of the mapping below; nothing if there is none."""
        found = self.get(*path)
        return iter(()) if found is None else found.items()

    def walk(self, path: Path = ()) -> Iterator[tuple[Path, Tree]]:
        """This tree and everything below, with paths."""
        yield path, self
        for key, member in self.items():
            yield from member.walk((*path, key))
        for index, element in enumerate(self.elements()):
            yield from element.walk((*path, index))

    def plain(self) -> Any:
        """Without places."""
        if isinstance(self.value, dict):
            return {key: member.plain() for key, member in self.value.items()}
        if isinstance(self.value, list):
            return [element.plain() for element in self.value]
        return self.value

    def document(self, line_of: Callable[[Place], int]) -> Document:
        """As the pure readers of ``argo/`` take it."""
        lines: dict[Path, int] = {}
        texts: dict[Path, int] = {}
        doubled: list[Path] = []
        for path, tree in self.walk():
            if path:
                lines[path] = line_of(tree.place)
            if tree.text is not None:
                texts[path] = line_of(tree.text)
            doubled += [(*path, key) for key, _ in tree.duplicates]
        return Document(self.plain(), lines, texts, duplicates=tuple(doubled))


def tree_of(value: Any, place: Place) -> Tree:
    """A tree of plain data or of trees, all of it at ``place`` unless it knows better."""
    if isinstance(value, Tree):
        return value
    if isinstance(value, Mapping):
        return Tree({str(key): tree_of(member, place) for key, member in value.items()}, place)
    if isinstance(value, list | tuple):
        return Tree([tree_of(element, place) for element in value], place)
    return Tree(value, place, text=place if isinstance(value, str) else None)


def merge(below: Tree | None, above: Tree | None) -> Tree:
    """Values as Helm merges them: mappings key by key, anything else is replaced, null removes."""
    if below is None or above is None:
        known = below if below is not None else above
        if known is None:
            raise ValueError("nothing to merge")
        return known
    if not isinstance(below.value, dict) or not isinstance(above.value, dict):
        return above
    merged = dict(below.value)
    for key, member in above.value.items():
        if member.value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), member)
    return Tree(merged, above.place)


def _written(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
