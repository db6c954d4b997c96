"""What is to be done with each log: the lake's knowledge against what lies in the stores now, in SQL.

A log is one container of one node as it ended at one time: a retry runs the same node again, which is another log
at the same key. Whose text an object holds is decided by time: the node that ended closest to its last change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kubectl_argo_archive.logs.claims import Chosen
from kubectl_argo_archive.logs.workspace import Workspace

TABLES = ("log_objects", "log_events")
"""Names of the lake that are used here."""

_OBJECT = "kind, endpoint, bucket, key"
_LOG = "cluster, uid, node_id, container"
_ORDER = "month NULLS LAST, namespace, template_name, node_finished_at, cluster, uid, node_id, container, version, key"

_KNOWN = f"""
CREATE OR REPLACE TABLE known AS
SELECT l.*, coalesce(e.last = 'gone', false) AS gone
FROM log_objects l LEFT JOIN (
    SELECT log_id, arg_max(kind, noticed_at) AS last FROM log_events WHERE kind IN ('gone', 'back') GROUP BY log_id
) e USING (log_id)
WHERE ({{condition}}) OR ({_OBJECT}) IN (SELECT ({_OBJECT}) FROM claims)"""

_FRESH = f"""
CREATE OR REPLACE TABLE fresh AS
WITH once AS (
    SELECT * FROM claims QUALIFY row_number() OVER (
        PARTITION BY {_LOG}, {_OBJECT}, node_finished_at ORDER BY version, recorded DESC, rank) = 1
)
SELECT c.* FROM once c ANTI JOIN known k
ON (c.cluster, c.uid, c.node_id, c.container) = (k.cluster, k.uid, k.node_id, k.container)
   AND c.node_finished_at IS NOT DISTINCT FROM k.node_finished_at
   AND (NOT c.recorded OR (c.kind, c.endpoint, c.bucket, c.key) = (k.kind, k.endpoint, k.bucket, k.key))"""

_WANTED = f"""
CREATE OR REPLACE VIEW wanted_objects AS
SELECT {_OBJECT}, region FROM fresh UNION ALL SELECT {_OBJECT}, region FROM known"""

_DECIDED = f"""
CREATE OR REPLACE TABLE decided AS
WITH picked AS (
    -- where a key had to be rebuilt, the first place at which something lies, else the likeliest
    SELECT * EXCLUDE (rank, recorded), CASE WHEN recorded THEN 'recorded' ELSE 'rebuilt' END AS key_source
    FROM fresh JOIN facts USING ({_OBJECT})
    QUALIFY recorded OR row_number() OVER (
        PARTITION BY {_LOG}, node_finished_at, recorded ORDER BY present DESC, rank) = 1
), sides AS (
    SELECT * FROM picked
    UNION ALL BY NAME
    SELECT k.* EXCLUDE (size, etag, modified_at, export_id, indexed_at), f.*
        EXCLUDE ({_OBJECT}), k.size AS old_size, k.etag AS old_etag, k.modified_at AS old_modified_at,
        k.log_id AS old_log_id
    FROM known k JOIN facts f USING ({_OBJECT})
), judged AS (
    SELECT *,
        count(DISTINCT (cluster, uid)) OVER (PARTITION BY {_OBJECT}) > 1 AS shared,
        row_number() OVER (PARTITION BY {_OBJECT} ORDER BY
            abs(epoch(modified_at) - epoch(coalesce(node_finished_at, node_started_at))) NULLS LAST,
            cluster, uid, version, node_id, container) = 1 AS owner,
        coalesce(old_log_id IS NOT NULL AND old_size = size AND etag IS NOT DISTINCT FROM old_etag
            AND (etag IS NOT NULL OR modified_at IS NOT DISTINCT FROM old_modified_at)
            AND NOT (status = 'unreadable' AND text_bytes IS NULL), false) AS same
    FROM sides
), wanted AS (
    SELECT *,
        CASE WHEN problem IS NOT NULL THEN 'unreadable'
             WHEN NOT present THEN 'missing'
             WHEN size = 0 THEN 'empty'
             WHEN size > $max_bytes THEN 'too_large'
             WHEN shared THEN 'ambiguous'
             WHEN NOT owner OR modified_at > coalesce(node_finished_at, node_started_at) + $slack::INTERVAL
                 THEN 'overwritten'
             ELSE 'indexed' END AS new_status,
        max(text_id) FILTER (same) OVER (PARTITION BY {_OBJECT}) AS live_text
    FROM judged
), acted AS (
    SELECT *,
        CASE WHEN old_log_id IS NULL THEN 'new'
             WHEN problem IS NOT NULL OR NOT present THEN 'keep'
             WHEN same AND (status = new_status OR status IN ('unreadable', 'empty')
                            OR (status = 'too_large' AND text_id IS NOT NULL)) THEN 'keep'
             WHEN same THEN 'restate'
             WHEN text_id IS NOT NULL AND NOT owner THEN 'keep'  -- the lake has kept what was overwritten since
             ELSE 'renew' END AS action
    FROM wanted
)
SELECT * EXCLUDE (log_id),
    action <> 'keep' AND owner AND present AND problem IS NULL AND live_text IS NULL
        AND size BETWEEN 1 AND $max_bytes AS must_read,
    CASE WHEN old_log_id IS NULL OR problem IS NOT NULL OR status = 'missing' THEN NULL
         WHEN NOT present AND NOT gone THEN 'gone' WHEN present AND gone THEN 'back' END AS event,
    count(*) FILTER (action = 'keep') OVER (PARTITION BY text_id) > 0 AS text_kept
