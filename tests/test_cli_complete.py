"""Completion: behind kubectl, and in the shells."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from fixtures.kubectl import Kubectl

from kubectl_argo_archive.cli.complete import answer
from kubectl_argo_archive.cli.main import COMMANDS, run

SCRIPTS = Path(sysconfig.get_path("scripts"))


def test_commands_with_their_help() -> None:
    lines = answer([""]).splitlines()
    assert lines == [f"{name}\t{line}" for name, (_, line) in COMMANDS.items()] + [":4"]
    assert answer([]) == answer([""])
    assert answer(["versi"]).splitlines() == ["version\tShow the versions of this tool and its libraries.", ":4"]
    assert answer(["nothing-like-this"]) == ":4\n"


def test_options_and_choices() -> None:
    assert [line.partition("\t")[0] for line in answer(["version", "--"]).splitlines()] == [
        "--output", "--config", "--debug", "--help", ":4",
    ]  # fmt: skip
    assert answer(["version", "-o", ""]) == "text\njson\n:4\n"
    assert answer(["version", "--output", "j"]) == "json\n:4\n"
    assert answer(["version", "--output=j"]) == "--output=json\n:4\n"
    assert answer(["completion", "z"]) == "zsh\n:4\n"


def test_files_and_folders_are_the_shell_s_business() -> None:
    assert answer(["export", "--source", ""]) == ":0\n"
    assert answer(["export", "--lake", ""]) == ":16\n"
    assert answer(["export", "--lake", "s3://bucket/"]) == ":4\n"
    assert answer(["version", "--config", ""]) == ":0\n"


def test_a_wrong_line_gives_no_candidates() -> None:
    assert answer(["version", "--zzz", "x", ""]).endswith(":4\n")
    assert answer(["zzz", ""]).endswith(":4\n")


@pytest.mark.parametrize("form", [("argo-archive",), ("argo", "archive")])
def test_through_kubectl(kubectl: Kubectl, form: tuple[str, ...]) -> None:
    done = kubectl.run("__complete", *form, "versi")
    assert done.stdout.splitlines() == ["version\tShow the versions of this tool and its libraries.", ":4"]
    done = kubectl.run("__complete", *form, "version", "-o", "")
    assert done.stdout.splitlines() == ["text", "json", ":4"]


@pytest.mark.parametrize("program", ["kubectl-argo_archive", "kubectl-argo-archive"])
def test_bash_completes_both_programs(program: str) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    script = (
        f"source <({SCRIPTS}/{program} completion bash)\n"
        f"complete -p {program}\n"
        f"COMP_WORDS=({program} versi) COMP_CWORD=1\n"
        f"_kubectl_argo_archive_completion {program}\n"
        'echo "${COMPREPLY[@]}"\n'
    )
    environment = {**os.environ, "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([bash, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "version"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "_KUBECTL_ARGO_ARCHIVE_COMPLETE" in out
    assert "kubectl-argo_archive" in out
    assert "kubectl-argo-archive" in out
