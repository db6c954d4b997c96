"""How buckets keep what is in them: versions, expiry, locks, encryption, conditional writes."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_argo_archive.checks.check import Need, Outcome, check, failed, passed, skipped, warned
from kubectl_argo_archive.checks.facts import Facts
from kubectl_argo_archive.checks.facts_storage import Bucket
from kubectl_argo_archive.checks.finding import Severity
from kubectl_argo_archive.checks.rules.archive_rows import keeps_for_ever, ttl_of
from kubectl_argo_archive.checks.rules.logs_config import repositories
from kubectl_argo_archive.checks.words import some


def _answering(facts: Facts) -> Iterator[Bucket]:
    return (bucket for bucket in facts.buckets or () if bucket.works)


def _unread(bucket: Bucket, what: str, action: str) -> Outcome:
    return skipped(f"{what} of {bucket} may not be read: {bucket.unread.get(what, 'no answer')}", f"allow {action}")


@check(
    "C28", "Logs of deleted workflows go some day", Severity.LOW, Need.BUCKET,
    symptom="The bucket grows for ever.",
    cause="archiveTTL never touches S3, and artifactGC leaves logs alone unless a workflow has other artifacts.",
    looks="Lifecycle rules of the buckets of logs.",
    fix="Add a lifecycle rule whose days exceed archiveTTL and the retention that you owe.",
)  # fmt: skip
def logs_go(facts: Facts) -> Iterator[Outcome]:
    for bucket in _answering(facts):
        if bucket.role != "logs":
            continue
        rules = [rule for rule in bucket.lifecycle or () if rule.enabled and (rule.days or rule.noncurrent_days)]
        if bucket.lifecycle is None:
            yield _unread(bucket, "lifecycle", "s3:GetLifecycleConfiguration")
        elif not rules:
            yield warned(f"{bucket} has no lifecycle rule: logs stay for ever", "GetBucketLifecycleConfiguration")
        else:
            yield passed(
                f"{bucket} expires objects", some(f"{r.id or r.prefix or 'all'}: {r.days} days" for r in rules)
            )


@check(
    "C29", "Logs live as long as their workflows", Severity.HIGH, Need.BUCKET,
    symptom="The workflow is in the archive, and its log is gone.",
    cause="The bucket's lifecycle is shorter than archiveTTL, or than the lake's retention.",
    looks="Days of the lifecycle rules against archiveTTL; any expiry in the lake's bucket below its prefix.",
    fix="Raise the rule's days above archiveTTL, or end the rule.",
)  # fmt: skip
def logs_live_long(facts: Facts) -> Iterator[Outcome]:
    longest = max((ttl for ttl in map(ttl_of, facts.controllers) if ttl), default=0) / 86_400
    forever = any(keeps_for_ever(controller) for controller in facts.controllers)
    for bucket in _answering(facts):
        if bucket.lifecycle is None:
            yield _unread(bucket, "lifecycle", "s3:GetLifecycleConfiguration")
        for rule in bucket.lifecycle or ():
            hits = rule.prefix.startswith(bucket.prefix) or bucket.prefix.startswith(rule.prefix.rstrip("/"))
            if not rule.enabled or not rule.days or not hits:
                continue
            seen = f"rule {rule.id or 'without name'}: prefix '{rule.prefix}', {rule.days} days"
            if bucket.role == "lake":
                yield failed(
                    f"the lake at {bucket} is deleted after {rule.days} days",
                    seen,
                    "end this rule: the lake's files must never expire",
                )
            elif rule.days < longest:
                yield failed(f"logs in {bucket} go after {rule.days} days, rows are kept {longest:.0f} days", seen)
            elif forever:
                yield warned(f"logs in {bucket} go after {rule.days} days, rows are kept for ever", seen)


@check(
    "C30", "Object lock does not stop writers", Severity.MEDIUM, Need.BUCKET,
    symptom="Uploads to a locked bucket are refused (a checksum is required), or overwriting fails.",
    cause="Object lock keeps every version; Argo writes the same key again after a retry, the lake's lock file is "
    "renewed and removed.",
    looks="GetObjectLockConfiguration, and whether keyFormat makes keys unique.",
    fix="Use a bucket without default retention for logs and lake; lock the audit exports instead.",
)  # fmt: skip
def lock_does_not_stop(facts: Facts) -> Iterator[Outcome]:
    for bucket in _answering(facts):
        if bucket.object_lock is None:
            yield _unread(bucket, "object_lock", "s3:GetBucketObjectLockConfiguration")
        elif bucket.object_lock_days:
            seen = f"{bucket.object_lock}, {bucket.object_lock_days} days"
            if bucket.role == "lake":
                yield failed(f"{bucket} keeps every object: the lake's lock file cannot be removed", seen)
                continue
            unique = all(
                "workflow.uid" in r.store.pattern
                for _, r, _ in repositories(facts)
                if r.store and getattr(r.store, "bucket", "") == bucket.name
            )
            say = warned if unique else failed
            yield say(f"{bucket} is locked by default: retries cannot replace a log", seen)
        else:
            yield passed(f"{bucket} has no default retention")


@check(
    "E09", "The bucket keeps overwritten versions", Severity.MEDIUM, Need.BUCKET,
    symptom="A log or a data file was overwritten or deleted, and nothing brings it back.",
    cause="Versioning is off.",
    looks="GetBucketVersioning.",
    fix="aws s3api put-bucket-versioning --bucket BUCKET --versioning-configuration Status=Enabled",
)  # fmt: skip
def versioned(facts: Facts) -> Iterator[Outcome]:
    for bucket in _answering(facts):
        if bucket.versioning is None:
            yield _unread(bucket, "versioning", "s3:GetBucketVersioning")
        elif bucket.versioning != "Enabled":
            yield warned(
                f"{bucket} keeps no versions: versioning is {bucket.versioning or 'off'}",
                "GetBucketVersioning",
                f"aws s3api put-bucket-versioning --bucket {bucket.name} --versioning-configuration Status=Enabled",
            )
        else:
            yield passed(f"{bucket} keeps versions")


@check(
    "E12", "The bucket encrypts what it stores", Severity.LOW, Need.BUCKET,
    symptom="An auditor asks how logs are encrypted at rest.",
    cause="No default encryption is set (AWS encrypts with its own keys since 2023; other stores do not).",
    looks="GetBucketEncryption.",
    fix="aws s3api put-bucket-encryption --bucket BUCKET --server-side-encryption-configuration …",
)  # fmt: skip
def bucket_encrypts(facts: Facts) -> Iterator[Outcome]:
    for bucket in _answering(facts):
        if bucket.encryption is None:
            yield _unread(bucket, "encryption", "s3:GetEncryptionConfiguration")
        elif not bucket.encryption:
            yield warned(f"{bucket} has no default encryption", "GetBucketEncryption")
        else:
            yield passed(f"{bucket} encrypts with {bucket.encryption}", bucket.kms_key or "")


@check(
    "E13", "The store honours conditional writes", Severity.HIGH, Need.BUCKET,
    symptom="Two exports at the same time damage the lake.",
    cause="The store ignores If-None-Match; commits of the lake rely on it.",
    looks="A second put of the probe object with If-None-Match: * must be refused.",
    fix="Use a store with conditional writes (AWS S3, MinIO 2024 or later, Ceph Squid, SeaweedFS), or run one export "
    "at a time.",
)  # fmt: skip
def conditional_writes(facts: Facts) -> Iterator[Outcome]:
    for bucket in _answering(facts):
        if bucket.conditional is True:
            yield passed(f"{bucket.server} refuses to overwrite on condition")
        elif bucket.conditional is False:
            say = failed if bucket.role == "lake" else warned
            yield say(f"{bucket.server} overwrites although told not to (If-None-Match)", str(bucket))
        else:
            reason = bucket.unread.get("conditional") or bucket.unread.get("probes") or "write probes are off"
            yield skipped(f"conditional writes of {bucket} were not tried: {reason}")
