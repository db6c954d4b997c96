"""Which template a node ran, and which images that template names.

A template comes from the workflow's own ``spec.templates``, from ``status.storedWorkflowTemplateSpec`` (the
spec of the WorkflowTemplate that the whole workflow refers to), or from ``status.storedTemplates``, whose keys
are ``<scope>/<resource>/<template>`` with scope ``namespaced`` or ``cluster``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Container(NamedTuple):
    """A container of a template: its name, its role (main, init, sidecar) and its image."""

    name: str
    role: str
    image: str


@dataclass(frozen=True, slots=True)
class Template:
    """What we need to know of a template: its name and its containers, the main ones first."""

    name: str | None
    containers: tuple[Container, ...] = ()
    inline: Mapping[str, Template] = field(default_factory=dict)

    @property
    def image(self) -> str | None:
        """Image of the main container: the one called ``main``, else the first."""
        mains = [c for c in self.containers if c.role == "main"]
        return next((c.image for c in mains if c.name == "main"), mains[0].image if mains else None)

    def image_of(self, container: str | None) -> str | None:
        """Image of one container of a container set."""
        return next((c.image for c in self.containers if c.name == container and c.role == "main"), None)


def template_from_json(value: Mapping[str, Any]) -> Template:
    """Read a template of the spec; what is not a container with an image is left out."""
    containers: list[Container] = []
    for single in ("container", "script"):
        _add(containers, [value.get(single)], "main", "main")
    container_set = value.get("containerSet")
    if isinstance(container_set, Mapping):
        _add(containers, container_set.get("containers"), "main", None)
    _add(containers, value.get("initContainers"), "init", None)
    _add(containers, value.get("sidecars"), "sidecar", None)
    name = value.get("name")
    return Template(name if isinstance(name, str) and name else None, tuple(containers), _inline(value))


def _add(containers: list[Container], values: Any, role: str, name: str | None) -> None:
    for value in values if isinstance(values, list) else ():
        if isinstance(value, Mapping) and isinstance(value.get("image"), str) and value["image"]:
            own = value.get("name")
            containers.append(Container(name or (own if isinstance(own, str) else ""), role, value["image"]))


def _inline(value: Mapping[str, Any]) -> dict[str, Template]:
    """Templates written inside the steps or DAG tasks of ``value``, by step or task name."""
    found: dict[str, Template] = {}
    groups = value.get("steps")
    dag = value.get("dag")
    of_dag = dag.get("tasks") if isinstance(dag, Mapping) else None
    tasks: list[Any] = list(of_dag) if isinstance(of_dag, list) else []
    for group in groups if isinstance(groups, list) else ():
        tasks.extend(group if isinstance(group, list) else [group])
    for task in tasks:
        if isinstance(task, Mapping) and isinstance(task.get("inline"), Mapping) and isinstance(task.get("name"), str):
            found[task["name"]] = template_from_json(task["inline"])
    return found


class NodeTemplate(NamedTuple):
    """How a node names its template."""

    name: str | None
    scope: str | None
    ref_name: str | None
    ref_template: str | None
    ref_cluster_scope: bool


class Templates:
    """All templates of one workflow, found in the order in which Argo looks for them."""

    def __init__(
        self, own: Mapping[str, Template], of_template: Mapping[str, Template], stored: Mapping[str, Template]
    ) -> None:
        self._own = own
        self._of_template = of_template
        self._stored = stored

    def resolve(self, node: NodeTemplate) -> Template | None:
        """The template that a node ran, or None if the workflow does not hold it."""
        name = node.name
        if node.ref_name and node.ref_template:
            kind = "cluster" if node.ref_cluster_scope else "namespaced"
            found = self._stored.get(f"{kind}/{node.ref_name}/{node.ref_template}")
            if found is not None:
                return found
            name = name or node.ref_template
        if not name:
            return None
        if node.scope and not node.scope.startswith("local/"):
            found = self._stored.get(f"{node.scope}/{name}")
            if found is not None:
                return found
        for known in (self._own, self._of_template):
            if name in known:
                return known[name]
        ending = "/" + name
        candidates = [template for key, template in self._stored.items() if key.endswith(ending)]
        return candidates[0] if len(candidates) == 1 else None
