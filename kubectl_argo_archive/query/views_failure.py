"""Views about what went wrong: failures with their cause, retries, success rates."""

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

_BROKEN = "('Failed', 'Error')"
RETRIED = "left(n.name, length(n.name) - length(CAST(n.retry_attempt AS VARCHAR)) - 2)"
"""Name of the Retry node of which ``n`` is an attempt: its own name without ``(2)``; NULL for other nodes."""
_CLASSES = (
    # first match wins; \b and (?i) are RE2's
    ("OOMKilled", r"OOMKilled"),
    ("Evicted", r"(?i)low on resource|evicted|ephemeral[- ](local )?storage|usage of EmptyDir"),
    ("Preempted", r"(?i)preempt"),
    ("NodeShutdown", r"(?i)node shutdown|NodeLost|node is lost|node \S+ (is|was) (lost|gone|deleted)"),
    ("Stopped", r"(?i)^stopped with strategy|shutdown with strategy|^terminated$"),
    ("PodDeleted", r"(?i)\b(pod|container) (was )?deleted"),
    ("DeadlineExceeded", r"(?i)deadline|max duration limit"),
    ("ImagePull", r"ImagePullBackOff|ErrImage|InvalidImageName|ImageInspectError|(?i:pull(ing)? image)"),
    ("ContainerConfig", r"CreateContainer\w*Error|RunContainerError|StartError|ContainerCannotRun|PodInitializing"),
    ("QuotaExceeded", r"(?i)exceeded quota"),
    ("Forbidden", r"(?i)\bforbidden\b|cannot \w+ resource"),
    ("Unschedulable", r"(?i)unschedulable|nodes are available"),
    ("Lock", r"(?i)synchronization lock|waiting for \S+ lock"),
    ("Artifact", r"(?i)artifact|failed to (save|load) (in|out)puts?|chunk.* upload"),
    (
        "InvalidSpec",
        r"(?i)invalid spec|(failed|unable) to (resolve|evaluate|substitute)|must be defined|unresolved|undefined"
        r"|template.* not found|is required$",
    ),
)
_HOOK = r"\.(onExit|hooks\.[^.\[(]+)([.\[(]|$)"
_EXITED = r"^(\S+: )?\w+ \(exit code -?\d+\)"
_OWN_CONTAINER = r"^(wait|init|supervisor): "
_ARTIFACT = _CLASSES[-2][1]


def failure_class(message: str, exit_code: str) -> str:
    """The expression behind the column ``class``.

    What a program itself printed behind its exit code must not decide: only OOMKilled does, and artifacts in
    Argo's own containers.
    """
    rules = "\n".join(
        f"        WHEN regexp_matches({message}, '{pattern}') THEN '{name}'" for name, pattern in _CLASSES
    )
    return f"""CASE
        WHEN regexp_matches({message}, 'OOMKilled') THEN 'OOMKilled'
        WHEN regexp_matches({message}, '{_OWN_CONTAINER}') THEN
            if(regexp_matches({message}, '{_ARTIFACT}'), 'Artifact', 'Executor')
        WHEN regexp_matches({message}, '{_EXITED}') THEN 'ExitCode'
{rules}
        WHEN {exit_code} <> 0 THEN 'ExitCode'
        ELSE 'Unknown'
    END"""


def signature(message: str, workflow: str) -> str:
    """The expression behind the column ``signature``: what differs from run to run is replaced, exit codes stay."""
    text = f"replace({message}, {workflow}, '<workflow>')"
    uuid = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
    for pattern, shown in (
        (r"exit code (-?\d+)", r"exit_code_«\1»"),
        (uuid, "<uuid>"),
        (r"\b[0-9a-f]*(\d[a-f]|[a-f]\d)[0-9a-f]{6,}\b", "<hex>"),
        (r"(^|[^«A-Za-z0-9-]|[^«]-)\d+(\.\d+)*", r"\1<n>"),
        (r"\d{4,}", "<n>"),
        (r"\s+", " "),
    ):
        text = f"regexp_replace({text}, '{pattern}', '{shown}', 'g')"
    return f"trim(regexp_replace({text}, 'exit_code_«(-?\\d+)»', 'exit code \\1', 'g'))"


