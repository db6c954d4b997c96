"""Log lines clustered into patterns: what a line says, without its numbers, ids and names.

Two steps. DuckDB replaces every token that holds a digit and counts what is left: hundreds of thousands of lines a
second. Then the few thousand texts that remain are merged as Drain does it at the leaves of its tree: same template,
same number of tokens, most of them equal. The library drain3 looks at a line at a time and came to 8 000 lines a
second on the logs of the demo, where this way came to 230 000.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from kubectl_argo_archive.errors import LakeError
from kubectl_argo_archive.lake.lake import Lake
from kubectl_argo_archive.logs.workspace import Workspace

WILDCARD = "<*>"
SIMILAR = 0.7
_VARIABLE = r"""[^\s=:,;"'`()\[\]{}<>|/@]*[0-9][^\s=,;"'`()\[\]{}<>|/@]*"""
_LONGEST = 1000
_DISTINCT = 100_000
_BUCKET = 300
"""So many patterns are compared with each other; what comes after them is rare and stays by itself."""

_COUNTED = f"""
WITH chosen AS (
    SELECT o.text_id, o.template_name, o.node_id, o.node_finished_at, o.uid, n.phase IN ('Failed', 'Error') AS failed
    FROM log_objects o JOIN nodes n USING (cluster, uid, node_id)
    WHERE o.text_id IS NOT NULL AND ($template IS NULL OR o.template_name = $template)
      AND (len($namespaces) = 0 OR o.namespace IN (SELECT unnest($namespaces::VARCHAR[])))
      AND ($since::TIMESTAMPTZ IS NULL OR o.node_finished_at >= $since::TIMESTAMPTZ)
), seen AS (
    SELECT c.*, regexp_replace(left(l.message, {_LONGEST}), $variable, '{WILDCARD}', 'g') AS pattern,
        l.message, l.level, coalesce(l."at", c.node_finished_at) AS happened_at
    FROM log_lines l JOIN chosen c ON l.log_id = c.text_id
    WHERE trim(l.message) <> '' AND (len($levels) = 0 OR l.level IN (SELECT unnest($levels::VARCHAR[])))
)
SELECT template_name, pattern, count(*) AS lines, count(DISTINCT (uid, node_id)) AS logs,
    count(DISTINCT (uid, node_id)) FILTER (failed) AS failed_logs,
    count(DISTINCT (uid, node_id)) FILTER (NOT failed) AS succeeded_logs,
    min(happened_at) AS first_at, max(happened_at) AS last_at, max(level) AS level, min(message) AS example
FROM seen GROUP BY template_name, pattern
ORDER BY lines DESC, template_name, pattern LIMIT {_DISTINCT}"""


@dataclass(slots=True)
class Pattern:
    """One pattern of the lines of one template.

    Attributes:
        template: of the nodes.
        pattern: the text, with ``<*>`` for what varies.
        lines: lines of this pattern.
        logs: logs that have it (an upper bound where patterns were merged).
        failed_logs: those of failed nodes.
        succeeded_logs: those of nodes that did not fail.
        first_at: earliest line.
        last_at: latest line.
        level: highest-sorting level of its lines, None if they have none.
        example: one of its lines.
    """

    template: str | None
    pattern: str
    lines: int
    logs: int
    failed_logs: int
    succeeded_logs: int
    first_at: datetime | None
    last_at: datetime | None
    level: str | None
    example: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        found = asdict(self)
        for name in ("first_at", "last_at"):
            found[name] = found[name].isoformat().replace("+00:00", "Z") if found[name] else None
        return found


@dataclass(frozen=True, slots=True)
class PatternFilter:
    """Which lines to look at, and which patterns to show.

    Attributes:
        namespaces: of the workflows; empty for all.
        template: of the nodes.
        levels: of the lines; empty for all.
        since: only nodes that ended then or later.
        new_since: only patterns that were never seen before.
        failed_only: only patterns of failed nodes that no other node of the same template has.
    """

    namespaces: tuple[str, ...] = ()
    template: str | None = None
    levels: tuple[str, ...] = ()
    since: datetime | None = None
    new_since: datetime | None = None
    failed_only: bool = False


def patterns(lake: Lake, wanted: PatternFilter) -> list[Pattern]:
    """The patterns of the lake's lines, the most frequent first.

    Raises:
        LakeError: there is no lake, or it was never indexed.
    """
    snapshot = lake.snapshot()
    if "log_objects" not in snapshot.versions:
        raise LakeError("the lake's logs were never indexed", "run 'kubectl argo-archive index' first")
    values = {
        "template": wanted.template, "namespaces": list(wanted.namespaces), "levels": list(wanted.levels),
        "since": wanted.since, "variable": _VARIABLE,
    }  # fmt: skip
    with Workspace(snapshot, lake.storage, ("log_lines", "log_objects", "nodes")) as space:
        counted = (Pattern(row.pop("template_name"), **row) for row in space.rows(_COUNTED, values))
        merged = list(merge(counted))
    kept = [pattern for pattern in merged if _wanted(pattern, wanted)]
    return sorted(kept, key=lambda pattern: (-pattern.lines, pattern.template or "", pattern.pattern))


def _wanted(pattern: Pattern, wanted: PatternFilter) -> bool:
    if wanted.failed_only and (pattern.succeeded_logs or not pattern.failed_logs):
        return False
    new = wanted.new_since
    return new is None or (pattern.first_at is not None and pattern.first_at >= new)


def merge(found: Iterable[Pattern]) -> Iterator[Pattern]:
    """Merge patterns of one template that differ in few tokens."""
    buckets: dict[tuple[str | None, int, str], list[tuple[list[str], Pattern]]] = {}
    for pattern in found:
        tokens = pattern.pattern.split()
        bucket = buckets.setdefault((pattern.template, len(tokens), tokens[0] if tokens else ""), [])
        near = next((each for each in bucket if _similar(each[0], tokens)), None) if len(bucket) <= _BUCKET else None
        if near is None:
            bucket.append((tokens, pattern))
            continue
        known, into = near
        known[:] = [a if a == b else WILDCARD for a, b in zip(known, tokens, strict=True)]
        _add(into, pattern)
    for bucket in buckets.values():
        for tokens, pattern in bucket:
            pattern.pattern = " ".join(tokens)
            yield pattern


def _similar(known: list[str], tokens: list[str]) -> bool:
    """Whether enough words are the same; what varies anyway says nothing."""
    said = [(a, b) for a, b in zip(known, tokens, strict=True) if WILDCARD not in a or WILDCARD not in b]
    same = sum(a in (b, WILDCARD) for a, b in said)
    return same >= SIMILAR * len(said) and same > 0 if said else known == tokens


def _add(into: Pattern, other: Pattern) -> None:
    for name in ("lines", "logs", "failed_logs", "succeeded_logs"):
        setattr(into, name, getattr(into, name) + getattr(other, name))
    into.first_at = min((at for at in (into.first_at, other.first_at) if at), default=None)
    into.last_at = max((at for at in (into.last_at, other.last_at) if at), default=None)
    into.level = max(into.level or "", other.level or "") or None
