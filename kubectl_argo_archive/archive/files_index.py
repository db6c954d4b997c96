"""The index of a file source: every document's key, what selects it, and where it lies. One pass, no JSON kept."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from enum import IntFlag
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kubectl_argo_archive.archive.facts import Facts, facts_of_row, facts_of_workflow, printable, sound_members
from kubectl_argo_archive.archive.files_open import ByteStream, SourceFile
from kubectl_argo_archive.archive.files_scan import EndlessDocument, Found, find_documents
from kubectl_argo_archive.archive.json_text import DECODER, members
from kubectl_argo_archive.archive.selector import Selector
from kubectl_argo_archive.archive.workflow_archive import KEY_SCHEMA
from kubectl_argo_archive.errors import SourceError

_DEFAULT_CLUSTER = "default"
_HASH_CHARS = 32
_ROWS_PER_BATCH = 10_000

_SCHEMA = pa.schema(
    [
        *KEY_SCHEMA,
        pa.field("resource_version", pa.int64()),
        pa.field("finished_at", pa.string()),
        pa.field("selected", pa.bool_()),
        pa.field("file", pa.int32()),
        pa.field("offset", pa.int64()),
        pa.field("length", pa.int64()),
        pa.field("form", pa.int8()),
    ]
)
_FORM = _SCHEMA.get_field_index("form")


class Form(IntFlag):
    """How the bytes in the file become the JSON of a workflow."""

    DOCUMENT = 0
    ROW = 1
    """They are a row of Argo's table: the JSON is its member ``workflow``, as an object or as text."""
    COPY_ESCAPED = 2
    """They went through COPY's text format, which doubles every backslash."""


def build_index(files: Sequence[SourceFile], selector: Selector) -> pa.Table:
    """One row per key: :data:`KEY_SCHEMA`, whether ``selector`` matches (``selected``), and the place.

    Raises:
        SourceError: a file cannot be read, or there are documents but none is a workflow.
    """
    other_kinds: Counter[str] = Counter()
    tables = [_index_file(number, file, selector, other_kinds) for number, file in enumerate(files)]
    index = pa.concat_tables([_SCHEMA.empty_table(), *tables])
    if not len(index) and other_kinds:
        found = ", ".join(f"{count} {kind}" for kind, count in other_kinds.most_common(5))
        raise SourceError(
            f"no workflow in {', '.join(file.label for file in files[:3])}: found {found}",
            hint="dump workflows with: kubectl get workflows -A -o json",
        )
    return _newest(index)


def document_at(raw: bytes, form: int) -> bytes:
    """The JSON of a workflow from its bytes in the file."""
    if form & Form.COPY_ESCAPED:
        raw = _copy_unescaped(raw)
    return _workflow_of_row(raw) if form & Form.ROW else raw


def _index_file(number: int, file: SourceFile, selector: Selector, other_kinds: Counter[str]) -> pa.Table:
    batches: list[pa.RecordBatch] = []
    rows: list[tuple[Any, ...]] = []
    # A line with a lone backslash never went through COPY, one that is JSON only without the doubling surely did
    surely_plain = surely_escaped = False
    with closing(ByteStream(file)) as stream:
        for found in _found(file, stream):
            seen = _look_at(found)
            surely_escaped = surely_escaped or seen.unescaped
            surely_plain = surely_plain or (found.value is not None and _has_lone_backslash(found.data))
            if seen.other_kind:
                other_kinds[seen.other_kind] += 1
                continue
            matches = selector.matches(seen.facts.labels)
            rows.append((*_key(seen, found.data), number, found.offset, len(found.data), int(seen.form), matches))
            if len(rows) == _ROWS_PER_BATCH:
                batches.append(_batch(rows))
                rows = []
        if stream.damaged:
            rows.append(_damage(file, stream.damaged))
