"""The summary of a bundle: who ran what, when, how it ended, what was retried or stopped; for everybody to read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubectl_argo_archive.audit import page
from kubectl_argo_archive.audit.bundle.texts import selection_lines
from kubectl_argo_archive.audit.report.page import section_parts
from kubectl_argo_archive.audit.report.report import ReportFilter, run_section
from kubectl_argo_archive.audit.report.sections import BUNDLE_SECTIONS, Section
from kubectl_argo_archive.query.session import Session, open_session

ROWS = 2000
"""A page with more rows per table is hard to read, and slow; the tables in ``data/`` have them all."""

RUNS = Section(
    "runs",
    "Every run",
    "One archived state of one workflow, in the order in which they ended. A run that failed and was retried has a "
    "state for each.",
    """
SELECT w.finished_at AS ended, w.namespace, w.name AS workflow,
    coalesce(nullif(w.creator_email, ''), nullif(w.creator, ''), 'unknown') AS who, w.phase AS outcome,
    w.duration_s::BIGINT AS seconds, w.retry_count AS automatic_retries, w.version AS state,
    CASE WHEN NOT w.is_latest THEN 'replaced by a retry' WHEN w.version > 1 THEN 'after a retry'
        WHEN nullif(w.shutdown, '') IS NOT NULL THEN lower(w.shutdown) || ' by a person' ELSE '' END AS note,
    w.message
FROM workflow_versions w WHERE {where}""",
    "ended, namespace, workflow, state",
    {"seconds": "From start to end.", "automatic_retries": "Attempts beyond the first inside the workflow.",
     "state": "1 for the first archived state of a workflow."},
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BundleTable:
    """The files of one table."""

    urls: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BundleSnapshot:
    """The Parquet tables of a bundle in the shape that ``query`` reads.

    Attributes:
        folder: of the Parquet files.
    """

    folder: Path

    @property
    def superseded(self) -> int:
        """Whether there are replaced states: then they are named in ``source_events``."""
        return int((self.folder / "source_events.parquet").exists())

    @property
    def export_id(self) -> str:
        """A bundle is one state."""
        return "bundle"

    logs = dead_logs = dead_texts = 0

    def table(self, name: str) -> BundleTable:
        """The file of a table, if there is one."""
        path = self.folder / f"{name}.parquet"
        return BundleTable([str(path)] if path.exists() else [])


def summary(tables: Path, predicate: dict[str, Any]) -> Iterator[str]:
    """The page, in pieces.

    Args:
        tables: folder of the bundle's Parquet files.
        predicate: what the bundle's statement says.
    """
    return page.page("Workflow runs: summary for an audit", _parts(tables, predicate))


def _parts(tables: Path, predicate: dict[str, Any]) -> Iterator[str]:
    records = predicate["records"]
    yield page.paragraph("This page sums up the records in this bundle. README.txt says how to check that they are "
                         "complete and unchanged; the numbers here are computed from the tables in data/.")  # fmt: skip
    yield page.facts({
        "Selected": "; ".join(selection_lines(predicate["selection"])),
        "Workflows": f"{records['workflows']:,}, in {records['versions']:,} archived states",
        "Archive as of": predicate["lake"]["published_at"],
        "Proven by signed digests": f"{records['proven']:,} of {records['versions']:,} states",
        "Sealed as": "; ".join(f"cluster {one['cluster']}, digest {one['digest']}" for one in predicate["clusters"])
        or "not sealed",
        "Masked": "nothing" if predicate["redaction"] is None
        else f"{predicate['redaction']['values']:,} values in {records['masked']:,} documents (redactions.jsonl)",
    })  # fmt: skip
    if records["unsealed"]:
        yield page.paragraph(
            f"{records['unsealed']:,} states are newer than the newest digest: not proven yet.", "warn"
        )
    if not tables.is_dir():
        yield page.paragraph("This bundle has no Parquet tables, so nothing is summed up here.", "warn")
        return
    with open_session(BundleSnapshot(tables)) as session:
        for section in (*BUNDLE_SECTIONS, RUNS):
            yield from _section(session, section)


def _section(session: Session, section: Section) -> Iterator[str]:
    result = run_section(session, section, ReportFilter())
    yield from section_parts(section, result, limit=ROWS, brief=True, elsewhere="See data/.")
