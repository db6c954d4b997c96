"""What is wrong with evidence: one value per finding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal[
    "modified", "missing", "inserted", "reordered", "truncated tail", "re-signed", "wrong key", "gap"
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One object that is not what was sealed.

    Attributes:
        kind: what happened to it.
        object: the file, relative to the lake, or the record as ``cluster/uid/version``.
        message: what is wrong, one sentence.
        cluster: whose chain it belongs to; None if to all.
        number: of the digest that covers it.
        records: workflow versions concerned, as ``cluster/uid/version``, as far as they can be told.
    """

    kind: Kind
    object: str
    message: str
    cluster: str | None = None
    number: int | None = None
    records: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "kind": self.kind,
            "object": self.object,
            "message": self.message,
            "cluster": self.cluster,
            "number": self.number,
            "records": list(self.records),
        }
