"""The lake as a whole: many Delta tables, one publish.

Data files are written first, then one commit per table, and last one commit of the ledger ``exports``. Delta is
atomic per table; the ledger makes it atomic for all: readers open every table at the version that the newest
ledger row names. A writer that dies leaves versions that no ledger row names; the next writer undoes them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from kubectl_argo_archive import __version__
from kubectl_argo_archive.errors import ArgoArchiveError, LakeError
from kubectl_argo_archive.lake.delta import AddedFile, DeltaTables, reading
from kubectl_argo_archive.lake.lock import WriterLock
from kubectl_argo_archive.lake.snapshot import Snapshot
from kubectl_argo_archive.storage.filesystem import Storage
from kubectl_argo_archive.tables.schema import EXPORTS, SCHEMA_VERSION, STORED, TableSpec

if TYPE_CHECKING:
    from kubectl_argo_archive.lake.datafiles import DataFiles

_LEDGER_KEY = "kubectl-argo-archive.publish"
"""Commit metadata of the ledger: a reader learns the newest row from the log, without opening a data file."""

_TABLES_AT_ONCE = 8
"""Their logs are independent, and each takes several round trips to the storage."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Lake:
    """Reads and writes the lake below one storage location."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    @property
    def _tables(self) -> DeltaTables:
        # made anew each time: the keys in the options may have been refreshed
        return DeltaTables(self.storage.url(), self.storage.delta_options())

    def exists(self) -> bool:
        """Whether anything was ever published here."""
        with reading(self.storage):
            return self._tables.exists(EXPORTS.name) and self._newest() is not None

    def snapshot(self, as_of: str | None = None) -> Snapshot:
        """The newest publish, or an older one.

        Args:
            as_of: an export id, or an ISO 8601 time (the newest publish at or before it).

        Raises:
            LakeError: nothing was published here (by then).
        """
        with reading(self.storage):
            if not self._tables.exists(EXPORTS.name):
                raise LakeError(
                    f"there is no lake at {self.storage.location.display}",
                    "run 'kubectl argo-archive export' first, or check --lake",
                )
            found = self._newest() if as_of is None else self._as_of(as_of)
        if found is None:
            raise LakeError(
                f"{self.storage.location.display}: nothing was published" + (f" as of {as_of}" if as_of else " yet"),
                "'kubectl argo-archive query \"select export_id, published_at from exports\"' lists what there is",
            )
        return self._as_snapshot(found)

    def _as_snapshot(self, published: dict[str, Any]) -> Snapshot:
        return Snapshot(
            export_id=published["export_id"],
            seq=published["seq"],
            published_at=datetime.fromisoformat(published["published_at"]),
            versions=published["table_versions"],
            superseded=published["superseded_versions"],
            total=published["total_versions"],
            logs=published.get("total_logs", 0),
            dead_logs=published.get("superseded_logs", 0),
            dead_texts=published.get("dead_texts", 0),
            _storage=self.storage,
        )

    def _publishes(self, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """Ledger rows, newest first, from the log; each with the ledger's own version."""
        for commit in self._tables.commits(EXPORTS.name, limit):
            if _LEDGER_KEY in commit:
                found: dict[str, Any] = json.loads(commit[_LEDGER_KEY])
                found["table_versions"][EXPORTS.name] = int(commit["version"])
                yield found

    def _newest(self) -> dict[str, Any] | None:
        return next(self._publishes(1), None) or next(self._publishes(), None)

    def _as_of(self, as_of: str) -> dict[str, Any] | None:
        try:
            instant = datetime.fromisoformat(as_of)
        except ValueError:
            instant = None
        if instant is not None and instant.tzinfo is None:
            instant = instant.replace(tzinfo=UTC)
        for published in self._publishes():
            if published["export_id"] == as_of:
                return published
            if instant is not None and datetime.fromisoformat(published["published_at"]) <= instant:
                return published
        return None

    @contextmanager
    def writer(self, export_id: str, tables: Sequence[TableSpec] = ()) -> Iterator[LakeWriter]:
        """Take the lake for writing; what was not published when the block ends is deleted again.

        Args:
            export_id: of the publish.
            tables: optional tables that will be written to.

        Raises:
            LakeError: another writer has it.
        """
        with WriterLock(self.storage, export_id) as lock:
            writer = LakeWriter(self.storage, self._tables, lock, export_id, tables)
            with reading(self.storage):
                writer.prepare(self)
            try:
                yield writer
            except BaseException:
                with suppress(ArgoArchiveError):  # what went wrong first is what the user should read
                    writer.undo(self)
                raise
            if not writer.published:
                writer.undo(self)

    def ledger(self) -> dict[str, Any] | None:
        """The newest publish, or None."""
        return self._newest() if self._tables.exists(EXPORTS.name) else None


