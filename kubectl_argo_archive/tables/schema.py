"""The tables of the lake: one :class:`TableSpec` each, the single source of columns, types and docs.

``docs/tables.md``, ``kubectl argo-archive tables`` and the writer's Arrow schemas are all made from
:data:`TABLES`. Names are a contract with everybody's SQL: columns may be added, none is renamed.

Units: ``*_s`` are seconds, ``*_mib_s`` mebibyte-seconds, ``*_bytes`` bytes; every time is UTC.
"""

from __future__ import annotations

import pyarrow as pa

from kubectl_argo_archive.tables.log_schema import LOG_TABLES
from kubectl_argo_archive.tables.spec import FLAG as FLAG
from kubectl_argo_archive.tables.spec import INT as INT
from kubectl_argo_archive.tables.spec import INT_MAP as INT_MAP
from kubectl_argo_archive.tables.spec import SECONDS as SECONDS
from kubectl_argo_archive.tables.spec import SMALL as SMALL
from kubectl_argo_archive.tables.spec import TEXT as TEXT
from kubectl_argo_archive.tables.spec import TEXT_MAP as TEXT_MAP
from kubectl_argo_archive.tables.spec import TEXTS as TEXTS
from kubectl_argo_archive.tables.spec import TIME as TIME
from kubectl_argo_archive.tables.spec import Column as Column
from kubectl_argo_archive.tables.spec import TableSpec as TableSpec

SCHEMA_VERSION = 1
"""Raised when the meaning of an existing column changes; written into every ledger row."""

_KEY = (
    Column("cluster", TEXT, "Argo's `persistence.clusterName`: which cluster archived the workflow.", "default"),
    Column("uid", TEXT, "`metadata.uid` of the workflow.", "6522aff1-1e01-11ea-b443-42010aa80075"),
    Column("version", SMALL, "1 for the first archived state of this uid, 2 for the next one (a retry replaces "
           "the row in the database, the lake keeps both).", "1"),
)  # fmt: skip
_EXPORT_ID = Column("export_id", TEXT, "The export that wrote the row; joins `exports`.", "20261123T160000Z-3f9a2c")

