"""Plays one run of a pipeline, as Argo's controller would, and leaves its ``status.nodes``.

Times are whole epoch seconds. A node's id is ``<workflow>-<FNV-1a of its name>``, so ids are as unique,
and as hard to compress, as real ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from kubectl_argo_archive.demo import vocabulary as words
from kubectl_argo_archive.demo.leaves import FAILURE_WEIGHTS, FAILURES, SHUTDOWN, Facts, artifacts, fnv32a, stamp
from kubectl_argo_archive.demo.pipelines import Pipeline
from kubectl_argo_archive.demo.templates import Json, Task, Template

_MEMO_HITS = 0.35
_FLAKY = 0.04


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
class Run:
    """One run.

    Attributes:
        doom: which pod fails for good, counted from 0; -1: none.
        terminated: it failed because somebody ended the workflow.
    """

    rng: Random
    pipeline: Pipeline
    workflow: str
    facts: Facts
    doom: int
    terminated: bool
    nodes: dict[str, Json] = field(default_factory=dict)
    task_results: dict[str, bool] = field(default_factory=dict)
    _daemons: list[Json] = field(default_factory=list)
    _pods: int = 0
    _state: int = 0
    _prefix: str = ""

    def play(self, start: int) -> Outcome:
        """Run the entrypoint, the workflow's hook and its exit handler; the root's outcome, ended after all."""
        shape, self._state = self.pipeline.shape, fnv32a(self.workflow)
        dated = (
            f"{self.pipeline.namespace}/{stamp(start)[:10].replace('-', '/')}/" if self.pipeline.keys_by_date else ""
        )
        self._prefix = dated + self.workflow
        local = f"local/{self.workflow}"
        root = self._call(Place("", self.workflow, "", local, start), self.pipeline.main)
        for daemon in self._daemons:
            self._end_daemon(daemon, root.end)
        for name, suffix, begin in ((shape.hook, ".hooks.running", start + 1), (shape.on_exit, ".onExit", root.end)):
            if name:
                place = Place(suffix, f"{self.workflow}{suffix}", "", local, begin)
                root.end = max(root.end, self._hook(place, self.pipeline.named(name)).end)
        return root

    def _call(self, place: Place, template: Template, task: Task | None = None, item: int = 0) -> Outcome:
        """One call of a template: a Retry node with attempts below it, if the template has a retry strategy."""
        inputs = self.facts.inputs(template, item)
        doomed = False
        if template.kind == "pod":
            doomed, self._pods = self._pods == self.doom, self._pods + 1
        if template.retries is None:
            return self._attempt(place, template, task, inputs, item, fails=doomed)
        attempts: list[Outcome] = []
        start, used = place.start, dict[str, int]()
        for number in range(template.retries + 1):
            name = f"({number})"
            inner = Place(place.suffix + name, place.display + name, place.boundary, place.scope, start)
            flaky = number < template.retries and self.rng.random() < _FLAKY
            attempt = self._attempt(inner, template, task, inputs, item, fails=doomed or flaky)
            if self.pipeline.era.node_flags:
                attempt.node["nodeFlag"] = {"retried": True}
            attempts.append(attempt)
            _add(used, attempt.used)
            if attempt.ok or self.terminated:
                break
            start = attempt.end + 30 * 2**number
        last = attempts[-1]
        retry = Outcome({}, last.ends, last.end, last.ok, used, last.done, last.total)
        message = "" if last.ok else SHUTDOWN if self.terminated else "No more retries left"
        phase = last.node["phase"] if last.ok or last.node["phase"] == "Error" else "Failed"
        node = self._add(place, "Retry", template, task, phase, message, retry)
        if inputs:
            node["inputs"] = inputs
        if "outputs" in last.node:
            node["outputs"] = last.node["outputs"]
        node["children"] = [attempt.node["id"] for attempt in attempts]
        return retry

    def _attempt(
        self, place: Place, template: Template, task: Task | None, inputs: Json, item: int, *, fails: bool
    ) -> Outcome:
        if template.kind == "steps":
            return self._steps(place, template, task, inputs)
        if template.kind == "dag":
            return self._dag(place, template, task, inputs)
        if template.kind == "pod":
            return self._pod(place, template, task, inputs, item, fails)
        return self._agent(place, template, task, inputs, item)

    def _steps(self, place: Place, template: Template, task: Task | None, inputs: Json) -> Outcome:
        all_ = Outcome({}, [], place.start, True, {}, 0, 0)
        node = self._add(place, "Steps", template, task, "Succeeded", "", all_)
        if inputs:
            node["inputs"] = inputs
        for number, group in enumerate(template.groups):
            suffix = f"{place.suffix}[{number}]"
            here = Place(suffix, f"[{number}]", node["id"], _inner_scope(place, task), all_.end + 1)
            step_group = Outcome({}, [], here.start, True, {}, 0, 0)
            group_node = self._add(here, "StepGroup", None, None, "Succeeded", "", step_group)
            outcomes = [
                outcome
                for step in group
                for outcome in self._fan(Place(f"{suffix}.{step.name}", step.name, *_rest(here)), step)
            ]
            group_node["children"] = [outcome.node["id"] for outcome in outcomes]
            _join(step_group, outcomes)
            self._close(group_node, step_group)
            for parent in all_.ends if number else [node]:
                parent.setdefault("children", []).append(group_node["id"])
            _join(all_, [step_group])
            all_.ends = step_group.ends
            if not step_group.ok:
                break
        node["outboundNodes"] = [end["id"] for end in all_.ends]
        self._close(node, all_)
        return all_

    def _dag(self, place: Place, template: Template, task: Task | None, inputs: Json) -> Outcome:
        all_ = Outcome({}, [], place.start, True, {}, 0, 0)
        node = self._add(place, "DAG", template, task, "Succeeded", "", all_)
        if inputs:
            node["inputs"] = inputs
        ended: dict[str, Outcome] = {}
        for inner in template.groups[0]:
            before = [ended[name] for name in inner.after]
            start = max([place.start, *(outcome.end for outcome in before)]) + 1
            suffix = f"{place.suffix}.{inner.name}"
            here = Place(suffix, inner.name, node["id"], _inner_scope(place, task), start)
            if not all(outcome.ok for outcome in before):
                outcome = self._idle(here, inner, "Omitted", "omitted: depends condition not met")
            elif inner.fan:
                outcome = self._task_group(here, inner)
            else:
                (outcome,) = self._fan(here, inner)
            ended[inner.name] = outcome
            for parent in [end for b in before for end in b.ends] or [node]:
                parent.setdefault("children", []).append(outcome.node["id"])
        leaves = [ended[t.name] for t in template.groups[0] if not any(t.name in u.after for u in template.groups[0])]
        _join(all_, ended.values())
        all_.ends = [end for outcome in leaves for end in outcome.ends]
        node["outboundNodes"] = [end["id"] for end in all_.ends]
        self._close(node, all_)
        return all_

    def _task_group(self, place: Place, task: Task) -> Outcome:
        group = Outcome({}, [], place.start, True, {}, 0, 0)
        node = self._add(place, "TaskGroup", self.pipeline.template_of(task), task, "Succeeded", "", group)
        outcomes = self._fan(place, task)
        node["children"] = [outcome.node["id"] for outcome in outcomes]
        _join(group, outcomes)
        if not outcomes:
            group.ends = [node]
        self._close(node, group)
        return group

    def _fan(self, place: Place, task: Task) -> list[Outcome]:
        """All nodes of one task: one, or one per item, or a skipped one."""
        if task.chance < 1 and self.rng.random() >= task.chance:
            return [self._idle(place, task, "Skipped", "when 'delta == full' evaluated false")]
        template = self.pipeline.template_of(task)
        if not task.fan:
            outcome = self._call(place, template, task)
            if task.hook:
                here = Place(f"{place.suffix}.hooks.running", f"{place.display}.hooks.running", *_rest(place))
                hook = self._hook(here, self.pipeline.named(task.hook))
                outcome.node.setdefault("children", []).append(hook.node["id"])
            return [outcome]
        outcomes = []
        for item in range(self.facts.items):
            name = f"({item}:source:{self.facts.source(item)[-18:]})"
            here = Place(
                place.suffix + name, place.display + name, place.boundary, place.scope, place.start + item // 8
            )
            outcomes.append(self._call(here, template, task, item))
        return outcomes

    def _pod(
        self, place: Place, template: Template, task: Task | None, inputs: Json, item: int, fails: bool
    ) -> Outcome:
        rng, era = self.rng, self.pipeline.era
        hit = template.memo_cache is not None and not fails and rng.random() < _MEMO_HITS
        seconds = 0 if hit else max(1, int(template.seconds * rng.lognormvariate(0, 0.5)))
        _, phase, message, exit_code = rng.choices(FAILURES, FAILURE_WEIGHTS)[0] if fails else (0, "Succeeded", "", "0")
        if fails and self.terminated:
            phase, message, exit_code = "Failed", SHUTDOWN, None
        used = {} if hit else {resource: int(amount * seconds) for resource, amount in template.request.items()}
        outcome = Outcome({}, [], place.start + seconds, not fails, used, int(not fails), 1)
        node = self._add(place, "Pod", template, task, phase, message, outcome)
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
        self._add(here, "Container", template, None, pod["phase"], pod.get("message", ""), own)
        pod.setdefault("children", []).append(own.node["id"])

    def _agent(self, place: Place, template: Template, task: Task | None, inputs: Json, item: int) -> Outcome:
        """Suspend, HTTP, Plugin: no pod of their own."""
        type_ = {"suspend": "Suspend", "http": "HTTP", "plugin": "Plugin"}[template.kind]
        seconds = max(1, int(template.seconds * self.rng.lognormvariate(0, 0.8)))
        outcome = Outcome({}, [], place.start + seconds, True, {}, 1, 1)
        node = self._add(place, type_, template, task, "Succeeded", "", outcome)
        if inputs:
            node["inputs"] = inputs
        outputs: Json = {"parameters": self.facts.outputs(template, item)} if template.outputs else {}
        if template.result:
            outputs["result"] = f'{{"accepted":true,"run":"{self.workflow}"}}'
        if outputs:
            node["outputs"] = outputs
        return outcome

    def _idle(self, place: Place, task: Task, phase: str, message: str) -> Outcome:
        """A task that did not run."""
        outcome = Outcome({}, [], place.start, phase == "Skipped", {}, 0, 0)
        self._add(place, "Skipped", self.pipeline.template_of(task), task, phase, message, outcome)
        return outcome

    def _hook(self, place: Place, template: Template) -> Outcome:
        outcome = self._call(place, template)
        if self.pipeline.era.node_flags:
            outcome.node["nodeFlag"] = {"hooked": True}
        return outcome

    def _end_daemon(self, node: Json, end: int) -> None:
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

    def _add(
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

    def _close(self, node: Json, outcome: Outcome) -> None:
        """Write into a group's node what its members came to."""
        node |= {"finishedAt": stamp(outcome.end), "progress": f"{outcome.done}/{outcome.total}"}
        if outcome.used:
            node["resourcesDuration"] = dict(outcome.used)
        if not outcome.ok:
            bad = ("Failed", "Error", "Pending", "Running")
            failed = next(other for other in reversed(self.nodes.values()) if other["phase"] in bad)
            phase = "Error" if failed["phase"] == "Error" else "Failed"
            node |= {"phase": phase, "message": SHUTDOWN if self.terminated else f"child '{failed['id']}' failed"}


def _rest(place: Place) -> tuple[str, str, int]:
    return place.boundary, place.scope, place.start


def _inner_scope(place: Place, task: Task | None) -> str:
    """Scope of the templates that a template names: its own resource's."""
    if task is None or task.ref is None:
        return place.scope
    return f"{'cluster' if task.cluster else 'namespaced'}/{task.ref}"


def _add(total: dict[str, int], more: dict[str, int]) -> None:
    for resource, amount in more.items():
        total[resource] = total.get(resource, 0) + amount


def _join(group: Outcome, members: Iterable[Outcome]) -> None:
    for member in members:
        group.end = max(group.end, member.end)
        group.ok = group.ok and member.ok
        group.done, group.total = group.done + member.done, group.total + member.total
        _add(group.used, member.used)
        if group.ends and group.ends[0] is group.node:
            group.ends = []
        group.ends.extend(member.ends)