FAILURES = View(
    "failures",
    "One failed workflow (latest state in phase Failed or Error) with the node that is to blame: the earliest finished "
    "failed node without a failed child, pods first. Failures that were tolerated (a later attempt of a Retry "
    "succeeded, `continueOn` inside a template that succeeded) are not blamed. Node columns are null if "
    "no node failed.",
    (
        *WORKFLOW_KEY,
        TEMPLATE,
        column("phase", "VARCHAR", "Failed or Error.", "Failed"),
        column("started_at", TIME, "Start of the workflow.", "2026-03-01 02:00:01+00"),
        column("finished_at", TIME, "End of the workflow.", "2026-03-01 02:14:31+00"),
        column("duration_s", "DOUBLE", "Seconds from start to end of the workflow.", "870.0"),
        column("creator", "VARCHAR", "Who created the workflow, if known.", "alice"),
        column("class", "VARCHAR", "Kind of failure: OOMKilled, Evicted, Preempted, NodeShutdown, Stopped, PodDeleted, "
               "DeadlineExceeded, ImagePull, ContainerConfig, QuotaExceeded, Forbidden, Unschedulable, Lock, Artifact, "
               "InvalidSpec, Executor, ExitCode, Unknown.", "OOMKilled"),
        column("message", "VARCHAR", "Message of the blamed node, else of the workflow.", "OOMKilled (exit code 137)"),
        column("exit_code", "BIGINT", "Exit code of the blamed node, if need be read from its message.", "137"),
        column("signature", "VARCHAR", "The message with names, ids and numbers taken out (exit codes stay): groups "
               "equal failures.", "pods \"<workflow>-<n>\" is forbidden"),
        column("workflow_message", "VARCHAR", "`status.message` of the workflow.", "child 'etl-x7k2p-1' failed"),
        column("node_id", "VARCHAR", "The blamed node.", "etl-nightly-x7k2p-1234567"),
        column("node_name", "VARCHAR", "Its path.", "etl-nightly-x7k2p[0].load(0)"),
        column("display_name", "VARCHAR", "Its name in the UI.", "load(0)"),
        column("node_type", "VARCHAR", "Its type.", "Pod"),
        column("template_name", "VARCHAR", "The template that it ran.", "load"),
        column("retry_attempt", "INTEGER", "Which attempt it was; null without a retry strategy.", "0"),
        column("node_started_at", TIME, "When it started.", "2026-03-01 02:00:05+00"),
        column("node_finished_at", TIME, "When it failed.", "2026-03-01 02:14:30+00"),
        column("host", "VARCHAR", "Kubernetes node that ran it.", "ip-10-0-3-7"),
        column("image", "VARCHAR", "Image of its main container.", "python:3.12"),
    ),
    f"""
WITH broken AS (
    SELECT w.*, {template_of("w")} AS template FROM workflows w WHERE w.phase IN {_BROKEN}
), members AS MATERIALIZED (
    SELECT n.cluster, n.uid, n.version, n.node_id, n.name, n.display_name, n.type, n.template_name, n.boundary_id,
        n.parent_ids, n.children, n.phase, n.message, n.exit_code, n.retry_attempt, n.started_at, n.finished_at, n.host,
        n.image, {RETRIED} AS retried, coalesce(n.hooked OR regexp_matches(n.name, '{_HOOK}'), false) AS hook
    FROM nodes n SEMI JOIN broken b ON n.cluster = b.cluster AND n.uid = b.uid AND n.version = b.version
), parents AS (
    -- what failed inside a container set is the pod's failure, and a hook explains nothing
    SELECT DISTINCT cluster, uid, version, unnest(parent_ids) AS node_id
    FROM members WHERE phase IN {_BROKEN} AND type IS DISTINCT FROM 'Container' AND NOT hook
), leaves AS MATERIALIZED (
    SELECT * FROM members m ANTI JOIN parents p USING (cluster, uid, version, node_id) WHERE m.phase IN {_BROKEN}
), chain AS MATERIALIZED (
    -- what a node is part of: an attempt of its Retry node, anything else of its template's root
    SELECT m.cluster, m.uid, m.version, m.node_id, m.phase, coalesce(r.node_id, m.boundary_id) AS within
    FROM members m LEFT JOIN (SELECT * FROM members WHERE type = 'Retry') r
        ON r.cluster = m.cluster AND r.uid = m.uid AND r.version = m.version AND r.name = m.retried
), upwards AS (
    WITH RECURSIVE climb AS (
        SELECT l.cluster, l.uid, l.version, l.node_id AS leaf, c.within, false AS tolerated, 1 AS depth
        FROM leaves l JOIN chain c USING (cluster, uid, version, node_id)
        UNION ALL
        SELECT u.cluster, u.uid, u.version, u.leaf, c.within, c.phase IN ('Succeeded', 'Skipped', 'Omitted'),
            u.depth + 1
        FROM climb u JOIN chain c
            ON c.cluster = u.cluster AND c.uid = u.uid AND c.version = u.version AND c.node_id = u.within
        WHERE NOT u.tolerated AND u.depth < 500
    )
    SELECT DISTINCT cluster, uid, version, leaf AS node_id FROM climb WHERE tolerated
), blamed AS (
    SELECT * FROM leaves l ANTI JOIN upwards u USING (cluster, uid, version, node_id)
    QUALIFY row_number() OVER (PARTITION BY l.cluster, l.uid, l.version
        ORDER BY l.hook, l.type IS DISTINCT FROM 'Pod', l.finished_at NULLS LAST, l.started_at NULLS LAST, l.node_id
    ) = 1
), joined AS (
    SELECT b.cluster, b.uid, b.version, b.namespace, b.name AS workflow, b.template, b.phase, b.started_at,
        b.finished_at, b.duration_s, b.creator, coalesce(nullif(l.message, ''), b.message) AS message,
        coalesce(l.exit_code, try_cast(regexp_extract(l.message, 'exit code (-?\\d+)', 1) AS BIGINT)) AS exit_code,
        b.message AS workflow_message, l.node_id, l.name AS node_name, l.display_name, l.type AS node_type,
        l.template_name, l.retry_attempt, l.started_at AS node_started_at, l.finished_at AS node_finished_at, l.host,
        l.image
    FROM broken b LEFT JOIN blamed l USING (cluster, uid, version)
)
SELECT cluster, uid, version, namespace, workflow, template, phase, started_at, finished_at, duration_s, creator,
    {failure_class("message", "exit_code")} AS class,
    message, exit_code, {signature("message", "workflow")} AS signature, workflow_message, node_id, node_name,
    display_name, node_type, template_name, retry_attempt, node_started_at, node_finished_at, host, image
FROM joined""",
    ("workflows", "nodes"),
    "SELECT class, count(*) AS failures FROM failures WHERE finished_at > now() - INTERVAL 30 DAY GROUP BY ALL "
    "ORDER BY failures DESC",
)  # fmt: skip

