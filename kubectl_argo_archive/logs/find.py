"""From what a person names to logs: ``WORKFLOW`` or ``WORKFLOW/NODE`` to the pods of one run, in the order of start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubectl_argo_archive.argo.log_keys import LogStore
from kubectl_argo_archive.errors import ConfigError
from kubectl_argo_archive.logs.claims import TABLES as CLAIM_TABLES
from kubectl_argo_archive.logs.claims import Chosen, collect
from kubectl_argo_archive.logs.workspace import Workspace
from kubectl_argo_archive.storage.objects import Place

TABLES = (*CLAIM_TABLES, "workflows", "nodes", "log_objects", "log_object_versions", "log_lines")
"""Names of the lake that are used here and to print the lines."""
_NEAR = 5
_SIMILAR = 0.75
_SHOWN = 20

_RUN = "cluster, uid, name, coalesce(namespace, '') AS namespace, coalesce(phase, '') AS phase, started_at, finished_at"
_PODS = """
WITH pods AS (
    SELECT *, regexp_replace(name, '\\(\\d+\\)$', '') AS attempts_of FROM nodes
    WHERE cluster = $cluster AND uid = $uid AND type = 'Pod'
), ordered AS (
    SELECT *, retry_attempt IS NOT NULL
        AND retry_attempt < max(retry_attempt) OVER (PARTITION BY attempts_of) AS earlier FROM pods
), logs AS (
    SELECT * FROM log_objects WHERE cluster = $cluster AND uid = $uid
), dead AS (
    SELECT l.* FROM log_object_versions l ANTI JOIN logs USING (log_id)
    WHERE cluster = $cluster AND uid = $uid AND $previous
)
SELECT n.node_id, n.display_name, n.pod_name, n.template_name, n.phase, n.memoized,
    coalesce(l.node_started_at, n.started_at) AS started_at, coalesce(l.node_finished_at, n.finished_at) AS finished_at,
    n.earlier OR l.node_finished_at < n.finished_at AS previous, l.node_finished_at < n.finished_at AS replaced,
    l.log_id, l.container, l.status, l.message, l.kind,
    l.endpoint, l.region, l.bucket, l.key, l.size, l.etag, l.text_bytes, l.text_id, l.masked, l.month
FROM ordered n LEFT JOIN logs l USING (node_id)
UNION ALL
SELECT l.node_id, coalesce(n.display_name, l.node_id), l.pod_name, l.template_name, n.phase, false,
    l.node_started_at, l.node_finished_at, true, true, l.log_id, l.container, l.status, l.message, l.kind, l.endpoint,
    l.region, l.bucket, l.key, l.size, l.etag, l.text_bytes, l.text_id, l.masked, l.month
