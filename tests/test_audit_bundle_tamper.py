"""Whatever is done to a bundle is detected and named; untouched copies are never accused."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from contract.archive_suite import workflow
from fixtures.sealed import SealedLake

from kubectl_argo_archive.audit.bundle.check import BUNDLE_TYPE
from kubectl_argo_archive.audit.bundle.records import file_hash
from kubectl_argo_archive.audit.dsse import Envelope, Subject, sign, statement
from kubectl_argo_archive.cli.main import run
from kubectl_argo_archive.demo.workflows import generate_json

KINDS = {"modified", "missing", "inserted", "reordered", "truncated tail", "wrong key", "re-signed", "gap"}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> SealedLake:
    """A lake of three digests, and bundles of it: ``plain`` and ``masked``, each as a folder and as a zip."""
    made = SealedLake(tmp_path_factory.mktemp("sealed"))
    documents = list(generate_json(12, mean_json_bytes=4000))
    secret = workflow("s", spec={"arguments": {"parameters": [{"name": "password", "value": "hunter2x"}]}})
    for part in (documents[:5], documents[5:9], [*documents[9:], json.dumps(secret)]):
        made.export(*part)
    for name in ("plain", "masked"):
        made.bundle(name, redact=name == "masked")
        made.bundle(f"{name}.zip", redact=name == "masked")
    return made


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


Mutation = Callable[[Path, random.Random], set[str]]
"""Changes a bundle in a folder; returns the names of which one must be named."""


def flip(folder: Path, dice: random.Random) -> set[str]:
    name = dice.choice([name for name in names(folder) if (folder / name).stat().st_size])
    data = bytearray((folder / name).read_bytes())
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    (folder / name).write_bytes(data)
    return {name}


def drop(folder: Path, dice: random.Random) -> set[str]:
    name = dice.choice(names(folder))
    (folder / name).unlink()
    return {name}


def duplicate(folder: Path, dice: random.Random) -> set[str]:
    name = dice.choice(names(folder))
    copy = (folder / name).with_name(f"x{dice.randrange(10**6)}-{Path(name).name}")
    shutil.copyfile(folder / name, copy)
    return {copy.relative_to(folder).as_posix()}


def swap(folder: Path, dice: random.Random) -> set[str]:
    content = {name: (folder / name).read_bytes() for name in names(folder)}
    one, two = dice.sample(sorted(content), 2)
    while content[one] == content[two]:
        one, two = dice.sample(sorted(content), 2)
    (folder / one).write_bytes(content[two])
    (folder / two).write_bytes(content[one])
    return {one, two}


def truncate(folder: Path, dice: random.Random) -> set[str]:
    name = dice.choice([name for name in names(folder) if (folder / name).stat().st_size > 1])
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: dice.randrange(1, len(data))])
    return {name}


def edit_parquet(folder: Path, dice: random.Random) -> set[str]:
    """Another value, in a Parquet file that is sound."""
    paths = [path for path in sorted((folder / "data/parquet").iterdir()) if pq.read_metadata(path).num_rows]
    path = dice.choice(paths)
    table = pq.read_table(path)
    column = dice.choice([f.name for f in table.schema if pa.types.is_string(f.type)])
    values = table[column].to_pylist()
    values[dice.randrange(len(values))] = f"edited {dice.random()}"
    place = table.schema.get_field_index(column)
    pq.write_table(table.set_column(place, table.schema.field(place), pa.array(values, pa.string())), path)
    return {path.relative_to(folder).as_posix()}


def edit_line(folder: Path, dice: random.Random) -> set[str]:
    """A line dropped, doubled, moved or changed in a file of lines that stays well formed."""
    name = dice.choice(["raw/documents.jsonl", "evidence/proofs.jsonl", "data/csv/workflows.csv"])
    lines = (folder / name).read_text().splitlines(keepends=True)
    one, two = dice.sample(range(1, len(lines)), 2)
    match dice.randrange(4):
        case 0:
            del lines[one]
        case 1:
            lines.insert(two, lines[one])
        case 2:
            lines[one], lines[two] = lines[two], lines[one]
        case _:
            lines[one] = lines[one].replace("e", "3", 1)
    (folder / name).write_text("".join(lines))
    return {name}


def resign(folder: Path, dice: random.Random) -> set[str]:
    """Edit, then make a statement that fits, with another key."""
    edit_parquet(folder, dice)
    other = SealedLake(folder.parent / f"other-{dice.randrange(10**9)}")
    stated = Envelope.parse((folder / "bundle.json").read_bytes()).statement()
    subjects = [Subject(name, *file_hash(folder / name)) for name in names(folder) if name != "bundle.json"]
    payload = statement(subjects, BUNDLE_TYPE, stated["predicate"])
    (folder / "bundle.json").write_bytes(sign(payload, [other.signer]).to_bytes())
    return {"bundle.json"}


MUTATIONS: dict[Mutation, int] = {
    flip: 90, drop: 25, duplicate: 15, swap: 20, truncate: 20, edit_parquet: 20, edit_line: 30, resign: 4,
}  # fmt: skip


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
@pytest.mark.parametrize("which", ["plain", "masked"])
def test_every_mutation_is_named(lake: SealedLake, tmp_path: Path, mutation: Mutation, which: str) -> None:
    for seed in range(MUTATIONS[mutation] // 2):
        dice = random.Random(f"{which} {seed}")
        folder = tmp_path / f"b{seed}"
        shutil.copytree(lake.folder / which, folder)
        touched = mutation(folder, dice)
        findings = lake.verify(folder)
        assert findings, (seed, touched)
        assert {finding.object for finding in findings} & touched, (seed, touched, findings)
        assert {finding.kind for finding in findings} <= KINDS
        shutil.rmtree(folder)


def test_any_byte_of_a_zip(lake: SealedLake, tmp_path: Path) -> None:
    """Headers, directory and all: bytes that no unpacker looks at, too."""
    original = (lake.folder / "masked.zip").read_bytes()
    dice = random.Random(1)
    tail = original.rindex(b"PK\5\6")
    first = original.index(b"PK\1\2")
    places = [*range(8), *range(10, 14), *range(tail, len(original)), *dice.sample(range(first, tail), 60),
              *dice.sample(range(first), 60)]  # fmt: skip
    target = tmp_path / "b.zip"
    for place in places:
        data = bytearray(original)
        data[place] ^= 1 << dice.randrange(8)
        target.write_bytes(data)
        assert verdict(lake, target) == 3, place
    for data in (original[:-1], original + b"x", b"x" + original, original[: len(original) // 2], b""):
        target.write_bytes(data)
        assert verdict(lake, target) == 3


def verdict(lake: SealedLake, target: Path) -> int:
    """Exit code of the command; it names the file."""
    return run(["audit", "verify", str(target), "--public-key", str(lake.public), "-q", "--out", "/dev/null"])


def test_untouched_copies_are_never_accused(lake: SealedLake, tmp_path: Path) -> None:
    for number in range(50):
        name = ("plain", "masked", "plain.zip", "masked.zip")[number % 4]
        source = lake.folder / name
        target = tmp_path / f"moved {number}" / ("ä b" if source.is_dir() else f"{number}.zip")
        target.parent.mkdir()
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, target)
        assert lake.verify(target) == []


def test_an_insider_with_the_key_cannot_change_a_record(lake: SealedLake, tmp_path: Path) -> None:
    """Whoever signs bundles may not rewrite what was sealed: each document must lead to the signed tree."""
    folder = tmp_path / "b"
    shutil.copytree(lake.folder / "plain", folder)
    lines = [json.loads(line) for line in (folder / "raw/documents.jsonl").read_text().splitlines()]
    lines[3]["json"] = lines[3]["json"].replace("Succeeded", "Failed")
    (folder / "raw/documents.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    stated = Envelope.parse((folder / "bundle.json").read_bytes()).statement()
    subjects = [Subject(name, *file_hash(folder / name)) for name in names(folder) if name != "bundle.json"]
    payload = statement(subjects, BUNDLE_TYPE, stated["predicate"])
    (folder / "bundle.json").write_bytes(sign(payload, [lake.signer]).to_bytes())
    (only,) = lake.verify(folder)
    assert (only.kind, only.object) == ("modified", f"default/{lines[3]['uid']}/1/raw")


def test_older_evidence_does_not_pass(lake: SealedLake, tmp_path: Path) -> None:
    """The newest digest cut off, with the head of the one before in its place."""
    folder = tmp_path / "b"
    shutil.copytree(lake.folder / "plain", folder)
    evidence = folder / "evidence/audit"
    (evidence / "digests/cluster=default/00000003.json").unlink()
    shutil.copyfile(lake.path / "audit/heads/cluster=default/00000002.json",
                    evidence / "heads/cluster=default/00000003.json")  # fmt: skip
    objects = {finding.object for finding in lake.verify(folder)}
    assert {"evidence/audit/digests/cluster=default/00000003.json",
            "evidence/audit/heads/cluster=default/00000003.json"} <= objects  # fmt: skip


def test_the_standalone_script_sees_the_same(lake: SealedLake, tmp_path: Path) -> None:
    script = lake.folder / "plain/verify/verify_bundle.py"
    for seed, mutation in enumerate(MUTATIONS):
        folder = tmp_path / f"b{seed}"
        shutil.copytree(lake.folder / "plain", folder)
        touched = mutation(folder, random.Random(seed))
        command = [sys.executable, "-I", str(script), str(folder), "--public-key", str(lake.public)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (3, "")
        assert any(name in done.stdout for name in touched)
