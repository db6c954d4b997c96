"""The only writer of stderr: errors, warnings, notes and progress. stdout belongs to the data."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from kubectl_argo_archive.cli.progress import Progress

active: Progress | None = None
"""The progress line that stands on the terminal now; a message goes above it."""


def error(message: str, hint: str | None = None) -> None:
    """Say what is wrong and, if known, what to do next."""
    _say("error:", message, "red")
    if hint:
        _say("hint:", hint, "cyan")


def warn(message: str, hint: str | None = None) -> None:
    """Say what the user should know although the command goes on."""
    _say("warning:", message, "yellow")
    if hint:
        _say("hint:", hint, "cyan")


def note(message: str) -> None:
    """Say something in passing."""
    write_line(message)


def traceback(exception: BaseException) -> None:
    """Show where an exception came from, without secrets."""
    import traceback as formatter

    from kubectl_argo_archive.errors import redact

    write_line(redact("".join(formatter.format_exception(exception))).rstrip())


def coloured() -> bool:
    """True if stderr is a terminal that may show colours (https://no-color.org)."""
    return is_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def is_terminal() -> bool:
    """True if a person looks at stderr."""
    return sys.stderr is not None and sys.stderr.isatty()


def write_line(text: str) -> None:
    """Write one message, above the progress line if there is one."""
    if active is not None:
        active.clear()
    raw(text + "\n")


def raw(text: str) -> None:
    """Write to stderr as it is; a closed stderr must not end the command."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass


def _say(label: str, message: str, colour: str) -> None:
    write_line(f"{click.style(label, fg=colour, bold=True) if coloured() else label} {message}")
