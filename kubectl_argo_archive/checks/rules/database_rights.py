"""Where the tables lie, of which types they are, and whether the controller may make them."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_argo_archive.checks.check import Need, Outcome, check, failed, passed, skipped, warned
from kubectl_argo_archive.checks.facts import Facts
from kubectl_argo_archive.checks.finding import Severity
from kubectl_argo_archive.checks.rules.database_schema import ARCHIVE


@check(
    "B14", "The controller may make its tables", Severity.HIGH, Need.DATABASE,
    symptom="`permission denied for schema public`.",
    cause="Since PostgreSQL 15 only the owner of a database may create tables in `public`.",
    looks="has_schema_privilege(current_schema(), 'create') of the controller's role.",
    fix="GRANT USAGE, CREATE ON SCHEMA public TO argo;",
)  # fmt: skip
def may_create(facts: Facts) -> Iterator[Outcome]:
    if not facts.own_session:
        yield skipped(
            f"the session is {facts.db.user}'s, not the controller's",
            "select has_schema_privilege('argo', 'public', 'create')",
        )
    elif not facts.db.may_create:
        fix = f'GRANT USAGE, CREATE ON SCHEMA public TO "{facts.db.user}";'
        say, what = (
            (failed, "cannot make its tables")
            if ARCHIVE not in facts.db.tables
            else (warned, "cannot migrate its tables at the next upgrade")
        )
        yield say(f"{facts.db.user} {what}: no CREATE on its schema", f"search_path {facts.db.search_path}", fix)


@check(
    "B15", "The tables lie where the controller looks", Severity.MEDIUM, Need.DATABASE,
    symptom="Tables land in `public`, or a second, empty set of tables appears.",
    cause="Argo has no setting for a schema: it takes the first of the role's search_path.",
    looks="Schema of the tables against the role's search_path.",
    fix="ALTER ROLE argo SET search_path = argo;",
)  # fmt: skip
def schema_fits(facts: Facts) -> Iterator[Outcome]:
    table = facts.db.tables.get(ARCHIVE)
    if table is None:
        yield skipped("there is no table to look at: see E01")
        return
    user = facts.db.user
    path = [part.strip().strip('"').replace("$user", user) for part in facts.db.search_path.split(",")]
    if table.schema in path:
        yield passed(f"the tables lie in schema {table.schema}", f"search_path {facts.db.search_path}")
    elif facts.own_session:
        yield warned(
            f"the tables lie in schema {table.schema}, which is not on {user}'s search_path",
            f"search_path {facts.db.search_path}",
            f'ALTER ROLE "{user}" SET search_path = {table.schema};',
        )
    else:
        yield passed(f"the tables lie in schema {table.schema}; {user}, who reads here, has another search_path")


@check(
    "B22", "Documents are stored as JSON", Severity.HIGH, Need.DATABASE,
    symptom="`Error 1406: Data too long for column 'nodes'`; or every list is slow.",
    cause="A column of text is left from a release before v2.5.",
    looks="Type of argo_archived_workflows.workflow and of nodes in the off-load table.",
    fix="alter table argo_workflows alter column nodes type json using nodes::json;",
)  # fmt: skip
def json_columns(facts: Facts) -> Iterator[Outcome]:
    for name, column in ((ARCHIVE, "workflow"), (facts.db.offload_table or "", "nodes")):
        table = facts.db.tables.get(name)
        kind = table.columns.get(column) if table else None
        if table and kind and kind not in ("json", "jsonb"):
            yield failed(
                f"{name}.{column} is {kind}, not json",
                f"{table.schema}.{name}",
                f"alter table {table.schema}.{name} alter column {column} type json using {column}::json;",
            )
