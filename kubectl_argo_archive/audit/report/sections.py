"""The sections of the audit report: each is one SELECT over the lake's tables, and what its columns mean.

Argo keeps no journal: who did what is read from labels that it sets (as it sanitised them: ``@`` became ``.at.``,
other characters ``-``), from ``spec.shutdown``, from messages of Suspend nodes, and from states that replaced one
another. What nobody recorded is ``unknown``, never empty.
"""

from __future__ import annotations

from dataclasses import dataclass

from kubectl_argo_archive.query.views import template_of
from kubectl_argo_archive.query.views_people import ORIGIN

_TEMPLATE = template_of("w")
_LABEL = "workflows.argoproj.io/"


def _person(kind: str, *columns: str) -> str:
    """The best name that Argo recorded: mail address, user name, subject."""
    labels = (f"w.labels['{_LABEL}{kind}-{what}']" for what in ("email", "preferred-username"))
    known = ", ".join(f"nullif({one}, '')" for one in (*columns, *labels, f"w.{kind}"))
    return f"coalesce({known}, 'unknown')"


_CREATOR = _person("creator", "w.creator_email")
_ACTOR = _person("actor")
_WHO = "w.cluster, w.namespace, w.name AS workflow, w.uid, w.version"


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the report.

    Attributes:
        name: as in ``audit report NAME``.
        title: for people.
        doc: what one row is, and what to know about it.
        sql: the SELECT; ``{where}`` is the condition on ``w``, a row of ``workflow_versions``.
        order: how rows are sorted.
        columns: name → meaning.
    """

    name: str
    title: str
    doc: str
    sql: str
    order: str
    columns: dict[str, str]


_ACTION_COLUMNS = {
    "happened_at": "When (UTC).",
    "time_is": "`exact`, or `not later than`: Argo does not record when somebody acted, only when the run ended.",
    "action": "submitted, resubmitted, scheduled, triggered, retried, stopped, terminated, suspended, resumed.",
    "who": "Who did it, as Argo's label has it (sanitised), or `unknown`.",
    "known_by": "What the answer rests on.",
    "cluster": "Cluster.", "namespace": "Namespace.", "workflow": "Name of the workflow.", "uid": "Its uid.",
    "version": "Archived state of it.", "template": "What it ran.", "phase": "Outcome of that state.",
    "who_id": "The label creator or actor itself: often the subject of a login, not a name.",
}  # fmt: skip

ACTIONS = Section(
    "actions",
    "Who did what",
    "One action on one workflow. Names are Argo's labels, which replace characters that labels cannot hold. "
    "Creator labels exist only for submissions through the UI, the API or the CLI with a login.",
    f"""
SELECT w.created_at AS happened_at, 'exact' AS time_is,
    CASE {ORIGIN} WHEN 'resubmit' THEN 'resubmitted' WHEN 'cron' THEN 'scheduled' WHEN 'event' THEN 'triggered'
        ELSE 'submitted' END AS action,
    CASE WHEN {_CREATOR} <> 'unknown' THEN {_CREATOR}
        WHEN nullif(w.cron_workflow, '') IS NOT NULL THEN 'CronWorkflow ' || w.cron_workflow ELSE 'unknown' END AS who,
    CASE {ORIGIN} WHEN 'resubmit' THEN 'label resubmitted-from-workflow: ' || w.resubmitted_from
        WHEN 'cron' THEN 'label cron-workflow' WHEN 'event' THEN 'event label' WHEN 'unknown' THEN 'nothing'
        ELSE 'label creator' END AS known_by,
    {_WHO}, {_TEMPLATE} AS template, w.phase, w.creator AS who_id
FROM workflow_versions w WHERE w.version = 1 AND {{where}}
UNION ALL
SELECT w.started_at, 'exact', 'retried', CASE WHEN w.action = 'Retry' THEN {_ACTOR} ELSE 'unknown' END,
    CASE WHEN w.action = 'Retry' THEN 'label actor' ELSE 'a new state replaced an older one' END,
    {_WHO}, {_TEMPLATE}, w.phase, CASE WHEN w.action = 'Retry' THEN w.actor END
