"""The chain of digests of one cluster, read and checked: signatures, links, windows, heads, leaves and tree."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from kubectl_argo_archive.audit.digest import Digest, Head, Kind, latest_bytes, latest_name, name_of, parse_name, sha256
from kubectl_argo_archive.audit.dsse import Check, Envelope
from kubectl_argo_archive.audit.files import DamagedFile, Files, MissingFile, Stat
from kubectl_argo_archive.audit.findings import Finding
from kubectl_argo_archive.audit.keys import KeyRing
from kubectl_argo_archive.audit.leaves import hashes, unpack
from kubectl_argo_archive.audit.merkle import Tree

THREADS = 8


@dataclass(frozen=True, slots=True)
class Anchor:
    """What a checkpoint remembers of a chain: everything up to this digest was good.

    Attributes:
        number: of the digest.
        sha256: of its file.
    """

    number: int
    sha256: str


@dataclass(slots=True)
class Link:
    """One digest's file and what became of it.

    Attributes:
        number: what its name says.
        sha256: of the file.
        digest: what it states, None if it cannot be read.
        check: what its signatures are worth.
        trusted: signed by a trusted key, spelled as digests are, in its place.
    """

    number: int
    sha256: str
    digest: Digest | None = None
    check: Check = "bad"
    trusted: bool = False
    content: bytes = field(default=b"", repr=False)


@dataclass(slots=True)
class Chain:
    """The digests of a cluster.

    Attributes:
        cluster: whose.
        links: those that are there, in order; from the anchor on, if there is one.
        findings: what is wrong.
        leaves: number of a digest → lines of its leaves, as far as they were read and are good.
        hashed: SHA-256 and size of the files that were read on the way.
    """

    cluster: str
    links: list[Link] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    leaves: dict[int, list[bytes]] = field(default_factory=dict)
    hashed: dict[str, tuple[str, int]] = field(default_factory=dict)

    @property
    def newest(self) -> Link | None:
        """The last digest that can be read."""
        return next((link for link in reversed(self.links) if link.digest), None)

    @property
    def whole(self) -> bool:
        """Whether every digest could be read: only then a file that none of them names is known to be foreign."""
        numbers = [link.number for link in self.links if link.digest]
        return bool(numbers) and numbers == list(range(numbers[0], self.links[-1].number + 1))

    def say(self, kind: Any, name: str, message: str, number: int | None = None) -> None:
        """Note a finding, once per object."""
        if not any(finding.object == name for finding in self.findings):
            self.findings.append(Finding(kind, name, message, self.cluster, number))


def read_chain(
    files: Files, listing: Mapping[str, Stat], cluster: str, ring: KeyRing, anchor: Anchor | None = None
) -> Chain:
    """Read the digests of ``cluster``, from the anchor on, and check everything but the lake's own files."""
    chain = Chain(cluster)
    numbers = _numbers(listing, cluster, "digests")
    first, last = anchor.number if anchor else 1, max(numbers, default=0)
    with ThreadPoolExecutor(THREADS) as pool:
        wanted = [number for number in range(first, last + 1) if number in numbers]
        chain.links = list(pool.map(lambda number: _read(files, cluster, number, ring), wanted))
    pointer = _tail(files, listing, chain, last, anchor)
    for number in range(first, last + 1):
        if number not in numbers:
            chain.say("missing", name_of("digests", cluster, number), f"digest {number} is missing", number)
    if anchor and chain.links and chain.links[0].number == anchor.number and chain.links[0].sha256 != anchor.sha256:
        name = name_of("digests", cluster, anchor.number)
        kind = "re-signed" if chain.links[0].check == "unknown key" else "modified"
        chain.say(kind, name, "not the digest that the checkpoint remembers", anchor.number)
    _signatures(chain)
    with ThreadPoolExecutor(THREADS) as pool:
        companions = list(pool.map(lambda link: _companions(files, cluster, link.number, anchor), chain.links))
    before: Link | None = None
    for link, (head, leaves) in zip(chain.links, companions, strict=True):
        _head(chain, link, head, ring)
        _place(
            chain, link, before if before and before.number == link.number - 1 else None, anchored=anchor is not None
        )
        is_anchor = anchor is not None and link.number == anchor.number
        _tree(chain, link, before if before and before.number == link.number - 1 else None, leaves, is_anchor)
        before = link
    _pointer(chain, pointer, last, companions[-1][0] if companions else None)
    chain.findings.sort(key=lambda finding: (finding.number or 0, finding.object))
    return chain


