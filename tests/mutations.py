"""Documents that are almost right: workflows with a few members removed, replaced, repeated or spelt in odd ways."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

Path = tuple[Any, ...]

KNOWN = (
    "metadata", "spec", "status", "name", "namespace", "labels", "annotations", "ownerReferences", "kind", "phase",
    "startedAt", "finishedAt", "createdAt", "creationTimestamp", "message", "progress", "entrypoint", "priority",
    "parallelism", "arguments", "parameters", "artifacts", "value", "default", "valueFrom", "globalName", "templates",
    "template", "templateRef", "templateName", "templateScope", "clusterScope", "workflowTemplateRef", "nodes",
    "children", "inputs", "outputs", "result", "exitCode", "resourcesDuration", "cpu", "memory", "nvidia.com/gpu",
    "conditions", "type", "id", "displayName", "boundaryID", "hostNodeName", "memoizationStatus", "hit", "key",
    "cacheName", "daemoned", "nodeFlag", "hooked", "synchronizationStatus", "waiting", "failedPodRestarts", "podIP",
    "estimatedDuration", "storedTemplates", "storedWorkflowTemplateSpec", "container", "script", "containerSet",
    "containers", "initContainers", "sidecars", "image", "steps", "dag", "tasks", "inline", "s3", "gcs", "oss",
    "azure", "http", "git", "hdfs", "artifactory", "raw", "plugin", "bucket", "url", "repo", "path", "blob", "data",
    "from", "fromExpression", "subPath", "optional", "deleted", "shutdown", "generateName", "serviceAccountName",
    "compressedNodes", "offloadNodeStatusVersion", "unknown", "team",
    "workflows.argoproj.io/pod-name-format", "workflows.argoproj.io/scheduled-time",
    "workflows.argoproj.io/cron-workflow", "workflows.argoproj.io/workflow-template",
)  # fmt: skip

TIMES = (
    "2026-03-01T02:00:00Z", "2026-03-01T02:00:00.5Z", "2026-03-01T02:00:00.123456789Z", "2026-03-01T02:00:00+02:00",
    "2026-03-01T02:00:00-13:45", "2026-03-01t02:00:00z", "2026-03-01 02:00:00Z", "2026-03-01T02:00:00", "2026-03-01",
    "2026-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-03-01T24:00:00Z",
    "2026-03-01T23:59:60Z", "2026-03-01T02:60:00Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00",
    "0001-01-01T00:00:01Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-01:00",
    "10000-01-01T00:00:00Z", "1677-01-01T00:00:00Z", "2262-04-12T00:00:00Z", "1969-12-31T23:59:59.999999Z",
    "2026-03-01T02:00:00+24:00", "2026-03-01T02:00:00+00:60", "2026-03-01T02:00:00.Z", "2026-3-1T2:0:0Z", "now", "",
    " 2026-03-01T02:00:00Z", "2026-03-01T02:00:00Z\n", "２０２６-03-01T02:00:00Z",
)  # fmt: skip

NUMBERS = (
    "0", "-0", "1", "7", "-1", "127", "2147483647", "2147483648", "-2147483649", "9223372036854775807",
    "9223372036854775808", "123456789012345678901234567890", "1.0", "1.10", "-0.0", "1e3", "1E+3", "1e-7", "1e400",
    "0.1", "1234567890123456.7", "3.141592653589793238462643",
)  # fmt: skip

TEXTS = (
    "", "a", "null", "true", "false", "5", "-5", "+5", "05", "1.5", "1e3", "9223372036854775808", "2147483648", " 5",
    "[]", "{}", "[1]", '{"a":1}', '"', '"x"', "\\", "\\u0041", "a\0b", "\0", "\x7f", "\n", "\t", "é", "日本語", "😀",
    "\u2028", "\ud7ff", "/", "</script>", "Pod", "Retry", "Steps", "Container", "Skipped", "Omitted", "Failed", "v1",
    "v2", "s3", "main", "run", "wf", "wf-1", "wf-2", "foo(0)", "foo(1)", "python:{{inputs.parameters.image}}",
    "{{workflow.parameters.tag}}/x:{{ inputs.parameters.no }}", "reg:5000/a/b:1@sha256:ab", "main-logs",
    "x" * 300,
)  # fmt: skip


MAPS = ("labels", "annotations", "resourcesDuration", "nodes", "storedTemplates")


class Literal:
    """JSON that is written as it stands."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


class Members(list[tuple[str, Any]]):
    """The members of an object, which may repeat."""


def parse(text: str) -> Any:
    """JSON as lists, :class:`Members` and :class:`Literal` numbers."""
    return json.loads(text, object_pairs_hook=Members, parse_int=Literal, parse_float=Literal)


