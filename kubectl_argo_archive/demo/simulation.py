"""Plays one run of a pipeline, as Argo's controller would, and leaves its ``status.nodes``.

Times are whole epoch seconds. A node's id is ``<workflow>-<FNV-1a of its name>``, so ids are as unique,
and as hard to compress, as real ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kubectl_argo_archive.demo.leaves import SHUTDOWN
from kubectl_argo_archive.demo.node_writer import NodeWriter, Outcome, Place
from kubectl_argo_archive.demo.templates import Json, Task, Template

_FLAKY = 0.04


@dataclass(slots=True)
class Run:
    """One run.

    Attributes:
        written: where its nodes go.
        doom: which pod fails for good, counted from 0; -1: none.
    """

    written: NodeWriter
    doom: int
    _pods: int = 0

    def play(self, start: int) -> Outcome:
        """Run the entrypoint, the workflow's hook and its exit handler; the root's outcome, ended after all."""
        pipeline, workflow = self.written.pipeline, self.written.workflow
        shape, local = pipeline.shape, f"local/{workflow}"
        root = self._call(Place("", workflow, "", local, start), pipeline.main)
        self.written.end_daemons(root.end)
        for name, suffix, begin in ((shape.hook, ".hooks.running", start + 1), (shape.on_exit, ".onExit", root.end)):
            if name:
                place = Place(suffix, f"{workflow}{suffix}", "", local, begin)
                root.end = max(root.end, self._hook(place, pipeline.named(name)).end)
        return root

    def _call(self, place: Place, template: Template, task: Task | None = None, item: int = 0) -> Outcome:
        """One call of a template: a Retry node with attempts below it, if the template has a retry strategy."""
        inputs = self.written.facts.inputs(template, item)
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
            flaky = number < template.retries and self.written.rng.random() < _FLAKY
            attempt = self._attempt(inner, template, task, inputs, item, fails=doomed or flaky)
            if self.written.pipeline.era.node_flags:
                attempt.node["nodeFlag"] = {"retried": True}
            attempts.append(attempt)
            _add(used, attempt.used)
            if attempt.ok or self.written.terminated:
                break
            start = attempt.end + 30 * 2**number
        last = attempts[-1]
        retry = Outcome({}, last.ends, last.end, last.ok, used, last.done, last.total)
        message = "" if last.ok else SHUTDOWN if self.written.terminated else "No more retries left"
        phase = last.node["phase"] if last.ok or last.node["phase"] == "Error" else "Failed"
        node = self.written.add(place, "Retry", template, task, phase, message, retry)
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
            return self.written.pod(place, template, task, inputs, item, fails)
        return self.written.agent(place, template, task, inputs, item)

    def _steps(self, place: Place, template: Template, task: Task | None, inputs: Json) -> Outcome:
        all_ = Outcome({}, [], place.start, True, {}, 0, 0)
        node = self.written.add(place, "Steps", template, task, "Succeeded", "", all_)
        if inputs:
            node["inputs"] = inputs
        for number, group in enumerate(template.groups):
            suffix = f"{place.suffix}[{number}]"
            here = Place(suffix, f"[{number}]", node["id"], _inner_scope(place, task), all_.end + 1)
            step_group = Outcome({}, [], here.start, True, {}, 0, 0)
            group_node = self.written.add(here, "StepGroup", None, None, "Succeeded", "", step_group)
            outcomes = [
                outcome
                for step in group
                for outcome in self._fan(Place(f"{suffix}.{step.name}", step.name, *_rest(here)), step)
            ]
            group_node["children"] = [outcome.node["id"] for outcome in outcomes]
            _join(step_group, outcomes)
            self.written.close(group_node, step_group)
            for parent in all_.ends if number else [node]:
                parent.setdefault("children", []).append(group_node["id"])
            _join(all_, [step_group])
            all_.ends = step_group.ends
            if not step_group.ok:
                break
        node["outboundNodes"] = [end["id"] for end in all_.ends]
        self.written.close(node, all_)
        return all_

    def _dag(self, place: Place, template: Template, task: Task | None, inputs: Json) -> Outcome:
        all_ = Outcome({}, [], place.start, True, {}, 0, 0)
        node = self.written.add(place, "DAG", template, task, "Succeeded", "", all_)
        if inputs:
            node["inputs"] = inputs
        ended: dict[str, Outcome] = {}
        for inner in template.groups[0]:
            before = [ended[name] for name in inner.after]
            start = max([place.start, *(outcome.end for outcome in before)]) + 1
            suffix = f"{place.suffix}.{inner.name}"
            here = Place(suffix, inner.name, node["id"], _inner_scope(place, task), start)
            if not all(outcome.ok for outcome in before):
                outcome = self.written.idle(here, inner, "Omitted", "omitted: depends condition not met")
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
        self.written.close(node, all_)
        return all_

    def _task_group(self, place: Place, task: Task) -> Outcome:
        group = Outcome({}, [], place.start, True, {}, 0, 0)
        node = self.written.add(
            place, "TaskGroup", self.written.pipeline.template_of(task), task, "Succeeded", "", group
        )
        outcomes = self._fan(place, task)
        node["children"] = [outcome.node["id"] for outcome in outcomes]
        _join(group, outcomes)
        if not outcomes:
            group.ends = [node]
        self.written.close(node, group)
        return group

    def _fan(self, place: Place, task: Task) -> list[Outcome]:
        """All nodes of one task: one, or one per item, or a skipped one."""
        if task.chance < 1 and self.written.rng.random() >= task.chance:
            return [self.written.idle(place, task, "Skipped", "when 'delta == full' evaluated false")]
        template = self.written.pipeline.template_of(task)
        if not task.fan:
            outcome = self._call(place, template, task)
            if task.hook:
                here = Place(f"{place.suffix}.hooks.running", f"{place.display}.hooks.running", *_rest(place))
                hook = self._hook(here, self.written.pipeline.named(task.hook))
                outcome.node.setdefault("children", []).append(hook.node["id"])
            return [outcome]
        outcomes = []
        for item in range(self.written.facts.items):
            name = f"({item}:source:{self.written.facts.source(item)[-18:]})"
            here = Place(
                place.suffix + name, place.display + name, place.boundary, place.scope, place.start + item // 8
            )
            outcomes.append(self._call(here, template, task, item))
        return outcomes

    def _hook(self, place: Place, template: Template) -> Outcome:
        outcome = self._call(place, template)
        if self.written.pipeline.era.node_flags:
            outcome.node["nodeFlag"] = {"hooked": True}
        return outcome


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
