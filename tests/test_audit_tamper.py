"""Whatever is done to a sealed lake is detected and named; what was only copied and moved is not."""

from __future__ import annotations

import gzip
import json
import random
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fixtures.audit import SealedLake, make_keys

from kubectl_argo_archive.audit.digest import Digest, Head, latest_bytes, name_of, sha256
from kubectl_argo_archive.audit.dsse import Envelope, Subject, sign
from kubectl_argo_archive.audit.keys import Signer, load_signer
from kubectl_argo_archive.audit.leaves import pack, unpack

DIGESTS = 4


@dataclass(frozen=True)
class Mutated:
    """What a mutation did.

    Attributes:
        objects: files of which at least one must be named, and first.
        kinds: what may be said of it.
        records: workflow versions of which one must be named, if any are.
    """

    objects: tuple[str, ...]
    kinds: tuple[str, ...]
    records: tuple[str, ...] = ()


Mutation = Callable[[Path, random.Random], Mutated]


def replace(path: Path, content: bytes) -> None:
    """Write a file anew: the copy shares its blocks with the original."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def names(lake: Path, pattern: str = "**/*") -> list[str]:
    return sorted(str(path.relative_to(lake)) for path in lake.glob(pattern) if path.is_file())


def data_files(lake: Path, table: str = "*") -> list[str]:
    return [name for name in names(lake, f"{table}/**/*.parquet") if "_delta_log" not in name]


def flip(lake: Path, rng: random.Random) -> Mutated:
    name = rng.choice(names(lake))
    content = bytearray((lake / name).read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    replace(lake / name, bytes(content))
    return Mutated((name,), ("modified", "truncated tail", "wrong key", "re-signed", "reordered"))


def drop(lake: Path, rng: random.Random) -> Mutated:
    name = rng.choice(names(lake))
    (lake / name).unlink()
    return Mutated((name,), ("missing", "truncated tail"))


def duplicate(lake: Path, rng: random.Random) -> Mutated:
    name = rng.choice([name for name in names(lake) if not name.endswith("latest.json")])
    path = lake / name
    if path.parent.name == "_delta_log":
        versions = [int(other.name[:20]) for other in path.parent.glob("*.json")]
        copy = path.with_name(f"{max(versions) + 1:020}.json")
    elif name.startswith("audit/"):
        copy = path.with_name(path.name.replace(path.name[:8], f"{DIGESTS + 1:08}"))
    else:
        copy = path.with_name(path.name.replace(".zstd", "-1.zstd"))
    shutil.copyfile(path, copy)
    return Mutated((str(copy.relative_to(lake)), name_of("digests", "default", DIGESTS + 1)),
                   ("inserted", "reordered", "truncated tail"))  # fmt: skip


def swap(lake: Path, rng: random.Random) -> Mutated:
    folder = (lake / rng.choice(names(lake))).relative_to(lake).parts[0]
    inside = [name for name in names(lake, f"{folder}/**/*") if not name.endswith("latest.json")]
    kind = rng.choice([name.rpartition(".")[2] for name in inside])
    alike = [name for name in inside if name.endswith(kind)]
    pairs = [(a, b) for a in alike for b in alike if a < b and (lake / a).read_bytes() != (lake / b).read_bytes()]
    if not pairs:
        return flip(lake, rng)
    one, other = rng.choice(pairs)
    first, second = (lake / one).read_bytes(), (lake / other).read_bytes()
    replace(lake / one, second)
    replace(lake / other, first)
    return Mutated((one, other), ("reordered", "modified", "truncated tail"))


def truncate(lake: Path, rng: random.Random) -> Mutated:
    name = rng.choice([name for name in names(lake) if not name.endswith("latest.json")])
    content = (lake / name).read_bytes()
    replace(lake / name, content[: rng.randrange(len(content))])
    return Mutated((name,), ("truncated tail", "modified"))


def cut_digests(lake: Path, rng: random.Random) -> Mutated:
    """The newest digests are gone; their heads, leaves or the pointer tell."""
    first = rng.randrange(2, DIGESTS + 1)
    for number in range(first, DIGESTS + 1):
        (lake / name_of("digests", "default", number)).unlink()
    return Mutated((name_of("digests", "default", first),), ("truncated tail",))


def edit_value(lake: Path, rng: random.Random) -> Mutated:
    """One value changed, the Parquet written correctly."""
    name = rng.choice(data_files(lake))
    table = pq.read_table(lake / name, partitioning=None)
    column = rng.choice([i for i, field in enumerate(table.schema) if field.type == pa.string()])
    values = table.column(column).to_pylist()
    row = rng.randrange(len(values))
    values[row] = (values[row] or "") + " "
    field = table.schema.field(column)
    (lake / name).unlink()
    pq.write_table(table.set_column(column, field, pa.array(values, field.type)), lake / name, compression="zstd")
    records: tuple[str, ...] = ()
    if name.startswith("raw/") and field.name == "json":
        uid, version = table["uid"][row].as_py(), table["version"][row].as_py()
        records = () if values[row].endswith("} ") else (f"default/{uid}/{version}",)
    return Mutated((name,), ("modified", "reordered"), records)


def edit_document(lake: Path, rng: random.Random) -> Mutated:
    """One number or word inside a workflow's JSON, the Parquet written correctly: the workflow is named."""
    name = rng.choice(data_files(lake, "raw"))
    table = pq.read_table(lake / name, partitioning=None)
    rows = table.to_pylist()
    row = rng.choice(rows)
    workflow = json.loads(row["json"])
    workflow["status"]["phase"] = "Succeeded, honestly"
    row["json"] = json.dumps(workflow)
    (lake / name).unlink()
    pq.write_table(pa.Table.from_pylist(rows, table.schema), lake / name, compression="zstd")
    return Mutated((name,), ("modified",), (f"default/{row['uid']}/{row['version']}",))


