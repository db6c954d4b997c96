"""Invented archived workflows, as Argo would have written them: seeded, realistic, fast.

The same seed, count and position always give the same workflow, in any process. Sizes follow a real
archive (107 440 workflows): 69 KB of JSON and 12.6 labels on average, from one node to some thousands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from itertools import accumulate
from random import Random
from typing import Any

from kubectl_argo_archive.demo import documents
from kubectl_argo_archive.demo.argo_schema import ArchiveRow, marshal
from kubectl_argo_archive.demo.leaves import LITERAL, ODD_VALUES, Facts, stamp
from kubectl_argo_archive.demo.node_writer import NodeWriter
from kubectl_argo_archive.demo.pipelines import Pipeline, catalogue
from kubectl_argo_archive.demo.simulation import Run
from kubectl_argo_archive.demo.templates import Json

END = datetime(2026, 6, 30, tzinfo=UTC)
"""When the last workflow of every archive begins, at the latest."""

DAYS = 180
"""Over how many days up to :data:`END` the workflows spread."""

MEAN_JSON_BYTES = 69_000

_LITERAL = re.compile('"' + LITERAL.format("([^@]*)") + '"')
_GIANT_EVERY = 1900  # one run in so many has some thousands of nodes, at fixed places: means stay steady
_FIXED_BYTES = 24_000
_MEDIAN_NODES = 21.0
_SPREAD = 1.15
_GIANT_NODES = (1000, 6000)


def generate_rows(
    count: int,
    seed: int = 1,
    *,
    first: int = 0,
    total: int | None = None,
    mean_json_bytes: int = MEAN_JSON_BYTES,
    nul: bool = False,
) -> Iterator[ArchiveRow]:
    """Workflows with the values that the archive's columns need: the fastest way into a database.

    Args:
        count: how many.
        seed: another seed is another company with other pipelines.
        first: position of the first one; shards of an archive share seed and ``total``.
        total: size of the whole archive, None: ``first + count``. It decides on which day a position falls.
        mean_json_bytes: mean size of the JSON text to aim at; below 30 000 it is only approached.
        nul: some parameter values hold a NUL, which is ``\\u0000`` in the text.
    """
    pipelines, odds = _pipelines(seed)
    whole = total if total is not None else first + count
    for position in range(first, first + count):
        yield _workflow(Random(f"{seed}/{position}"), pipelines, odds, position, whole, mean_json_bytes, nul)


def generate_json(count: int, seed: int = 1, **options: Any) -> Iterator[str]:
    """The JSON texts of :func:`generate_rows`."""
    return (row.json for row in generate_rows(count, seed, **options))


def generate(count: int, seed: int = 1, **options: Any) -> Iterator[dict[str, Any]]:
    """The workflows of :func:`generate_rows` as parsed JSON; numbers lose what a float loses."""
    return (json.loads(text) for text in generate_json(count, seed, **options))


@lru_cache(maxsize=4)
def _pipelines(seed: int) -> tuple[list[Pipeline], list[float]]:
    pipelines = catalogue(seed)
    # half of all runs belong to few pipelines, the other half to anyone
    weights = [0.5 / len(pipelines) + 0.12 / (number + 1) for number in range(len(pipelines))]
    return pipelines, list(accumulate(weights))


def _workflow(
    rng: Random, pipelines: list[Pipeline], odds: list[float], position: int, total: int, mean: int, nul: bool
) -> ArchiveRow:
    pipeline = rng.choices(pipelines, cum_weights=odds)[0]
    created = int(END.timestamp()) - int(DAYS * 86400 * (total - position - rng.random()) / total)
    facts = _facts(rng, pipeline, _items(rng, pipeline, position, mean), created, nul)
    name = f"{pipeline.name}-{created}" if pipeline.shape.cron else f"{pipeline.name}-{documents.letters(rng, 5)}"
    uid = documents.as_uuid(rng.getrandbits(128))
    spec = documents.spec(rng, pipeline, facts, input_artifact=rng.random() < 0.05)

    doom, terminated, started = _doom(rng, facts.items), rng.random() < 0.12, created + rng.randrange(3)
    written = NodeWriter(rng, pipeline, name, facts, terminated, started)
    if rng.random() < 0.008:
        status = documents.rejected(rng, started)
    else:
        root = Run(written, doom).play(started)
        status = documents.status(rng, pipeline, written, root)
        if terminated and not root.ok:
            spec["shutdown"] = rng.choice(("Terminate", "Stop"))

    metadata: Json = {"name": name} if pipeline.shape.cron else {"name": name, "generateName": f"{pipeline.name}-"}
    metadata |= {
        "namespace": pipeline.namespace,
        "uid": uid,
        "resourceVersion": str(rng.randrange(10**8, 10**9)),
        "generation": 2 * len(written.nodes) + 3,
        "creationTimestamp": stamp(created),
        "labels": documents.labels_of(rng, pipeline, facts, status["phase"]),
        "annotations": documents.annotations_of(pipeline, created),
    }
    if pipeline.shape.cron:
        metadata["ownerReferences"] = [documents.owner(pipeline)]
    if pipeline.era.managed_fields:
        metadata["managedFields"] = documents.managed_fields(pipeline, status, created, created + 60)
    document = {"kind": "Workflow", "apiVersion": "argoproj.io/v1alpha1", "metadata": metadata}
    text = marshal({**document, "spec": spec, "status": status})
    return ArchiveRow(
        uid=uid,
        name=name,
        namespace=pipeline.namespace,
        phase=status["phase"],
        started_at=datetime.fromisoformat(status["startedAt"]),
        finished_at=datetime.fromisoformat(status["finishedAt"]),
        created_at=datetime.fromtimestamp(created, UTC),
        labels=metadata["labels"],
        json=_LITERAL.sub(r"\1", text) if facts.odd else text,
    )


def _facts(rng: Random, pipeline: Pipeline, items: int, created: int, nul: bool) -> Facts:
    odd = ODD_VALUES if rng.random() < 0.01 else ()
    if nul and rng.random() < 0.2:
        odd = (*ODD_VALUES, "cut\0off", "\0")
    return Facts(
        rng=rng,
        team=pipeline.team,
        dataset=pipeline.dataset,
        date=stamp(created - 86400)[:10],
        mode=rng.choice(("full", "full", "delta")),
        revision=f"{rng.getrandbits(160):040x}",
        items=items,
        odd=odd,
    )


def _items(rng: Random, pipeline: Pipeline, position: int, mean: int) -> int:
    """Size of the fan-out: log-normal number of nodes, and a giant now and then."""
    if not pipeline.nodes_per_item:
        return 1
    scale = max(0.05, (mean - _FIXED_BYTES) / (MEAN_JSON_BYTES - _FIXED_BYTES))
    nodes = scale * _MEDIAN_NODES * rng.lognormvariate(0, _SPREAD)
    if position % _GIANT_EVERY == _GIANT_EVERY // 2:
        nodes = scale * rng.uniform(*_GIANT_NODES)
    return max(1, round((nodes - pipeline.fixed_nodes) / pipeline.nodes_per_item))


def _doom(rng: Random, items: int) -> int:
    """Which pod fails for good; often a run has fewer, then none does."""
    return rng.randrange(2 + items) if rng.random() < 0.2 else -1
