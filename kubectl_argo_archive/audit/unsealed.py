"""Files that no digest names: publishes that wait for their seal, or foreign ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubectl_argo_archive.audit.deltalog import (
    LEDGER_TABLE,
    Commit,
    LogFile,
    checkpoint_pointer,
    log_files,
    read_commit,
)
from kubectl_argo_archive.audit.files import DamagedFile, Files, MissingFile, Stat

UNSEALED_FOLDERS = ("audit/access/", "audit/holds/")
"""Written at any time, between seals: the access log and legal holds."""
LOCK = "_writer.lock"


@dataclass(slots=True)
class Unsealed:
    """What came after the newest digest.

    Attributes:
        publishes: exports that wait for their seal: export_id, seq, published_at.
        files: files that belong to them.
        foreign: files that nothing explains, with the reason.
        pointers: tables whose checkpoint pointer may have moved on, with the newest version it may name.
    """

    publishes: list[dict[str, Any]] = field(default_factory=list)
    files: set[str] = field(default_factory=set)
    foreign: dict[str, str] = field(default_factory=dict)
    pointers: dict[str, int] = field(default_factory=dict)


def explain(
    files: Files, listing: Mapping[str, Stat], sealed: set[str], versions: Mapping[str, int], seq: int, seen: set[str]
) -> Unsealed:
    """Sort the files that ``sealed`` does not name.

    Args:
        files: the lake.
        listing: all its files.
        sealed: names that digests account for.
        versions: newest sealed version of each table's log.
        seq: the last sealed publish.
        seen: export ids that are sealed.
    """
    found = Unsealed()
    unknown = {
        name for name in listing if name not in sealed and not name.startswith(UNSEALED_FOLDERS) and name != LOCK
    }
    logs = [file for file in log_files(unknown) if file.version > versions.get(file.table, -1)]
    reach = dict(versions)
    for commit in _commits(files, [file for file in logs if file.table == LEDGER_TABLE], found):
        publish = commit.publish
        if publish is None:
            found.foreign[commit.name] = "a commit of the ledger that publishes nothing"
        elif publish.get("seq") != seq + 1 or commit.export_id in seen or sealed.intersection(commit.added):
            found.foreign[commit.name] = f"publish {publish.get('seq')} does not continue publish {seq}"
        else:
            seq, reach = seq + 1, {**reach, **publish["table_versions"], LEDGER_TABLE: commit.version}
            seen = seen | {str(commit.export_id)}
            found.publishes.append({key: publish[key] for key in ("export_id", "seq", "published_at")})
            found.files.update((commit.name, *commit.added))
    others = [file for file in logs if file.table != LEDGER_TABLE]
    for commit in _commits(files, others, found):
        _table_commit(commit, reach, sealed, found)
    for file in logs:
        if not file.commit and file.version <= reach.get(file.table, -1):
            found.files.add(file.name)
    found.pointers = {table: version for table, version in reach.items() if version > versions.get(table, -1)}
    found.files.update(checkpoint_pointer(table) for table in found.pointers)
    writing = _writer(files, listing)
    for name in sorted(unknown - found.files - found.foreign.keys()):
        if not (writing and f"part-{writing}-" in name):
            found.foreign[name] = "no digest and no publish names it"
    return found


def _table_commit(commit: Commit, reach: Mapping[str, int], sealed: set[str], found: Unsealed) -> None:
    if sealed.intersection(commit.added):
        found.foreign[commit.name] = "adds a file once more"
    elif commit.version <= reach.get(commit.table, -1):
        found.files.update((commit.name, *commit.added))
    elif (commit.operation, commit.version) == ("CREATE TABLE", 0) and not commit.added:
        found.files.add(commit.name)  # made by a writer that published nothing
    elif commit.operation == "RESTORE" and not commit.added and not sealed.intersection(commit.removed):
        found.files.add(commit.name)  # a dead writer's commit was undone
    else:
        found.foreign[commit.name] = "no publish names this commit"


def _commits(files: Files, logs: list[LogFile], found: Unsealed) -> list[Commit]:
    commits: list[Commit] = []
    for file in logs:
        if file.commit:
            try:
                commits.append(read_commit(files, file.table, file.version))
            except (ValueError, DamagedFile, MissingFile):
                found.foreign[file.name] = "a commit that cannot be read"
    return commits


def _writer(files: Files, listing: Mapping[str, Stat]) -> str | None:
    """The export that is being written, if one is."""
    if LOCK not in listing:
        return None
    try:
        return str(json.loads(files.read(LOCK))["export_id"])
    except (ValueError, KeyError, TypeError, MissingFile, DamagedFile):
        return None
