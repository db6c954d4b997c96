"""The audit report of a lake: sections by SQL, and those that are read from the lake's own records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, Self

from kubectl_argo_archive.audit import access, holds, page
from kubectl_argo_archive.audit.report.page import section_parts
from kubectl_argo_archive.audit.report.report import SECTIONS, Policy, ReportFilter, run_section
from kubectl_argo_archive.audit.report.sections import Section
from kubectl_argo_archive.lake.lake import Lake
from kubectl_argo_archive.query.result import ResultColumn, Row
from kubectl_argo_archive.query.session import open_session

HOLDS = Section(
    "holds", "Legal holds in force", "One hold: what it covers must not be erased.", "", "",
    {"id": "Name of the hold.", "reason": "Why.", "cluster": "Cluster, or *.", "namespace": "Namespace, or *.",
     "uid": "Workflow, or *.", "placed_at": "When.", "placed_by": "By whom."},
)  # fmt: skip
ACCESS = Section(
    "access", "Who looked at audit data",
    "One command of this tool that gave audit data out. Who reads the storage without this tool is in the storage's "
    "own log. Users of the kubeconfig are as its file says.", "", "", access.COLUMNS,
)  # fmt: skip


class Rows(Protocol):
    """What a section returns: the shape of ``query.result.ResultSet``."""

    columns: tuple[ResultColumn, ...]

    def rows(self, limit: int | None = None) -> Iterator[list[Row]]:
        """Lists of rows."""
        ...


class Listed:
    """Rows that are in memory.

    Args:
        columns: names.
        found: rows, each with these names.
    """

    def __init__(self, columns: Sequence[str], found: Sequence[Mapping[str, Any]]) -> None:
        self.columns = tuple(ResultColumn(name, "BIGINT" if name == "rows" else "VARCHAR") for name in columns)
        self.rows_read, self.more = 0, False
        self._found = [tuple(_plain(row.get(name)) for name in columns) for row in found]

    def rows(self, limit: int | None = None) -> Iterator[list[Row]]:
        """All of them at once."""
        self.rows_read = len(self._found)
        if self._found:
            yield self._found


class LakeReport:
    """Runs sections over one state of a lake; a context manager.

    Args:
        lake: the lake.
        chosen: what the report is about.
        policy: retention.
        as_of: state of the lake: an export id or a time.

    Attributes:
        export_id: the state.
    """

    def __init__(self, lake: Lake, chosen: ReportFilter, policy: Policy, as_of: str | None = None) -> None:
        self._storage = lake.storage
        self._chosen, self._policy = chosen, policy
        snapshot = lake.snapshot(as_of)
        self.export_id = snapshot.export_id
        self._session = open_session(snapshot, s3=lake.storage)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._session.close()

    def section(self, name: str) -> tuple[Section, Any]:
        """One section and its rows, which are read as they come; the section before cannot be read any further.

        Raises:
            ConfigError: it needs a retention policy.
            QueryError, LakeError, StorageError, StorageUnreachable: it cannot be read.
        """
        if name == HOLDS.name:
            return HOLDS, Listed(list(HOLDS.columns), [hold.to_dict() for hold in holds.in_force(self._storage)])
        if name == ACCESS.name:
            found = access.entries(self._storage, self._chosen.since, self._chosen.until)
            return ACCESS, Listed(list(ACCESS.columns), found)
        kept = holds.in_force(self._storage) if name == "retention" else []
        section = SECTIONS[name]
        return section, run_section(self._session, section, self._chosen, policy=self._policy, holds=kept)

    def html(self, names: Sequence[str]) -> Iterator[tuple[str, int]]:
        """The report as one page, in pieces, each with the number of rows that were read for it."""
        for piece in page.page("Audit report", self._parts(names)):
            yield piece, piece.startswith("<tr>")

    def _parts(self, names: Sequence[str]) -> Iterator[str]:
        yield page.facts({
            "Lake": self._storage.location.display, "State": self.export_id,
            "Namespaces": list(self._chosen.namespaces) or "all", "People": list(self._chosen.users) or "all",
            "From": self._chosen.since or "the beginning", "Until": self._chosen.until or "the end",
        })  # fmt: skip
        for name in names:
            section, result = self.section(name)
            yield from section_parts(section, result)


def _plain(value: Any) -> Any:
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value
