"""Texts → segments: files of text blocks, each with the file of its search index.

The caller's thread cuts texts into blocks and finds their lines; behind it one thread compresses and writes them, and
one makes the index. What is written depends on the texts and their order only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from kubectl_argo_archive.lake.datafiles import DataFiles
from kubectl_argo_archive.logs.ref import LineFacts, LogRef
from kubectl_argo_archive.logs.segment_file import SegmentFile
from kubectl_argo_archive.logs.segment_text import BLOCK_BYTES, Piece, TextCutter

BLOCKS = 1024
"""Blocks of a segment."""
ID_BITS = 20
"""Blocks are numbered from ``log_id << ID_BITS`` on, where the log is the first of the segment."""
_AHEAD = 4
_LITTLE = BLOCK_BYTES // 16


class SegmentWriter:
    """Writes the texts of one index run; see ``add``. One caller at a time.

    Args:
        files: take the finished files.
        export_id: of the run.
    """

    def __init__(self, files: DataFiles, export_id: str) -> None:
        self._files = files
        self._export_id = export_id
        self._worker = ThreadPoolExecutor(1, "log-segments")
        self._marker = ThreadPoolExecutor(1, "log-index")
        self._busy: deque[Future[None]] = deque()
        self._segment: SegmentFile | None = None
        self._month: str | None = None
        self._next_id = 0
        self._pieces: list[Piece] = []
        self._filled = 0

    def add(self, ref: LogRef, chunks: Iterable[bytes]) -> LineFacts:
        """Take one text.

        Args:
            ref: whose it is; texts come by month, with ascending ids.
            chunks: its bytes, cut anywhere.

        Returns:
            What was found in it.
        """
        if self._segment is not None and ref.month != self._month:
            self._end_segment()
        self._month = ref.month
        cutter = TextCutter(ref)
        for chunk in chunks:
            cutter.feed(chunk)
            while piece := cutter.take(self._room(cutter)):
                self._put(piece)
        while piece := cutter.take(self._room(cutter), last=True):
            self._put(piece)
        return cutter.facts()

    def close(self) -> None:
        """Write what is open; nothing can be added any more."""
        try:
            self._end_segment()
            while self._busy:
                self._busy.popleft().result()
        finally:
            self._marker.shutdown(cancel_futures=True)
            self._worker.shutdown(cancel_futures=True)

    def _room(self, cutter: TextCutter) -> int:
        """Bytes that the next piece may have; the last bit of a block is left to texts that fit into it."""
        left = BLOCK_BYTES - self._filled
        if self._pieces and left < _LITTLE and cutter.waiting > left:
            self._end_block()
            return BLOCK_BYTES
        return left

    def _put(self, piece: Piece) -> None:
        if piece.part:  # a piece of a long line has a block of its own
            self._end_block()
        self._pieces.append(piece)
        self._filled += len(piece.data)
        if piece.part or self._filled >= BLOCK_BYTES - 64:
            self._end_block()

    def _end_block(self) -> None:
        """Hand the block over to the other thread."""
        if not self._pieces:
            return
        pieces, self._pieces, self._filled = self._pieces, [], 0
        segment = self._segment
        if segment is None:
            first = max(pieces[0].log_id << ID_BITS, self._next_id)
            segment = self._segment = SegmentFile(self._files, self._month, first)
        self._next_id = segment.first + segment.blocks + 1
        segment.blocks += 1
        marked = self._marker.submit(segment.mark, pieces)

        def write() -> None:
            segment.write(pieces)
            marked.result()

        self._submit(write)
        if segment.blocks >= BLOCKS:
            self._end_segment()

    def _end_segment(self) -> None:
        self._end_block()
        segment, self._segment = self._segment, None
        if segment is not None:
            self._submit(segment.finish)

    def _submit(self, work: Callable[[], None]) -> None:
        while len(self._busy) >= _AHEAD or (self._busy and self._busy[0].done()):
            self._busy.popleft().result()
        self._busy.append(self._worker.submit(work))
