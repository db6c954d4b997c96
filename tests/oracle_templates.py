"""The referee's search for the template and the image that a node ran; see ``oracle.py``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from oracle_values import Row, as_text, ran, split_image


class Templates:
    """The templates of one document."""

    def __init__(self, spec: Row, status: Row, nodes: dict[str, Row]) -> None:
        self.spec = spec
        self.nodes = nodes
        self.stored: dict[str, Row] = status.get("storedTemplates") or {}
        self.stored_spec: Row = status.get("storedWorkflowTemplateSpec") or {}
        self.arguments: Row = spec.get("arguments") or {}
        self.images = {node_id: self._image(node) for node_id, node in nodes.items()}

    def template(self, node: Row, seen: tuple[int, ...] = ()) -> Row | None:
        """The template that a node ran."""
        reference, name = node.get("templateRef"), node.get("templateName")
        if reference:
            scope = "cluster" if reference.get("clusterScope") is True else "namespaced"
            found = self.stored.get(f"{scope}/{reference.get('name')}/{reference.get('template')}")
            if found:
                return found
        if name:
            scope = node.get("templateScope") or ""
            if scope.startswith(("namespaced/", "cluster/")) and f"{scope}/{name}" in self.stored:
                return self.stored[f"{scope}/{name}"]
            for spec in (self.spec, self.stored_spec):
                for template in spec.get("templates") or []:
                    if template.get("name") == name:
                        return dict(template)
            ending = [template for key, template in self.stored.items() if key.endswith(f"/{name}")]
            return ending[0] if len(ending) == 1 else None
        boundary = self.nodes.get(node.get("boundaryID") or "")
        if reference or boundary is None or id(boundary) in seen:
            return None
        return self._inline(node, self.template(boundary, (*seen, id(boundary))) or {})

    @staticmethod
    def _inline(node: Row, outer: Row) -> Row | None:
        groups = outer.get("steps") or [(outer.get("dag") or {}).get("tasks") or []]
        tasks = [task for group in groups for task in group]
        display = node.get("displayName") or ""
        for name in (display, display.partition("(")[0]):
            for task in tasks:
                if task.get("name") == name and task.get("inline"):
                    return dict(task["inline"])
        return None

    def _image(self, node: Row) -> str | None:
        """Image of the main container, None if nothing ran."""
        if node.get("type") not in ("Pod", "Container") or not ran(node):
            return None
        template = self.template(node) or {}
        members = (template.get("containerSet") or {}).get("containers") or []
        if node.get("type") == "Container":
            own = [container for container in members if container.get("name") == node.get("displayName")]
            return self.filled(own[0].get("image"), node) if own else None
        mains = [container for container in members if container.get("name") == "main"]
        for container in (template.get("container"), template.get("script"), *mains, *members):
            if container and container.get("image") is not None:
                return self.filled(container["image"], node)
        return None

    def filled(self, image: str | None, node: Row) -> str | None:
        """Parameters filled in; what is not known stays as it is written."""
        if image is None:
            return None
        known = {f"workflow.parameters.{p.get('name')}": p for p in self.arguments.get("parameters") or []}
        inputs = (node.get("inputs") or {}).get("parameters") or []
        known |= {f"inputs.parameters.{p.get('name')}": p for p in inputs}

        def value(match: re.Match[str]) -> str:
            text = as_text(known.get(match[1], {}).get("value"))
            return match[0] if text is None else text

        return re.sub(r"\{\{\s*((?:inputs|workflow)\.parameters\.[^{}]*?)\s*\}\}", value, image)

    def image_rows(self) -> Iterator[Row]:
        counts: dict[tuple[str | None, str | None, str, str], int] = {}
        for node_id, node in self.nodes.items():
            if node.get("type") != "Pod" or self.images[node_id] is None:
                continue
            template = self.template(node) or {}
            members = (template.get("containerSet") or {}).get("containers") or []
            single = template.get("container") or template.get("script")
            containers = [("main", "main", single)] if single else [(c.get("name"), "main", c) for c in members]
            containers += [(c.get("name"), "init", c) for c in template.get("initContainers") or []]
            containers += [(c.get("name"), "sidecar", c) for c in template.get("sidecars") or []]
            for name, role, container in containers:
                image = self.filled(container.get("image"), node)
                if image is not None:
                    key = (template.get("name") or None, name, role, image)
                    counts[key] = counts.get(key, 0) + 1
        for (template_name, name, role, image), count in counts.items():
            yield {
                "template_name": template_name,
                "container": name,
                "role": role,
                "image": image,
                **split_image(image),
                "pod_count": count,
            }
