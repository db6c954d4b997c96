"""Views about archived pod logs: what is wrong with them, and who writes most."""

from __future__ import annotations

from kubectl_argo_archive.query.views import CLUSTER, NAMESPACE, WORKFLOW_KEY, View, column

_RAN = "n.type = 'Pod' AND NOT coalesce(n.memoized, false) AND n.phase IN ('Succeeded', 'Failed', 'Error')"
_LOG = "l.cluster, l.uid, l.version, l.namespace, l.workflow, l.node_id, l.container, l.template_name"

LOG_HEALTH = View(
    "log_health",
    "One thing that is wrong with an archived pod log, as the last index run found it. A log may have several.",
    (
        column("problem", "VARCHAR", "no_log (a pod ran and nothing was archived), missing (recorded, but not in the "
               "bucket), empty, overwritten (written after the node ended, or by a later attempt), ambiguous (two "
               "workflows name the object), unreadable, too_large, gone (it left the bucket after it was indexed; "
               "its lines are in the lake only), orphan (an object of no known workflow; `index --orphans` looks for "
               "them).",
               "missing"),
        *WORKFLOW_KEY,
        column("node_id", "VARCHAR", "The pod's node; null for orphans.", "etl-nightly-x7k2p-1234567"),
        column("container", "VARCHAR", "Container, if it is known.", "main"),
        column("template_name", "VARCHAR", "Template of the node.", "load"),
        column("bucket", "VARCHAR", "Bucket.", "argo-logs"),
        column("key", "VARCHAR", "Key of the object.", "etl-nightly-x7k2p/pod/main.log"),
        column("bytes", "BIGINT", "Size of the object; null if there is none.", "0"),
        column("detail", "VARCHAR", "What was found.", "the gzip data ends early"),
    ),
    f"""
SELECT 'no_log' AS problem, n.cluster, n.uid, n.version, n.namespace, n.workflow, n.node_id, NULL AS container,
       n.template_name, NULL AS bucket, NULL AS key, NULL::BIGINT AS bytes,
       concat(n.phase, ' without an archived log') AS detail
FROM nodes n ANTI JOIN log_objects l ON (l.cluster, l.uid, l.node_id) = (n.cluster, n.uid, n.node_id)
WHERE {_RAN}
UNION ALL
SELECT l.status, {_LOG}, l.bucket, l.key, l.size,
       coalesce(l.message, CASE l.status
           WHEN 'missing' THEN concat('there is no object at this ', l.key_source, ' key')
           WHEN 'overwritten' THEN concat('written ', l.modified_at, ', the node ended ', l.node_finished_at)
           WHEN 'too_large' THEN concat(l.size, ' bytes') END)
FROM log_objects l WHERE l.status <> 'indexed'
UNION ALL
SELECT 'gone', {_LOG}, l.bucket, l.key, l.size, concat('noticed ', e.noticed_at)
FROM log_objects l JOIN (
    SELECT log_id, max(noticed_at) AS noticed_at FROM log_events WHERE kind IN ('gone', 'back')
    GROUP BY log_id HAVING arg_max(kind, noticed_at) = 'gone'
) e USING (log_id)
UNION ALL
SELECT 'orphan', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, o.bucket, o.key, o.size,
       concat('written ', o.modified_at)
FROM log_orphans o WHERE o.export_id = (SELECT max(export_id) FROM log_orphans)""",
    ("nodes", "log_objects", "log_events", "log_orphans"),
    "SELECT problem, count(*) AS logs, sum(bytes) AS bytes FROM log_health GROUP BY problem ORDER BY logs DESC",
)  # fmt: skip

LOG_VOLUME = View(
    "log_volume",
    "Logs of one template in one month: how many, how large, how many of their lines are errors.",
    (
        CLUSTER,
        NAMESPACE,
        column("template_name", "VARCHAR", "Template of the nodes.", "load"),
        column("month", "VARCHAR", "Month (UTC) in which the workflows finished.", "2026-03"),
        column("logs", "BIGINT", "Logs.", "120"),
        column("bytes", "HUGEINT", "Bytes of their objects.", "52428800"),
        column("largest_bytes", "BIGINT", "The largest object.", "1048576"),
        column("lines", "HUGEINT", "Indexed lines.", "480000"),
        column("error_lines", "HUGEINT", "Lines of level ERROR or FATAL.", "12"),
    ),
    """
SELECT cluster, namespace, template_name, month, count(*) AS logs, coalesce(sum(size), 0) AS bytes,
       max(size) AS largest_bytes, coalesce(sum(lines), 0) AS lines,
       coalesce(sum(coalesce(levels['ERROR'], 0) + coalesce(levels['FATAL'], 0)), 0) AS error_lines
FROM log_objects GROUP BY ALL""",
    ("log_objects",),
    "SELECT template_name, sum(bytes) AS bytes FROM log_volume GROUP BY ALL ORDER BY bytes DESC LIMIT 10",
)

VIEWS = (LOG_HEALTH, LOG_VOLUME)
