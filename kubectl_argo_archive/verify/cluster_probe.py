"""What the Kubernetes API tells beyond the configuration: workflows, pods, rights, logs of controllers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from kubectl_argo_archive.argo.controller import Controller, Process
from kubectl_argo_archive.argo.installation import Installation, Unread, read_installation
from kubectl_argo_archive.argo.objects import ManifestObject
from kubectl_argo_archive.checks.facts_cluster import Access, Cluster, LiveWorkflow, Pod
from kubectl_argo_archive.cluster.client import KubeClient
from kubectl_argo_archive.cluster.resources import RESOURCES
from kubectl_argo_archive.cluster.yaml_text import parse_yaml
from kubectl_argo_archive.errors import ArgoArchiveError, ClusterForbidden

T = TypeVar("T")

MAX_WORKFLOWS = 5_000
_MAX_ACCOUNTS = 20
_LOG_LINES = 5_000
_TELLING = (
    "archiv", "Archiv", "ersistence", "Failed to init db", "Failed to update config", "Failed to parse controller",
    "Non-transient error: <nil>", "duplicate key", "Duplicate entry", "22P05", "unsupported Unicode", "pgcerts",
    "CronWorkflow history limit", "driver: bad connection", "database schema",
)  # fmt: skip

_OUR_NEEDS = (
    ("get", "configmaps", "", "the controller's configuration"),
    ("get", "secrets", "", "the database's password"),
    ("list", "deployments", "apps", "finding controllers"),
    ("list", "services", "", "finding the database"),
    ("list", "pods", "", "start of the controller"),
    ("create", "pods/portforward", "", "reaching the database"),
    ("get", "pods/log", "", "the controller's log"),
)
"""verb, resource, group, what for: in the controller's namespace."""