class LakeWriter:
    """Writes one export; made by :meth:`Lake.writer`.

    Attributes:
        files: takes the rows.
        before: the state that readers see until the publish, None for a new lake.
        published: whether the publish happened.
    """

    def __init__(
        self, storage: Storage, tables: DeltaTables, lock: WriterLock, export_id: str, wanted: Sequence[TableSpec] = ()
    ) -> None:
        # whoever only reads does not wait for Parquet's writer to be loaded
        from kubectl_argo_archive.lake.datafiles import DataFiles

        self._storage = storage
        self._wanted = {spec.name for spec in wanted}
        self._lock = lock
        self._tables = tables
        self._export_id = export_id
        self.files = DataFiles(storage, export_id)
        self._ledger_file: DataFiles = DataFiles(storage, f"{export_id}-ledger")
        self.before: Snapshot | None = None
        self.published = False

    def prepare(self, lake: Lake) -> None:
        """Create missing tables, undo what a dead writer left, and look at the newest publish."""
        newest = lake.ledger()
        known = newest["table_versions"] if newest else {}
        _at_once(self._tables.create, (spec for spec in self._specs(newest) if spec.name not in known))
        self._roll_back(newest)
        dead = self._lock.predecessor
        if dead and not (newest and newest["export_id"] == dead):  # it may have died after its publish
            self._delete_files_of(dead)
        self.before = lake._as_snapshot(newest) if newest else None

    def _specs(self, newest: dict[str, Any] | None) -> list[TableSpec]:
        """The tables that this lake has, or gets from this writer."""
        known = self._wanted | set(newest["table_versions"] if newest else ())
        return [spec for spec in STORED if not spec.optional or spec.name in known]

    def undo(self, lake: Lake) -> None:
        """Leave the lake as it was, unless the publish went through and only its answer was lost."""
        with self._storage.errors():
            newest = lake.ledger()
            if newest and newest["export_id"] == self._export_id:
                return
            self.files.abandon()  # first: a full disk has no room for what follows
            self._ledger_file.abandon()
            self._roll_back(newest)

    def _roll_back(self, newest: dict[str, Any] | None) -> None:
        """Undo commits that no ledger row names."""
        versions = newest["table_versions"] if newest else {}

        def roll_back(spec: TableSpec) -> None:
            wanted = versions.get(spec.name, 0)
            if self._tables.version(spec.name) > wanted:
                self._tables.restore(spec.name, wanted)

        _at_once(roll_back, (spec for spec in self._specs(newest) if spec is not EXPORTS))

    def _delete_files_of(self, export_id: str) -> None:
        for spec in STORED:
            pattern = self._storage.path(spec.name, "**" if spec.by_month else "", f"part-{export_id}-*")
            for path in self._storage.fs.glob(pattern):
                self._storage.fs.rm_file(path)

    def publish(self, ledger: dict[str, Any]) -> dict[str, Any]:
        """Commit every table, then the ledger; from then on readers see it.

        Args:
            ledger: the columns of ``exports`` that the writer does not know itself.

        Returns:
            The whole ledger row.
        """
        with self._storage.errors():
            added = self.files.finish()
            self._lock.check()
            # opened anew: hours may have passed, and the keys of the storage with them
            self._tables = DeltaTables(self._storage.url(), self._storage.delta_options())
            versions = self._commit(added)
            row = {
                **self._carried(),
                **ledger,
                "export_id": self._export_id,
                "seq": (self.before.seq if self.before else 0) + 1,
                "published_at": datetime.now(UTC),
                "table_versions": versions,
                "table_rows": {name: sum(f.rows for f in files) for name, files in added.items()},
                "table_bytes": {name: sum(f.size for f in files) for name, files in added.items()},
                "table_sha256": {name: _digest(files) for name, files in added.items()},
                "schema_version": SCHEMA_VERSION,
                "tool_version": __version__,
            }
            self._publish_ledger(row)
        self.published = True
        return row

    def _commit(self, added: dict[str, list[AddedFile]]) -> dict[str, int]:
        """Commit all tables but the ledger; nobody sees it yet. Returns every table's version."""
        versions = dict(self.before.versions) if self.before else {}
        stamp = {"export_id": self._export_id}

        def commit(spec: TableSpec) -> tuple[str, int]:
            current = self._tables.add_missing_columns(spec)
            files = added.get(spec.name)
            return spec.name, self._tables.commit(spec, files, stamp) if files else current

        specs = (spec for spec in self._specs({"table_versions": versions}) if spec is not EXPORTS)
        committed = dict(_at_once(commit, specs))
        return {name: version for name, version in versions.items() if name != EXPORTS.name} | committed

    def _carried(self) -> dict[str, Any]:
        """What a publish of workflows leaves alone of the logs, and the other way round."""
        before = self.before
        return {
            "total_versions": before.total if before else 0,
            "superseded_versions": before.superseded if before else 0,
            "total_logs": before.logs if before else 0,
            "superseded_logs": before.dead_logs if before else 0,
            "dead_texts": before.dead_texts if before else 0,
        }

    def _publish_ledger(self, row: dict[str, Any]) -> None:
        as_maps = {k: list(v.items()) if isinstance(v, dict) else v for k, v in row.items()}
        self._ledger_file.append(EXPORTS, None, pa.Table.from_pylist([as_maps], EXPORTS.schema))
        self._tables.add_missing_columns(EXPORTS)
        self._lock.check()
        published = {k: row[k] for k in ("export_id", "seq", "table_versions", *self._carried())}
        published["published_at"] = row["published_at"].isoformat()
        self._tables.commit(EXPORTS, self._ledger_file.finish()[EXPORTS.name], {_LEDGER_KEY: json.dumps(published)})


def _at_once(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """``work`` of every item, in their order; when one fails, those that have begun end before its error is raised."""
    with ThreadPoolExecutor(_TABLES_AT_ONCE, "tables") as pool:
        return list(pool.map(work, items))


def _digest(files: list[AddedFile]) -> str:
    """SHA-256 over the files' own, in path order; see ``exports.table_sha256``."""
    lines = sorted(f"{file.path} {file.sha256}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
