"""A tiny workflow that goes the whole way: submitted, archived, its log stored; then everything of it is removed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from kubectl_argo_archive.argo.log_keys import LogStore
from kubectl_argo_archive.checks.facts_cluster import ARCHIVING, COMPLETED, INSTANCE, Canary
from kubectl_argo_archive.cluster.client import KubeClient
from kubectl_argo_archive.cluster.forward import Tell
from kubectl_argo_archive.cluster.resources import RESOURCES
from kubectl_argo_archive.errors import ArgoArchiveError
from kubectl_argo_archive.verify.canary_lake import LABEL, lake_row
from kubectl_argo_archive.verify.concurrent import Deadline
from kubectl_argo_archive.verify.database_probe import Way, ask_for_document, remove_row
from kubectl_argo_archive.verify.gather import Gathered
from kubectl_argo_archive.verify.log_probe import look_at_logs
from kubectl_argo_archive.verify.scope import Scope

IMAGE = "busybox:1.36"
_PAUSE_S = 0.5


def manifest(name: str, namespace: str, instance_id: str, service_account: str | None) -> dict[str, Any]:
    """The Workflow: one pod that prints one line."""
    labels = {LABEL: "true"} | ({INSTANCE: instance_id} if instance_id else {})
    container = {"image": IMAGE, "command": ["echo", f"canary {name}"]}
    spec: dict[str, Any] = {
        "entrypoint": "main",
        "archiveLogs": True,
        "activeDeadlineSeconds": 600,
        "templates": [{"name": "main", "container": container}],
    }
    if service_account:
        spec["serviceAccountName"] = service_account
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": metadata, "spec": spec}


def submit_canary(gathered: Gathered, scope: Scope, tell: Tell) -> Canary:
    """Submit, wait for each step, and clean up whatever happens; an interrupt cleans up too.

    Args:
        gathered: client, controller, and the ways to database and buckets.
        scope: how long to wait.
        tell: says what is done.
    """
    client, controller = gathered.client, gathered.controller
    assert client is not None
    assert controller is not None
    namespace = _namespace(gathered, scope)
    name = f"archive-canary-{uuid4().hex[:8]}"
    account = next((w.service_account for w in (gathered.facts.cluster.workflows if gathered.facts.cluster else ())
                    if w.namespace == namespace and w.service_account != "default"), None)  # fmt: skip
    flight = _Flight(client, namespace, name, Deadline(scope.canary_timeout))
    tell(f"canary: submitting workflow {namespace}/{name}")
    try:
        flight.step("submitted", lambda: flight.submit(manifest(name, namespace, controller.instance_id, account)))
        flight.step("finished", flight.finished)
        flight.step("marked archived", flight.archived)
        if gathered.way is not None:
            way = gathered.way
            flight.step("row", lambda: flight.row(way))
            flight.step("labels", flight.labels)
            if gathered.heads is not None and gathered.heads.stores:
                heads = gathered.heads
                flight.step("log object", lambda: flight.log_object(heads))
            if scope.lake is not None:
                lake = scope.lake
                flight.step("lake row", lambda: lake_row(way, lake, scope.config, flight.uid, flight.since))
    finally:
        left = flight.clean_up(gathered)
    return Canary(f"{namespace}/{name}", flight.uid, flight.phase, flight.steps, flight.seconds, tuple(left))


def _namespace(gathered: Gathered, scope: Scope) -> str:
    """Where workflows run: as asked, else where they ran lately, else where the controller is."""
    controller = gathered.controller
    assert controller is not None
    if scope.namespaces:
        return scope.namespaces[0]
    used = gathered.facts.namespaces
    return controller.managed_namespace or (used[0] if used else controller.namespace)


class _Flight:
    """One canary under way; after a step that fails nothing more is waited for."""

    def __init__(self, client: KubeClient, namespace: str, name: str, deadline: Deadline) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._deadline = deadline
        self._live: dict[str, Any] = {}
        self._document = ""
        self._key: tuple[str, str] | None = None
        self.since = datetime.now(UTC) - timedelta(hours=1)
        self.uid = ""
        self.phase = ""
        self.steps: dict[str, str] = {}
        self.seconds: dict[str, float] = {}

    def step(self, what: str, arrived: Callable[[], str | None]) -> None:
        """Ask until ``arrived`` returns None; its text says what is lacking."""
        if any(self.steps.values()):
            return
        begun = time.monotonic()
        lacking: str | None = "not asked"
        try:
            while (lacking := arrived()) is not None and self._deadline.left > 0:
                time.sleep(min(_PAUSE_S, self._deadline.left))
        except ArgoArchiveError as error:
            lacking = error.message
        self.steps[what] = "" if lacking is None else lacking
        self.seconds[what] = time.monotonic() - begun

    def submit(self, body: dict[str, Any]) -> None:
        self._live = self._client.create(RESOURCES["Workflow"], self._namespace, body)
        self.uid = self._live["metadata"]["uid"]

    def finished(self) -> str | None:
        self._live = self._client.get(RESOURCES["Workflow"], self._namespace, self._name) or self._live
        self.phase = (self._live.get("status") or {}).get("phase") or ""
        done = self._labels().get(COMPLETED) == "true" or self.phase in ("Succeeded", "Failed", "Error")
        if not done:
            return f"phase is {self.phase or 'empty'} after {self._deadline.seconds:.0f} s"
        if self.phase != "Succeeded":
            message = (self._live.get("status") or {}).get("message") or "no message"
            return f"it ended {self.phase}: {message}"
        return None

    def archived(self) -> str | None:
        found = self._client.get(RESOURCES["Workflow"], self._namespace, self._name)
        if found is None:
            return None  # its ttlStrategy was faster, which waits for the archive
        self._live = found
        state = self._labels().get(ARCHIVING, "absent")
        return None if state == "Archived" else f"label workflow-archiving-status is {state}"

    def row(self, way: Way) -> str | None:
        self._document = ask_for_document(way, self.uid) or ""
        return None if self._document else f"no row of uid {self.uid}"

    def labels(self) -> str | None:
        stored = (json.loads(self._document).get("metadata") or {}).get("labels") or {}
        return None if stored.get(LABEL) == "true" else f"the row lacks label {LABEL}"

    def log_object(self, heads: Callable[[LogStore, str, str], Any]) -> str | None:
        logs = look_at_logs([self._document], heads)
        recorded = [entry for entry in logs.objects if entry.key]
        if not recorded:
            return "the row names no log"
        self._key = (recorded[0].bucket, recorded[0].key)
        bad = [entry for entry in recorded if entry.status not in ("present", "overwritten")]
        return f"s3://{bad[0].bucket}/{bad[0].key} is {bad[0].status} {bad[0].why}".rstrip() if bad else None

    def clean_up(self, gathered: Gathered) -> list[str]:
        """Remove the live object, its row and its log; return what stays."""
        left = []
        with suppress(ArgoArchiveError):
            self._client.delete(RESOURCES["Workflow"], self._namespace, self._name)
        try:
            if self.uid and self._client.get(RESOURCES["Workflow"], self._namespace, self._name) is not None:
                left.append(f"workflow {self._namespace}/{self._name}")
        except ArgoArchiveError as error:
            left.append(f"workflow {self._namespace}/{self._name}: {error.message}")
        if self._document and gathered.way is not None and (why := remove_row(gathered.way, self.uid)):
            left.append(f"row {self.uid}: {why}")
        if self._key and gathered.heads is not None:
            why = gathered.heads.remove(*self._key)
            left += [f"s3://{self._key[0]}/{self._key[1]}: {why}"] if why else []
        return left

    def _labels(self) -> dict[str, str]:
        found: dict[str, str] = (self._live.get("metadata") or {}).get("labels") or {}
        return found
