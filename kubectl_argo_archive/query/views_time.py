"""Views about time: durations, queueing, gaps between pods, waiting for locks."""

from __future__ import annotations

from kubectl_argo_archive.query.views import (
    CLUSTER,
    NAMESPACE,
    TEMPLATE,
    TIME,
    WORKFLOW_KEY,
    View,
    column,
    template_of,
)

_PERCENTILES = (
    column("p50_s", "DOUBLE", "Median, seconds.", "860.0"),
    column("p90_s", "DOUBLE", "90th percentile, seconds, interpolated.", "1100.0"),
    column("p95_s", "DOUBLE", "95th percentile.", "1200.0"),
    column("p99_s", "DOUBLE", "99th percentile.", "1900.0"),
    column("max_s", "DOUBLE", "The longest.", "2400.0"),
    column("total_s", "DOUBLE", "Sum.", "6020.0"),
)
_PERCENTILES_SQL = """quantile_cont(duration_s, 0.5) AS p50_s, quantile_cont(duration_s, 0.9) AS p90_s,
    quantile_cont(duration_s, 0.95) AS p95_s, quantile_cont(duration_s, 0.99) AS p99_s, max(duration_s) AS max_s,
    sum(duration_s) AS total_s"""
_WEEK = "CAST(date_trunc('week', {} AT TIME ZONE 'UTC') AS DATE) AS week"

DURATIONS = View(
    "durations",
    "One week of one template: how long the runs took that succeeded.",
    (
        CLUSTER,
        NAMESPACE,
        TEMPLATE,
        column("week", "DATE", "Monday of the week (UTC) in which the runs finished.", "2026-02-23"),
        column("runs", "BIGINT", "Runs that succeeded.", "7"),
        *_PERCENTILES,
    ),
    f"""
WITH runs AS (
    SELECT w.cluster, w.namespace, {template_of("w")} AS template, {_WEEK.format("w.finished_at")}, w.duration_s
    FROM workflows w WHERE w.phase = 'Succeeded' AND w.duration_s IS NOT NULL
)
SELECT cluster, namespace, template, week, count(*) AS runs, {_PERCENTILES_SQL}
FROM runs GROUP BY cluster, namespace, template, week""",
    ("workflows",),
    "SELECT week, runs, p50_s, p95_s FROM durations WHERE template = 'etl' ORDER BY week",
)

STEP_DURATIONS = View(
    "step_durations",
    "One week of one step (a template that pods run) within one workflow template: runs, failures and how long the "
    "pods took that succeeded, waiting for the pod included.",
    (
        CLUSTER,
        NAMESPACE,
        TEMPLATE,
        column("template_name", "VARCHAR", "The step's template.", "load"),
        column("week", "DATE", "Monday of the week (UTC) in which the pods finished.", "2026-02-23"),
        column("pods", "BIGINT", "Pods that ended, without memoized ones.", "70"),
        column("failed", "BIGINT", "Pods in phase Failed or Error.", "3"),
        *_PERCENTILES,
    ),
    f"""
WITH pods AS (
    SELECT n.cluster, n.namespace, {template_of("w")} AS template, n.template_name, {_WEEK.format("n.finished_at")},
        n.phase, CASE WHEN n.phase = 'Succeeded' THEN n.duration_s END AS duration_s
    FROM nodes n JOIN workflows w ON w.cluster = n.cluster AND w.uid = n.uid AND w.version = n.version
    WHERE n.type = 'Pod' AND n.finished_at IS NOT NULL AND NOT coalesce(n.memoized, false)
)
SELECT cluster, namespace, template, template_name, week, count(*) AS pods,
    count(*) FILTER (phase IN ('Failed', 'Error')) AS failed, {_PERCENTILES_SQL}
FROM pods GROUP BY cluster, namespace, template, template_name, week""",
    ("workflows", "nodes"),
    "SELECT template_name, week, p50_s FROM step_durations WHERE template = 'etl' ORDER BY template_name, week",
)

