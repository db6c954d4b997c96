"""Hits of a search on their way out, one after the other, as they are found."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import click

if TYPE_CHECKING:
    from kubectl_argo_archive.logs.search_hits import Hit, Line
    from kubectl_argo_archive.logs.search_logs import Log

FORMATS = ("table", "json", "jsonl", "csv")
_CSV = ("cluster", "namespace", "workflow", "uid", "node_id", "template", "container", "attempt", "bucket", "key",
        "line_no", "byte_offset", "at", "level", "message")  # fmt: skip
_LOG_CSV = ("cluster", "namespace", "workflow", "uid", "node_id", "template", "container", "attempt", "bucket", "key")
_SHOWN = 2000
"""Characters of one line in a table; the other formats show it whole."""


def hits(found: Iterable[Hit], format: str, sink: BinaryIO, *, context: bool, colour: bool) -> int:
    """Write hits; returns how many there were."""
    from kubectl_argo_archive.logs.search_hits import as_dict

    counted = _Counter(found)
    if format == "table":
        lines = _table(counted, context, colour)
    elif format == "csv":
        lines = _csv(_CSV, (as_dict(hit) for hit in counted))
    else:
        lines = _json((as_dict(hit) for hit in counted), array=format == "json")
    _write(sink, lines)
    return counted.count


def logs(found: Iterable[tuple[Log, int]], format: str, sink: BinaryIO, *, counts: bool) -> int:
    """Write logs with matching lines, and how many these are if ``counts``; returns the number of logs."""
    counted = _Counter(found)
    lines: Iterator[str]
    if format == "table":
        lines = (f"{number:>9,}  {_title(log)}\n" if counts else f"{_title(log)}\n" for log, number in counted)
    elif format == "csv":
        names = (*_LOG_CSV, "count") if counts else _LOG_CSV
        lines = _csv(names, (_log(log, number, counts) for log, number in counted))
    else:
        lines = _json((_log(log, number, counts) for log, number in counted), array=format == "json")
    _write(sink, lines)
    return counted.count


class _Counter:
    """Counts what passes."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = items
        self.count = 0

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            self.count += 1
            yield item


def _write(sink: BinaryIO, lines: Iterable[str]) -> None:
    """The first hits at once, later ones in larger portions."""
    waiting: list[str] = []
    size, portion = 0, 0
    for line in lines:
        waiting.append(line)
        size += len(line)
        if size >= portion:
            sink.write("".join(waiting).encode("utf-8", "replace"))
            sink.flush()
            waiting.clear()
            size, portion = 0, min(1 << 16, portion + 256)
    sink.write("".join(waiting).encode("utf-8", "replace"))
    sink.flush()


def _title(log: Log) -> str:
    attempt = "" if log.attempt is None else f" attempt {log.attempt}"
    ended = "" if not log.phase else f" {log.phase}" + (f" ({log.exit_code})" if log.exit_code else "")
    return (
        f"{log.namespace}/{log.workflow}  {log.template or '-'} {log.node_id} [{log.container}]{attempt}{ended}"
        f"  uid {log.uid}  {log.url}"
    )


def _table(found: Iterable[Hit], context: bool, colour: bool) -> Iterator[str]:
    """Hits under a line that says whose log it is."""
    last: Log | None = None
    shown = 0  # last line number that was printed of this log
    for hit in found:
        log = hit.log
        assert log is not None
        if last is None or (log.log_id, hit.log_id) != (last.log_id, hit.log_id) or log is not last:
            title = _title(log)
            yield ("\n" if last else "") + (click.style(title, bold=True) if colour else title) + "\n"
            last, shown = log, 0
        before = [line for line in hit.before if line.line_no > shown]
        if context and shown and (before[0].line_no if before else hit.line_no) > shown + 1:
            yield "      --\n"
        yield from (_neighbour(line) for line in before)
        if hit.line_no > shown:
            at = hit.at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if hit.at else "-"
            number = click.style(f"{hit.line_no:>8}", fg="green") if colour else f"{hit.line_no:>8}"
            yield f"{number}  {at:<24}  {hit.level or '-':<5}  @{hit.byte_offset:<9} {_plain(hit.message)}\n"
        yield from (_neighbour(line) for line in hit.after if line.line_no > max(shown, hit.line_no))
        shown = max(shown, hit.line_no, hit.after[-1].line_no if hit.after else 0)


def _neighbour(line: Line) -> str:
    return f"{line.line_no:>8}- {'':<24}  {'':<5}  {'':<10} {_plain(line.message)}\n"


def _plain(message: str) -> str:
    """A line for a terminal: no control characters, and not endless."""
    cut = message[:_SHOWN]
    if not cut.isprintable():
        cut = "".join(c if c.isprintable() or c == "\t" else f"\\x{ord(c):02x}" if ord(c) < 256 else "\ufffd"
                      for c in cut.removesuffix("\r"))  # fmt: skip
    return cut + (" …" if len(message) > _SHOWN else "")


def _json(rows: Iterable[dict[str, Any]], *, array: bool) -> Iterator[str]:
    if not array:
        yield from (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return
    first = True
    for row in rows:
        yield ("[\n" if first else ",\n") + json.dumps(row, ensure_ascii=False)
        first = False
    yield "[]\n" if first else "\n]\n"


def _csv(names: tuple[str, ...], rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(row)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _log(log: Log, count: int, counts: bool) -> dict[str, Any]:
    row = {
        "cluster": log.cluster, "namespace": log.namespace, "workflow": log.workflow, "uid": log.uid,
        "node_id": log.node_id, "template": log.template, "container": log.container, "attempt": log.attempt,
        "bucket": log.bucket, "key": log.key, "url": log.url,
    }  # fmt: skip
    return {**row, "count": count} if counts else row
