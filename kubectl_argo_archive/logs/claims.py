"""Which logs the workflows of the lake should have: one claim for each, read from nodes, artifacts and raw JSON.

The rules are Argo's (``argo/log_keys.py``); here is only where the facts for them stand in the lake.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import pyarrow as pa

from kubectl_argo_archive.argo.log_keys import (
    LogArtifact,
    LogStore,
    PodNode,
    WorkflowLogs,
    claims,
    store_of,
    workflow_values,
)
from kubectl_argo_archive.logs.workspace import Workspace
from kubectl_argo_archive.storage.objects import Place, recorded_url
from kubectl_argo_archive.tables.spec import FLAG, INT, SMALL, TEXT, TIME

TABLES = ("exports", "workflow_versions", "node_versions", "artifact_versions", "raw_versions")
"""Names of the lake that are used here."""

CLAIMS = pa.schema([
    ("cluster", TEXT), ("uid", TEXT), ("version", SMALL), ("month", TEXT), ("namespace", TEXT), ("workflow", TEXT),
    ("node_id", TEXT), ("container", TEXT), ("template_name", TEXT), ("pod_name", TEXT), ("attempt", SMALL),
    ("phase", TEXT), ("exit_code", INT), ("node_started_at", TIME), ("node_finished_at", TIME), ("kind", TEXT),
    ("endpoint", TEXT), ("region", TEXT), ("bucket", TEXT), ("key", TEXT), ("recorded", FLAG), ("rank", SMALL),
])  # fmt: skip

_WORKFLOWS = """
SELECT w.cluster, w.uid, w.version, w.name, w.namespace, w.created_at, w.scheduled_at, w.labels, w.annotations,
       w.parameters, w.service_account, r.repository, r.archive_logs, r.templates, r.nodes
FROM chosen c JOIN workflow_versions w USING (cluster, uid, version)
LEFT JOIN (
    SELECT cluster, uid, version,
           TRY(json->>'$.status.artifactRepositoryRef') AS repository,
           coalesce(TRY(json->>'$.spec.archiveLogs'), TRY(json->>'$.status.storedWorkflowTemplateSpec.archiveLogs'))
               AS archive_logs,
           CASE WHEN b.uid IS NOT NULL OR contains(json, '"archiveLocation"') THEN
               TRY(json_extract(json, ['$.spec.templates', '$.status.storedWorkflowTemplateSpec.templates',
                                       '$.status.storedTemplates'])) END AS templates,
           CASE WHEN o.uid IS NOT NULL THEN TRY(json->>'$.status.nodes') END AS nodes
    FROM raw_versions SEMI JOIN chosen USING (cluster, uid, version)
    LEFT JOIN (SELECT DISTINCT cluster, uid, version FROM pods WHERE logs IS NULL AND ran) b
    USING (cluster, uid, version)
    LEFT JOIN (SELECT DISTINCT cluster, uid, version FROM pods
               WHERE len(list_filter(logs, lambda log: log.kind = 's3' AND log.bucket IS NOT NULL)) > 0) o
    USING (cluster, uid, version)
) r USING (cluster, uid, version)
ORDER BY w.cluster, w.uid, w.version"""

_PODS = """
CREATE OR REPLACE TABLE pods AS
SELECT n.cluster, n.uid, n.version, n.month, n.namespace, n.workflow, n.node_id, n.name, n.template_name,
       n.template_ref, n.template_scope, n.phase, n.exit_code, n.retry_attempt,
       n.pod_name, n.memoized, n.started_at, n.finished_at,
       n.host IS NOT NULL OR n.phase IN ('Succeeded', 'Failed', 'Error', 'Running') AS ran, a.logs
FROM node_versions n SEMI JOIN chosen USING (cluster, uid, version)
LEFT JOIN (
    SELECT cluster, uid, version, node_id,
           list({name: name, kind: kind, key: key, bucket: bucket, location: location} ORDER BY name) AS logs
    FROM artifact_versions SEMI JOIN chosen USING (cluster, uid, version)
    WHERE scope = 'node' AND direction = 'out' AND ends_with(name, '-logs')
    GROUP BY ALL
) a USING (cluster, uid, version, node_id)
WHERE n.type = 'Pod'"""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which workflows to look at.

    Attributes:
        after_seq: only what was exported after this publish; 0 for all.
        namespaces: only of these; empty for all.
        since: finished at or after.
        until: finished before.
        uids: only these; empty for all.
    """

    after_seq: int = 0
    namespaces: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    uids: tuple[str, ...] = ()

    @property
    def everything(self) -> bool:
        """Whether nothing but the publish narrows it."""
        return not (self.namespaces or self.since or self.until or self.uids)

    def condition(self, finished: str) -> tuple[str, dict[str, object]]:
        """SQL over columns namespace, uid and ``finished``, and its parameters."""
        parts, values = ["true"], dict[str, object]()
        for name, sql, value in (
            ("namespaces", "namespace IN (SELECT unnest($namespaces::VARCHAR[]))", list(self.namespaces)),
            ("uids", "uid IN (SELECT unnest($uids::VARCHAR[]))", list(self.uids)),
            ("since", f"{finished} >= $since::TIMESTAMPTZ", self.since),
            ("until", f"{finished} < $until::TIMESTAMPTZ", self.until),
        ):
            if value:
                parts.append(sql)
                values[name] = value
        return " AND ".join(parts), values