@dataclass
class ClusterProbe:
    """Asks one API; every refusal is noted, only an API that does not answer is an error.

    Attributes:
        client: the API.
        unread: what was refused, and why.
    """

    client: KubeClient
    unread: dict[str, str] = field(default_factory=dict)

    def look(self, installation: Installation, workflows: tuple[LiveWorkflow, ...], truncated: bool) -> Cluster:
        """Everything but workflows, which come first because other probes need them.

        Raises:
            ClusterUnreachable: the API ceased to answer.
        """
        processes = (*installation.controllers, *installation.servers)
        return Cluster(
            context=self.client.access.context,
            workflows=workflows,
            truncated=truncated,
            pods=tuple(self._pods(processes)),
            config_changed=self._changed(installation, processes),
            namespaces=self._namespaces(),
            access=tuple(self._access(installation, workflows)),
            service_accounts=self._accounts(workflows),
            log_lines=self._log_lines(installation.controllers),
            unread=self.unread,
        )

    def workflows(self, namespaces: Iterable[str | None]) -> tuple[tuple[LiveWorkflow, ...], bool]:
        """Live workflows, and whether there are more than we look at."""
        found: list[LiveWorkflow] = []
        for namespace in namespaces:
            for item in self._listed("workflows", "Workflow", namespace):
                if len(found) >= MAX_WORKFLOWS:
                    return tuple(found), True
                found.append(live_workflow(item))
        return tuple(found), False

    def workflows_of(self, namespaces: Iterable[str]) -> tuple[tuple[LiveWorkflow, ...], bool]:
        """Live workflows of single namespaces, after the list of all was refused; one that answers is enough."""
        refusal = self.unread.pop("workflows", "")
        found: list[LiveWorkflow] = []
        answered = cut = False
        for namespace in sorted(namespaces):
            some, more = self.workflows([namespace])
            answered = answered or "workflows" not in self.unread
            self.unread.pop("workflows", None)
            found, cut = [*found, *some], cut or more
        if not answered:
            self.unread["workflows"] = refusal
        return tuple(found), cut

    def with_secrets(self, installation: Installation, namespaces: Iterable[str]) -> Installation:
        """The Installation with the Secrets that repositories want in ``namespaces``, and where missing ones are."""
        extra: dict[tuple[str, str], ManifestObject] = {}
        unread: list[Unread] = []
        wanted = {(c.namespace, ref.name or "") for c in installation.controllers for ref in _database_refs(c)}
        for controller in installation.controllers:
            for namespace in namespaces:
                store = installation.repository(controller, namespace).store
                wanted |= {(namespace, ref.name or "") for ref in (store.secrets.values() if store else ())}
        for namespace, name in sorted(wanted):
            if not installation.secret(namespace, name):
                try:
                    self._add_secret(extra, namespace, name)
                except ClusterForbidden as refused:
                    unread.append(Unread("get secrets", "Secret", namespace, name, refused.message))
        for name in {
            name for space, name in wanted if (space, name) not in extra and not installation.secret(space, name)
        }:
            alike = self._listed("secrets of all namespaces", "Secret", None, fields=f"metadata.name={name}")
            for item in alike:
                with suppress(ArgoArchiveError):  # only to tell where else there is one
                    self._add_secret(extra, item["metadata"].get("namespace", ""), name)
        if not extra and not unread:
            return installation
        return read_installation(
            (*installation.objects, *extra.values()), parse_yaml, unread=(*installation.unread, *unread)
        )

    def _add_secret(self, extra: dict[tuple[str, str], ManifestObject], namespace: str, name: str) -> None:
        item = self.client.get(RESOURCES["Secret"], namespace, name)
        if item is not None:
            # values stop here: the model holds keys only
            extra[namespace, name] = ManifestObject(item | {"data": dict.fromkeys(item.get("data") or {})})

    def _asked(self, what: str, question: Callable[[], T], nothing: T) -> T:
        """The answer; ``nothing``, and a note, if the API refuses or fails."""
        try:
            return question()
        except ArgoArchiveError as error:
            self.unread[what] = error.message
            return nothing

    def _listed(self, what: str, kind: str, namespace: str | None, **narrow: Any) -> list[dict[str, Any]]:
        """Objects of a kind; of Secrets the names only."""
        names_only = kind in ("Secret", "Namespace")
        found: list[dict[str, Any]] = []

        def ask() -> list[dict[str, Any]]:
            for item in self.client.list(RESOURCES[kind], namespace, names_only=names_only, **narrow):
                found.append(item)
                if len(found) > MAX_WORKFLOWS:
                    break
            return found

        return self._asked(what, ask, found)

    def _got(self, what: str, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        """One object; None if there is none, or it is refused."""
        return self._asked(what, lambda: self.client.get(RESOURCES[kind], namespace, name), None)

    def _pods(self, processes: tuple[Process, ...]) -> Iterator[Pod]:
        for process in processes:
            workload = process.workload
            if workload is None or not workload.selector:
                continue
            labels = ",".join(f"{name}={value}" for name, value in workload.selector.items())
            for item in self._listed("pods", "Pod", process.namespace, labels=labels):
                if not (item["metadata"].get("deletionTimestamp")):
                    yield _pod(item, process)

    def _changed(self, installation: Installation, processes: tuple[Process, ...]) -> dict[str, datetime]:
        changed = {}
        for process in processes:
            found = installation.find("ConfigMap", process.namespace, process.config_map)
            if found and (time := _last_change(found)):
                changed[f"{process.namespace}/{process.config_map}"] = time
        return changed

    def _namespaces(self) -> frozenset[str] | None:
        items = self._listed("namespaces", "Namespace", None)
        return None if "namespaces" in self.unread else frozenset(item["metadata"]["name"] for item in items)

    def _access(self, installation: Installation, workflows: tuple[LiveWorkflow, ...]) -> Iterator[Access]:
        def ask(who: str | None, verb: str, resource: str, group: str, namespace: str, why: str) -> Iterator[Access]:
            plain, _, sub = resource.partition("/")
            key = "access of service accounts" if who else "access"
            question = partial(self.client.can, verb, plain, group=group, namespace=namespace, sub=sub, who=who)
            allowed: bool | None = self._asked(key, question, None)
            if allowed is not None:
                full = f"{resource}.{group}" if group else resource
                yield Access(who or "you", verb, full, namespace, allowed, why)

        for home in sorted({c.namespace for c in installation.controllers}):
            for verb, resource, group, why in _OUR_NEEDS:
                yield from ask(None, verb, resource, group, home, why)
        spaces = sorted({w.namespace for w in workflows}) or sorted({c.namespace for c in installation.controllers})
        for namespace in spaces[:_MAX_ACCOUNTS]:
            for verb in ("list", "get"):
                yield from ask(None, verb, "workflows", "argoproj.io", namespace, "finding workflows that wait")
        accounts = sorted({(w.namespace, w.service_account) for w in workflows})
        for namespace, name in accounts[:_MAX_ACCOUNTS]:
            for verb in ("create", "patch"):
                who = f"system:serviceaccount:{namespace}:{name}"
                yield from ask(who, verb, "workflowtaskresults", "argoproj.io", namespace, "")

    def _accounts(self, workflows: tuple[LiveWorkflow, ...]) -> dict[str, Mapping[str, str]]:
        found = {}
        for namespace, name in sorted({(w.namespace, w.service_account) for w in workflows})[:_MAX_ACCOUNTS]:
            item = self._got("service accounts", "ServiceAccount", namespace, name)
            if item is not None:
                found[f"{namespace}/{name}"] = item["metadata"].get("annotations") or {}
        return found

    def _log_lines(self, controllers: tuple[Controller, ...]) -> dict[str, tuple[str, ...]]:
        found = {}
        for controller in controllers:
            container = controller.container.name if controller.container else ""
            for pod in self._pods((controller,)):
                ask = partial(self.client.log, pod.namespace, pod.name, container=container, tail=_LOG_LINES)
                text = self._asked("logs", ask, "")
                lines = tuple(line for line in text.splitlines() if any(word in line for word in _TELLING))
                if text:
                    found[f"{pod.namespace}/{pod.name}"] = lines
        return found


def _database_refs(controller: Controller) -> list[Any]:
    database = controller.persistence.database if controller.persistence else None
    return [ref for ref in (database.user_name_secret, database.password_secret) if ref] if database else []


def live_workflow(item: Mapping[str, Any]) -> LiveWorkflow:
    """What the checks want to know of a Workflow object."""
    metadata, spec, status = (_object(item.get(name)) for name in ("metadata", "spec", "status"))
    strategy = _object(spec.get("ttlStrategy"))
    by_phase = {"Succeeded": "secondsAfterSuccess", "Failed": "secondsAfterFailure", "Error": "secondsAfterFailure"}
    phase = str(status.get("phase") or "")
    ttl = strategy.get(by_phase.get(phase, ""), strategy.get("secondsAfterCompletion"))
    return LiveWorkflow(
        namespace=str(metadata.get("namespace") or ""),
        name=str(metadata.get("name") or ""),
        uid=str(metadata.get("uid") or ""),
        phase=phase,
        labels={k: v for k, v in _object(metadata.get("labels")).items() if isinstance(v, str)},
        created=_time(metadata.get("creationTimestamp")),
        finished=_time(status.get("finishedAt")),
        bytes=len(json.dumps(item, separators=(",", ":"))),
        service_account=str(spec.get("serviceAccountName") or "default"),
        ttl_s=ttl if isinstance(ttl, int) else None,
    )


def _pod(item: Mapping[str, Any], process: Process) -> Pod:
    status = _object(item.get("status"))
    containers = [each for each in status.get("containerStatuses") or () if isinstance(each, dict)]
    started = [_time(_object(_object(each.get("state")).get("running")).get("startedAt")) for each in containers]
    known = [time for time in started if time]
    return Pod(
        namespace=process.namespace,
        name=str(item["metadata"]["name"]),
        process=process.name,
        role="controller" if isinstance(process, Controller) else "server",
        started=min(known, default=_time(status.get("startTime"))),
        ready=all(each.get("ready") for each in containers),
        restarts=sum(each.get("restartCount") or 0 for each in containers),
    )


def _last_change(obj: ManifestObject) -> datetime | None:
    times = [_time(each.get("time").value) for each in obj.node("metadata", "managedFields").elements()]
    times.append(_time(obj.node("metadata", "creationTimestamp").value))
    return max((time for time in times if time), default=None)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _time(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except ValueError:
        return None
