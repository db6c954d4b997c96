"""Views about who and what started runs: people, cron schedules, events."""

from __future__ import annotations

from kubectl_argo_archive.query.views import TEMPLATE, TIME, WORKFLOW_KEY, View, column, template_of

ORIGIN = """CASE
        WHEN nullif(w.resubmitted_from, '') IS NOT NULL THEN 'resubmit'
        WHEN nullif(w.cron_workflow, '') IS NOT NULL THEN 'cron'
        WHEN w.labels['workflows.argoproj.io/workflow-event-binding'] IS NOT NULL
            OR w.labels['events.argoproj.io/sensor'] IS NOT NULL THEN 'event'
        WHEN starts_with(w.creator, 'system-serviceaccount-') THEN 'service account'
        WHEN nullif(w.creator, '') IS NOT NULL THEN 'person'
        ELSE 'unknown'
    END"""
"""What started the workflow ``w``. Resubmitting copies the labels of a schedule or a sensor, so it is asked first."""

WHO = View(
    "who",
    "One archived state of a workflow: who created it, who acted on it last, and what started it. Older states "
    "(before a retry) are rows of their own. Labels hold names as Argo sanitised them.",
    (
        *WORKFLOW_KEY,
        column("is_latest", "BOOLEAN", "False for a state that a newer one replaced.", "true"),
        TEMPLATE,
        column("phase", "VARCHAR", "Phase of the workflow.", "Failed"),
        column("creator", "VARCHAR", "Who created it; `unknown` if nobody was identified.", "alice"),
        column("creator_email", "VARCHAR", "Mail address of the creator (`@` became `.at.`).", "alice.at.example.com"),
        column("actor", "VARCHAR", "Who acted last: retried, stopped, resumed, …", "bob"),
        column("action", "VARCHAR", "What the actor did.", "Retry"),
        column("shutdown", "VARCHAR", "Stop or Terminate when a person ended it.", "Terminate"),
        column("origin", "VARCHAR", "cron, resubmit, event, person, service account or unknown.", "cron"),
        column("service_account", "VARCHAR", "Service account of the pods.", "argo-workflow"),
        column("created_at", TIME, "Creation.", "2026-03-01 02:00:00+00"),
        column("finished_at", TIME, "End.", "2026-03-01 02:14:31+00"),
    ),
    f"""
SELECT w.cluster, w.uid, w.version, w.namespace, w.name AS workflow, w.is_latest, {template_of("w")} AS template,
    w.phase, coalesce(nullif(w.creator, ''), 'unknown') AS creator, w.creator_email, w.actor, w.action, w.shutdown,
    {ORIGIN} AS origin, w.service_account, w.created_at, w.finished_at
FROM workflow_versions w""",
    ("workflow_versions",),
    "SELECT actor, action, workflow, finished_at FROM who WHERE actor IS NOT NULL ORDER BY finished_at DESC",
)

CRON_RUNS = View(
    "cron_runs",
    "One run of a CronWorkflow, with the run before it: late, doubled and missed runs stand out.",
    (
        WORKFLOW_KEY[0],
        *WORKFLOW_KEY[1:],
        column("cron_workflow", "VARCHAR", "The CronWorkflow.", "etl-nightly"),
        column("scheduled_at", TIME, "When the schedule wanted it; null where Argo wrote no such annotation.",
               "2026-03-01 02:00:00+00"),
        column("created_at", TIME, "Creation.", "2026-03-01 02:00:00+00"),
        column("started_at", TIME, "Start.", "2026-03-01 02:00:01+00"),
        column("finished_at", TIME, "End.", "2026-03-01 02:14:31+00"),
        column("delay_s", "DOUBLE", "Seconds from schedule to start.", "1.0"),
        column("phase", "VARCHAR", "Phase of the workflow.", "Succeeded"),
        column("duration_s", "DOUBLE", "Seconds from start to end.", "870.0"),
        column("previous_at", TIME, "Schedule (else creation) of the run before.", "2026-02-28 02:00:00+00"),
        column("interval_s", "DOUBLE", "Seconds since the run before.", "86400.0"),
        column("usual_interval_s", "DOUBLE", "Median of interval_s of this CronWorkflow.", "86400.0"),
        column("missed_before", "BIGINT", "Runs that seem to be missing before this one: interval_s in usual "
               "intervals, less one. An estimate: schedules need not be regular.", "0"),
        column("last_success_at", TIME, "End of the latest earlier run that succeeded.", "2026-02-28 02:14:31+00"),
    ),
    """
WITH runs AS (
    SELECT w.*, coalesce(w.scheduled_at, w.created_at, w.started_at) AS due
    FROM workflows w WHERE nullif(w.cron_workflow, '') IS NOT NULL
), sequenced AS (
    SELECT *, lag(due) OVER run AS previous_at,
        max(finished_at) FILTER (phase = 'Succeeded') OVER (run ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
            AS last_success_at
    FROM runs WINDOW run AS (PARTITION BY cluster, namespace, cron_workflow ORDER BY due, uid)
), measured AS (
    SELECT *, (epoch_us(due) - epoch_us(previous_at)) / 1e6 AS interval_s FROM sequenced
), usual AS (
    SELECT cluster, namespace, cron_workflow, median(interval_s) AS usual_interval_s
    FROM measured WHERE interval_s > 0 GROUP BY cluster, namespace, cron_workflow
)
SELECT m.cluster, m.uid, m.version, m.namespace, m.name AS workflow, m.cron_workflow, m.scheduled_at, m.created_at,
    m.started_at, m.finished_at, (epoch_us(m.started_at) - epoch_us(m.scheduled_at)) / 1e6 AS delay_s, m.phase,
    m.duration_s, m.previous_at, m.interval_s, u.usual_interval_s,
    CASE WHEN m.interval_s IS NOT NULL
        THEN CAST(greatest(round(m.interval_s / u.usual_interval_s) - 1, 0) AS BIGINT) END AS missed_before,
    m.last_success_at
FROM measured m LEFT JOIN usual u
    ON u.cluster = m.cluster AND u.namespace = m.namespace AND u.cron_workflow = m.cron_workflow""",
    ("workflows",),
    "SELECT cron_workflow, previous_at, scheduled_at, missed_before FROM cron_runs WHERE missed_before > 0",
)  # fmt: skip

VIEWS = (WHO, CRON_RUNS)
