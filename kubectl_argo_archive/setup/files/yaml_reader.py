"""Trees out of YAML texts.

Built from PyYAML's parser events: PyYAML comes with ``kubernetes``, and its events carry marks. Not its composer: that
one recurses in C, hides doubled keys, and copies what an anchor holds as often as it is used.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from kubectl_argo_archive.setup.files.trees import Place, Scalar, Tree

MAX_DEPTH: Final = 100
MAX_VALUES: Final = 300_000
"""Values of one document, aliases counted as often as they are used: more is an attack, not a set-up."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """One document of a file: a tree, or the reason why there is none; ``error`` quotes nothing of the text."""

    tree: Tree | None
    error: str | None = None
    place: Place | None = None
    doubled: tuple[tuple[Place, str], ...] = ()


_DEFINITION = re.compile(r"^kind: CustomResourceDefinition\s*$", re.MULTILINE)
"""Definitions are large, and say nothing about a set-up: they are not even parsed."""
_SEPARATOR = re.compile(r"^---(?=[ \t\r]|$)", re.MULTILINE)


def parse(text: str, file: str, line_of: Callable[[int], int] = lambda line: line) -> list[Parsed]:
    """Read every document of a text. Each one is read for itself, so a broken one does not hide the others.

    Args:
        text: of the file.
        file: its name, for places.
        line_of: line of ``text`` → line of the file, where these differ (templates).
    """
    documents: list[Parsed] = []
    starts = [0, *(match.start() for match in _SEPARATOR.finditer(text))]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        chunk = text[start:end]
        body = chunk[3:] if chunk.startswith("---") else chunk
        if _is_empty(body) or _DEFINITION.search(body):
            continue
        first = text.count("\n", 0, start)
        documents += _parse_one(chunk, file, lambda line, first=first: line_of(line + first))  # type: ignore[misc]
    return documents


def _is_empty(text: str) -> bool:
    """Nothing but comments, directives and the end of a document."""
    lines = (line.strip() for line in text.splitlines() if not line.startswith("%"))
    return all(line in ("", "...") or line[0] == "#" for line in lines)


def _parse_one(text: str, file: str, line_of: Callable[[int], int]) -> list[Parsed]:
    import yaml

    builder = _Builder(file, line_of)
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            builder.take(event)
    except _TooMuch as error:
        builder.done.append(Parsed(None, str(error), Place(file, error.line)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = line_of(mark.line + 1) if mark else line_of(1)
        builder.done.append(Parsed(None, _reason(error.problem or error.context), Place(file, line)))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        position = getattr(error, "position", 0)
        line = line_of(text.count("\n", 0, position if isinstance(position, int) else 0) + 1)
        builder.done.append(Parsed(None, "it holds characters that YAML does not allow", Place(file, line)))
    return builder.done


def _reason(problem: str | None) -> str:
    """The parser's words without what it quotes."""
    return re.sub(r"'[^']{2,}'", "something else", problem) if problem else "it is no YAML"


class _TooMuch(Exception):
    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet."""

    value: dict[str, Tree] | list[Tree]
    place: Place
    anchor: str | None
    start: Place
    key: str | None = None
    key_place: Place | None = None
    merges: list[Tree] = field(default_factory=list)
    duplicates: list[tuple[str, Place]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    size: int = 1


class _Builder:
    """Trees out of parser events."""

    def __init__(self, file: str, line_of: Callable[[int], int]) -> None:
        self._file = file
        self._line_of = line_of
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Tree, int]] = {}
        self._doubled: list[tuple[Place, str]] = []
        self.done: list[Parsed] = []

    def take(self, event: Any) -> None:
        import yaml

        place = Place(self._file, self._line_of(event.start_mark.line + 1))
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, place)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            if len(self._stack) >= MAX_DEPTH:
                raise _TooMuch(f"it is nested deeper than {MAX_DEPTH} levels", place.line)
            value: dict[str, Tree] | list[Tree] = {} if isinstance(event, yaml.MappingStartEvent) else []
            self._stack.append(_Open(value, self._own_place(place), event.anchor, place))
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._close()
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise _TooMuch("an alias names an anchor that does not stand above it", place.line)
            tree, size = self._anchors[event.anchor]
            self._add(replace(tree, place=self._own_place(place)), size, place)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._anchors.clear()

    def _own_place(self, place: Place) -> Place:
        """A member stands where its key stands."""
        top = self._stack[-1] if self._stack else None
        return top.key_place if top is not None and top.key_place is not None else place

    def _scalar(self, event: Any, place: Place) -> None:
        top = self._stack[-1] if self._stack else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            top.key, top.key_place = event.value, place
            return
        value = _scalar_value(event)
        block = event.style in ("|", ">")
        begins = Place(self._file, self._line_of(event.start_mark.line + (2 if block else 1)))
        tree = Tree(value, self._own_place(place), begins if isinstance(value, str) else None, block=block)
        if event.anchor:
            self._anchors[event.anchor] = (tree, 1)
        self._add(tree, 1, place)

    def _close(self) -> None:
        top = self._stack.pop()
        value = top.value
        if isinstance(value, dict) and top.merges:
            merged: dict[str, Tree] = {}
            for source in reversed(top.merges):  # of several maps under <<, the first wins
                merged.update(dict(source.items()))
            value = merged | value
        tree = Tree(value, top.place, duplicates=tuple(top.duplicates))
        if top.anchor:
            self._anchors[top.anchor] = (tree, top.size)
        self._add(tree, top.size, top.start)

    def _add(self, tree: Tree, size: int, place: Place) -> None:
        if not self._stack:
            self.done.append(Parsed(tree, doubled=tuple(self._doubled)))
            self._doubled.clear()
            return
        top = self._stack[-1]
        top.size += size
        if top.size > MAX_VALUES:
            raise _TooMuch(f"it holds more than {MAX_VALUES:,} values", place.line)
        if isinstance(top.value, list):
            top.value.append(tree)
            return
        if top.key is None:  # a collection as key: Kubernetes knows none
            top.key, top.key_place = "?", place
            return
        if top.key == "<<":
            top.merges += [tree] if isinstance(tree.value, dict) else list(tree.elements())
        else:
            if top.key in top.seen:
                top.duplicates.append((top.key, top.key_place or place))
                self._doubled.append((top.key_place or place, top.key))
            top.seen.add(top.key)
            top.value[top.key] = tree
        top.key = top.key_place = None


_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)", re.ASCII)
_OTHER_INT = re.compile(r"0x[0-9a-fA-F]+|0o?[0-7]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_BOOLEANS = dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True) | dict.fromkeys(
    ("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False
)


def _scalar_value(event: Any) -> Scalar:
    """The type that Kubernetes' YAML (Go, YAML 1.1 without dates and base 60) sees in a scalar."""
    text: str = event.value
    if event.tag == "tag:yaml.org,2002:str" or (event.tag is None and event.style) or event.tag == "!":
        return text
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if len(text) < 40:
        if _INT.fullmatch(text):
            return int(text)
        if _OTHER_INT.fullmatch(text):
            return int(text, 16) if text[1] in "xX" else int(text.replace("o", ""), 8)
        if _FLOAT.fullmatch(text):
            number = float(text)
            return text if math.isinf(number) else number
    return text
