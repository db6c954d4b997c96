"""Findings for other programs: JUnit XML and SARIF 2.1.0."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree as Xml

from kubectl_argo_archive.checks.finding import Finding, Report, Severity, Status
from kubectl_argo_archive.checks.registry import CHECKS

_DOCS = "https://kubectl-argo-archive.example.org/docs/checks.md#"
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LEVELS = {Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note",
           Severity.INFO: "note"}  # fmt: skip


def to_junit(report: Report, name: str) -> str:
    """JUnit XML: one test case per finding; warnings pass and are told in ``system-out``.

    Args:
        report: the findings.
        name: of the test suite: ``verify`` or ``setup lint``.
    """
    counts = report.summary
    suite = Xml.Element(
        "testsuite",
        name=f"kubectl argo-archive {name}",
        tests=str(counts["total"]),
        failures=str(counts["fail"]),
        errors=str(counts["error"]),
        skipped=str(counts["skip"]),
    )
    for finding in report.findings:
        case = Xml.SubElement(suite, "testcase", name=_xml(f"{finding.id} {finding.title}"), classname=finding.category)
        if finding.where.file:
            case.set("file", _xml(finding.where.file))
        if finding.where.line:
            case.set("line", str(finding.where.line))
        text = _xml(
            "\n".join(part for part in (finding.evidence, f"fix: {finding.fix}" if finding.fix else "") if part)
        )
        if finding.status in (Status.FAIL, Status.ERROR):
            tag = "failure" if finding.status is Status.FAIL else "error"
            Xml.SubElement(case, tag, message=_xml(finding.message), type=str(finding.severity)).text = text
        elif finding.status is Status.SKIP:
            Xml.SubElement(case, "skipped", message=_xml(finding.message))
        elif finding.status is Status.WARN:
            Xml.SubElement(case, "system-out").text = _xml(f"warning: {finding.message}\n{text}")
    Xml.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(suite, encoding="unicode") + "\n"


def _xml(text: str) -> str:
    """XML has no way to write control characters."""
    return _NOT_XML.sub("�", text)


def to_sarif(report: Report, version: str) -> str:
    """SARIF 2.1.0 with every finding that is no pass; rules are the checks concerned.

    Args:
        report: the findings.
        version: of this tool.
    """
    findings = [finding for finding in report.findings if finding.status is not Status.PASS]
    ids = sorted({finding.id for finding in findings})
    run = {
        "tool": {
            "driver": {
                "name": "kubectl-argo-archive",
                "version": version,
                "informationUri": _DOCS.partition("/docs")[0],
                "rules": [_rule(id) for id in ids],
            }
        },
        "results": [_result(finding, ids.index(finding.id)) for finding in findings],
    }
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def _rule(id: str) -> dict[str, Any]:
    check = CHECKS[id]
    return {
        "id": id,
        "name": check.title,
        "shortDescription": {"text": check.title},
        "fullDescription": {"text": f"{check.symptom} {check.cause}"},
        "help": {"text": check.fix, "markdown": check.explain()},
        "helpUri": f"{_DOCS}{id.lower()}",
        "defaultConfiguration": {"level": _LEVELS[check.severity]},
        "properties": {"category": check.category, "severity": str(check.severity)},
    }


def _result(finding: Finding, rule: int) -> dict[str, Any]:
    level = {Status.FAIL: "error", Status.ERROR: "error", Status.WARN: "warning"}.get(finding.status, "none")
    kind = {Status.SKIP: "notApplicable"}.get(finding.status, "fail")
    text = "\n".join(part for part in (finding.message, finding.evidence, finding.fix) if part)
    result: dict[str, Any] = {
        "ruleId": finding.id,
        "ruleIndex": rule,
        "level": level,
        "kind": kind,
        "message": {"text": text},
        "properties": {"status": str(finding.status), "severity": str(finding.severity)},
    }
    if place := _location(finding):
        result["locations"] = [place]
    return result


def _location(finding: Finding) -> dict[str, Any]:
    where = finding.where
    place: dict[str, Any] = {}
    if where.file:
        region = {"region": {"startLine": where.line}} if where.line else {}
        place["physicalLocation"] = {"artifactLocation": {"uri": where.file.replace("\\", "/")}, **region}
    if where.object:
        place["logicalLocations"] = [{"fullyQualifiedName": where.object}]
    return place
