"""Which texts are searched: filters on workflows, nodes and times, asked of the lake in SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kubectl_argo_archive.lake.snapshot import Snapshot
from kubectl_argo_archive.native.search import Ints
from kubectl_argo_archive.storage.filesystem import Storage

if TYPE_CHECKING:
    from kubectl_argo_archive.logs.search_hits import LineFilter


@dataclass(frozen=True, slots=True)
class Filter:
    """Which logs.

    Attributes:
        namespaces: of the workflow; empty for all, as everywhere here.
        workflow: its name, with ``*`` and ``?``; or its uid.
        selector: labels of the workflow, as in ``kubectl -l``.
        templates: names or globs, of the node.
        phases: of the node.
        exit_codes: of the node.
        containers: names.
    """

    namespaces: tuple[str, ...] = ()
    workflow: str | None = None
    selector: str | None = None
    templates: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    exit_codes: tuple[int, ...] = ()
    containers: tuple[str, ...] = ()

    @property
    def given(self) -> bool:
        """Whether anything is asked."""
        return self != Filter()


def texts_of(filter: Filter, lines: LineFilter, snapshot: Snapshot, storage: Storage) -> Ints | None:
    """Ids of the texts that pass, sorted; None if all do.

    Raises:
        ConfigError: the label selector is wrong.
    """
    if not (filter.given or lines.since or lines.until):
        return None
    from kubectl_argo_archive.logs.workspace import Workspace

    conditions, parameters, names = ["o.text_id IS NOT NULL"], dict[str, object](), ["log_objects"]

    def ask(condition: str, **values: object) -> None:
        conditions.append(condition)
        parameters.update(values)

    if filter.namespaces:
        ask("list_contains($namespaces, o.namespace)", namespaces=list(filter.namespaces))
    if filter.workflow is not None:
        ask("(o.workflow GLOB $workflow OR o.uid = $workflow)", workflow=filter.workflow)
    if filter.templates:
        ask("len(list_filter($templates, lambda t: o.template_name GLOB t)) > 0", templates=list(filter.templates))
    if filter.containers:
        ask("list_contains($containers, o.container)", containers=list(filter.containers))
    if lines.since:
        ask("coalesce(o.last_at, o.node_finished_at, o.modified_at) >= $since OR o.last_at IS NULL", since=lines.since)
    if lines.until:
        ask("coalesce(o.first_at, o.node_finished_at, o.modified_at) < $until OR o.first_at IS NULL", until=lines.until)
    if filter.phases:
        ask("list_contains($phases, o.phase)", phases=list(filter.phases))
    if filter.exit_codes:
        ask("list_contains($codes, o.exit_code)", codes=list(filter.exit_codes))
    if filter.selector:
        names.append("workflows")
    sql = "SELECT DISTINCT o.text_id, o.cluster, o.uid FROM log_objects o WHERE " + " AND ".join(
        f"({condition})" for condition in conditions
    )
    with Workspace(snapshot, storage, names) as space:
        allowed = _labelled(space, filter.selector) if filter.selector else None
        found = [
            row["text_id"]
            for row in space.rows(sql, parameters)
            if allowed is None or (row["cluster"], row["uid"]) in allowed
        ]
    return np.unique(np.array(found, np.int64))


def _labelled(space: object, selector: str) -> set[tuple[str, str]]:
    from kubectl_argo_archive.archive.selector import parse_selector
    from kubectl_argo_archive.logs.workspace import Workspace

    assert isinstance(space, Workspace)
    asked = parse_selector(selector)
    rows = space.rows("SELECT cluster, uid, labels FROM workflows")
    return {(row["cluster"], row["uid"]) for row in rows if asked.matches(dict(row["labels"] or ()))}
