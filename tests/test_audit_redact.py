"""Redaction: what is found, what is left alone, and that nothing planted is left anywhere in a masked bundle."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from contract.archive_suite import workflow
from fixtures import secrets
from fixtures.sealed import SealedLake, everything
from fixtures.search_lakes import add_texts

from kubectl_argo_archive.audit.canonical import document_hash
from kubectl_argo_archive.audit.redact.redact import Masked, Redactor, read_salt_key
from kubectl_argo_archive.audit.redact.rules import Rules
from kubectl_argo_archive.demo.argo_schema import ArchiveRow
from kubectl_argo_archive.errors import ConfigError


def masked(*documents: dict[str, Any], rules: str | None = None) -> list[Masked]:
    redactor = Redactor(Rules.load(rules), b"key")
    data = [json.dumps(document).encode() for document in documents]
    for one in data:
        redactor.learn(one)
    return [redactor.document(str(number), one) for number, one in enumerate(data)]


def text_masked(text: str) -> str:
    redactor = Redactor(Rules.load(), b"key")
    redactor.learn_text(text)
    return redactor.text("x", text).data.decode()


@pytest.mark.parametrize("name", secrets.TOKENS)
@pytest.mark.parametrize("how", ["plain", "base64", "base64 in a pair", "URL", "JSON", "JSON in JSON"])
def test_tokens_are_known_by_their_form(name: str, how: str) -> None:
    text = secrets.spelled(secrets.TOKENS[name])[how]
    assert secrets.leaks(text_masked(f"before {text} after").encode()) == []
    assert text_masked(f"before {text} after").startswith(("before ", "[masked:"))


@pytest.mark.parametrize(
    "text",
    [
        "password=hunter2x", "PGPASSWORD='hunter2x y'", "db_password: hunter2x", '{"api_key": "hunter2x"}',
        "--token hunter2x", "--client-secret=hunter2x", "Authorization: Bearer hunter2x-hunter2x",
        "postgresql://me:hunter2x@db:5432/argo", "amqp://u:hunter2x/y@h/v", "export AWS_SECRET_ACCESS_KEY=hunter2x",
        r'{\"password\": \"hunter2x\"}', "password%3Dhunter2x", "machine h login me password hunter2x",
        "https://b.example.com/k?X-Amz-Signature=hunter2x0123&X-Amz-Date=1", "passphrase := hunter2x",
    ],
)  # fmt: skip
def test_secrets_are_known_by_what_stands_before_them(text: str) -> None:
    assert "hunter2x" not in text_masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens=4096", "secretName: db-credentials", "the password was wrong", "token expired after 3600 s",
        "password=${DB_PASSWORD}", "password={{inputs.parameters.password}}", "imagePullSecrets", "keyFormat: a/b",
        "s3://bucket/secret-project/file.parquet", "postgresql://db:5432/argo", "main-logs", "sk-learn version 1.5",
        "sha256:" + "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ],
)  # fmt: skip
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert text_masked(text) == text


def test_generated_workflows_are_left_alone(workflows: list[ArchiveRow]) -> None:
    redactor = Redactor(Rules.load(), b"key")
    assert [row.uid for row in workflows[:60] if redactor.document(row.uid, row.json.encode()).fields] == []


def test_values_are_masked_by_their_name() -> None:
    spec = {
        "arguments": {"parameters": [{"name": "password", "value": 12345678}, {"name": "user", "value": "me"}]},
        "templates": [{"name": "t", "container": {
            "args": ["--password", "pw-one", "--verbose", "yes"],
            "env": [{"name": "DB_PASSWORD", "value": "pw-two"},
                    {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "token"}}}]}}],
        "automountServiceAccountToken": False,
    }  # fmt: skip
    (found,) = masked(workflow("a", spec=spec))
    value = json.loads(found.data)["spec"]
    marker = "[masked:name:secret-name]"
    assert value["arguments"]["parameters"] == [{"name": "password", "value": marker}, {"name": "user", "value": "me"}]
    container = value["templates"][0]["container"]
    assert container["args"] == ["--password", marker, "--verbose", "yes"]
    assert [env.get("value") for env in container["env"]] == [marker, None]
    assert container["env"][1] == spec["templates"][0]["container"]["env"][1]  # type: ignore[index]
    assert value["automountServiceAccountToken"] is False


def test_a_secret_of_one_workflow_is_masked_in_all_others() -> None:
    first = workflow("a", spec={"arguments": {"parameters": [{"name": "password", "value": "Correct-Horse/7"}]}})
    second = workflow("b", status={"message": "login as me with Correct-Horse/7 or Correct-Horse%2F7 failed"})
    _, found = masked(first, second)
    assert json.loads(found.data)["status"]["message"].count("[masked:known-secret]") == 2
    assert b"Correct" not in found.data


def test_what_holds_the_tables_together_stays() -> None:
    node = {"id": "wf-a", "type": "Pod", "phase": "Failed", "startedAt": "2026-03-01T09:00:00Z", "name": "wf-a",
            "children": ["wf-a-1"], "boundaryID": "wf-a"}  # fmt: skip
    named = [{"name": "password", "value": "2026-03-01T09:00:00Z"}, {"name": "token", "value": "wf-a-1"}]
    (found,) = masked(workflow("a", spec={"arguments": {"parameters": named}}, status={"nodes": {"wf-a": node}}))
    value = json.loads(found.data)
    assert value["status"]["nodes"]["wf-a"] | {"name": ""} == node | {"name": ""}
    assert value["status"]["startedAt"] == "2026-03-01T09:00:00Z"


def test_numbers_keep_their_spelling_and_what_is_no_json_is_masked_too() -> None:
    redactor = Redactor(Rules.load(), b"key")
    data = b'{"spec": {"password": "hunter2x", "n": 1.50, "big": 12345678901234567890123}}'
    redactor.learn(data)
    assert b'"n":1.50,"big":12345678901234567890123' in redactor.document("a", data).data
    assert b"hunter2x" not in redactor.document("b", b"no json: password=hunter2x").data


def test_the_users_own_rules(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("""
disable = ["jwt"]
[[rule]]
id = "customer"
pattern = 'K-(?P<secret>\\d{8})'
[[rule]]
id = "iban"
name = '(?i)^iban$'
""")
    parameters = [{"name": "IBAN", "value": "DE02 1203"}, {"name": "x", "value": f"K-12345678 {secrets.TOKENS['jwt']}"}]
    (found,) = masked(workflow("a", spec={"arguments": {"parameters": parameters}}), rules=str(rules))
    values = [p["value"] for p in json.loads(found.data)["spec"]["arguments"]["parameters"]]
    assert values == ["[masked:name:iban]", f"K-[masked:customer] {secrets.TOKENS['jwt']}"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("disable = ['nonsense']", "no built-in rule"), ("[[rule]]\nid = 'x'", "either a pattern or a name"),
        ("[[rule]]\nid = 'x'\npattern = '('", "no regular expression"), ("rules = 1", "unknown key"),
        ("[[rule]]\nid = 'x'\npattern = 'a*'", "empty text"), ("= 3", "not TOML"),
    ],
)  # fmt: skip
def test_wrong_rules_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "rules.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        Rules.load(str(tmp_path / "rules.toml"))


def test_commitments_hide_and_can_be_opened() -> None:
    documents = [workflow(uid, spec={"arguments": {"parameters": [{"name": "password", "value": "hunter2x"}]}})
                 for uid in "ab"]  # fmt: skip
    first, second = masked(*documents)
    (one,), (other,) = first.fields, second.fields
    assert one.commitment != other.commitment  # equal secrets do not show as equal
    assert one.commitment == hashlib.sha256(one.salt + one.value.encode()).hexdigest()
    assert json.loads(one.value) == "hunter2x"
    assert "hunter2x" not in repr(first)
    assert masked(*documents)[0].fields == first.fields  # the same key, the same salts


def test_a_redaction_key(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("0123456789abcdef0123456789abcdef\n")
    assert len(read_salt_key(str(tmp_path / "key"))) == 32
    (tmp_path / "key").write_text("short")
    with pytest.raises(ConfigError, match="too short"):
        read_salt_key(str(tmp_path / "key"))
    with pytest.raises(ConfigError, match="cannot read"):
        read_salt_key("env:NO_SUCH_VARIABLE")


def test_nothing_planted_is_left_in_a_masked_bundle(tmp_path: Path) -> None:
    """Parameters, outputs, messages, labels, scripts: grep in plain, base64, URL, JSON-escaped; and it verifies."""
    lake = SealedLake(tmp_path)
    bystander = workflow("b", status={"message": f"somebody printed {secrets.NAMED['password']}"})
    lake.export(secrets.planted(), workflow("c"), bystander, _no_workflow(secrets.ALL["github"]))
    disclosures = tmp_path / "keep.jsonl"
    made = lake.bundle("out", redact=True, formats=("parquet", "csv", "jsonl"), disclosures=disclosures)
    lake.bundle("out.zip", redact=True, formats=("parquet", "csv", "jsonl"))
    leaking = {name: found for name, data in everything(tmp_path / "out") if (found := secrets.leaks(data))}
    assert leaking == {}
    tables = [pq.read_table(path) for path in (tmp_path / "out").rglob("*.parquet")]
    assert len(tables) >= 7
    assert (
        secrets.leaks("".join(json.dumps(t.to_pylist(), default=str, ensure_ascii=False) for t in tables).encode())
        == []
    )
    assert (lake.verify(tmp_path / "out"), lake.verify(tmp_path / "out.zip")) == ([], [])
    assert (made.versions, made.masked, made.masked_values > 300) == (4, 3, True)
    records = [json.loads(line) for line in (tmp_path / "out/redactions.jsonl").read_text().splitlines()]
    assert len(records) == made.masked_values
    assert set(records[0]) == {"cluster", "uid", "version", "table", "path", "key", "rules", "commitment"}
    assert {"/spec/arguments/parameters/0/value", "/status/message"} <= {record["path"] for record in records}
    lake.bundle("plain")
    assert len(secrets.leaks((tmp_path / "plain/raw/documents.jsonl").read_bytes())) > 20  # the test can find them
    _disclosed_values_restore_the_sealed_document(tmp_path / "out", disclosures)


def _no_workflow(secret: str) -> str:
    return json.dumps(workflow("q", status={"startedAt": f"yesterday {secret}"}))


def _disclosed_values_restore_the_sealed_document(folder: Path, disclosures: Path) -> None:
    """With the owner's file, masked documents become the sealed ones again: nothing else in them was changed."""
    disclosed = [json.loads(line) for line in disclosures.read_text().splitlines()]
    public = {(r["uid"], r["path"], r["key"]): r["commitment"]
              for r in map(json.loads, (folder / "redactions.jsonl").read_text().splitlines())}  # fmt: skip
    documents = {d["uid"]: d for d in map(json.loads, (folder / "raw/documents.jsonl").read_text().splitlines())}
    value = json.loads(documents["planted"]["json"])
    proof = None
    for one in disclosed:
        opened = hashlib.sha256(bytes.fromhex(one["salt"]) + one["value"].encode()).hexdigest()
        if one.get("proof"):
            proof = json.loads(one["value"]) if one["uid"] == "planted" else proof
            continue
        assert public[one["uid"], one["path"], one["key"]] == opened
        if one["uid"] == "planted":
            *way, last = (part.replace("~1", "/").replace("~0", "~") for part in one["path"].split("/")[1:])
            place = value
            for part in way:
                place = place[int(part) if isinstance(place, list) else part]
            place[int(last) if isinstance(place, list) else last] = json.loads(one["value"])
    assert proof is not None
    assert document_hash(json.dumps(value).encode()).sha256 == proof["sha256"]


