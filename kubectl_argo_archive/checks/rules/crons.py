"""Runs of CronWorkflows: those that history limits delete before they are archived, and those that are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from kubectl_argo_archive.argo.workflows import CronWorkflow
from kubectl_argo_archive.checks.check import Need, Outcome, check, failed, passed, skipped, warned
from kubectl_argo_archive.checks.facts import Facts
from kubectl_argo_archive.checks.facts_cluster import CRON
from kubectl_argo_archive.checks.finding import Severity
from kubectl_argo_archive.checks.schedule import Schedule
from kubectl_argo_archive.checks.words import at, count, instant, some, span

TOLERATED_OUTAGE = timedelta(hours=1)
"""How long the database may be away before runs are lost: a restart, a fail-over, an upgrade."""
_WINDOW = timedelta(hours=72)
_MISSING_GRACE = timedelta(minutes=30)


@check(
    "A12", "History limits of crons outlast an outage of the database", Severity.HIGH, Need.CONFIG,
    symptom="Runs are missing after the database was away; log `Deleted Workflow due to CronWorkflow history limit`.",
    cause="successfulJobsHistoryLimit (3 unless set) and failedJobsHistoryLimit (1) delete finished runs without "
    "asking whether they are archived. The TTL, by contrast, waits for the archive.",
    looks="Shortest time between two runs × limit against one hour; runs that wait while newer ones end.",
    fix="Raise successfulJobsHistoryLimit and failedJobsHistoryLimit of the CronWorkflow: schedule × limit should "
    "outlast the longest outage of the database.",
)  # fmt: skip
def limits_outlast(facts: Facts) -> Iterator[Outcome]:
    crons = [each for each in facts.the.crons if not each.suspended]
    for cron in crons:
        gap = _gap(cron, facts)
        limit = min(cron.successful_limit, cron.failed_limit)
        waiting = _waiting(cron, facts)
        where = at(cron.limits_origin if cron.limits_origin.object else cron.origin)
        fix = (
            f"kubectl patch cronworkflow/{cron.name} -n {cron.namespace} --type merge -p "
            '\'{"spec":{"successfulJobsHistoryLimit":%d,"failedJobsHistoryLimit":%d}}\''
        )
        if waiting >= max(cron.successful_limit, 1):
            yield failed(
                f"runs of {cron.namespace}/{cron.name} are being deleted before they are archived",
                f"{count(waiting, 'run')} wait to be archived, and only {cron.successful_limit} may stay",
                fix % (waiting + 24, waiting + 24),
                where=where,
            )
        elif gap is not None and gap * limit < TOLERATED_OUTAGE:
            enough = int(TOLERATED_OUTAGE * 4 / gap) + 1
            yield warned(
                f"{cron.namespace}/{cron.name} loses runs if the database is away for {span(gap * limit)}",
                f"one run every {span(gap)}, limits {cron.successful_limit} successful, {cron.failed_limit} failed",
                fix % (enough, enough),
                where=where,
            )
    if facts.cluster is not None and (said := facts.cluster.said("due to CronWorkflow history limit")):
        yield passed(f"history limits deleted {count(len(said), 'run')} lately", some(said[-2:]))
    yield passed(f"{count(len(crons), 'active CronWorkflow')} looked at")


def _gap(cron: CronWorkflow, facts: Facts) -> timedelta | None:
    gaps = []
    for text in cron.schedules:
        try:
            gaps.append(Schedule(text, cron.timezone).shortest_gap(facts.now))
        except ValueError:
            continue
    return min((gap for gap in gaps if gap), default=None)


def _waiting(cron: CronWorkflow, facts: Facts) -> int:
    if facts.cluster is None:
        return 0
    return sum(
        1
        for w in facts.cluster.finished
        if w.namespace == cron.namespace
        and w.labels.get(CRON) == cron.name
        and w.archiving == "Pending"
        and w.finished
        and facts.now - w.finished > timedelta(minutes=10)
    )


@check(
    "E05", "Scheduled runs are all accounted for", Severity.HIGH, Need.CONFIG, Need.CLUSTER, Need.DATABASE,
    symptom="A cron ran every hour, and the archive has fewer runs than hours.",
    cause="Runs were skipped (concurrencyPolicy, a controller that was away), or deleted before they were archived.",
    looks="For crons whose runs are all among the newest rows: times of the schedule in the last 72 hours against "
    "archived and live runs.",
    fix="See A12 for lost runs; startingDeadlineSeconds lets a controller catch up on missed ones.",
)  # fmt: skip
def runs_accounted(facts: Facts) -> Iterator[Outcome]:
    rows = [row for row in facts.db.recent if row.finished]
    if not rows:
        yield passed("no archived run to compare with")
        return
    reach = min(row.finished for row in rows if row.finished)
    compared = 0
    for cron in facts.the.crons:
        if cron.suspended or cron.concurrency_policy in ("Forbid", "Replace"):
            continue
        runs: Counter[str] = Counter()
        runs["archived"] = sum(1 for r in rows if r.namespace == cron.namespace and r.labels.get(CRON) == cron.name)
        uids = {row.uid for row in rows}
        runs["live"] = sum(
            1
            for w in facts.api.workflows
            if w.namespace == cron.namespace and w.labels.get(CRON) == cron.name and w.uid not in uids
        )
        first = min(
            (
                r.finished
                for r in rows
                if r.labels.get(CRON) == cron.name and r.namespace == cron.namespace and r.finished
            ),
            default=None,
        )
        if not runs["archived"] or first is None:
            continue
        start = max(first, reach, facts.now - _WINDOW)
        due = _due(cron, start, facts.now - _MISSING_GRACE)
        had = sum(runs.values())
        compared += 1
        if len(due) > had:
            yield warned(
                f"{len(due) - had} of {count(len(due), 'scheduled run')} of {cron.namespace}/{cron.name} are nowhere",
                f"since {instant(start)}: {runs['archived']} archived, {runs['live']} live",
                where=at(cron.origin),
                details={"missing": len(due) - had},
            )
    if compared or not facts.the.crons:
        yield passed(f"{count(compared, 'CronWorkflow')} compared with {count(len(rows), 'row')}")
    else:
        yield skipped("no CronWorkflow has runs among the newest rows")


def _due(cron: CronWorkflow, start: object, end: object) -> list[object]:
    times: set[object] = set()
    for text in cron.schedules:
        try:
            times |= set(Schedule(text, cron.timezone).between(start, end))  # type: ignore[arg-type]
        except ValueError:
            continue
    return sorted(times)  # type: ignore[type-var]
