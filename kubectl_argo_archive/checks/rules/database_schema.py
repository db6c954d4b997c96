"""Are Argo's tables there, whole, and of the release that runs?"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_argo_archive.argo.versions import Version
from kubectl_argo_archive.checks.check import Need, Outcome, check, failed, passed, skipped, warned
from kubectl_argo_archive.checks.facts import Facts
from kubectl_argo_archive.checks.facts_database import Index, Table
from kubectl_argo_archive.checks.finding import Severity
from kubectl_argo_archive.checks.releases import columns_of, indexes_of, layout_of, releases_of
from kubectl_argo_archive.checks.words import at, count, edit, restart_of, some

ARCHIVE = "argo_archived_workflows"
LABELS = "argo_archived_workflows_labels"
HISTORY = "schema_history"


def _offload(facts: Facts) -> str:
    configured = [
        c.persistence.database.table_name for c in facts.controllers if c.persistence and c.persistence.database
    ]
    return next((name for name in configured if name), "argo_workflows")


def _missing(facts: Facts) -> list[str]:
    """Argo's tables that are not there; the off-load table may have any name."""
    missing = [name for name in (ARCHIVE, LABELS, HISTORY) if name not in facts.db.tables]
    return missing if facts.db.offload_table else [*missing, _offload(facts)]


def _unreadable(facts: Facts) -> str:
    return facts.db.unread.get("tables", "")


def _layout(facts: Facts) -> int | None:
    """The schema version to hold tables against: the database's own, else that of the release that runs."""
    if facts.db.schema_version is not None:
        return facts.db.schema_version
    versions = [layout_of(c.version) for c in facts.controllers if c.version]
    return next((layout for layout in versions if layout), None)


@check(
    "E01", "The archive's tables are there, with their columns", Severity.CRITICAL, Need.DATABASE,
    symptom="The tables do not exist, or a query fails with `column … does not exist`.",
    cause="The archive was never on, the controller was not restarted after persistence was configured (it makes the "
    "tables only when it starts), or this is another database.",
    looks="information_schema: argo_archived_workflows, its labels, schema_history, and the columns of each.",
    fix="Restart the controller: it makes the tables when it starts.",
)  # fmt: skip
def tables_exist(facts: Facts) -> Iterator[Outcome]:
    if reason := _unreadable(facts):
        yield skipped(f"the catalog could not be read: {reason}")
        return
    missing = _missing(facts)
    if len(missing) >= 4:
        yield failed(
            f"{facts.db.place} has none of Argo's tables",
            f"missing:\n{some(missing)}",
            restart_of(facts.controllers) or None,
        )
        return
    if missing:
        yield skipped(f"some tables are missing: see B18 ({', '.join(missing)})")
    layout = _layout(facts) or 56
    lacking = [
        f"{table.name}.{column}"
        for table in facts.db.tables.values()
        for column in columns_of(table.name, layout)
        if column not in table.columns
    ]
    if lacking:
        yield failed(
            f"columns are missing that schema version {layout} has",
            some(lacking),
            "let the controller migrate: skipMigration: false, then restart it",
        )
    elif not missing:
        yield passed(f"all tables of schema version {layout} are there", some(sorted(facts.db.tables)))


@check(
    "E02", "The archive's indexes are there", Severity.HIGH, Need.DATABASE,
    symptom="Lists take minutes; the controller is slow; export scans the whole table.",
    cause="An index was dropped, its creation failed, or the dump was restored without it.",
    looks="The indexes of the schema version (i1 to i5, labels_i1) by name and columns.",
    fix="create index concurrently argo_archived_workflows_i2 on argo_archived_workflows "
    "(clustername, instanceid, finishedat);",
)  # fmt: skip
def indexes_exist(facts: Facts) -> Iterator[Outcome]:
    if _unreadable(facts) or ARCHIVE not in facts.db.tables:
        yield skipped("there is no table to look at: see E01")
        return
    layout = _layout(facts) or 56
    missing = []
    for table in _ours(facts):
        present = {index.name: index for index in table.indexes}
        by_columns = {_plain(index.columns) for index in table.indexes if index.valid}
        for name, columns in indexes_of(table.name, layout).items():
            if name not in present and _plain(columns) not in by_columns:
                missing.append((table, name, columns))
        if not table.key:
            missing.append((table, f"{table.name}_pkey", _KEYS[table.name]))
    if missing:
        names = some(f"{name} ({columns})" for _, name, columns in missing)
        fix = "\n".join(_create(table, name, columns) for table, name, columns in missing)
        yield failed(
            f"{count(len(missing), 'index')} of schema version {layout} missing".replace("indexs", "indexes"),
            names,
            fix,
            details={"missing": [name for _, name, _ in missing]},
        )
    else:
        yield passed(f"all indexes of schema version {layout} are there")


_KEYS = {ARCHIVE: "clustername, uid", LABELS: "clustername, uid, name"}


def _ours(facts: Facts) -> list[Table]:
    return [facts.db.tables[name] for name in (ARCHIVE, LABELS) if name in facts.db.tables]


def _plain(columns: str) -> str:
    return columns.lower().replace('"', "").replace(" ", "")


def _create(table: Table, name: str, columns: str) -> str:
    place = f"{table.schema}.{table.name}"
    if name.endswith("_pkey"):
        return f"alter table {place} add primary key ({columns});"
    return f"create index concurrently {name} on {place} ({columns.lower()});"


