"""Findings of ``verify`` and ``setup lint`` on their way out."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Iterator

import click

from kubectl_argo_archive.checks.finding import Finding, Report, Status, worst_first

FINDING_FORMATS = ("table", "wide", "json", "yaml", "junit", "sarif")

_COLOURS = {Status.FAIL: "red", Status.ERROR: "magenta", Status.WARN: "yellow", Status.PASS: "green", Status.SKIP: None}
_INDENT = " " * 6
_WORDS = {"fail": "failed", "error": "broken", "warn": "warnings", "pass": "passed", "skip": "skipped"}


def print_report(report: Report, output: str, *, name: str) -> None:
    """Write a report to stdout.

    Args:
        report: the findings.
        output: one of :data:`FINDING_FORMATS`.
        name: of the command: ``verify`` or ``setup lint``.
    """
    if output == "json":
        click.echo(json.dumps(report.to_dict(), indent=2, ensure_ascii=False))
    elif output == "yaml":
        from kubectl_argo_archive.cli.render_yaml import dump

        # the one document of a list, without its dash
        lines = dump([report.to_dict()]).splitlines()
        click.echo("\n".join(line[2:] for line in lines))
    elif output == "junit":
        from kubectl_argo_archive.checks.formats import to_junit

        click.echo(to_junit(report, name), nl=False)
    elif output == "sarif":
        from kubectl_argo_archive import __version__
        from kubectl_argo_archive.checks.formats import to_sarif

        click.echo(to_sarif(report, __version__), nl=False)
    else:
        for line in _for_people(report, everything=output == "wide"):
            click.echo(line)


def _for_people(report: Report, *, everything: bool) -> Iterator[str]:
    """Problems first, each with its evidence and fix; ``everything`` shows what passed and was skipped too."""
    hidden = () if everything else (Status.PASS, Status.SKIP)
    for finding in worst_first(report.findings):
        if finding.status not in hidden:
            yield from _lines(finding)
    counts = report.summary
    told = ", ".join(
        f"{counts[status]} {word}" for status, word in _WORDS.items() if counts[status] or status == "fail"
    )
    more = "" if everything or not counts["skip"] else "  (-o wide shows all)"
    yield f"{counts['checks']} checks: {told}{more}"


def _lines(finding: Finding) -> Iterator[str]:
    colour = _COLOURS[finding.status] if _coloured() else None
    status = click.style(f"{finding.status:<5}", fg=colour, bold=bool(colour))
    yield f"{status} {finding.id}  {_visible(finding.message)}  [{finding.severity}]"
    if finding.status in (Status.PASS, Status.SKIP):
        return
    place = str(finding.where)
    if place and finding.where.file:
        yield f"{_INDENT}at {_visible(place)}"
    for line in finding.evidence.splitlines():
        yield f"{_INDENT}{_visible(line)}"
    for number, line in enumerate(finding.fix.splitlines()):
        yield f"{_INDENT}{'fix: ' if number == 0 else '     '}{_visible(line)}"


def _visible(text: str) -> str:
    """What came from a cluster must not steer the terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def _coloured() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def print_page(text: str) -> None:
    """Write the page of one check, folded for a terminal."""
    for paragraph in text.split("\n\n"):
        click.echo(
            textwrap.fill(paragraph, 100, replace_whitespace=False, break_long_words=False, break_on_hyphens=False)
        )
        click.echo()
