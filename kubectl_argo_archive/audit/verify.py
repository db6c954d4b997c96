"""Verifying on one screen: chains, then every file that they name, then every file that they do not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kubectl_argo_archive.audit import timestamps
from kubectl_argo_archive.audit.chain import Anchor, Chain, read_chain
from kubectl_argo_archive.audit.checkpoint import Checkpoint, Seen
from kubectl_argo_archive.audit.deep import compare_documents
from kubectl_argo_archive.audit.digest import FOLDER, latest_name, parse_name, time_text
from kubectl_argo_archive.audit.dsse import Subject
from kubectl_argo_archive.audit.files import DamagedFile, Files, MissingFile, Stat, hash_file
from kubectl_argo_archive.audit.findings import Finding
from kubectl_argo_archive.audit.keys import KeyRing
from kubectl_argo_archive.audit.records import describe_change
from kubectl_argo_archive.audit.seal.before import clusters_of
from kubectl_argo_archive.audit.unsealed import Unsealed, explain
from kubectl_argo_archive.errors import LakeError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

THREADS = 8
Advance = Callable[[int, int], None]


@dataclass(slots=True)
class Report:
    """What a verification found; ``audit verify -o json`` prints it.

    Attributes:
        location: what was verified.
        clusters: per chain: cluster, digests, from, until, workflows, root, and what is recorded in it.
        findings: what is wrong, the first object first.
        unsealed: publishes that no digest covers yet.
        files: files that digests name.
        files_read: how many of them were read.
        bytes: size of all files below the location.
        bytes_read: bytes read.
        seconds: wall time.
        notes: what an auditor should know, though nothing is wrong.
        checkpoint: to save for the next run; None if something is wrong.
    """

    location: str
    clusters: list[dict[str, Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    unsealed: list[dict[str, Any]] = field(default_factory=list)
    files: int = 0
    files_read: int = 0
    bytes: int = 0
    bytes_read: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    checkpoint: Checkpoint | None = field(default=None, repr=False)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        names = ("location", "clusters", "unsealed", "files", "files_read", "bytes", "bytes_read", "seconds", "notes")
        findings = [finding.to_dict() for finding in self.findings]
        return {
            "ok": self.ok,
            "first": findings[0] if findings else None,
            "findings": findings,
            **{name: getattr(self, name) for name in names},
        }


def verify(
    files: Files,
    ring: KeyRing,
    *,
    checkpoint: Checkpoint | None = None,
    deep: bool = False,
    authorities: Sequence[Certificate] = (),
    advance: Advance = lambda count, size: None,
) -> Report:
    """Check a sealed lake, offline, wherever it lies now.

    Args:
        files: the lake: a folder, a bucket or a zip.
        ring: the keys that may have signed.
        checkpoint: what an earlier run saw; files that did not change since are not read again.
        deep: also compute the hash of every document anew.
        authorities: certificates of time stamping authorities.
        advance: is told of files and bytes done.

    Raises:
        LakeError: nothing was ever sealed here.
        StorageError, StorageUnreachable: it cannot be read.
    """
    started = time.monotonic()
    listing = files.list()
    report = Report(files.display, bytes=sum(stat.size for stat in listing.values()))
    anchors: Mapping[str, Anchor] = checkpoint.anchors if checkpoint else {}
    clusters = sorted({*clusters_of(listing), *anchors})
    if not clusters:
        raise LakeError(f"{files.display} was never sealed: there is no digest", "'audit seal' makes the first one")
    chains = [read_chain(files, listing, cluster, ring, anchors.get(cluster)) for cluster in clusters]
    expected, removed = _expected(chains, checkpoint)
    unsealed = _unsealed(files, listing, chains, expected, checkpoint)
    run = _Files(files, listing, chains, checkpoint, unsealed, report, advance)
    for chain in chains:
        report.findings += chain.findings
        report.clusters.append(_summary(chain))
        findings, notes = timestamps.check(files, listing, chain, authorities)
        report.findings += findings
        report.notes += notes
    report.findings += run.compare(expected, removed)
    report.findings += _foreign(chains, unsealed, report)
    if deep:
        report.findings += compare_documents(files, chains, expected, {f.object for f in report.findings}, advance)
    report.unsealed = unsealed.publishes
    report.bytes_read, report.files = files.bytes_read, len(expected)
    report.seconds = round(time.monotonic() - started, 3)
    if report.ok:
        report.checkpoint = run.checkpoint(expected, removed)
    return report


Expected = dict[str, tuple[Subject, int]]


def _expected(chains: list[Chain], checkpoint: Checkpoint | None) -> tuple[Expected, set[str]]:
    """All files that digests name, and those of them that need not be there any more."""
    found: Expected = {}
    gone: set[str] = set(checkpoint.removed) if checkpoint else set()
    if checkpoint:
        for name, seen in checkpoint.files.items():
            found[name] = Subject(name, seen.sha256, seen.size, name.endswith("_last_checkpoint")), seen.number
    for chain in chains:
        for link in chain.links:
            found.update({s.name: (s, link.number) for s in (link.digest.subjects if link.digest else ())})
            gone.update(link.digest.removed if link.digest else ())
    return found, gone


def _unsealed(
    files: Files, listing: Mapping[str, Stat], chains: list[Chain], expected: Expected, checkpoint: Checkpoint | None
) -> Unsealed:
    newest = [chain.newest.digest for chain in chains if chain.newest and chain.newest.digest]
    last = max(newest, key=lambda digest: digest.seq, default=None)
    if last is None:
        return Unsealed()
    own = {name for name in listing if name.startswith(f"{FOLDER}/") and _in_chain(name, chains)}
    seen = _exports(chains) | set(checkpoint.exports if checkpoint else ())
    return explain(files, listing, own | expected.keys(), last.log_versions, last.seq, seen)


def _exports(chains: list[Chain]) -> set[str]:
    digests = [link.digest for chain in chains for link in chain.links if link.digest]
    return {str(row["export_id"]) for digest in digests for row in digest.predicate["exports"]}


def _in_chain(name: str, chains: list[Chain]) -> bool:
    """Files of the chains themselves: they were checked one by one."""
    parsed = parse_name(name)
    if parsed and parsed[0] not in ("leaves", "logs"):
        return True
    if parsed:  # a list beyond the last digest is a trace of a cut tail, any other must be named by its digest
        return any(c.cluster == parsed[1] and (not c.links or parsed[2] > c.links[-1].number) for c in chains)
    return any(name == latest_name(chain.cluster) for chain in chains)


def _foreign(chains: list[Chain], unsealed: Unsealed, report: Report) -> list[Finding]:
    if all(chain.whole for chain in chains):
        return [Finding("inserted", name, why) for name, why in unsealed.foreign.items()]
    if unsealed.foreign:
        report.notes.append(
            f"{len(unsealed.foreign)} files are named by no digest that can be read, so nothing is known of them"
        )
    return []


def _summary(chain: Chain) -> dict[str, Any]:
    digests = [link.digest for link in chain.links if link.digest]
    newest = digests[-1] if digests else None
    gaps = [gap for digest in digests for gap in digest.predicate["gaps"] if gap["until"] or digest is newest]
    return {
        "cluster": chain.cluster,
        "digests": newest.number if newest else 0,
        "read": len(chain.links),
        "until": time_text(newest.window_until) if newest else None,
        "workflows": newest.tree.size if newest else 0,
        "root": newest.tree.root.hex() if newest else None,
        "newest": newest.name if newest else None,
        "reconciliation": newest.predicate["reconciliation"]["result"] if newest else None,
        "erased": sum(len(digest.predicate["erased"]) for digest in digests),
        "gaps": gaps,
    }


class _Files:
    """The comparison of every named file with what lies there."""

    def __init__(
        self, files: Files, listing: Mapping[str, Stat], chains: list[Chain], checkpoint: Checkpoint | None,
        unsealed: Unsealed, report: Report, advance: Advance,
    ) -> None:  # fmt: skip
        self.files, self.listing, self.chains, self.old = files, listing, chains, checkpoint
        self.unsealed, self.report, self.advance = unsealed, report, advance
        self.hashed = {name: what for chain in chains for name, what in chain.hashed.items()}

    def compare(self, expected: Expected, removed: set[str]) -> list[Finding]:
        """Findings in the order of digests and names."""
        names = sorted(expected, key=lambda name: (expected[name][1], name))
        with ThreadPoolExecutor(THREADS) as pool:
            actual = dict(zip(names, pool.map(lambda name: self._actual(expected[name][0]), names), strict=True))
        by_hash = {subject.sha256: name for name, (subject, _) in expected.items()}
        findings: list[Finding] = []
        for name in names:
            (subject, number), what = expected[name], actual[name]
            if what is None and name not in removed:
                findings.append(describe_change(self.files, self.chains, subject, number, None, None))
            elif what not in (None, (subject.sha256, subject.size)) and not self._moved_on(subject):
                other = by_hash.get(what[0]) if what else None
                findings.append(describe_change(self.files, self.chains, subject, number, what, other))
        return findings

    def _actual(self, subject: Subject) -> tuple[str, int] | None:
        """SHA-256 and size of what lies there; None if nothing does; another size is not read."""
        name = subject.name
        stat = self.listing.get(name)
        if stat is None:
            return None
        if name in self.hashed:
            return self.hashed[name]
        if self._unchanged(name, stat):
            return subject.sha256, subject.size
        self.report.files_read += 1
        try:
            found = hash_file(self.files, name)
        except MissingFile:
            return None
        except DamagedFile:
            return "", stat.size
        self.advance(1, found[1])
        return found

    def _unchanged(self, name: str, stat: Stat) -> bool:
        """Whether the checkpoint vouches for a file: it lies where it lay and was not written since.

        On a copy that was moved the stamps are others; there the size must do, and the report says so.
        """
        seen = self.old.files.get(name) if self.old else None
        if self.old is None or seen is None or stat.size != seen.size:
            return False
        if self.old.location == self.files.display and seen.stamp:
            return stat.stamp == seen.stamp
        note = "the checkpoint is of another place: files that it knows were compared by size only"
        if note not in self.report.notes:
            self.report.notes.append(note)
        return True

    def _moved_on(self, subject: Subject) -> bool:
        """Whether a checkpoint pointer was rewritten by a publish that waits for its seal."""
        if not subject.mutable:
            return False
        table = subject.name.partition("/")[0]
        try:
            version = int(json.loads(self.files.read(subject.name))["version"])
        except (ValueError, KeyError, TypeError, MissingFile, DamagedFile):
            return False
        return version <= self.unsealed.pointers.get(table, -1)

    def checkpoint(self, expected: Expected, removed: set[str]) -> Checkpoint:
        """What the next run needs to know."""
        anchors = {c.cluster: Anchor(c.newest.number, c.newest.sha256) for c in self.chains if c.newest}
        exports = _exports(self.chains) | set(self.old.exports if self.old else ())
        seen = {
            name: Seen(subject.sha256, subject.size, self.listing[name].stamp, number)
            for name, (subject, number) in expected.items()
            if name in self.listing and subject.size == self.listing[name].size
        }
        return Checkpoint(self.files.display, anchors, seen, tuple(sorted(removed)), tuple(sorted(exports)))
