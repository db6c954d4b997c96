"""Do old rows leave the archive, and finished workflows the cluster?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from kubectl_argo_archive.argo.controller import Controller
from kubectl_argo_archive.checks.check import Need, Outcome, check, failed, passed, warned
from kubectl_argo_archive.checks.facts import Facts
from kubectl_argo_archive.checks.facts_cluster import LiveWorkflow
from kubectl_argo_archive.checks.finding import Severity
from kubectl_argo_archive.checks.rules.archive_rows import GRACE, age, details_of, named, ttl_of
from kubectl_argo_archive.checks.words import at, count, instant, some, span


def _gc_period(controller: Controller) -> timedelta:
    """How often rows are deleted: 24 h unless ARCHIVED_WORKFLOW_GC_PERIOD says."""
    from kubectl_argo_archive.argo.decode import Ttl

    written = Ttl.parse(controller.env.get("ARCHIVED_WORKFLOW_GC_PERIOD") or "").seconds
    return timedelta(seconds=written) if written else timedelta(hours=24)


@check(
    "A15", "Rows older than archiveTTL are deleted", Severity.MEDIUM, Need.CONFIG, Need.DATABASE,
    symptom="The archive only grows; log `Archived workflows TTL zero - so archived workflow GC disabled`.",
    cause="The first deletion comes a whole ARCHIVED_WORKFLOW_GC_PERIOD (24 h) after the controller's start: one that "
    "restarts every day never deletes.",
    looks="The oldest row of our cluster and instance against archiveTTL plus the period; the controller's start.",
    fix="Set ARCHIVED_WORKFLOW_GC_PERIOD (for example 6h) below the time between the controller's restarts.",
)  # fmt: skip
def old_rows_go(facts: Facts) -> Iterator[Outcome]:
    for controller in facts.controllers:
        ttl, period = ttl_of(controller), _gc_period(controller)
        if ttl is None or controller.persistence is None:
            yield passed(f"{controller.label()} keeps rows for ever; the oldest is of {instant(facts.db.oldest)}")
            continue
        cluster = controller.persistence.effective_cluster_name
        mine = [
            g.oldest
            for g in facts.db.groups
            if (g.cluster, g.instance_id) == (cluster, controller.instance_id)
            and controller.managed_namespace in (None, g.namespace)
            and g.oldest
        ]
        limit = facts.now - timedelta(seconds=ttl) - period - timedelta(hours=1)
        if not mine or min(mine) >= limit:
            yield passed(f"no row is older than archiveTTL {span(ttl)} and the period {span(period)}")
            continue
        pods = [p for p in facts.cluster.pods if p.process == controller.name] if facts.cluster else []
        up = min((facts.now - p.started for p in pods if p.started), default=None)
        reason = (
            f"; the controller started {span(up)} ago, before one period had passed"
            if up is not None and up < period
            else ""
        )
        yield warned(
            f"rows outlive archiveTTL {span(ttl)}: the oldest is {span(facts.now - min(mine))} old{reason}",
            f"oldest finishedat {instant(min(mine))}, period {span(period)}",
            where=at(controller.persistence.origin("archive_ttl")),
        )


@check(
    "A16", "A namespaced controller leaves no rows behind", Severity.MEDIUM, Need.CONFIG, Need.DATABASE,
    symptom="Rows of other namespaces are never deleted.",
    cause="A namespaced install deletes and shows rows of its managed namespace only.",
    looks="Rows of other namespaces older than archiveTTL, while --managed-namespace is set.",
    fix="Delete them by hand, or run a controller for those namespaces.",
)  # fmt: skip
def other_namespaces(facts: Facts) -> Iterator[Outcome]:
    managed = {c.managed_namespace for c in facts.controllers}
    if None in managed:
        yield passed("the controller looks after all namespaces")
        return
    ttl = min((t for t in map(ttl_of, facts.controllers) if t), default=None)
    limit = facts.now - timedelta(seconds=ttl or 0)
    left = [g for g in facts.db.groups if g.namespace not in managed and ttl and g.oldest and g.oldest < limit]
    if left:
        seen = some(f"{g.namespace}: {count(g.rows, 'row')}, oldest {instant(g.oldest)}" for g in left)
        yield warned(f"rows of {count(len(left), 'namespace')} that no controller manages outlive archiveTTL", seen)
    else:
        yield passed(f"rows are only of managed namespaces: {', '.join(sorted(map(str, managed)))}")


@check(
    "A17", "Finished workflows do not pile up", Severity.HIGH, Need.WORKFLOWS,
    symptom="etcd fills; thousands of finished Workflow objects stay although ttlStrategy is set.",
    cause="TTL and retentionPolicy spare workflows that wait to be archived (label Pending): with the database down "
    "nothing is deleted.",
    looks="Finished workflows with label Pending that are older than their ttlStrategy allows.",
    fix="Mend the archive (see A11 and B03); do not delete the objects by hand: they are the only copy.",
)  # fmt: skip
def nothing_piles_up(facts: Facts) -> Iterator[Outcome]:
    waiting = [w for w in facts.api.finished if w.archiving == "Pending"]
    over = [w for w in waiting if (ttl := _live_ttl(facts, w)) is not None and age(facts, w) > ttl + GRACE]
    if over:
        yield failed(
            f"{count(len(over), 'finished workflow')} should be gone and cannot go before they are archived",
            named(facts, over),
            details=details_of(facts, over),
        )
    elif len(waiting) > 1000:
        yield warned(f"{count(len(waiting), 'finished workflow')} wait to be archived", named(facts, waiting))
    else:
        yield passed("no finished workflow outlives its ttlStrategy")


def _live_ttl(facts: Facts, workflow: LiveWorkflow) -> timedelta | None:
    """How long the object may stay after its end: its own ttlStrategy, else that of workflowDefaults."""
    if workflow.ttl_s is not None:
        return timedelta(seconds=workflow.ttl_s)
    for controller in facts.controllers:
        defaults = controller.config.workflow_defaults if controller.config else None
        strategy = defaults.spec.ttl_strategy if defaults and defaults.spec else None
        if strategy and strategy.seconds_after_completion is not None:
            return timedelta(seconds=strategy.seconds_after_completion)
    return None