FROM workflow_versions w WHERE w.version > 1 AND {{where}}
UNION ALL
SELECT w.finished_at, 'not later than', CASE lower(w.shutdown) WHEN 'terminate' THEN 'terminated' ELSE 'stopped' END,
    CASE WHEN w.action IN ('Stop', 'Terminate', 'Shutdown') THEN {_ACTOR} ELSE 'unknown' END,
    CASE WHEN w.action IN ('Stop', 'Terminate', 'Shutdown') THEN 'spec.shutdown, label actor' ELSE 'spec.shutdown' END,
    {_WHO}, {_TEMPLATE}, w.phase, w.actor
FROM workflow_versions w WHERE nullif(w.shutdown, '') IS NOT NULL AND {{where}}
UNION ALL
SELECT w.finished_at, 'not later than', CASE w.action WHEN 'Retry' THEN 'retried' WHEN 'Resubmit' THEN 'resubmitted'
        WHEN 'Suspend' THEN 'suspended' WHEN 'Resume' THEN 'resumed' WHEN 'Stop' THEN 'stopped'
        WHEN 'Terminate' THEN 'terminated' ELSE lower(w.action) END, {_ACTOR}, 'label actor',
    {_WHO}, {_TEMPLATE}, w.phase, w.actor
FROM workflow_versions w WHERE nullif(w.action, '') IS NOT NULL
    AND NOT (w.version > 1 AND w.action = 'Retry') AND NOT (nullif(w.shutdown, '') IS NOT NULL
    AND w.action IN ('Stop', 'Terminate', 'Shutdown')) AND {{where}}
UNION ALL
SELECT n.finished_at, 'exact', 'resumed',
    coalesce(nullif(regexp_extract(n.message, '^Resumed by: (?:map\\[)?(.*?)\\]?$', 1), ''), 'unknown'),
    'message of the Suspend node ' || n.display_name, {_WHO}, {_TEMPLATE}, w.phase, NULL
FROM workflow_versions w JOIN node_versions n
    ON n.cluster = w.cluster AND n.uid = w.uid AND n.version = w.version
WHERE n.type = 'Suspend' AND starts_with(n.message, 'Resumed by: ') AND {{where}}""",
    "happened_at, cluster, namespace, workflow, uid, version, action, who",
    _ACTION_COLUMNS,
)

IMAGES = Section(
    "images",
    "Which images ran",
    "One image. An image without digest may have been another one on another day.",
    """
SELECT i.image, CASE WHEN i.digest IS NOT NULL THEN 'digest' WHEN i.tag IS NULL OR i.tag = 'latest' THEN 'floating'
        ELSE 'tag' END AS pinned_by,
    count(DISTINCT (w.cluster, w.uid)) AS workflows, sum(i.pod_count)::BIGINT AS pods,
    string_agg(DISTINCT w.namespace, ', ' ORDER BY w.namespace) AS namespaces,
    string_agg(DISTINCT i.role, ', ' ORDER BY i.role) AS roles,
    min(w.started_at) AS first_run, max(w.started_at) AS last_run
FROM workflow_versions w JOIN image_versions i
    ON i.cluster = w.cluster AND i.uid = w.uid AND i.version = w.version
WHERE {where} GROUP BY i.image, i.digest, i.tag""",
    "workflows DESC, image",
    {
        "image": "Image reference.", "pinned_by": "digest (cannot change), tag, or floating (`latest` or none).",
        "workflows": "Different workflows.", "pods": "Pods.", "namespaces": "Where.",
        "roles": "main, init or sidecar.", "first_run": "Earliest start.", "last_run": "Latest start.",
    },
)  # fmt: skip

SERVICE_ACCOUNTS = Section(
    "service-accounts",
    "Which service accounts ran workflows",
    "One service account in one namespace; `default` where the workflow named none.",
    f"""
SELECT w.cluster, w.namespace, coalesce(nullif(w.service_account, ''), 'default') AS service_account,
    count(DISTINCT w.uid) AS workflows, count(DISTINCT {_TEMPLATE}) AS templates,
    string_agg(DISTINCT {_CREATOR}, ', ' ORDER BY {_CREATOR}) AS creators,
    min(w.started_at) AS first_run, max(w.started_at) AS last_run
FROM workflow_versions w WHERE {{where}} GROUP BY ALL""",
    "cluster, namespace, service_account",
    {
        "cluster": "Cluster.", "namespace": "Namespace.", "service_account": "Service account of the pods.",
        "workflows": "Different workflows.", "templates": "Different templates.",
        "creators": "Who created them, or `unknown`.", "first_run": "Earliest start.", "last_run": "Latest start.",
    },
)  # fmt: skip

UNIDENTIFIED = Section(
    "unidentified",
    "Runs without an identifiable creator",
    "One workflow that names no creator. `origin` tells what is known instead.",
    f"""
