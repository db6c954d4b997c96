"""The demo: an archive that lives for a while, and the lake that follows it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, timedelta
from functools import partial
from typing import Any

import psycopg

from kubectl_argo_archive.archive.source import open_archive
from kubectl_argo_archive.argo.times import parse_rfc3339
from kubectl_argo_archive.demo.argo_schema import LATEST, archive_workflow, create_schema_sql, load_archive
from kubectl_argo_archive.demo.logs import write_logs
from kubectl_argo_archive.demo.postgres import EmbeddedPostgres
from kubectl_argo_archive.demo.seaweedfs import SeaweedFS
from kubectl_argo_archive.demo.workflows import generate_rows
from kubectl_argo_archive.export.pipeline import export
from kubectl_argo_archive.export.result import ExportResult
from kubectl_argo_archive.lake.lake import Lake
from kubectl_argo_archive.logs.claims import Chosen
from kubectl_argo_archive.logs.decide import Rules
from kubectl_argo_archive.logs.index import IndexOptions, index
from kubectl_argo_archive.logs.result import IndexResult
from kubectl_argo_archive.logs.survey import Opener

RETRIED = 3
EXPIRED = 20
LOGGED = 40
"""So many of the newest workflows have logs: thousands of small objects would take the demo's time, not show more."""
PLANTED = "reactor-7f3a9c"
"""Stands in one line of one log, for the search to find."""
QUESTIONS = (
    (
        "Which templates fail most, and why?",
        "select template, class, count(*) as failures, max(finished_at) as last_seen\n"
        "from failures group by all order by failures desc, template, class limit 5",
    ),
    (
        "What did retries cost?",
        "select template_name, count(*) as retry_nodes, sum(failed_attempts) as failed_attempts,\n"
        "       round(sum(wasted_s) / 3600, 1) as wasted_hours, round(avg(succeeded::int), 3) as saved_share\n"
        "from retries group by all order by wasted_hours desc nulls last, template_name limit 5",
    ),
    (
        "Who ran which image last month, on how many pods?",
        "select i.repository, i.tag, count(distinct w.creator) as people, sum(i.pod_count) as pods\n"
        "from images i join workflows w using (cluster, uid)\n"
        "where w.month = '2026-06' group by all order by pods desc, i.repository, i.tag limit 5",
    ),
)
"""What the demo asks at its end: a question and its SQL."""

LOG_QUESTION = (
    "Which failed pods ran out of memory, and said so at their end?",
    """select n.template_name, date_trunc('week', n.finished_at) as week, count(distinct n.node_id) as pods
from nodes n join log_objects o using (cluster, uid, node_id)
join log_lines l on l.log_id = o.text_id
where n.exit_code = 137 and n.phase = 'Failed' and l.line_no > o.lines - 20 and l.message ilike '%memory%'
group by all order by pods desc, week, n.template_name""",
)
"""The same about logs."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that the demo did.

    Attributes:
        title: what happens, one line.
        result: of the export or the index run, if the step is one.
    """

    title: str
    result: ExportResult | IndexResult | None = None


@contextmanager
def archive_database(count: int, say: Callable[[str], None]) -> Iterator[str]:
    """A Postgres server with Argo's newest schema and ``count`` archived workflows; yields its URI."""
    say("starting an embedded Postgres")
    with EmbeddedPostgres(fsync=False) as server:
        uri = server.create_database("argo")
        with psycopg.connect(uri) as connection:
            connection.execute(create_schema_sql(LATEST).encode())
        say(f"archiving {count:,} workflows as Argo {_release(LATEST)} would")
        load_archive(uri, generate_rows(count))
        yield uri


def _release(schema_version: int) -> str:
    return "4.1" if schema_version >= 68 else "3"


def run(uri: str, lake: Lake) -> Iterator[Step]:
    """Export, let the archive change as archives do, and export again."""
    archive = open_archive(uri)
    yield Step("first export: the whole archive", export(archive, lake))
    yield Step("second export, nothing has changed: no JSON is read, no file is written", export(archive, lake))
    retried, expired = _live_on(uri)
    title = f"third export: {retried} failed workflows were retried under the same uid, {expired} expired by TTL"
    yield Step(title, export(archive, lake))


def write_pod_logs(uri: str, server: SeaweedFS) -> int:
    """Let the newest workflows have logs in S3, as their pods would have left them; return how many."""
    newest = "select workflow::text from argo_archived_workflows order by finishedat desc limit %s"
    with psycopg.connect(uri) as connection:
        workflows = [json.loads(text) for (text,) in connection.execute(newest, [LOGGED]).fetchall()]
    objects = {(made.bucket, made.key): made.data for made in write_logs(workflows)}
    place, text = next((key, data) for key, data in objects.items() if data)
    objects[place] = text + f"cooling pump of {PLANTED} stopped\n".encode()
    for bucket in {bucket for bucket, _ in objects}:
        server.s3(bucket)
    client = server.client()
    with ThreadPoolExecutor(8) as pool:
        puts = [
            pool.submit(partial(client.put_object, Bucket=bucket, Key=key, Body=data))
            for (bucket, key), data in objects.items()
        ]
        for put in puts:
            put.result()
    return len(objects)


def run_logs(uri: str, lake: Lake, opener: Opener) -> Iterator[Step]:
    """Index the logs of the newest workflows, twice."""
    with psycopg.connect(uri) as connection:
        cut = "select finishedat from argo_archived_workflows order by finishedat desc offset %s limit 1"
        (since,) = connection.execute(cut, [LOGGED - 1]).fetchone() or (None,)
    # the workflows ended long ago and their logs were written just now: nobody has overwritten them
    options = IndexOptions(
        chosen=Chosen(since=since.replace(tzinfo=UTC) if since else None), rules=Rules(slack_s=10.0**9)
    )
    yield Step("index: every log is read once", index(lake, opener, options))
    yield Step("index again: no object has changed, none is read", index(lake, opener, options))


def _live_on(uri: str) -> tuple[int, int]:
    """Retry some failed workflows and let the oldest ones expire, as the controller would."""
    failed = (
        "select workflow::text from argo_archived_workflows where phase = 'Failed' order by finishedat desc limit %s"
    )
    oldest = "select uid from argo_archived_workflows where phase = 'Succeeded' order by finishedat limit %s"
    with psycopg.connect(uri) as connection, connection.cursor() as cursor:
        texts = [text for (text,) in cursor.execute(failed, [RETRIED]).fetchall()]
        for text in texts:
            archive_workflow(cursor, _retried(json.loads(text)))
        cursor.execute(f"delete from argo_archived_workflows where uid in ({oldest})".encode(), [EXPIRED])
        return len(texts), cursor.rowcount


def _retried(workflow: dict[str, Any]) -> dict[str, Any]:
    """The same workflow after ``argo retry``: the failed nodes ran again, with success."""
    status = workflow["status"]
    finished = parse_rfc3339(status["finishedAt"])
    assert finished is not None
    status["startedAt"] = f"{finished + timedelta(minutes=7):%Y-%m-%dT%H:%M:%SZ}"
    status["finishedAt"] = f"{finished + timedelta(minutes=19):%Y-%m-%dT%H:%M:%SZ}"
    status["phase"] = workflow["metadata"]["labels"]["workflows.argoproj.io/phase"] = "Succeeded"
    status.pop("message", None)
    for node in (status.get("nodes") or {}).values():
        if node.get("phase") in ("Failed", "Error"):
            node["phase"] = "Succeeded"
            node.pop("message", None)
    return workflow
