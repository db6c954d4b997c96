"""The curated views: questions that everybody asks, answered once, as SQL over the lake's tables.

Each view is data: its SQL, what one row is, what each column means, and a question it answers. ``docs/tables.md``
and ``kubectl argo-archive tables`` are made from it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """One column of a view: SQL type, meaning, an example."""

    name: str
    type: str
    doc: str
    example: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """One curated view.

    Attributes:
        name: in SQL.
        doc: what one row is, and what to know about the numbers.
        columns: in the order of the SQL.
        sql: the SELECT.
        uses: tables and views in it.
        example: a question, as SQL.
    """

    name: str
    doc: str
    columns: tuple[ViewColumn, ...]
    sql: str
    uses: tuple[str, ...]
    example: str


def column(name: str, type: str, doc: str, example: str = "") -> ViewColumn:
    """Short for :class:`ViewColumn`."""
    return ViewColumn(name, type, doc, example)


TIME = "TIMESTAMP WITH TIME ZONE"

CLUSTER = column("cluster", "VARCHAR", "Argo's `persistence.clusterName`.", "default")
NAMESPACE = column("namespace", "VARCHAR", "Namespace of the workflow.", "data")
TEMPLATE = column("template", "VARCHAR", "What runs again and again: the WorkflowTemplate, else the "
                  "ClusterWorkflowTemplate, the CronWorkflow, `generateName` without its dash, the name.",
                  "etl")  # fmt: skip
WORKFLOW_KEY = (
    CLUSTER,
    column("uid", "VARCHAR", "`metadata.uid` of the workflow.", "6522aff1-1e01-11ea-b443-42010aa80075"),
    column("version", "INTEGER", "Archived state of this uid; joins the other tables.", "1"),
    NAMESPACE,
    column("workflow", "VARCHAR", "Name of the workflow.", "etl-nightly-x7k2p"),
)


def template_of(alias: str) -> str:
    """The expression behind the column ``template``."""
    names = ("workflow_template", "cluster_workflow_template", "cron_workflow")
    given = ", ".join(f"nullif({alias}.{name}, '')" for name in names)
    return f"coalesce({given}, nullif(rtrim({alias}.generate_name, '-'), ''), {alias}.name)"


def all_views() -> tuple[View, ...]:
    """Every curated view; a view comes after those that it uses."""
    from kubectl_argo_archive.query import (
        views_cost,
        views_failure,
        views_logs,
        views_people,
        views_quality,
        views_time,
    )

    return (
        *views_failure.VIEWS,
        *views_time.VIEWS,
        *views_cost.VIEWS,
        *views_people.VIEWS,
        *views_quality.VIEWS,
        *views_logs.VIEWS,
    )