def drop_row(lake: Path, rng: random.Random) -> Mutated:
    """One workflow less, the Parquet written correctly: the workflow is named."""
    name = rng.choice(data_files(lake, "raw"))
    table = pq.read_table(lake / name, partitioning=None)
    rows = table.to_pylist()
    row = rows.pop(rng.randrange(len(rows)))
    (lake / name).unlink()
    pq.write_table(pa.Table.from_pylist(rows, table.schema), lake / name, compression="zstd")
    return Mutated((name,), ("modified",), (f"default/{row['uid']}/{row['version']}",))


def add_row(lake: Path, rng: random.Random) -> Mutated:
    """One workflow more, the Parquet written correctly: the workflow is named."""
    name = rng.choice(data_files(lake, "raw"))
    table = pq.read_table(lake / name, partitioning=None)
    rows = table.to_pylist()
    rows.insert(rng.randrange(len(rows) + 1), {**rows[0], "uid": "forged", "version": 1})
    (lake / name).unlink()
    pq.write_table(pa.Table.from_pylist(rows, table.schema), lake / name, compression="zstd")
    return Mutated((name,), ("modified",), ("default/forged/1",))


def reorder_rows(lake: Path, rng: random.Random) -> Mutated:
    """The same workflows in another order."""
    name = rng.choice([one for one in data_files(lake, "raw") if pq.read_metadata(lake / one).num_rows > 1])
    table = pq.read_table(lake / name, partitioning=None)
    rows = table.to_pylist()[::-1]
    (lake / name).unlink()
    pq.write_table(pa.Table.from_pylist(rows, table.schema), lake / name, compression="zstd")
    return Mutated((name,), ("reordered",))


def edit_leaves(lake: Path, rng: random.Random) -> Mutated:
    """A leaf changed, dropped, doubled or moved; the list packed correctly."""
    name = name_of("leaves", "default", rng.choice((1, 2, 4)))
    lines = unpack((lake / name).read_bytes())
    at = rng.randrange(len(lines))
    match rng.randrange(4):
        case 0:
            lines[at] = lines[at].replace(b'"version":1', b'"version":2').replace(b'"table"', b'"table" ')
        case 1:
            del lines[at]
        case 2:
            lines.insert(at, lines[at])
        case 3:
            lines[at - 1], lines[at] = lines[at], lines[at - 1]
    replace(lake / name, pack(lines))
    return Mutated((name,), ("modified",))


