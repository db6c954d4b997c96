"""What the reader of objects and the builder of the line store tell each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class LogRef:
    """One text that is being indexed.

    Attributes:
        log_id: unique in the lake, ascending from text to text; the lines are stored under it.
        cluster: of the workflow.
        uid: of the workflow.
        version: first archived state of the workflow that has this log.
        namespace: of the workflow.
        workflow: its name.
        template: that the node ran.
        node_id: the Pod node.
        container: ``main``, or a name in a container set.
        bucket: of the object.
        key: of the object.
        month: partition, None for workflows that never finished.
        around: when the log was written, roughly: the year for times in it that have none. UTC.
    """

    log_id: int
    cluster: str
    uid: str
    version: int
    namespace: str
    workflow: str
    template: str
    node_id: str
    container: str
    bucket: str
    key: str
    month: str | None
    around: datetime


@dataclass(frozen=True, slots=True)
class LineFacts:
    """What the builder found in one text.

    Attributes:
        size: bytes.
        lines: how many; a last line without its newline counts.
        first_at: earliest time in the lines.
        last_at: latest time in the lines.
        levels: lines per level.
    """

    size: int
    lines: int
    first_at: datetime | None = None
    last_at: datetime | None = None
    levels: dict[str, int] = field(default_factory=dict)
