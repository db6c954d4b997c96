"""Time zones, size, speed, rights and what the database stands on."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_argo_archive.argo.versions import Version
from kubectl_argo_archive.checks.check import Need, Outcome, check, failed, passed, skipped, warned
from kubectl_argo_archive.checks.facts import Facts
from kubectl_argo_archive.checks.finding import Severity
from kubectl_argo_archive.checks.releases import fixed
from kubectl_argo_archive.checks.rules.database_config import databases
from kubectl_argo_archive.checks.words import at, count, size, some, span

_UTC = ("UTC", "Etc/UTC", "GMT", "Etc/GMT", "Zulu", "Universal")


@check(
    "B25", "Characters that Postgres refuses are replaced", Severity.HIGH, Need.CONFIG,
    symptom="`unsupported Unicode escape sequence (SQLSTATE 22P05)`; the workflow stays Pending.",
    cause="A NUL (\\u0000) in an output. v3.5.14+, v3.7 and v4 replace it; v3.6 does not.",
    looks="The controller's release and log; how many of the newest rows hold the replacement.",
    fix="Upgrade to v3.7 or later.",
)  # fmt: skip
def nul_is_replaced(facts: Facts) -> Iterator[Outcome]:
    if facts.cluster and (said := facts.cluster.said("22P05", "unsupported Unicode escape sequence")):
        yield failed("a workflow with a NUL character cannot be archived", said[-1])
    for controller, database in databases(facts):
        version = controller.version
        if (
            database.kind == "postgresql"
            and version
            and (Version(3, 6) <= version < Version(3, 7) or version < Version(3, 5, 14))
        ):
            yield warned(
                f"{version} does not replace NUL characters: such workflows stay Pending",
                f"image {controller.image}",
                where=at(controller.origin),
            )
    marked = sum(row.has_marker for row in facts.database.recent) if facts.database else 0
    yield passed("NUL characters are replaced", f"{count(marked, 'recent row')} with a replacement" if marked else "")


@check(
    "B27", "Lists are fast", Severity.MEDIUM, Need.DATABASE,
    symptom="`/api/v1/workflows` takes minutes; server log `upper: slow query`.",
    cause="Before v4.0 every page counts all rows; documents in `json` are parsed again for each; indexes are missing.",
    looks="Number of rows, type of the column, release, and EXPLAIN (never ANALYZE) of the server's list.",
    fix="Upgrade to v4.0.3 or later, lower archiveTTL, and answer history from the lake: kubectl argo-archive query.",
)  # fmt: skip
def lists_are_fast(facts: Facts) -> Iterator[Outcome]:
    table = facts.db.tables.get("argo_archived_workflows")
    if table is None:
        yield skipped("there is no table to look at: see E01")
        return
    rows = facts.db.rows or max(table.rows, 0)
    old = [c for c in facts.controllers if c.version and c.version < Version(4, 0)]
    scans = [node for node in facts.db.plan if "Seq Scan on argo_archived_workflows" in node]
    reasons = []
    if rows > 100_000 and table.columns.get("workflow") == "json":
        reasons.append("column workflow is json, not jsonb (v3.6 and later)")
    if rows > 500_000 and old:
        reasons.append(f"{old[0].version} counts all rows for every page (until v4.0)")
    if rows > 10_000 and scans:
        reasons.append(f"the list scans the table: {scans[0]}")
    if rows > 500_000 and any(not fixed(c.version, (3, 5, 9)) for c in old if c.version):
        reasons.append("estimating durations reads the archive from within the controller (until v3.5.9)")
    if reasons:
        yield warned(f"lists of {rows:,} rows are slow", some(reasons))
    else:
        yield passed(
            f"{count(rows, 'row')}, column workflow is {table.columns.get('workflow')}", " > ".join(facts.db.plan)
        )


@check(
    "B28", "Times are UTC everywhere", Severity.MEDIUM, Need.DATABASE,
    symptom="Dates are off by hours; rows are deleted hours too early or too late.",
    cause="Argo's columns have no zone: they hold the controller's wall clock (TZ), and the TTL compares them with "
    "the clock of the database's session.",
    looks="TimeZone of the database, TZ of the controller, and column startedat against the newest documents.",
    fix="ALTER DATABASE argo SET timezone = 'UTC'; and remove TZ from the controller.",
)  # fmt: skip
def times_are_utc(facts: Facts) -> Iterator[Outcome]:
    if facts.db.time_zone not in _UTC:
        name = facts.db.place.rpartition("/")[2]
        yield warned(
            f"sessions of the database are in {facts.db.time_zone}: archiveTTL is off by its offset",
            f"TimeZone {facts.db.time_zone}",
            f"ALTER DATABASE \"{name}\" SET timezone = 'UTC';",
        )
    for controller in facts.controllers:
        zone = controller.env.get("TZ")
        if zone and zone not in _UTC:
            yield warned(
                f"{controller.label()} runs in {zone}: the columns hold its wall clock",
                f"env TZ={zone}",
                f"kubectl set env deployment -n {controller.namespace} "
                f"{controller.workload.name if controller.workload else ''} TZ-",
                where=at(controller.origin),
            )
    shifted = [row for row in facts.db.recent if row.shift_s and abs(row.shift_s) >= 900]
    if shifted:
        shift = shifted[0].shift_s or 0
        yield warned(
            f"columns of {count(len(shifted), 'recent row')} are shifted by {span(shift)} against their documents",
            some(f"{row.namespace}/{row.name}" for row in shifted),
        )
    yield passed(f"database in {facts.db.time_zone}, columns agree with {count(len(facts.db.recent), 'document')}")


@check(
    "E14", "The database has room and is vacuumed", Severity.MEDIUM, Need.DATABASE,
    symptom="Disk full; every query slower from week to week.",
    cause="Argo's rows are written once and deleted in bulk: without vacuum the table keeps their space; without "
    "archiveTTL it only grows.",
    looks="Sizes from the catalog, rows per day of the last 30 days, dead rows and the newest vacuum.",
    fix="vacuum (analyze) argo_archived_workflows; and lower archiveTTL once export has copied the history.",
)  # fmt: skip
def room_and_vacuum(facts: Facts) -> Iterator[Outcome]:
    table = facts.db.tables.get("argo_archived_workflows")
    if table is None:
        yield skipped("there is no table to look at: see E01")
        return
    rows, days = facts.db.rows, facts.db.days
    per_day = sum(days.values()) / max(len(days), 1)
    each = table.bytes / rows if rows else 0
    monthly = per_day * 30 * each
    seen = (
        f"database {size(facts.db.bytes)}, archive {size(table.bytes)} of which {size(table.bytes_of_indexes)} "
        f"indexes\n{count(rows, 'row')}, {per_day:,.0f} a day in the last {count(len(days), 'day')}, "
        f"{size(monthly)} a month\n{count(table.dead_rows, 'dead row')}, "
        f"vacuumed {f'{table.vacuumed_at:%Y-%m-%d}' if table.vacuumed_at else 'never'}"
    )
    details = {
        "bytes": facts.db.bytes,
        "archive_bytes": table.bytes,
        "rows": rows,
        "rows_per_day": round(per_day, 1),
        "dead_rows": table.dead_rows,
    }
    live = max(rows, table.rows, 1)
    forever = any(
        c.persistence and not (c.persistence.archive_ttl and c.persistence.archive_ttl.seconds)
        for c in facts.controllers
    )
    if table.dead_rows > 10_000 and table.dead_rows > 0.2 * live:
        yield warned(
            f"{count(table.dead_rows, 'dead row')} beside {live:,} live ones: vacuum does not keep up",
            seen,
            f"vacuum (analyze) {table.schema}.{table.name};",
            details=details,
        )
    elif forever and monthly > 50 << 30:
        yield warned(
            f"the archive grows by {size(monthly)} a month and nothing is ever deleted",
            seen,
            "export to the lake, then set persistence.archiveTTL",
            details=details,
        )
    else:
        yield passed(f"{size(table.bytes)} in {count(rows, 'row')}", seen, details=details)


@check(
    "E18", "Our database role has what it needs, and no more", Severity.LOW, Need.DATABASE,
    symptom="`permission denied for table argo_archived_workflows`; or an export that could delete the archive.",
    cause="Reading needs USAGE on the schema and SELECT on four tables; anything more is a risk for nothing.",
    looks="has_table_privilege of the role that this session has.",
    fix="CREATE ROLE archive_reader LOGIN; GRANT USAGE ON SCHEMA public TO archive_reader; "
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO archive_reader;",
)  # fmt: skip
def least_rights(facts: Facts) -> Iterator[Outcome]:
    tables, user = facts.db.tables, facts.db.user
    lacking = [f"{t.schema}.{t.name}" for t in tables.values() if "select" not in t.rights]
    more = sorted({right for t in tables.values() for right in t.rights - {"select"}})
    reader = _reader_sql(
        tables["argo_archived_workflows"].schema if "argo_archived_workflows" in tables else "public", sorted(tables)
    )
    if lacking:
        schema = lacking[0].partition(".")[0]
        yield failed(
            f"{user} may not read {', '.join(lacking)}",
            f"role {user}",
            f'GRANT USAGE ON SCHEMA {schema} TO "{user}"; GRANT SELECT ON {", ".join(lacking)} TO "{user}";',
            severity=Severity.HIGH,
        )
    elif facts.own_session:
        yield passed(f"the session is the controller's own ({user}); export and query need a reader only", reader)
    elif more or facts.db.superuser:
        what = "is a superuser" if facts.db.superuser else f"may also {', '.join(more)}"
        yield warned(f"{user} {what}; reading needs SELECT only", f"role {user}", reader)
    else:
        yield passed(f"{user} may read, and nothing else")


def _reader_sql(schema: str, tables: list[str]) -> str:
    names = ", ".join(f"{schema}.{name}" for name in tables) or f"ALL TABLES IN SCHEMA {schema}"
    return (
        f"CREATE ROLE archive_reader LOGIN;\nGRANT USAGE ON SCHEMA {schema} TO archive_reader;\n"
        f"GRANT SELECT ON {names} TO archive_reader;"
    )
