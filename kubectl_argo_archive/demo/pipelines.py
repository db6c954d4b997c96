"""The pipelines of the generator's invented company: what somebody there runs again and again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random

from kubectl_argo_archive.demo import vocabulary as words
from kubectl_argo_archive.demo.shapes import STYLES, Shape
from kubectl_argo_archive.demo.templates import Json, Task, Template

_PIPELINES = 72


@dataclass(frozen=True, slots=True)
class Era:
    """What the version of Argo that archived a workflow leaves in its JSON.

    Attributes:
        pod_names: annotation ``pod-name-format``; None: this Argo wrote none.
        pod_name_version: what its pods are really called.
        full_locations: log artifacts hold bucket, endpoint and names of secrets, not only the key.
        node_flags: ``nodeFlag`` and ``taskResultsCompletionStatus``.
        managed_fields: ``metadata.managedFields``.
        archiving_status: value of the label ``workflow-archiving-status``.
    """

    pod_names: str | None
    pod_name_version: str
    full_locations: bool = False
    node_flags: bool = True
    managed_fields: bool = True
    archiving_status: str = "Persisted"


_ERAS = (
    (2, Era(None, "v1", full_locations=True, node_flags=False, archiving_status="Pending")),
    (3, Era(None, "v2", node_flags=False, archiving_status="Pending")),
    (7, Era("v1", "v1", node_flags=False, archiving_status="Pending")),
    (48, Era("v2", "v2")),
    (40, Era("v2", "v2", managed_fields=False)),
)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One of the company's pipelines.

    Attributes:
        by_reference: its workflows have a ``workflowTemplateRef``: ``namespaced`` or ``cluster``; None: a whole spec.
        fixed_nodes: nodes of a run with an empty fan-out.
        nodes_per_item: nodes that each item of the fan-out adds; 0: it has none.
        spec: the whole workflow spec, without arguments.
        stored: ``status.storedTemplates``.
        applied: annotation that ``kubectl apply`` left, or None.
    """

    name: str
    namespace: str
    team: str
    dataset: str
    creator: str
    shape: Shape
    era: Era
    by_reference: str | None
    fixed_nodes: int
    nodes_per_item: int
    labels: dict[str, str]
    spec: Json
    stored: Json
    applied: str | None
    keys_by_date: bool

    @property
    def main(self) -> Template:
        """The entrypoint."""
        return self.shape.templates[0]

    def template_of(self, task: Task) -> Template:
        """The template that a task runs."""
        return _template_of(self.shape, task)

    def named(self, name: str) -> Template:
        """A template of the spec."""
        return next(template for template in self.shape.templates if template.name == name)


def catalogue(seed: int) -> list[Pipeline]:
    """All pipelines of the company with this seed; the first ones run most often."""
    rng = Random(f"catalogue/{seed}")
    styles = list(STYLES)
    return [_pipeline(rng, number, styles[number % len(styles)]) for number in range(_PIPELINES)]


def _pipeline(rng: Random, number: int, style: str) -> Pipeline:
    team, dataset = words.TEAMS[number % len(words.TEAMS)], rng.choice(words.TABLES)
    name = f"{dataset.replace('_', '-')}-{style}-{rng.choice(words.SUFFIXES)}"
    shape = STYLES[style](words.Script(rng, dataset, team))
    era = rng.choices([era for _, era in _ERAS], [weight for weight, _ in _ERAS])[0]
    labels = {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/part-of": f"{team}-platform",
        "cost-center": f"cc-{rng.randrange(1000, 9999)}",
        "env": rng.choice(("prod", "prod", "prod", "staging", "dev")),
        "team": team,
        "tier": rng.choice(("gold", "silver", "bronze")),
    }
    spec = _spec(rng, name, team, shape)
    by_reference = rng.choice((None, "namespaced", "cluster")) if era.node_flags else None
    applied = None
    if by_reference is None and rng.random() < 0.4:
        manifest = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": name}, "spec": spec}
        applied = json.dumps(manifest, separators=(",", ":")) + "\n"
    fixed = _node_count(shape, shape.templates[0], 0) + (1 if shape.hook else 0)
    if shape.on_exit:
        fixed += _node_count(shape, next(t for t in shape.templates if t.name == shape.on_exit), 0)
    return Pipeline(
        name=name,
        namespace=f"{team}-{rng.choice(('prod', 'batch', 'dev'))}",
        team=team,
        dataset=dataset,
        creator=rng.choice(words.PEOPLE),
        shape=shape,
        era=era,
        by_reference=by_reference,
        fixed_nodes=fixed,
        nodes_per_item=_node_count(shape, shape.templates[0], 2) - _node_count(shape, shape.templates[0], 1),
        labels=labels,
        spec=spec,
        stored={
            f"{'cluster' if cluster else 'namespaced'}/{resource}/{template.name}": template.spec()
            for resource, cluster, template in shape.shared
        },
        applied=applied,
        keys_by_date=rng.random() < 0.3,
    )


def _spec(rng: Random, name: str, team: str, shape: Shape) -> Json:
    spec: Json = {
        "templates": [template.spec() for template in shape.templates],
        "entrypoint": "main",
        "arguments": {},
        "serviceAccountName": f"{team}-workflow",
        "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "trust", "configMap": {"name": "company-ca"}}],
        "nodeSelector": {"node.company.example/pool": rng.choice(("batch", "batch-spot", "general"))},
        "tolerations": [{"key": "dedicated", "operator": "Equal", "value": team, "effect": "NoSchedule"}],
        "imagePullSecrets": [{"name": "registry-pull"}],
        "ttlStrategy": {"secondsAfterCompletion": 86400, "secondsAfterFailure": 604800},
        "podGC": {"strategy": "OnPodCompletion", "deleteDelayDuration": "600s"},
        "podMetadata": {"labels": {"team": team, "app.kubernetes.io/part-of": name}},
        "archiveLogs": True,
    }
    if (priority := rng.choice((None, None, 10, 100))) is not None:
        spec["priority"] = priority
    if (parallelism := rng.choice((None, 20, 50))) is not None:
        spec["parallelism"] = parallelism
    if shape.on_exit:
        spec["onExit"] = shape.on_exit
    if shape.hook:
        spec["hooks"] = {"running": {"template": shape.hook, "expression": 'workflow.status == "Running"'}}
    return spec


def _template_of(shape: Shape, task: Task) -> Template:
    if task.inline:
        return task.inline
    if task.ref:
        return next(t for resource, _, t in shape.shared if resource == task.ref and t.name == task.template)
    own = [*shape.templates, *(template for _, _, template in shape.shared)]
    return next(template for template in own if template.name == task.template)


def _node_count(shape: Shape, template: Template, items: int) -> int:
    """Nodes of one run of a template whose fan-outs have so many items, if everything goes well."""
    count = 1 + len(template.containers) + (1 if template.retries is not None else 0)
    for group in template.groups:
        count += 1 if template.kind == "steps" else 0
        for task in group:
            each = _node_count(shape, _template_of(shape, task), items)
            count += each * items + (1 if template.kind == "dag" else 0) if task.fan else each
            count += 1 if task.hook else 0
    return count
