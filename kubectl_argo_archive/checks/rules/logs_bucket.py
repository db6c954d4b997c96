"""The buckets of logs: reachable, writable, and kept as long as they must be."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_argo_archive.checks.check import Need, Outcome, check, failed, passed, skipped, warned
from kubectl_argo_archive.checks.facts import Facts
from kubectl_argo_archive.checks.facts_storage import Bucket
from kubectl_argo_archive.checks.finding import Severity
from kubectl_argo_archive.checks.rules.logs_config import s3_stores
from kubectl_argo_archive.checks.words import at, count, some


def _failures(facts: Facts, *steps: str) -> Iterator[Bucket]:
    return (bucket for bucket in facts.buckets or () if bucket.failed_at in steps)


def _seen(bucket: Bucket) -> str:
    return f"{bucket} on {bucket.server} ({bucket.told_by or 'configuration'})\n{bucket.failed_at}: {bucket.message}"


@check(
    "C10", "http or https as the server speaks", Severity.CRITICAL, Need.BUCKET,
    symptom="`http: server gave HTTP response to HTTPS client`.",
    cause="insecure: false towards plain HTTP (MinIO), or the other way round; the chart's default changed once.",
    looks="What the server answers, against `insecure`.",
    fix="insecure: true for a server without TLS.",
)  # fmt: skip
def scheme_fits(facts: Facts) -> Iterator[Outcome]:
    for bucket in _failures(facts, "scheme"):
        spoken = bucket.scheme_of_server or "another protocol"
        yield failed(f"{bucket.server} speaks {spoken}", _seen(bucket), f"insecure: {str(spoken == 'http').lower()}")


@check(
    "C11", "The store's certificate is trusted", Severity.CRITICAL, Need.BUCKET,
    symptom="`x509: certificate signed by unknown authority`.",
    cause="A private authority in front of MinIO or another store.",
    looks="What TLS says; whether caSecret is set (v3.5 and later).",
    fix="s3.caSecret: {name: …, key: ca.crt}",
)  # fmt: skip
def store_certificate(facts: Facts) -> Iterator[Outcome]:
    for bucket in _failures(facts, "tls"):
        yield failed(f"the certificate of {bucket.server} is not trusted", _seen(bucket))


@check(
    "C13", "The bucket lies in the configured region", Severity.HIGH, Need.BUCKET,
    symptom="`301 response missing Location header`.",
    cause="The bucket is in another region than `region` says.",
    looks="x-amz-bucket-region of HeadBucket.",
    fix="region: the region that the bucket answers with.",
)  # fmt: skip
def region_fits(facts: Facts) -> Iterator[Outcome]:
    for bucket in facts.buckets or ():
        elsewhere = bucket.region and bucket.region_configured and bucket.region != bucket.region_configured
        if bucket.failed_at == "region" or (elsewhere and bucket.server == "AWS"):
            yield failed(
                f"bucket {bucket.name} lies in region {bucket.region or 'unknown'}, "
                f"not in {bucket.region_configured or 'the default one'}",
                _seen(bucket) if bucket.failed_at else f"x-amz-bucket-region: {bucket.region}",
                f"region: {bucket.region}",
            )


@check(
    "C14", "The store knows the keys", Severity.CRITICAL, Need.BUCKET,
    symptom="`The Access Key Id you provided does not exist in our records.`, `SignatureDoesNotMatch`.",
    cause="Wrong or rotated keys, or white space at the end of the Secret's bytes.",
    looks="A signed request with the Secret's keys; white space around them.",
    fix="kubectl create secret generic … --from-file=accesskey=… (printf, not echo, makes files without a line break).",
)  # fmt: skip
def keys_are_known(facts: Facts) -> Iterator[Outcome]:
    for bucket in facts.buckets or ():
        if bucket.failed_at == "keys":
            yield failed(
                f"{bucket.server} does not accept the keys",
                _seen(bucket),
                bucket.hint or None if bucket.role == "lake" else None,
            )
        elif bucket.keys_have_whitespace:
            yield warned(
                "the Secret's keys have white space around them; Argo trims it, other clients do not",
                str(bucket.told_by),
            )


def iam_policy(bucket: Bucket) -> str:
    """What a writer of logs or of the lake needs."""
    path = f"{bucket.name}/{bucket.prefix}/*" if bucket.prefix else f"{bucket.name}/*"
    return (
        '{"Version": "2012-10-17", "Statement": [\n'
        f'  {{"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetBucketLocation"], '
        f'"Resource": "arn:aws:s3:::{bucket.name}"}},\n'
        '  {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], '
        f'"Resource": "arn:aws:s3:::{path}"}}]}}'
    )


@check(
    "C15", "The bucket exists and its objects may be written, read, listed and deleted", Severity.CRITICAL, Need.BUCKET,
    symptom="`Failed to put file: Access Denied.`, `The specified bucket does not exist`, or a misleading "
    "`404 Not Found`.",
    cause="The bucket's name is wrong, a policy lacks an action, or the role (IRSA) is only on the controller's "
    "service account.",
    looks="A probe object under the real prefix: put, get, list, delete (off with --no-write-probes).",
    fix="Allow s3:ListBucket on the bucket and s3:GetObject, s3:PutObject, s3:DeleteObject on its objects.",
)  # fmt: skip
def bucket_is_usable(facts: Facts) -> Iterator[Outcome]:
    for bucket in facts.buckets or ():
        refused = {what: code for what, code in bucket.probes.items() if code}
        if bucket.failed_at == "missing":
            yield failed(
                f"bucket {bucket.name} does not exist",
                _seen(bucket),
                f"aws s3 mb s3://{bucket.name}, or correct the bucket's name",
                details={"bucket": bucket.name},
            )
        elif bucket.failed_at in ("denied", "other"):
            yield failed(f"{bucket} cannot be used: {bucket.message}", _seen(bucket), iam_policy(bucket))
        elif refused:
            yield failed(
                f"{bucket} does not allow {', '.join(refused)}",
                some(f"{what}: {code}" for what, code in refused.items()),
                iam_policy(bucket),
            )
        elif bucket.works and bucket.probes:
            yield passed(f"{bucket}: {', '.join(bucket.probes)} work", f"probe {bucket.probe_key}, removed")
        elif bucket.works:
            yield passed(
                f"{bucket} can be listed; nothing was written", bucket.unread.get("probes", "write probes are off")
            )
        else:
            yield skipped(f"{bucket} does not answer: see C10, C11, C13, C14, C17")


@check(
    "C17", "The store answers", Severity.CRITICAL, Need.BUCKET,
    symptom="`dial tcp …:9000: connect: connection refused`, then `timed out waiting for the condition`.",
    cause="The store is not installed or down; the quick-start's endpoint was kept.",
    looks="Name and connection of every repository's endpoint.",
    fix="Start the store, or correct s3.endpoint.",
)  # fmt: skip
def store_answers(facts: Facts) -> Iterator[Outcome]:
    for bucket in facts.buckets or ():
        if bucket.failed_at in ("dns", "tcp"):
            what = "its name cannot be resolved" if bucket.failed_at == "dns" else "nobody answers"
            yield failed(f"{bucket.server} cannot be reached: {what}", _seen(bucket))
    servers = ", ".join(sorted({bucket.server for bucket in facts.buckets or ()}))
    yield passed(f"{servers} answers")


@check(
    "C31", "Encrypted logs can be read", Severity.HIGH, Need.CONFIG,
    symptom="Log objects cannot be read although the keys are right.",
    cause="SSE-C needs the customer's key with every read; SSE-KMS needs kms:Decrypt.",
    looks="encryptionOptions of the repositories; log objects that refuse to be read.",
    fix="Allow kms:Decrypt and kms:GenerateDataKey on the key; with serverSideCustomerKeySecret, keep that Secret.",
)  # fmt: skip
def encrypted_is_readable(facts: Facts) -> Iterator[Outcome]:
    refused = facts.logs.of("unreadable") if facts.logs else []
    if refused:
        yield failed(f"{count(len(refused), 'log object')} cannot be read", some(f"{o.key}: {o.why}" for o in refused))
    for name, store in s3_stores(facts):
        options = store.encryption_options
        if options and options.server_side_customer_key_secret:
            yield warned(
                f"{name} encrypts with a key of its own (SSE-C): without that Secret no log can be read",
                str(at(options.origin())),
                where=at(options.origin()),
            )