WORKFLOWS = TableSpec(
    "workflows",
    "One archived state of one workflow. In SQL, `workflows` shows the latest state of each uid and "
    "`workflow_versions` all of them.",
    (
        *_KEY,
        Column("instance_id", TEXT, "The controller's instance id, empty for the default controller.", ""),
        Column("name", TEXT, "`metadata.name`.", "etl-nightly-x7k2p"),
        Column("generate_name", TEXT, "`metadata.generateName`: groups ad-hoc runs.", "etl-nightly-"),
        Column("namespace", TEXT, "`metadata.namespace`.", "data"),
        Column("phase", TEXT, "`status.phase`: Succeeded, Failed or Error (Pending, Running if archived unfinished).",
               "Failed"),
        Column("created_at", TIME, "`metadata.creationTimestamp`.", "2026-03-01 02:00:00+00"),
        Column("started_at", TIME, "`status.startedAt`; a retry sets it anew.", "2026-03-01 02:00:01+00"),
        Column("finished_at", TIME, "`status.finishedAt`.", "2026-03-01 02:14:31+00"),
        Column("duration_s", SECONDS, "`finished_at` − `started_at`.", "870.0"),
        Column("message", TEXT, "`status.message`.", "child 'etl-nightly-x7k2p-1' failed"),
        Column("progress", TEXT, "`status.progress`, completed/total nodes.", "9/10"),
        Column("entrypoint", TEXT, "`spec.entrypoint`, else the stored template spec's.", "main"),
        Column("service_account", TEXT, "`spec.serviceAccountName`, else the stored template spec's.", "argo-workflow"),
        Column("workflow_template", TEXT, "`spec.workflowTemplateRef.name` when namespaced, else the label "
               "`workflows.argoproj.io/workflow-template`.", "etl"),
        Column("cluster_workflow_template", TEXT, "The same for cluster-scoped templates.", ""),
        Column("cron_workflow", TEXT, "Label `workflows.argoproj.io/cron-workflow`, else the owning CronWorkflow.",
               "etl-nightly"),
        Column("scheduled_at", TIME, "Annotation `workflows.argoproj.io/scheduled-time` of cron runs.",
               "2026-03-01 02:00:00+00"),
        Column("creator", TEXT, "Label `workflows.argoproj.io/creator`, as sanitised by Argo; null when nobody "
               "was identified.", "alice"),
        Column("creator_email", TEXT, "Label `workflows.argoproj.io/creator-email` (`@` became `.at.`).",
               "alice.at.example.com"),
        Column("actor", TEXT, "Label `workflows.argoproj.io/actor`: who acted last (Argo ≥ 3.7).", "bob"),
        Column("action", TEXT, "Label `workflows.argoproj.io/action`: what the actor did (Argo ≥ 3.7).", "Retry"),
        Column("resubmitted_from", TEXT, "Label `workflows.argoproj.io/resubmitted-from-workflow`.", "etl-abcde"),
        Column("shutdown", TEXT, "`spec.shutdown`: Stop or Terminate when a person ended it.", "Terminate"),
        Column("priority", SMALL, "`spec.priority`, else the stored template spec's.", "10"),
        Column("parallelism", INT, "`spec.parallelism`, else the stored template spec's.", "5"),
        Column("node_count", SMALL, "Number of nodes.", "10"),
        Column("pod_count", SMALL, "Number of nodes of type Pod.", "6"),
        Column("retry_count", SMALL, "Attempts beyond the first: over all Retry nodes, attempts − 1.", "2"),
        Column("failed_node_count", SMALL, "Nodes in phase Failed or Error.", "3"),
        Column("cpu_s", SECONDS, "`status.resourcesDuration.cpu`: requested core-seconds.", "1200"),
        Column("memory_mib_s", SECONDS, "`status.resourcesDuration.memory` × 100: Argo counts units of 100 MiB.",
               "360000"),
        Column("gpu_s", SECONDS, "Sum over all GPU resources (names with `gpu`, NVIDIA MIG slices).", "0"),
        Column("resources_duration", INT_MAP, "`status.resourcesDuration` as Argo wrote it, any resource.",
               "{cpu: 1200, memory: 3600}"),
        Column("estimated_duration_s", INT, "`status.estimatedDuration`.", "900"),
        Column("labels", TEXT_MAP, "`metadata.labels`.", "{team: risk}"),
        Column("annotations", TEXT_MAP, "`metadata.annotations`.", "{}"),
        Column("parameters", TEXT_MAP, "`spec.arguments.parameters` as name → value.", "{date: 2026-03-01}"),
        Column("json_bytes", INT, "Size of the JSON as the source gave it.", "70656"),
        Column("source_revision", TEXT, "Fingerprint of the row in the source; a change makes a new version.", ""),
        _EXPORT_ID,
    ),
    bloom=("uid", "name"),
    unique=("uid",),
)  # fmt: skip

_NODE_KEY = (
    *_KEY,
    Column("namespace", TEXT, "Namespace of the workflow.", "data"),
    Column("workflow", TEXT, "Name of the workflow.", "etl-nightly-x7k2p"),
)
_NODE_ID = Column("node_id", TEXT, "`id` of the node, unique only within one workflow; null for the workflow's own.",
                  "etl-nightly-x7k2p-1234567")  # fmt: skip

