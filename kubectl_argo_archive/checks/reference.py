"""``docs/checks.md``, written from the registry: ``python -m kubectl_argo_archive.checks.reference``."""

from __future__ import annotations

import sys
from itertools import groupby

from kubectl_argo_archive.checks.check import CATEGORIES, Check
from kubectl_argo_archive.checks.registry import CHECKS

_HEAD = """\
# Checks

What `kubectl argo-archive verify` looks at in a running set-up, and `setup lint` in files. This page is generated:
`python -m kubectl_argo_archive.checks.reference > docs/checks.md`.

A finding has a status: `pass`, `warn` (works, but not for ever or not for everybody), `fail` (does not work, or loses
something), `skip` (could not be looked at, the message says why) or `error` (the check itself broke). Its severity says
what is at stake. `verify --explain A01` prints the page of one check.
"""
_NEEDS = {
    "files": "manifests as written (`setup lint`)",
    "config": "the configuration, from a cluster or from files",
    "cluster": "a Kubernetes API",
    "workflows": "the right to list workflows",
    "connection": "an attempt to reach the database",
    "database": "a session in the database",
    "bucket": "a bucket that can be asked",
    "logs": "archived workflows and their bucket",
    "lake": "a lake",
    "machine": "this machine",
    "canary": "`--canary`",
}
_TITLES = {
    "archive": "The archive is on, fed and visible",
    "database": "The database",
    "logs": "Archived logs",
    "query": "Our own queries",
    "health": "Health of the whole",
    "setup": "Files of a set-up",
}


def reference() -> str:
    """The whole page."""
    parts = [_HEAD]
    for letter, checks in groupby(CHECKS.values(), key=lambda check: check.id[0]):
        category = CATEGORIES[letter]
        some = list(checks)
        parts.append(f"## {_TITLES[category]}\n\nCategory `{category}`.\n\n" + _table(some))
        parts += [_page(check) for check in some]
    return "\n".join(parts)


def _table(checks: list[Check]) -> str:
    rows = [f"| [{c.id}](#{c.id.lower()}) | {_cell(c.title)} | {c.severity} |" for c in checks]
    return "\n".join(["| id | asks | severity |", "| --- | --- | --- |", *rows]) + "\n"


def _page(check: Check) -> str:
    needs = ", ".join(_NEEDS[need] for need in check.needs)
    fix = f"**Fix.** {check.fix}" if "\n" not in check.fix else f"**Fix.**\n\n```\n{check.fix}\n```"
    return "\n".join(
        [
            f"### {check.id}",
            "",
            f"**{check.title}.** Severity {check.severity}; needs {needs}.",
            "",
            f"- What you see: {check.symptom}",
            f"- Why: {check.cause}",
            f"- What is looked at: {check.looks}",
            "",
            fix,
            "",
        ]
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(reference())
