"""Keys of log objects, and which logs are kept at all."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubectl_argo_archive.argo.versions import Version
from kubectl_argo_archive.checks.check import Need, Outcome, check, failed, passed, warned
from kubectl_argo_archive.checks.facts import Facts
from kubectl_argo_archive.checks.finding import Severity
from kubectl_argo_archive.checks.rules.logs_config import archives_logs, default_spec, repositories, specs
from kubectl_argo_archive.checks.words import at, count, some

_WORKFLOW = re.compile(r"\{\{\s*workflow\.(?:name|uid)\s*\}\}")


_UNIQUE = re.compile(r"\{\{\s*workflow\.(?:uid|creationTimestamp)")


_POD = re.compile(r"\{\{\s*(?:pod\.name|node\.name)\s*\}\}")


_RAW_TIME = re.compile(r"\{\{\s*workflow\.creationTimestamp\s*\}\}")


@check(
    "C18", "Every pod has a log key of its own", Severity.CRITICAL, Need.CONFIG,
    symptom="One `main.log`; the UI shows the log of another step.",
    cause="keyFormat is constant or only a prefix.",
    looks="keyFormat must contain workflow.name or workflow.uid, and pod.name.",
    fix='keyFormat: "{{workflow.namespace}}/{{workflow.name}}/{{workflow.uid}}/{{pod.name}}"',
)  # fmt: skip
def keys_are_apart(facts: Facts) -> Iterator[Outcome]:
    for name, repository, _ in repositories(facts):
        store = repository.store
        if store is None:
            continue
        where = at(store.origin("key_format"))
        lacks = [
            what
            for what, pattern in (("workflow.name or workflow.uid", _WORKFLOW), ("pod.name", _POD))
            if not pattern.search(store.pattern)
        ]
        if lacks:
            yield failed(
                f"{name}: logs overwrite each other, keyFormat lacks {' and '.join(lacks)}",
                f"{where}: {store.pattern}",
                where=where,
            )
        else:
            yield passed(f"{name}: {store.pattern}")


@check(
    "C19", "A later run does not overwrite the log of an earlier one", Severity.HIGH, Need.CONFIG,
    symptom="An old run shows the log of a newer one of the same name; the UI warns of it.",
    cause="Argo's default key {{workflow.name}}/{{pod.name}} has neither uid nor time; names are used again by "
    "fixed-name workflows, other namespaces and retries.",
    looks="keyFormat must contain workflow.uid or workflow.creationTimestamp; names that repeat in the archive.",
    fix='keyFormat: "{{workflow.namespace}}/{{workflow.name}}/{{workflow.uid}}/{{pod.name}}"',
)  # fmt: skip
def runs_are_apart(facts: Facts) -> Iterator[Outcome]:
    repeated = facts.database.repeated_names if facts.database else {}
    for name, repository, _ in repositories(facts):
        store = repository.store
        if store is None or not _WORKFLOW.search(store.pattern):
            continue  # C18 says so already
        where = at(store.origin("key_format"))
        if _UNIQUE.search(store.pattern):
            yield passed(f"{name}: {store.pattern}")
        elif repeated:
            yield failed(
                f"{name}: logs were overwritten, names of workflows repeat and keyFormat has no uid",
                f"{where}: {store.pattern}\n" + some(f"{n}: {k} rows" for n, k in repeated.items()),
                where=where,
            )
        else:
            yield warned(
                f"{name}: keyFormat has neither workflow.uid nor workflow.creationTimestamp",
                f"{where}: {store.pattern}",
                where=where,
            )


@check(
    "C20", "Log keys are plain", Severity.LOW, Need.CONFIG,
    symptom="Other tools do not find objects: their keys hold spaces and `+0000 UTC`.",
    cause="{{workflow.creationTimestamp}} without a format, or spaces and // in keyFormat.",
    looks="keyFormat, and the keys recorded in the newest rows.",
    fix='keyFormat: "{{workflow.creationTimestamp.Y}}/{{workflow.creationTimestamp.m}}/…", or .RFC3339',
)  # fmt: skip
def keys_are_plain(facts: Facts) -> Iterator[Outcome]:
    for name, repository, _ in repositories(facts):
        store = repository.store
        if store is None:
            continue
        rest = re.sub(r"\{\{.*?\}\}", "x", store.pattern)
        where = at(store.origin("key_format"))
        if _RAW_TIME.search(store.pattern):
            yield warned(
                f"{name}: {{{{workflow.creationTimestamp}}}} puts spaces and + into keys", str(where), where=where
            )
        elif odd := [c for c in (" ", "+", ":", "//", "\\", "#", "?") if c in rest] or (
            ["/"] if rest[:1] == "/" else []
        ):
            yield warned(
                f"{name}: keyFormat holds {', '.join(repr(c) for c in odd)}", f"{where}: {store.pattern}", where=where
            )
    keys = [o.key for o in facts.logs.objects if any(c in o.key for c in (" ", "+", "//"))] if facts.logs else []
    if keys:
        yield warned(f"{count(len(keys), 'recorded key')} with spaces, + or //", some(keys, 3))


@check(
    "C25", "Logs outlive their pods", Severity.HIGH, Need.CONFIG,
    symptom="`no artifact logs are available` right after completion.",
    cause="podGC deletes pods while archiveLogs is off; before v3.5.14 and v3.6.3 the UI also failed for workflows "
    "that are archived and still live.",
    looks="podGC of workflowDefaults, crons and templates where logs are not archived.",
    fix="archiveLogs: true in the artifact repository, or in the workflow's spec.",
)  # fmt: skip
def logs_outlive_pods(facts: Facts) -> Iterator[Outcome]:
    for controller in facts.controllers:
        default = default_spec(controller)
        everything = [("workflowDefaults", controller.namespace, default)] if default else []
        for name, space, spec in [*everything, *specs(facts)]:
            collected = spec.pod_gc or (default.pod_gc if default else None)
            if (
                collected
                and collected.strategy
                and not spec.archive_logs
                and not archives_logs(facts, controller, space)
            ):
                where = at(collected.origin())
                yield warned(
                    f"{name}: podGC {collected.strategy} deletes pods whose logs are not archived",
                    str(where),
                    where=where,
                )


@check(
    "C26", "archiveLogs: false has an effect", Severity.LOW, Need.CONFIG,
    symptom="`archiveLogs: false` in a template or workflow changes nothing.",
    cause="archiveLogs: true of the repository always wins; only a template with its own store decides for itself.",
    looks="Effective value of every template against what is written.",
    fix="Set archiveLogs: false in the repository and true in the workflows that want it.",
)  # fmt: skip
def false_has_effect(facts: Facts) -> Iterator[Outcome]:
    for controller in facts.controllers:
        for name, space, spec in specs(facts):
            resolved = facts.the.repository(controller, space, spec.artifact_repository_ref)
            if not (resolved.repository and resolved.repository.archive_logs):
                continue
            if spec.archive_logs is False:
                where = at(spec.origin("archive_logs"))
                yield warned(
                    f"{name}: archiveLogs: false has no effect, the repository says true", str(where), where=where
                )
            for template in spec.templates:
                place = template.archive_location
                if place and place.archive_logs is False and not place.has_store:
                    where = at(place.origin("archive_logs"))
                    yield warned(
                        f"{name}, template {template.name}: archiveLogs: false has no effect", str(where), where=where
                    )


@check(
    "C27", "All containers' logs are kept", Severity.INFO, Need.CONFIG,
    symptom="Only the main container's log is archived.",
    cause="By design: sidecars, init and wait containers are never archived; members of a containerSet since v3.4.",
    looks="Templates with sidecars, initContainers or containerSet.",
    fix="Print what matters in the main container, or ship sidecars' logs with a log agent.",
)  # fmt: skip
def all_containers(facts: Facts) -> Iterator[Outcome]:
    found = []
    old = any(c.version and c.version < Version(3, 4) for c in facts.controllers)
    for name, _, spec in specs(facts):
        for template in spec.templates:
            extra = [
                kind
                for kind, there in (
                    ("sidecars", template.sidecars),
                    ("initContainers", template.init_containers),
                    ("containerSet", old and template.container_set),
                )
                if there
            ]
            if extra:
                found.append(f"{name}, template {template.name}: {', '.join(extra)}")
    found += facts.logs.templates_beyond_main if facts.logs else ()
    if found:
        yield warned(f"{count(len(found), 'template')} with containers whose logs are never archived", some(found))