FROM dead l LEFT JOIN ordered n USING (node_id)
WHERE n.node_id IS NULL OR l.node_finished_at IS DISTINCT FROM n.finished_at OR l.text_id IS NOT NULL"""


class UnknownRun(ConfigError):
    """The lake has no such workflow."""


@dataclass(frozen=True, slots=True)
class Run:
    """One workflow of the lake."""

    cluster: str
    uid: str
    name: str
    namespace: str
    phase: str
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class PodLog:
    """The log of one container, wherever it is.

    Attributes:
        node: display name of the node.
        node_id: its id.
        pod: name of the pod.
        container: empty if it is not known.
        template: that the node ran.
        started_at: of the node.
        finished_at: of the node.
        previous: an attempt after which there was another one.
        status: of ``log_objects``; ``not indexed`` where there is no row, ``no log`` where none was archived.
        message: why.
        text_id: where the lake has its text, None if it has not.
        month: partition of the text.
        text_bytes: of the text in the lake.
        masked: values masked in it.
        place: the bucket of its object, None if there is none.
        key: of its object.
        size: of its object, None if nobody looked.
    """

    node: str
    node_id: str
    pod: str
    container: str
    template: str
    started_at: datetime | None
    finished_at: datetime | None
    previous: bool
    status: str
    message: str | None = None
    text_id: int | None = None
    month: str | None = None
    text_bytes: int | None = None
    masked: int = 0
    place: Place | None = None
    key: str = ""
    size: int | None = None


def find_run(space: Workspace, name: str, namespaces: tuple[str, ...] = ()) -> Run:
    """The run of a name or uid.

    Raises:
        UnknownRun: there is none; the hint has near names.
        ConfigError: there are several; the message lists their uids.
    """
    condition = "AND (len($namespaces) = 0 OR namespace IN (SELECT unnest($namespaces::VARCHAR[])))"
    found = list(space.rows(
        f"SELECT {_RUN} FROM workflows WHERE (name = $name OR uid = $name) {condition} "
        f"ORDER BY started_at DESC NULLS LAST, uid LIMIT {_SHOWN + 1}",
        {"name": name, "namespaces": list(namespaces)},
    ))  # fmt: skip
    if len(found) == 1:
        return Run(**found[0])
    if found:
        listed = "\n".join(_listed(row) for row in found[:_SHOWN])
        more = "\n  …" if len(found) > _SHOWN else ""
        raise ConfigError(
            f"{len(found[:_SHOWN])}{'+' * bool(more)} workflows are called {name}:\n{listed}{more}",
            f"name one by its uid, for example: logs {found[0]['uid']}",
        )
    near = [row["name"] for row in space.rows(
        f"SELECT DISTINCT name, jaro_winkler_similarity(name, $name) AS near FROM workflows "
        f"WHERE jaro_winkler_similarity(name, $name) >= {_SIMILAR} {condition} ORDER BY near DESC, name LIMIT {_NEAR}",
        {"name": name, "namespaces": list(namespaces)},
    )]  # fmt: skip
    where = f" in {', '.join(namespaces)}" if namespaces else ""
    raise UnknownRun(
        f"the lake has no workflow {name}{where}",
        f"did you mean {', '.join(near)}?" if near else 'query "select name from workflows" lists all that there are',
    )


def _listed(row: dict[str, Any]) -> str:
    times = " – ".join(f"{row[n]:%Y-%m-%d %H:%M:%S}" if row[n] else "?" for n in ("started_at", "finished_at"))
    return f"  {row['uid']}  {row['namespace']}  {row['cluster']}  {row['phase'] or 'no phase'}  {times}"


def find_logs(space: Workspace, run: Run, *, previous: bool = False, default: LogStore | None = None) -> list[PodLog]:
    """The logs of all pods of a run, in the order in which the nodes started.

    Args:
        space: with :data:`TABLES`.
        run: whose.
        previous: also those of states that a retry replaced.
        default: the store of workflows that record none.
    """
    rows = list(space.rows(_PODS, {"cluster": run.cluster, "uid": run.uid, "previous": previous}))
    found = [_pod_log(row) for row in rows if row["log_id"] is not None and (previous or not row["replaced"])]
    bare = {row["node_id"]: row for row in rows if row["log_id"] is None and not row["memoized"]}
    if bare:
        collect(space, Chosen(uids=(run.uid,)), default)
        found += _claimed(space, run, bare)
    return sorted(found, key=_start)


def _start(log: PodLog) -> tuple[bool, float, str, str]:
    return (log.started_at is None, log.started_at.timestamp() if log.started_at else 0.0, log.node_id, log.container)


def _claimed(space: Workspace, run: Run, bare: dict[str, dict[str, Any]]) -> Iterator[PodLog]:
    """Logs that no index run has seen: where they should lie."""
    claims = space.rows(
        "SELECT * FROM claims WHERE cluster = $cluster AND uid = $uid QUALIFY row_number() OVER ("
        "PARTITION BY node_id, container ORDER BY version DESC, recorded DESC, rank) = 1",
        {"cluster": run.cluster, "uid": run.uid},
    )
    named = set()
    for claim in claims:
        if claim["node_id"] in bare:
            named.add(claim["node_id"])
            row = bare[claim["node_id"]]
            kept = {name: claim[name] for name in ("container", "kind", "endpoint", "region", "bucket", "key")}
            yield _pod_log({**row, **kept, "status": "not indexed"})
    for node_id, row in bare.items():
        if node_id not in named:
            yield _pod_log({**row, "status": "no log"})


def _pod_log(row: dict[str, Any]) -> PodLog:
    place = None
    if row["bucket"]:
        place = Place(row["kind"], row["bucket"], row["endpoint"] or "", row["region"] or "")
    return PodLog(
        node=row["display_name"] or row["node_id"], node_id=row["node_id"], pod=row["pod_name"] or row["node_id"],
        container=row["container"] or "", template=row["template_name"] or "", started_at=row["started_at"],
        finished_at=row["finished_at"], previous=bool(row["previous"]), status=row["status"], message=row["message"],
        text_id=row["text_id"], month=row["month"], text_bytes=row["text_bytes"], masked=row["masked"] or 0,
        place=place, key=row["key"] or "", size=row["size"],
    )  # fmt: skip


def select(
    logs: list[PodLog], *, node: str | None = None, container: str | None = None, template: str | None = None,
    previous: bool = False,
) -> list[PodLog]:  # fmt: skip
    """Those logs that a person asks for.

    Args:
        logs: of a run.
        node: display name, id, or pod name; also the beginning of a display name up to its attempt.
        container: name.
        template: name.
        previous: earlier attempts only.

    Raises:
        ConfigError: there is no such node, container, template or earlier attempt; the hint says which there are.
    """
    steps = (
        ("node", node, lambda log: (log.node, log.node_id, log.pod, log.node.partition("(")[0])),
        ("container", container, lambda log: (log.container,)),
        ("template", template, lambda log: (log.template,)),
    )
    for what, wanted, names in steps:
        if wanted is None:
            continue
        kept = [log for log in logs if wanted in names(log)]
        if not kept:
            known = sorted({names(log)[0] for log in logs if names(log)[0]})
            shown = ", ".join(known[:_SHOWN]) + (", …" if len(known) > _SHOWN else "")
            raise ConfigError(f"the workflow has no {what} {wanted}", f"it has {shown}" if known else None)
        logs = kept
    if previous:
        logs = [log for log in logs if log.previous]
        if not logs:
            raise ConfigError("there was no earlier attempt", "leave --previous away")
    return logs