NODES = TableSpec(
    "nodes",
    "One node of a workflow: a pod, a step group, a DAG, a retry, an exit handler, …",
    (
        *_NODE_KEY,
        Column("node_id", TEXT, "`id` of the node: unique only within one workflow.", "etl-nightly-x7k2p-1234567"),
        Column("name", TEXT, "Path of the node.", "etl-nightly-x7k2p[0].load(0)"),
        Column("display_name", TEXT, "Name shown in the UI.", "load(0)"),
        Column("type", TEXT, "Pod, Steps, StepGroup, DAG, TaskGroup, Retry, Skipped, Suspend, HTTP, Plugin, Container.",
               "Pod"),
        Column("template_name", TEXT, "Template that the node ran.", "load"),
        Column("template_ref", TEXT, "`templateRef` as `resource/template`.", "shared/load"),
        Column("template_scope", TEXT, "Where the template was found: `local/…`, `namespaced/…`, `cluster/…`.",
               "local/etl-nightly-x7k2p"),
        Column("boundary_id", TEXT, "`node_id` of the template's root node.", "etl-nightly-x7k2p"),
        Column("parent_ids", TEXTS, "`node_id`s that list this node as a child.", "[etl-nightly-x7k2p-99]"),
        Column("children", TEXTS, "`node_id`s of the children.", "[]"),
        Column("phase", TEXT, "Pending, Running, Succeeded, Skipped, Failed, Error or Omitted.", "Failed"),
        Column("message", TEXT, "Why.", "Error (exit code 137)"),
        Column("created_at", TIME, "`createdAt`; Argo up to 4.1 writes none.", ""),
        Column("started_at", TIME, "When the controller created the node.", "2026-03-01 02:00:05+00"),
        Column("finished_at", TIME, "When it ended; null if it never did.", "2026-03-01 02:00:50+00"),
        Column("duration_s", SECONDS, "`finished_at` − `started_at`: includes waiting for the pod.", "45.0"),
        Column("exit_code", INT, "`outputs.exitCode`.", "137"),
        Column("retry_attempt", SMALL, "0 for the first attempt under a Retry node, 1 for the next; null otherwise.",
               "0"),
        Column("host", TEXT, "Kubernetes node that ran the pod.", "ip-10-0-3-7"),
        Column("pod_name", TEXT, "Name of the pod; null for nodes without one.", "etl-nightly-x7k2p-load-1234567"),
        Column("image", TEXT, "Image of the main container, found through template references.", "python:3.12"),
        Column("cpu_s", SECONDS, "Requested core-seconds.", "45"),
        Column("memory_mib_s", SECONDS, "Requested mebibyte-seconds.", "4500"),
        Column("gpu_s", SECONDS, "Requested GPU-seconds.", "0"),
        Column("resources_duration", INT_MAP, "`resourcesDuration` as Argo wrote it, any resource.", "{cpu: 45}"),
        Column("estimated_duration_s", INT, "`estimatedDuration`.", "40"),
        Column("progress", TEXT, "`progress`.", "1/1"),
        Column("memoized", FLAG, "True if a memoisation cache answered instead of a pod.", "false"),
        Column("memo_key", TEXT, "`memoizationStatus.key`.", ""),
        Column("memo_cache", TEXT, "`memoizationStatus.cacheName`.", ""),
        Column("daemoned", FLAG, "True for a daemon.", "false"),
        Column("hooked", FLAG, "True for a lifecycle hook (`nodeFlag.hooked`).", "false"),
        Column("outputs_result", TEXT, "`outputs.result`: captured standard output.", "42"),
        Column("sync_waiting", TEXT, "`synchronizationStatus.waiting`: the lock it waited for.", ""),
        Column("failed_pod_restarts", SMALL, "`failedPodRestarts` (Argo ≥ 4.0).", ""),
        Column("pod_ip", TEXT, "`podIP`.", "10.8.0.12"),
        _EXPORT_ID,
    ),
    bloom=("uid", "node_id"),
    repeated=("type", "template_name", "template_ref", "template_scope", "phase", "host", "image", "progress",
              "memo_cache", "sync_waiting"),
    unique=("node_id", "name", "pod_name", "children", "parent_ids", "started_at", "finished_at"),
    prefixed=("name",),
)  # fmt: skip

_SCOPE = Column("scope", TEXT, "`workflow` (arguments, global outputs) or `node`.", "node")
_DIRECTION = Column("direction", TEXT, "`in` or `out`.", "in")

PARAMETERS = TableSpec(
    "parameters",
    "One input or output parameter of a workflow or of a node.",
    (
        *_NODE_KEY,
        _SCOPE,
        _DIRECTION,
        _NODE_ID,
        Column("name", TEXT, "Name.", "date"),
        Column("value", TEXT, "Value as text; a JSON number keeps its digits, an object is compact JSON.", "7"),
        Column("value_type", TEXT, "JSON type of the value: string, number, boolean, object, array; null if absent.",
               "string"),
        Column("default_value", TEXT, "`default`.", ""),
        Column("value_from", TEXT, "`valueFrom` as JSON.", '{"path":"/tmp/n"}'),
        Column("global_name", TEXT, "`globalName`: exported under this name.", ""),
        _EXPORT_ID,
    ),
    bloom=("uid",),
    repeated=("scope", "direction", "name", "value_type"),
    unique=("node_id",),
)  # fmt: skip