FROM acted"""

_SLICE = f"""
CREATE OR REPLACE TABLE work AS
SELECT * FROM decided WHERE action <> 'keep'
QUALIFY sum(CASE WHEN must_read THEN size ELSE 0 END) OVER (
    ORDER BY {_ORDER} ROWS UNBOUNDED PRECEDING) - (CASE WHEN must_read THEN size ELSE 0 END) < $slice_bytes"""


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides.

    Attributes:
        max_bytes: larger objects are not read.
        slack_s: seconds after the end of its node within which a log may have been written.
        slice_bytes: at most about so many bytes are read before a publish.
    """

    max_bytes: int = 1 << 30
    slack_s: float = 3600.0
    slice_bytes: int = 16 << 30


@dataclass(frozen=True, slots=True)
class Amount:
    """How much there is to do: rows to write, objects and bytes to read; and how many logs need nothing."""

    rows: int
    objects: int
    bytes: int
    unchanged: int
    complete: bool


def compare(space: Workspace, chosen: Chosen) -> None:
    """Make ``known``, ``fresh`` and ``wanted_objects`` from the lake's rows and table ``claims``."""
    condition, values = chosen.condition("node_finished_at")
    space.run(_KNOWN.format(condition=condition), values)
    space.run(_FRESH)
    space.run(_WANTED)


def decide(space: Workspace, rules: Rules) -> Amount:
    """Make ``decided`` and ``work`` from these and table ``facts``."""
    space.run(_DECIDED, {"max_bytes": rules.max_bytes, "slack": f"{rules.slack_s} seconds"})
    space.run(_SLICE, {"slice_bytes": rules.slice_bytes})
    row = next(space.rows(
        "SELECT count(*) AS rows, count(*) FILTER (must_read) AS objects, "
        "coalesce(sum(size) FILTER (must_read), 0)::BIGINT AS bytes, "
        "(SELECT count(*) FROM decided WHERE action = 'keep') AS unchanged, "
        "(SELECT count(*) FROM decided WHERE action <> 'keep') AS needed FROM work"
    ))  # fmt: skip
    return Amount(row["rows"], row["objects"], row["bytes"], row["unchanged"], row["rows"] == row["needed"])


def settled(space: Workspace) -> Iterator[dict[str, Any]]:
    """Rows to write without reading anything, in the order of the plan."""
    return space.rows(f"SELECT * FROM work WHERE NOT must_read AND new_status <> 'ambiguous' ORDER BY {_ORDER}")


def to_read(space: Workspace) -> Iterator[dict[str, Any]]:
    """Rows whose object is to be read, in the order of the plan."""
    return space.rows(f"SELECT * FROM work WHERE must_read ORDER BY {_ORDER}")


def dependent(space: Workspace) -> Iterator[dict[str, Any]]:
    """Rows of objects that another row's turn reads."""
    return space.rows(f"SELECT * FROM work WHERE NOT must_read AND new_status = 'ambiguous' ORDER BY {_ORDER}")


def events(space: Workspace) -> Iterator[dict[str, Any]]:
    """Objects of known logs that have left their bucket, or are back."""
    return space.rows(
        "SELECT cluster, uid, old_log_id AS log_id, event AS kind FROM decided WHERE event IS NOT NULL ORDER BY log_id"
    )
