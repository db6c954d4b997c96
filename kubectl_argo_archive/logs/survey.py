"""What lies in the stores: every object that a log of the lake may be, looked up in as few requests as it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any

import pyarrow as pa

from kubectl_argo_archive.errors import ArgoArchiveError, StorageError
from kubectl_argo_archive.logs.workspace import Workspace
from kubectl_argo_archive.storage.objects import Objects, Place
from kubectl_argo_archive.tables.spec import FLAG, INT, TEXT, TIME

WINDOW = 20_000
FACTS = pa.schema([
    ("kind", TEXT), ("endpoint", TEXT), ("bucket", TEXT), ("key", TEXT), ("present", FLAG), ("size", INT),
    ("etag", TEXT), ("modified_at", TIME), ("problem", TEXT),
])  # fmt: skip

Opener = Callable[[Place], Objects]


@dataclass(slots=True)
class Stores:
    """The stores that a run needs, each opened once.

    Attributes:
        opener: opens a bucket.
        problems: stores that cannot be used → why.
    """

    opener: Opener
    problems: dict[Place, ArgoArchiveError] = field(default_factory=dict)
    _open: dict[tuple[str, str, str], Objects] = field(default_factory=dict)

    def get(self, place: Place) -> Objects:
        """The objects of a bucket.

        Raises:
            ConfigError: it cannot be opened.
        """
        key = (place.kind, place.endpoint, place.bucket)
        if key not in self._open:
            self._open[key] = self.opener(place)
        return self._open[key]

    @property
    def requests(self) -> int:
        """Requests sent so far."""
        return sum(objects.traffic.requests for objects in self._open.values())

    @property
    def bytes(self) -> int:
        """Bytes read so far."""
        return sum(objects.traffic.bytes for objects in self._open.values())


def survey(space: Workspace, stores: Stores, looked: Callable[[int], None] = lambda count: None) -> None:
    """Fill table ``facts`` for all objects of table ``wanted_objects``.

    Args:
        space: has ``wanted_objects``: kind, endpoint, region, bucket, key.
        stores: opens buckets; learns which of them cannot be used.
        looked: is told how many keys were looked up since the last call.

    Raises:
        UnreachableError, StorageError, ConfigError: none of the stores can be used.
    """
    space.make("facts", FACTS)
    rows = space.rows(
        "SELECT kind, endpoint, bucket, key, max(region) AS region FROM wanted_objects GROUP BY ALL "
        "ORDER BY kind, endpoint, bucket, key"
    )
    used = 0
    for _, group in groupby(rows, key=lambda row: (row["kind"], row["endpoint"], row["bucket"])):
        used += 1
        space.insert("facts", _of_bucket(group, stores, looked), FACTS)
    if stores.problems and len(stores.problems) == used:
        raise next(iter(stores.problems.values()))


def _of_bucket(
    rows: Iterator[dict[str, Any]], stores: Stores, looked: Callable[[int], None]
) -> Iterator[dict[str, Any]]:
    problem: ArgoArchiveError | None = None
    while window := list(islice(rows, WINDOW)):
        first = window[0]
        place = Place(first["kind"], first["bucket"], first["endpoint"], first["region"] or "")
        found: dict[str, Any] = {}
        if problem is None:
            try:
                if not place.bucket:
                    raise StorageError("it is not recorded in which bucket the log lies", "name it with --bucket")
                found = stores.get(place).look_up([row["key"] for row in window])
            except ArgoArchiveError as error:
                problem = stores.problems[place] = error
        for row in window:
            facts = found.get(row["key"])
            yield {
                **{name: row[name] for name in ("kind", "endpoint", "bucket", "key")},
                "present": facts is not None,
                "size": facts.size if facts else None,
                "etag": facts.etag if facts else None,
                "modified_at": facts.modified if facts else None,
                "problem": problem.message if problem else None,
            }
        looked(len(window))