def resign(lake: Path, signer: Signer, first: int, last: int, edit: Callable[[dict[str, Any]], None]) -> None:
    """Sign digests anew, links, heads and pointer included: everything that a forger without the key can do."""
    previous: dict[str, Any] | None = None
    for number in range(first, DIGESTS + 1):
        path = lake / name_of("digests", "default", number)
        value = Envelope.parse(path.read_bytes()).statement()
        edit(value["predicate"])
        if previous:
            value["predicate"]["previous"] = previous
        resigned = number <= last
        envelope = sign(json.dumps(value, sort_keys=True, separators=(",", ":")).encode(), [signer])
        if not resigned:
            return
        content, digest = envelope.to_bytes(), Digest.parse(envelope)
        replace(path, content)
        head = sign(Head.of(digest, Subject(digest.name, sha256(content), len(content))).payload(), [signer]).to_bytes()
        replace(lake / name_of("heads", "default", number), head)
        signatures = [{"keyid": s.key_id, "sig": s.signature.hex()} for s in envelope.signatures]
        previous = {"name": digest.name, "number": number, "sha256": sha256(content), "signatures": signatures}
        if number == DIGESTS:
            replace(lake / "audit/digests/cluster=default/latest.json", latest_bytes("default", number, content, head))


def forged(foreign: Signer) -> Mutation:
    def mutate(lake: Path, rng: random.Random) -> Mutated:
        first = rng.randrange(1, DIGESTS + 1)
        last = rng.choice((first, DIGESTS))
        resign(lake, foreign, first, last, lambda predicate: predicate.update(erased=[]))
        whole = first == 1 and last == DIGESTS
        return Mutated((name_of("digests", "default", first),), ("wrong key",) if whole else ("re-signed",))

    return mutate


def forged_unsealed(lake: Path, rng: random.Random) -> Mutated:
    """A foreign row smuggled in as a further commit that no publish names."""
    name = rng.choice(data_files(lake, "raw"))
    copy = lake / name.replace("part-", "part-forged-")
    shutil.copyfile(lake / name, copy)
    log = max((lake / "raw/_delta_log").glob("*.json"))
    after = log.with_name(f"{int(log.stem) + 1:020}.json")
    add = {"path": str(copy.relative_to(lake / "raw")), "size": copy.stat().st_size, "dataChange": True}
    after.write_text(json.dumps({"add": {**add, "partitionValues": {}, "modificationTime": 0}}) + "\n")
    return Mutated((str(after.relative_to(lake)), str(copy.relative_to(lake))), ("inserted",))


def stray(lake: Path, rng: random.Random) -> Mutated:
    name = rng.choice(
        ["evil.parquet", "raw/month=2026-01/part-x.parquet", "audit/notes.txt", "other/_delta_log/x.json"]
    )
    (lake / name).parent.mkdir(parents=True, exist_ok=True)
    (lake / name).write_bytes(b"x" * rng.randrange(1, 9))
    return Mutated((name,), ("inserted",))


PLAN: list[tuple[Mutation | str, int]] = [
    (flip, 80), (drop, 30), (duplicate, 20), (swap, 20), (truncate, 20), (cut_digests, 3), (edit_value, 15),
    (edit_document, 8), (drop_row, 6), (add_row, 4), (reorder_rows, 4), (edit_leaves, 8), ("forged", 10),
    (forged_unsealed, 3), (stray, 4),
]  # fmt: skip


def cases(foreign: Signer) -> Iterator[tuple[int, str, Mutation]]:
    seed = 0
    for what, count in PLAN:
        mutation = forged(foreign) if isinstance(what, str) else what
        for _ in range(count):
            seed += 1
            yield seed, what if isinstance(what, str) else what.__name__, mutation


