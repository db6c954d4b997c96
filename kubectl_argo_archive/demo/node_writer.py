"""Writes the nodes of one simulated run: what Argo notes about a pod, an HTTP call, a group, a skipped task."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from kubectl_argo_archive.demo import vocabulary as words
from kubectl_argo_archive.demo.leaves import FAILURE_WEIGHTS, FAILURES, SHUTDOWN, Facts, artifacts, fnv32a, stamp
from kubectl_argo_archive.demo.pipelines import Pipeline
from kubectl_argo_archive.demo.templates import Json, Task, Template

_MEMO_HITS = 0.35


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node stands: its name after the workflow's, its boundary and scope, and when it begins."""

    suffix: str
    display: str
    boundary: str
    scope: str
    start: int


@dataclass(slots=True)
class Outcome:
    """What became of a node: the nodes from which its successors hang, its end, resources and progress."""

    node: Json
    ends: list[Json]
    end: int
    ok: bool
    used: dict[str, int]
    done: int
    total: int


@dataclass(slots=True)
class NodeWriter:
    """The nodes of one run.

    Attributes:
        terminated: what fails does so because somebody ended the workflow.
        started: when the run began; it may stand in the keys of artifacts.
        nodes: all nodes so far, by id.
        task_results: ``status.taskResultsCompletionStatus``.
    """

    rng: Random
    pipeline: Pipeline
    workflow: str
    facts: Facts
    terminated: bool
    started: int
    nodes: dict[str, Json] = field(default_factory=dict)
    task_results: dict[str, bool] = field(default_factory=dict)
    _daemons: list[Json] = field(default_factory=list)
    _state: int = 0
    _prefix: str = ""

    def __post_init__(self) -> None:
        day = stamp(self.started)[:10].replace("-", "/")
        self._state = fnv32a(self.workflow)
        self._prefix = f"{self.pipeline.namespace}/{day}/" * self.pipeline.keys_by_date + self.workflow

    def add(
        self, place: Place, type_: str, template: Template | None, task: Task | None, phase: str, message: str,
        outcome: Outcome,
    ) -> Json:  # fmt: skip
        """Add a node to the run, and to its outcome."""
        name = self.workflow + place.suffix
        node_id = f"{self.workflow}-{fnv32a(place.suffix, self._state)}" if place.suffix else name
        node: Json = {"id": node_id, "name": name, "displayName": place.display, "type": type_}
        if task is not None and task.ref:
            node["templateRef"] = {"name": task.ref, "template": task.template}
            if task.cluster:
                node["templateRef"]["clusterScope"] = True
        elif template is not None and template.name:
            node["templateName"] = template.name
        node |= {"templateScope": place.scope, "phase": phase}
        if place.boundary:
            node["boundaryID"] = place.boundary
        if message:
            node["message"] = message
        node |= {"startedAt": stamp(place.start), "finishedAt": stamp(outcome.end)}
        if self.pipeline.shape.cron and template is not None:
            node["estimatedDuration"] = int(template.seconds)
        if outcome.total:
            node["progress"] = f"{outcome.done}/{outcome.total}"
        if outcome.used:
            node["resourcesDuration"] = outcome.used
        self.nodes[node_id] = outcome.node = node
        outcome.ends = outcome.ends or [node]
        return node

    def close(self, node: Json, outcome: Outcome) -> None:
        """Write into a group's node what its members came to."""
        node |= {"finishedAt": stamp(outcome.end), "progress": f"{outcome.done}/{outcome.total}"}
        if outcome.used:
            node["resourcesDuration"] = dict(outcome.used)
        if not outcome.ok:
            bad = ("Failed", "Error", "Pending", "Running")
            failed = next(other for other in reversed(self.nodes.values()) if other["phase"] in bad)
            phase = "Error" if failed["phase"] == "Error" else "Failed"
            node |= {"phase": phase, "message": SHUTDOWN if self.terminated else f"child '{failed['id']}' failed"}

    def pod(self, place: Place, template: Template, task: Task | None, inputs: Json, item: int, fails: bool) -> Outcome:
        """One pod, or the memoised answer in its place."""
        rng, era = self.rng, self.pipeline.era
        hit = template.memo_cache is not None and not fails and rng.random() < _MEMO_HITS
        seconds = 0 if hit else max(1, int(template.seconds * rng.lognormvariate(0, 0.5)))
        _, phase, message, exit_code = rng.choices(FAILURES, FAILURE_WEIGHTS)[0] if fails else (0, "Succeeded", "", "0")
        if fails and self.terminated:
            phase, message, exit_code = "Failed", SHUTDOWN, None
        used = {} if hit else {resource: int(amount * seconds) for resource, amount in template.request.items()}
        outcome = Outcome({}, [], place.start + seconds, not fails, used, int(not fails), 1)
        node = self.add(place, "Pod", template, task, phase, message, outcome)
        if inputs:
            node["inputs"] = inputs
        pod = self._pod_name(place, template, node["id"])
        logs = not hit and (not fails or exit_code is not None)
        found = artifacts(template, self._prefix, pod, full_location=era.full_locations, logs=logs)
        outputs: Json = {"parameters": self.facts.outputs(template, item)} if template.outputs and not fails else {}
        if template.result and not fails:
            outputs["result"] = f'{{"rows":{rng.randrange(10_000)},"date":"{self.facts.date}"}}'
        if found and logs:
            outputs["artifacts"] = found
        if exit_code is not None and not hit:
            outputs["exitCode"] = exit_code
        if outputs:
            node["outputs"] = outputs
        if template.memo_cache:
            key = f"{template.name}-{self.facts.source(item)}"
            node["memoizationStatus"] = {"hit": hit, "key": key, "cacheName": template.memo_cache}
        if fails and self.terminated and rng.random() < 0.5:
            node["synchronizationStatus"] = {"waiting": f"{self.pipeline.namespace}/ConfigMap/locks/warehouse"}
            node["phase"], node["finishedAt"] = rng.choice((("Pending", None), ("Running", None)))
        elif not hit:
            node |= {
                "hostNodeName": rng.choice(words.NODES),
                "podIP": f"10.{rng.choice((12, 40))}.{rng.randrange(9)}.{item % 250}",
            }
            self.task_results[node["id"]] = True
        if not era.managed_fields:
            node["taskResultSynced"] = True
            if rng.random() < 0.01:
                node["failedPodRestarts"] = rng.randrange(1, 4)
        if template.daemon and not fails:
            self._daemons.append(node)
        for container in template.containers:
            self._container(place, template, node, container, outcome)
        return outcome

    def _container(self, place: Place, template: Template, pod: Json, name: str, outcome: Outcome) -> None:
        here = Place(f"{place.suffix}.{name}", name, pod["id"], place.scope, place.start)
        own = Outcome({}, [], outcome.end, outcome.ok, {}, outcome.done, 1)
        self.add(here, "Container", template, None, pod["phase"], pod.get("message", ""), own)
        pod.setdefault("children", []).append(own.node["id"])

    def agent(self, place: Place, template: Template, task: Task | None, inputs: Json, item: int) -> Outcome:
        """Suspend, HTTP, Plugin: no pod of their own."""
        type_ = {"suspend": "Suspend", "http": "HTTP", "plugin": "Plugin"}[template.kind]
        seconds = max(1, int(template.seconds * self.rng.lognormvariate(0, 0.8)))
        outcome = Outcome({}, [], place.start + seconds, True, {}, 1, 1)
        node = self.add(place, type_, template, task, "Succeeded", "", outcome)
        if inputs:
            node["inputs"] = inputs
        outputs: Json = {"parameters": self.facts.outputs(template, item)} if template.outputs else {}
        if template.result:
            outputs["result"] = f'{{"accepted":true,"run":"{self.workflow}"}}'
        if outputs:
            node["outputs"] = outputs
        return outcome

    def idle(self, place: Place, task: Task, phase: str, message: str) -> Outcome:
        """A task that did not run."""
        outcome = Outcome({}, [], place.start, phase == "Skipped", {}, 0, 0)
        self.add(place, "Skipped", self.pipeline.template_of(task), task, phase, message, outcome)
        return outcome

    def end_daemons(self, end: int) -> None:
        """End what still runs, as the controller does when the workflow is over."""
        for node in self._daemons:
            # a bug of older releases leaves daemons running in the archive for ever
            if self.pipeline.era.managed_fields and self.rng.random() < 0.5:
                node |= {"phase": "Running", "finishedAt": None, "daemoned": True}
            else:
                node |= {"phase": "Succeeded", "finishedAt": stamp(end)}

    def _pod_name(self, place: Place, template: Template, node_id: str) -> str:
        if self.pipeline.era.pod_name_version == "v1" or not place.suffix:
            return node_id
        number = node_id.rpartition("-")[2]
        return f"{self.workflow}-{template.name}-{number}" if template.name else f"{self.workflow}-{number}"
