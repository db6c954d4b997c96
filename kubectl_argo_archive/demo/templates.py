"""Argo templates of the generator: their JSON, and what happens when one runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

SMALL = {"cpu": 0.5, "memory": 5.0}
LARGE = {"cpu": 4.0, "memory": 160.0, "ephemeral-storage": 2.0}
GPU = {"cpu": 8.0, "memory": 320.0, "nvidia.com/gpu": 1.0}
MIG = {"cpu": 2.0, "memory": 80.0, "nvidia.com/mig-1g.5gb": 2.0}


@dataclass(frozen=True, slots=True)
class Task:
    """A step or a DAG task.

    Attributes:
        name: of the step or task.
        template: name of the template; None: it stands here, as ``inline``.
        ref: resource of a ``templateRef``; ``cluster``: a ClusterWorkflowTemplate.
        after: DAG dependencies.
        fan: runs once per item of the run's fan-out (``withParam``).
        chance: how often its ``when`` holds; 1 has no ``when``.
        hook: template that runs as its lifecycle hook.
        inline: the template itself.
    """

    name: str
    template: str | None
    ref: str | None = None
    cluster: bool = False
    after: tuple[str, ...] = ()
    fan: bool = False
    chance: float = 1.0
    hook: str | None = None
    inline: Template | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """One template.

    Attributes:
        name: empty for an inline one.
        kind: pod, steps, dag, suspend, http or plugin.
        body: the JSON that says what runs: ``container``, ``script``, ``http``, …
        seconds: typical duration of one attempt.
        request: what the containers request, in Argo's base units (1 CPU, 100 MiB, …).
        inputs: names of input parameters; ``simulation.py`` knows a value for each.
        outputs: names of output parameters.
        sources: input artifacts with their locations, as JSON.
        products: output artifacts: name, and location as JSON; None is the artifact repository (a key in S3).
        retries: limit of the retry strategy; None: it has none.
        memo_cache: config map of its memoisation.
        daemon: runs on while its successors run.
        result: writes ``outputs.result``.
        groups: steps: their groups; dag: one group with all tasks.
        containers: names in a container set.
    """

    name: str
    kind: str
    body: Json
    seconds: float = 40.0
    request: dict[str, float] = field(default_factory=lambda: SMALL)
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    sources: tuple[Json, ...] = ()
    products: tuple[tuple[str, Json | None], ...] = ()
    retries: int | None = None
    memo_cache: str | None = None
    daemon: bool = False
    result: bool = False
    groups: tuple[tuple[Task, ...], ...] = ()
    containers: tuple[str, ...] = ()

    def spec(self) -> Json:
        """The template's JSON in a workflow's spec."""
        inputs: Json = {}
        if self.inputs:
            inputs["parameters"] = [{"name": name} for name in self.inputs]
        if self.sources:
            inputs["artifacts"] = list(self.sources)
        outputs: Json = {}
        if self.outputs:
            outputs["parameters"] = [{"name": n, "valueFrom": {"path": f"/tmp/outputs/{n}"}} for n in self.outputs]
        if self.products:
            outputs["artifacts"] = [
                {"name": name, "path": f"/tmp/outputs/{name}"} | (location or {}) for name, location in self.products
            ]
        spec: Json = {"name": self.name} if self.name else {}
        spec |= {"inputs": inputs, "outputs": outputs, "metadata": {}}
        if self.daemon:
            spec["daemon"] = True
        if self.kind == "steps":
            spec["steps"] = [[self._call(task) for task in group] for group in self.groups]
        if self.kind == "dag":
            spec["dag"] = {"tasks": [self._call(task) for group in self.groups for task in group]}
        spec |= self.body
        if self.retries is not None:
            backoff = {"duration": "30s", "factor": "2", "maxDuration": "20m"}
            spec["retryStrategy"] = {"limit": str(self.retries), "retryPolicy": "Always", "backoff": backoff}
        if self.memo_cache:
            key = f"{self.name}-{{{{inputs.parameters.{self.inputs[0]}}}}}"
            spec["memoize"] = {"key": key, "cache": {"configMap": {"name": self.memo_cache}}, "maxAge": "240h"}
        return spec

    def _call(self, task: Task) -> Json:
        here = "steps" if self.kind == "steps" else "tasks"
        source = "{{item.source}}" if task.fan else f"{{{{{here}.plan.outputs.parameters.target}}}}"
        call: Json = {"name": task.name}
        if task.inline:
            call["inline"] = task.inline.spec()
        elif task.ref:
            call["templateRef"] = {"name": task.ref, "template": task.template}
            if task.cluster:
                call["templateRef"]["clusterScope"] = True
        else:
            call["template"] = task.template
        call["arguments"] = {
            "parameters": [
                {"name": "date", "value": "{{workflow.parameters.date}}"},
                {"name": "source", "value": source},
                {"name": "mode", "value": "{{workflow.parameters.mode}}"},
            ]
        }
        if task.fan:
            call["withParam"] = f"{{{{{here}.plan.outputs.result}}}}"
        if task.chance < 1:
            call["when"] = "{{workflow.parameters.mode}} == full"
        if task.after:
            call["dependencies"] = list(task.after)
        if task.hook:
            condition = f'{here}["{task.name}"].status == "Running"'
            call["hooks"] = {"running": {"template": task.hook, "arguments": {}, "expression": condition}}
        return call
