"""Eight questions of analysts, for the lake and for Argo's own table on Postgres.

On Postgres each is asked as well as its tables allow: columns where they hold the answer, the labels table, the
long JSON unpacked once per row. ``{month}``, ``{name}``, ``{value}`` and ``{key}`` are taken from the lake at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        name: short, for tables.
        asks: in words.
        tables: of the lake.
        lake: SQL for DuckDB.
        postgres: SQL for Postgres, run without parameters.
        node_aggregate: it adds up nodes of all workflows.
    """

    name: str
    asks: str
    tables: tuple[str, ...]
    lake: str
    postgres: str
    node_aggregate: bool = False

    def about(self, facts: Mapping[str, str]) -> Question:
        """The question with its placeholders filled in."""
        return replace(self, lake=self.lake.format(**facts), postgres=self.postgres.format(**facts))


_NODES = "(select uid, workflow->'status'->'nodes' as nodes from argo_archived_workflows offset 0) w"
"""OFFSET keeps Postgres from unpacking the JSON again wherever ``nodes`` is used: up to thirty times as fast."""

QUESTIONS = (
    Question(
        "outcomes",
        "How did the runs of each namespace end? (Postgres has columns for it)",
        ("workflows",),
        "select namespace, phase, count(*) as runs from workflows group by namespace, phase",
        "select namespace, phase, count(*) as runs from argo_archived_workflows group by namespace, phase",
    ),
    Question(
        "failing steps",
        "Which step fails most, and in how many workflows?",
        ("nodes",),
        "select template_name, count(*) as failures, count(distinct uid) as workflows from nodes "
        "where type = 'Pod' and phase in ('Failed', 'Error') group by template_name",
        "select n.value->>'templateName', count(*), count(distinct w.uid) "
        f"from {_NODES}, jsonb_each(w.nodes) n "
        "where n.value->>'type' = 'Pod' and n.value->>'phase' in ('Failed', 'Error') group by 1",
        node_aggregate=True,
    ),
    Question(
        "failure messages",
        "What were the ten most frequent failure messages of the last month?",
        ("nodes",),
        "select message, count(*) as failures from nodes where type = 'Pod' and phase in ('Failed', 'Error') "
        "and month = '{month}' group by message order by failures desc, message limit 10",
        "select n.value->>'message' collate \"C\" as message, count(*) as failures from "
        # the column has no zone: it bounds the search, the JSON decides
        "(select workflow->'status' as status from argo_archived_workflows "
        "where finishedat >= date '{month}-01' - interval '1 day' "
        "and finishedat < date '{month}-01' + interval '1 month 1 day' offset 0) w, "
        "jsonb_each(w.status->'nodes') n where left(w.status->>'finishedAt', 7) = '{month}' "
        "and n.value->>'type' = 'Pod' and n.value->>'phase' in ('Failed', 'Error') "
        "group by 1 order by failures desc, message limit 10",
    ),
    Question(
        "wasted on retries",
        "How many attempts failed below a retry, and how many hours did they take?",
        ("nodes",),
        "select template_name, count(*) as attempts, sum(duration_s) / 3600 as hours from nodes "
        "where type = 'Pod' and retry_attempt is not null and phase in ('Failed', 'Error') group by template_name",
        "select a.node->>'templateName', count(*), sum(extract(epoch from "
        "(a.node->>'finishedAt')::timestamptz - (a.node->>'startedAt')::timestamptz)) / 3600 "
        f"from {_NODES}, jsonb_each(w.nodes) r, jsonb_array_elements_text(r.value->'children') c (id), "
        "lateral (select w.nodes->c.id as node offset 0) a "
        "where r.value->>'type' = 'Retry' and a.node->>'type' = 'Pod' and a.node->>'phase' in ('Failed', 'Error') "
        "group by 1",
        node_aggregate=True,
    ),
    Question(
        "step durations",
        "What are the median and the 95th percentile of each step's duration?",
        ("nodes",),
        "select template_name, count(*) as pods, quantile_cont(duration_s, 0.5) as p50, "
        "quantile_cont(duration_s, 0.95) as p95 from nodes where type = 'Pod' and phase = 'Succeeded' "
        "group by template_name",
        "select template_name, count(*), percentile_cont(0.5) within group (order by duration_s), "
        "percentile_cont(0.95) within group (order by duration_s) from ("
        "select n.value->>'templateName' as template_name, extract(epoch from (n.value->>'finishedAt')::timestamptz - "
        f"(n.value->>'startedAt')::timestamptz) as duration_s from {_NODES}, jsonb_each(w.nodes) n "
        "where n.value->>'type' = 'Pod' and n.value->>'phase' = 'Succeeded') pods group by 1",
        node_aggregate=True,
    ),
    Question(
        "cost by team",
        "How many core-hours and GiB-hours did each team request per month?",
        ("workflows",),
        "select labels['team'] as team, month, sum(cpu_s) / 3600 as cpu, sum(memory_mib_s) / 1024 / 3600 as memory "
        "from workflows group by all",
        "select l.value, left(w.status->>'finishedAt', 7), "
        "sum((w.status->'resourcesDuration'->>'cpu')::double precision) / 3600, "
        "sum((w.status->'resourcesDuration'->>'memory')::double precision) * 100 / 1024 / 3600 "
        "from (select clustername, uid, workflow->'status' as status from argo_archived_workflows offset 0) w "
        "left join argo_archived_workflows_labels l "
        "on l.clustername = w.clustername and l.uid = w.uid and l.name = 'team' group by 1, 2",
    ),
    Question(
        "run by argument",
        "Which runs had a given argument?",
        ("parameters",),
        "select workflow from parameters where scope = 'workflow' and direction = 'in' and name = '{name}' "
        "and value = '{value}'",
        "select name from argo_archived_workflows where workflow @> "
        """'{{"spec": {{"arguments": {{"parameters": [{{"name": "{name}", "value": "{value}"}}]}}}}}}'""",
    ),
    Question(
        "origin of an object",
        "Which run wrote a given object?",
        ("artifacts",),
        "select distinct workflow from artifacts where scope = 'node' and direction = 'out' and kind = 's3' "
        "and key = '{key}'",
        "select name from argo_archived_workflows where workflow @? "
        """'$.status.nodes.*.outputs.artifacts[*] ? (@.s3.key == "{key}")'""",
    ),
)

_ARGUMENT = (
    "select {} from parameters where scope = 'workflow' and direction = 'in' and value_type = 'string' "
    # values that need no quoting in SQL and JSON
    "and regexp_full_match(name || value, '[-A-Za-z0-9_.:/ ]+') "
    "group by name, value order by count(*), name, value limit 1"
)

FACTS = {
    "month": "select max(month) from workflows where month is not null",
    "name": _ARGUMENT.format("name"),
    "value": _ARGUMENT.format("value"),
    "key": "select key from artifacts where scope = 'node' and direction = 'out' and kind = 's3' "
    "and regexp_full_match(key, '[-A-Za-z0-9_.:/]+') group by key order by count(*), key limit 1",
}
"""Where the placeholders come from: rare values, as people look for one run."""
