"""The index of a file source: every document's key, what selects it, and where it lies. One pass, no JSON kept."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kubectl_argo_archive.archive.facts import Facts, printable
from kubectl_argo_archive.archive.files_documents import Form, Seen, has_lone_backslash, look_at
from kubectl_argo_archive.archive.files_open import ByteStream, SourceFile
from kubectl_argo_archive.archive.files_scan import EndlessDocument, Found, find_documents
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
        pa.field("broken", pa.bool_()),
        pa.field("selected", pa.bool_()),
        pa.field("form", pa.int8()),
        pa.field("file", pa.int32()),
        pa.field("offset", pa.int64()),
        pa.field("length", pa.int64()),
    ]
)
_FORM = _SCHEMA.get_field_index("form")
_UID = _SCHEMA.get_field_index("uid")
_UNKNOWN = "file:"


def build_index(files: Sequence[SourceFile], selector: Selector) -> pa.Table:
    """One row per key: :data:`KEY_SCHEMA`, whether ``selector`` matches (``selected``), and the place.

    Raises:
        SourceError: a file cannot be read, or there are documents but none is a workflow.
    """
    other_kinds: Counter[str] = Counter()
    tables = [_FileIndex(number, file, selector, other_kinds).table() for number, file in enumerate(files)]
    index = pa.concat_tables([_SCHEMA.empty_table(), *tables])
    if not len(index) and other_kinds:
        kinds = ", ".join(f"{count} {kind}" for kind, count in other_kinds.most_common(5))
        raise SourceError(
            f"no workflow in {', '.join(file.label for file in files[:3])}: found {kinds}",
            hint="dump workflows with: kubectl get workflows -A -o json",
        )
    return _newest(index)


class _FileIndex:
    """The index of one file, in the making."""

    def __init__(self, number: int, file: SourceFile, selector: Selector, other_kinds: Counter[str]) -> None:
        self._number = number
        self._file = file
        self._selector = selector
        self._other_kinds = other_kinds
        self._batches: list[pa.RecordBatch] = []
        self._rows: list[tuple[Any, ...]] = []

    def table(self) -> pa.Table:
        # COPY doubles backslashes in a whole file or not at all. One line rarely tells: a lone backslash says no,
        # a line that is JSON only without the doubling says yes.
        plain = undoubled = False
        with closing(ByteStream(self._file)) as stream:
            for found in self._documents(stream):
                seen = look_at(found)
                undoubled = undoubled or seen.undoubled
                plain = plain or (found.value is not None and has_lone_backslash(found.data))
                if seen.other_kind:
                    self._other_kinds[seen.other_kind] += 1
                else:
                    self._add(seen, found)
            if stream.damaged:
                self._add_damage(stream)
        self._flush()
        table = pa.Table.from_batches(self._batches, _SCHEMA)
        if undoubled and not plain:
            forms = pc.bit_wise_or(table["form"], pa.scalar(int(Form.COPY_ESCAPED), pa.int8()))
            table = table.set_column(_FORM, _SCHEMA.field(_FORM), forms)
        return table

    def _documents(self, stream: ByteStream) -> Iterator[Found]:
        try:
            yield from find_documents(stream.read, line_by_line=self._file.has_lines)
        except EndlessDocument as e:
            raise SourceError(f"{self._file.label}: {e}", hint="is this a dump of workflows as JSON?") from e

    def _add(self, seen: Seen, found: Found) -> None:
        facts, nothing = seen.facts, None if seen.broken else ""
        revision = hashlib.sha256(found.data).hexdigest()[:_HASH_CHARS]
        key = (
            printable(facts.cluster or _DEFAULT_CLUSTER),
            printable(facts.instance_id or ""),
            printable(facts.uid or _UNKNOWN + revision),
            *(printable(text) if text else nothing for text in (facts.namespace, facts.name, facts.phase)),
            revision,
        )
        finished_at = printable(facts.finished_at or "")
        selected = self._selector.matches(facts.labels)
        place = (self._number, found.offset, len(found.data))
        order = (facts.resource_version, finished_at)
        self._rows.append((*key, *order, seen.broken, selected, int(seen.form), *place))
        if len(self._rows) == _ROWS_PER_BATCH:
            self._flush()

    def _add_damage(self, stream: ByteStream) -> None:
        """An empty document that tells of the rest of a damaged file: quarantine reports it."""
        name = f"{self._file.label}: the compressed data is damaged"
        identity = Found(stream.position, b"", None)
        uid = _UNKNOWN + hashlib.sha256(name.encode(errors="replace")).hexdigest()[:_HASH_CHARS]
        self._add(Seen(Facts(uid=uid, name=name), broken=True), identity)

    def _flush(self) -> None:
        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)]
            self._batches.append(pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA))
            self._rows = []


def _newest(index: pa.Table) -> pa.Table:
    """Of several documents with the same key the one that counts; see ``files``."""
    if len(index) < 2:
        return index
    older, newest = _ranked(index)
    # a broken document must not vanish behind a sound one: it becomes one whose uid is unknown
    broken = older.filter(older["broken"])
    uids = pc.binary_join_element_wise(_UNKNOWN, broken["revision"], "")
    broken = broken.set_column(_UID, _SCHEMA.field(_UID), uids)
    return _ranked(pa.concat_tables([newest, broken]))[1]


def _ranked(index: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The documents that are outdone by another one with the same key, and the others."""
    keys = [(name, "ascending") for name in ("cluster", "uid")]
    rank = [("broken", "descending"), ("resource_version", "ascending"), ("finished_at", "ascending")]
    order = pc.sort_indices(index, sort_keys=[*keys, *rank])
    cluster, uid = (index[name].take(order).combine_chunks() for name, _ in keys)
    repeated = pc.and_(pc.equal(cluster[:-1], cluster[1:]), pc.equal(uid[:-1], uid[1:]))
    outdone = pa.concat_arrays([repeated, pa.array([False])])
    return index.take(order.filter(outdone)), index.take(order.filter(pc.invert(outdone)))