ARTIFACTS = TableSpec(
    "artifacts",
    "One input or output artifact of a workflow or of a node. Archived logs are artifacts named `…-logs`.",
    (
        *_NODE_KEY,
        _SCOPE,
        _DIRECTION,
        _NODE_ID,
        Column("name", TEXT, "Name.", "main-logs"),
        Column("path", TEXT, "Path inside the container.", "/tmp/model.bin"),
        Column("kind", TEXT, "s3, gcs, oss, azure, http, git, hdfs, artifactory, raw, plugin; null without location.",
               "s3"),
        Column("bucket", TEXT, "Bucket (azure: container) if the artifact names one; else the repository's holds.",
               "argo-logs"),
        Column("key", TEXT, "Object key (azure: blob; http, artifactory: URL; git: repo; hdfs: path).",
               "etl-nightly-x7k2p/pod/main.log"),
        Column("location", TEXT, "The location as JSON, for kinds other than s3.", ""),
        Column("global_name", TEXT, "`globalName`.", ""),
        Column("from_expression", TEXT, "`from`, else `fromExpression`.", ""),
        Column("sub_path", TEXT, "`subPath`.", ""),
        Column("optional", FLAG, "`optional`.", "false"),
        Column("deleted", FLAG, "True if Argo's artifact GC had removed it when the row was archived.", "false"),
        _EXPORT_ID,
    ),
    bloom=("uid",),
    repeated=("scope", "direction", "name", "path", "kind", "bucket"),
    unique=("key", "node_id"),
    prefixed=("key",),
)  # fmt: skip

LABELS = TableSpec(
    "labels",
    "One label of a workflow (`metadata.labels`).",
    (
        *_NODE_KEY,
        Column("name", TEXT, "Label name.", "team"),
        Column("value", TEXT, "Label value.", "risk"),
        _EXPORT_ID,
    ),
    bloom=("uid",),
    repeated=("name", "value"),
)

CONDITIONS = TableSpec(
    "conditions",
    "One entry of `status.conditions`.",
    (
        *_NODE_KEY,
        Column("type", TEXT, "Completed, PodRunning, SpecWarning, SpecError, MetricsError, ArtifactGCError.", ""),
        Column("status", TEXT, "True, False or Unknown.", "True"),
        Column("message", TEXT, "Message.", ""),
        _EXPORT_ID,
    ),
    repeated=("type", "status"),
)  # fmt: skip

IMAGES = TableSpec(
    "images",
    "One container image that a workflow ran: per template, container and role.",
    (
        *_NODE_KEY,
        Column("template_name", TEXT, "Template that names the image.", "load"),
        Column("container", TEXT, "Name of the container, `main` unless it has its own.", "main"),
        Column("role", TEXT, "main, init or sidecar.", "main"),
        Column("image", TEXT, "Image reference, input parameters filled in.", "registry.example.com/etl:1.4"),
        Column("repository", TEXT, "The reference without tag and digest.", "registry.example.com/etl"),
        Column("tag", TEXT, "Tag; null if none.", "1.4"),
        Column("digest", TEXT, "Digest; null if none.", "sha256:9f86d0…"),
        Column("pod_count", SMALL, "Pods of the workflow that ran it.", "3"),
        _EXPORT_ID,
    ),
    bloom=("uid",),
    repeated=("template_name", "container", "role", "image", "repository", "tag", "digest"),
)  # fmt: skip

RAW = TableSpec(
    "raw",
    "The workflow's JSON, lossless. Hot queries never read it.",
    (
        *_KEY,
        Column("json", TEXT, "The JSON of the archive's column `workflow`, with Argo's NUL marker restored.", "{…}"),
        _EXPORT_ID,
    ),
    bloom=("uid",),
    unique=("uid", "json"),
)

QUARANTINE = TableSpec(
    "quarantine",
    "An archived row that could not be flattened without guessing: kept whole, with the reason.",
    (
        *_KEY,
        Column("instance_id", TEXT, "The controller's instance id.", ""),
        Column("name", TEXT, "Name in the source's own column.", "etl-nightly-x7k2p"),
        Column("namespace", TEXT, "Namespace in the source's own column.", "data"),
        Column("phase", TEXT, "Phase in the source's own column.", "Failed"),
        Column("reason", TEXT, "What is wrong, and where in the JSON.", "status.startedAt: not an RFC 3339 time: 'x'"),
        Column("json", TEXT, "The JSON as the source gave it; bytes that are no UTF-8 became U+FFFD.", "{…"),
        Column("json_bytes", INT, "Its size.", "1024"),
        Column("source_revision", TEXT, "Fingerprint of the row in the source.", ""),
        _EXPORT_ID,
    ),
    by_month=False,
    unique=("uid", "json"),
)

