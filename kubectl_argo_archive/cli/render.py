"""Results of queries on their way out, in eleven formats; ``docs/cli.md`` states what each promises."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, BinaryIO

from kubectl_argo_archive.cli.encode import to_json, to_text, unique_names
from kubectl_argo_archive.cli.render_table import Fit, table, vertical
from kubectl_argo_archive.errors import QueryError

if TYPE_CHECKING:
    import pyarrow as pa

    from kubectl_argo_archive.query.result import ResultSet

FORMATS = ("table", "wide", "vertical", "json", "jsonl", "csv", "tsv", "markdown", "yaml", "parquet", "arrow")
FOR_PEOPLE = ("table", "wide", "vertical")
BINARY = ("parquet", "arrow")
ENDINGS = {
    ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".tab": "tsv",
    ".md": "markdown", ".yaml": "yaml", ".yml": "yaml", ".parquet": "parquet", ".arrow": "arrow", ".arrows": "arrow",
    ".txt": "wide",
}  # fmt: skip
"""What ``--out FILE`` means without ``-o``."""

_CHUNK = 1 << 16
_QUOTED = re.compile(r'[,"\r\n]').search


@dataclass(slots=True)
class Shown:
    """What was written.

    Attributes:
        rows: so many.
        more: a limit has cut further rows off.
        fit: what did not fit the terminal.
    """

    rows: int = 0
    more: bool = False
    fit: Fit = field(default_factory=Fit)


def render(
    result: ResultSet, format: str, sink: BinaryIO, *, limit: int | None = None, width: int | None = None
) -> Shown:
    """Write all rows, as they come.

    Args:
        result: read to its end, or to ``limit``.
        format: one of :data:`FORMATS`.
        sink: gets UTF-8 or, for ``parquet`` and ``arrow``, bytes.
        limit: at most so many rows.
        width: columns of the terminal; only ``table`` keeps within it.

    Raises:
        QueryError: the query fails on the way, or the format cannot hold the result.
    """
    shown = Shown()
    if format in BINARY:
        _write_arrow(result, format, sink, limit)
    elif format in ("table", "wide"):
        _write(sink, table(result.columns, result.rows(limit), width if format == "table" else None, shown.fit))
    elif format == "vertical":
        _write(sink, vertical(result.columns, result.rows(limit)))
    else:
        _write(sink, _LINES[format](result, limit))
    shown.rows, shown.more = result.rows_read, result.more
    return shown


def _write(sink: BinaryIO, lines: Iterator[str]) -> None:
    waiting: list[str] = []
    size = 0
    for line in lines:
        waiting.append(line)
        size += len(line)
        if size >= _CHUNK:
            sink.write("".join(f"{line}\n" for line in waiting).encode())
            waiting, size = [], 0
    sink.write("".join(f"{line}\n" for line in waiting).encode())
    sink.flush()


def _objects(result: ResultSet, limit: int | None) -> Iterator[str]:
    names = [encode_basestring(name) for name in unique_names([column.name for column in result.columns])]
    form = "{" + ", ".join(f"{name.replace('%', '%%')}: %s" for name in names) + "}"
    for row in chain.from_iterable(result.rows(limit)):
        yield form % tuple(map(to_json, row))


def _json(result: ResultSet, limit: int | None) -> Iterator[str]:
    """An array of objects, one a line."""
    before = None
    for text in _objects(result, limit):
        if before is not None:
            yield before + ","
        before = ("[\n" if before is None else "") + text
    yield "[]" if before is None else before
    if before is not None:
        yield "]"


def _csv(result: ResultSet, limit: int | None) -> Iterator[str]:
    """RFC 4180 with Unix line ends. NULL is empty, an empty text is ``""``, as in psql."""
    yield ",".join(_csv_cell(column.name) for column in result.columns)
    for row in chain.from_iterable(result.rows(limit)):
        # readers skip an empty line: the only cell of a row is never nothing
        yield ",".join(["" if value is None else _csv_cell(to_text(value)) for value in row]) or '""'


def _csv_cell(text: str) -> str:
    if not text or _QUOTED(text):
        return '"' + text.replace('"', '""') + '"'
    return text


def _tsv(result: ResultSet, limit: int | None) -> Iterator[str]:
    """One row a line, whatever it holds: tab, line break and backslash are escaped with a backslash."""
    escapes = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
    yield "\t".join(column.name.translate(escapes) for column in result.columns)
    for row in chain.from_iterable(result.rows(limit)):
        yield "\t".join([to_text(value).translate(escapes) for value in row])


def _markdown(result: ResultSet, limit: int | None) -> Iterator[str]:
    escapes = str.maketrans({c: f"\\{c}" for c in "\\|<*`"} | {"\n": "<br>", "\r": ""})
    yield "| " + " | ".join(column.name.translate(escapes) for column in result.columns) + " |"
    yield "| " + " | ".join("---:" if column.numeric else "---" for column in result.columns) + " |"
    for row in chain.from_iterable(result.rows(limit)):
        yield "| " + " | ".join([to_text(value).translate(escapes) for value in row]) + " |"


def _yaml(result: ResultSet, limit: int | None) -> Iterator[str]:
    from kubectl_argo_archive.cli.render_yaml import dump

    names = unique_names([column.name for column in result.columns])
    empty = True
    for rows in result.rows(limit):
        empty = False
        yield dump([dict(zip(names, row, strict=True)) for row in rows])
    if empty:
        yield "[]"


_LINES: dict[str, Callable[[Any, int | None], Iterator[str]]] = {
    "json": _json, "jsonl": _objects, "csv": _csv, "tsv": _tsv, "markdown": _markdown, "yaml": _yaml,
}  # fmt: skip


def _write_arrow(result: ResultSet, format: str, sink: BinaryIO, limit: int | None) -> None:
    """Parquet, or an Arrow IPC stream: batch by batch."""
    import pyarrow as pa

    schema, batches = result.record_batches(limit)
    names = unique_names(schema.names)
    schema = pa.schema([f.with_name(name) for f, name in zip(schema, names, strict=True)])
    try:
        with _writer(format, _Counting(sink), schema) as writer:
            for batch in batches:
                writer.write_batch(batch.rename_columns(names))
    except pa.ArrowNotImplementedError as error:
        raise QueryError(
            f"{format} cannot hold this result: {error}", "cast the column to text: column::VARCHAR"
        ) from error
    sink.flush()


def _writer(format: str, sink: _Counting, schema: pa.Schema) -> Any:
    import pyarrow as pa

    if format == "arrow":
        return pa.ipc.new_stream(sink, schema)
    import pyarrow.parquet as pq

    return pq.ParquetWriter(sink, schema, compression="zstd")


class _Counting(io.RawIOBase):
    """A sink that knows its position, which a pipe does not."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._sink.write(view)
        self._size += len(view)
        return len(view)

    def tell(self) -> int:
        return self._size