RETRIES = View(
    "retries",
    "One Retry node: how many attempts it took and what the failed ones cost.",
    (
        *WORKFLOW_KEY,
        TEMPLATE,
        column("node_id", "VARCHAR", "The Retry node.", "etl-nightly-x7k2p-99"),
        column("node_name", "VARCHAR", "Its path.", "etl-nightly-x7k2p[0].load"),
        column("template_name", "VARCHAR", "The template that was retried.", "load"),
        column("phase", "VARCHAR", "How the Retry node ended.", "Succeeded"),
        column("succeeded", "BOOLEAN", "True if an attempt succeeded in the end.", "true"),
        column("attempts", "BIGINT", "Attempts, the first one included.", "3"),
        column("failed_attempts", "BIGINT", "Attempts in phase Failed or Error.", "2"),
        column("wasted_s", "DOUBLE", "Seconds that failed attempts took.", "400.0"),
        column("wasted_cpu_s", "DOUBLE", "Core-seconds that failed attempts requested.", "400.0"),
        column("wasted_memory_mib_s", "DOUBLE", "Mebibyte-seconds that failed attempts requested.", "40000.0"),
        column("wasted_gpu_s", "DOUBLE", "GPU-seconds that failed attempts requested.", "0.0"),
        column("started_at", TIME, "Start of the first attempt.", "2026-03-01 02:00:05+00"),
        column("finished_at", TIME, "End of the Retry node.", "2026-03-01 02:14:30+00"),
        column("last_message", "VARCHAR", "Message of the last failed attempt.", "OOMKilled (exit code 137)"),
    ),
    f"""
WITH attempts AS (
    SELECT n.cluster, n.uid, n.version, {RETRIED} AS retried, count(*) AS attempts,
        count(*) FILTER (n.phase IN {_BROKEN}) AS failed_attempts, any_value(n.template_name) AS template_name,
        sum(n.duration_s) FILTER (n.phase IN {_BROKEN}) AS wasted_s,
        sum(n.cpu_s) FILTER (n.phase IN {_BROKEN}) AS wasted_cpu_s,
        sum(n.memory_mib_s) FILTER (n.phase IN {_BROKEN}) AS wasted_memory_mib_s,
        sum(n.gpu_s) FILTER (n.phase IN {_BROKEN}) AS wasted_gpu_s, min(n.started_at) AS started_at,
        arg_max(n.message, n.retry_attempt) FILTER (n.phase IN {_BROKEN}) AS last_message
    FROM nodes n WHERE n.retry_attempt IS NOT NULL
    GROUP BY n.cluster, n.uid, n.version, retried
)
SELECT r.cluster, r.uid, r.version, r.namespace, r.workflow, {template_of("w")} AS template, r.node_id,
    r.name AS node_name, coalesce(r.template_name, a.template_name) AS template_name, r.phase,
    r.phase = 'Succeeded' AS succeeded, coalesce(a.attempts, 0) AS attempts,
    coalesce(a.failed_attempts, 0) AS failed_attempts, coalesce(a.wasted_s, 0) AS wasted_s,
    coalesce(a.wasted_cpu_s, 0) AS wasted_cpu_s, coalesce(a.wasted_memory_mib_s, 0) AS wasted_memory_mib_s,
    coalesce(a.wasted_gpu_s, 0) AS wasted_gpu_s, coalesce(a.started_at, r.started_at) AS started_at, r.finished_at,
    a.last_message
FROM nodes r
LEFT JOIN attempts a ON a.cluster = r.cluster AND a.uid = r.uid AND a.version = r.version AND a.retried = r.name
LEFT JOIN workflows w ON w.cluster = r.cluster AND w.uid = r.uid AND w.version = r.version
WHERE r.type = 'Retry'""",
    ("workflows", "nodes"),
    "SELECT template, template_name, sum(wasted_s) / 3600 AS wasted_hours FROM retries GROUP BY ALL "
    "ORDER BY wasted_hours DESC LIMIT 10",
)  # fmt: skip

