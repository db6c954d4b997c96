"""Our own side: libraries, credentials, memory, the lake, and what we may do in the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from kubectl_argo_archive.checks.check import Need, Outcome, check, failed, passed, skipped, warned
from kubectl_argo_archive.checks.facts import Facts
from kubectl_argo_archive.checks.facts_storage import LakeFacts, Machine
from kubectl_argo_archive.checks.finding import Severity
from kubectl_argo_archive.checks.rules.archive_process import role_yaml
from kubectl_argo_archive.checks.words import count, instant, size, some, span

FRESH = timedelta(hours=26)
"""A daily export, and two hours of patience."""


def _machine(facts: Facts) -> Machine:
    assert facts.machine is not None
    return facts.machine


def _lake(facts: Facts) -> LakeFacts:
    assert facts.lake is not None
    return facts.lake


@check(
    "D01", "Queries need no download", Severity.MEDIUM, Need.MACHINE,
    symptom='`Failed to download extension "httpfs" at URL "http://extensions.duckdb.org/…"`.',
    cause="Air gap or proxy: DuckDB wants to fetch its extension for S3.",
    looks="The extension's wheel, and whether its release is that of DuckDB. Nothing is ever downloaded.",
    fix="pip install duckdb-extension-httpfs of the same release as duckdb; without it s3fs is used, more slowly.",
)  # fmt: skip
def no_download(facts: Facts) -> Iterator[Outcome]:
    machine = _machine(facts)
    if not machine.httpfs:
        yield warned("the httpfs extension is not installed: S3 is read through s3fs", f"duckdb {machine.duckdb}")
    elif machine.httpfs.split(".")[:3] != machine.duckdb.split(".")[:3]:
        yield warned(
            f"httpfs {machine.httpfs} is not of DuckDB {machine.duckdb}",
            "",
            f"pip install duckdb-extension-httpfs=={machine.duckdb}",
        )
    else:
        yield passed(f"httpfs {machine.httpfs} is installed with DuckDB {machine.duckdb}")


@check(
    "D02", "Credentials stay valid", Severity.MEDIUM, Need.MACHINE,
    symptom="`… HTTP 400 … ExpiredToken: The provided token has expired.`",
    cause="Short-lived credentials, frozen when the command began or kept in the environment.",
    looks="When the credentials for S3 expire, and whether they can be renewed.",
    fix="Use a profile, SSO or IRSA, which this tool renews, instead of AWS_SESSION_TOKEN in the environment.",
)  # fmt: skip
def credentials_last(facts: Facts) -> Iterator[Outcome]:
    machine = _machine(facts)
    if "expired" in machine.credentials_error.lower():
        yield failed("the credentials for S3 have expired", machine.credentials_error)
    elif machine.credentials_expire and machine.credentials_expire - facts.now < timedelta(minutes=15):
        yield warned(f"the credentials for S3 end at {instant(machine.credentials_expire)}", machine.credentials_from)
    else:
        yield passed("no credentials that end soon", machine.credentials_from)


@check(
    "D03", "Somebody tells the credentials for S3", Severity.HIGH, Need.MACHINE,
    symptom="`HTTP 403 … AccessDenied: No credentials are provided`.",
    cause="No provider of AWS' chain has any; engines that do not look at web identity fail even if one has.",
    looks="Which provider of the chain answered; it is handed to s3fs, delta-rs and DuckDB alike.",
    fix="Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; in a pod use IRSA.",
)  # fmt: skip
def credentials_are_told(facts: Facts) -> Iterator[Outcome]:
    machine = _machine(facts)
    if machine.credentials_error and "expired" not in machine.credentials_error.lower():
        yield failed("there are no credentials for S3", machine.credentials_error)
    else:
        yield passed(
            f"credentials come from {machine.credentials_from}"
            if machine.credentials_from
            else "no credentials are needed"
        )


@check(
    "D04", "The lake's storage answers with these settings", Severity.HIGH, Need.MACHINE,
    symptom="`400 (Bad Request) … can be caused by the S3 region being set incorrectly`, "
    "`Connection error for HTTP HEAD to 'http://my-bucket.172.17.0.1:9000/…'`.",
    cause="Endpoint, region, path style or // in a key do not fit the store.",
    looks="A listing of the lake's folder, and the exact option to change.",
    fix="Set AWS_ENDPOINT_URL and AWS_REGION as the store wants them.",
)  # fmt: skip
def storage_answers(facts: Facts) -> Iterator[Outcome]:
    machine = _machine(facts)
    if machine.lake_error:
        yield failed("the lake's storage cannot be used", machine.lake_error, machine.lake_hint or None)
    elif facts.lake is None:
        yield skipped(facts.why_not(Need.LAKE))
    else:
        yield passed(f"{facts.lake.place} answers")


@check(
    "D05", "Queries stay within the memory", Severity.MEDIUM, Need.MACHINE,
    symptom="Exit code 137, without a traceback.",
    cause="DuckDB takes its limit from the machine, not from the pod's cgroup.",
    looks="Limit of the cgroup against query.memory_limit; without a setting this tool stays below the cgroup.",
    fix='[query] memory_limit = "2GB" in the configuration file, below the limit of the pod.',
)  # fmt: skip
def memory_fits(facts: Facts) -> Iterator[Outcome]:
    machine = _machine(facts)
    limit, wanted = machine.memory_limit, machine.query_memory
    if limit and wanted and wanted > 0.9 * limit:
        yield warned(f"query.memory_limit {size(wanted)} leaves nothing of {size(limit)}", "cgroup memory.max")
    else:
        yield passed(
            f"memory {size(limit) if limit else 'without limit'}, queries "
            f"{size(wanted) if wanted else 'take what the cgroup allows'}"
        )


@check(
    "E15", "The lake is fresh", Severity.HIGH, Need.LAKE,
    symptom="Reports end days ago; rows that archiveTTL deleted were never exported.",
    cause="The scheduled export does not run, or fails.",
    looks="Time of the newest publish, and the newest finish in the lake against the database's.",
    fix="kubectl argo-archive export --source … --lake …, and look at the CronJob that should do it.",
)  # fmt: skip
def lake_is_fresh(facts: Facts) -> Iterator[Outcome]:
    lake = _lake(facts)
    if lake.message:
        yield skipped(f"the lake cannot be read: see E16 and D04 ({lake.message})")
        return
    if not lake.exists or lake.published_at is None:
        yield failed(f"nothing was ever exported to {lake.place}", lake.place)
        return
    age = facts.now - lake.published_at
    newest = facts.database.newest if facts.database else None
    behind = newest - lake.newest_finish if newest and lake.newest_finish else timedelta(0)
    seen = (
        f"newest export {instant(lake.published_at)} ({lake.export_id})\nnewest finish in the lake "
        f"{instant(lake.newest_finish)}" + (f", in the database {instant(newest)}" if newest else "")
    )
    if age > FRESH and (newest is None or behind > timedelta(0)):
        yield warned(f"the newest export is {span(age)} old", seen, details={"age_s": int(age.total_seconds())})
    elif behind > FRESH:
        yield warned(f"the lake is {span(behind)} behind the database", seen)
    else:
        yield passed(f"the newest export is {span(max(age, timedelta(0)))} old, {lake.workflows:,} workflows", seen)


@check(
    "E16", "The lake is whole", Severity.CRITICAL, Need.LAKE,
    symptom="A query fails: a Parquet file is missing or shorter than its log says.",
    cause="Somebody or a lifecycle rule deleted files below the lake.",
    looks="Ledger and Delta logs can be read; every data file that they name is there, with its size.",
    fix="Restore the files (a versioned bucket keeps them), or export into a new folder.",
)  # fmt: skip
def lake_is_whole(facts: Facts) -> Iterator[Outcome]:
    lake = _lake(facts)
    if lake.message:
        yield failed("the lake cannot be read", lake.message)
    elif lake.missing or lake.wrong_size:
        number = len(lake.missing) + len(lake.wrong_size)
        yield failed(
            f"{count(number, 'data file')} of {lake.files} missing or damaged",
            some([*(f"missing: {path}" for path in lake.missing), *lake.wrong_size]),
            details={"missing": list(lake.missing)[:100], "wrong_size": list(lake.wrong_size)[:100]},
        )
    elif not lake.exists:
        yield skipped("nothing was exported yet: see E15")
    else:
        yield passed(f"all {count(lake.files, 'data file')} are there, {size(lake.bytes)}", lake.place)


@check(
    "E11", "No row is in quarantine", Severity.MEDIUM, Need.LAKE,
    symptom="export ends with code 3; a workflow is in the database and not in table workflows.",
    cause="Its JSON could not be read as a workflow.",
    looks="Rows of table quarantine in the lake.",
    fix='kubectl argo-archive query "select uid, name, reason from quarantine"',
)  # fmt: skip
def no_quarantine(facts: Facts) -> Iterator[Outcome]:
    lake = _lake(facts)
    if lake.quarantined:
        yield warned(f"{count(lake.quarantined, 'row')} in quarantine", lake.place)


@check(
    "E10", "You may do in the cluster what this tool needs", Severity.MEDIUM, Need.CLUSTER,
    symptom="Findings are skipped: `forbidden`.",
    cause="Your user lacks rights to read the configuration, its Secrets or live workflows.",
    looks="SelfSubjectAccessReview of every read that verify, export and logs make.",
    fix="Bind the Role that is printed to your user.",
)  # fmt: skip
def least_privilege(facts: Facts) -> Iterator[Outcome]:
    asked = [each for each in facts.api.access if each.who == "you" and each.why]
    refused = [each for each in asked if not each.allowed]
    if not asked:
        yield skipped("the API server answered no access review", "kubectl auth can-i --list")
    elif refused:
        roles: dict[str, dict[tuple[str, str], list[str]]] = {}
        for each in refused:
            resource, _, group = each.resource.partition(".")
            roles.setdefault(each.namespace, {}).setdefault((group, resource), []).append(each.verb)
        yaml = "\n---\n".join(
            role_yaml(
                space or "argo",
                "archive-verify",
                [(group, [resource], verbs) for (group, resource), verbs in rules.items()],
            )
            for space, rules in roles.items()
        )
        yield warned(
            f"{count(len(refused), 'right')} of {len(asked)} missing",
            some(
                f"{each.verb} {each.resource} in {each.namespace or 'all namespaces'} ({each.why})" for each in refused
            ),
            yaml,
            details={"missing": [[e.verb, e.resource, e.namespace] for e in refused]},
        )
    else:
        yield passed(f"all {count(len(asked), 'right')} are granted")


@check(
    "E19", "The controller's log tells of no trouble with the archive", Severity.HIGH, Need.CLUSTER,
    symptom="`Failed to delete archived workflows`, `duplicate key value violates unique constraint`.",
    cause="The message says; a duplicate key means that instanceID or the managed namespace was changed.",
    looks="The newest lines of the controllers' logs that speak of archive, persistence or database.",
    fix="kubectl logs deployment/workflow-controller -n argo | grep -i archiv",
)  # fmt: skip
def no_trouble_in_log(facts: Facts) -> Iterator[Outcome]:
    trouble = facts.api.said(
        "Failed to delete archived workflows",
        "duplicate key value",
        "Duplicate entry",
        "Failed to update config",
        "Failed to init db",
        "Failed to parse controller config map",
        "driver: bad connection",
    )
    if trouble:
        yield failed("the controller's log tells of trouble with the archive", some(trouble[-5:]))
    elif not facts.api.log_lines:
        yield skipped(
            f"no controller's log could be read: {facts.api.unread.get('logs', 'no controller runs')}",
            "kubectl logs deployment/workflow-controller -n argo",
        )


@check(
    "E08", "A canary workflow arrives everywhere", Severity.CRITICAL, Need.CANARY,
    symptom="Everything looks right, and still nothing arrives.",
    cause="Whatever no other check sees.",
    looks="A tiny workflow is submitted, waited for and removed: its row, labels, log object, and row of the lake.",
    fix="The step that failed names the part; look at the checks of that part.",
)  # fmt: skip
def canary_arrives(facts: Facts) -> Iterator[Outcome]:
    canary = facts.canary
    assert canary is not None
    broken = {step: why for step, why in canary.steps.items() if why}
    times = some(f"{step}: {canary.seconds.get(step, 0):.1f} s" for step in canary.steps if step not in broken)
    if broken:
        yield failed(
            f"canary {canary.name} did not arrive: {', '.join(broken)}",
            some(f"{step}: {why}" for step, why in broken.items()) + (f"\n{times}" if times else ""),
            details={"steps": dict(canary.steps)},
        )
    elif canary.left_behind:
        yield warned(f"canary {canary.name} arrived, and could not be removed whole", some(canary.left_behind))
    else:
        yield passed(
            f"canary {canary.name} arrived: {', '.join(canary.steps)}",
            times,
            details={"seconds": {k: round(v, 2) for k, v in canary.seconds.items()}},
        )
