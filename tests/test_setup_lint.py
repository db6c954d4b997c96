"""``setup lint``: each mistake planted in a healthy set-up is found, at its line, and nothing else is."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from fixtures.setup_files import HEALTHY, changed, write_files
from fixtures.setup_mistakes import ALL, PLANTED, PVC, TWINS, VALUES

from kubectl_argo_archive.checks.finding import Finding, Severity, Status
from kubectl_argo_archive.checks.registry import CHECKS
from kubectl_argo_archive.cli.main import run
from kubectl_argo_archive.setup.lint import OWN, lint

PROBLEMS = (Status.FAIL, Status.WARN, Status.ERROR)
ARTICLE = "KUBECTL_ARGO_ARCHIVE_ARTICLE"
_ARTICLE = os.environ.get(ARTICLE)  # read now: the environment of a running test holds none of our variables

TESTED_IDS = frozenset({"S01", "S02", "S03", "S04", "S05", "S06", "S07", "S08", "S09", "S10", "S11", "S12"})
"""Checks that only files can answer; each is planted in ``fixtures/setup_mistakes.py``."""


def _problems(folder: Path) -> list[Finding]:
    return [each for each in lint([str(folder)]).findings if each.status in PROBLEMS]


def test_the_healthy_set_up_passes(tmp_path: Path) -> None:
    report = lint([str(write_files(tmp_path, HEALTHY))])
    assert [each.to_dict() for each in report.findings if each.status in PROBLEMS] == []
    passed = {each.id for each in report.findings if each.status is Status.PASS}
    assert passed >= OWN
    assert passed >= {"A01", "A14", "C01", "C18"}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_mistake_is_found_where_it_stands(name: str, tmp_path: Path) -> None:
    planted = PLANTED[name]
    problems = _problems(write_files(tmp_path, planted.files))
    found = [each for each in problems if each.id == planted.id]
    assert found, [each.to_dict() for each in problems]
    first = found[0]
    assert first.status is planted.status
    assert planted.says.format(folder=tmp_path) in first.message
    assert planted.evidence in first.evidence
    assert first.fix
    assert first.where.file == f"{tmp_path}/{planted.file}"
    line = (tmp_path / planted.file).read_text().splitlines()[(first.where.line or 0) - 1]
    assert planted.line in line
    assert {each.id for each in problems} <= {planted.id, *planted.others}, "one mistake must not look like many"


def test_no_finding_shows_a_credential(tmp_path: Path) -> None:
    for index, planted in enumerate(each for each in PLANTED.values() if each.id == "S05"):
        folder = write_files(tmp_path / str(index), planted.files)
        text = json.dumps(lint([str(folder)]).to_dict())
        for secret in ("pl4in-t3xt", base64.b64encode(b"pl4in-t3xt").decode(), "AKIAIOSFODNN7EXAMPLE"):
            assert secret not in text


def test_every_own_check_has_a_test() -> None:
    assert {each.id for each in PLANTED.values() if each.id.startswith("S")} == TESTED_IDS
    assert {each.id for each in CHECKS.values() if each.rule is None and each.id.startswith("S")} == TESTED_IDS


def test_several_mistakes_do_not_hide_each_other(tmp_path: Path) -> None:
    files = changed(
        (VALUES, "archive: true", "archive: false"),
        (VALUES, "90d", "1h30m"),
        (ALL, "postgres:18.4", "postgres:latest"),
        (PVC, "- ReadWriteOnce", "- ReadWriteMany"),
        more_yaml="apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: pl4in-t3xt}\n",
    )
    assert {"A01", "A14", "S04", "S05", "S06"} <= {each.id for each in _problems(write_files(tmp_path, files))}


# a healthy twin for what looks like a mistake
@pytest.mark.parametrize("name", TWINS)
def test_what_only_looks_like_a_mistake_passes(name: str, tmp_path: Path) -> None:
    id, files = TWINS[name]
    findings = [each for each in lint([str(write_files(tmp_path, files))]).findings if each.id == id]
    assert [each.message for each in findings if each.status in PROBLEMS] == []
    assert findings


# the command


def test_json_is_as_promised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_files(tmp_path, PLANTED["latest"].files)
    assert run(["setup", "lint", str(folder), "-o", "json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert set(document) == {"findings", "summary"}
    assert document["summary"]["warn"] == 1
    for each in document["findings"]:
        assert {"id", "status", "severity", "title", "message", "evidence", "fix", "file", "line"} <= set(each)
        assert each["status"] in {"pass", "warn", "fail", "skip", "error"}
        assert each["severity"] in set(Severity)
    (found,) = (each for each in document["findings"] if each["status"] == "warn")
    assert (found["id"], found["file"]) == ("S06", f"{folder}/{ALL}")


@pytest.mark.parametrize(
    ("name", "flags", "code"),
    [("latest", [], 0), ("latest", ["--strict"], 3), ("no YAML", [], 3), (None, ["--strict"], 0)],
)
def test_exit_codes(name: str | None, flags: list[str], code: int, tmp_path: Path) -> None:
    folder = write_files(tmp_path, PLANTED[name].files if name else HEALTHY)
    assert run(["setup", "lint", str(folder), *flags]) == code


@pytest.mark.parametrize("what", ["nothing", "empty"])
def test_nothing_to_lint(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if what == "empty":
        (tmp_path / what).mkdir()
    assert run(["setup", "lint", str(tmp_path / what)]) == 2
    assert capsys.readouterr().err.startswith("error: there is n")


def test_other_formats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(write_files(tmp_path, PLANTED["archive off"].files))
    texts = {}
    for output in ("table", "wide", "yaml", "junit", "sarif", "github"):
        assert run(["setup", "lint", folder, "-o", output]) == 3
        texts[output] = capsys.readouterr().out
    assert "fail  A01" in texts["table"]
    assert "pass  S01" in texts["wide"]
    assert yaml.safe_load(texts["yaml"])["summary"]["fail"] == 1
    assert ElementTree.fromstring(texts["junit"]).iter("failure")
    (result,) = (each for each in json.loads(texts["sarif"])["runs"][0]["results"] if each["ruleId"] == "A01")
    location = result["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"].endswith(VALUES)
    assert location["region"]["startLine"] == 3
    (line,) = texts["github"].splitlines()
    assert line.startswith(f"::error file={folder}/{VALUES},line=3,title=A01::")


# the set-up of the article that the project starts from


def test_the_article(capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(_ARTICLE) if _ARTICLE else Path(__file__).resolve().parents[2] / "shared" / "seed-setup"
    if not folder.is_dir():
        pytest.skip(f"the article's files are not here: set {ARTICLE} to their folder")
    assert run(["setup", "lint", str(folder), "-o", "json"]) == 3
    problems = [each for each in json.loads(capsys.readouterr().out)["findings"] if each["status"] in ("fail", "warn")]
    found = {(each["id"], each["file"].removeprefix(f"{folder}/"), each["line"]) for each in problems}
    assert found >= {
        ("S01", "postgresql/values.yaml", 4),
        ("S02", "persistent-volume/templates/pvc.yaml", 2),
        ("S03", "persistent-volume/templates/pvc.yaml", 2),
        ("S05", "postgresql-secret/templates/secret.yaml", 8),
        ("S05", "postgresql/values.yaml", 14),
        ("S05", "postgresql/values.yaml", 16),
        ("S06", "postgresql/values.yaml", 31),
        ("S07", "helmfile.yaml", 8),
        ("S08", "helmfile.yaml", 8),
        ("S09", "persistent-volume/templates/pv.yaml", 12),
        ("B29", "helmfile.yaml", 27),
        ("C01", "argo/values.yaml", 2),
    }
    claim = next(each for each in problems if each["id"] == "S01")
    assert "was meant to be it is a second volume" in claim["message"]
    assert all(each["file"] and each["line"] and each["fix"] for each in problems)
    assert not {"argopw", "argopostgrespw"} & set(json.dumps(problems).replace('"', " ").split())
