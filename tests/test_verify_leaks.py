"""The search for secrets in outputs finds them: a test that leaks fails, in any spelling, through any channel."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from fixtures.leaks import leaks, plant, spellings

TESTS = Path(__file__).parent
_WORD = 'p+ss/w"rd' + "-of-nobody"  # in two pieces, so that this file does not hold it

_LEAKING = """
import base64, subprocess, sys
import click, pytest
from click.testing import CliRunner
from fixtures.leaks import plant

WORD = "not" + "-in-this" + "-file"
plant(WORD, "a word")

def test_quiet(): print("nothing")
def test_prints(): print(WORD)
def test_logs():
    import logging
    logging.getLogger("x").warning("it is %s", WORD)
def test_child(): subprocess.run([sys.executable, "-c", f"print('{WORD}')"], capture_output=True)
def test_base64(capsys):
    print(base64.b64encode(f"user:{WORD}".encode()).decode()); capsys.readouterr()
def test_command(): CliRunner().invoke(click.Command("x", callback=lambda: click.echo(WORD)))
@pytest.mark.shows_secrets("it is the point")
def test_excused(): print(WORD)
"""


def test_every_channel_is_heard(tmp_path: Path) -> None:
    (tmp_path / "test_leaking.py").write_text(_LEAKING)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "fixtures.leaks", "-p", "no:cacheprovider", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(TESTS)}, capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    outcomes = {line.split("::")[1].split(" ")[0]: line.split(" ")[0] for line in done.stdout.splitlines()
                if line.startswith(("PASSED ", "FAILED "))}  # fmt: skip
    assert outcomes == {
        "test_quiet": "PASSED", "test_excused": "PASSED",
        **dict.fromkeys(("test_prints", "test_logs", "test_child", "test_base64", "test_command"), "FAILED"),
    }, done.stdout + done.stderr  # fmt: skip


@pytest.mark.parametrize("form", spellings(_WORD))
def test_every_spelling_is_known(form: str) -> None:
    plant(_WORD, "a word of this test")
    text = f"before {spellings(_WORD)[form]} after"
    assert any(what.startswith("a word of this test") for what in leaks([text]))


def test_base64_is_found_wherever_the_secret_begins() -> None:
    plant(_WORD, "a word of this test")
    for before in ("", "a", "ab", "abc"):
        assert leaks([base64.b64encode(f"{before}{_WORD}tail".encode()).decode()])
    assert leaks([quote(f"x={_WORD}&y", safe="")])
    assert not leaks(["nothing of that kind"])
