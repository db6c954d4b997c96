"""A stored file as a file object that reads just what it is asked for."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubectl_argo_archive.storage.filesystem import Storage


class RangeFile(io.RawIOBase):
    """Reads ranges of a file of known size: one request each, none to find out what is known, nothing read ahead.

    Args:
        storage: where it lies.
        path: as ``Storage.path`` gives it.
        size: bytes.
    """

    def __init__(self, storage: Storage, path: str, size: int) -> None:
        self._storage, self._path, self._size = storage, path, size
        self._position = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; see :meth:`io.IOBase.seek`."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes, fewer only at the end."""
        left = max(0, self._size - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        if not wanted:
            return b""
        data: bytes = self._storage.fs.cat_file(self._path, start=self._position, end=self._position + wanted)
        self._position += len(data)
        return data
