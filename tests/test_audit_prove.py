"""Proofs, checked by the stand-alone script under an interpreter that has nothing but `cryptography`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from fixtures.audit import SealedLake, files_of
from fixtures.lakes import rows
from securesystemslib.dsse import Envelope as OtherEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from kubectl_argo_archive.audit.digest import Head, name_of
from kubectl_argo_archive.audit.dsse import Envelope, Subject, sign
from kubectl_argo_archive.audit.leaves import Leaf
from kubectl_argo_archive.audit.merkle import Levels, leaf_hash
from kubectl_argo_archive.audit.prove import (
    LeafIndex,
    consistency_proof,
    find_workflow,
    inclusion_proof,
    newest_digest,
    script,
)
from kubectl_argo_archive.errors import ConfigError, LakeError

MILLION = 1_000_000


@pytest.fixture(scope="module")
def clean_python(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs the script with an interpreter that finds the standard library and cryptography only."""
    folder = tmp_path_factory.mktemp("clean")
    (folder / "packages").mkdir()
    for name in ("cryptography", "cffi", "_cffi_backend"):
        found = find_spec(name)
        assert found
        assert found.origin
        origin = Path(found.origin).parent if found.submodule_search_locations else Path(found.origin)
        (folder / "packages" / origin.name).symlink_to(origin)
    (folder / "standalone.py").write_bytes(script())
    env = {"PYTHONPATH": str(folder / "packages"), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}

    def call(*arguments: str | Path) -> tuple[int, str]:
        command = [sys.executable, "-S", "-s", str(folder / "standalone.py"), *map(str, arguments)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
        assert not done.stderr, done.stderr
        return done.returncode, done.stdout

    probe = [
        sys.executable,
        "-S",
        "-s",
        "-c",
        "import cryptography, importlib.util as u; assert not u.find_spec('pyarrow')",
    ]
    subprocess.run(probe, env=env, check=True)
    return call


def written(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def test_every_workflow_can_be_proven(sealed: SealedLake, tmp_path: Path, clean_python: Any) -> None:
    files = files_of(sealed.path)
    row = next(row for row in rows(sealed.path, "raw") if row["version"] == 2)
    index, position = find_workflow(files, row["uid"])
    proof = inclusion_proof(index, position)
    assert (proof["leaf"]["uid"], proof["leaf"]["version"]) == (row["uid"], 2)
    path = written(tmp_path / "proof.json", proof)
    assert path.stat().st_size <= 4096
    document = tmp_path / "w.json"
    document.write_text(row["json"])
    arguments = ("inclusion", path, "--public-key", sealed.public)
    assert clean_python(*arguments, "--document", document)[0] == 0
    document.write_text(row["json"].replace("Succeeded", "Failed", 1))
    code, said = clean_python(*arguments, "--document", document)
    assert (code, "not the one that was sealed" in said) == (3, True)
    for wrong in (
        {**proof, "index": position ^ 1}, {**proof, "path": proof["path"][:-1]},
        {**proof, "leaf": {**proof["leaf"], "uid": "x"}},
        {**proof, "head": {**proof["head"], "signatures": [{**proof["head"]["signatures"][0], "sig": "AAAA"}]}},
    ):  # fmt: skip
        assert clean_python("inclusion", written(path, wrong), "--public-key", sealed.public)[0] == 3


def test_digests_prove_to_continue_each_other(sealed: SealedLake, tmp_path: Path, clean_python: Any) -> None:
    files = files_of(sealed.path)
    for first, second in ((1, 4), (2, 3), (1, 2), (4, 4)):
        proof = consistency_proof(files, "default", first, second)
        path = written(tmp_path / "proof.json", proof)
        assert path.stat().st_size <= 4096
        assert clean_python("consistency", path, "--public-key", sealed.public)[0] == 0
    proof = consistency_proof(files, None, 1)
    assert proof["second"] == consistency_proof(files, None, 1, 4)["second"]
    forged = {**proof, "path": ["00" * 32, *proof["path"][1:]]}
    assert clean_python("consistency", written(tmp_path / "f", forged), "--public-key", sealed.public)[0] == 3
    with pytest.raises(ConfigError):
        consistency_proof(files, "default", 4, 2)


def test_the_script_checks_a_whole_lake(sealed: SealedLake, tmp_path: Path, clean_python: Any) -> None:
    assert clean_python("chain", sealed.path, "--public-key", sealed.public)[0] == 0
    lake = sealed.copy(tmp_path / "lake")
    path = next(lake.glob("raw/month=*/*.parquet"))
    path.unlink()
    code, said = clean_python("chain", lake, "--public-key", sealed.public)
    assert (code, said.strip()) == (3, f"{path.relative_to(lake)}: missing")
    assert clean_python("chain", lake, "--public-key", sealed.public, "--digests-only")[0] == 0
    digest = lake / name_of("digests", "default", 2)
    content = bytearray(digest.read_bytes())
    content[300] ^= 1
    digest.unlink()
    digest.write_bytes(content)
    assert "00000002.json" in clean_python("chain", lake, "--public-key", sealed.public)[1]


def test_a_million_leaves(sealed: SealedLake, tmp_path: Path, clean_python: Any) -> None:
    """At most 4 KB, and the script agrees."""
    index = object.__new__(LeafIndex)
    index.cluster, index.number = "default", 7
    index.lines = [
        Leaf("default", f"6522aff1-1e01-11ea-b443-{i:012}", 1, "raw", f"{i:064x}").line() for i in range(MILLION)
    ]
    levels = Levels([leaf_hash(line) for line in index.lines])
    digest = Subject(name_of("digests", "default", 7), "0" * 64, 1 << 20)
    head = Head("default", 7, MILLION, levels.root().hex(), datetime.now(UTC), digest)
    index.head, index.head_bytes = head, sign(head.payload(), [sealed.signer]).to_bytes()
    index.__dict__["levels"] = levels
    for position in (524_287, MILLION - 1):
        path = written(tmp_path / "proof.json", inclusion_proof(index, position))
        assert path.stat().st_size <= 4096
        code, said = clean_python("inclusion", path, "--public-key", sealed.public)
        assert code == 0, said


def test_an_independent_implementation_accepts_our_envelopes(sealed: SealedLake) -> None:
    """securesystemslib, the library behind in-toto and TUF; the statement has in-toto's shape."""
    key = SSlibKey.from_crypto(load_pem_public_key(sealed.public.read_bytes()))  # type: ignore[arg-type]
    for kind in ("digests", "heads"):
        for number in (1, 2, 3, 4):
            content = (sealed.path / name_of(kind, "default", number)).read_bytes()  # type: ignore[arg-type]
            envelope = OtherEnvelope.from_dict(json.loads(content))
            assert set(envelope.verify([key], 1)) == {sealed.signer.public.key_id}
            assert envelope.payload_type == "application/vnd.in-toto+json"
            value = json.loads(envelope.payload)
            assert value["_type"] == "https://in-toto.io/Statement/v1"
            assert value["predicateType"].startswith("https://")
            assert value["subject"]
            assert all(len(subject["digest"]["sha256"]) == 64 and subject["name"] for subject in value["subject"])
            assert isinstance(value["predicate"], dict)
            envelope.payload += b" "
            with pytest.raises(VerificationError):
                envelope.verify([key], 1)


def test_workflows_are_found_by_name(sealed: SealedLake) -> None:
    files = files_of(sealed.path)
    workflow = rows(sealed.path, "workflows")[5]
    for text in (workflow["name"], f"{workflow['namespace']}/{workflow['name']}", workflow["uid"]):
        index, position = find_workflow(files, text)
        assert index.leaf(position).uid == workflow["uid"]
    index, position = find_workflow(files, "odd-1")
    assert index.leaf(position).origin == "quarantine"
    with pytest.raises(ConfigError, match="no sealed workflow"):
        find_workflow(files, "nobody")
    assert newest_digest(files, None) == ("default", 4)
    with pytest.raises(LakeError, match="no digest 9"):
        LeafIndex(files, "default", 9)


def test_an_older_digest_proves_what_it_knew(sealed: SealedLake) -> None:
    files = files_of(sealed.path)
    index = LeafIndex(files, "default", 1)
    assert (index.head.size, len(index.lines)) == (24, 24)
    last = LeafIndex(files, "default")
    assert last.lines[:24] == index.lines
    leaf = last.leaf(30)
    assert last.index_of(leaf.cluster, leaf.uid, leaf.version, leaf.origin) == 30
    assert last.index_of("default", "nobody", 1) is None
    envelope = Envelope.parse(last.head_bytes)
    assert envelope.check(sealed.ring) == "good"
