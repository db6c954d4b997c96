"""Each check finds the mistake that is planted for it, passes the healthy set-up, and leaves the others in peace."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from fixtures.verify_cases import CASES, Case
from fixtures.verify_plan import NOW, Plan

from kubectl_argo_archive.checks.check import Check, Need, failed, passed
from kubectl_argo_archive.checks.facts import Facts
from kubectl_argo_archive.checks.finding import Finding, Severity, Status
from kubectl_argo_archive.checks.reference import reference
from kubectl_argo_archive.checks.registry import CHECKS
from kubectl_argo_archive.checks.run import choose, config_checks, find, run_checks
from kubectl_argo_archive.errors import ConfigError

PROBLEMS = (Status.FAIL, Status.WARN, Status.ERROR)
MINE = [check for check in CHECKS.values() if check.rule is not None]


def problems(findings: list[Finding]) -> set[str]:
    """Ids of checks that are not content."""
    return {finding.id for finding in findings if finding.status in PROBLEMS}


@pytest.fixture(scope="module")
def healthy() -> list[Finding]:
    """All findings of the healthy set-up."""
    return run_checks(Plan().facts(), MINE)


def test_the_healthy_set_up_passes_every_check(healthy: list[Finding]) -> None:
    assert not [f"{f.id} {f.status}: {f.message} {f.evidence}" for f in healthy if f.status is not Status.PASS]
    assert {finding.id for finding in healthy} == {check.id for check in MINE}


@pytest.mark.parametrize("case", CASES, ids=[f"{case.id}-{number}" for number, case in enumerate(CASES)])
def test_a_planted_mistake_is_found_and_drowns_no_other(case: Case) -> None:
    plan = Plan()
    case.spoil(plan)
    found = run_checks(plan.facts(), MINE)
    mine = [finding for finding in found if finding.id == case.id]
    assert {finding.status for finding in mine} == {case.status}, [(f.status, f.message, f.evidence) for f in mine]
    told = " ".join(f"{f.message}\n{f.evidence}\n{f.fix}\n{f.where}" for f in mine)
    assert case.says.lower() in told.lower()
    assert all(finding.fix for finding in mine)
    assert problems(found) - {case.id} == set(case.also)


def test_checks_and_cases_and_pages_are_the_same() -> None:
    page = reference()
    assert {case.id for case in CASES} == {check.id for check in MINE}
    assert {line.removeprefix("### ") for line in page.splitlines() if line.startswith("### ")} == set(CHECKS)
    assert (Path(__file__).parent.parent / "docs/checks.md").read_text() == page


def test_checks_of_files_have_tests_of_their_own() -> None:
    tested = {
        id for path in Path(__file__).parent.glob("test_setup*.py") for id in CHECKS if f'"{id}"' in path.read_text()
    }
    assert {check.id for check in CHECKS.values() if check.rule is None} <= tested


def test_all_ids_of_the_research_are_there() -> None:
    wanted = {
        f"{letter}{n:02}" for letter, last in (("A", 17), ("B", 30), ("C", 31), ("D", 5)) for n in range(1, last + 1)
    }
    assert len(wanted) == 83
    assert wanted <= set(CHECKS)


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_texts_are_whole(check: Check) -> None:
    for text in (check.title, check.symptom, check.cause, check.looks, check.fix):
        assert text
        assert text == text.strip()
        assert "  " not in text.replace("\n  ", "")
    assert not check.title.endswith(".")
    assert check.needs
    assert check.id in check.explain()


def test_nothing_known_is_no_problem_and_says_why() -> None:
    found = run_checks(Facts(), MINE)
    assert {finding.status for finding in found} == {Status.SKIP}
    assert all(finding.message for finding in found)


def test_files_alone_answer_what_the_configuration_tells() -> None:
    plan = Plan()
    plan.set("persistence.archive", False)
    found = run_checks(Facts(installation=plan.installation()), config_checks())
    assert problems(found) == {"A01"}


def test_a_check_that_breaks_is_a_finding() -> None:
    def explode(_: Facts) -> list[object]:
        raise RuntimeError("password=hunter2 in the way")

    broken = replace(CHECKS["A01"], rule=explode)  # type: ignore[arg-type]
    found = run_checks(Plan().facts(), [broken, CHECKS["A14"]])
    assert [f.status for f in found] == [Status.ERROR, Status.PASS]
    assert "hunter2" not in found[0].message


def test_problems_hide_what_is_well() -> None:
    rule = lambda _: [passed("one is well"), failed("two is not")]  # noqa: E731
    two = Check("A99", "t", Severity.LOW, (Need.MACHINE,), "s", "c", "l", "f", rule)
    assert [finding.message for finding in two.run(Plan().facts())] == ["two is not"]


def test_choosing() -> None:
    assert [check.id for check in choose(["a1"], ["A11,A12"])] == ["A10", "A13", "A14", "A15", "A16", "A17"]
    assert {check.category for check in choose((), (), ["query"])} == {"query"}
    assert all(check.rule is not None for check in choose())
    assert find("a01").id == "A01"
    for wrong in (lambda: choose(["Z9"]), lambda: find("A1"), lambda: choose((), (), ["nonsense"])):
        with pytest.raises(ConfigError):
            wrong()


def test_ages_are_counted_from_now() -> None:
    plan = Plan()
    later = replace(plan.facts(), now=NOW + timedelta(days=2))
    assert problems(run_checks(later, [CHECKS["E15"]])) == set()  # nothing new in the database either
    plan.alter("database", groups=tuple(replace(g, newest=NOW + timedelta(days=1)) for g in plan.database.groups))
    late = replace(plan.facts(), now=NOW + timedelta(days=2))
    assert problems(run_checks(late, [CHECKS["E15"]])) == {"E15"}