TEMPLATES = View(
    "templates",
    "One template: how often it ran and how well.",
    (
        CLUSTER,
        NAMESPACE,
        TEMPLATE,
        column("runs", "BIGINT", "Workflows, latest state of each.", "120"),
        column("succeeded", "BIGINT", "In phase Succeeded.", "114"),
        column("failed", "BIGINT", "In phase Failed.", "5"),
        column("errored", "BIGINT", "In phase Error.", "1"),
        column("success_rate", "DOUBLE", "succeeded / (succeeded + failed + errored), 0 to 1.", "0.95"),
        column("first_at", TIME, "End of the first run.", "2026-01-01 02:14:31+00"),
        column("last_at", TIME, "End of the latest run.", "2026-03-01 02:14:31+00"),
        column("last_phase", "VARCHAR", "Phase of the latest run.", "Succeeded"),
        column("last_success_at", TIME, "End of the latest run that succeeded.", "2026-03-01 02:14:31+00"),
        column("median_s", "DOUBLE", "Median duration of runs that succeeded, seconds.", "860.0"),
        column("cpu_hours", "DOUBLE", "Requested core-hours of all runs.", "40.0"),
    ),
    f"""
WITH runs AS (SELECT w.*, {template_of("w")} AS template FROM workflows w)
SELECT cluster, namespace, template, count(*) AS runs, count(*) FILTER (phase = 'Succeeded') AS succeeded,
    count(*) FILTER (phase = 'Failed') AS failed, count(*) FILTER (phase = 'Error') AS errored,
    count(*) FILTER (phase = 'Succeeded') / nullif(count(*) FILTER (phase IN ('Succeeded', 'Failed', 'Error')), 0)
        AS success_rate,
    min(finished_at) AS first_at, max(finished_at) AS last_at,
    arg_max(phase, (finished_at, uid)) FILTER (finished_at IS NOT NULL) AS last_phase,
    max(finished_at) FILTER (phase = 'Succeeded') AS last_success_at,
    median(duration_s) FILTER (phase = 'Succeeded') AS median_s, coalesce(sum(cpu_s), 0) / 3600 AS cpu_hours
FROM runs GROUP BY cluster, namespace, template""",
    ("workflows",),
    "SELECT namespace, template, runs, success_rate FROM templates WHERE runs >= 10 ORDER BY success_rate LIMIT 10",
)  # fmt: skip

