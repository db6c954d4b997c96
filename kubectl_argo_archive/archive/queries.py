"""The SQL that reads Argo's tables. It must run on every Postgres since 9.6 and through a transaction pooler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from psycopg import sql

from kubectl_argo_archive.archive.postgres_catalog import ArchiveTables, Relation
from kubectl_argo_archive.archive.selector import INT64, Operator, Requirement, Selector

SLACK = timedelta(hours=15)
"""The zone-less columns hold the controller's wall clock, which is at most 14 hours away from UTC."""

_NO_FINISH = "(w.finishedat is null or not isfinite(w.finishedat) or w.finishedat < '1971-01-01')"


@dataclass(frozen=True, slots=True)
class Query:
    """A statement and its parameters; psycopg quotes them, for COPY takes none."""

    text: sql.Composed
    parameters: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Condition:
    """What rows ``w`` of the archive must fulfil."""

    text: sql.Composable
    parameters: dict[str, object] = field(default_factory=dict)


ANY_ROW = Condition(sql.SQL("true"))


def selected(
    tables: ArchiveTables,
    *,
    namespaces: Sequence[str] = (),
    selector: Selector | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Condition:
    """The condition for a selection. Labels need ``tables.labels``; times are widened by :data:`SLACK`."""
    parts: list[sql.Composable] = []
    parameters: dict[str, object] = {}
    if namespaces:
        parts.append(sql.SQL("w.namespace = any(%(namespaces)s)"))
        parameters["namespaces"] = list(namespaces)
    for name, comparison, bound in (("since", ">=", _shifted(since, -1)), ("until", "<", _shifted(until, 1))):
        if bound is not None:
            parts.append(sql.SQL(f"(w.finishedat {comparison} %({name})s or {_NO_FINISH})"))
            parameters[name] = bound
    if selector and tables.labels:
        for number, requirement in enumerate(selector.requirements):
            parts.append(_label_condition(tables.labels, requirement, f"label{number}", parameters))
    return Condition(sql.SQL(" and ").join(parts), parameters) if parts else ANY_ROW


def keys_query(tables: ArchiveTables, condition: Condition) -> Query:
    """COPY of the keys as CSV, in the order of ``KEY_SCHEMA``. Never touches the JSON."""
    return Query(
        sql.SQL("copy (select {columns} from {archive} w where {condition}) to stdout (format csv)").format(
            columns=_key_columns(tables.archive), archive=tables.archive.name, condition=condition.text
        ),
        condition.parameters,
    )


def rows_query(tables: ArchiveTables, keys: tuple[list[str], list[str]] | None) -> Query:
    """COPY of the rows in binary, in the order of their finish; of all, or of (clusters, uids).

    The JSON is sent as it is: while it is sorted it is only a pointer, so sorting costs nothing, and COPY makes its
    text without the copies that a cast would add.
    """
    wanted = (
        "where (w.clustername, w.uid) in (select * from unnest(%(clusters)s::text[], %(uids)s::text[]))" if keys else ""
    )
    return Query(
        sql.SQL(
            "copy (select {columns}, w.workflow from {archive} w " + wanted + " order by w.finishedat, w.uid)"
            " to stdout (format binary)"
        ).format(columns=_key_columns(tables.archive), archive=tables.archive.name),
        {"clusters": keys[0], "uids": keys[1]} if keys else {},
    )


def offloaded_query(archive: Relation, offload: Relation, rows: Sequence[tuple[str, str, str]]) -> Query:
    """COPY in binary of rows given as (cluster, uid, version), each with its off-loaded nodes as a last column."""
    clusters, uids, versions = (list(column) for column in zip(*rows, strict=True))
    return Query(
        sql.SQL(
            "copy (select {columns}, w.workflow,"
            " (select o.nodes from {offload} o"
            " where o.clustername = k.cluster and o.uid = k.uid and o.version = k.version)"
            " from unnest(%(clusters)s::text[], %(uids)s::text[], %(versions)s::text[]) k (cluster, uid, version)"
            " join {archive} w on w.clustername = k.cluster and w.uid = k.uid)"
            " to stdout (format binary)"
        ).format(columns=_key_columns(archive), archive=archive.name, offload=offload.name),
        {"clusters": clusters, "uids": uids, "versions": versions},
    )


def _key_columns(archive: Relation) -> sql.Composed:
    instance = "w.instanceid" if "instanceid" in archive.columns else "''"
    # xmin sees what the stamps do not: a row archived again within the same second, or edited by hand.
    # The finish comes first, so that sorting by revision sorts by finish.
    stamps = [_stamp("w.finishedat"), _stamp("w.startedat"), "w.phase", instance]
    revision = " || '.' || ".join([*stamps, *(["w.xmin::text"] if archive.has_xmin else [])])
    return sql.Composed(
        [
            sql.SQL(
                f"w.clustername as cluster, {instance} as instance_id, w.uid, w.namespace, w.name, w.phase, "
                f"{revision} as revision"
            )
        ]
    )


def _stamp(column: str) -> str:
    """Seconds since 1970 in hex; Go's zero time, years BC and infinity have a text, too."""
    return (
        f"case when isfinite({column}) then to_hex(extract(epoch from {column})::bigint)"
        f" else coalesce({column}::text, '') end"
    )


def _label_condition(
    labels: Relation, requirement: Requirement, name: str, parameters: dict[str, object]
) -> sql.Composed:
    """EXISTS, or NOT EXISTS where an absent label matches, as Kubernetes has it."""
    parameters[name] = requirement.key
    values: list[str] | int = list(requirement.values)
    operator = requirement.operator
    value = ""
    if operator in (Operator.IN, Operator.NOT_IN):
        value = f" and l.value = any(%({name}_values)s::text[])"
    elif operator in (Operator.GREATER, Operator.LESS):
        values = int(requirement.values[0])
        # CASE, because AND may be evaluated in any order, and the cast fails for other values
        value = (
            " and case when l.value ~ '^[+-]?[0-9]{{1,19}}$' then l.value::numeric"
            f" between {INT64.start} and {INT64.stop - 1} and l.value::numeric {operator} %({name}_values)s"
            " else false end"
        )
    if value:
        parameters[f"{name}_values"] = values
    negated = "not " if operator in (Operator.ABSENT, Operator.NOT_IN) else ""
    return sql.SQL(
        f"{negated}exists (select 1 from {{labels}} l where l.clustername = w.clustername and l.uid = w.uid"
        f" and l.name = %({name})s{value})"
    ).format(labels=labels.name)


def _shifted(bound: datetime | None, direction: int) -> datetime | None:
    """The bound as a wall clock of the columns, widened; None if that leaves the calendar."""
    if bound is None:
        return None
    try:
        naive = bound.astimezone(UTC).replace(tzinfo=None) if bound.tzinfo else bound
        return naive + direction * SLACK
    except OverflowError:
        return None
