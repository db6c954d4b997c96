"""Views about what runs cost: requested resources, and whom to ask."""

from __future__ import annotations

from kubectl_argo_archive.query.views import TEMPLATE, TIME, WORKFLOW_KEY, View, column, template_of

COSTS = View(
    "costs",
    "One workflow: what its cost is made of. Argo counts requests × container time, init and wait containers "
    "included: an estimate, to be multiplied with your prices. What failed attempts cost stands in `retries`.",
    (
        *WORKFLOW_KEY,
        TEMPLATE,
        column("phase", "VARCHAR", "Phase of the workflow.", "Succeeded"),
        column("creator", "VARCHAR", "Who created the workflow, if known.", "alice"),
        column("service_account", "VARCHAR", "Service account of the pods.", "argo-workflow"),
        column("team", "VARCHAR", "Label `team`; for others use `labels['name']`.", "risk"),
        column("started_at", TIME, "Start.", "2026-03-01 02:00:01+00"),
        column("finished_at", TIME, "End.", "2026-03-01 02:14:31+00"),
        column("month", "VARCHAR", "Month (UTC) in which it finished.", "2026-03"),
        column("cpu_hours", "DOUBLE", "Requested core-hours.", "0.33"),
        column("memory_gib_hours", "DOUBLE", "Requested gibibyte-hours.", "0.1"),
        column("gpu_hours", "DOUBLE", "Requested GPU-hours.", "0.0"),
        column("labels", "MAP(VARCHAR, VARCHAR)", "`metadata.labels`.", "{team: risk}"),
    ),
    f"""
SELECT w.cluster, w.uid, w.version, w.namespace, w.name AS workflow, {template_of("w")} AS template, w.phase, w.creator,
    w.service_account, w.labels['team'] AS team, w.started_at, w.finished_at,
    w.month, coalesce(w.cpu_s, 0) / 3600 AS cpu_hours,
    coalesce(w.memory_mib_s, 0) / 1024 / 3600 AS memory_gib_hours, coalesce(w.gpu_s, 0) / 3600 AS gpu_hours, w.labels
FROM workflows w""",
    ("workflows",),
    "SELECT month, team, sum(cpu_hours) AS cpu_hours, sum(memory_gib_hours) AS gib_hours FROM costs GROUP BY ALL "
    "ORDER BY month, cpu_hours DESC",
)  # fmt: skip

VIEWS = (COSTS,)
