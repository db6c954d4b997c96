"""`kubectl argo-archive audit …`: what its commands print, and their exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fixtures.audit import SealedLake, documents, write_documents

from kubectl_argo_archive.audit.digest import name_of
from kubectl_argo_archive.cli.commands.audit import COMMANDS
from kubectl_argo_archive.cli.main import run

Run = Any


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs one command line: exit code, standard output, standard error."""

    def invoke(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        return code, *capfd.readouterr()

    return invoke


def test_the_group(call: Run) -> None:
    code, out, _ = call("audit")
    assert code == 0
    assert all(f"  {name} " in out for name in COMMANDS)
    for name, (_, line) in COMMANDS.items():
        code, out, _ = call("audit", name, "--help")
        assert (code, "--config" in out) == (0, True), name
        assert line
    assert call("audit", "verfy")[0] == 2


def test_the_whole_way(call: Run, tmp_path: Path) -> None:
    """keygen, export with its seal, verify, prove, the script; then one byte flips."""
    lake, source = tmp_path / "lake", write_documents(tmp_path / "w.ndjson", documents(4))
    key, public = tmp_path / "audit.key", tmp_path / "audit.key.pub"
    code, out, _ = call("audit", "keygen", key)
    assert (code, public.exists(), "key id" in out) == (0, True, True)
    assert call("audit", "keygen", key)[0] == 2
    config = tmp_path / "config.toml"
    config.write_text(f'[audit]\nseal = true\nkey = "{key}"\npublic_key = "{public}"\ninterval = "1h"\n')
    shared = ("--config", config)
    for number in (1, 2):
        code, _, err = call("export", "--source", source, "--lake", lake, "-q", *shared)
        assert (code, name_of("digests", "default", number) in err) == (0, True), err
    seen = tmp_path / "seen.json"
    for _ in range(2):
        code, out, _ = call("audit", "verify", lake, "--checkpoint", seen, "-q", "-o", "json", *shared)
        found = json.loads(out)
        assert (code, found["ok"], found["clusters"][0]["digests"]) == (0, True, 2)
    assert found["files_read"] == 0
    code, out, _ = call("audit", "seal", "--lake", lake, "--source", source, "-o", "json", *shared)
    assert (code, json.loads(out)["digests"][0]["reconciliation"]) == (0, "equal")
    assert call("audit", "verify", lake, "--against-source", "--source", source, "--deep", "-q", *shared)[0] == 0
    proof, script = tmp_path / "proof.json", tmp_path / "standalone.py"
    uid = documents(4)[2]["metadata"]["uid"]
    assert call("audit", "prove", uid, "--lake", lake, "--out", proof)[0] == 0
    assert call("audit", "prove", "--script", "--out", script)[0] == 0
    checked = [sys.executable, script, "inclusion", proof, "--public-key", public]
    assert subprocess.run(checked, check=False, capture_output=True).returncode == 0
    assert call("audit", "prove", "--between", 1, 3, "--lake", lake, "--out", proof)[0] == 0
    victim = next(lake.glob("raw/month=*/*.parquet"))
    victim.write_bytes(victim.read_bytes()[:-1])
    code, out, err = call("audit", "verify", lake, "-q", *shared)
    assert code == 3
    assert f"NOT as sealed: {victim.relative_to(lake)}: truncated tail" in err
    assert "truncated tail" in out


def test_mistakes(call: Run, sealed: SealedLake, tmp_path: Path) -> None:
    key = ("--public-key", sealed.public)
    assert call("audit", "verify", sealed.path)[0] == 2
    assert call("audit", "verify", *key)[0] == 2
    assert call("audit", "verify", tmp_path, *key, "-q")[0] == 1
    assert call("audit", "verify", tmp_path / "nothing.zip", *key, "-q")[0] in (1, 2)
    assert call("audit", "verify", sealed.path, *key, "--against-source")[0] == 2
    assert call("audit", "seal", "--lake", sealed.path, "--no-source")[0] == 2
    assert call("audit", "seal", "--lake", sealed.path, "--key", sealed.key, "--interval", "x")[0] == 2
    assert call("audit", "prove", "--lake", sealed.path)[0] == 2
    assert call("audit", "prove", "nobody", "--lake", sealed.path)[0] == 2
    assert call("audit", "timestamp", "--lake", sealed.path)[0] == 2
    down = "postgresql://me@127.0.0.1:1/argo"
    assert call("audit", "verify", sealed.path, *key, "--against-source", "--source", down, "-q")[0] == 4
    assert call("audit", "seal", "--lake", sealed.path, "--key", sealed.key, "--source", down)[0] == 4


def test_another_key(call: Run, sealed: SealedLake, tmp_path: Path) -> None:
    assert call("audit", "keygen", tmp_path / "k", "--valid-until", "2030-01-01")[0] == 0
    code, out, err = call("audit", "verify", sealed.path, "--public-key", tmp_path / "k.pub", "-o", "json", "-q")
    assert (code, json.loads(out)["first"]["kind"]) == (3, "wrong key")
    assert "wrong key" in err


def test_a_time_stamp_request(call: Run, sealed: SealedLake, tmp_path: Path) -> None:
    query = tmp_path / "q.tsq"
    assert call("audit", "timestamp", "--lake", sealed.path, "--request", query)[0] == 0
    assert query.read_bytes()[:1] == b"\x30"
