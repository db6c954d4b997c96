"""The index run on one screen: which logs there should be, what lies in the stores, read what is new, publish."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kubectl_argo_archive.argo.log_keys import LogStore
from kubectl_argo_archive.errors import LakeError
from kubectl_argo_archive.lake.lake import Lake, LakeWriter
from kubectl_argo_archive.logs import claims, decide
from kubectl_argo_archive.logs.claims import Chosen, collect
from kubectl_argo_archive.logs.decide import Amount, Rules
from kubectl_argo_archive.logs.orphans import write_orphans
from kubectl_argo_archive.logs.result import IndexResult
from kubectl_argo_archive.logs.survey import Opener, Stores, survey
from kubectl_argo_archive.logs.workspace import Workspace
from kubectl_argo_archive.logs.write import Writer
from kubectl_argo_archive.tables.log_schema import LOG_TABLES
from kubectl_argo_archive.tables.memory import peak_memory

KIND = "index"


@dataclass(slots=True)
class Watcher:
    """Who wants to know how far the run is.

    Attributes:
        looked: called with the number of objects looked up since the last call.
        planned: called with the objects and bytes that will be read, per publish.
        advance: called with objects and bytes done since the last call.
    """

    looked: Callable[[int], None] = lambda count: None
    planned: Callable[[int, int], None] = lambda objects, size: None
    advance: Callable[[int, int], None] = lambda objects, size: None


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """What a person can choose.

    Attributes:
        chosen: which workflows; ``after_seq`` is found out.
        rules: sizes and times.
        mask: whether values that look like secrets are masked.
        full: look at all workflows again, not only at those exported since the last run.
        dry_run: only say what would be done.
        orphans: list whole buckets for logs that no workflow names.
        default_store: the store of workflows that record none.
        at_once: objects that are fetched at once.
    """

    chosen: Chosen = field(default_factory=Chosen)
    rules: Rules = field(default_factory=Rules)
    mask: bool = True
    full: bool = False
    dry_run: bool = False
    orphans: bool = False
    default_store: LogStore | None = None
    at_once: int = 32


def index(
    lake: Lake, opener: Opener, options: IndexOptions | None = None, watcher: Watcher | None = None
) -> IndexResult:
    """Bring the lake's logs up to date with the stores.

    Args:
        lake: with exported workflows.
        opener: opens a bucket.
        options: see there.
        watcher: is told about progress.

    Raises:
        LakeError: there is no lake, or another writer has it.
        ConfigError, StorageError, StorageUnreachable: the stores or the lake cannot be read or written; nothing of
            the current publish is visible.
    """
    clock = time.monotonic()
    options, watcher = options or IndexOptions(), watcher or Watcher()
    result = IndexResult(None, lake.storage.location.display, dry_run=options.dry_run)
    stores = Stores(opener)
    before = lake.snapshot()
    result.index_id = before.export_id
    if options.dry_run:
        with _prepared(lake, before, stores, options, watcher) as space:
            amount = decide.decide(space, options.rules)
            result.read, result.bytes, result.unchanged = amount.objects, amount.bytes, amount.unchanged
    else:
        while not _publish_slice(lake, stores, options, watcher, result):
            pass
        _count_objects(lake, result)
    result.requests, result.bytes = stores.requests, stores.bytes or result.bytes
    result.problems = [f"{place.url}: {error.message}" for place, error in stores.problems.items()]
    result.seconds = round(time.monotonic() - clock, 3)
    result.peak_memory_bytes = peak_memory()
    return result


def _publish_slice(lake: Lake, stores: Stores, options: IndexOptions, watcher: Watcher, result: IndexResult) -> bool:
    """One publish; True if nothing is left to do."""
    started = datetime.now(UTC)
    index_id = f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    with lake.writer(index_id, [table for table in LOG_TABLES if not table.virtual]) as lake_writer:
        if lake_writer.before is None:
            raise LakeError(f"there is nothing in {lake.storage.location.display}", "run 'export' first")
        with _prepared(lake, lake_writer.before, stores, options, watcher) as space:
            amount = decide.decide(space, options.rules)
            watcher.planned(amount.objects, amount.bytes)
            writer = Writer(lake_writer, index_id, stores, options.mask, options.at_once, watcher.advance)
            writer.write(space)
            if options.orphans and amount.complete:
                result.orphans = write_orphans(space, stores, lake_writer.files, index_id)
            through = _through(space, options, amount)
            moved = through != _watermark(space)
        result.unchanged = amount.unchanged
        writer.add_to(result)
        if writer.wrote or moved or result.orphans is not None:
            row = lake_writer.publish(_ledger(lake_writer, writer, amount, options, started, through))
            result.index_id, result.published = index_id, True
            for name, rows in row["table_rows"].items():
                added = result.tables.setdefault(name, {"rows": 0, "bytes": 0})
                added["rows"] += rows
                added["bytes"] += row["table_bytes"][name]
    return amount.complete


class _prepared:
    """``with _prepared(…) as space:`` a workspace in which everything is looked up."""

    def __init__(self, lake: Lake, before: Any, stores: Stores, options: IndexOptions, watcher: Watcher) -> None:
        self._space = Workspace(before, lake.storage, (*claims.TABLES, *decide.TABLES))
        try:
            chosen = options.chosen
            if not options.full:
                chosen = Chosen(_watermark(self._space), chosen.namespaces, chosen.since, chosen.until, chosen.uids)
            collect(self._space, chosen, options.default_store)
            decide.compare(self._space, options.chosen)
            survey(self._space, stores, watcher.looked)
        except BaseException:
            self._space.__exit__(None, None, None)
            raise

    def __enter__(self) -> Workspace:
        return self._space

    def __exit__(self, *error: Any) -> None:
        self._space.__exit__(*error)


def _watermark(space: Workspace) -> int:
    """The newest publish whose workflows a former run has looked at, all of them."""
    selections: Iterator[dict[str, Any]] = space.rows(
        f"SELECT selection FROM exports WHERE kind = '{KIND}' ORDER BY seq DESC LIMIT 1"
    )
    return next((int(json.loads(row["selection"]).get("through", 0)) for row in selections), 0)


def _through(space: Workspace, options: IndexOptions, amount: Amount) -> int:
    """The same after this run."""
    if not (options.chosen.everything and amount.complete):
        return _watermark(space)
    return int(space.value("SELECT coalesce(max(seq), 0) FROM exports WHERE kind <> 'index'") or 0)


def _ledger(lake_writer: LakeWriter, writer: Writer, amount: Amount, options: IndexOptions, started: datetime,
            through: int) -> dict[str, Any]:  # fmt: skip
    before = lake_writer.before
    assert before is not None
    chosen = options.chosen
    selection = {"through": through, "namespaces": list(chosen.namespaces), "uids": list(chosen.uids),
                 "since": chosen.since, "until": chosen.until}  # fmt: skip
    return {
        "kind": KIND,
        "started_at": started,
        "source": "artifact stores",
        "selection": json.dumps(selection, default=str),
        "new": writer.new,
        "changed": writer.changed,
        "deleted": writer.gone,
        "unchanged": amount.unchanged,
        "quarantined": 0,
        "total_logs": writer.last_log_id,
        "superseded_logs": before.dead_logs + writer.superseded,
        "dead_texts": before.dead_texts + writer.dead_texts,
    }


def _count_objects(lake: Lake, result: IndexResult) -> None:
    with Workspace(lake.snapshot(), lake.storage, ("log_objects",)) as space:
        rows = space.rows("SELECT status, count(*) AS found FROM log_objects GROUP BY status ORDER BY status")
        result.objects = {row["status"]: row["found"] for row in rows}
