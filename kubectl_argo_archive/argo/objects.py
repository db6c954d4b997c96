"""Kubernetes objects as plain data that knows where each value stands: in the cluster, or in a line of a file.

Nothing here parses YAML: whoever owns a parser hands in a :class:`Document`, or a :data:`ParseYaml` for the texts that
a ConfigMap holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""The way from the root of a document to a value: ``("spec", "containers", 0, "image")``."""

_PLAIN_KEY = re.compile(r"[^.\[\]\s]+")


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """Where a value was read.

    Attributes:
        kind: of the object, such as ``ConfigMap``; empty for a file that holds no object (Helm values).
        namespace: of the object; empty for cluster-scoped ones, and for files that leave it out.
        name: of the object.
        path: of the field, in Argo's and Kubernetes' own names: ``data.persistence.archiveTTL``.
        file: path of the file, None in the cluster.
        line: counted from 1, None in the cluster.
    """

    kind: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    file: str | None = None
    line: int | None = None

    def child(self, key: str | int) -> Origin:
        """The same object's field one step deeper; the line is kept as the best guess."""
        return replace(self, path=extend(self.path, key))

    @property
    def object(self) -> str:
        """The object for people: ``ConfigMap argo/workflow-controller-configmap``."""
        return f"{self.kind} {self.namespace + '/' if self.namespace else ''}{self.name}".strip()

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.file and self.line else self.file or ""
        return ": ".join(part for part in (place, self.object, self.path) if part)


def extend(path: str, key: str | int) -> str:
    """Write one more step of a field path; keys that would be misread are put in brackets."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if not _PLAIN_KEY.fullmatch(key):
        return f'{path}["{key}"]'
    return f"{path}.{key}" if path else key


@dataclass(frozen=True, slots=True)
class Document:
    """One parsed YAML document.

    Attributes:
        value: mappings, lists, texts, numbers, booleans, None; only valid if ``error`` is None.
        lines: line of each value's key (or list item), counted from 1 inside the text; empty if nobody counted.
        text_lines: line where the content of a block text (``|``, ``>``) begins.
        error: why the text is no YAML; never quotes the text.
        error_line: where.
        duplicates: keys that stand twice in one mapping: Argo refuses them.
    """

    value: Any = field(repr=False, default=None)
    lines: Mapping[Path, int] = field(repr=False, default_factory=dict)
    text_lines: Mapping[Path, int] = field(repr=False, default_factory=dict)
    error: str | None = None
    error_line: int | None = None
    duplicates: tuple[Path, ...] = ()


ParseYaml: TypeAlias = Callable[[str], Document]
"""Reads the text of one YAML document; never raises for what the text holds."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value, and where it stands. Its ``repr`` never shows the value: it may be a secret."""

    value: Any = field(repr=False)
    origin: Origin
    document: Document = field(repr=False)
    path: Path = field(default=(), repr=False)
    offset: int | None = field(default=0, repr=False)
    """What to add to a line of ``document``; None if lines inside it have no meaning for the file."""

    def __contains__(self, key: str) -> bool:
        return isinstance(self.value, Mapping) and key in self.value

    def get(self, *keys: str | int) -> Node:
        """The value below; a node of value None if anything on the way is missing."""
        node = self
        for key in keys:
            node = node._step(key)
        return node

    def items(self) -> Iterator[tuple[str, Node]]:
        """Members of a mapping; nothing for any other value."""
        if isinstance(self.value, Mapping):
            for key in self.value:
                yield str(key), self._step(key)

    def elements(self) -> Iterator[Node]:
        """Items of a list; nothing for any other value."""
        if isinstance(self.value, list | tuple):
            for index in range(len(self.value)):
                yield self._step(index)

    def parse(self, parse_yaml: ParseYaml) -> Node:
        """Read this text as YAML; lines of what it holds count on in the file that this text stands in."""
        document = parse_yaml(self.value if isinstance(self.value, str) else "")
        begins = self.document.text_lines.get(self.path)
        offset = None if begins is None or self.offset is None else self.offset + begins - 1
        return Node(document.value, self.origin, document, (), offset)

    def where(self, path: Path) -> Origin:
        """Origin of a path inside this node's document, counted from this node."""
        origin = self.origin
        for key in path:
            origin = origin.child(key)
        line = self.document.lines.get(self.path + path)
        if line is not None and self.offset is not None and origin.file:
            origin = replace(origin, line=line + self.offset)
        return origin

    def line(self, inside: int | None) -> Origin:
        """This node's origin at a line of its own document, such as ``Document.error_line``."""
        if inside is None or self.offset is None or not self.origin.file:
            return self.origin
        return replace(self.origin, line=inside + self.offset)

    def _step(self, key: str | int) -> Node:
        value: Any = None
        if isinstance(self.value, Mapping):
            value = self.value.get(key)
        elif isinstance(self.value, list | tuple) and isinstance(key, int) and -1 < key < len(self.value):
            value = self.value[key]
        return Node(value, self.where((key,)), self.document, (*self.path, key), self.offset)


class ManifestObject:
    """A Kubernetes object from the API or from a file.

    Args:
        value: the object as JSON or YAML gives it: a mapping, or a :class:`Document` that knows its lines.
        file: where it stands, None for an object of the cluster.
        namespace: what stands for a namespace that the object leaves out.
        first_line: line of the file where the document's own line 1 stands.
    """

    __slots__ = ("_root",)

    def __init__(
        self, value: Mapping[str, Any] | Document, *, file: str | None = None, namespace: str = "", first_line: int = 1
    ) -> None:
        document = value if isinstance(value, Document) else Document(value)
        root: Any = document.value if isinstance(document.value, Mapping) else {}
        metadata = root.get("metadata")
        metadata = metadata if isinstance(metadata, Mapping) else {}
        origin = Origin(
            kind=str(root.get("kind") or ""),
            namespace=str(metadata.get("namespace") or namespace),
            name=str(metadata.get("name") or ""),
            file=file,
        )
        line = document.lines.get(("kind",)) or min(document.lines.values(), default=1)
        if file:
            origin = replace(origin, line=line + first_line - 1)
        self._root = Node(root, origin, document, (), first_line - 1)

    def __repr__(self) -> str:
        return f"ManifestObject({str(self.origin)!r})"

    @property
    def root(self) -> Node:
        """The whole object."""
        return self._root

    @property
    def origin(self) -> Origin:
        """Where the object stands."""
        return self._root.origin

    @property
    def kind(self) -> str:
        return self.origin.kind

    @property
    def namespace(self) -> str:
        return self.origin.namespace

    @property
    def name(self) -> str:
        return self.origin.name

    @property
    def labels(self) -> dict[str, str]:
        """Texts only."""
        return texts(self.node("metadata", "labels").value)

    @property
    def annotations(self) -> dict[str, str]:
        """Texts only."""
        return texts(self.node("metadata", "annotations").value)

    def node(self, *path: str | int) -> Node:
        """A value inside: ``node("spec", "template")``."""
        return self._root.get(*path)


def texts(value: object) -> dict[str, str]:
    """The members of a mapping whose values are texts; empty for anything else."""
    if not isinstance(value, Mapping):
        return {}
    return {str(key): member for key, member in value.items() if isinstance(member, str)}
