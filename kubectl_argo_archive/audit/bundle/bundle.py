"""A bundle on one screen: select, mask, write, prove, sum up, sign, pack. Equal selections give equal bytes."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from kubectl_argo_archive import __version__
from kubectl_argo_archive.audit.bundle import check as bundle_check
from kubectl_argo_archive.audit.bundle import logs as bundle_logs
from kubectl_argo_archive.audit.bundle import texts as bundle_texts
from kubectl_argo_archive.audit.bundle.evidence import Evidence
from kubectl_argo_archive.audit.bundle.page import summary
from kubectl_argo_archive.audit.bundle.records import Counts, RecordWriter, documents, file_hash, tables_of_selection
from kubectl_argo_archive.audit.bundle.select import Criteria, Selected, select
from kubectl_argo_archive.audit.bundle.tables import TableFiles
from kubectl_argo_archive.audit.bundle.zip import TooLarge, ZipWriter
from kubectl_argo_archive.audit.digest import time_text
from kubectl_argo_archive.audit.dsse import Subject, sign, statement
from kubectl_argo_archive.audit.files import StoredFiles
from kubectl_argo_archive.audit.keys import Signer
from kubectl_argo_archive.audit.redact.redact import Redactor
from kubectl_argo_archive.errors import ConfigError
from kubectl_argo_archive.lake.lake import Lake
from kubectl_argo_archive.lake.snapshot import Snapshot
from kubectl_argo_archive.query.session import Session, open_session
from kubectl_argo_archive.tables.log_schema import LOG_LINES, LOG_OBJECTS
from kubectl_argo_archive.tables.schema import BY_NAME
from kubectl_argo_archive.tables.spec import TableSpec

FORMAT = 1
SCRIPTS = {
    "verify/verify_bundle.py": "verify_bundle.py",
    "verify/bundle_check.py": "bundle/check.py",
    "verify/bundle_zip.py": "bundle/zip.py",
    "verify/standalone.py": "standalone.py",
}
"""Path in the bundle → file of the package ``audit``."""

Advance = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How a bundle is made.

    Attributes:
        formats: of the tables: parquet, csv, jsonl.
        logs: take the logs' lines too.
        redactor: masks secrets, None to give everything as it is.
        disclosures: file for the owner: salts and values of what was masked.
        as_of: state of the lake: an export id or a time; None for the newest.
        advance: is told of documents and bytes done.
    """

    formats: tuple[str, ...] = ("parquet", "csv")
    logs: bool = False
    redactor: Redactor | None = None
    disclosures: Path | None = None
    as_of: str | None = None
    advance: Advance = field(default=lambda rows, size: None)


@dataclass(frozen=True, slots=True)
class Bundled:
    """What was made; ``audit bundle -o json`` prints it."""

    path: str
    sha256: str | None
    bytes: int
    files: int
    export_id: str
    workflows: int
    versions: int
    proven: int
    withheld: int
    unsealed: int
    masked: int
    masked_values: int
    rules: dict[str, int]


def bundle(lake: Lake, target: Path, criteria: Criteria, signers: Sequence[Signer], options: Options) -> Bundled:
    """Make a bundle: a zip if ``target`` ends in ``.zip``, else a folder. It appears when it is whole.

    Raises:
        ConfigError: the target exists or cannot be written, or the label selector is malformed.
        LakeError, StorageError, StorageUnreachable: the lake cannot be read.
        ArgoArchiveError: the signer failed.
    """
    if target.exists():
        raise ConfigError(f"{target} exists", "name another file; a bundle is never overwritten")
    snapshot = lake.snapshot(options.as_of)
    selected = select(snapshot, lake.storage, criteria)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    folder = partial / "bundle"
    try:
        folder.mkdir(parents=True)
        counts = _write_records(lake, snapshot, selected, folder, options)
        predicate = _predicate(snapshot, selected, criteria, counts, options, folder)
        _write_texts(folder, predicate, zipped=target.suffix == ".zip")
        made = _finish(folder, partial, target, predicate, signers)
    except OSError as error:
        raise ConfigError(f"cannot write {target}: {error.strerror or error}", "check --out") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Bundled(str(target), *made, snapshot.export_id, selected.workflows, counts.versions, counts.proven,
                   counts.withheld, counts.unsealed, counts.masked, counts.masked_values,
                   dict(sorted(counts.rules.items())))  # fmt: skip


def _write_records(lake: Lake, snapshot: Snapshot, selected: Selected, folder: Path, options: Options) -> Counts:
    """Documents, proofs, tables, logs and evidence."""
    redactor, storage = options.redactor, lake.storage
    clusters = {cluster for cluster, _, _ in (*selected.raw, *selected.quarantine)}
    evidence = Evidence(StoredFiles(storage), clusters or set(_clusters(storage)))
    tables = TableFiles(folder / "data", options.formats)
    with ExitStack() as stack:
        session = stack.enter_context(open_session(snapshot, s3=storage))
        logs = [LOG_OBJECTS, LOG_LINES] if options.logs and snapshot.versions.get("log_objects") else []
        if redactor is not None:
            for document in documents(snapshot, storage, selected):
                redactor.learn(document.data)
            if logs:
                bundle_logs.learn(redactor, bundle_logs.batches(session, LOG_LINES, selected.uids))
        disclose = _discloser(options.disclosures, stack)
        records = stack.enter_context(RecordWriter(folder, tables, evidence, redactor, disclose))
        for document in documents(snapshot, storage, selected):
            records.add(document)
            options.advance(1, len(document.data))
        for spec in logs:
            bundle_logs.write(bundle_logs.batches(session, spec, selected.uids), spec, tables, redactor, records)
    tables_of_selection(snapshot, storage, selected, tables)
    tables.close()
    evidence.copy(folder / "evidence")
    (folder / "tables.json").write_text(bundle_texts.as_json({"clusters": evidence.to_list(), "rows": tables.rows}))
    return records.counts