def collect(space: Workspace, chosen: Chosen, default: LogStore | None = None) -> None:
    """Fill table ``claims`` of the workspace.

    Args:
        space: with views of :data:`TABLES`.
        chosen: which workflows.
        default: the store of workflows that record none.
    """
    condition, values = chosen.condition("finished_at")
    space.run(
        f"""CREATE OR REPLACE TABLE chosen AS SELECT cluster, uid, version FROM workflow_versions
        WHERE export_id IN (SELECT export_id FROM exports WHERE seq > $seq) AND {condition}""",
        {"seq": chosen.after_seq, **values},
    )
    space.run(_PODS)
    space.make("claims", CLAIMS)
    space.insert("claims", _claims(space, default), CLAIMS)


def _claims(space: Workspace, default: LogStore | None) -> Iterator[dict[str, Any]]:
    workflows = space.rows(_WORKFLOWS)
    current: dict[str, Any] | None = None
    facts, locations = WorkflowLogs({}), dict[tuple[str, str], Mapping[str, Any]]()
    for pod in space.rows("SELECT * FROM pods ORDER BY cluster, uid, version, node_id"):
        key = _key(pod)
        while current is None or _key(current) < key:
            current = next(workflows, None)
            if current is None:
                return
            if _key(current) == key:
                facts, locations = _facts(current, default), _locations(current["nodes"])
        if _key(current) == key:
            yield from _of_pod(pod, facts, locations)


def _key(row: Mapping[str, Any]) -> tuple[bytes, bytes, int]:
    # DuckDB orders text by its bytes
    return row["cluster"].encode("utf-8", "surrogatepass"), row["uid"].encode("utf-8", "surrogatepass"), row["version"]


def _locations(nodes: str | None) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Complete S3 locations of artifacts, by node and name: what Argo 2.x wrote, and the tables keep in part only."""
    return {
        (node_id, artifact["name"]): artifact["s3"]
        for node_id, node in _object(nodes).items()
        for artifact in (node.get("outputs") or {}).get("artifacts") or ()
        if isinstance(artifact.get("s3"), Mapping) and artifact["s3"].get("bucket")
    }


def _of_pod(
    row: Mapping[str, Any], facts: WorkflowLogs, locations: Mapping[tuple[str, str], Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    pod = PodNode(
        node_id=row["node_id"],
        name=row["name"] or "",
        template_name=row["template_name"] or "",
        phase=row["phase"] or "",
        pod_name=row["pod_name"] or "",
        template_ref=row["template_ref"] or "",
        template_scope=row["template_scope"] or "",
        memoized=bool(row["memoized"]),
        ran=bool(row["ran"]),
        logs=[
            LogArtifact(
                log["name"],
                log["kind"],
                log["key"],
                log["bucket"],
                locations.get((row["node_id"], log["name"])) or _object(log["location"]),
            )
            for log in row["logs"] or ()
        ],
    )
    for claim in claims(facts, pod):
        store = claim.store or LogStore("", "")
        yield {
            **{name: row[name] for name in ("cluster", "uid", "version", "month", "namespace", "workflow", "node_id")},
            "container": claim.container,
            "template_name": row["template_name"] or (row["template_ref"] or "").rpartition("/")[2] or None,
            "pod_name": row["pod_name"],
            "attempt": row["retry_attempt"],
            "phase": row["phase"],
            "exit_code": row["exit_code"],
            "node_started_at": row["started_at"],
            "node_finished_at": row["finished_at"],
            "kind": store.kind,
            "endpoint": recorded_url(Place(store.kind, store.bucket, store.endpoint, insecure=store.insecure)) or "",
            "region": store.region,
            "bucket": store.bucket,
            "key": claim.key,
            "recorded": claim.recorded,
            "rank": claim.rank,
        }


def _facts(row: Mapping[str, Any], default: LogStore | None) -> WorkflowLogs:
    def pairs(value: Any) -> dict[str, str | None]:
        return dict(value or ())

    return WorkflowLogs(
        values=workflow_values(
            row["name"] or "", row["namespace"] or "", row["uid"],
            row["created_at"].astimezone(UTC) if row["created_at"] else None,
            labels=pairs(row["labels"]), annotations=pairs(row["annotations"]), parameters=pairs(row["parameters"]),
            service_account=row["service_account"] or "", scheduled=row["scheduled_at"],
        ),
        store=_repository(row["repository"]) or default,
        archive_logs={"true": True, "false": False}.get(row["archive_logs"] or ""),
        templates=_templates(*(row["templates"] or (None, None, None))),
    )  # fmt: skip


@lru_cache(maxsize=256)
def _repository(text: str | None) -> LogStore | None:
    """Of ``status.artifactRepositoryRef``; few texts, for many workflows."""
    ref = _object(text)
    return store_of(ref.get("artifactRepository") or ref)


@lru_cache(maxsize=64)
def _templates(own: str | None, of_template: str | None, stored: str | None) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for text in (of_template, own):
        for template in _list(text):
            if isinstance(template, Mapping) and isinstance(template.get("name"), str):
                found[template["name"]] = template
    found.update({key: value for key, value in _object(stored).items() if isinstance(value, Mapping)})
    return found


def _object(text: str | None) -> dict[str, Any]:
    value = json.loads(text) if text else None
    return value if isinstance(value, dict) else {}


def _list(text: str | None) -> list[Any]:
    value = json.loads(text) if text else None
    return value if isinstance(value, list) else []
