"""Do finished workflows arrive in the archive, and do old ones leave it?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from kubectl_argo_archive.argo.controller import Controller
from kubectl_argo_archive.checks.check import Need, Outcome, check, failed, passed, skipped, warned
from kubectl_argo_archive.checks.facts import Facts
from kubectl_argo_archive.checks.facts_cluster import LiveWorkflow
from kubectl_argo_archive.checks.finding import Severity
from kubectl_argo_archive.checks.releases import requeues
from kubectl_argo_archive.checks.words import count, instant, restart_of, some, span

GRACE = timedelta(minutes=10)
"""How long an archive may take before a workflow counts as stuck."""


def age(facts: Facts, workflow: LiveWorkflow) -> timedelta:
    return facts.now - workflow.finished if workflow.finished else timedelta(0)


def named(facts: Facts, workflows: list[LiveWorkflow]) -> str:
    oldest_first = sorted(workflows, key=lambda w: w.finished or facts.now)
    return some(f"{w}: finished {span(age(facts, w))} ago" for w in oldest_first)


def details_of(facts: Facts, workflows: list[LiveWorkflow]) -> dict[str, object]:
    return {
        "workflows": [
            {"namespace": w.namespace, "name": w.name, "uid": w.uid, "age_s": int(age(facts, w).total_seconds())}
            for w in workflows
        ]
    }


@check(
    "A05", "Rows belong to the configured cluster and instance", Severity.HIGH, Need.CONFIG, Need.DATABASE,
    symptom="Rows are in the database, and neither UI nor CLI shows them; they are never deleted either.",
    cause="Every query filters on clusterName and instanceID; one of them was changed.",
    looks="Number of rows by clustername and instanceid against what the controllers have.",
    fix="Set persistence.clusterName and instanceID back, or rewrite the columns of the old rows.",
)  # fmt: skip
def rows_are_visible(facts: Facts) -> Iterator[Outcome]:
    known = {(c.persistence.effective_cluster_name, c.instance_id) for c in facts.controllers if c.persistence}
    rows: dict[tuple[str, str], int] = {}
    for group in facts.db.groups:
        rows[group.cluster, group.instance_id] = rows.get((group.cluster, group.instance_id), 0) + group.rows
    foreign = {pair: number for pair, number in rows.items() if pair not in known}
    pairs = ", ".join(f"clusterName '{cluster}', instanceID '{instance}'" for cluster, instance in sorted(known))
    if foreign and known:
        seen = some(f"clustername '{c}', instanceid '{i}': {count(n, 'row')}" for (c, i), n in foreign.items())
        yield warned(
            f"{count(sum(foreign.values()), 'row')} are invisible: {pairs} is configured",
            seen,
            details={"invisible": sum(foreign.values())},
        )
    else:
        yield passed(f"all {count(facts.db.rows, 'row')} belong to {pairs or 'one writer'}")


@check(
    "A06", "No other cluster writes under our name", Severity.HIGH, Need.CONFIG, Need.CLUSTER, Need.DATABASE,
    symptom="Workflows of two clusters stand in one list.",
    cause="Both use the same database and the default clusterName `default`.",
    looks="Rows of the last week in namespaces that this cluster does not have.",
    fix="Set persistence.clusterName to a name of its own in each cluster.",
)  # fmt: skip
def no_other_cluster(facts: Facts) -> Iterator[Outcome]:
    if facts.api.namespaces is None:
        yield skipped("namespaces may not be listed", "kubectl get namespaces")
        return
    names = {c.persistence.effective_cluster_name for c in facts.controllers if c.persistence}
    recent = facts.now - timedelta(days=7)
    strange = [
        g
        for g in facts.db.groups
        if g.cluster in names and g.namespace not in facts.api.namespaces and g.newest and g.newest > recent
    ]
    if strange:
        seen = some(f"{g.namespace}: {count(g.rows, 'row')}, newest {instant(g.newest)}" for g in strange)
        yield warned("somebody else archives under our clusterName: rows of namespaces that do not exist here", seen)
    else:
        yield passed(f"all recent rows of {', '.join(sorted(names))} are of namespaces of this cluster")


@check(
    "A11", "No finished workflow waits to be archived", Severity.CRITICAL, Need.WORKFLOWS,
    symptom="Label `workflow-archiving-status: Pending` for hours; log `failed to archive workflow: …`.",
    cause="Writing the row failed. Before v4.0.9 nothing tries again until the informer resyncs (20 minutes) or the "
    "controller restarts; a lasting cause (rights, schema, a document too large) blocks for ever.",
    looks="Finished live workflows with that label, older than 10 minutes.",
    fix="Read the controller's log for `failed to archive workflow`, mend the cause, then restart the controller.",
)  # fmt: skip
def nothing_waits(facts: Facts) -> Iterator[Outcome]:
    stuck = [w for w in facts.api.finished if w.archiving == "Pending" and age(facts, w) > GRACE]
    said = facts.api.said("failed to archive workflow")
    old = [c for c in facts.controllers if c.version and not requeues(c.version)]
    about = f"; {old[0].label()} is {old[0].version}, which does not try again by itself (since v4.0.9)" if old else ""
    if stuck:
        fix = f"{restart_of(old or facts.controllers)}   # after mending the cause" if facts.controllers else None
        evidence = named(facts, stuck) + (f"\nlog: {said[-1]}" if said else "")
        yield failed(
            f"{count(len(stuck), 'workflow')} finished and wait to be archived{about}",
            evidence,
            fix,
            details=details_of(facts, stuck),
        )
    elif said:
        yield warned(f"attempts to archive failed lately{about}", some(said[-3:]))
    else:
        yield passed(f"none of {count(len(facts.api.finished), 'finished workflow')} waits")


@check(
    "A13", "The controller may write the archive", Severity.CRITICAL, Need.DATABASE,
    symptom="`pq: current transaction is aborted, commands ignored until end of transaction block`.",
    cause="An earlier statement of the same transaction failed: a missing right or a missing column.",
    looks="INSERT and DELETE rights of the controller's role on both tables of the archive. No trial row is written.",
    fix="GRANT SELECT, INSERT, UPDATE, DELETE ON argo_archived_workflows, argo_archived_workflows_labels TO argo;",
)  # fmt: skip
def may_write(facts: Facts) -> Iterator[Outcome]:
    if not facts.own_session:
        yield skipped(
            f"the session is {facts.db.user}'s, not the controller's",
            "as the owner: select has_table_privilege('argo', 'argo_archived_workflows', 'insert,delete')",
        )
        return
    if facts.db.in_recovery:
        yield failed(
            "the controller's database is a read-only replica",
            "pg_is_in_recovery() is true",
            "point persistence.postgresql.host at the primary",
        )
        return
    for name in ("argo_archived_workflows", "argo_archived_workflows_labels"):
        table = facts.db.tables.get(name)
        missing = sorted({"select", "insert", "delete"} - table.rights) if table else []
        if table and missing:
            rights = ", ".join(missing).upper()
            yield failed(
                f"{facts.db.user} may not {', '.join(missing)} on {name}",
                f"{table.schema}.{name}",
                f'GRANT {rights} ON {table.schema}.{name} TO "{facts.db.user}";',
            )


def ttl_of(controller: Controller) -> int | None:
    """Seconds; None if rows are kept for ever or the text cannot be read."""
    ttl = controller.persistence.archive_ttl if controller.persistence else None
    return (ttl.seconds or None) if ttl and (ttl.seconds or 0) > 0 else None


def keeps_for_ever(controller: Controller) -> bool:
    """Whether it archives and never deletes a row."""
    persistence = controller.persistence
    ttl = persistence.archive_ttl if persistence else None
    return bool(persistence and persistence.archive and (ttl is None or ttl.seconds == 0))


@check(
    "E04", "Every finished workflow is in the archive", Severity.CRITICAL, Need.WORKFLOWS, Need.DATABASE,
    symptom="A workflow that ended hours ago is not in the archive, and nobody notices until it is needed.",
    cause="It waits (A11), the selector refuses it (A04), the archive was off when it ended (enabling it later does "
    "not catch up), or its row was deleted or is in another database.",
    looks="Finished live workflows older than 10 minutes, by uid, against the rows of the archive.",
    fix="Have the controller archive it: kubectl label workflow NAME "
    "workflows.argoproj.io/workflow-archiving-status=Pending --overwrite",
)  # fmt: skip
def nothing_is_missing(facts: Facts) -> Iterator[Outcome]:
    if facts.archived is None:
        yield skipped("live workflows could not be compared with rows: there is no table, or it may not be read")
        return
    # those that wait are A11's
    due = [w for w in facts.api.finished if age(facts, w) > GRACE and _wanted(facts, w) and w.archiving != "Pending"]
    missing = [w for w in due if w.uid not in facts.archived and not _expired(facts, w)]
    if missing:
        first = missing[0]
        fix = edit_label(first)
        yield failed(
            f"{count(len(missing), 'finished workflow')} not in the archive",
            named(facts, missing),
            fix,
            details=details_of(facts, missing),
        )
    else:
        yield passed(f"all {count(len(due), 'finished workflow')} of the cluster are archived")


def edit_label(workflow: LiveWorkflow) -> str:
    """Ask the controller to archive it after all."""
    return (
        f"kubectl label workflow/{workflow.name} -n {workflow.namespace} "
        "workflows.argoproj.io/workflow-archiving-status=Pending --overwrite"
    )


def _wanted(facts: Facts, workflow: LiveWorkflow) -> bool:
    """Whether some controller should archive it; without a known configuration, every workflow counts."""
    mine = [c for c in facts.controllers if c.instance_id == workflow.instance_id and c.persistence]
    return not facts.controllers or any(c.persistence and c.persistence.archives(workflow.labels) for c in mine)


def _expired(facts: Facts, workflow: LiveWorkflow) -> bool:
    """Whether its row was rightly deleted by now."""
    limits = [ttl for ttl in map(ttl_of, facts.controllers) if ttl]
    return bool(limits) and age(facts, workflow) > timedelta(seconds=min(limits))


@check(
    "E03", "Rows arrive", Severity.CRITICAL, Need.WORKFLOWS, Need.DATABASE,
    symptom="The newest row of the archive is days old while workflows run every hour.",
    cause="The controller does not write, or writes into another database.",
    looks="The newest row's finishedat against the newest finished live workflow's.",
    fix="See A11, B03 and A05; the controller's log says why: kubectl logs deployment/workflow-controller -n argo",
)  # fmt: skip
def rows_arrive(facts: Facts) -> Iterator[Outcome]:
    due = [w.finished for w in facts.api.finished if w.finished and age(facts, w) > GRACE and _wanted(facts, w)]
    newest, row = max(due, default=None), facts.db.newest
    if "groups" in facts.db.unread:
        yield skipped(f"rows could not be counted: {facts.db.unread['groups']}")
    elif newest is None:
        yield passed(f"no workflow finished lately; the newest row is of {instant(row)}")
    elif row is None or newest - row > GRACE:
        lag = f"{span(newest - row)} behind" if row else "there is no row at all"
        yield failed(f"no rows arrive: {lag}", f"newest row {instant(row)}\nnewest finished workflow {instant(newest)}")
    else:
        yield passed(f"rows arrive: the newest is of {instant(row)}", f"newest finished workflow {instant(newest)}")
