"""Progress: one line that redraws itself on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable

import pytest

from kubectl_argo_archive.cli import diagnostics
from kubectl_argo_archive.cli.progress import PLAIN_LINE_S, REDRAW_S, Progress, duration, progress, size

MIB = 1024 * 1024


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def terminal(monkeypatch: pytest.MonkeyPatch, yes: bool) -> None:
    monkeypatch.setattr(diagnostics, "is_terminal", lambda: yes)


def test_line(clock: Clock) -> None:
    p = Progress("export", 2000, 100 * MIB, False, clock)
    assert p.line() == "export: 0/2,000 rows · 0% · 0 rows/s"
    clock.now += 10
    p.advance(rows=500, bytes=25 * MIB)
    assert p.line() == "export: 500/2,000 rows · 25.0 MiB · 25% · 50 rows/s · 2.5 MiB/s · 30s left"
    p.advance(rows=1500, bytes=75 * MIB)
    assert p.line() == "export: 2,000/2,000 rows · 100.0 MiB · 100% · 200 rows/s · 10.0 MiB/s"


def test_line_without_totals(clock: Clock) -> None:
    p = Progress("export", None, None, False, clock)
    clock.now += 2
    p.advance(rows=10)
    assert p.line() == "export: 10 rows · 5 rows/s"


def test_rows_tell_the_share_if_no_bytes_are_known(clock: Clock) -> None:
    p = Progress("export", 40, None, False, clock)
    clock.now += 1
    p.advance(rows=10, bytes=MIB)
    assert "25%" in p.line()
    assert p.line().endswith("3s left")


def test_a_log_gets_a_plain_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    terminal(monkeypatch, False)
    with Progress("export", 100, None, False, clock) as p:
        for _ in range(100):
            clock.now += PLAIN_LINE_S / 10
            p.advance(rows=1)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    assert lines[0].startswith("export: 10/100 rows · 10% · ")
    assert lines[-1] == "export: 100/100 rows · 2 rows/s · in 50s"
    assert not any("\r" in line or "\x1b" in line for line in lines)


def test_a_terminal_gets_one_line_that_is_redrawn(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    terminal(monkeypatch, True)
    monkeypatch.setenv("NO_COLOR", "1")
    with Progress("export", 100, None, False, clock) as p:
        for _ in range(10):
            clock.now += REDRAW_S * 0.6
            p.advance(rows=10)
        diagnostics.warn("look")
        clock.now += REDRAW_S * 1.4
        p.advance()
    shown = capsys.readouterr().err
    assert shown.count("\n") == 2
    assert shown.count("\r") == 8
    before, after = shown.split("warning: look\n")
    assert before.endswith("\r\x1b[2K")
    assert after.endswith("\r\x1b[2Kexport: 100/100 rows · 135 rows/s · in 1s\n")


@pytest.mark.parametrize("yes", [True, False])
def test_quiet_means_silent(
    yes: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    terminal(monkeypatch, yes)
    with Progress("export", 10, None, True, clock) as p:
        clock.now += 100
        p.advance(rows=5)
        p.note("half")
    assert capsys.readouterr().err == ""
    assert p.rows == 5


def test_an_error_leaves_a_clean_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    terminal(monkeypatch, True)

    def fail() -> None:
        with Progress("export", 10, None, False, lambda: 0) as p:
            p._show()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert capsys.readouterr().err.endswith("\r\x1b[2K")
    assert diagnostics.active is None


def test_a_real_narrow_terminal() -> None:
    """The line never wraps: a wrapped line could not be redrawn."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 30, 0, 0))
    script = (
        "from kubectl_argo_archive.cli.progress import progress\n"
        "with progress('export', total_rows=10**9) as p:\n"
        "    p._shown_at -= 1\n"
        "    p.advance(rows=123456789, bytes=10**9)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen([sys.executable, "-c", script], stdin=slave, stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    shown = b""
    while True:
        try:
            data = os.read(master, 4096)
        except OSError:  # how Linux says that the other end is closed
            break
        if not data:
            break
        shown += data
    assert process.wait(60) == 0
    os.close(master)
    drawn = shown.decode().split("\r\x1b[2K")
    assert drawn[1] == "export: 123,456,789/1,000,000"
    assert drawn[2].startswith("export: 123,456,789")


@pytest.mark.parametrize(
    ("call", "argument", "text"),
    [
        (size, 0, "0 B"), (size, 1023, "1023 B"), (size, 1536, "1.5 KiB"), (size, 5 * MIB, "5.0 MiB"),
        (size, 3 * 1024 * MIB, "3.0 GiB"), (size, 2 * MIB * MIB, "2.0 TiB"),
        (duration, 0.2, "0s"), (duration, 59.4, "59s"), (duration, 185, "3m05s"), (duration, 7620, "2h07m"),
    ],
)  # fmt: skip
def test_numbers_for_people(call: Callable[[float], str], argument: float, text: str) -> None:
    assert call(argument) == text


def test_the_short_form() -> None:
    with progress(quiet=True) as p:
        p.advance(rows=1)
    assert p.label == "export"