def _clusters(storage: Any) -> Iterator[str]:
    """Clusters that were sealed: an empty selection still carries their digests."""
    from kubectl_argo_archive.audit.seal.before import clusters_of

    yield from clusters_of(StoredFiles(storage).list())


def _discloser(path: Path | None, stack: ExitStack) -> Callable[[dict[str, Any]], None]:
    if path is None:
        return lambda value: None
    try:
        file = stack.enter_context(os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w"))
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}", "name a new file with --disclosures") from error

    def disclose(value: dict[str, Any]) -> None:
        file.write(json.dumps(value) + "\n")

    return disclose


def _predicate(snapshot: Snapshot, selected: Selected, criteria: Criteria, counts: Counts, options: Options,
               folder: Path) -> dict[str, Any]:  # fmt: skip
    """What the statement says besides the files' hashes."""
    written = json.loads((folder / "tables.json").read_text())
    (folder / "tables.json").unlink()
    redactor, published = options.redactor, time_text(snapshot.published_at)
    return {
        "format": FORMAT,
        "tool_version": __version__,
        "selection": criteria.to_dict(),
        "logs": options.logs,
        "lake": {"export_id": snapshot.export_id, "seq": snapshot.seq, "published_at": published},
        "clusters": written["clusters"],
        "tables": written["rows"],
        "records": {"workflows": selected.workflows, "versions": counts.versions, "proven": counts.proven,
                    "withheld": counts.withheld, "unsealed": counts.unsealed, "masked": counts.masked},
        "redaction": None if redactor is None else {
            "rules": redactor.rules.ids, "values": counts.masked_values, "hits": dict(sorted(counts.rules.items())),
        },
    }  # fmt: skip


def _write_texts(folder: Path, predicate: dict[str, Any], *, zipped: bool) -> None:
    """What people read, and the scripts."""
    specs: list[TableSpec] = [spec for spec in (*BY_NAME.values(), LOG_OBJECTS, LOG_LINES)
                              if spec.name in predicate["tables"]]  # fmt: skip
    (folder / "README.txt").write_text(bundle_texts.readme(predicate, zipped=zipped), encoding="utf-8")
    (folder / "data-dictionary.csv").write_text(bundle_texts.dictionary(_unique(specs)), encoding="utf-8")
    with open(folder / "summary.html", "w", encoding="utf-8") as file:
        file.writelines(summary(folder / "data" / "parquet", predicate))
    package = resources.files("kubectl_argo_archive.audit")
    for name, source in SCRIPTS.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(package.joinpath(*source.split("/")).read_bytes())


def _unique(specs: Sequence[TableSpec]) -> list[TableSpec]:
    return list({spec.name: spec for spec in specs}.values())


def _finish(folder: Path, partial: Path, target: Path, predicate: dict[str, Any],
            signers: Sequence[Signer]) -> tuple[str | None, int, int]:  # fmt: skip
    """Sign and pack; returns the zip's SHA-256 (None for a folder), bytes and number of files."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    subjects = [Subject(name, *file_hash(folder / name)) for name in names]
    if target.suffix != ".zip":
        content = _signed(subjects, predicate, signers)
        (folder / bundle_check.STATEMENT).write_bytes(content)
        os.rename(folder, target)
        return None, sum(subject.size for subject in subjects) + len(content), len(names) + 1
    packed = partial / "bundle.zip"
    with open(packed, "xb") as file:
        archive = ZipWriter(file)
        try:
            for name in names:
                with open(folder / name, "rb") as source:
                    archive.add(name, source)
            container = {"bytes": archive.size, "sha256": archive.prefix_sha256}
            archive.add_stored(
                bundle_check.STATEMENT, _signed(subjects, {**predicate, "container": container}, signers)
            )
        except TooLarge as error:
            raise ConfigError(f"{target} would be too large for a zip", "name a folder instead") from error
        archive.finish()
    os.rename(packed, target)
    return *file_hash(target), len(names) + 1


def _signed(subjects: Sequence[Subject], predicate: dict[str, Any], signers: Sequence[Signer]) -> bytes:
    return sign(statement(subjects, bundle_check.BUNDLE_TYPE, predicate), signers).to_bytes()


def session_over(folder: Path) -> Session:
    """SQL over the Parquet tables of a bundle, by the names that they have in the lake."""
    from kubectl_argo_archive.audit.bundle.page import BundleSnapshot

    return open_session(BundleSnapshot(folder))
