"""What a JSON document of a file is: a workflow, a row of Argo's table, something else, or broken. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import Any

from kubectl_argo_archive.archive.facts import Facts, facts_of_row, facts_of_workflow, outline
from kubectl_argo_archive.archive.files_scan import LARGE_CHARS, Found
from kubectl_argo_archive.archive.json_text import DECODER, PASSER, decode, members


class Form(IntFlag):
    """How the bytes in a file become the JSON of a workflow."""

    DOCUMENT = 0
    """They are it."""
    ROW = 1
    """They are a row of Argo's table: the JSON is its member ``workflow``, as an object or as text."""
    COPY_ESCAPED = 2
    """They went through COPY's text format, which doubles every backslash."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at one document told.

    Attributes:
        facts: whose it is.
        form: how to make JSON of it.
        broken: it is no JSON; the facts are those before the mistake.
        undoubled: it became JSON when doubled backslashes were undone.
        other_kind: kind of a Kubernetes object that is no workflow.
    """

    facts: Facts
    form: Form = Form.DOCUMENT
    broken: bool = False
    undoubled: bool = False
    other_kind: str | None = None


def look_at(found: Found) -> Seen:
    """Say what a document is."""
    if isinstance(found.value, dict):
        return _sound(found.value)
    if found.value is not None:
        return Seen(Facts(), broken=True)
    if (undoubled := _undoubled_object(found.data)) is not None:
        seen = _sound(undoubled)
        return Seen(seen.facts, seen.form, undoubled=True, other_kind=seen.other_kind)
    text = found.data.decode(errors="surrogateescape")
    known = outline(text)
    if _is_whole(text):  # too large or too deep to decode
        return _sound(known)
    return Seen(facts_of_workflow(known) if "metadata" in known else facts_of_row(known, {}), broken=True)


def document_at(raw: bytes, form: int) -> bytes:
    """The JSON of a workflow from its bytes in the file."""
    if form & Form.COPY_ESCAPED:
        raw = _undouble(raw)
    return _workflow_of_row(raw) if form & Form.ROW else raw


def has_lone_backslash(data: bytes) -> bool:
    """True if some run of backslashes is odd: such text never went through COPY."""
    return b"\\" in data and b"\\" in data.replace(b"\\\\", b"")


def _sound(value: dict[str, Any]) -> Seen:
    if "workflow" in value and not {"metadata", "spec", "status"} & value.keys():
        workflow = value["workflow"]
        if isinstance(workflow, str):
            workflow = outline(workflow)
        return Seen(facts_of_row(value, workflow if isinstance(workflow, dict) else {}), Form.ROW)
    kind = value.get("kind")
    other = kind if isinstance(kind, str) and kind not in ("", "Workflow") else None
    return Seen(facts_of_workflow(value), other_kind=other)


def _is_whole(text: str) -> bool:
    try:
        return text.startswith("{") and decode(text, 0, PASSER)[1] == len(text)
    except ValueError:
        return False


def _undoubled_object(data: bytes) -> dict[str, Any] | None:
    if b"\\\\" not in data or len(data) > LARGE_CHARS:
        return None
    try:
        value = DECODER.decode(_undouble(data).decode(errors="surrogateescape"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _undouble(data: bytes) -> bytes:
    return data.replace(b"\\\\", b"\\")


def _workflow_of_row(raw: bytes) -> bytes:
    """The exact text of the member ``workflow``; the row itself if it is none after all."""
    text = raw.decode(errors="surrogateescape")
    try:
        column = next((m for m in members(text, 0, skip=("workflow",)) if m.key == "workflow"), None)
    except ValueError:
        return raw
    if column is None:
        return raw
    json = column.value if isinstance(column.value, str) and text[column.value_start] == '"' else None
    return _encoded(json if json is not None else text[column.value_start : column.end])


def _encoded(text: str) -> bytes:
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:  # a lone surrogate, spelt as an escape: no UTF-8, and flattening says so
        return text.encode(errors="surrogatepass")
