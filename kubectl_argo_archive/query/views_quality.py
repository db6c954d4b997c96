"""Views about the data itself: states that should not be."""

from __future__ import annotations

from kubectl_argo_archive.query.views import WORKFLOW_KEY, View, column

_ENDED = "('Succeeded', 'Failed', 'Error')"
_NODE = "n.cluster, n.uid, n.version, n.namespace, n.workflow, n.node_id"
_WORKFLOW = "w.cluster, w.uid, w.version, w.namespace, w.name AS workflow, NULL AS node_id"
_SAME = "ON w.cluster = n.cluster AND w.uid = n.uid AND w.version = n.version"

DATA_QUALITY = View(
    "data_quality",
    "One oddity in what Argo archived; the tables keep it as it is, so reports may want to leave such rows out.",
    (
        column("problem", "VARCHAR", "node_unfinished (Running or Pending in an ended workflow), node_without_end, "
               "node_ends_before_start, child_missing, workflow_unfinished, workflow_without_end, "
               "workflow_ends_before_start, workflow_starts_before_creation, workflow_without_nodes.",
               "node_unfinished"),
        *WORKFLOW_KEY,
        column("node_id", "VARCHAR", "The node; null if it is about the workflow.", "etl-nightly-x7k2p-1234567"),
        column("detail", "VARCHAR", "What was found.", "Running"),
    ),
    f"""
SELECT 'node_unfinished' AS problem, {_NODE}, n.phase AS detail
FROM nodes n JOIN workflows w {_SAME}
WHERE w.phase IN {_ENDED} AND n.phase IN ('Running', 'Pending')
UNION ALL
SELECT 'node_without_end', {_NODE}, n.phase FROM nodes n
WHERE n.phase IN {_ENDED} AND n.finished_at IS NULL
UNION ALL
SELECT 'node_ends_before_start', {_NODE}, concat(n.started_at, ' > ', n.finished_at) FROM nodes n
WHERE n.finished_at < n.started_at
UNION ALL
SELECT 'child_missing', {_NODE}, n.child
FROM (SELECT *, unnest(children) AS child FROM nodes) n
ANTI JOIN nodes c ON c.cluster = n.cluster AND c.uid = n.uid AND c.version = n.version AND c.node_id = n.child
UNION ALL
SELECT 'workflow_unfinished', {_WORKFLOW}, coalesce(w.phase, 'no phase') FROM workflows w
WHERE coalesce(w.phase, '') NOT IN {_ENDED}
UNION ALL
SELECT 'workflow_without_end', {_WORKFLOW}, w.phase FROM workflows w
WHERE w.phase IN {_ENDED} AND w.finished_at IS NULL
UNION ALL
SELECT 'workflow_ends_before_start', {_WORKFLOW}, concat(w.started_at, ' > ', w.finished_at) FROM workflows w
WHERE w.finished_at < w.started_at
UNION ALL
SELECT 'workflow_starts_before_creation', {_WORKFLOW}, concat(w.created_at, ' > ', w.started_at) FROM workflows w
WHERE w.started_at < w.created_at
UNION ALL
SELECT 'workflow_without_nodes', {_WORKFLOW}, coalesce(w.message, '') FROM workflows w
WHERE coalesce(w.node_count, 0) = 0""",
    ("workflows", "nodes"),
    "SELECT problem, count(*) AS found FROM data_quality GROUP BY ALL ORDER BY found DESC",
)  # fmt: skip

VIEWS = (DATA_QUALITY,)
