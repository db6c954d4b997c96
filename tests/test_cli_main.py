"""The command line itself: what it loads, what it says, how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from fixtures.commands import LAZY

from kubectl_argo_archive.cli import diagnostics
from kubectl_argo_archive.cli.lazy import LazyGroup
from kubectl_argo_archive.cli.main import COMMANDS, READER_GONE, cli, run
from kubectl_argo_archive.errors import ExitCode

HEAVY = (
    "adbc_driver_postgresql", "aiobotocore", "asyncio", "boto3", "botocore", "dataclasses", "deltalake", "duckdb",
    "fsspec", "kubernetes", "logging", "numpy", "psycopg", "pyarrow", "rich", "s3fs", "tomllib", "yaml",
)  # fmt: skip


@pytest.fixture
def endings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The root command with the commands of ``fixtures/commands.py`` instead of ours."""
    assert isinstance(cli, LazyGroup)
    monkeypatch.setattr(cli, "lazy", LAZY)
    monkeypatch.setattr(cli, "commands", {})


def python(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        **options,  # type: ignore[call-overload]
    )


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh Python has after a statement."""
    done = python("-c", f"import sys\n{statement}\nprint('\\0' + ' '.join(sys.modules))")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("\0")[2].split())


def running(*arguments: str) -> str:
    """The statement that runs one of our command lines."""
    return f"from kubectl_argo_archive.cli.main import run; assert run({list(arguments)}) == 0"


LIGHT = {
    "--help": running("--help"),
    "no command": running(),
    "wrong command": "from kubectl_argo_archive.cli.main import run; assert run(['exprot']) == 2",
    "kubectl asks for commands": "from kubectl_argo_archive.cli.complete import answer; answer([''])",
    "kubectl asks for options": "from kubectl_argo_archive.cli.complete import answer; answer(['version', '--'])",
    **{f"{name} --help": running(name, "--help") for name in COMMANDS},
}


@pytest.mark.parametrize("what", LIGHT)
def test_what_only_explains_loads_nothing_heavy(what: str) -> None:
    cheap_enough_for_a_command = {"dataclasses"} if what.partition(" ")[0] in COMMANDS else set()
    assert not loaded_by(LIGHT[what]) & set(HEAVY) - cheap_enough_for_a_command


@pytest.mark.parametrize("arguments", [["version"], ["version", "-o", "json"], ["completion", "bash"]])
def test_version_and_completion_load_no_library(arguments: list[str]) -> None:
    assert not loaded_by(running(*arguments)) & set(HEAVY) - {"asyncio", "dataclasses", "logging"}


def test_help_loads_little_more_than_click() -> None:
    click_alone = loaded_by("import click\n@click.command()\ndef f(): ...\ntry: f(['--help'])\nexcept SystemExit: pass")
    more = loaded_by(LIGHT["--help"]) - click_alone
    built_in = {"signal", "errno", "gc"}
    assert {name for name in more if not name.startswith("kubectl_argo_archive")} <= built_in
    assert len(more) < 10


def test_help_of_the_root(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == ExitCode.OK
    out, err = capsys.readouterr()
    assert out.startswith("Usage: kubectl argo-archive ")
    assert all(f"  {name} " in out and line in out for name, (_, line) in COMMANDS.items())
    assert err == ""
    assert run([]) == ExitCode.OK
    assert capsys.readouterr().out == out
    assert run(["-h"]) == ExitCode.OK


def test_stored_help_lines_are_the_commands_own() -> None:
    ctx = click.Context(cli)
    own = {name: cli.get_command(ctx, name).get_short_help_str(200) for name in COMMANDS}  # type: ignore[union-attr]
    assert own == {name: line for name, (_, line) in COMMANDS.items()}


@pytest.mark.usefixtures("endings")
@pytest.mark.parametrize(
    ("name", "code", "out", "err"),
    [
        ("fine", ExitCode.OK, "data\n", ""),
        ("findings", ExitCode.FOUND_PROBLEMS, "", ""),
        ("misconfigured", ExitCode.USAGE, "", "error: the lake is not said\nhint: give --lake\n"),
        ("refused", ExitCode.FAILED, "", "error: line 1\n  line 2\n"),
        ("unreachable", ExitCode.UNREACHABLE, "", "error: no answer\nhint: start it\n"),
        ("full", ExitCode.FAILED, "",
         "error: no space left to write (/out/file)\nhint: free some space, or write somewhere else\n"),
        ("starved", ExitCode.FAILED, "",
         "error: out of memory\nhint: give the process more memory, or ask for less at once\n"),
        ("interrupted", ExitCode.INTERRUPTED, "", "interrupted\n"),
    ],
)  # fmt: skip
def test_endings(name: str, code: int, out: str, err: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name]) == code
    assert capsys.readouterr() == (out, err)


@pytest.mark.usefixtures("endings")
def test_a_bug_is_one_line_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["buggy"]) == ExitCode.FAILED
    err = capsys.readouterr().err
    assert err.startswith("error: internal error: RuntimeError: cannot handle postgresql://me:***@db/argo\nhint: ")
    assert "report it" in err
    assert "Traceback" not in err
    assert "second line" not in err


@pytest.mark.usefixtures("endings")
@pytest.mark.parametrize("how", ["flag before", "flag after", "environment"])
def test_debugging_shows_the_traceback_without_secrets(
    how: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = {"flag before": ["--debug", "buggy"], "flag after": ["buggy", "--debug"], "environment": ["buggy"]}[how]
    if how == "environment":
        monkeypatch.setenv("KUBECTL_ARGO_ARCHIVE_DEBUG", "1")
    assert run(arguments) == ExitCode.FAILED
    err = capsys.readouterr().err
    assert "Traceback (most recent call last)" in err
    assert "in buggy" in err
    assert "hunter2" not in err


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["verison"], "no command 'verison'; did you mean 'version'?", "see `kubectl argo-archive --help`"),
        (["zzz"], "no command 'zzz'", "see `kubectl argo-archive --help`"),
        (["--zzz"], "no such option", "see `kubectl argo-archive --help`"),
        (["version", "--zzz"], "no such option", "see `kubectl argo-archive version --help`"),
        (["version", "-o", "xml"], "'xml' is not one of", "see `kubectl argo-archive version --help`"),
        (["completion"], "missing argument", "see `kubectl argo-archive completion --help`"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0].startswith("error: ")
    assert message in err
    assert lines[-1] == f"hint: {hint}"


ENDINGS = ("-m", "fixtures.commands")


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_a_command_in_order(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, *ENDINGS, "waits"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert err == "cleaned\ninterrupted\n"


def test_a_reader_that_goes_away_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, *ENDINGS, "talks"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "line 0\n"
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(60) == READER_GONE


def test_a_full_disk_below_stdout_is_told() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, *ENDINGS, "fine"],
            stdout=full, stderr=subprocess.PIPE, text=True, env=environment(), check=False,
        )  # fmt: skip
    assert done.returncode == ExitCode.FAILED
    assert done.stderr.startswith("error: no space left to write\n")
    assert "Exception" not in done.stderr


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["version"]) == ExitCode.OK
    text = capsys.readouterr().out
    assert text.startswith("kubectl argo-archive 0.")
    assert "duckdb 1." in text
    assert run(["version", "-o", "json"]) == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert all(found["libraries"].values())


def test_python_m() -> None:
    done = python("-m", "kubectl_argo_archive", "version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("kubectl argo-archive 0.")


class TestColours:
    """Only a terminal gets them, and only if nobody objects (https://no-color.org)."""

    def message(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, terminal: bool) -> str:
        monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
        diagnostics.error("wrong", "right")
        return capsys.readouterr().err

    def test_terminal(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)
        assert "\x1b[31m" in self.message(monkeypatch, capsys, terminal=True)

    def test_pipe(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.message(monkeypatch, capsys, terminal=False) == "error: wrong\nhint: right\n"

    @pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
    def test_objections(
        self, name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv(name, value)
        assert self.message(monkeypatch, capsys, terminal=True) == "error: wrong\nhint: right\n"