@check(
    "B17", "The indexes are as Argo made them", Severity.HIGH, Need.DATABASE,
    symptom="`Failed to update config: …` while migrating; step 61 fails.",
    cause="Somebody made, renamed or changed an index by hand, or schema_history was edited.",
    looks="Columns and validity of each index that bears one of Argo's names.",
    fix="Drop the index and make it as Argo does, then restart the controller.",
)  # fmt: skip
def indexes_are_argos(facts: Facts) -> Iterator[Outcome]:
    layout = _layout(facts)
    if layout is None or ARCHIVE not in facts.db.tables:
        yield skipped("the schema version is not known")
        return
    for table in _ours(facts):
        expected = indexes_of(table.name, layout)
        for index in table.indexes:
            columns = expected.get(index.name)
            if wrong := _wrong(index, columns):
                fix = f"drop index {table.schema}.{index.name};"
                fix += f"\n{_create(table, index.name, columns)}" if columns else ""
                yield failed(f"index {index.name} {wrong}", f"{index.name} ({index.columns})", fix)


def _wrong(index: Index, columns: str | None) -> str:
    if not index.valid:
        return "is invalid: its creation never finished"
    if columns is not None and _plain(index.columns) != _plain(columns):
        return f"has other columns than Argo's ({columns})"
    argos = index.name.startswith((f"{ARCHIVE}_i", f"{LABELS}_i")) and index.name[-1].isdigit()
    return "does not belong to this schema version" if argos and columns is None else ""


@check(
    "B18", "No table of a former try is left alone", Severity.CRITICAL, Need.DATABASE,
    symptom="A fresh install fails in its first migrations.",
    cause="Some of the four tables are left from an earlier attempt, others are not.",
    looks="Which of the archive's tables, the off-load table and schema_history exist.",
    fix="Restore the missing tables from a backup; if there is nothing to keep, drop the others and restart the "
    "controller.",
)  # fmt: skip
def tables_are_whole(facts: Facts) -> Iterator[Outcome]:
    missing = _missing(facts)
    present = sorted(facts.db.tables)
    if present and missing and not _unreadable(facts):
        yield failed(
            f"{', '.join(missing)} missing, while other tables of Argo exist",
            f"there: {', '.join(present)}\nmissing: {', '.join(missing)}",
        )
    else:
        yield passed("all tables are there" if present else "none of the tables is there: see E01")


def _expected(facts: Facts) -> tuple[Version, int] | None:
    found = [(c.version, layout_of(c.version)) for c in facts.controllers if c.version]
    return next(((version, layout) for version, layout in found if layout is not None), None)


@check(
    "B19", "The tables are as new as the controller", Severity.CRITICAL, Need.DATABASE, Need.CONFIG,
    symptom="`column … does not exist`; lists fail after an upgrade.",
    cause="`skipMigration: true` was left on, or the migration did not finish.",
    looks="schema_history.schema_version against what the running release expects.",
    fix="Set persistence.skipMigration: false and restart the controller.",
)  # fmt: skip
def tables_are_new(facts: Facts) -> Iterator[Outcome]:
    expected, version = _expected(facts), facts.db.schema_version
    skipping = [c for c in facts.controllers if c.persistence and c.persistence.skip_migration]
    if version is None:
        reason = facts.db.unread.get("schema_version") or "schema_history has no row"
        yield skipped(f"the schema version is not known: {reason}")
    elif expected and version < expected[1]:
        seen = f"schema version {version} ({releases_of(version)}), {expected[0]} has {expected[1]}"
        say = "skipMigration: true is on" if skipping else "the migration did not run to its end"
        first = skipping[0] if skipping else next(iter(facts.controllers))
        where = at(first.persistence.origin("skip_migration")) if skipping and first.persistence else at(first.origin)
        look = f"kubectl logs -n {first.namespace} deployment/workflow-controller | grep -i migrat"
        mend = edit(first, "persistence.skipMigration: false")
        fix = mend if skipping else f"{restart_of([first])}\n{look}"
        yield failed(
            f"the tables are older than the controller: {say}",
            seen,
            fix,
            where=where,
            details={"schema_version": version, "expected": expected[1]},
        )
    elif skipping:
        persistence = skipping[0].persistence
        assert persistence is not None
        yield warned(
            "skipMigration: true is on: the next upgrade will not migrate the tables",
            str(at(persistence.origin("skip_migration"))),
            where=at(persistence.origin("skip_migration")),
        )
    elif expected is None:
        yield skipped(f"the controller's release is not known; schema version {version} is of {releases_of(version)}")
    else:
        yield passed(f"schema version {version} is that of {expected[0]}")


@check(
    "B20", "The controller is as new as the tables", Severity.HIGH, Need.DATABASE, Need.CONFIG,
    symptom="After a roll-back the controller writes rows that newer servers do not understand, or fails.",
    cause="Argo never migrates backwards.",
    looks="schema_history.schema_version against what the running release expects.",
    fix="Go back to the newer release, or restore the database from before the upgrade.",
)  # fmt: skip
def controller_is_new(facts: Facts) -> Iterator[Outcome]:
    expected, version = _expected(facts), facts.db.schema_version
    if version is None or expected is None:
        yield skipped("release or schema version is not known")
    elif version > expected[1]:
        yield warned(
            f"the tables are newer than the controller {expected[0]}",
            f"schema version {version} ({releases_of(version)}), {expected[0]} has {expected[1]}",
        )
