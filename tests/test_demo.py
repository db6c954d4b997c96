"""The demo: what a newcomer runs first."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from fixtures.kubectl import Kubectl


@pytest.mark.parametrize("more", [(), ("--s3",)], ids=["folder", "s3"])
def test_the_demo_shows_the_whole_way(kubectl: Kubectl, tmp_path: Path, more: tuple[str, ...]) -> None:
    done = kubectl.run("argo-archive", "demo", "--workflows", "150", *more, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    exports = re.findall(r"([\d,]+) new, ([\d,]+) changed, ([\d,]+) deleted, ([\d,]+) unchanged", done.stdout)
    assert exports == [("150", "0", "0", "0"), ("0", "0", "0", "150"), ("0", "3", "20", "127")]
    assert len(re.findall(r"^\? ", done.stdout, re.MULTILINE)) == 4
    indexed = re.findall(r"([\d,]+) objects and .* ([\d,]+) lines indexed", done.stdout)
    assert len(indexed) == 2
    assert indexed[0] != ("0", "0")
    assert indexed[1] == ("0", "0")


def test_the_next_question_works(kubectl: Kubectl, tmp_path: Path) -> None:
    done = kubectl.run("argo-archive", "demo", "--workflows", "150", cwd=tmp_path)
    command = next(line for line in done.stdout.splitlines() if " query --lake " in line)
    asked = kubectl.run(*shlex.split(command)[1:], "-o", "jsonl", cwd=tmp_path)
    assert asked.returncode == 0, asked.stderr
    assert len(asked.stdout.splitlines()) == 5
    command = next(line for line in done.stdout.splitlines() if " search --lake " in line)
    found = kubectl.run(*shlex.split(command)[1:], "-o", "jsonl", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    (hit,) = map(json.loads, found.stdout.splitlines())
    assert hit["message"] == "cooling pump of reactor-7f3a9c stopped"


def test_the_readme_names_commands_that_exist(kubectl: Kubectl) -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\$ kubectl argo-archive ([a-z-]+)", readme, re.MULTILINE))
    assert {"export", "query", "demo", "version", "search", "verify", "setup", "audit"} <= named
    for name in sorted(named):
        assert kubectl.run("argo-archive", name, "--help").returncode == 0


def test_the_readmes_questions_are_answered(kubectl: Kubectl, tmp_path: Path) -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    kubectl.run("argo-archive", "demo", "--workflows", "150", cwd=tmp_path)
    questions = re.findall(r"^\$ kubectl argo-archive (query .*)$", readme, re.MULTILINE)
    assert questions
    for question in questions:
        words = [word for word in shlex.split(question.replace("7d", "0d")) if word]
        done = kubectl.run("argo-archive", *words, "--lake", "argo-archive-demo/lake", cwd=tmp_path)
        assert done.returncode == 0, (question, done.stderr)
