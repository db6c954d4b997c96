"""One DuckDB: made, given the views of a statement, locked, run, watched, thrown away.

Once locked it reads the files of the snapshot that the statement needs and nothing else, for good: no other file,
no URL, no extension, no setting. It may spill to a temporary folder of its own.
"""

from __future__ import annotations

import math
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import duckdb

from kubectl_argo_archive.errors import ArgoArchiveError, LakeError, QueryError
from kubectl_argo_archive.query import mistakes
from kubectl_argo_archive.query.limits import CONTAINER_SHARE, MINIMUM_BYTES, Limits, container_cpus, container_memory
from kubectl_argo_archive.query.s3 import LakeStorage, reach

_CONFIG: Mapping[str, str | bool | int | float | list[str]] = {
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",  # a table must never be a Python variable of ours
    "errors_as_json": "true",
}
_STORAGE_ERRORS = (duckdb.IOException, duckdb.HTTPException)
_KEYS_LAST_S = 300.0
_INTERRUPTED = ("INTERRUPT Error", '"exception_type":"INTERRUPT"', "Query interrupted")


class Engine:
    """An in-memory DuckDB with the limits of one query. Close it: it owns a temporary folder.

    Args:
        limits: memory and time.
        lossless: hand types that Arrow lacks over exactly (for rows), not as the nearest Arrow type (for files).
    """

    def __init__(self, limits: Limits, *, lossless: bool = True) -> None:
        self._limits = limits
        self._storage: LakeStorage | None = None
        self._spill = _private_folder()
        self._urls: frozenset[str] = frozenset()
        self._timer: threading.Timer | None = None
        self._timed_out = False
        self._born = time.monotonic()
        self.lossless = lossless
        self._has: frozenset[str] | None = None
        try:
            self.con = duckdb.connect(
                config={
                    **_CONFIG,
                    **self._resources(),
                    "arrow_lossless_conversion": lossless,
                    "temp_directory": self._spill.name if self._spill else "",
                }
            )
            # a progress bar would write to standard output
            self.con.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        except duckdb.Error as error:
            self._clean()
            raise QueryError(f"DuckDB does not start: {error}") from error

    @property
    def fresh(self) -> bool:
        """True before it is locked."""
        return self._has is None

    def serves(self, needs: frozenset[str], *, lossless: bool) -> bool:
        """Whether another statement with these needs may run here; keys for S3 must not grow old."""
        young = self._storage is None or time.monotonic() - self._born < _KEYS_LAST_S
        return self._has is not None and needs <= self._has and lossless == self.lossless and young

    def prepare(self, statements: Iterable[str], urls: Iterable[str], storage: LakeStorage | None) -> None:
        """Make the views that a statement needs.

        Args:
            statements: ours, not a user's.
            urls: the files that they read.
            storage: where these lie; None for files of this machine.

        Raises:
            StorageError, StorageUnreachable, LakeError: the files cannot be read.
        """
        self._storage = storage
        self._urls = frozenset(urls)
        with self.watched():
            if storage is not None:
                reach(self.con, storage)
            # a file that two parts of a statement read gives its footer once
            self.con.execute("SET parquet_metadata_cache = true")
            for statement in statements:
                self.con.execute(statement)

    def lock(self, has: frozenset[str]) -> None:
        """From now on only the prepared files can be read, and nothing can be changed; ``has``: see :meth:`serves`."""
        self._has = has
        paths = ", ".join("'" + url.replace("'", "''") + "'" for url in self._urls)
        self.con.execute(
            f"SET allowed_paths = [{paths}]; SET enable_external_access = false; SET lock_configuration = true"
        )

    def start_clock(self) -> None:
        """From now on the time limit counts, afresh."""
        if self._timer is not None:
            self._timer.cancel()
        self._timed_out = False
        if self._limits.timeout_s is not None:
            self._timer = threading.Timer(self._limits.timeout_s, self._time_out)
            self._timer.daemon = True
            self._timer.start()

    def execute(self, sql: str, parameters: Mapping[str, object] | None) -> None:
        """Run a statement; its rows wait in ``con``. DuckDB's own errors pass through :meth:`watched` only."""
        self.con.execute(sql, dict(parameters) if parameters else None)

    def close(self) -> None:
        """Stop whatever runs and remove the temporary folder."""
        if self._timer is not None:
            self._timer.cancel()
        with suppress(duckdb.Error):
            self.con.interrupt()
            self.con.close()
        self._clean()

    def _clean(self) -> None:
        if self._spill is not None:
            self._spill.cleanup()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Turn what stops a query into our errors: time, memory, storage, Ctrl-C. Mistakes in the SQL pass.

        Raises:
            QueryError: too long, too much memory.
            StorageError, StorageUnreachable, LakeError: the lake's files cannot be read.
        """
        if self._timed_out:  # before DuckDB had begun
            raise self._too_long()
        try:
            yield
        except duckdb.OutOfMemoryException as error:
            raise self._out_of_memory(error) from error
        except (duckdb.Error, RuntimeError, OSError) as error:
            # errors of a running stream arrive through Arrow, as OSError with DuckDB's text
            text = str(error)
            if isinstance(error, ArgoArchiveError):
                raise
            if isinstance(error, duckdb.InterruptException) or any(word in text for word in _INTERRUPTED):
                if self._timed_out:
                    raise self._too_long() from error
                self.con.interrupt()  # DuckDB only stopped waiting: its threads would go on, and closing wait for them
                raise KeyboardInterrupt from error
            if text.startswith("Out of Memory Error"):
                raise self._out_of_memory(error) from error
            if (
                isinstance(error, _STORAGE_ERRORS)
                or text.startswith(("IO Error", "HTTP Error"))
                or self._names_file(text)
            ):
                self._storage_error(error)
            raise

    def _storage_error(self, error: Exception) -> NoReturn:
        if "No space left" in str(error) and self._spill is not None and self._spill.name in str(error):
            raise QueryError("no space left for intermediate results", "point TMPDIR to a larger disk") from error
        if self._storage is not None:
            try:
                with self._storage.errors():
                    raise error
            except ArgoArchiveError:
                raise
            except Exception:  # the storage has no part in it: a damaged file, perhaps
                pass
        raise LakeError(
            f"a file of the lake cannot be read: {mistakes.sentence(error)}",
            "restore it (a bucket keeps versions), or read an older state with --as-of",
        ) from error

    def _names_file(self, text: str) -> bool:
        return ".parquet" in text and any(url in text for url in self._urls)

    def _time_out(self) -> None:
        self._timed_out = True
        self.con.interrupt()

    def _too_long(self) -> QueryError:
        return QueryError(
            f"the query was stopped after its time limit of {self._limits.timeout_s:g} seconds",
            "narrow it (a condition on month or finished_at skips files), or raise --timeout",
        )

    def _out_of_memory(self, error: Exception) -> QueryError:
        row = None
        with suppress(duckdb.Error):
            row = self.con.execute("SELECT current_setting('memory_limit')").fetchone()
        if "max_temp_directory_size" in str(error) or "failed to offload" in str(error):
            return QueryError("no space left for intermediate results", "point TMPDIR to a larger disk")
        limit = f" of {row[0]}" if row else ""
        return QueryError(
            f"the query needs more memory than its limit{limit}",
            "raise --memory-limit, select fewer columns, or narrow it",
        )

    def _resources(self) -> dict[str, Any]:
        """Memory and threads; what is not said here is DuckDB's own choice: 80 % of the machine, all processors."""
        resources: dict[str, Any] = {}
        memory = self._limits.memory_bytes
        if memory is None and (container := container_memory()) is not None:
            memory = max(int(container * CONTAINER_SHARE), MINIMUM_BYTES)
        if memory is not None:
            resources["memory_limit"] = f"{memory}B"
        if (cpus := container_cpus()) is not None:
            resources["threads"] = max(math.ceil(cpus), 1)
        return resources


def _private_folder() -> tempfile.TemporaryDirectory[str] | None:
    """For intermediate results that do not fit memory; None on a machine where nothing can be written."""
    try:
        return tempfile.TemporaryDirectory(prefix="kubectl-argo-archive-", ignore_cleanup_errors=True)
    except OSError:
        return None