SOURCE_EVENTS = TableSpec(
    "source_events",
    "What happened at the source to a row after its export. Data files are never rewritten for it.",
    (
        *_KEY,
        Column("kind", TEXT, "`superseded` (a newer version is in the lake), `deleted` (gone from the source), "
               "`restored` (there again), `rewritten` (another fingerprint, the same content).", "deleted"),
        Column("noticed_at", TIME, "When the export noticed.", "2026-05-01 00:10:00+00"),
        Column("source_revision", TEXT, "The row's fingerprint at the source then.", ""),
        _EXPORT_ID,
    ),
    by_month=False,
)  # fmt: skip

EXPORTS = TableSpec(
    "exports",
    "The ledger: one row per publish. A reader opens each table at the version named in the newest row.",
    (
        Column("export_id", TEXT, "Id.", "20261123T160000Z-3f9a2c"),
        Column("seq", INT, "1, 2, 3, …: the order of publishing.", "7"),
        Column("kind", TEXT, "export (workflows), index (logs), erasure or compaction.", "export"),
        Column("started_at", TIME, "Start.", "2026-11-23 16:00:00+00"),
        Column("published_at", TIME, "When readers began to see it.", "2026-11-23 16:00:41+00"),
        Column("source", TEXT, "The source, without secrets.", "postgresql://db:5432/argo"),
        Column("source_id", TEXT, "Identity of the source that survives another host name.", "pg:7412345678901/argo"),
        Column("selection", TEXT, "Filters of the export, as JSON.", "{}"),
        Column("new", INT, "Workflows seen for the first time; of an index run: logs.", "120"),
        Column("changed", INT, "Workflows archived again with another content; of an index run: logs.", "3"),
        Column("deleted", INT, "Workflows found gone from the source; of an index run: log objects.", "0"),
        Column("unchanged", INT, "Workflows left alone; of an index run: logs.", "10240"),
        Column("quarantined", INT, "Rows that went to `quarantine`.", "0"),
        Column("table_versions", pa.map_(TEXT, INT), "Delta version of every table at this publish.", "{nodes: 4}"),
        Column("table_rows", pa.map_(TEXT, INT), "Rows that this publish added, per table.", "{nodes: 3600}"),
        Column("table_bytes", pa.map_(TEXT, INT), "Bytes of data files that it added, per table.", "{nodes: 81920}"),
        Column("table_sha256", TEXT_MAP, "Per table, SHA-256 over the added data files' own, in path order.", ""),
        Column("total_versions", INT, "Workflow states in the lake after this publish.", "10363"),
        Column("superseded_versions", INT, "How many of them are no longer the latest.", "3"),
        Column("total_logs", INT, "Rows ever written to `log_objects`: the highest `log_id`.", "52000"),
        Column("superseded_logs", INT, "How many of them a later index run replaced.", "12"),
        Column("dead_texts", INT, "Indexed texts whose object has changed since.", "4"),
        Column("schema_version", SMALL, "Version of the meaning of the columns.", "1"),
        Column("tool_version", TEXT, "Version of kubectl argo-archive.", "0.1.0"),
    ),
    by_month=False,
)  # fmt: skip

WORKFLOW_TABLES: tuple[TableSpec, ...] = (WORKFLOWS, NODES, PARAMETERS, ARTIFACTS, LABELS, CONDITIONS, IMAGES, RAW)
"""Tables that flattening fills, in the order in which they are committed."""

TABLES: tuple[TableSpec, ...] = (*WORKFLOW_TABLES, QUARANTINE, SOURCE_EVENTS, EXPORTS)
"""What every lake has from its first export on; the ledger comes last because it is published last."""

STORED: tuple[TableSpec, ...] = (*TABLES[:-1], *(table for table in LOG_TABLES if not table.virtual), EXPORTS)
"""All tables that a lake may have, in the order in which they are committed."""

DOCUMENTED: tuple[TableSpec, ...] = (*TABLES[:-1], *(table for table in LOG_TABLES if not table.hidden), EXPORTS)
"""All tables that SQL may name, those included that are made from others."""

BY_NAME: dict[str, TableSpec] = {table.name: table for table in (*DOCUMENTED, *STORED)}