SELECT w.created_at, w.cluster, w.namespace, w.name AS workflow, w.uid, {_TEMPLATE} AS template,
    coalesce(nullif(w.service_account, ''), 'default') AS service_account, {ORIGIN} AS origin, w.phase
FROM workflow_versions w WHERE nullif(w.creator, '') IS NULL AND nullif(w.creator_email, '') IS NULL
    AND w.version = 1 AND {{where}}""",
    "created_at, cluster, namespace, workflow, uid",
    {
        "created_at": "Creation.", "cluster": "Cluster.", "namespace": "Namespace.", "workflow": "Name.",
        "uid": "Uid.", "template": "What it ran.", "service_account": "Service account of the pods.",
        "origin": "cron, event, resubmit, or unknown.", "phase": "Outcome.",
    },
)  # fmt: skip

OUTCOMES = Section(
    "outcomes",
    "How it ended",
    "One namespace and phase; every archived state counts, so a run that failed and was retried counts twice.",
    """
SELECT w.cluster, w.namespace, w.phase, count(*) AS states, count(DISTINCT w.uid) AS workflows,
    sum(CASE WHEN w.version > 1 THEN 1 ELSE 0 END)::BIGINT AS retried_states,
    min(w.finished_at) AS first_end, max(w.finished_at) AS last_end
FROM workflow_versions w WHERE {where} GROUP BY ALL""",
    "cluster, namespace, phase",
    {
        "cluster": "Cluster.", "namespace": "Namespace.", "phase": "Outcome.", "states": "Archived states.",
        "workflows": "Different workflows.", "retried_states": "States after a manual retry.",
        "first_end": "Earliest end.", "last_end": "Latest end.",
    },
)  # fmt: skip

RETENTION = Section(
    "retention",
    "Records past retention",
    "One workflow that is older than its namespace's retention; `held` ones must stay.",
    """
WITH policy AS (
    SELECT unnest($policy_namespaces::VARCHAR[]) AS namespace, unnest($policy_days::INTEGER[]) AS keep_days
), holds AS (
    SELECT unnest($hold_ids::VARCHAR[]) AS id, unnest($hold_clusters::VARCHAR[]) AS cluster,
        unnest($hold_namespaces::VARCHAR[]) AS namespace, unnest($hold_uids::VARCHAR[]) AS uid
)
SELECT w.finished_at, p.keep_days, w.finished_at + to_days(p.keep_days) AS expired_at,
    CASE WHEN count(h.id) > 0 THEN 'held' ELSE 'past retention' END AS status,
    string_agg(DISTINCT h.id, ', ' ORDER BY h.id) AS holds,
    w.cluster, w.namespace, w.name AS workflow, w.uid, w.version
FROM workflow_versions w
JOIN policy p ON p.namespace = w.namespace
    OR (p.namespace = '*' AND w.namespace NOT IN (SELECT namespace FROM policy))
LEFT JOIN holds h ON h.cluster IN ('*', w.cluster) AND h.namespace IN ('*', w.namespace) AND h.uid IN ('*', w.uid)
WHERE w.finished_at + to_days(p.keep_days) < $now::TIMESTAMPTZ AND {where}
GROUP BY ALL""",
    "finished_at, cluster, namespace, workflow, uid, version",
    {
        "finished_at": "End.", "keep_days": "Retention of its namespace, in days.", "expired_at": "When that ended.",
        "status": "`past retention`, or `held`.", "holds": "Legal holds that keep it.", "cluster": "Cluster.",
        "namespace": "Namespace.", "workflow": "Name.", "uid": "Uid.", "version": "Archived state.",
    },
)  # fmt: skip

SQL_SECTIONS = (OUTCOMES, ACTIONS, UNIDENTIFIED, SERVICE_ACCOUNTS, IMAGES, RETENTION)
"""Sections over the lake's tables."""
BUNDLE_SECTIONS = (OUTCOMES, ACTIONS, UNIDENTIFIED, SERVICE_ACCOUNTS, IMAGES)
"""Sections that the summary page of a bundle shows."""
