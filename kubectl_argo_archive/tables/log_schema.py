"""The tables of logs: which objects there are, what became of them, their lines and the search index over these.

They come into being with the first ``index``; a lake without logs has none of them.
"""

from __future__ import annotations

import pyarrow as pa

from kubectl_argo_archive.tables.spec import INT, INT_MAP, SMALL, TEXT, TIME, Column, TableSpec

_CLUSTER = Column("cluster", TEXT, "Argo's `persistence.clusterName`.", "default")
_UID = Column("uid", TEXT, "`metadata.uid` of the workflow.", "6522aff1-1e01-11ea-b443-42010aa80075")
_NODE_KEY = (
    Column("namespace", TEXT, "Namespace of the workflow.", "data"),
    Column("workflow", TEXT, "Name of the workflow.", "etl-nightly-x7k2p"),
    Column("node_id", TEXT, "The Pod node that wrote the log; joins `nodes` with cluster and uid.",
           "etl-nightly-x7k2p-1234567"),
    Column("container", TEXT, "Container: `main`, or its name in a container set.", "main"),
)  # fmt: skip
_EXPORT_ID = Column("export_id", TEXT, "The index run that wrote the row; joins `exports`.", "20261123T160000Z-3f9a2c")

LOG_OBJECTS = TableSpec(
    "log_objects",
    "One archived pod log: where it lies and what became of it. In SQL, `log_objects` shows the newest state of each "
    "log and `log_object_versions` all of them. Joins `nodes` on cluster, uid and node_id.",
    (
        Column("log_id", INT, "Id of the row, unique in the lake.", "4711"),
        _CLUSTER,
        _UID,
        Column("version", SMALL, "First archived state of the workflow that has this log.", "1"),
        *_NODE_KEY,
        Column("template_name", TEXT, "Template that the node ran.", "load"),
        Column("pod_name", TEXT, "Name of the pod.", "etl-nightly-x7k2p-load-1234567"),
        Column("attempt", SMALL, "0 for the first attempt under a Retry node, 1 for the next; null otherwise.", "0"),
        Column("phase", TEXT, "Phase of the node.", "Failed"),
        Column("exit_code", INT, "Exit code of the node.", "137"),
        Column("node_started_at", TIME, "When the node started.", "2026-03-01 02:00:05+00"),
        Column("node_finished_at", TIME, "When it ended; null if it never did.", "2026-03-01 02:00:50+00"),
        Column("kind", TEXT, "Kind of storage: s3, gcs, oss, azure, …", "s3"),
        Column("endpoint", TEXT, "Endpoint that Argo recorded, as a URL; empty for the cloud's own.", "http://minio:9000"),
        Column("region", TEXT, "Region that Argo recorded.", "eu-central-1"),
        Column("bucket", TEXT, "Bucket (azure: container).", "argo-logs"),
        Column("key", TEXT, "Key of the object.", "etl-nightly-x7k2p/etl-nightly-x7k2p-load-1234567/main.log"),
        Column("key_source", TEXT, "`recorded` by Argo on the node, or `rebuilt` from the repository's keyFormat.",
               "recorded"),
        Column("status", TEXT, "indexed; missing (no such object); empty (0 bytes); overwritten (what lies there was "
               "written after the node ended, or belongs to a later attempt); ambiguous (two workflows name the key); "
               "too_large; unreadable (damaged, encrypted, no permission: see message).", "indexed"),
        Column("message", TEXT, "Why, where the status needs a reason.", "the gzip data ends early"),
        Column("size", INT, "Bytes of the object.", "48211"),
        Column("etag", TEXT, "Its ETag.", "9bb58f26192e4ba00f01e2e7b136bbd8"),
        Column("object_version", TEXT, "Its version id in a bucket that keeps versions.", ""),
        Column("modified_at", TIME, "When it was written.", "2026-03-01 02:00:52+00"),
        Column("compression", TEXT, "gzip, zstd, xz, tar+gzip, …; null for plain text.", "gzip"),
        Column("text_bytes", INT, "Bytes of its text, decompressed.", "48211"),
        Column("lines", INT, "Lines of the text.", "512"),
        Column("first_at", TIME, "Earliest time in it.", "2026-03-01 02:00:06.123+00"),
        Column("last_at", TIME, "Latest time in it.", "2026-03-01 02:00:49.9+00"),
        Column("levels", INT_MAP, "Lines per level.", "{INFO: 500, ERROR: 3}"),
        Column("masked", INT, "Values that look like secrets and were masked before indexing.", "0"),
        Column("mask_rules", INT_MAP, "The same per rule.", "{aws-access-key-id: 1}"),
        Column("text_id", INT, "`log_id` under which `log_lines` holds the text; null if it is not there.", "4711"),
        Column("indexed_at", TIME, "When it was looked at.", "2026-03-02 00:00:10+00"),
        _EXPORT_ID,
    ),
    bloom=("uid",),
    unique=("key", "etag", "object_version"),
    prefixed=("node_id", "key", "pod_name"),
    optional=True,
)  # fmt: skip