@dataclass(frozen=True)
class Style:
    """How a document is spelt.

    Attributes:
        ascii: escape everything that is not ASCII.
        slashes: escape slashes.
        space: between the parts, one of "" (compact), " " or a line break (pretty).
    """

    ascii: bool = False
    slashes: bool = False
    space: str = ""


def write(value: Any, style: Style = Style()) -> str:
    """JSON text of a parsed value."""
    space = style.space
    if isinstance(value, Literal):
        return value.text
    if isinstance(value, Members):
        parts = (f"{write(k, style)}{space and ' '}:{space and ' '}{write(v, style)}" for k, v in value)
        return "{" + space + f",{space}".join(parts) + space + "}"
    if isinstance(value, list):
        return "[" + space + f",{space}".join(write(item, style) for item in value) + space + "]"
    text = json.dumps(value, ensure_ascii=style.ascii)
    return text.replace("/", "\\/") if style.slashes else text


def places(value: Any, path: Path = ()) -> list[Path]:
    """The paths of all values below the top."""
    found: list[Path] = []
    items = (
        [(i, v) for i, (_, v) in enumerate(value)]
        if isinstance(value, Members)
        else list(enumerate(value))
        if isinstance(value, list)
        else []
    )
    for index, item in items:
        found.append((*path, index))
        found.extend(places(item, (*path, index)))
    return found


def _copied(value: Any) -> Any:
    if isinstance(value, Members):
        return Members((k, _copied(v)) for k, v in value)
    return [_copied(v) for v in value] if isinstance(value, list) else value


def _at(value: Any, path: Path) -> Any:
    for index in path:
        value = value[index][1] if isinstance(value, Members) else value[index]
    return value


@dataclass(frozen=True)
class Mutation:
    """One change.

    Attributes:
        kind: delete, replace, insert (into an object or array), rename, or repeat: an item, or a member of an object
            with names of the user's own; elsewhere JSON leaves open which one counts.
        where: which place, counted through the document, modulo their number.
        value: the new value.
        name: the new name.
    """

    kind: str
    where: int
    value: Any = None
    name: str = "name"

    def apply(self, document: Any) -> None:
        """Change ``document`` in place."""
        paths = places(document)
        if not paths:
            return
        path = paths[self.where % len(paths)]
        holder, index = _at(document, path[:-1]), path[-1]
        old = holder[index]
        named = isinstance(holder, Members)
        new = _copied(self.value)
        if self.kind == "delete":
            del holder[index]
        elif self.kind == "replace":
            holder[index] = (old[0], new) if named else new
        elif self.kind == "repeat" and not named:
            holder.append(_copied(old))
        elif self.kind == "repeat" and _name(document, path[:-1]) in MAPS:
            holder.append((old[0], new if self.name in KNOWN[:9] else _copied(old[1])))
        elif self.kind == "rename" and named:
            holder[:] = [(self.name, v) if i == index else (k, v) for i, (k, v) in enumerate(holder)
                         if i == index or k != self.name]  # fmt: skip
        elif self.kind == "insert":
            target = old[1] if named else old
            if isinstance(target, Members):
                target[:] = [(k, v) for k, v in target if k != self.name]
                target.append((self.name, new))
            elif isinstance(target, list):
                target.append(new)


def _name(document: Any, path: Path) -> str | None:
    """The name of the member at ``path``, None for an item."""
    if not path:
        return None
    holder = _at(document, path[:-1])
    return str(holder[path[-1]][0]) if isinstance(holder, Members) else None


def mutated(text: str, mutations: list[Mutation], style: Style) -> str:
    """``text`` after all ``mutations``, in ``style``."""
    document = parse(text)
    for mutation in mutations:
        mutation.apply(document)
    return write(document, style)


_scalars = st.one_of(
    st.sampled_from([None, True, False]),
    st.sampled_from(NUMBERS).map(Literal),
    st.sampled_from(TEXTS),
    st.sampled_from(TIMES),
)
values = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(st.tuples(st.sampled_from(KNOWN), inner), max_size=3, unique_by=lambda m: m[0]).map(Members),
    ),
    max_leaves=4,
)
"""Any JSON value, mostly small."""

mutations = st.builds(
    Mutation,
    st.sampled_from(("delete", "replace", "replace", "replace", "insert", "insert", "repeat", "rename")),
    st.integers(0, 5000),
    values,
    st.sampled_from(KNOWN),
)

styles = st.sampled_from(
    [Style(), Style(), Style(), Style(ascii=True), Style(slashes=True), Style(space=" "), Style(space="\n  ")]
)