def test_every_mutation_is_detected_and_named(sealed: SealedLake, tmp_path: Path) -> None:
    foreign = load_signer(str(make_keys(tmp_path, "foreign.key")[0]))
    wrong, count = [], 0
    for seed, what, mutation in cases(foreign):
        lake = sealed.copy(tmp_path / f"copy-{seed}")
        did = mutation(lake, random.Random(seed))
        report = sealed.verify(lake)
        named = {finding.object: finding for finding in report.findings}
        hit = [named[name] for name in did.objects if name in named]
        records = {record for finding in hit for record in finding.records}
        if not hit or not any(f.kind in did.kinds for f in hit) or not records.issuperset(did.records):
            wrong.append((seed, what, did, [finding.to_dict() for finding in report.findings]))
        elif what not in ("swap", "duplicate", "cut_digests") and report.findings[0] not in hit:
            wrong.append((seed, what, did, "another object is said to be the first", report.findings[0]))
        count += 1
        shutil.rmtree(lake)
    assert count >= 200
    assert not wrong, f"{len(wrong)} of {count}: {wrong[:3]}"


def test_no_false_alarm_on_moved_copies(sealed: SealedLake, tmp_path: Path) -> None:
    wrong = []
    for number in range(50):
        target = tmp_path / f"moved {number} ä" / "deep" / "lake"
        target.parent.mkdir(parents=True)
        shutil.copytree(sealed.path, target)
        where: Path = target
        if number % 5 == 4:
            where = target.with_suffix(".zip")
            with zipfile.ZipFile(where, "w", zipfile.ZIP_DEFLATED if number % 2 else zipfile.ZIP_STORED) as zipped:
                for name in names(target):
                    zipped.write(target / name, f"top/{name}" if number % 3 else name)
        report = sealed.verify(where, deep=number % 7 == 0)
        if not report.ok:
            wrong.append((number, report.findings))
        shutil.rmtree(tmp_path / f"moved {number} ä")
    assert not wrong


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_older_digests_in_place_of_newer_ones_given_a_checkpoint(sealed: SealedLake, tmp_path: Path, kept: int) -> None:
    """All traces of the newest digests are gone; without a checkpoint the lake looks as it did then."""
    checkpoint = sealed.verify(sealed.path).checkpoint
    lake = sealed.copy(tmp_path / "lake")
    for number in range(kept + 1, DIGESTS + 1):
        for kind in ("digests", "heads", "leaves"):
            (lake / name_of(kind, "default", number)).unlink()  # type: ignore[arg-type]  # three of the kinds
    digest, head = ((lake / name_of(kind, "default", kept)).read_bytes() for kind in ("digests", "heads"))  # type: ignore[arg-type]
    replace(lake / "audit/digests/cluster=default/latest.json", latest_bytes("default", kept, digest, head))
    assert sealed.verify(lake).ok
    found = sealed.verify(lake, checkpoint=checkpoint).findings
    assert (found[0].kind, found[0].object) == ("truncated tail", name_of("digests", "default", kept + 1))


def test_a_damaged_zip_names_its_member(sealed: SealedLake, tmp_path: Path) -> None:
    target = tmp_path / "lake.zip"
    with zipfile.ZipFile(target, "w") as zipped:
        for name in names(sealed.path):
            zipped.write(sealed.path / name, name)
    name = data_files(sealed.path, "nodes")[0]
    with zipfile.ZipFile(target) as zipped:
        offset = zipped.getinfo(name).header_offset
    content = bytearray(target.read_bytes())
    content[offset + 200] ^= 1
    target.write_bytes(content)
    assert [finding.object for finding in sealed.verify(target).findings] == [name]


def test_leaves_are_what_they_say(sealed: SealedLake) -> None:
    lines = [
        line
        for n in range(1, 5)
        for line in gzip.decompress((sealed.path / name_of("leaves", "default", n)).read_bytes()).split(b"\n")
        if line
    ]
    assert len(lines) == len(set(lines)) == 24 + 2 + 8 + 1 + 4
