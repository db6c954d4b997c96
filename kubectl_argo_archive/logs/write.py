"""Writes the rows of an index run: reads what must be read, gives its text to the line store, notes what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import pyarrow as pa

from kubectl_argo_archive.lake.datafiles import NULL_MONTH
from kubectl_argo_archive.lake.lake import LakeWriter
from kubectl_argo_archive.logs import decide
from kubectl_argo_archive.logs.decode import Decoding, decoded
from kubectl_argo_archive.logs.fetch import Prefetch, Stream, Wanted
from kubectl_argo_archive.logs.mask import Mask, Masked
from kubectl_argo_archive.logs.ref import LineFacts, LogRef
from kubectl_argo_archive.logs.result import IndexResult
from kubectl_argo_archive.logs.segment import SegmentWriter
from kubectl_argo_archive.logs.survey import Stores
from kubectl_argo_archive.logs.workspace import Workspace
from kubectl_argo_archive.storage.objects import ObjectChanged, ObjectGone, ObjectRefused, Place
from kubectl_argo_archive.tables.log_schema import LOG_EVENTS, LOG_OBJECTS

BATCH_ROWS = 1000
MAX_TEXT_BYTES = 8 << 30
"""A compressed object that grows beyond this is cut: it is no log, but a bomb."""
_BINARY_SHARE = 0.05
_FEW_CONTROLS = 16
_CONTROLS = bytes(c for c in range(32) if c not in b"\a\b\t\n\f\r\x1b")
_KEPT = ("text_bytes", "lines", "first_at", "last_at", "levels", "masked", "mask_rules", "compression", "message")
"""What a row takes over from its predecessor when its object is the same."""

Row = dict[str, Any]


@dataclass(slots=True)
class _Read:
    """What reading one object came to."""

    status: str | None = None
    message: str | None = None
    decoding: Decoding = field(default_factory=Decoding)
    masked: Masked = field(default_factory=Masked)
    lines: LineFacts | None = None


class Writer:
    """Writes what the tables ``work`` and ``decided`` of a workspace ask for.

    Attributes:
        new: logs written for the first time.
        changed: logs written again.
        gone: objects found gone.
        superseded: rows that are replaced.
        dead_texts: texts that are replaced.
        last_log_id: highest id given so far.
    """

    def __init__(self, lake: LakeWriter, index_id: str, stores: Stores, mask: bool, at_once: int,
                 advance: Callable[[int, int], None]) -> None:  # fmt: skip
        self._files = lake.files
        self._index_id = index_id
        self._stores = stores
        self._mask = Mask() if mask else None
        self._at_once = at_once
        self._advance = advance
        self._segment = SegmentWriter(lake.files, index_id)
        self._now = datetime.now(UTC)
        self._rows: dict[str | None, list[Row]] = {}
        self._events: list[Row] = []
        self._texts: dict[tuple[str, ...], tuple[int | None, Row]] = {}
        self._dead: set[int] = set()
        self.new = self.changed = self.gone = self.superseded = 0
        self.read = self.text_bytes = self.lines = self._noted = 0
        self.mask_rules: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.last_log_id = lake.before.logs if lake.before else 0

    @property
    def wrote(self) -> bool:
        """Whether there is anything to publish."""
        return bool(self.new or self.changed or self._noted)

    @property
    def dead_texts(self) -> int:
        """Texts that are replaced."""
        return len(self._dead)

    def write(self, space: Workspace) -> None:
        """Do everything, up to the publish."""
        for row in decide.settled(space):
            self._add(row, row["new_status"], row["problem"] if row["new_status"] == "unreadable" else None)
        self._read_all(decide.to_read(space))
        for row in decide.dependent(space):
            text_id, facts = self._texts.get(_object(row), (row["live_text"], {}))
            self._add(row, facts.get("status", row["new_status"]), facts.get("message"), text_id=text_id, facts=facts)
        for event in decide.events(space):
            self.gone += event["kind"] == "gone"
            self._event(event, event["log_id"], event["kind"])
        self._segment.close()
        self._flush()

    def add_to(self, result: IndexResult) -> None:
        """Add up what this publish did."""
        result.new += self.new
        result.changed += self.changed
        result.gone += self.gone
        result.read += self.read
        result.text_bytes += self.text_bytes
        result.lines += self.lines
        result.masked += self.mask_rules.total()
        result.mask_rules.update(self.mask_rules)
        result.written.update(self.statuses)

    def _read_all(self, rows: Iterator[Row]) -> None:
        with Prefetch((self._wanted(row) for row in rows), self._at_once) as fetched:
            for row, stream in fetched:
                self._read_one(row, stream)
                self._advance(1, max(row["size"] - stream.bytes, 0))

    def _wanted(self, row: Row) -> Wanted[Row]:
        place = Place(row["kind"], row["bucket"], row["endpoint"], row["region"] or "")
        return Wanted(row, self._stores.get(place), row["key"], row["size"], row["etag"])

    def _read_one(self, row: Row, stream: Stream) -> None:
        found = _Read(decoding=Decoding(limit=MAX_TEXT_BYTES))
        chunks = self._chunks(stream, found)
        first = next(chunks, None)
        text_id = None
        if first is not None:
            text_id = self.last_log_id + 1
            found.lines = self._segment.add(_ref(row, text_id), chain([first], chunks))
        status, message = _outcome(row, found, first)
        same_refusal = (status, message) == (row["status"], row["message"]) and text_id is None
        if same_refusal and row["old_log_id"] is not None and row["etag"] == row["old_etag"]:
            return  # as it was: nothing to write
        self.read += 1
        facts: Row = {
            "status": status,
            "message": message,
            "compression": found.decoding.compression,
            "text_bytes": found.decoding.text_bytes if first is not None else (0 if status == "empty" else None),
            "masked": found.masked.count,
            "mask_rules": found.masked.rules,
        }
        if found.lines is not None:
            facts |= {"lines": found.lines.lines, "first_at": found.lines.first_at, "last_at": found.lines.last_at,
                      "levels": found.lines.levels}  # fmt: skip
            self.lines += found.lines.lines
            self.text_bytes += found.decoding.text_bytes
            self.mask_rules.update(found.masked.rules)
        self._add(row, status, message, text_id=text_id, facts=facts)
        if row["new_status"] == "ambiguous":
            self._texts[_object(row)] = (text_id, facts)

    def _chunks(self, stream: Stream, found: _Read) -> Iterator[bytes]:
        chunks = decoded(self._raw(stream, found), found.decoding)
        return self._mask.apply(chunks, found.masked) if self._mask else chunks

    def _raw(self, stream: Stream, found: _Read) -> Iterator[bytes]:
        """The object's bytes; what is wrong with this object alone ends them and is noted."""
        try:
            for chunk in stream:
                self._advance(0, len(chunk))
                yield chunk
        except ObjectGone:
            found.status, found.message = "missing", None
        except ObjectChanged:
            found.status, found.message = "unreadable", "it changed while it was read; the next run takes it"
        except ObjectRefused as refused:
            found.status, found.message = "unreadable", str(refused)

    def _add(self, row: Row, status: str, message: str | None, *, text_id: int | None = None,
             facts: Row | None = None) -> None:  # fmt: skip
        self.last_log_id += 1
        if row["action"] == "restate" and not row["must_read"]:  # same object: what was found in it stays true
            facts = {name: row[name] for name in _KEPT} | (facts or {})
            text_id = text_id or (row["live_text"] if status in ("indexed", "ambiguous") or row["owner"] else None)
            message = message or row["message"]
        written: Row = {name: row.get(name) for name in LOG_OBJECTS.schema.names}
        written |= dict.fromkeys((*_KEPT, "text_id")) | (facts or {})
        written |= {"log_id": self.last_log_id, "status": status, "message": message, "text_id": text_id,
                    "size": row["size"], "etag": row["etag"], "modified_at": row["modified_at"],
                    "indexed_at": self._now, "export_id": self._index_id}  # fmt: skip
        self._rows.setdefault(row["month"], []).append(written)
        self.statuses[status] += 1
        if row["old_log_id"] is None:
            self.new += 1
        else:
            self.changed += 1
            self.superseded += 1
            self._event(row, row["old_log_id"], "superseded")
            self._bury(row, row["text_id"])
        if len(self._rows[row["month"]]) >= BATCH_ROWS:
            self._flush()

    def _bury(self, row: Row, text_id: int | None) -> None:
        """Note that a text is no longer that of its object, unless another log still stands for it."""
        if row["action"] == "renew" and text_id is not None and not row["text_kept"] and text_id not in self._dead:
            self._dead.add(text_id)
            self._event(row, text_id, "text_superseded")

    def _event(self, row: Row, log_id: int, kind: str) -> None:
        self._noted += 1
        self._events.append({"cluster": row["cluster"], "uid": row["uid"], "log_id": log_id, "kind": kind,
                             "noticed_at": self._now, "export_id": self._index_id})  # fmt: skip

    def _flush(self) -> None:
        for month, rows in self._rows.items():
            table = pa.Table.from_pylist([_storable(row) for row in rows], LOG_OBJECTS.schema)
            self._files.append(LOG_OBJECTS, month or NULL_MONTH, table)
        self._rows.clear()
        if self._events:
            self._files.append(LOG_EVENTS, None, pa.Table.from_pylist(self._events, LOG_EVENTS.schema))
        self._events = []