def _numbers(listing: Mapping[str, Stat], cluster: str, kind: Kind) -> set[int]:
    parsed = (parse_name(name) for name in listing)
    return {found[2] for found in parsed if found and found[0] == kind and found[1] == cluster}


def _read(files: Files, cluster: str, number: int, ring: KeyRing) -> Link:
    name = name_of("digests", cluster, number)
    try:
        content = files.read(name)
    except (DamagedFile, MissingFile):
        return Link(number, "")
    link = Link(number, sha256(content), content=content)
    try:
        envelope = Envelope.parse(content)
        link.digest = Digest.parse(envelope)
    except ValueError:
        return link
    link.check = envelope.check(ring, link.digest.sealed_at) if envelope.to_bytes() == content else "bad"
    link.trusted = link.check == "good" and link.digest.name == name
    return link


def _signatures(chain: Chain) -> None:
    known = any(link.check in ("good", "expired key") for link in chain.links)
    by_name = {link.digest.name for link in chain.links if link.digest}
    for link in chain.links:
        name = name_of("digests", chain.cluster, link.number)
        if link.digest is None:
            chain.say("modified", name, f"digest {link.number} cannot be read", link.number)
        elif link.check == "bad":
            chain.say("modified", name, f"digest {link.number} is not what was signed", link.number)
        elif link.digest.name != name and link.check == "good":
            what = "reordered" if link.digest.cluster == chain.cluster and by_name else "modified"
            chain.say(what, name, f"holds {link.digest.name}", link.number)
        elif link.check == "expired key":
            chain.say("wrong key", name, "signed by a key that was not valid then", link.number)
        elif link.check == "unknown key":
            ids = ", ".join(s.key_id[:16] for s in Envelope.parse(link.content).signatures)
            if known:
                message = f"signed by a key that is not trusted ({ids}); after a change of keys give both public keys"
                chain.say("re-signed", name, message, link.number)
            else:
                chain.say("wrong key", name, f"signed by {ids}, which is none of the trusted keys", link.number)
                return  # so is every other one


def _companions(files: Files, cluster: str, number: int, anchor: Anchor | None) -> tuple[bytes | None, bytes | None]:
    """Head and leaves of a digest; the leaves of the anchor are not needed again."""

    def read(kind: Kind) -> bytes | None:
        try:
            return files.read(name_of(kind, cluster, number))
        except (DamagedFile, MissingFile):
            return None

    return read("heads"), None if anchor and anchor.number == number else read("leaves")


def _head(chain: Chain, link: Link, content: bytes | None, ring: KeyRing) -> None:
    name, number = name_of("heads", chain.cluster, link.number), link.number
    if content is None:
        chain.say("missing", name, f"the tree head of digest {number} is missing", number)
        return
    try:
        envelope = Envelope.parse(content)
        head = Head.parse(envelope)
    except ValueError:
        chain.say("modified", name, f"the tree head of digest {number} cannot be read", number)
        return
    check = envelope.check(ring, head.sealed_at) if envelope.to_bytes() == content else "bad"
    if check == "unknown key" and link.check == "unknown key":
        return  # said of the digest
    if check != "good":
        kind = "modified" if check == "bad" else "re-signed" if check == "unknown key" else "wrong key"
        chain.say(kind, name, f"the tree head of digest {number} is not what was signed", number)
    elif (head.cluster, head.number) != (chain.cluster, number):
        chain.say("reordered", name, f"holds {name_of('heads', head.cluster, head.number)}", number)
    elif head.digest.sha256 != link.sha256:
        link.trusted = False
        kind = "re-signed" if link.check == "good" else "modified"
        chain.say(kind, name_of("digests", chain.cluster, number), "not the digest that its tree head names", number)
    elif link.digest and (head.size, head.root) != (link.digest.tree.size, link.digest.tree.root.hex()):
        chain.say("modified", name, "contradicts its digest", number)


