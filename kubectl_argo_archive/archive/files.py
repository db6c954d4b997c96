"""Dumps of archived workflows in files: everything that a database does, offline.

A file holds documents one a line (NDJSON), one after another, in an array, or in a Kubernetes list; gzip and
Zstandard are unpacked on the fly. A document is a Workflow (``kubectl get wf -o json``, ``argo archive get -o
json``) or a row of Argo's table (``psql -Atc "select row_to_json(w) from argo_archived_workflows w"``, or the
same by ``\\copy``, whose doubled backslashes are undone).

Of several documents with the same cluster and uid the one with the greatest ``metadata.resourceVersion``
counts, then the one that finished last, then the last one. A document that has no uid, or is broken and has
another one's, gets a uid made from its content, so that it reaches flattening and is reported there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from kubectl_argo_archive.archive.batches import MendedBatches
from kubectl_argo_archive.archive.facts import instant
from kubectl_argo_archive.archive.files_documents import document_at
from kubectl_argo_archive.archive.files_index import build_index
from kubectl_argo_archive.archive.files_open import STDIN, ByteStream, SourceFile, list_files
from kubectl_argo_archive.archive.selector import Selector, parse_selector
from kubectl_argo_archive.archive.workflow_archive import KEY_SCHEMA, ArchiveInfo, Selection

_PLACES_PER_STEP = 10_000


class FilesArchive:
    """The archive in files.

    Args:
        sources: paths of files or folders, patterns, or ``-`` for standard input.
    """

    def __init__(self, sources: Sequence[str]) -> None:
        self._sources = tuple(sources)

    def __repr__(self) -> str:
        return f"FilesArchive({self._sources!r})"

    @contextmanager
    def snapshot(self) -> Iterator[FilesSnapshot]:
        """Look the files up; see :class:`WorkflowArchive`. A file that changes later is an error then.

        Raises:
            ConfigError: no such file.
            SourceError: a file that cannot be read, a folder without dumps.
        """
        with ExitStack() as cleanup:
            yield FilesSnapshot(self._info(), list_files(self._sources, cleanup))

    def _info(self) -> ArchiveInfo:
        places = [s if s == STDIN else str(Path(s).expanduser().absolute()) for s in self._sources]
        return ArchiveInfo(display=" ".join(self._sources), source_id=f"file:{' '.join(places)}", complete=False)


class FilesSnapshot:
    """The documents of some files; see :class:`ArchiveSnapshot`."""

    def __init__(self, info: ArchiveInfo, files: list[SourceFile]) -> None:
        self._info = info
        self._files = files
        self._index: pa.Table | None = None

    @property
    def info(self) -> ArchiveInfo:
        return self._info

    def keys(self) -> pa.Table:
        """All keys; see :class:`ArchiveSnapshot`."""
        return self._known().select(KEY_SCHEMA.names)

    def select(self, selection: Selection) -> pa.Table:
        """The keys of a selection; see :class:`ArchiveSnapshot`.

        Raises:
            ConfigError: the label selector is malformed.
        """
        index = self._matching(parse_selector(selection.labels)) if selection.labels else self._known()
        if selection.namespaces:
            index = index.filter(pc.is_in(index["namespace"], pa.array(selection.namespaces, pa.string())))
        if selection.since or selection.until:
            in_time = [_in_time(finished_at, selection) for finished_at in index["finished_at"].to_pylist()]
            index = index.filter(pa.array(in_time, pa.bool_()))
        return index.select(KEY_SCHEMA.names)

    def rows(self, keys: pa.Table | None, *, batch_bytes: int) -> Iterator[pa.RecordBatch]:
        """The rows of ``keys``; see :class:`ArchiveSnapshot`.

        Compressed files can only be read forwards: with one of them the order is that of the files.
        """
        index = self._known()
        if keys is not None:
            wanted = keys.select(["cluster", "uid"]).cast(pa.schema([index.field("cluster"), index.field("uid")]))
            index = index.join(wanted, keys=["cluster", "uid"], join_type="left semi")
        forwards = any(file.codec for file in self._files)
        order = ["file", "offset"] if forwards else ["finished_at", "file", "offset"]
        index = index.take(pc.sort_indices(index, sort_keys=[(column, "ascending") for column in order]))
        batches = MendedBatches(batch_bytes)
        with ExitStack() as cleanup:
            opened: tuple[int, ByteStream] | None = None
            for step in index.to_batches(_PLACES_PER_STEP):
                for place in step.to_pylist():
                    if opened is None or opened[0] != place["file"]:
                        cleanup.close()
                        opened = (place["file"], ByteStream(self._files[place["file"]]))
                        cleanup.callback(opened[1].close)
                    raw = opened[1].read_at(place["offset"], place["length"])
                    key = tuple(place[name] for name in KEY_SCHEMA.names)
                    yield from batches.add(key, document_at(raw, place["form"]))
        yield from batches.finish()

    def _known(self) -> pa.Table:
        """The index of all documents; made once."""
        if self._index is None:
            self._index = build_index(self._files, Selector())
        return self._index

    def _matching(self, selector: Selector) -> pa.Table:
        """The same of those with matching labels: labels are not kept, so this reads the files again."""
        index = build_index(self._files, selector)
        if self._index is None:
            self._index = index
        return index.filter(index["selected"])


def _in_time(finished_at: str, selection: Selection) -> bool:
    """Decided by the JSON; where it has no time, the pipeline decides."""
    finished = instant(finished_at)
    if finished is None:
        return True
    after = selection.since is None or finished >= _aware(selection.since)
    return after and (selection.until is None or finished < _aware(selection.until))


def _aware(bound: datetime) -> datetime:
    return bound if bound.tzinfo else bound.replace(tzinfo=UTC)
