"""The check of a bundle: every file, every digest, every record; standard library only.

This file shares no code with the package: it travels inside the bundle, where ``verify_bundle.py`` runs it, and
``audit verify`` runs the same lines. Who calls says how signatures are checked and documents hashed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

STATEMENT = "bundle.json"
BUNDLE_TYPE = "https://kubectl-argo-archive.example.org/audit/bundle/v1"
DOCUMENTS = "raw/documents.jsonl"
PROOFS = "evidence/proofs.jsonl"
REDACTIONS = "redactions.jsonl"
EVIDENCE = "evidence/"

Verdict = str
"""``good``, ``bad``, ``unknown key`` or ``expired key``."""
CheckEnvelope = Callable[[bytes], tuple[Verdict, dict[str, Any]]]
"""Looks at a DSSE envelope; raises ValueError if it is none."""
HashDocument = Callable[[bytes], tuple[str, str]]
"""Canonical hash of a document and its form, ``json`` or ``bytes``."""
Record = tuple[str, str, int, str]
"""Cluster, uid, version, table."""


class Problem(NamedTuple):
    """One thing that is wrong.

    Attributes:
        kind: modified, missing, inserted, reordered, truncated tail, wrong key, gap.
        object: the file or the record.
        message: in words.
    """

    kind: str
    object: str
    message: str


class Files(Protocol):
    """The files of a bundle."""

    def names(self) -> Iterable[str]:
        """All of them."""
        ...

    def chunks(self, name: str) -> Iterator[bytes]:
        """The bytes of one; raises OSError if it cannot be read."""
        ...


class Checked(NamedTuple):
    """What came out.

    Attributes:
        problems: empty for a bundle that is as it was made.
        statement: the predicate of ``bundle.json``, empty if it cannot be read.
        counts: files, records, proven, withheld, unsealed, masked.
    """

    problems: list[Problem]
    statement: dict[str, Any]
    counts: dict[str, int]


def check(files: Files, envelope: CheckEnvelope, hash_document: HashDocument) -> Checked:
    """Check a whole bundle; the first problem is the one nearest to the root of trust."""
    counts = dict.fromkeys(("files", "records", "proven", "withheld", "unsealed", "masked"), 0)
    names = set(files.names())
    if STATEMENT not in names:
        return Checked([Problem("missing", STATEMENT, "the statement about the bundle is missing")], {}, counts)
    try:
        verdict, statement = envelope(_read(files, STATEMENT))
        predicate: dict[str, Any] = statement["predicate"]
        subjects = {str(s["name"]): (str(s["digest"]["sha256"]), int(s["annotations"]["size"]))
                    for s in statement["subject"]}  # fmt: skip
        if statement["predicateType"] != BUNDLE_TYPE:
            raise ValueError("no bundle")
    except (ValueError, KeyError, TypeError, OSError):
        return Checked([Problem("modified", STATEMENT, "cannot be read as a signed statement")], {}, counts)
    problems = list(_signature(STATEMENT, verdict))
    counts["files"] = len(subjects)
    problems += _compare(files, names - {STATEMENT}, subjects)
    heads = _chains(files, sorted(names & set(subjects)), envelope, problems)
    try:
        _records(files, predicate, heads, hash_document, problems, counts)
    except (ValueError, KeyError, TypeError, OSError) as error:
        if not problems:  # of a file that was changed, that was said
            problems.append(Problem("modified", DOCUMENTS, f"the records cannot be read: {error}"))
    return Checked(problems, predicate, counts)


def _read(files: Files, name: str) -> bytes:
    return b"".join(files.chunks(name))


def _signature(name: str, verdict: Verdict) -> Iterator[Problem]:
    if verdict == "bad":
        yield Problem("modified", name, "is not what was signed")
    elif verdict == "expired key":
        yield Problem("wrong key", name, "signed by a key that was not valid then")
    elif verdict != "good":
        yield Problem("wrong key", name, "signed by none of the trusted keys")


def _compare(files: Files, names: set[str], subjects: Mapping[str, tuple[str, int]]) -> Iterator[Problem]:
    """Every file against its hash."""
    owners = {sha256: name for name, (sha256, _) in subjects.items()}
    for name in sorted(set(subjects) - names):
        yield Problem("missing", name, "is named in the statement, and is not here")
    for name in sorted(names):
        try:
            sha256, size = _hash(files, name)
        except OSError as error:
            yield Problem("modified", name, f"cannot be read: {error}")
            continue
        if name not in subjects:
            copy = f", a copy of {owners[sha256]}" if sha256 in owners else ""
            yield Problem("inserted", name, f"is not named in the statement{copy}")
        elif sha256 != subjects[name][0]:
            if sha256 in owners:
                yield Problem("reordered", name, f"holds {owners[sha256]}")
            elif size < subjects[name][1] and _begins(files, name, size, subjects[name][1]):
                yield Problem("truncated tail", name, f"has {size} bytes of {subjects[name][1]}")
            else:
                yield Problem("modified", name, "is not what was signed")


def _begins(files: Files, name: str, size: int, whole: int) -> bool:
    """Whether a shorter file ends as one that was cut off does: not at the end of a line or of Parquet."""
    data = _read(files, name)[-4:]
    return size < whole and not data.endswith((b"\n", b"PAR1"))


def _hash(files: Files, name: str) -> tuple[str, int]:
    found, size = hashlib.sha256(), 0
    for chunk in files.chunks(name):
        found.update(chunk)
        size += len(chunk)
    return found.hexdigest(), size


def _chains(files: Files, names: list[str], envelope: CheckEnvelope, problems: list[Problem]) -> dict[str, Any]:
    """Check the digests and the newest tree heads; returns cluster → the head's tree."""
    heads: dict[str, Any] = {}
    digests: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for name in names:
        if not name.startswith((f"{EVIDENCE}audit/digests/", f"{EVIDENCE}audit/heads/")):
            continue
        try:
            content = _read(files, name)
        except OSError:
            continue  # said when all files were compared
        try:
            verdict, statement = envelope(content)
            stated = statement["predicate"]
            cluster = str(stated["cluster"])
        except (ValueError, KeyError, TypeError):
            problems.append(Problem("modified", name, "cannot be read as a signed statement"))
            continue
        problems += _signature(name, verdict)
        if "/heads/" in name:
            heads[cluster] = {**stated["tree"], "digest": statement["subject"][0]["digest"]["sha256"], "name": name}
        else:
            digests.setdefault(cluster, []).append((name, hashlib.sha256(content).hexdigest(), stated))
    for cluster, links in digests.items():
        problems += _links(links)
        head = heads.get(cluster)
        newest = max(links, key=lambda link: int(link[2]["number"]))
        if head and (head["digest"] != newest[1] or head["root"] != newest[2]["tree"]["root"]):
            problems.append(Problem("modified", head["name"], "does not belong to the newest digest"))
    return heads