GAPS = View(
    "gaps",
    "One finished workflow: where its time went. Queueing (created → started; includes locks and parallelism limits, "
    "and is too long after a retry, which sets the start anew), pods at work, and gaps in which no pod was there.",
    (
        *WORKFLOW_KEY,
        TEMPLATE,
        column("phase", "VARCHAR", "Phase of the workflow.", "Succeeded"),
        column("created_at", TIME, "Creation.", "2026-03-01 02:00:00+00"),
        column("started_at", TIME, "Start.", "2026-03-01 02:00:01+00"),
        column("finished_at", TIME, "End.", "2026-03-01 02:14:31+00"),
        column("queue_s", "DOUBLE", "Seconds from creation to start.", "1.0"),
        column("wall_s", "DOUBLE", "Seconds from start to end.", "870.0"),
        column("busy_s", "DOUBLE", "Seconds in which at least one pod was there (pending or running).", "600.0"),
        column("gap_s", "DOUBLE", "wall_s − busy_s.", "270.0"),
        column("gap_share", "DOUBLE", "gap_s / wall_s, 0 to 1; null if the workflow took no time.", "0.31"),
        column("pod_s", "DOUBLE", "Sum of the pods' seconds; above busy_s where pods ran side by side.", "1200.0"),
    ),
    f"""
WITH finished AS (
    SELECT w.cluster, w.uid, w.version, w.namespace, w.name AS workflow, {template_of("w")} AS template, w.phase,
        w.created_at, w.started_at, w.finished_at
    FROM workflows w WHERE w.started_at IS NOT NULL AND w.finished_at IS NOT NULL
), pods AS (
    -- a workflow that was retried keeps nodes of before: only what lies between its start and end counts
    SELECT n.cluster, n.uid, n.version, greatest(n.started_at, f.started_at) AS low,
        least(coalesce(n.finished_at, f.finished_at), f.finished_at) AS high
    FROM nodes n JOIN finished f ON f.cluster = n.cluster AND f.uid = n.uid AND f.version = n.version
    WHERE n.type = 'Pod' AND NOT coalesce(n.memoized, false) AND n.started_at IS NOT NULL
), ordered AS (
    SELECT *, max(high) OVER (PARTITION BY cluster, uid, version ORDER BY low, high
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
    FROM pods WHERE high > low
), busy AS (
    SELECT cluster, uid, version, sum(epoch_us(high) - epoch_us(low)) / 1e6 AS pod_s,
        sum(greatest(epoch_us(high) - epoch_us(greatest(low, coalesce(reached, low))), 0)) / 1e6 AS busy_s
    FROM ordered GROUP BY cluster, uid, version
), summed AS (
    SELECT f.*, (epoch_us(f.started_at) - epoch_us(f.created_at)) / 1e6 AS queue_s,
        (epoch_us(f.finished_at) - epoch_us(f.started_at)) / 1e6 AS wall_s, coalesce(b.busy_s, 0) AS busy_s,
        coalesce(b.pod_s, 0) AS pod_s
    FROM finished f LEFT JOIN busy b ON b.cluster = f.cluster AND b.uid = f.uid AND b.version = f.version
)
SELECT cluster, uid, version, namespace, workflow, template, phase, created_at, started_at, finished_at, queue_s,
    wall_s, busy_s, wall_s - busy_s AS gap_s, (wall_s - busy_s) / nullif(wall_s, 0) AS gap_share, pod_s
FROM summed""",
    ("workflows", "nodes"),
    "SELECT template, avg(queue_s) AS queue, avg(gap_share) AS gaps FROM gaps GROUP BY template ORDER BY gaps DESC",
)

WAITS = View(
    "waits",
    "One node that waited for a mutex or semaphore until its workflow ended. Argo forgets the wait once the lock is "
    "had; waits of whole workflows are part of `gaps.queue_s`.",
    (
        *WORKFLOW_KEY,
        TEMPLATE,
        column("node_id", "VARCHAR", "The node.", "etl-nightly-x7k2p-1234567"),
        column("node_name", "VARCHAR", "Its path.", "etl-nightly-x7k2p[0].load(0)"),
        column("template_name", "VARCHAR", "Its template.", "load"),
        column("phase", "VARCHAR", "Its phase.", "Failed"),
        column("lock", "VARCHAR", "The lock, `namespace/kind/name`.", "data/Mutex/warehouse"),
        column("lock_kind", "VARCHAR", "Mutex, ConfigMap (semaphore) or Database.", "Mutex"),
        column("waiting_since", TIME, "When the node came into being.", "2026-03-01 02:00:05+00"),
        column("waited_s", "DOUBLE", "Seconds until the node, else the workflow, ended.", "600.0"),
        column("message", "VARCHAR", "Message of the node.", "Waiting for data/Mutex/warehouse lock. Lock status: 0/1"),
    ),
    f"""
WITH waiting AS (
    SELECT n.*, coalesce(nullif(n.sync_waiting, ''), regexp_extract(n.message, 'Waiting for (\\S+) lock', 1)) AS lock
    FROM nodes n WHERE nullif(n.sync_waiting, '') IS NOT NULL OR regexp_matches(n.message, 'Waiting for \\S+ lock')
)
SELECT n.cluster, n.uid, n.version, n.namespace, n.workflow, {template_of("w")} AS template, n.node_id,
    n.name AS node_name, n.template_name, n.phase, n.lock, nullif(split_part(n.lock, '/', 2), '') AS lock_kind,
    n.started_at AS waiting_since,
    (epoch_us(coalesce(n.finished_at, w.finished_at)) - epoch_us(n.started_at)) / 1e6 AS waited_s, n.message
FROM waiting n LEFT JOIN workflows w ON w.cluster = n.cluster AND w.uid = n.uid AND w.version = n.version""",
    ("workflows", "nodes"),
    "SELECT lock, count(*) AS nodes, sum(waited_s) AS waited_s FROM waits GROUP BY lock ORDER BY waited_s DESC",
)

VIEWS = (DURATIONS, STEP_DURATIONS, GAPS, WAITS)
