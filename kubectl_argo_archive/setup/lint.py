"""``setup lint``: what is wrong with a set-up, from its files alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from kubectl_argo_archive.argo.installation import Installation, Unread, read_installation
from kubectl_argo_archive.checks.check import Need, passed, skipped
from kubectl_argo_archive.checks.facts import Facts
from kubectl_argo_archive.checks.finding import Finding, Report, Status, Where
from kubectl_argo_archive.checks.registry import CHECKS
from kubectl_argo_archive.checks.run import config_checks, run_checks
from kubectl_argo_archive.setup.files.load import load
from kubectl_argo_archive.setup.files.model import ANYWHERE, Places, SetUp, unknown_lines
from kubectl_argo_archive.setup.files.unknown import MARK
from kubectl_argo_archive.setup.rules import database_volume, images, objects, restart, secrets, values, volumes
from kubectl_argo_archive.setup.rules.found import Found

RULES = (
    volumes.undefined,
    objects.doubled,
    objects.misnamed,
    volumes.misfit,
    secrets.clear_text,
    images.unpinned,
    images.unpinned_charts,
    database_volume.on_network,
    database_volume.reclaimed,
    objects.unreadable,
    objects.needs,
    images.unserved,
    values.misplaced,
)
_SUPERSEDED = {"E20"}
"""Checks of an Installation that S01, S04 and S09 make better: they see where things are written, and mount options."""
OWN = frozenset({*(id for id in CHECKS if id.startswith("S")), "B29"})
"""Checks whose findings come from the files themselves, not from the Installation that they amount to."""

_LINE = re.compile(re.escape(ANYWHERE) + r"(?::(\d+))?")
_NOT_HERE = "not in these files"


def lint(paths: Iterable[str]) -> Report:
    """Look at files.

    Args:
        paths: files and folders: manifests, helmfiles, values, charts, Kustomize folders.

    Raises:
        ConfigError: a path does not exist, or holds no YAML.
    """
    set_up = load(paths)
    places = Places()
    installation = read(set_up, places)
    found = [each for rule in RULES for each in rule(set_up)]
    found += restart.missing_restart(set_up, installation, places)
    findings = list(_own(found))
    ids = {each.id for each in findings}
    others = _of_configuration(set_up, installation, places)
    findings += [each for each in others if each.id not in ids or each.status is not Status.PASS]
    return Report(tuple(sorted(findings, key=lambda each: (each.id, each.where.file or "", each.where.line or 0))))


def read(set_up: SetUp, places: Places) -> Installation:
    """The Installation that the files amount to; Secrets may well be made elsewhere."""
    manifests = [places.object(each) for each in set_up.resources]
    unread = [Unread("secrets", "Secret", None, None, _NOT_HERE), Unread("objects", "Namespace", None, None, _NOT_HERE)]
    return read_installation(manifests, places.parse_yaml, unread=unread)


def _own(found: list[Found]) -> Iterator[Finding]:
    """Findings of the files' own checks, and a pass for each check that found nothing."""
    for id, outcome in found:
        yield CHECKS[id].finding(outcome)
    for id in sorted(OWN - {id for id, _ in found}):
        yield CHECKS[id].finding(passed(CHECKS[id].title))


def _of_configuration(set_up: SetUp, installation: Installation, places: Places) -> Iterator[Finding]:
    unknown = unknown_lines(set_up, places)
    checks = [check for check in config_checks() if check.id not in OWN | _SUPERSEDED]
    facts = Facts(installation=installation, missing={Need.CONFIG: "no controller's configuration is in these files"})
    for finding in run_checks(facts, checks):
        if finding.status in (Status.FAIL, Status.WARN) and (
            finding.where.line in unknown or MARK in finding.message + finding.evidence
        ):
            reason = "this depends on a value that the files do not hold: a template's or the environment's"
            finding = CHECKS[finding.id].finding(skipped(reason, where=finding.where))
        yield _placed(finding, installation, places)


def _placed(finding: Finding, installation: Installation, places: Places) -> Finding:
    """With real files and lines; a finding of nowhere belongs to the controller."""
    line = finding.where.line
    place = places.place(line) if finding.where.file == ANYWHERE and line is not None else None
    if place is None and finding.status in (Status.FAIL, Status.WARN) and installation.controllers:
        first = installation.controllers[0]
        origin = first.config_origin if first.config_origin.line is not None else first.origin
        place = places.place(origin.line) if origin.line is not None else None
    where = replace(finding.where, file=place.file if place else None, line=place.line if place else None)
    return replace(
        finding,
        where=Where(where.file, where.line, where.object),
        message=_texts(finding.message, places),
        evidence=_texts(finding.evidence, places),
        fix=_texts(finding.fix, places),
    )


def _texts(text: str, places: Places) -> str:
    def real(match: re.Match[str]) -> str:
        place = places.place(int(match[1])) if match[1] else None
        return f"{place.file}:{place.line}" if place else "the files"

    return _LINE.sub(real, text)