LOG_EVENTS = TableSpec(
    "log_events",
    "What became of rows of `log_objects` after their index run. Data files are never rewritten for it.",
    (
        _CLUSTER,
        _UID,
        Column("log_id", INT, "The row.", "4711"),
        Column("kind", TEXT, "`superseded` (a newer row describes this log), `text_superseded` (its text is no longer "
               "that of the object), `gone` (the object has left its bucket), `back` (it is there again).", "gone"),
        Column("noticed_at", TIME, "When an index run noticed.", "2026-05-01 00:10:00+00"),
        _EXPORT_ID,
    ),
    by_month=False,
    optional=True,
)  # fmt: skip

LOG_ORPHANS = TableSpec(
    "log_orphans",
    "An object that looks like a pod's log and that no workflow of the lake names. Rows of the newest `export_id` are "
    "what `index --orphans` found last.",
    (
        Column("kind", TEXT, "Kind of storage.", "s3"),
        Column("bucket", TEXT, "Bucket.", "argo-logs"),
        Column("key", TEXT, "Key of the object.", "old-run/old-run-load-1/main.log"),
        Column("size", INT, "Bytes.", "48211"),
        Column("modified_at", TIME, "When it was written.", "2024-03-01 02:00:52+00"),
        _EXPORT_ID,
    ),
    by_month=False,
    unique=("key",),
    prefixed=("key",),
    optional=True,
)

LOG_LINES = TableSpec(
    "log_lines",
    "One line of an archived pod log.",
    (
        _CLUSTER,
        _UID,
        *_NODE_KEY,
        Column("log_id", INT, "The text that it belongs to: `text_id` of `log_objects`.", "4711"),
        Column("line_no", INT, "Number of the line, from 1.", "17"),
        Column("byte_offset", INT, "Where the line begins in the (decompressed) object.", "1432"),
        Column("at", TIME, "Time in the line; null if it has none.", "2026-03-01 02:00:06.123+00"),
        Column("level", TEXT, "Level in the line: TRACE, DEBUG, INFO, WARN, ERROR, FATAL; null if it has none.",
               "ERROR"),
        Column("group_no", INT, "Lines of one entry, such as a stack trace, share it: the first line's number.", "17"),
        Column("message", TEXT, "The line; bytes that are no UTF-8 became U+FFFD.", "connection refused"),
        _EXPORT_ID,
    ),
    optional=True,
    virtual=True,
)  # fmt: skip

LOG_BLOCKS = TableSpec(
    "log_blocks",
    "A piece of the text of one log, whole lines, at most 1 MiB. A row group holds about 1 MiB of text: one block of "
    "the search index. `log_lines` shows its lines.",
    (
        Column("block", INT, "Block of the search index; the rows of one block share a row group.", "4940890112"),
        Column("log_id", INT, "The text: `text_id` of `log_objects`.", "4711"),
        Column("part", SMALL, "0; of a line longer than a block: 1 for its first piece, 2 for the next one.", "0"),
        Column("first_line", INT, "Number of the first line, from 1.", "1"),
        Column("byte_offset", INT, "Where the piece begins in the (decompressed) object.", "0"),
        Column("text", TEXT, "The text, newlines included; bytes that are no UTF-8 became U+FFFD.", ""),
        Column("raw", pa.binary(), "The bytes, where they are not those of `text`.", ""),
        Column("offsets", pa.list_(pa.field("element", INT)), "Where every 64th line begins in the piece; "
               "every line if `raw` is given; null for up to 64 lines.", "[0, 6531]"),
        Column("levels", TEXT, "One digit a line: 0 none, 1 TRACE, 2 DEBUG, 3 INFO, 4 WARN, 5 ERROR, 6 FATAL.", "3335"),
        Column("groups", pa.list_(pa.field("element", INT)), "Per line the first line of its entry; null if each line "
               "is one.", "[17, 18, 18]"),
        Column("at_start", SMALL, "Where times that SQL can read stand in each line, from 0; else null.", "0"),
        Column("at_size", SMALL, "Their length.", "24"),
        Column("entry_at", TIME, "Time of the entry that goes on from the piece before.", ""),
        Column("times", pa.list_(pa.field("element", TIME)), "Times per line, where SQL cannot read them.", ""),
        Column("first_at", TIME, "Earliest time.", "2026-03-01 02:00:06.123+00"),
        Column("last_at", TIME, "Latest time.", "2026-03-01 02:00:49.9+00"),
    ),
    optional=True,
    hidden=True,
)  # fmt: skip

LOG_GRAMS = TableSpec(
    "log_grams",
    "The search index of one segment (up to 1024 blocks), bit-sliced: one row for each value of a hash of the strings "
    "of 5 (and 3) bytes; bit `i` says whether block `segment + i` has a string with this hash. See docs/logs.md.",
    (
        Column("segment", INT, "First block.", "4940890112"),
        Column("slot", SMALL, "Hash value: below 524288 of 5 bytes, from there on of 3.", "77123"),
        Column("bits", pa.binary(), "Bit `i` is bit `i % 8`, counted from the lowest, of byte `i / 8`.", ""),
    ),
    optional=True,
    hidden=True,
)  # fmt: skip

LOG_TABLES: tuple[TableSpec, ...] = (
    LOG_OBJECTS,
    LOG_EVENTS,
    LOG_ORPHANS,
    LOG_BLOCKS,
    LOG_GRAMS,
    LOG_LINES,
)
"""All tables of logs, those for SQL only included, in the order in which they are committed."""
