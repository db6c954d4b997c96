"""What a check found: one value, the same in the terminal, in JSON, in JUnit and in SARIF."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How a check ended."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"
    ERROR = "error"


class Severity(StrEnum):
    """What is at stake, worst first."""

    CRITICAL = "critical"
    """History or evidence is being lost, or nothing is archived at all."""
    HIGH = "high"
    """It will be lost, or cannot be read."""
    MEDIUM = "medium"
    """It works, and will surprise somebody."""
    LOW = "low"
    """Friction."""
    INFO = "info"
    """Worth knowing."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where a fact was read; every field may be unknown.

    Attributes:
        file: path of a manifest.
        line: 1 is the first.
        object: ``ConfigMap argo/workflow-controller-configmap``, and the path in it: ``… persistence.archive``.
    """

    file: str | None = None
    line: int | None = None
    object: str | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.file and self.line else self.file or ""
        return " ".join(part for part in (place, self.object) if part)


NOWHERE = Where()


@dataclass(frozen=True, slots=True)
class Finding:
    """One outcome of one check. A check may have several outcomes, one per mistake.

    Attributes:
        id: of the check: ``A01``.
        status: how it ended.
        severity: what is at stake.
        title: what the check asks, one phrase.
        message: what is so, one or two sentences, no secret.
        evidence: what was seen: values, names, counts; one fact a line.
        fix: the shortest way out: a command or a snippet; empty if nothing is to be done.
        category: archive, database, logs, query or health.
        where: where the mistake stands.
        details: the evidence for programs; JSON values only.
    """

    id: str
    status: Status
    severity: Severity
    title: str
    message: str
    evidence: str = ""
    fix: str = ""
    category: str = ""
    where: Where = NOWHERE
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON; the keys are a contract."""
        return {
            "id": self.id,
            "status": str(self.status),
            "severity": str(self.severity),
            "title": self.title,
            "message": self.message,
            "evidence": self.evidence,
            "fix": self.fix,
            "category": self.category,
            "file": self.where.file,
            "line": self.where.line,
            "object": self.where.object,
            "details": dict(self.details),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All findings of one run, in the order of the registry."""

    findings: tuple[Finding, ...]

    @property
    def summary(self) -> dict[str, int]:
        """Number of findings by status, and ``checks``: number of checks."""
        counts = Counter(finding.status for finding in self.findings)
        return {str(status): counts[status] for status in Status} | {
            "checks": len({finding.id for finding in self.findings}),
            "total": len(self.findings),
        }

    @property
    def has_problems(self) -> bool:
        """True if a check failed, or could not be carried out because of an error."""
        return any(finding.status in (Status.FAIL, Status.ERROR) for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """As JSON: ``{"findings": […], "summary": {…}}``."""
        return {"findings": [finding.to_dict() for finding in self.findings], "summary": self.summary}

    def of(self, *ids: str) -> list[Finding]:
        """The findings of these checks."""
        return [finding for finding in self.findings if finding.id in ids]


_RANK = {Status.FAIL: 0, Status.ERROR: 1, Status.WARN: 2, Status.SKIP: 3, Status.PASS: 4}


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """For people: what hurts most on top, equal ones in the given order."""
    severities = list(Severity)
    return sorted(findings, key=lambda f: (_RANK[f.status], severities.index(f.severity)))