def _links(links: list[tuple[str, str, dict[str, Any]]]) -> Iterator[Problem]:
    """Each digest names the one before by its hash."""
    before: tuple[str, str, dict[str, Any]] | None = None
    for link in sorted(links, key=lambda link: int(link[2]["number"])):
        previous = link[2]["previous"]
        if before is None:
            if previous:
                yield Problem("gap", link[0], "digests before it are missing")
        elif int(link[2]["number"]) != int(before[2]["number"]) + 1:
            yield Problem("gap", link[0], "digests before it are missing")
        elif not previous or previous["sha256"] != before[1]:
            yield Problem("modified", link[0], f"does not continue {before[0]}")
        before = link


def _records(files: Files, predicate: dict[str, Any], heads: dict[str, Any], hash_document: HashDocument,
             problems: list[Problem], counts: dict[str, int]) -> None:  # fmt: skip
    """Every document against its proof, and every masked one against the record of what was masked."""
    masked = {_record(line) for line in _lines(files, REDACTIONS)} if REDACTIONS in set(files.names()) else set()
    proofs = _lines(files, PROOFS)
    for document in _lines(files, DOCUMENTS):
        record = _record(document)
        proof = next(proofs, None)
        name = "/".join(map(str, record))
        counts["records"] += 1
        if proof is None or _record(proof) != record:
            problems.append(Problem("reordered", name, "documents and proofs are not in the same order"))
            return
        if document["masked"]:
            counts["masked"] += 1
            if record not in masked:
                problems.append(Problem("modified", name, "is masked, and no record says where"))
        elif record in masked:
            problems.append(Problem("modified", name, "should be masked"))
        if proof.get("unsealed"):
            counts["unsealed"] += 1
        elif "withheld" in proof:
            counts["withheld"] += 1
        else:
            counts["proven"] += 1
            problems += _proof(name, record, document, proof, heads, hash_document)
    if next(proofs, None) is not None or counts["records"] != predicate["records"]["versions"]:
        said = predicate["records"]["versions"]
        problems.append(Problem("missing", DOCUMENTS, f"holds {counts['records']} records of {said}"))


def _proof(name: str, record: Record, document: dict[str, Any], proof: dict[str, Any], heads: dict[str, Any],
           hash_document: HashDocument) -> Iterator[Problem]:  # fmt: skip
    head = heads.get(record[0])
    if head is None:
        yield Problem("missing", name, "there is no tree head to prove it against")
        return
    if not document["masked"]:
        sha256, form = hash_document(document["json"].encode("utf-8", "surrogatepass"))
        if (sha256, form) != (proof["sha256"], proof["form"]):
            yield Problem("modified", name, "is not the document that was sealed")
            return
    leaf = leaf_line(record, proof["sha256"], proof["form"])
    path = [bytes.fromhex(text) for text in proof["path"]]
    root = root_of(hashlib.sha256(b"\0" + leaf).digest(), int(proof["index"]), int(head["size"]), path)
    if root is None or root.hex() != head["root"]:
        yield Problem("modified", name, "its proof does not lead to the signed tree head")


def _lines(files: Files, name: str) -> Iterator[dict[str, Any]]:
    rest = b""
    for chunk in files.chunks(name):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from map(json.loads, whole)
    if rest:
        raise ValueError(f"{name} ends within a line")


def _record(line: dict[str, Any]) -> Record:
    return str(line["cluster"]), str(line["uid"]), int(line["version"]), str(line["table"])


def leaf_line(record: Record, sha256: str, form: str) -> bytes:
    """The leaf of a record: canonical JSON."""
    cluster, uid, version, table = record
    leaf = {"cluster": cluster, "form": form, "sha256": sha256, "table": table, "uid": uid, "version": version}
    return json.dumps(leaf, ensure_ascii=False, separators=(",", ":")).encode()


def root_of(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    """The root that an audit path leads to (RFC 9162, 2.1.3.2); None if the path does not fit."""
    if not 0 <= index < size:
        return None
    node, last, root = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if node & 1 or node == last:
            root = hashlib.sha256(b"\1" + sibling + root).digest()
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            root = hashlib.sha256(b"\1" + root + sibling).digest()
        node, last = node >> 1, last >> 1
    return root if last == 0 else None
