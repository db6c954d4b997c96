"""Everything that ``audit verify`` does, in its order: the evidence, then the database, then the checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kubectl_argo_archive.archive.workflow_archive import WorkflowArchive
from kubectl_argo_archive.audit import against_source, checkpoint, timestamps
from kubectl_argo_archive.audit.files import Files
from kubectl_argo_archive.audit.keys import KeyRing
from kubectl_argo_archive.audit.verify import Report, verify

BUNDLE = ("bundle.json", "evidence/proofs.jsonl", "raw/documents.jsonl")
"""Files of a bundle, and of nothing else; one of them may have been taken out."""


@dataclass(frozen=True, slots=True)
class Options:
    """How thoroughly to verify.

    Attributes:
        checkpoint: file of what an earlier run saw; written if all is well.
        deep: compute the hash of every document anew.
        archive: compare with this database.
        authorities: certificates of time stamping authorities, PEM.
    """

    checkpoint: Path | None = None
    deep: bool = False
    archive: WorkflowArchive | None = None
    authorities: tuple[bytes, ...] = ()


def run(files: Files, ring: KeyRing, options: Options, advance: Callable[[int, int], None]) -> Report:
    """Verify a lake or a bundle.

    Raises:
        LakeError: there is no evidence at all.
        ConfigError: the checkpoint or a certificate cannot be read.
        StorageError, StorageUnreachable, SourceError, SourceUnreachable: something cannot be read.
    """
    if any(name in files.list() for name in BUNDLE):
        return _bundle(files, ring)
    seen = checkpoint.load(options.checkpoint) if options.checkpoint else None
    authorities = timestamps.load_authorities(options.authorities)
    report = verify(files, ring, checkpoint=seen, deep=options.deep, authorities=authorities, advance=advance)
    if options.archive is not None and report.ok:
        compared = against_source.compare(files, ring, options.archive, advance)
        report.findings += compared.findings
        report.notes.append(
            f"{compared.source}: {compared.rows:,} rows, {compared.equal:,} as sealed, {compared.newer:,} newer than "
            f"the last sealed export, {compared.gone:,} sealed ones gone from it"
        )
    elif options.archive is not None:
        report.notes.append("the database was not compared: first the evidence must be in order")
    if options.checkpoint and report.ok and report.checkpoint:
        report.checkpoint.save(options.checkpoint)
    return report


def _bundle(files: Files, ring: KeyRing) -> Report:
    from kubectl_argo_archive.audit.bundle.verify import verify_bundle

    report = Report(files.display, bytes=sum(stat.size for stat in files.list().values()))
    report.findings, counts = verify_bundle(files, ring)
    report.clusters = counts.get("clusters", [])
    report.files, report.bytes_read = len(files.list()), files.bytes_read
    return report
