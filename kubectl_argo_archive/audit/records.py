"""From a file that is not what was sealed to the records in it: which workflow versions changed or are gone."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq

from kubectl_argo_archive.audit.chain import Chain
from kubectl_argo_archive.audit.digest import name_of
from kubectl_argo_archive.audit.dsse import Subject
from kubectl_argo_archive.audit.files import DamagedFile, Files, MissingFile
from kubectl_argo_archive.audit.findings import Finding, Kind
from kubectl_argo_archive.audit.leaves import Leaf, Origin, unpack
from kubectl_argo_archive.audit.survey import DOCUMENTS, leaves_of_file

MOST_RECORDS = 1000
LARGEST = 512 << 20
Key = tuple[str, str, int, Origin]


def describe_change(
    files: Files, chains: list[Chain], subject: Subject, number: int, actual: tuple[str, int] | None, other: str | None
) -> Finding:
    """The finding for one file.

    Args:
        files: the lake.
        chains: all chains.
        subject: the file as it was sealed.
        number: of the digest that names it.
        actual: SHA-256 and size of what lies there; None if nothing does.
        other: the sealed file whose content it has, if it has one's.
    """
    table = subject.name.partition("/")[0]
    origin = next((one for one in DOCUMENTS if one == table and subject.name.endswith(".parquet")), None)
    kind: Kind
    if actual is None:
        kind, message = "missing", "the file is missing"
    elif other is not None and other != subject.name:
        kind, message = "reordered", f"holds the content of {other}"
    elif actual[1] < subject.size and not _readable(files, subject.name):
        kind, message = "truncated tail", f"ends after {actual[1]} of {subject.size} bytes"
    else:
        kind, message = "modified", "another content than was sealed"
    records: tuple[str, ...] = ()
    if origin and "_delta_log" not in subject.name:
        kind, message, records = _in_documents(files, chains, subject, number, origin, kind, message)
    return Finding(kind, subject.name, message, None, number, records)


def _readable(files: Files, name: str) -> bool:
    """Whether a file is whole by its own format."""
    try:
        content = files.read(name)
    except (MissingFile, DamagedFile):
        return False
    if name.endswith(".parquet"):
        return content.endswith(b"PAR1")
    if name.endswith(".gz"):
        try:
            unpack(content)
        except ValueError:
            return False
        return True
    return content.rstrip().endswith(b"}")


def _in_documents(
    files: Files, chains: list[Chain], subject: Subject, number: int, origin: Origin, kind: Kind, message: str
) -> tuple[Kind, str, tuple[str, ...]]:
    """Compare the rows with the leaves of the same digest."""
    sealed = _sealed(files, chains, number, origin)
    rows = _rows(files, subject.name, origin) if kind != "missing" else None
    present = {key for name in _siblings(chains, number, origin, subject.name) for key in _keys(files, name, origin)}
    if rows is None:
        lost = sorted(sealed.keys() - present)
        return kind, f"{message}; {len(lost)} workflow versions lie nowhere else" if lost else message, _texts(lost)
    changed = sorted(key for key, leaf in rows.items() if key in sealed and sealed[key] != leaf.sha256)
    foreign = sorted(key for key in rows if key not in sealed)
    lost = sorted(sealed.keys() - present - rows.keys())
    parts = [(changed, "changed"), (foreign, "inserted"), (lost, "missing")]
    told = ", ".join(f"{len(keys)} workflow versions {what}" for keys, what in parts if keys)
    if not told and kind == "modified":
        told = "the same workflow versions, rewritten or in another order"
        kind = "reordered"
    return kind, f"{message}: {told}" if told else message, _texts([*changed, *foreign, *lost])


def _sealed(files: Files, chains: list[Chain], number: int, origin: Origin) -> dict[Key, str]:
    """Hash of every document that digests of that number added."""
    found: dict[Key, str] = {}
    for chain in chains:
        lines = chain.leaves.get(number)
        if lines is None:
            try:
                lines = unpack(files.read(name_of("leaves", chain.cluster, number)))
            except (ValueError, MissingFile, DamagedFile):
                continue
        leaves = (Leaf.parse(line) for line in lines)
        found.update({leaf.key: leaf.sha256 for leaf in leaves if leaf.origin == origin})
    return found


def _siblings(chains: list[Chain], number: int, origin: Origin, but: str) -> list[str]:
    digests = [link.digest for chain in chains for link in chain.links if link.number == number and link.digest]
    names = {s.name for digest in digests for s in digest.subjects if s.name.startswith(f"{origin}/")}
    return sorted(name for name in names if name.endswith(".parquet") and "_delta_log" not in name and name != but)


def _rows(files: Files, name: str, origin: Origin) -> dict[Key, Leaf] | None:
    try:
        return {leaf.key: leaf for _, leaf in leaves_of_file(files.read(name), origin)}
    except (pa.ArrowException, KeyError, OSError, ValueError, MissingFile, DamagedFile):
        return None


def _keys(files: Files, name: str, origin: Origin) -> set[Key]:
    try:
        table = pq.read_table(pa.BufferReader(files.read(name)), columns=["cluster", "uid", "version"])
    except (pa.ArrowException, KeyError, OSError, ValueError, MissingFile, DamagedFile):
        return set()
    columns = (table[name].to_pylist() for name in ("cluster", "uid", "version"))
    return {(cluster, uid, version, origin) for cluster, uid, version in zip(*columns, strict=True)}


def _texts(keys: Iterable[Key]) -> tuple[str, ...]:
    return tuple(f"{cluster}/{uid}/{version}" for cluster, uid, version, _ in keys)[:MOST_RECORDS]
