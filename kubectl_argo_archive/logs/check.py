"""What is wrong with the logs of a lake, counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kubectl_argo_archive.errors import LakeError
from kubectl_argo_archive.lake.lake import Lake
from kubectl_argo_archive.logs.workspace import Workspace

EXAMPLES = 3
TEMPLATES = 10


@dataclass(frozen=True, slots=True)
class Health:
    """The state of the logs of a lake.

    Attributes:
        logs: rows of ``log_objects``.
        bytes: of their objects.
        problems: per problem ``logs``, ``bytes`` and some ``examples``.
        by_phase: per phase of pods that ran: ``pods``, and how many of them have a readable log.
        templates: those that write most: ``template_name``, ``namespace``, ``logs``, ``bytes``.
    """

    logs: int
    bytes: int
    problems: dict[str, dict[str, Any]]
    by_phase: list[dict[str, Any]]
    templates: list[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {"logs": self.logs, "bytes": self.bytes, "problems": self.problems, "coverage": self.by_phase,
                "templates": self.templates}  # fmt: skip


def check(lake: Lake, workflow: str | None = None, namespaces: tuple[str, ...] = ()) -> Health:
    """Look at what the last index run found.

    Args:
        lake: with workflows.
        workflow: only of this name or uid.
        namespaces: only of these.

    Raises:
        LakeError: there is no lake, or it was never indexed.
    """
    snapshot = lake.snapshot()
    if "log_objects" not in snapshot.versions:
        raise LakeError("the lake's logs were never indexed", "run 'kubectl argo-archive index' first")
    values = {"workflow": workflow, "namespaces": list(namespaces)}
    narrow = (
        "($workflow IS NULL OR uid = $workflow OR workflow = $workflow) "
        "AND (len($namespaces) = 0 OR namespace IN (SELECT unnest($namespaces::VARCHAR[])))"
    )
    with Workspace(snapshot, lake.storage, ("log_health", "log_volume", "log_objects", "nodes")) as space:
        total = next(space.rows(
            f"SELECT count(*) AS logs, coalesce(sum(size), 0)::BIGINT AS bytes FROM log_objects WHERE {narrow}", values
        ))  # fmt: skip
        problems = space.rows(
            "SELECT problem, count(*) AS logs, coalesce(sum(bytes), 0)::BIGINT AS bytes, "
            "array_agg(concat_ws(': ', coalesce(workflow || '/' || node_id, bucket || '/' || key), detail) "
            f"ORDER BY workflow, node_id, key)[:{EXAMPLES}] AS examples FROM log_health "
            f"WHERE {narrow} GROUP BY problem ORDER BY logs DESC, problem",
            values,
        )
        found = {row.pop("problem"): row for row in problems}
        phases = list(space.rows(
            f"""SELECT n.phase, count(*) AS pods, count(l.text_id) AS readable FROM nodes n
            LEFT JOIN (SELECT cluster, uid, node_id, max(text_id) AS text_id FROM log_objects GROUP BY ALL) l
            USING (cluster, uid, node_id)
            WHERE n.type = 'Pod' AND NOT coalesce(n.memoized, false) AND n.phase IN ('Succeeded', 'Failed', 'Error')
              AND {narrow.replace("uid", "n.uid")} GROUP BY n.phase ORDER BY n.phase""", values,
        ))  # fmt: skip
        templates = list(space.rows(
            f"""SELECT namespace, template_name, count(*) AS logs, coalesce(sum(size), 0)::BIGINT AS bytes
            FROM log_objects WHERE {narrow} GROUP BY ALL ORDER BY bytes DESC, namespace, template_name
            LIMIT {TEMPLATES}""", values,
        ))  # fmt: skip
    return Health(total["logs"], total["bytes"], found, phases, templates)