def _place(chain: Chain, link: Link, before: Link | None, *, anchored: bool) -> None:
    """Whether a digest continues the one before it."""
    digest = link.digest
    if digest is None:
        return
    if before is None:
        if link.number == 1 and (digest.previous or digest.start or digest.window_from):
            chain.say("modified", digest.name, "the first digest names a previous one", 1)
        return
    previous, old = digest.previous or {}, before.digest
    if previous.get("sha256") != before.sha256:
        told = {s["keyid"] for s in previous.get("signatures", ())}
        signed = {s.key_id for s in Envelope.parse(before.content).signatures} if old else told
        kind = "modified" if signed == told else "re-signed"
        guilty = before if link.trusted else link
        chain.say(kind, name_of("digests", chain.cluster, guilty.number),
                  f"digest {link.number} continues another digest {before.number}", guilty.number)  # fmt: skip
    if old is None or not (link.trusted and before.trusted):
        return
    if digest.window_from != old.window_until:
        chain.say(
            "gap", digest.name, f"its window does not begin where that of digest {before.number} ends", link.number
        )
    seqs = [int(export["seq"]) for export in digest.predicate["exports"]]
    if seqs != list(range(old.seq + 1, digest.seq + 1)):
        chain.say("gap", digest.name, f"publishes {old.seq + 1} to {digest.seq} are not all covered", link.number)


def _tree(chain: Chain, link: Link, before: Link | None, content: bytes | None, is_anchor: bool) -> None:
    digest, name = link.digest, name_of("leaves", chain.cluster, link.number)
    if digest is None or is_anchor:
        return  # the files of a digest that cannot be read are checked by nobody
    sealed = next((subject for subject in digest.subjects if subject.name == name), None)
    if sealed is None:
        chain.say("modified", digest.name, "names no leaves", link.number)
        return
    if content is None:
        return  # said when all files are compared
    chain.hashed[name] = sha256(content), len(content)
    if chain.hashed[name][0] != sealed.sha256:
        return
    try:
        lines = unpack(content)
    except ValueError:
        chain.say("modified", name, "the leaves cannot be read", link.number)
        return
    chain.leaves[link.number] = lines
    start = before.digest.tree if before and before.digest else Tree() if link.number == 1 else None
    if start is not None and (start.size != digest.start or start.append(hashes(lines)) != digest.tree):
        chain.say("modified", digest.name, "its tree does not grow out of the one before by its leaves", link.number)


def _tail(files: Files, listing: Mapping[str, Stat], chain: Chain, last: int, anchor: Anchor | None) -> bytes | None:
    """Whether digests were cut off at the end; returns the pointer's content."""
    cluster, name = chain.cluster, latest_name(chain.cluster)
    kinds: tuple[Kind, ...] = ("heads", "leaves", "logs", "timestamps")
    traces = set().union(*(_numbers(listing, cluster, kind) for kind in kinds))
    try:
        pointer = files.read(name) if name in listing else None
    except DamagedFile:
        pointer = b""
    reach = max([last, *traces, anchor.number if anchor else 0, _pointed(pointer)])
    if reach > last:
        why = "the checkpoint knows" if anchor and anchor.number > last else "there are traces of"
        message = f"{why} digest {reach}, the last one here is {last}; a seal that was cut off leaves the same traces"
        chain.say("truncated tail", name_of("digests", cluster, last + 1), message, last + 1)
    return pointer


def _pointer(chain: Chain, content: bytes | None, last: int, head: bytes | None) -> None:
    """Whether the pointer names the newest digest, as it is and byte for byte."""
    name = latest_name(chain.cluster)
    newest = chain.links[-1] if chain.links and chain.links[-1].number == last else None
    if content is None:
        chain.say("missing", name, "the pointer to the newest digest is missing; the next seal writes it anew", last)
    elif newest is None or any(finding.kind == "truncated tail" for finding in chain.findings):
        return
    elif 0 < _pointed(content) < last:
        chain.say("reordered", name, f"names an older digest than {last}", last)
    elif content != latest_bytes(chain.cluster, last, newest.content, head or b""):
        blamed = {name_of("digests", chain.cluster, last), name_of("heads", chain.cluster, last)}
        if not any(finding.object in blamed for finding in chain.findings):
            chain.say("modified", name, f"does not name digest {last} as it is", last)


def _pointed(content: bytes | None) -> int:
    """The number that the pointer names, 0 if it cannot be read."""
    try:
        return int(json.loads(content or b"")["number"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return 0
