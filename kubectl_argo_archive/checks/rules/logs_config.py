"""The log archive as the configuration describes it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubectl_argo_archive.argo.controller import Controller
from kubectl_argo_archive.argo.objects import Origin
from kubectl_argo_archive.argo.repository import ArtifactRepository, S3Store, Store
from kubectl_argo_archive.argo.versions import Version
from kubectl_argo_archive.argo.workflows import WorkflowSpec
from kubectl_argo_archive.checks.check import Need, Outcome, check, failed, passed, warned
from kubectl_argo_archive.checks.facts import Facts
from kubectl_argo_archive.checks.finding import Severity
from kubectl_argo_archive.checks.words import at, count, edit, some

_ENDPOINT = re.compile(r"\[?[A-Za-z0-9._:-]+\]?(?::\d+)?", re.ASCII)


def repositories(facts: Facts) -> Iterator[tuple[str, ArtifactRepository, Origin]]:
    """Every repository that is written somewhere, once: how it is called, what it says, where it stands."""
    for controller in facts.controllers:
        if controller.artifact_repository:
            name = f"artifactRepository of {controller.label()}"
            yield name, controller.artifact_repository, controller.artifact_repository.origin()
    for each in facts.the.repository_maps:
        for key, repository in each.repositories.items():
            if repository:
                yield f"{each.namespace}/{each.name} {key}", repository, repository.origin()


def s3_stores(facts: Facts) -> Iterator[tuple[str, S3Store]]:
    """Those in S3."""
    for name, repository, _ in repositories(facts):
        if isinstance(repository.store, S3Store):
            yield name, repository.store


def specs(facts: Facts) -> Iterator[tuple[str, str, WorkflowSpec]]:
    """Every workflow spec that is known: what it is called, its namespace, the spec."""
    for cron in facts.the.crons:
        yield f"CronWorkflow {cron.namespace}/{cron.name}", cron.namespace, cron.spec
    for source in facts.the.sources:
        yield f"{source.kind} {source.namespace}/{source.name}", source.namespace, source.spec


def default_spec(controller: Controller) -> WorkflowSpec | None:
    defaults = controller.config.workflow_defaults if controller.config else None
    return defaults.spec if defaults else None


def archives_logs(facts: Facts, controller: Controller, namespace: str) -> bool:
    resolved = facts.the.repository(controller, namespace)
    spec = default_spec(controller)
    return bool((resolved.repository and resolved.repository.archive_logs) or (spec and spec.archive_logs))


def place_of(store: Store) -> str:
    """Server and bucket, to tell stores apart."""
    server = getattr(store, "endpoint", None) or store.kind
    return f"{server}/{getattr(store, 'bucket', None) or getattr(store, 'container', None) or '?'}"


@check(
    "C01", "Logs of pods are archived", Severity.CRITICAL, Need.CONFIG,
    symptom="No logs in the bucket although the values say `archiveLogs: true`; logs are gone with the pod.",
    cause="artifactRepository.archiveLogs is missing in the rendered ConfigMap; older charts needed "
    "`useDefaultArtifactRepo: true`.",
    looks="archiveLogs of the repository that each namespace gets, and workflowDefaults.spec.archiveLogs.",
    fix="artifactRepository: {archiveLogs: true, s3: {…}} in the controller's ConfigMap.",
)  # fmt: skip
def logs_are_archived(facts: Facts) -> Iterator[Outcome]:
    for controller in facts.controllers:
        spaces = facts.namespaces or [controller.namespace]
        off = [space for space in spaces if not archives_logs(facts, controller, space)]
        repository = controller.artifact_repository
        where = at(repository.origin("archive_logs") if repository else controller.config_origin)
        if not any(True for _ in repositories(facts)):
            yield failed(
                f"{controller.label()} has no artifact repository: logs end with their pods",
                f"{controller.config_origin.object} has no key artifactRepository",
                edit(controller, "add artifactRepository with archiveLogs: true", restart=False),
                where=where,
            )
        elif off:
            resolved = facts.the.repository(controller, off[0])
            place = at(resolved.repository.origin("archive_logs")) if resolved.repository else where
            yield failed(
                f"logs are not archived in namespace {', '.join(off)}",
                f"{place}: archiveLogs is not true",
                edit(controller, "artifactRepository.archiveLogs: true", restart=False),
                where=place,
            )
        else:
            yield passed(f"logs are archived in {', '.join(spaces)}", str(where), where=where)


@check(
    "C02", "Whoever archives logs has a repository", Severity.HIGH, Need.CONFIG,
    symptom="`key unsupported: cannot get key for artifact location, because it is invalid`.",
    cause="archiveLogs is on in a template or workflow, and no repository can be resolved for its namespace.",
    looks="Argo's order of resolution for every namespace whose workflows archive logs.",
    fix="Add artifactRepository to the controller's ConfigMap, or a ConfigMap artifact-repositories to the namespace.",
)  # fmt: skip
def repository_resolves(facts: Facts) -> Iterator[Outcome]:
    for controller in facts.controllers:
        asking: dict[str, str] = {}
        for name, space, spec in specs(facts):
            if spec.archive_logs or any(t.archive_location and t.archive_location.archive_logs for t in spec.templates):
                asking.setdefault(space, name)
        for space, name in asking.items():
            resolved = facts.the.repository(controller, space)
            bucket = getattr(resolved.store, "bucket", "") if resolved.store else None
            if resolved.store is None or (isinstance(resolved.store, S3Store) and not bucket):
                tried = some(f"{each.place}: {each.outcome}" for each in resolved.attempts)
                yield failed(f"{name} archives logs, and namespace {space} has no repository", tried)


@check(
    "C03", "References to repositories lead somewhere", Severity.HIGH, Need.CONFIG,
    symptom='`failed to find any artifact repository for artifact repository ref "…"`.',
    cause="artifactRepositoryRef names a ConfigMap or a key that does not exist.",
    looks="Every ref of crons, templates, workflows and workflowDefaults, resolved as Argo does.",
    fix="Create the ConfigMap in the workflow's namespace, or correct artifactRepositoryRef.",
)  # fmt: skip
def refs_resolve(facts: Facts) -> Iterator[Outcome]:
    number = 0
    for controller in facts.controllers:
        default = default_spec(controller)
        own = [("workflowDefaults", controller.namespace, default)] if default else []
        for name, space, spec in [*own, *specs(facts)]:
            ref = spec.artifact_repository_ref
            if ref is None:
                continue
            number += 1
            resolved = facts.the.repository(controller, space, ref)
            if resolved.repository is None and ref.key is not None:
                tried = some(f"{each.place}: {each.outcome}" for each in resolved.attempts)
                yield failed(f"{name} refers to a repository that does not exist", tried, where=at(ref.origin()))
    yield passed(f"{count(number, 'reference')} resolved")


@check(
    "C04", "Maps of repositories name their default", Severity.MEDIUM, Need.CONFIG,
    symptom='`config map missing key "" for artifact repository ref`; or the map is silently not used.',
    cause="Annotation workflows.argoproj.io/default-artifact-repository is missing or names no key of the map.",
    looks="The annotation of every artifact-repositories ConfigMap, and refs without a key.",
    fix="kubectl annotate configmap/artifact-repositories -n NAMESPACE "
    "workflows.argoproj.io/default-artifact-repository=KEY",
)  # fmt: skip
def maps_name_default(facts: Facts) -> Iterator[Outcome]:
    for each in facts.the.repository_maps:
        place = f"ConfigMap {each.namespace}/{each.name}"
        if each.default_key in each.repositories:
            yield passed(f"{place} uses {each.default_key}")
        elif each.repositories:
            keys = sorted(each.repositories)
            said = f"names {each.default_key}" if each.default_key else "has no default"
            yield failed(
                f"{place} {said}, which is none of its keys" if each.default_key else f"{place} {said}",
                f"keys: {', '.join(keys)}",
                f"kubectl annotate configmap/{each.name} -n {each.namespace} "
                f"workflows.argoproj.io/default-artifact-repository={keys[0]}",
                where=at(each.origin),
            )
    yield passed("no namespace has a map of its own")


@check(
    "C05", "Namespaces log where the controller says", Severity.MEDIUM, Need.CONFIG,
    symptom="Logs go to a bucket that nobody expected.",
    cause="A ConfigMap artifact-repositories in the workflow's namespace wins over the controller's configuration.",
    looks="The repository that each namespace gets, against the controller's.",
    fix="Remove the namespace's artifact-repositories ConfigMap, or accept it: verify and logs follow it.",
)  # fmt: skip
def namespaces_agree(facts: Facts) -> Iterator[Outcome]:
    for controller in facts.controllers:
        default = controller.artifact_repository.store if controller.artifact_repository else None
        spaces = sorted({*facts.namespaces, *(each.namespace for each in facts.the.repository_maps)})
        for space in spaces:
            store = facts.the.repository(controller, space).store
            if store and default and place_of(store) != place_of(default):
                resolved = facts.the.repository(controller, space)
                yield warned(
                    f"workflows of {space} log to {place_of(store)}, not to {place_of(default)}",
                    some(f"{a.place}: {a.outcome}" for a in resolved.attempts),
                    where=at(resolved.origin),
                )


@check(
    "C09", "Endpoints are host:port", Severity.CRITICAL, Need.CONFIG,
    symptom="`Endpoint url cannot have fully qualified paths`.",
    cause="A scheme or a path was written into `endpoint`.",
    looks="endpoint of every S3 repository.",
    fix="endpoint: minio.argo:9000, and insecure: true for http.",
)  # fmt: skip
def endpoint_is_host(facts: Facts) -> Iterator[Outcome]:
    for name, store in s3_stores(facts):
        endpoint = store.endpoint or ""
        where = at(store.origin("endpoint"))
        if endpoint and not _ENDPOINT.fullmatch(endpoint):
            scheme, _, rest = endpoint.rpartition("://")
            insecure = f", insecure: {str(scheme == 'http').lower()}" if scheme else ""
            yield failed(
                f"{name}: endpoint must be host:port",
                f"{where}: {endpoint.rpartition('@')[2]}",
                f"endpoint: {rest.rpartition('@')[2].partition('/')[0]}{insecure}",
                where=where,
            )
        else:
            yield passed(f"{name} is at {endpoint or 'AWS'}")


@check(
    "C12", "Assumed roles have a region", Severity.HIGH, Need.CONFIG,
    symptom="`operation error STS: AssumeRole, … Invalid Configuration: Missing Region`.",
    cause="roleARN without region, before v3.7.1.",
    looks="roleARN and region of every S3 repository, and the controller's release.",
    fix="Add region to the s3 block, or upgrade to v3.7.1 or later.",
)  # fmt: skip
def role_has_region(facts: Facts) -> Iterator[Outcome]:
    versions = [c.version for c in facts.controllers if c.version]
    for name, store in s3_stores(facts):
        if store.role_arn and not store.region:
            where = at(store.origin("role_arn"))
            say = failed if versions and min(versions) < Version(3, 7, 1) else warned
            yield say(f"{name}: roleARN without region", str(where), where=where)
