"""A check as data, and the registry of all checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from kubectl_argo_archive.checks.finding import NOWHERE, Finding, Severity, Status, Where
from kubectl_argo_archive.errors import redact

if TYPE_CHECKING:
    from kubectl_argo_archive.checks.facts import Facts


class Need(StrEnum):
    """What a check must know; a check whose need is not met is skipped with the reason."""

    FILES = "files"
    """Manifests as written: only ``setup lint`` has them."""
    CONFIG = "config"
    """The Installation: controller's configuration and what belongs to it, live or from files."""
    CLUSTER = "cluster"
    """Live objects behind a Kubernetes API."""
    WORKFLOWS = "workflows"
    """Live workflows, listed."""
    CONNECTION = "connection"
    """An attempt to reach the database, however it ended."""
    DATABASE = "database"
    """A session in the archive's database."""
    BUCKET = "bucket"
    """The buckets of the artifact repositories, asked."""
    LOGS = "logs"
    """A sample of archived pods and their log objects."""
    LAKE = "lake"
    """The lake of ``export``."""
    MACHINE = "machine"
    """This process and its libraries."""
    CANARY = "canary"
    """A workflow submitted for the test."""


CATEGORIES = {
    "A": "archive",
    "B": "database",
    "C": "logs",
    "D": "query",
    "E": "health",
    "S": "setup",
}
"""First letter of an id → category."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule says; :func:`run` makes a :class:`Finding` of it.

    Attributes:
        status: how it ended.
        message: what is so.
        evidence: what was seen.
        fix: None for the check's own.
        where: where the mistake stands.
        severity: None for the check's own.
        details: the evidence for programs.
    """

    status: Status
    message: str
    evidence: str = ""
    fix: str | None = None
    where: Where = NOWHERE
    severity: Severity | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def passed(message: str, evidence: str = "", **more: Any) -> Outcome:
    """All is well."""
    return Outcome(Status.PASS, message, evidence, fix="", **more)


def warned(message: str, evidence: str = "", fix: str | None = None, **more: Any) -> Outcome:
    """It works, but will not for ever or not for everybody."""
    return Outcome(Status.WARN, message, evidence, fix, **more)


def failed(message: str, evidence: str = "", fix: str | None = None, **more: Any) -> Outcome:
    """It does not work, or loses something."""
    return Outcome(Status.FAIL, message, evidence, fix, **more)


def skipped(reason: str, fix: str = "", **more: Any) -> Outcome:
    """It could not be looked at; ``fix`` says how to look by hand."""
    return Outcome(Status.SKIP, reason, "", fix, **more)


Rule = Callable[["Facts"], Iterable[Outcome]]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that can be wrong.

    Attributes:
        id: stable for ever: a letter and two digits.
        title: what is asked, one phrase, true when all is well.
        severity: what is at stake if it fails.
        needs: what must be known.
        symptom: what people see: messages of Argo in backticks.
        cause: why.
        looks: what the check looks at, or how a person looks where a program cannot.
        fix: the shortest way out; a template for findings that bring none of their own.
        rule: facts → outcomes; None if only ``setup lint`` can see it.
    """

    id: str
    title: str
    severity: Severity
    needs: tuple[Need, ...]
    symptom: str
    cause: str
    looks: str
    fix: str
    rule: Rule | None = field(default=None, compare=False)

    @property
    def category(self) -> str:
        """archive, database, logs, query, health or setup."""
        return CATEGORIES[self.id[0]]

    def finding(self, outcome: Outcome) -> Finding:
        """The finding of one outcome."""
        return Finding(
            id=self.id,
            status=outcome.status,
            severity=outcome.severity or self.severity,
            title=self.title,
            message=redact(outcome.message),
            evidence=redact(outcome.evidence),
            fix=self.fix if outcome.fix is None else outcome.fix,
            category=self.category,
            where=outcome.where,
            details=outcome.details,
        )

    def run(self, facts: Facts) -> list[Finding]:
        """Look at ``facts``; never raises: a rule that breaks is a finding of status error."""
        if self.rule is None:
            return [self.finding(skipped(f"only files show this: kubectl argo-archive setup lint ({self.looks})"))]
        for need in self.needs:
            if reason := facts.why_not(need):
                return [self.finding(skipped(reason))]
        try:
            outcomes = list(self.rule(facts))
        except Exception as error:
            text = redact(f"{type(error).__name__}: {error}").partition("\n")[0]
            broken = Outcome(Status.ERROR, f"the check itself failed: {text}", fix="report this as a bug")
            return [self.finding(broken)]
        # what is well elsewhere would only hide what is not
        told = [each for each in outcomes if each.status is not Status.PASS]
        problems = [each for each in told if each.status is not Status.SKIP]
        return [self.finding(outcome) for outcome in problems or told or outcomes or [passed(self.title)]]

    def explain(self) -> str:
        """The page of ``verify --explain``, Markdown."""
        parts = [
            f"# {self.id}: {self.title}",
            f"severity {self.severity} · category {self.category} · needs {', '.join(self.needs)}",
            f"**What you see.** {self.symptom}",
            f"**Why.** {self.cause}",
            f"**What is looked at.** {self.looks}",
            f"**Fix.** {self.fix}",
        ]
        return "\n\n".join(parts)


_registry: dict[str, Check] = {}


def check(
    id: str,
    title: str,
    severity: Severity,
    *needs: Need,
    symptom: str,
    cause: str,
    looks: str,
    fix: str,
) -> Callable[[Rule], Rule]:
    """Register a check whose rule is the decorated function."""
    plain = declare(id, title, severity, *needs, symptom=symptom, cause=cause, looks=looks, fix=fix)

    def with_rule(rule: Rule) -> Rule:
        _registry[id] = replace(plain, rule=rule)
        return rule

    return with_rule


def declare(
    id: str,
    title: str,
    severity: Severity,
    *needs: Need,
    symptom: str,
    cause: str,
    looks: str,
    fix: str,
) -> Check:
    """Register a check without a rule: its findings are made by whoever sees the files."""
    if id in _registry:
        raise ValueError(f"check {id} is declared twice")
    _registry[id] = Check(id, title, severity, needs, _line(symptom), _line(cause), _line(looks), _line(fix))
    return _registry[id]


def registered() -> dict[str, Check]:
    """All checks declared so far, by id; :mod:`.registry` knows them all."""
    return _registry


def _line(text: str) -> str:
    """A text that was broken to fit the source, on one line."""
    return " ".join(text.split())
