"""Whether a changed configuration reaches the processes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from kubectl_argo_archive.argo.controller import Controller
from kubectl_argo_archive.argo.installation import Installation
from kubectl_argo_archive.checks.check import failed, warned
from kubectl_argo_archive.setup.files.model import Places, Release, SetUp
from kubectl_argo_archive.setup.files.trees import Place, Tree
from kubectl_argo_archive.setup.rules.found import Found, label, spot, where

_ANNOTATION: Final = re.compile(r"checksum|config-?hash|reloader|restarted-?at|wave\.pusher", re.IGNORECASE)


def missing_restart(set_up: SetUp, installation: Installation, places: Places) -> Iterator[Found]:
    """S08."""
    for controller in installation.controllers:
        persistence, workload = controller.persistence, controller.workload
        if persistence is None or workload is None:
            continue
        annotations = {**workload.annotations, **workload.pod_annotations}
        if any(_ANNOTATION.search(key) for key in annotations):
            continue
        release = _release_of(set_up, controller)
        if release is not None and _has_hook(release):
            continue
        origin = persistence.origin()
        place = release.place if release else places.place(origin.line or 0)
        if place is None:
            continue
        yield _finding(controller, installation, release, place, places.place(origin.line or 0))


def _finding(
    controller: Controller, installation: Installation, release: Release | None, place: Place, block: Place | None
) -> Found:
    names = [f"deployment/{each.workload.name}" for each in (controller, *installation.servers) if each.workload]
    space = f" -n {controller.namespace}" if controller.namespace else ""
    command = f"kubectl rollout restart {' '.join(names)}{space}"
    evidence = [f"{spot(place)}: {label(release)} has no such hook"] if release and release.declared else []
    evidence += [f"{spot(block)}: persistence of {controller.name}"] if block else []
    message = "nothing restarts the controller after a change of its configuration: it keeps the old database session"
    if release is not None and release.declared is not None and release.declared.get("name") is not None:
        fix = f"add to the release hooks: [{{events: [postsync], command: kubectl, args: {_arguments(command)}}}]"
        return "S08", failed(message, "\n".join(evidence), fix, where=where(place, release))
    fix = f"after each change run: {command}; or annotate the pods with a checksum of the ConfigMap"
    return "S08", warned(message, "\n".join(evidence), fix, where=where(place, release))


def _arguments(command: str) -> str:
    return "[" + ", ".join(command.split()[1:]) + "]"


def _release_of(set_up: SetUp, controller: Controller) -> Release | None:
    assert controller.workload is not None
    for each in set_up.resources:
        if (each.kind, each.name) == (controller.workload.kind, controller.workload.name) and each.release is not None:
            return each.release
    return None


def _has_hook(release: Release) -> bool:
    """A hook of Helmfile that restarts, or an Argo CD or Helm hook job among the values."""
    hooks = release.declared.get("hooks") if release.declared else None
    return hooks is not None and any(_restarts(each) for each in hooks.elements())


def _restarts(hook: Tree) -> bool:
    text = " ".join(tree.text_at() for _, tree in hook.walk() if isinstance(tree.value, str))
    return "rollout" in text and "restart" in text
