"""The referee's rules for single values; see ``oracle.py``."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

KINDS = ("s3", "gcs", "oss", "azure", "http", "git", "hdfs", "artifactory", "raw", "plugin")
KEY_OF_KIND = {
    "s3": "key", "gcs": "key", "oss": "key", "azure": "blob", "http": "url", "git": "repo", "hdfs": "path",
    "artifactory": "url", "plugin": "key",
}  # fmt: skip

Row = dict[str, Any]


class Number:
    """A JSON number, as it is written."""

    def __init__(self, text: str) -> None:
        self.text = text


def parse(text: str) -> Any:
    """JSON in which numbers keep their spelling."""
    return json.loads(text, parse_int=Number, parse_float=Number)


def ran(node: Row) -> bool:
    hit = (node.get("memoizationStatus") or {}).get("hit") is True
    return node.get("phase") not in ("Skipped", "Omitted") and not hit


def artifact_location(artifact: Row) -> Row:
    for kind in KINDS:
        location = artifact.get(kind)
        if location is not None:
            return {
                "kind": kind,
                "bucket": location.get(
                    {"s3": "bucket", "gcs": "bucket", "oss": "bucket", "azure": "container"}.get(kind)
                ),
                "key": location.get(KEY_OF_KIND.get(kind)),
                "location": None if kind == "s3" else compact(location),
            }
    return {"kind": None, "bucket": None, "key": None, "location": None}


def resources(duration: dict[str, Any] | None) -> Row:
    if duration is None:
        return {"cpu_s": None, "memory_mib_s": None, "gpu_s": None, "resources_duration": None}
    counted = {resource: integer(amount) for resource, amount in duration.items()}
    gpus = [amount or 0 for resource, amount in counted.items() if "gpu" in resource or "nvidia.com/mig-" in resource]
    cpu, memory = counted.get("cpu"), counted.get("memory")
    return {
        "cpu_s": None if cpu is None else float(cpu),
        "memory_mib_s": None if memory is None else float(memory * 100),
        "gpu_s": float(sum(gpus)),
        "resources_duration": counted,
    }


def split_image(image: str) -> Row:
    name, _, digest = image.partition("@")
    colon = name.rfind(":")
    has_tag = colon > name.rfind("/")
    return {
        "repository": name[:colon] if has_tag else name,
        "tag": name[colon + 1 :] if has_tag else None,
        "digest": digest or None,
    }


def fnv32a(text: str) -> int:
    state = 2166136261
    for byte in text.encode():
        state = (state ^ byte) * 16777619 % 2**32
    return state


def time(text: str | None) -> datetime | None:
    """An RFC 3339 time.

    Raises:
        ValueError: it is none.
    """
    if text is None or text == "0001-01-01T00:00:00Z":
        return None
    match = re.fullmatch(
        r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))", text, re.ASCII
    )
    if match is None:
        raise ValueError(f"not an RFC 3339 time: {text!r}")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    micros = int((match[7] or "0").ljust(6, "0")[:6])
    offset = timedelta(hours=int(match[9] or 0), minutes=int(match[10] or 0)) * (-1 if match[8] == "-" else 1)
    return datetime(year, month, day, hour, minute, second, micros, timezone(offset)).astimezone(UTC)


def period(holder: Row) -> Row:
    started, finished = time(holder.get("startedAt")), time(holder.get("finishedAt"))
    duration = None if started is None or finished is None else (finished - started).total_seconds()
    return {"started_at": started, "finished_at": finished, "duration_s": duration}


def first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def integer(value: Any) -> int | None:
    return int(value.text) if isinstance(value, Number) else None


def exit_code(value: Any) -> int | None:
    text = as_text(value)
    return int(text) if text is not None and re.fullmatch(r"[+-]?[0-9]+", text) else None


def json_type(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "boolean"
    return {Number: "number", str: "string", dict: "object", list: "array"}[type(value)]


def as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return compact(value)


def compact(value: Any) -> str:
    """JSON without spaces, in the document's order and spelling of numbers."""
    if isinstance(value, Number):
        return value.text
    if isinstance(value, dict):
        return "{" + ",".join(f"{compact(key)}:{compact(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(compact(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)