DAILY = View(
    "daily",
    "One day (UTC, of `finished_at`) of one namespace: how many workflows ended, and how.",
    (
        column("day", "DATE", "Day on which they finished.", "2026-03-01"),
        CLUSTER,
        NAMESPACE,
        column("workflows", "BIGINT", "Workflows, latest state of each.", "240"),
        column("succeeded", "BIGINT", "In phase Succeeded.", "228"),
        column("failed", "BIGINT", "In phase Failed.", "10"),
        column("errored", "BIGINT", "In phase Error.", "2"),
        column("pods", "HUGEINT", "Pods of all of them.", "1440"),
        column("retries", "HUGEINT", "Attempts beyond the first.", "31"),
        column("duration_hours", "DOUBLE", "Sum of their durations, hours.", "58.0"),
        column("cpu_hours", "DOUBLE", "Requested core-hours.", "80.0"),
    ),
    """
SELECT CAST(finished_at AT TIME ZONE 'UTC' AS DATE) AS day, cluster, namespace, count(*) AS workflows,
    count(*) FILTER (phase = 'Succeeded') AS succeeded, count(*) FILTER (phase = 'Failed') AS failed,
    count(*) FILTER (phase = 'Error') AS errored, coalesce(sum(pod_count), 0) AS pods,
    coalesce(sum(retry_count), 0) AS retries, coalesce(sum(duration_s), 0) / 3600 AS duration_hours,
    coalesce(sum(cpu_s), 0) / 3600 AS cpu_hours
FROM workflows WHERE finished_at IS NOT NULL
GROUP BY day, cluster, namespace""",
    ("workflows",),
    "SELECT day, sum(workflows) AS workflows, sum(failed + errored) AS broken FROM daily GROUP BY day ORDER BY day",
)  # fmt: skip

VIEWS = (FAILURES, RETRIES, TEMPLATES, DAILY)
