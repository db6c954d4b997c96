"""Can the database be reached, and is it one?"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_argo_archive.checks.check import Need, Outcome, check, failed, passed, skipped, warned
from kubectl_argo_archive.checks.facts import Facts
from kubectl_argo_archive.checks.finding import Severity, Where
from kubectl_argo_archive.checks.rules.database_config import databases
from kubectl_argo_archive.checks.words import at, edit, some

_STEPS = {
    "dns": "its name cannot be resolved",
    "tcp": "it does not answer",
    "auth": "it refuses our user or password",
    "database": "it has no such database",
    "session": "it opens no session",
    "tls": "TLS fails",
}


def _where(facts: Facts) -> Where:
    return next((at(database.origin("host")) for _, database in databases(facts)), Where())


@check(
    "B03", "The database answers and lets us in", Severity.CRITICAL, Need.CONNECTION,
    symptom="`dial tcp …:5432: connect: connection refused`, `operation timed out`, `password authentication failed`.",
    cause="The database is down, host or port are wrong, it lives in a network of its own, or the Secret holds another "
    "password.",
    looks="Name, connection, login and database, one after the other, with the controller's own settings.",
    fix="Check persistence.postgresql.host and port, and that the database's pods run.",
)  # fmt: skip
def database_answers(facts: Facts) -> Iterator[Outcome]:
    attempt = facts.connection
    assert attempt is not None
    through = f" through {attempt.through}" if attempt.through else ""
    if attempt.engine == "mysql":
        yield skipped("the archive is in MySQL, for which this tool has no client", "mysql -h … -e 'select 1'")
    elif attempt.works:
        yield passed(f"{attempt.place} answers{through}", f"{attempt.told_by}, {attempt.seconds * 1000:.0f} ms")
    elif attempt.failed_at == "tls":
        yield skipped(f"TLS fails before the login: see B05, B06, B07 ({attempt.message})")
    elif attempt.wants_encryption:
        yield skipped(f"the server wants TLS: see B05 ({attempt.message})")
    else:
        yield failed(
            f"the database cannot be used: {_STEPS.get(attempt.failed_at, 'it fails')}{through}",
            f"{attempt.place} ({attempt.told_by})\n{attempt.failed_at}: {attempt.message}",
            attempt.hint or None,
            where=_where(facts),
            details={"failed_at": attempt.failed_at},
        )


@check(
    "B04", "The controller got its session", Severity.CRITICAL, Need.CLUSTER,
    symptom="The controller hangs; its log has only `Non-transient error: <nil>`.",
    cause="The database does not answer the controller, and older releases wait without a time-out.",
    looks="`Persistence configuration enabled` without a later `Persistence Session created successfully` in its log.",
    fix="Let the controller's pod reach the database (NetworkPolicy, security group), then restart it.",
)  # fmt: skip
def controller_got_session(facts: Facts) -> Iterator[Outcome]:
    heard = False
    for name, lines in facts.api.log_lines.items():
        begun = [i for i, line in enumerate(lines) if "Persistence configuration enabled" in line]
        done = [i for i, line in enumerate(lines) if "Persistence Session created successfully" in line]
        broken = [line for line in lines if "Failed to init db" in line or "Non-transient error: <nil>" in line]
        heard = heard or bool(begun)
        if (begun and (not done or max(done) < max(begun))) or (broken and not done):
            yield failed(f"{name} began to connect and never got a session", some(broken or [lines[max(begun)]]))
    if heard:
        yield passed("the controller says that it has its session")
    else:
        yield skipped(
            "the controller's log does not reach back to its start, or may not be read",
            "kubectl logs deployment/workflow-controller -n argo | grep -i persistence",
        )


@check(
    "B06", "No client certificate is demanded", Severity.CRITICAL, Need.CONNECTION,
    symptom="`pq: connection requires a valid client certificate`.",
    cause="The server demands mutual TLS; Argo has no field for a client certificate.",
    looks="What the server says to our attempt.",
    fix="Allow this user without a certificate in pg_hba.conf, or run a TLS proxy (stunnel, PgBouncer) beside the "
    "controller.",
)  # fmt: skip
def no_client_certificate(facts: Facts) -> Iterator[Outcome]:
    attempt = facts.connection
    if attempt and attempt.wants_certificate:
        yield failed(
            "the database demands a client certificate, which Argo cannot give", attempt.message, where=_where(facts)
        )


@check(
    "B07", "The database's certificate is trusted", Severity.CRITICAL, Need.CONNECTION,
    symptom="`x509: certificate signed by unknown authority` with sslMode verify-ca or verify-full.",
    cause="A private authority that the controller's image does not know; Argo has no field for it.",
    looks="What TLS says to our attempt.",
    fix="Mount the CA into the controller and set PGSSLROOTCERT, or use sslMode: require.",
)  # fmt: skip
def certificate_trusted(facts: Facts) -> Iterator[Outcome]:
    attempt = facts.connection
    if attempt and attempt.wrong_authority:
        yield failed("the certificate of the database is of an unknown authority", attempt.message, where=_where(facts))
    elif attempt and attempt.failed_at == "tls" and not attempt.wants_certificate:
        yield failed("TLS with the database fails", attempt.message, attempt.hint or None, where=_where(facts))


@check(
    "B08", "The controller is a release", Severity.MEDIUM, Need.CLUSTER, Need.CONFIG,
    symptom="`mkdir /home/argo/pgcerts: read only filesystem`.",
    cause="One build of 2023 between releases had this fault; `latest` images are such builds.",
    looks="The controller's image and its log.",
    fix="Run a release by its tag, such as v3.7.12, instead of latest.",
)  # fmt: skip
def is_a_release(facts: Facts) -> Iterator[Outcome]:
    if said := facts.api.said("/home/argo/pgcerts"):
        yield failed("this build of the controller cannot store certificates", said[-1])
    for controller in facts.controllers:
        if controller.workload and controller.version is None:
            yield warned(
                f"{controller.label()} runs an image that is no release",
                f"image {controller.image}",
                where=at(controller.origin),
            )
        elif controller.workload:
            yield passed(f"{controller.label()} runs {controller.version}", f"image {controller.image}")


@check(
    "B16", "It is PostgreSQL", Severity.CRITICAL, Need.CONNECTION,
    symptom='`constraint "argo_workflows_pkey" of relation "argo_workflows" does not exist`.',
    cause="Databases that only speak like Postgres (CockroachDB, YugabyteDB, Redshift) fail in Argo's migrations.",
    looks="select version(); port 26257 in the configuration.",
    fix="Use PostgreSQL 12 or later, or MySQL 8.",
)  # fmt: skip
def is_postgres(facts: Facts) -> Iterator[Outcome]:
    if facts.database and not facts.database.is_postgres:
        yield failed(
            f"{facts.database.server} is not PostgreSQL",
            f"select version(): {facts.database.server}",
            where=_where(facts),
        )
        return
    if facts.installation:
        for controller, database in databases(facts):
            if database.kind == "postgresql" and database.address[1] == 26257:
                yield warned(
                    "port 26257 is CockroachDB's",
                    str(at(database.origin("port"))),
                    edit(controller, "a PostgreSQL server"),
                    where=at(database.origin("port")),
                )
    if facts.database:
        yield passed(f"it is {facts.database.server}")
    else:
        yield skipped("no session in the database: see B03")
