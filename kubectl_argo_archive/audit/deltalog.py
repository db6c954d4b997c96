"""Delta's log, read as plain files: what commits added and removed. Evidence must not depend on an engine.

Only what the lake itself writes is understood (Delta protocol, "Actions"): JSON commits with add, remove, commitInfo.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from kubectl_argo_archive.audit.files import Files

LEDGER_TABLE = "exports"
PUBLISH_KEY = "kubectl-argo-archive.publish"
"""Commit metadata of the ledger; see ``lake/lake.py``."""
_LOG = re.compile(r"(?P<table>[a-z_]+)/_delta_log/(?P<version>\d{20})\.(?P<rest>.+)")


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file of a table's log that belongs to one version."""

    table: str
    version: int
    name: str
    commit: bool


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit of one table.

    Attributes:
        table: of which table.
        version: its number.
        operation: ``WRITE``, ``RESTORE``, ``CREATE TABLE``, …
        export_id: the export that committed; None for housekeeping.
        publish: of a ledger commit, what it published.
        added: data files, relative to the lake.
        removed: data files, relative to the lake.
    """

    table: str
    version: int
    operation: str
    export_id: str | None
    publish: dict[str, Any] | None
    added: tuple[str, ...]
    removed: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its file, relative to the lake."""
        return commit_name(self.table, self.version)


def commit_name(table: str, version: int) -> str:
    """The file of a commit, relative to the lake."""
    return f"{table}/_delta_log/{version:020}.json"


def checkpoint_pointer(table: str) -> str:
    """The one file of a log that is written again and again."""
    return f"{table}/_delta_log/_last_checkpoint"


def log_files(names: Iterable[str]) -> list[LogFile]:
    """The files of Delta logs among ``names``, by table and version."""
    found = [(match, match["rest"] == "json") for name in names if (match := _LOG.fullmatch(name))]
    files = [LogFile(m["table"], int(m["version"]), m[0], commit) for m, commit in found]
    return sorted(files, key=lambda file: (file.table, file.version, file.name))


def read_commit(files: Files, table: str, version: int) -> Commit:
    """Read one commit.

    Raises:
        ValueError: it is none.
        MissingFile: it is not there.
    """
    return parse_commit(files.read(commit_name(table, version)), table, version)


def parse_commit(content: bytes, table: str, version: int) -> Commit:
    """Read the text of one commit; raises ValueError."""
    info: dict[str, Any] = {}
    added: list[str] = []
    removed: list[str] = []
    try:
        for line in content.splitlines():
            action = json.loads(line) if line.strip() else {}
            info = action.get("commitInfo") or info
            for kind, paths in (("add", added), ("remove", removed)):
                if kind in action:
                    paths.append(f"{table}/{unquote(str(action[kind]['path']))}")
        publish = json.loads(info[PUBLISH_KEY]) if PUBLISH_KEY in info else None
        export_id = publish["export_id"] if publish else info.get("export_id")
        return Commit(table, version, str(info.get("operation", "")), export_id, publish, tuple(added), tuple(removed))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("not a commit of a Delta table") from error
