"""Bundles: what is in them, that equal selections give equal bytes, and what an auditor reads."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from contract.archive_suite import workflow
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from fixtures.lakes import read
from fixtures.sealed import SealedLake, everything
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from kubectl_argo_archive.audit.bundle.select import Criteria
from kubectl_argo_archive.cli.main import cli
from kubectl_argo_archive.errors import ConfigError

PREFIX = "workflows.argoproj.io/"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> SealedLake:
    """Six workflows, one of them retried: two exports, two digests."""
    made = SealedLake(tmp_path_factory.mktemp("sealed"))
    etl = {"workflowTemplateRef": {"name": "etl"}}
    alice = {f"{PREFIX}creator": "alice", f"{PREFIX}creator-email": "alice.at.example.com", "team": "risk"}
    first = [
        workflow("a", labels=alice, spec=etl, finished_at="2026-03-01T10:00:00Z"),
        workflow("b", labels={"team": "data"}, namespace="other", status={"phase": "Failed", "message": "<b>no</b>"}),
        workflow("c", labels=alice, finished_at="2026-05-01T10:00:00Z", status={"phase": "Failed"}),
        workflow("d", finished_at=None),
        workflow("q", status={"startedAt": "yesterday"}),
        workflow("<script>alert(1)</script>", namespace="x\"><img src=x onerror=alert(1)>",
                 labels={f"{PREFIX}creator": "<i>eve</i>"}),
    ]  # fmt: skip
    made.export(*first)
    retried = workflow("c", labels={**alice, f"{PREFIX}actor": "bob", f"{PREFIX}action": "Retry"},
                       finished_at="2026-05-02T10:00:00Z")  # fmt: skip
    made.export(retried)
    return made


def uids(folder: Path) -> list[tuple[str, int]]:
    lines = (folder / "raw/documents.jsonl").read_text().splitlines()
    return sorted((d["uid"], d["version"]) for d in map(json.loads, lines))


@pytest.fixture
def target(lake: SealedLake, request: pytest.FixtureRequest) -> str:
    """A name that no other test uses."""
    return re.sub(r"\W", "_", request.node.name)


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        (Criteria(), [("<script>alert(1)</script>", 1), ("a", 1), ("b", 1), ("c", 1), ("c", 2), ("d", 1), ("q", 1)]),
        (Criteria(namespaces=("other",)), [("b", 1)]),
        (Criteria(labels="team in (risk),x!=y"), [("a", 1), ("c", 1), ("c", 2)]),
        (Criteria(creators=("alice.at.example.com",)), [("a", 1), ("c", 1), ("c", 2)]),
        (Criteria(templates=("etl",)), [("a", 1)]),
        (Criteria(phases=("failed",), namespaces=("ns",)), [("c", 1), ("c", 2)]),
        (Criteria(labels="team", since=datetime(2026, 4, 1, tzinfo=UTC)), [("c", 1), ("c", 2)]),
        (Criteria(labels="team", until=datetime(2026, 3, 1, 10, 0, 1, tzinfo=UTC)), [("a", 1), ("b", 1)]),
        (Criteria(uids=("d",)), [("d", 1)]),
        (Criteria(templates=("nothing",)), []),
    ],
)  # fmt: skip
def test_selection(lake: SealedLake, target: str, criteria: Criteria, expected: list[tuple[str, int]]) -> None:
    """If one state matches, all states of the workflow come; a record without a time is rather given than kept back."""
    made = lake.bundle(target, criteria)
    assert uids(lake.folder / target) == expected
    assert (made.versions, made.proven, lake.verify(lake.folder / target)) == (len(expected), len(expected), [])


def test_equal_selections_give_equal_bytes(lake: SealedLake, target: str) -> None:
    for redact in (False, True):
        one, two = (lake.bundle(f"{target}{n}{redact}.zip", redact=redact) for n in (1, 2))
        assert (lake.folder / f"{target}1{redact}.zip").read_bytes() == Path(two.path).read_bytes()
        assert one.sha256 == two.sha256
        lake.bundle(f"{target}1{redact}", redact=redact)
        lake.bundle(f"{target}2{redact}", redact=redact)
        assert dict(everything(lake.folder / f"{target}1{redact}")) == dict(
            everything(lake.folder / f"{target}2{redact}")
        )


def test_what_is_in_it(lake: SealedLake, target: str) -> None:
    lake.bundle(target, formats=("parquet", "csv", "jsonl"))
    root = lake.folder / target
    names = {name for name, _ in everything(root)}
    for name in ("README.txt", "summary.html", "data-dictionary.csv", "bundle.json", "raw/documents.jsonl",
                 "evidence/proofs.jsonl", "verify/verify_bundle.py", "verify/standalone.py"):  # fmt: skip
        assert name in names
    assert {name for name in names if "digests" in name} == {
        f"evidence/audit/digests/cluster=default/0000000{n}.json" for n in (1, 2)
    }
    statement = json.loads((root / "bundle.json").read_text())
    assert statement["payloadType"] == "application/vnd.in-toto+json"
    for table in ("workflows", "labels", "quarantine", "source_events", "exports"):
        rows = pq.read_table(root / f"data/parquet/{table}.parquet").num_rows
        with open(root / f"data/csv/{table}.csv", newline="") as file:
            assert len(list(csv.DictReader(file))) == rows > 0
        assert len((root / f"data/jsonl/{table}.jsonl").read_text().splitlines()) == rows
    with open(root / "data-dictionary.csv", newline="") as file:
        dictionary = {(line["table"], line["column"]): line["meaning"] for line in csv.DictReader(file)}
    for path in (root / "data/parquet").iterdir():
        assert all(dictionary[path.stem, name] for name in pq.read_schema(path).names)


def test_the_tables_are_those_of_the_lake(lake: SealedLake, target: str) -> None:
    """Made anew from the documents, they say what the lake says, cell for cell."""
    lake.bundle(target)
    for table in ("workflows", "nodes", "labels", "conditions", "images"):
        path = lake.folder / target / f"data/parquet/{table}.parquet"
        expected = sorted(map(repr, read(lake.path, table).to_pylist()))
        assert (sorted(map(repr, pq.read_table(path).to_pylist())) if path.exists() else []) == expected


def test_documents_are_the_lakes_to_the_byte(lake: SealedLake, target: str) -> None:
    lake.bundle(target)
    lines = map(json.loads, (lake.folder / target / "raw/documents.jsonl").read_text().splitlines())
    found = {(d["uid"], d["version"], d["table"]): d["json"] for d in lines}
    expected = {(r["uid"], r["version"], name): r["json"]
                for name in ("raw", "quarantine") for r in read(lake.path, name).to_pylist()}  # fmt: skip
    assert found == expected


def test_what_is_not_sealed_yet_is_said(tmp_path: Path) -> None:
    lake = SealedLake(tmp_path)
    lake.export(workflow("a"))
    lake.export(workflow("b"), sealed=False)
    made = lake.bundle("out")
    assert (made.versions, made.proven, made.unsealed, lake.verify(tmp_path / "out")) == (2, 1, 1, [])
    assert "newer than the newest digest" in (tmp_path / "out/README.txt").read_text()
    never = SealedLake(tmp_path / "never")
    never.export(workflow("a"), sealed=False)
    assert (never.bundle("out").unsealed, never.verify(tmp_path / "never/out")) == (1, [])


def test_nothing_is_overwritten_and_nothing_half_is_left(lake: SealedLake, target: str) -> None:
    lake.bundle(target)
    with pytest.raises(ConfigError, match="exists"):
        lake.bundle(target)
    with pytest.raises(ConfigError, match="label selector"):
        lake.bundle(f"{target}2", Criteria(labels="team in"))
    assert not [path for path in lake.folder.iterdir() if path.name.endswith(".part") or path.name == f"{target}2"]


class Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.attributes: set[str] = set()
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.words += f" {data}"


def test_the_summary_is_for_people_and_harmless(lake: SealedLake, target: str) -> None:
    lake.bundle(target)
    text = (lake.folder / target / "summary.html").read_text()
    page = Page(text)
    allowed = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "dl", "dt", "dd", "table", "thead",
               "tbody", "tr", "th", "td"}  # fmt: skip
    assert set(page.tags) <= allowed
    assert page.attributes <= {"lang", "charset", "http-equiv", "content", "name", "title", "class"}
    assert not re.search(r"(?:https?:)?//[a-z]", text)  # nothing is fetched
    assert "default-src 'none'" in text
    for expected in ("alice.at.example.com", "unknown", "retried", "bob", "Failed", "after a retry", "<b>no</b>",
                     "replaced by a retry", "<i>eve</i>", "wf-<script>alert(1)</script>"):  # fmt: skip
        assert expected in page.words, expected


def test_long_tables_say_what_they_leave_out(lake: SealedLake, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubectl_argo_archive.audit.bundle.page.ROWS", 2)
    lake.bundle(target)
    assert "more rows are not shown here" in (lake.folder / target / "summary.html").read_text()


def test_the_readme_tells_how_to_check(lake: SealedLake, target: str) -> None:
    """The command that it names works as it stands."""
    made = lake.bundle(f"{target}.zip", Criteria(namespaces=("ns",), phases=("Failed",)))
    with zipfile.ZipFile(made.path) as archive:
        assert archive.testzip() is None
        archive.extractall(lake.folder / target)
    readme = (lake.folder / target / "README.txt").read_text()
    assert "namespaces: ns" in readme
    (line,) = [line.strip() for line in readme.splitlines() if line.strip().startswith("python ")]
    command = [sys.executable, "-I", *line.replace("KEY.pem", str(lake.public)).split()[1:]]
    done = subprocess.run(command, cwd=lake.folder / target, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout[:5]) == (0, "good:"), done.stderr
    other = SealedLake(lake.folder / f"{target}-other")
    wrong = [str(other.public) if word == str(lake.public) else word for word in command]
    done = subprocess.run(wrong, cwd=lake.folder / target, capture_output=True, text=True, check=False)
    assert (done.returncode, "wrong key: bundle.json" in done.stdout) == (3, True)


def test_the_statement_is_accepted_by_securesystemslib(lake: SealedLake, target: str) -> None:
    lake.bundle(target)
    envelope = Envelope.from_dict(json.loads((lake.folder / target / "bundle.json").read_text()))
    key = SSlibKey.from_crypto(load_pem_public_key(lake.public.read_bytes()))
    assert envelope.verify([key], 1)


def invoke(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["audit", *arguments], prog_name="kubectl argo-archive", standalone_mode=False)
    if done.exception:
        raise done.exception
    return int(done.return_value or 0), done.stdout


def test_the_command(lake: SealedLake, target: str) -> None:
    out = lake.folder / f"{target}.zip"
    keys = ("--lake", str(lake.path), "--key", str(lake.key), "-q")
    code, text = invoke("bundle", str(out), *keys, "--creator", "alice@example.com", "--redact", "-o", "json")
    made = json.loads(text)
    assert (code, made["workflows"], made["versions"], made["proven"]) == (0, 2, 3, 3)
    assert invoke("verify", str(out), "--public-key", str(lake.public), "-q")[0] == 0
    code, text = invoke("bundle", str(lake.folder / target), *keys, "--format", "csv", "-n", "other")
    assert (code, "1 workflows" in text) == (0, True)
    with pytest.raises(ConfigError, match="nothing is masked"):
        invoke("bundle", str(lake.folder / f"{target}2"), *keys, "--disclosures", str(lake.folder / "d"))
