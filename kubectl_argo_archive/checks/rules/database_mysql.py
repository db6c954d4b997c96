"""An archive in MySQL or MariaDB: what its configuration tells, and how to look by hand."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_argo_archive.argo.controller import Controller
from kubectl_argo_archive.argo.persistence import MySQL
from kubectl_argo_archive.argo.versions import Version
from kubectl_argo_archive.checks.check import Need, Outcome, check, passed, skipped, warned
from kubectl_argo_archive.checks.facts import Facts
from kubectl_argo_archive.checks.finding import Severity
from kubectl_argo_archive.checks.releases import fixed
from kubectl_argo_archive.checks.rules.database_config import databases
from kubectl_argo_archive.checks.words import at

_JDBC = (
    "usessl",
    "requiressl",
    "verifyservercertificate",
    "sslmode",
    "useunicode",
    "characterencoding",
    "servertimezone",
    "allowpublickeyretrieval",
)


def mysql(facts: Facts) -> list[tuple[Controller, MySQL]]:
    """Those with MySQL or MariaDB."""
    return [(c, d) for c, d in databases(facts) if isinstance(d, MySQL)]


@check(
    "B09", "Options of MySQL are those of its Go driver", Severity.MEDIUM, Need.CONFIG,
    symptom="`Error 3159 (HY000): Connections using insecure transport are prohibited`.",
    cause="JDBC's useSSL and requireSSL mean nothing to go-sql-driver, which wants `tls: \"true\"`; before v3.4 "
    "options are ignored altogether.",
    looks="Names in persistence.mysql.options.",
    fix='persistence.mysql.options: {tls: "true"}',
)  # fmt: skip
def mysql_options(facts: Facts) -> Iterator[Outcome]:
    for controller, database in mysql(facts):
        options = database.options or {}
        where = at(database.origin("options"))
        if strange := [name for name in options if name.lower() in _JDBC]:
            yield warned(f"the Go driver does not know {', '.join(strange)}", str(where), where=where)
        elif options and controller.version and controller.version < Version(3, 4):
            yield warned(f"{controller.version} ignores mysql.options (since v3.4)", str(where), where=where)
    if not mysql(facts):
        yield passed("the archive is not in MySQL")


def _by_hand(facts: Facts, what: str, query: str) -> Iterator[Outcome]:
    """For what only a session in MySQL shows: this tool has no client for it."""
    if mysql(facts):
        yield skipped(f"{what} of MySQL is not read by this tool", query)
    else:
        yield passed("the archive is not in MySQL")


@check(
    "B21", "MySQL takes Argo's time stamps", Severity.HIGH, Need.CONFIG,
    symptom="`Error 1067: Invalid default value for 'finishedat'`.",
    cause="MySQL 5.7 in strict mode with an old Argo.",
    looks="The controller's release, if the archive is in MySQL; its sql_mode is to be read by hand.",
    fix="Upgrade Argo Workflows to v3.0 or later and MySQL to 8.0.",
)  # fmt: skip
def mysql_time_stamps(facts: Facts) -> Iterator[Outcome]:
    old = [c for c, _ in mysql(facts) if c.version and c.version < Version(3, 0)]
    if old:
        yield warned(f"{old[0].version} needs sql_mode without NO_ZERO_DATE", f"image {old[0].image}")
    yield from _by_hand(facts, "sql_mode", "mysql -e 'select @@version, @@sql_mode'")


@check(
    "B23", "MySQL can sort the list of workflows", Severity.HIGH, Need.CONFIG,
    symptom="`Error 1038 (HY001): Out of sort memory, consider increasing server sort buffer size`.",
    cause="Index i1 lacks startedat before v3.7.12 and v4.0.3, and MySQL sorts whole documents.",
    looks="The controller's release, if the archive is in MySQL.",
    fix="Upgrade to v3.7.12, v4.0.3 or later; until then: set global sort_buffer_size = 16777216.",
)  # fmt: skip
def mysql_sort(facts: Facts) -> Iterator[Outcome]:
    for controller, _ in mysql(facts):
        if controller.version and not fixed(controller.version, (3, 7, 12), (4, 0, 3)):
            yield warned(f"{controller.version} sorts without an index", f"image {controller.image}")
    yield from _by_hand(facts, "index argo_archived_workflows_i1", "mysql -e 'show index from argo_archived_workflows'")


@check(
    "B24", "MySQL takes large documents", Severity.HIGH, Need.CONFIG,
    symptom="Off-loading fails, then `Duplicate entry`; `Error 1153: Got a packet bigger than 'max_allowed_packet'`.",
    cause="max_allowed_packet is smaller than a workflow's JSON (4 MB in MySQL 5.7, 16 MB in MariaDB).",
    looks="The largest live workflow, if the archive is in MySQL; the variable is to be read by hand.",
    fix="set global max_allowed_packet = 1073741824",
)  # fmt: skip
def mysql_packet(facts: Facts) -> Iterator[Outcome]:
    largest = max((w.bytes for w in facts.cluster.workflows), default=0) if facts.cluster else 0
    if mysql(facts) and largest > 700_000:
        yield warned(
            f"a live workflow has {largest / 1e6:.1f} MB, with its off-loaded nodes it may pass max_allowed_packet",
            "largest live workflow",
            "mysql -e 'select @@max_allowed_packet'",
        )
    yield from _by_hand(facts, "max_allowed_packet", "mysql -e 'select @@max_allowed_packet'")
