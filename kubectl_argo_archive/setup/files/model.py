"""What the files of a set-up amount to: objects, releases, and what could not be read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from kubectl_argo_archive.argo.objects import Document, ManifestObject
from kubectl_argo_archive.setup.files.trees import Place, Tree
from kubectl_argo_archive.setup.files.unknown import is_known
from kubectl_argo_archive.setup.files.yaml_reader import Parsed, parse

_WIDTH = 10_000_000
"""More lines than any file has."""
ANYWHERE = "⟪file⟫"
"""Stands for a file's name until a finding is finished, see :class:`Places`."""


@dataclass(frozen=True, slots=True)
class Release:
    """A Helm release, or a chart or values file that somebody will install by hand.

    Attributes:
        name: of the release; for a lone values file what the chart would be called.
        namespace: empty if nobody says.
        chart: as written: ``argo/argo-workflows``, ``./database``.
        version: of the chart, None if nobody says.
        values: merged as Helm does it.
        place: where it is declared.
        declared: the release of a helmfile, as written; None without one.
        file: of the declaration.
    """

    name: str
    namespace: str
    chart: str
    version: str | None
    values: Tree
    place: Place
    declared: Tree | None = None
    file: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """A Kubernetes object from a file, or as a chart would render it.

    Attributes:
        tree: with the places of the files that its values come from.
        namespace: what stands for a namespace that it leaves out.
        release: the release that renders it.
        group: of objects that are installed together: two of one name are only a mistake in one group.
    """

    tree: Tree
    namespace: str = ""
    release: Release | None = None
    group: str = ""

    @property
    def kind(self) -> str:
        return self.tree.text_at("kind")

    @property
    def name(self) -> str:
        return self.tree.text_at("metadata", "name")

    @property
    def space(self) -> str:
        """Its namespace."""
        return self.tree.text_at("metadata", "namespace") or self.namespace


@dataclass(frozen=True, slots=True)
class SetUp:
    """Everything that was read.

    Attributes:
        unreadable: documents that are no YAML, and files that are missing.
        doubled: keys that stand twice in one mapping, by place.
    """

    resources: tuple[Resource, ...] = ()
    releases: tuple[Release, ...] = ()
    unreadable: tuple[Parsed, ...] = ()
    doubled: tuple[tuple[Place, str], ...] = ()
    files: tuple[str, ...] = ()


class RenderedText(str):
    """The text of a ConfigMap's key that a chart would write; it knows the places of its values."""

    tree: Tree

    __slots__ = ("tree",)


@dataclass(slots=True)
class Places:
    """Files and lines as one number, so that one object may have values from several files.

    The pure readers of ``argo/`` know one file for each object and add lines up; a number that counts lines from the
    start of its file suits them.
    """

    files: list[str] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)

    def number(self, place: Place) -> int:
        """The number of a line."""
        if not place.file:
            return place.line
        if place.file not in self._numbers:
            self.files.append(place.file)
            self._numbers[place.file] = len(self.files) * _WIDTH
        return self._numbers[place.file] + place.line

    def place(self, number: int) -> Place | None:
        """The line of a number."""
        index = number // _WIDTH - 1
        return Place(self.files[index], number % _WIDTH) if 0 <= index < len(self.files) else None

    def object(self, resource: Resource) -> ManifestObject:
        """A resource for the pure readers."""
        document = replace_text_lines(resource.tree, resource.tree.document(self.number))
        return ManifestObject(document, file=ANYWHERE, namespace=resource.namespace)

    def parse_yaml(self, text: str) -> Document:
        """Reads the texts in ConfigMaps, see :data:`~kubectl_argo_archive.argo.objects.ParseYaml`."""
        if isinstance(text, RenderedText):
            return text.tree.document(self.number)
        documents = parse(text, "")
        if not documents:
            return Document()
        first = documents[0]
        if len(documents) > 1:
            return Document(error="it holds more than one document", error_line=1)
        if first.tree is None:
            return Document(error=first.error, error_line=first.place.line if first.place else None)
        return first.tree.document(self.number)


def replace_text_lines(tree: Tree, document: Document) -> Document:
    """Lines of a rendered text are numbers of their own already: nothing is to be added to them."""
    own = {path: 1 for path, each in tree.walk() if isinstance(each.value, RenderedText)}
    return replace(document, text_lines={**document.text_lines, **own}) if own else document


def unknown_lines(set_up: SetUp, places: Places) -> frozenset[int]:
    """Numbers of the lines whose value only Helm or the environment knows."""
    found: set[int] = set()
    for resource in set_up.resources:
        for _, tree in resource.tree.walk():
            if isinstance(tree.value, RenderedText):
                found |= {places.number(each.place) for _, each in tree.value.tree.walk() if not is_known(each.value)}
            elif not is_known(tree.value):
                found.add(places.number(tree.place))
                if tree.block and tree.text is not None and isinstance(tree.value, str):
                    first = places.number(tree.text)
                    lines = tree.value.splitlines()
                    found |= {first + index for index, line in enumerate(lines) if not is_known(line)}
    return frozenset(found)