def test_a_document_whose_masked_value_could_be_guessed_gives_no_hash_away(tmp_path: Path) -> None:
    lake = SealedLake(tmp_path)
    short = {"arguments": {"parameters": [{"name": "password", "value": "hunter2x"}]}}
    long = {"arguments": {"parameters": [{"name": "x", "value": secrets.TOKENS["github"]}]}}
    lake.export(workflow("short", spec=short), workflow("long", spec=long))
    made = lake.bundle("out", redact=True)
    assert (made.withheld, made.proven) == (1, 1)
    proofs = {p["uid"]: p for p in map(json.loads, (tmp_path / "out/evidence/proofs.jsonl").read_text().splitlines())}
    assert set(proofs["short"]) == {"cluster", "uid", "version", "table", "withheld"}
    assert len(proofs["long"]["sha256"]) == 64


def test_the_standalone_script_accepts_a_masked_bundle(tmp_path: Path) -> None:
    lake = SealedLake(tmp_path)
    lake.export(secrets.planted(), workflow("b"))
    lake.bundle("out.zip", redact=True)
    lake.bundle("out", redact=True)
    for target in ("out", "out.zip"):
        script = [sys.executable, "-I", str(tmp_path / "out/verify/verify_bundle.py"), str(tmp_path / target)]
        done = subprocess.run([*script, "--public-key", str(lake.public)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout[:5], done.stderr) == (0, "good:", "")
    assert lake.verify(tmp_path / "out") == []  # the script left nothing behind


def test_logs_are_masked_too(tmp_path: Path) -> None:
    """Lines with every secret in every spelling; a key that spans lines; a password that only a parameter names."""
    lake = SealedLake(tmp_path)
    lake.export(secrets.planted("uid-0"), workflow("uid-1"))
    spelled = [f"line {text} end" for secret in secrets.ALL.values() for text in secrets.spelled(secret).values()]
    plain = ["2026-03-02T10:00:00Z INFO start", *spelled, secrets.ALL["pem"], "all is well"]
    other = f"somebody else printed {secrets.ALL['password']}\nand went on\n"
    add_texts(lake.path, {"uid-0/main.log": "\n".join(plain).encode(), "x/main.log": other.encode()},
              per_workflow=1, nodes=False)  # fmt: skip
    made = lake.bundle("out", redact=True, logs=True, formats=("parquet", "csv", "jsonl"))
    leaking = {name: found for name, data in everything(tmp_path / "out") if (found := secrets.leaks(data))}
    assert (leaking, lake.verify(tmp_path / "out"), made.unsealed) == ({}, [], 0)
    lines = pq.read_table(tmp_path / "out/data/parquet/log_lines.parquet").to_pylist()
    assert secrets.leaks(json.dumps(lines, default=str, ensure_ascii=False).encode()) == []
    messages = [line["message"] for line in lines]
    assert len(messages) == len("\n".join(plain).split("\n")) + 2
    assert {"all is well", "and went on", "somebody else printed [masked:known-secret]"} <= set(messages)
    assert pq.read_table(tmp_path / "out/data/parquet/log_objects.parquet").num_rows == 2
    records = (tmp_path / "out/redactions.jsonl").read_text().splitlines()
    assert sum(json.loads(record)["table"] == "log_lines" for record in records) > 100
    lake.bundle("raw", logs=True)
    assert secrets.leaks((tmp_path / "raw/data/csv/log_lines.csv").read_bytes()) != []
