"""``python -m bench.logs_lake RAW LAKE``: index the files of a folder; a process of its own, so that its memory can
be measured. Everything that an index run does is in it, but the bucket that the objects would come from."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from kubectl_argo_archive.connect import open_lake
from kubectl_argo_archive.logs.ref import LogRef
from kubectl_argo_archive.logs.segment import SegmentWriter
from kubectl_argo_archive.tables.log_schema import LOG_OBJECTS, LOG_TABLES

MONTH, RUN = "2026-03", "bench"
_AROUND = datetime(2026, 3, 5, tzinfo=UTC)
_CHUNK = 1 << 20


def main() -> None:
    """Index, and print what it took."""
    raw, lake = Path(sys.argv[1]), sys.argv[2]
    began, cpu = time.perf_counter(), time.process_time()
    rows: list[dict[str, Any]] = []
    with open_lake(lake).writer(RUN, [spec for spec in LOG_TABLES if not spec.virtual]) as writer:
        segments = SegmentWriter(writer.files, RUN)
        for number, path in enumerate(sorted(raw.iterdir()), 1):
            ref = LogRef(
                number,
                "default",
                f"uid-{number}",
                1,
                "data",
                f"wf-{number}",
                "load",
                f"wf-{number}-1",
                "main",
                "logs",
                path.name,
                MONTH,
                _AROUND,
            )
            facts = segments.add(ref, _chunks(path))
            rows.append(
                {
                    "log_id": number,
                    "text_id": number,
                    "cluster": "default",
                    "uid": ref.uid,
                    "version": 1,
                    "namespace": "data",
                    "workflow": ref.workflow,
                    "node_id": ref.node_id,
                    "container": "main",
                    "kind": "s3",
                    "bucket": "logs",
                    "key": path.name,
                    "status": "indexed",
                    "lines": facts.lines,
                    "text_bytes": facts.size,
                    "first_at": facts.first_at,
                    "last_at": facts.last_at,
                    "export_id": RUN,
                }
            )
        segments.close()
        writer.files.append(LOG_OBJECTS, MONTH, pa.Table.from_pylist(rows, LOG_OBJECTS.schema))
        published = writer.publish({"kind": "index", "total_logs": len(rows), "new": len(rows)})
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - began,
                "cpu_s": time.process_time() - cpu,
                "bytes": sum(row["text_bytes"] for row in rows),
                "lines": sum(row["lines"] for row in rows),
                "tables": published["table_bytes"],
                "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            }
        )
    )


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


if __name__ == "__main__":
    main()
