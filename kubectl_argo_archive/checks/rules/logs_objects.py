"""Log objects themselves: is there one for each archived pod, and is it that pod's?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from kubectl_argo_archive.argo.repository import S3Store
from kubectl_argo_archive.checks.check import Need, Outcome, check, failed, passed, skipped, warned
from kubectl_argo_archive.checks.facts import Facts
from kubectl_argo_archive.checks.facts_storage import LogObject, Logs
from kubectl_argo_archive.checks.finding import Severity
from kubectl_argo_archive.checks.rules.archive_process import role_yaml
from kubectl_argo_archive.checks.words import at, count, instant, percent, some

_FAILED = ("Failed", "Error")
_IRSA = ("eks.amazonaws.com/role-arn", "iam.gke.io/gcp-service-account", "azure.workload.identity/client-id")


def _logs(facts: Facts) -> Logs:
    assert facts.logs is not None
    return facts.logs


def _named(objects: list[LogObject]) -> str:
    return some(f"{o.workflow} {o.node}: {o.key or 'no key'}{f' ({o.why})' if o.why else ''}" for o in objects)


def _details(objects: list[LogObject]) -> dict[str, object]:
    return {
        "objects": [
            {"workflow": o.workflow, "uid": o.uid, "node": o.node, "bucket": o.bucket, "key": o.key}
            for o in objects[:100]
        ]
    }


@check(
    "E06", "Every recorded log object is there", Severity.CRITICAL, Need.LOGS,
    symptom="The UI shows `NoSuchKey` or nothing where a log should be.",
    cause="Somebody or a lifecycle rule deleted it, artifactGC took it, or the bucket was changed.",
    looks="HEAD of the recorded keys of the newest archived workflows.",
    fix="Restore the objects (a versioned bucket keeps them), end lifecycle rules shorter than archiveTTL, and set "
    "artifactGC.strategy: Never for workflows whose logs matter.",
)  # fmt: skip
def objects_exist(facts: Facts) -> Iterator[Outcome]:
    logs = _logs(facts)
    missing = logs.of("missing")
    recorded = [o for o in logs.objects if o.key]
    if missing:
        yield failed(
            f"{count(len(missing), 'log object')} of {len(recorded)} missing in {_buckets(missing)}",
            _named(missing),
            details=_details(missing),
        )
    else:
        yield passed(
            f"all {len(recorded)} recorded log objects of {count(logs.workflows, 'workflow')} are there",
            f"since {instant(logs.since)}",
        )


def _buckets(objects: list[LogObject]) -> str:
    return ", ".join(sorted({o.bucket for o in objects}))


@check(
    "E07", "No log object was overwritten", Severity.HIGH, Need.LOGS,
    symptom="The log of a run is that of a later one; the UI says `may be overwritten by a more recent workflow`.",
    cause="The key is not unique (C18, C19), or a retry used the pod's name again.",
    looks="Time of the object against the end of its pod.",
    fix="Put workflow.uid into keyFormat; older versions are in a versioned bucket: aws s3api list-object-versions.",
)  # fmt: skip
def objects_are_original(facts: Facts) -> Iterator[Outcome]:
    logs = _logs(facts)
    overwritten, there = logs.of("overwritten"), logs.of("present", "empty", "overwritten")
    if overwritten:
        # a bucket that was copied or restored shows the same
        doubt = "; all are: was the bucket copied?" if len(overwritten) == len(there) > 1 else ""
        yield warned(
            f"{count(len(overwritten), 'log object')} of {len(there)} written long after the end of the pod{doubt}",
            _named(overwritten),
            details=_details(overwritten),
        )


@check(
    "E17", "No two workflows share a log object", Severity.HIGH, Need.LOGS,
    symptom="Two runs show the same log.",
    cause="Two workflows recorded the same key; the later one overwrote the earlier one's log.",
    looks="Keys of the newest rows that occur under several uids.",
    fix='keyFormat: "{{workflow.namespace}}/{{workflow.name}}/{{workflow.uid}}/{{pod.name}}"',
)  # fmt: skip
def objects_are_apart(facts: Facts) -> Iterator[Outcome]:
    owners: dict[tuple[str, str], set[str]] = defaultdict(set)
    for entry in _logs(facts).objects:
        if entry.key:
            owners[entry.bucket, entry.key].add(f"{entry.workflow} {entry.uid}")
    shared = {place: uids for place, uids in owners.items() if len({u.rpartition(" ")[2] for u in uids}) > 1}
    if shared:
        yield failed(
            f"{count(len(shared), 'log object')} belong to several workflows",
            some(f"s3://{bucket}/{key}: {', '.join(sorted(uids))}" for (bucket, key), uids in shared.items()),
        )


@check(
    "C22", "Failed pods have logs", Severity.HIGH, Need.LOGS,
    symptom="Exactly the pods that failed, were killed or ran out of memory have no log.",
    cause="The pod was killed before the wait container stored the log.",
    looks="Pods without a recorded log, by phase and message of the node.",
    fix="Set ARGO_POD_STATUS_CAPTURE_FINALIZER=true on the controller, and give the wait container memory "
    "(executor.resources).",
)  # fmt: skip
def failed_pods(facts: Facts) -> Iterator[Outcome]:
    pods = [o for o in _logs(facts).objects if o.expected and o.phase in _FAILED]
    without = [o for o in pods if o.status == "unrecorded"]
    if without:
        yield warned(
            f"{count(len(without), 'failed pod')} of {len(pods)} have no archived log",
            some(f"{o.workflow} {o.node}: {o.phase}, {o.message or 'no message'}" for o in without),
            details=_details(without),
        )
    else:
        yield passed(f"all {count(len(pods), 'failed pod')} have a recorded log")


@check(
    "C23", "Logs are not empty", Severity.MEDIUM, Need.LOGS,
    symptom="`main.log` has 0 bytes.",
    cause="An old fault of the executor, or the process writes elsewhere than stdout and stderr.",
    looks="Size of the log objects of the newest archived workflows.",
    fix="Upgrade the executor (v3.4 or later), or print to stdout.",
)  # fmt: skip
def logs_not_empty(facts: Facts) -> Iterator[Outcome]:
    logs = _logs(facts)
    empty, there = logs.of("empty"), logs.of("empty", "present", "overwritten")
    if empty:
        yield warned(
            f"{percent(len(empty), len(there))} of log objects are empty", _named(empty), details=_details(empty)
        )


@check(
    "C16", "Pods have the role that the store wants", Severity.HIGH, Need.CONFIG, Need.CLUSTER,
    symptom="IRSA works in a debug pod, and workflows get `Access Denied`.",
    cause="Workflows run under another service account, without the role's annotation.",
    looks="Service accounts of live workflows where the repository has no static keys.",
    fix="kubectl annotate serviceaccount/NAME -n NAMESPACE eks.amazonaws.com/role-arn=arn:aws:iam::…:role/…",
)  # fmt: skip
def pods_have_role(facts: Facts) -> Iterator[Outcome]:
    for controller in facts.controllers:
        used = sorted({(w.namespace, w.service_account) for w in facts.api.workflows})
        for space, name in used:
            store = facts.the.repository(controller, space).store
            if not isinstance(store, S3Store) or store.access_key_secret or not (store.use_sdk_creds or store.role_arn):
                continue
            annotations = facts.api.service_accounts.get(f"{space}/{name}")
            if annotations is None:
                yield skipped(
                    f"service account {space}/{name} could not be looked at",
                    f"kubectl get serviceaccount/{name} -n {space} -o yaml",
                )
            elif not any(key in annotations for key in _IRSA):
                yield warned(
                    f"service account {space}/{name} has no role, and the store no static keys",
                    f"{at(store.origin())}: no accessKeySecret",
                    f"kubectl annotate serviceaccount/{name} -n {space} {_IRSA[0]}=arn:aws:iam::…:role/…",
                )


@check(
    "C21", "Controller and server name pods alike", Severity.MEDIUM, Need.CONFIG,
    symptom="The UI looks for `<workflow>-<hash>`, the pod is `<workflow>-<template>-<hash>`: no logs.",
    cause="POD_NAMES differs between controller and server, or rows were written under both.",
    looks="POD_NAMES of both, and the annotation pod-name-format of the newest rows.",
    fix="Set POD_NAMES=v2 on controller and server alike (the default since v3.4).",
)  # fmt: skip
def pods_named_alike(facts: Facts) -> Iterator[Outcome]:
    for server in facts.the.servers:
        for controller in facts.controllers:
            mine, theirs = controller.env.get("POD_NAMES") or "v2", server.env.get("POD_NAMES") or "v2"
            if controller.namespace == server.namespace and mine != theirs:
                yield warned(
                    f"{controller.label()} names pods {mine}, server {server.name} {theirs}",
                    "env POD_NAMES",
                    where=at(server.origin),
                )
    formats = sorted({row.pod_names for row in facts.database.recent if row.pod_names}) if facts.database else []
    seen = f"newest rows: {', '.join(formats)}" if formats else ""
    yield passed("controller and server name pods alike", seen)


@check(
    "C24", "Pods may report their results", Severity.HIGH, Need.CLUSTER,
    symptom="`workflowtaskresults.argoproj.io is forbidden: … cannot create resource`; outputs and keys are lost.",
    cause="The executor's Role is not bound to the workflow's service account.",
    looks="SubjectAccessReview for create and patch of workflowtaskresults, for accounts of live workflows.",
    fix="Bind a Role with create and patch on workflowtaskresults.argoproj.io to the workflow's service account.",
)  # fmt: skip
def pods_may_report(facts: Facts) -> Iterator[Outcome]:
    asked = [each for each in facts.api.access if each.resource == "workflowtaskresults.argoproj.io"]
    if not asked:
        reason = facts.api.unread.get("access of service accounts") or "no live workflow names a service account"
        yield skipped(
            f"rights of service accounts could not be asked: {reason}",
            "kubectl auth can-i create workflowtaskresults.argoproj.io --as=system:serviceaccount:argo:default",
        )
    for each in asked:
        if not each.allowed:
            rules = [("argoproj.io", ["workflowtaskresults"], ["create", "patch"])]
            binding = (
                f"---\nkubectl create rolebinding executor -n {each.namespace} --role=executor "
                f"--serviceaccount={each.who.removeprefix('system:serviceaccount:')}"
            )
            yield failed(
                f"{each.who} may not {each.verb} workflowtaskresults in {each.namespace}",
                "SubjectAccessReview",
                role_yaml(each.namespace, "executor", rules) + "\n" + binding,
            )
    yield passed(f"{count(len(asked), 'right')} of service accounts asked, all granted")
