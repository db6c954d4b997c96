"""YAML texts as Argo reads them, with the line of every value.

PyYAML follows YAML 1.1 as Argo's parser does, except where :class:`_Loader` says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from kubectl_argo_archive.argo.objects import Document, Path

_MAX_DEPTH = 100
_MAX_VALUES = 50_000
"""Values of one document, counted as often as anchors repeat them: more is no configuration."""

_TOO_DEEP = "it is nested too deeply or too large"

_NOT_IN_GO = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float",
              "tag:yaml.org,2002:value")  # fmt: skip


class _Loader(yaml.SafeLoader):
    """Without what Go's parser does not know: base 60 (``1:30`` is a text there); times stay texts as in JSON."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # PyYAML's own name
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _NOT_IN_GO]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)\Z"),
    list("-+0123456789"),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?\Z|[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z"
    ),
    list("-+0123456789."),
)


def parse_yaml(text: str) -> Document:
    """Read the text of one document; never raises for what it holds. An empty text is None."""
    documents = list(parse_documents(text))
    if len(documents) > 1 and documents[1].error is None:
        return Document(error="it holds more than one document", error_line=min(documents[1].lines.values(), default=1))
    return documents[0] if documents else Document()


def parse_documents(text: str) -> Iterator[Document]:
    """Read all documents of a stream; the first error ends it. Lines count from the start of the stream."""
    loader = _Loader(text)
    try:
        while loader.check_node():
            yield _document(loader, loader.get_node())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or "it cannot be read"
        yield Document(error=str(reason), error_line=mark.line + 1 if mark else None)
    except RecursionError:
        yield Document(error=_TOO_DEEP)
    finally:
        loader.dispose()


def _document(loader: _Loader, root: yaml.Node | None) -> Document:
    lines: dict[Path, int] = {}
    text_lines: dict[Path, int] = {}
    duplicates: list[Path] = []

    def walk(node: yaml.Node, path: Path) -> None:
        if len(path) > _MAX_DEPTH or len(lines) > _MAX_VALUES:
            raise yaml.MarkedYAMLError(problem=_TOO_DEEP, problem_mark=node.start_mark)
        if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
            text_lines[path] = node.start_mark.line + 2
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                lines[*path, index] = item.start_mark.line + 1
                walk(item, (*path, index))
        elif isinstance(node, yaml.MappingNode):
            seen = set()
            for name, item in node.value:
                if name.tag == "tag:yaml.org,2002:merge" or not isinstance(name, yaml.ScalarNode):
                    continue
                name.tag = "tag:yaml.org,2002:str"  # as in JSON; and to Python 1 and true are one key
                here = (*path, name.value)
                if here in seen:
                    duplicates.append(here)
                seen.add(here)
                lines[here] = name.start_mark.line + 1
                walk(item, here)

    if root is None:
        return Document()
    try:
        walk(root, ())
        value = loader.construct_document(root)
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or "a value cannot be read"
        return Document(error=str(reason), error_line=mark.line + 1 if mark else None)
    return Document(value, lines, text_lines, duplicates=tuple(duplicates))
