"""What a seal finds in the lake since the previous one: publishes, files, and the leaves of new workflow versions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from kubectl_argo_archive.audit.deltalog import LEDGER_TABLE, Commit, checkpoint_pointer, log_files, read_commit
from kubectl_argo_archive.audit.dsse import Subject
from kubectl_argo_archive.audit.files import Files, Stat, hash_file
from kubectl_argo_archive.audit.leaves import Leaf, Origin
from kubectl_argo_archive.errors import LakeError

THREADS = 4
DOCUMENTS: tuple[Origin, ...] = ("quarantine", "raw")
_ROWS = 256


@dataclass(frozen=True, slots=True)
class Survey:
    """The lake's change since some state of its logs.

    Attributes:
        versions: newest version of each table's log.
        commits: the new ones, of all tables, in the order of their versions.
        subjects: new files, data and logs, by name.
        removed: data files that no longer belong to the lake.
        exports: rows of the ledger that are new, in their order.
    """

    versions: dict[str, int]
    commits: list[Commit]
    subjects: list[Subject]
    removed: list[str]
    exports: list[dict[str, Any]] = field(default_factory=list)

    def live(self, table: str) -> list[str]:
        """New data files of one table that belong to the lake now."""
        gone = set(self.removed)
        found = [name for commit in self.commits if commit.table == table for name in commit.added]
        return [name for name in dict.fromkeys(found) if name not in gone]


def survey(files: Files, listing: dict[str, Stat], since: dict[str, int]) -> Survey:
    """Look at everything that came after the versions ``since``.

    Raises:
        LakeError: a commit or a file that it names is missing or damaged.
    """
    logs = [file for file in log_files(listing) if file.version > since.get(file.table, -1)]
    versions = dict(since)
    for file in logs:
        if file.commit:
            versions[file.table] = max(versions.get(file.table, -1), file.version)
    commits = _commits(files, since, versions)
    live: dict[str, bool] = {}
    for commit in commits:
        live.update(dict.fromkeys(commit.removed, False))
        live.update(dict.fromkeys(commit.added, True))
    lost = [name for name, is_live in live.items() if is_live and name not in listing]
    if lost:
        raise LakeError(f"{files.display} lacks {lost[0]}, which its log names", "restore it before sealing")
    pointers = [checkpoint_pointer(table) for table in {file.table for file in logs}]
    names = [name for name in [*live, *(file.name for file in logs), *pointers] if name in listing]
    subjects = _hashed(files, sorted(names), mutable=set(pointers))
    found = Survey(versions, commits, subjects, [name for name, is_live in live.items() if not is_live])
    found.exports.extend(_ledger(files, found))
    _compare_with_ledger(found)
    return found


def _commits(files: Files, since: dict[str, int], versions: dict[str, int]) -> list[Commit]:
    wanted = [(table, v) for table, newest in versions.items() for v in range(since.get(table, -1) + 1, newest + 1)]

    def read(one: tuple[str, int]) -> Commit:
        try:
            return read_commit(files, *one)
        except Exception as error:
            raise LakeError(
                f"the log of {one[0]} lacks version {one[1]}, or it is damaged", "see audit verify"
            ) from error

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(read, sorted(wanted)))


def _hashed(files: Files, names: Sequence[str], mutable: set[str]) -> list[Subject]:
    with ThreadPoolExecutor(THREADS) as pool:
        found = pool.map(lambda name: hash_file(files, name), names)
        return [Subject(name, *what, name in mutable) for name, what in zip(names, found, strict=True)]


def _ledger(files: Files, survey: Survey) -> list[dict[str, Any]]:
    """The new ledger rows, from the files that were just hashed."""
    found: list[dict[str, Any]] = []
    for name in survey.live(LEDGER_TABLE):
        found += pq.read_table(pa.BufferReader(files.read(name))).to_pylist()
    return sorted(found, key=lambda row: int(row["seq"]))


def _compare_with_ledger(survey: Survey) -> None:
    """The ledger holds each publish's hashes as the writer saw its bytes: nothing may have changed since."""
    hashes = {subject.name: subject.sha256 for subject in survey.subjects}
    for row in survey.exports:
        told = dict(row["table_sha256"] or ())
        for table, sha256 in told.items():
            names = [n for c in survey.commits if c.table == table and c.export_id == row["export_id"] for n in c.added]
            if not all(name in hashes for name in names):
                continue  # compacted away since
            lines = sorted(f"{name.removeprefix(f'{table}/')} {hashes[name]}\n" for name in names)
            if hashlib.sha256("".join(lines).encode()).hexdigest() != sha256:
                raise LakeError(
                    f"data files of {table} are not what export {row['export_id']} wrote: {', '.join(names[:3])}",
                    "they were changed before they were sealed; find out who, then export into another folder",
                )


def leaves(files: Files, survey: Survey) -> list[tuple[int, Leaf]]:
    """The new workflow versions, each with the number of its publish, in the order in which they enter their trees."""
    order = {row["export_id"]: int(row["seq"]) for row in survey.exports}
    found: list[tuple[int, Leaf]] = []
    for origin in DOCUMENTS:
        for name in survey.live(origin):
            rows = leaves_of_file(files.read(name), origin)
            found += [(order[export], leaf) for export, leaf in rows if export in order]
    found.sort(key=lambda one: (one[0], one[1].uid, one[1].version, one[1].origin))
    return found


def leaves_of_file(content: bytes, origin: Origin) -> Iterator[tuple[str, Leaf]]:
    """Export id and leaf of every row of a data file of ``raw`` or ``quarantine``.

    Raises:
        pyarrow.ArrowException: it is no Parquet file.
        KeyError: it lacks a column.
    """
    columns = ["cluster", "uid", "version", "json", "export_id"]
    with pq.ParquetFile(pa.BufferReader(content)) as parquet:
        for batch in parquet.iter_batches(_ROWS, columns=columns, use_threads=False):
            documents = cast(pa.Array, batch.column("json")).cast(pa.binary())
            keys = (batch.column(name).to_pylist() for name in ("export_id", "cluster", "uid", "version"))
            for export, cluster, uid, version, document in zip(*keys, documents, strict=True):
                yield export, Leaf.of(cluster, uid, version, origin, document.as_py())
