"""The thorough check: the hash of every document anew, against the leaves of the trees."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pyarrow as pa

from kubectl_argo_archive.audit.chain import Chain
from kubectl_argo_archive.audit.digest import name_of
from kubectl_argo_archive.audit.dsse import Subject
from kubectl_argo_archive.audit.files import DamagedFile, Files, MissingFile
from kubectl_argo_archive.audit.findings import Finding, Kind
from kubectl_argo_archive.audit.leaves import Leaf, unpack
from kubectl_argo_archive.audit.survey import DOCUMENTS, leaves_of_file


def compare_documents(
    files: Files,
    chains: list[Chain],
    expected: Mapping[str, tuple[Subject, int]],
    named: set[str],
    advance: Callable[[int, int], None],
) -> list[Finding]:
    """Every row of ``raw`` and ``quarantine`` must have its leaf, every leaf its row or a tombstone.

    Args:
        files: the lake.
        chains: all chains; leaves that they did not read are read now.
        expected: the files that digests name.
        named: objects that have a finding already.
        advance: is told of documents and bytes done.
    """
    leaves = _leaves(files, chains)
    findings: list[Finding] = []
    seen: set[tuple[str, str, int, str]] = set()
    unreadable = False
    for origin in DOCUMENTS:
        for name, (_, number) in sorted(expected.items()):
            if not (name.startswith(f"{origin}/") and name.endswith(".parquet")) or "_delta_log" in name:
                continue
            try:
                for _, leaf in leaves_of_file(files.read(name), origin):
                    seen.add(leaf.key)
                    if leaves.get(leaf.key) != leaf and name not in named:
                        kind: Kind = "modified" if leaf.key in leaves else "inserted"
                        text = "/".join(map(str, leaf.key[:3]))
                        message = f"{name}: the document is not the one in the tree"
                        findings.append(Finding(kind, text, message, leaf.cluster, number, (text,)))
                    advance(1, 0)
            except (MissingFile, DamagedFile, pa.ArrowException, KeyError, OSError, ValueError):
                unreadable = True  # has its finding already, or was removed on purpose
    erased = {
        (one["cluster"], one["uid"], one["version"], one["table"])
        for chain in chains
        for link in chain.links
        for one in (link.digest.predicate["erased"] if link.digest else ())
    }
    if not (unreadable and named):
        for key in sorted(leaves.keys() - seen - erased):
            text = "/".join(map(str, key[:3]))
            message = "the tree has it, the lake has no document and no tombstone"
            findings.append(Finding("missing", text, message, key[0], None, (text,)))
    return findings


def _leaves(files: Files, chains: list[Chain]) -> dict[tuple[str, str, int, str], Leaf]:
    found: dict[tuple[str, str, int, str], Leaf] = {}
    for chain in chains:
        newest = chain.newest
        for number in range(1, newest.number + 1 if newest else 1):
            try:
                lines = chain.leaves.get(number) or unpack(files.read(name_of("leaves", chain.cluster, number)))
            except (ValueError, MissingFile, DamagedFile):
                continue
            for line in lines:
                leaf = Leaf.parse(line)
                found[leaf.key] = leaf
    return found
