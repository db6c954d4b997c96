"""The signed digest of one cluster and window, and the signed tree head: what they state, and where they lie.

    <lake>/audit/digests/cluster=default/00000007.json      DSSE envelope around an in-toto statement
    <lake>/audit/digests/cluster=default/latest.json        names the newest, written last
    <lake>/audit/heads/cluster=default/00000007.json        the same, only the tree: small, travels with proofs
    <lake>/audit/leaves/cluster=default/00000007.jsonl.gz   the leaves that this digest added to the tree
    <lake>/audit/logs/cluster=default/00000007.jsonl.gz     log objects with ETag and size, if the lake indexes logs
    <lake>/audit/timestamps/cluster=default/00000007.tsr    RFC 3161 answer, if somebody asked for one

Every file is written once but ``latest.json``. ``docs/audit-format.md`` is the specification.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Self
from urllib.parse import quote, unquote

from kubectl_argo_archive.audit.canonical import compact
from kubectl_argo_archive.audit.dsse import Envelope, Subject, statement
from kubectl_argo_archive.audit.merkle import Tree

FOLDER = "audit"
FORMAT = 1
DIGEST_TYPE = "https://kubectl-argo-archive.example.org/audit/digest/v1"
HEAD_TYPE = "https://kubectl-argo-archive.example.org/audit/tree-head/v1"

Kind = Literal["digests", "heads", "leaves", "logs", "timestamps"]
ENDINGS: dict[str, str] = {
    "digests": ".json", "heads": ".json", "leaves": ".jsonl.gz", "logs": ".jsonl.gz", "timestamps": ".tsr",
}  # fmt: skip


def name_of(kind: Kind, cluster: str, number: int) -> str:
    """Path of a file of the chain, relative to the lake."""
    return f"{folder_of(kind, cluster)}/{number:08}{ENDINGS[kind]}"


def folder_of(kind: Kind, cluster: str) -> str:
    """The folder of one cluster."""
    return f"{FOLDER}/{kind}/cluster={quote(cluster, safe='')}"


def latest_name(cluster: str) -> str:
    """Path of the pointer to the newest digest."""
    return f"{folder_of('digests', cluster)}/latest.json"


def parse_name(name: str) -> tuple[Kind, str, int] | None:
    """Kind, cluster and number of a path as :func:`name_of` gives it; None for any other path."""
    parts = name.split("/")
    if len(parts) != 4 or parts[0] != FOLDER or parts[1] not in ENDINGS or not parts[2].startswith("cluster="):
        return None
    number = parts[3].removesuffix(ENDINGS[parts[1]])
    if not (number.isascii() and number.isdigit()):
        return None
    kind: Kind = parts[1]  # type: ignore[assignment]  # just looked up
    cluster = unquote(parts[2].removeprefix("cluster="))
    return (kind, cluster, int(number)) if name_of(kind, cluster, int(number)) == name else None


def time_text(time: datetime) -> str:
    """RFC 3339 in UTC with microseconds."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def sha256(content: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, slots=True)
class Digest:
    """What a digest states. The rest of ``predicate`` is for people and for reports.

    Attributes:
        cluster: whose workflows.
        number: 1, 2, 3, … per cluster.
        window_from: end of the previous window; None for the first.
        window_until: end of this one: everything published until then is covered.
        sealed_at: when it was signed.
        seq: number of the lake's publish that it covers last.
        log_versions: newest version in the log of each table then; not all of them are published ones.
        tree: the tree after this digest.
        start: leaves before it.
        previous: name and SHA-256 of the previous digest's file, and its signatures; None for the first.
        subjects: files that are new or replaced since the previous digest.
        removed: files that were sealed before and no longer belong to the lake.
        predicate: everything stated.
    """

    cluster: str
    number: int
    window_from: datetime | None
    window_until: datetime
    sealed_at: datetime
    seq: int
    log_versions: dict[str, int]
    tree: Tree
    start: int
    previous: dict[str, Any] | None
    subjects: tuple[Subject, ...]
    removed: tuple[str, ...]
    predicate: dict[str, Any]

    @property
    def name(self) -> str:
        """Its path in the lake."""
        return name_of("digests", self.cluster, self.number)

    @classmethod
    def parse(cls, envelope: Envelope) -> Self:
        """Read the statement of an envelope; signatures are not looked at.

        Raises:
            ValueError: it is no digest, or contradicts itself.
        """
        value = envelope.statement()
        try:
            if value["predicateType"] != DIGEST_TYPE:
                raise ValueError("not a digest")
            p = value["predicate"]
            tree = Tree(int(p["tree"]["size"]), tuple(bytes.fromhex(text) for text in p["tree"]["frontier"]))
            if tree.root.hex() != p["tree"]["root"]:
                raise ValueError("root and frontier of the tree contradict each other")
            start = p["window"]["from"]
            return cls(
                cluster=str(p["cluster"]),
                number=int(p["number"]),
                window_from=None if start is None else datetime.fromisoformat(start),
                window_until=datetime.fromisoformat(p["window"]["until"]),
                sealed_at=datetime.fromisoformat(p["sealed_at"]),
                seq=int(p["lake"]["seq"]),
                log_versions={str(name): int(version) for name, version in p["lake"]["log_versions"].items()},
                tree=tree,
                start=int(p["tree"]["start"]),
                previous=p["previous"],
                subjects=tuple(Subject.from_json(subject) for subject in value["subject"]),
                removed=tuple(str(name) for name in p["removed"]),
                predicate=p,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("not a digest") from error


@dataclass(frozen=True, slots=True)
class Head:
    """A signed tree head: the tree after one digest, and that digest's hash.

    Attributes:
        cluster: whose tree.
        number: of the digest.
        size: leaves.
        root: Merkle tree hash, hexadecimal.
        sealed_at: as in the digest.
        digest: the digest's file.
    """

    cluster: str
    number: int
    size: int
    root: str
    sealed_at: datetime
    digest: Subject

    @classmethod
    def of(cls, digest: Digest, file: Subject) -> Self:
        """The head of a digest whose file is ``file``."""
        return cls(digest.cluster, digest.number, digest.tree.size, digest.tree.root.hex(), digest.sealed_at, file)

    def payload(self) -> bytes:
        """The statement, to be signed."""
        stated = {
            "cluster": self.cluster,
            "number": self.number,
            "sealed_at": time_text(self.sealed_at),
            "tree": {"root": self.root, "size": self.size},
        }
        return statement([self.digest], HEAD_TYPE, stated)

    @classmethod
    def parse(cls, envelope: Envelope) -> Self:
        """Read the statement of an envelope; signatures are not looked at.

        Raises:
            ValueError: it is no head.
        """
        value = envelope.statement()
        try:
            if value["predicateType"] != HEAD_TYPE:
                raise ValueError("not a tree head")
            p, (subject,) = value["predicate"], value["subject"]
            return cls(
                str(p["cluster"]), int(p["number"]), int(p["tree"]["size"]), str(p["tree"]["root"]),
                datetime.fromisoformat(p["sealed_at"]), Subject.from_json(subject),
            )  # fmt: skip
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("not a tree head") from error


def latest_bytes(cluster: str, number: int, digest: bytes, head: bytes) -> bytes:
    """Content of the pointer to the newest digest."""
    return (
        compact(
            {
                "cluster": cluster,
                "digest": {"name": name_of("digests", cluster, number), "sha256": sha256(digest)},
                "head": {"name": name_of("heads", cluster, number), "sha256": sha256(head)},
                "number": number,
            }
        )
        + b"\n"
    )
