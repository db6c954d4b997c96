"""The database as the controller's configuration and its Secrets describe it."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from kubectl_argo_archive.argo.controller import Controller
from kubectl_argo_archive.argo.decode import SecretKeyRef
from kubectl_argo_archive.argo.persistence import MySQL, PostgreSQL
from kubectl_argo_archive.argo.versions import Version
from kubectl_argo_archive.checks.check import Need, Outcome, check, failed, passed, skipped, warned
from kubectl_argo_archive.checks.facts import Facts
from kubectl_argo_archive.checks.finding import Severity
from kubectl_argo_archive.checks.words import at, edit, span

_MANAGED = ("rds.amazonaws.com", "database.azure.com", "postgres.database.azure", "aivencloud.com", "neon.tech")


def databases(facts: Facts) -> Iterator[tuple[Controller, PostgreSQL | MySQL]]:
    """Each controller with its database."""
    for controller in facts.controllers:
        if controller.persistence and controller.persistence.database:
            yield controller, controller.persistence.database


def postgres(facts: Facts) -> Iterator[tuple[Controller, PostgreSQL]]:
    """Those with Postgres."""
    return ((c, d) for c, d in databases(facts) if isinstance(d, PostgreSQL))


def refs(database: PostgreSQL | MySQL) -> Iterator[tuple[str, SecretKeyRef]]:
    """The Secrets that the controller reads: field of the configuration, reference."""
    if database.user_name_secret:
        yield "userNameSecret", database.user_name_secret
    if database.password_secret and getattr(database, "login", "password") == "password":
        yield "passwordSecret", database.password_secret


@check(
    "B01", "The database's Secrets are in the controller's namespace", Severity.CRITICAL, Need.CONFIG,
    symptom='The controller does not start: `secrets "argo-postgres-config" not found`.',
    cause="userNameSecret and passwordSecret are read in the namespace of the controller, nowhere else.",
    looks="Both Secrets in that namespace; other namespaces that have one of this name.",
    fix="kubectl create secret generic argo-postgres-config -n argo --from-literal=username=… "
    "--from-file=password=/dev/stdin",
)  # fmt: skip
def secrets_exist(facts: Facts) -> Iterator[Outcome]:
    looked = set()
    for controller, database in databases(facts):
        for name, ref in refs(database):
            if (controller.namespace, ref.name) in looked:
                continue
            looked.add((controller.namespace, ref.name))
            place, where = f"Secret {controller.namespace}/{ref.name}", at(ref.origin())
            if facts.the.secret(controller.namespace, ref.name or ""):
                yield passed(f"{place} exists", str(where), where=where)
            elif not facts.live or not facts.the.was_read("Secret", controller.namespace, ref.name):
                yield skipped(
                    f"{place} could not be looked at",
                    f"kubectl get secret {ref.name} -n {controller.namespace or 'argo'}",
                    where=where,
                )
            else:
                others = sorted(s.namespace for s in facts.the.secrets if s.name == ref.name)
                found = f"; namespaces that have it: {', '.join(others)}" if others else ""
                yield failed(
                    f"{name}: {place} does not exist",
                    f"{where} names {ref.name}{found}",
                    _create(controller.namespace, database),
                    where=where,
                )


def _create(namespace: str, database: PostgreSQL | MySQL) -> str:
    user, password = database.user_name_secret, database.password_secret
    name = (password or user or SecretKeyRef(name="argo-postgres-config")).name
    keys = f"--from-literal={(user and user.key) or 'username'}=argo"
    return (
        f"kubectl create secret generic {name} -n {namespace} {keys} "
        f"--from-file={(password and password.key) or 'password'}=/dev/stdin"
    )


@check(
    "B02", "The Secrets have the keys that are asked for", Severity.CRITICAL, Need.CONFIG,
    symptom="`secret '…' does not have the key '…'`.",
    cause="A slip in a key or its case (accessKey, accesskey); charts renamed theirs "
    "(postgresql-password became postgres-password).",
    looks="The names of keys of each Secret that persistence and the repositories name, never their values.",
    fix="Correct the key in the configuration, or add it to the Secret.",
)  # fmt: skip
def keys_exist(facts: Facts) -> Iterator[Outcome]:
    asked = [(f"persistence.{d.kind}.{n}", c.namespace, ref) for c, d in databases(facts) for n, ref in refs(d)]
    for controller in facts.controllers:
        for space in facts.namespaces or [controller.namespace]:
            store = facts.the.repository(controller, space).store
            asked += [(f"{store.kind}.{n}", space, ref) for n, ref in store.secrets.items()] if store else []
    looked = set()
    for name, space, ref in asked:
        if (space, ref.name, ref.key) in looked:
            continue
        looked.add((space, ref.name, ref.key))
        secret, where = facts.the.secret(space, ref.name or ""), at(ref.origin("key"))
        if secret is None or secret.keys is None:
            continue
        if ref.key in secret.keys:
            yield passed(f"Secret {space}/{ref.name} has key {ref.key}", str(where), where=where)
            continue
        near = get_close_matches(ref.key or "", sorted(secret.keys), n=1, cutoff=0.4)
        fix = f"write key: {near[0]} in {name}" if near else f"add key {ref.key} to Secret {space}/{ref.name}"
        yield failed(
            f"Secret {space}/{ref.name} has no key {ref.key}",
            f"keys: {', '.join(sorted(secret.keys)) or 'none'}; {where} asks for {ref.key}",
            fix,
            where=where,
            details={"keys": sorted(secret.keys), "nearest": near[0] if near else None},
        )
    if not any(facts.the.secret(space, name or "") for space, name, _ in looked):
        yield skipped("no Secret could be looked at")


@check(
    "B10", "RDS IAM login has TLS", Severity.CRITICAL, Need.CONFIG,
    symptom="`SSL must be enabled (ssl: true) when using AWS RDS IAM authentication`.",
    cause="awsRDSToken without ssl: true.",
    looks="persistence.postgresql.awsRDSToken and ssl.",
    fix="Set persistence.postgresql.ssl: true and sslMode: require.",
)  # fmt: skip
def rds_has_tls(facts: Facts) -> Iterator[Outcome]:
    for controller, database in postgres(facts):
        token = database.aws_rds_token
        if token and token.enabled and not database.ssl:
            where = at(token.origin())
            yield failed(
                "awsRDSToken needs ssl: true",
                str(where),
                edit(controller, "postgresql.ssl: true, sslMode: require"),
                where=where,
            )


@check(
    "B11", "One way to log in", Severity.CRITICAL, Need.CONFIG,
    symptom="`only one of azureToken or awsRDSToken may be enabled, not both`.",
    cause="Both blocks are enabled.",
    looks="persistence.postgresql.azureToken and awsRDSToken.",
    fix="Disable one of azureToken and awsRDSToken.",
)  # fmt: skip
def one_token(facts: Facts) -> Iterator[Outcome]:
    for controller, database in postgres(facts):
        aws, azure = database.aws_rds_token, database.azure_token
        if aws and azure and aws.enabled and azure.enabled:
            yield failed(
                "azureToken and awsRDSToken are both enabled",
                f"{at(aws.origin())}\n{at(azure.origin())}",
                edit(controller, "keep one of azureToken and awsRDSToken"),
                where=at(azure.origin()),
            )


@check(
    "B12", "RDS IAM works with this release", Severity.HIGH, Need.CONFIG,
    symptom='`pq: unrecognized configuration parameter "default_query_exec_mode"`.',
    cause="A bug of v4.1.0 with RDS IAM.",
    looks="awsRDSToken and the controller's release.",
    fix="Upgrade the controller to v4.1.1 or later.",
)  # fmt: skip
def rds_bug(facts: Facts) -> Iterator[Outcome]:
    for controller, database in postgres(facts):
        token = database.aws_rds_token
        if token and token.enabled and controller.version == Version(4, 1, 0):
            yield failed(
                "v4.1.0 cannot log in with an RDS token", f"image {controller.image}", where=at(token.origin())
            )


@check(
    "B13", "The release knows the token blocks", Severity.CRITICAL, Need.CONFIG,
    symptom="awsRDSToken or azureToken is ignored or refused; a password is still asked for.",
    cause="Both came with v4.1.0.",
    looks="The blocks and the controller's release.",
    fix="Upgrade Argo Workflows to v4.1.1 or later, or use passwordSecret.",
)  # fmt: skip
def tokens_known(facts: Facts) -> Iterator[Outcome]:
    for controller, database in postgres(facts):
        for name, block in (("awsRDSToken", database.aws_rds_token), ("azureToken", database.azure_token)):
            if block and block.enabled and controller.version and controller.version < Version(4, 1):
                where = at(block.origin())
                yield failed(f"{controller.version} does not know {name} (since v4.1)", str(where), where=where)


@check(
    "B26", "The pool of connections has limits", Severity.LOW, Need.CONFIG,
    symptom="`write: broken pipe` or `connection reset by peer` on every list; connections only grow.",
    cause="maxOpenConns: 0 and connMaxLifetime: 0 mean no limit; firewalls cut idle connections; v3.4.5 leaks them.",
    looks="persistence.connectionPool; sessions of our role against max_connections.",
    fix="persistence.connectionPool: {maxIdleConns: 5, maxOpenConns: 20, connMaxLifetime: 30m}",
)  # fmt: skip
def pool_is_limited(facts: Facts) -> Iterator[Outcome]:
    database = facts.database
    if database and database.max_connections and database.connections > 0.8 * database.max_connections:
        yield warned(
            f"{database.user} holds {database.connections} of {database.max_connections} connections",
            "pg_stat_activity",
            "limit connectionPool.maxOpenConns, or raise max_connections",
        )
    for controller in facts.controllers:
        persistence = controller.persistence
        if persistence is None:
            continue
        pool = persistence.connection_pool
        where = at(persistence.origin("connection_pool"))
        lifetime = pool.conn_max_lifetime if pool else None
        open_ended = [
            name
            for name, bad in (
                ("maxOpenConns", not (pool and pool.max_open_conns)),
                ("connMaxLifetime", not (lifetime and lifetime.seconds)),
            )
            if bad
        ]
        if open_ended:
            yield warned(
                f"no limit: {' and '.join(open_ended)} of {controller.label()}",
                str(where),
                edit(controller, "connectionPool: {maxIdleConns: 5, maxOpenConns: 20, connMaxLifetime: 30m}"),
                where=where,
            )
        elif controller.version == Version(3, 4, 5):
            yield warned("v3.4.5 leaks connections", f"image {controller.image}", "upgrade to v3.4.6 or later")
        elif pool and lifetime:
            yield passed(f"at most {pool.max_open_conns} connections of {span(lifetime.seconds or 0)}", str(where))


@check(
    "B05", "The session is encrypted where it must be", Severity.HIGH, Need.CONFIG,
    symptom='`no pg_hba.conf entry for host "…", user "…", database "…", SSL off` (RDS: rds.force_ssl).',
    cause="`ssl: false`, which is `sslmode=disable` since v4.1, towards a server that wants TLS.",
    looks="What the server says to our attempt; ssl and sslMode for hosts of cloud providers.",
    fix="Set persistence.postgresql.ssl: true and sslMode: require.",
)  # fmt: skip
def encrypted(facts: Facts) -> Iterator[Outcome]:
    for controller, database in postgres(facts):
        where = at(database.origin("ssl"))
        fix = edit(controller, "postgresql.ssl: true, sslMode: require")
        managed = any(name in (database.host or "") for name in _MANAGED)
        if facts.connection and facts.connection.wants_encryption:
            yield failed("the database refuses sessions without TLS", facts.connection.message, fix, where=where)
        elif managed and not database.ssl:
            yield warned(f"{database.host} is reached without TLS: ssl is not true", str(where), fix, where=where)
    if facts.connection and facts.connection.works:
        yield passed("the session is encrypted" if facts.connection.encrypted else "the server does not ask for TLS")