def _storable(row: Row) -> Row:
    return {name: sorted(value.items()) if isinstance(value, dict) else value for name, value in row.items()}


def _object(row: Row) -> tuple[str, ...]:
    return tuple(row[name] for name in ("kind", "endpoint", "bucket", "key"))


def _outcome(row: Row, found: _Read, first: bytes | None) -> tuple[str, str | None]:
    """Status and message of a row whose object was read."""
    if found.status:
        return found.status, found.message
    if found.decoding.damage:
        return "unreadable", found.decoding.damage
    if found.decoding.cut:
        return "too_large", f"only the first {found.decoding.text_bytes} bytes of its text are indexed"
    if first is None:
        return "empty", "there is nothing in it once it is decompressed"
    return row["new_status"], "it looks binary" if _binary(first) else None


def _binary(sample: bytes) -> bool:
    """Whether a text is none: many control characters, ANSI colours and tabs aside."""
    sample = sample[: 64 << 10]
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    return controls > max(len(sample) * _BINARY_SHARE, _FEW_CONTROLS)


def _ref(row: Row, log_id: int) -> LogRef:
    around = (row["modified_at"] if row["new_status"] == "overwritten" else None) or row["node_finished_at"]
    return LogRef(
        log_id=log_id, cluster=row["cluster"], uid=row["uid"], version=row["version"],
        namespace=row["namespace"] or "", workflow=row["workflow"] or "", template=row["template_name"] or "",
        node_id=row["node_id"], container=row["container"], bucket=row["bucket"], key=row["key"], month=row["month"],
        around=around or row["modified_at"] or row["node_started_at"] or datetime.now(UTC),
    )  # fmt: skip
