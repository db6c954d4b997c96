"""What SQL may do here, as data: read the lake's tables, and nothing else.

DuckDB's own locks (no external access, configuration locked) stand behind this list. They are not enough alone:
``COPY … TO`` may write wherever reading is allowed, and a secret may be replaced.
"""

from __future__ import annotations

_READ_ONLY = "the lake is only read; build intermediate results with WITH name AS (SELECT …)"
_FILES = "to keep a result, use: query -o csv --out FILE (or json, parquet, …)"
_ONLY_LAKE = "a query sees the tables of this lake; --lake chooses another one"
_SETTINGS = "limits are options of the command: --memory-limit, --timeout, --limit"
_EXTENSIONS = "queries run without extensions"
_PLAIN = "run the SELECT itself"

REFUSED_STATEMENTS = {
    "copy": _FILES, "export": _FILES,
    "insert": _READ_ONLY, "update": _READ_ONLY, "delete": _READ_ONLY, "merge": _READ_ONLY, "truncate": _READ_ONLY,
    "create": _READ_ONLY, "alter": _READ_ONLY, "drop": _READ_ONLY, "comment": _READ_ONLY, "undrop": _READ_ONLY,
    "attach": _ONLY_LAKE, "detach": _ONLY_LAKE, "use": _ONLY_LAKE, "import": _ONLY_LAKE,
    "install": _EXTENSIONS, "load": _EXTENSIONS, "force": _EXTENSIONS,
    "set": _SETTINGS, "reset": _SETTINGS, "pragma": _SETTINGS,
    "call": "only SELECT runs functions here", "prepare": _PLAIN, "execute": _PLAIN, "deallocate": _PLAIN,
    "begin": _READ_ONLY, "start": _READ_ONLY, "commit": _READ_ONLY, "end": _READ_ONLY, "rollback": _READ_ONLY,
    "abort": _READ_ONLY, "checkpoint": _READ_ONLY, "vacuum": _READ_ONLY, "analyze": _READ_ONLY, "analyse": _READ_ONLY,
    "grant": _READ_ONLY, "revoke": _READ_ONLY, "lock": _READ_ONLY, "declare": _READ_ONLY, "do": _READ_ONLY,
}  # fmt: skip
"""First words of statements that are refused → what to do instead."""

ALLOWED_STATEMENTS = "SELECT, WITH, FROM, VALUES, PIVOT, EXPLAIN, DESCRIBE, SHOW and SUMMARIZE"

TABLE_FUNCTIONS = frozenset({
    "range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree", "histogram",
    "histogram_values", "duckdb_columns", "duckdb_constraints", "duckdb_databases", "duckdb_functions",
    "duckdb_keywords", "duckdb_schemas", "duckdb_tables", "duckdb_types", "duckdb_views", "icu_calendar_names",
    "pg_timezone_names", "pragma_collations", "pragma_version",
})  # fmt: skip
"""Functions that may stand after FROM. All others read files, run text as SQL, show secrets or change the session."""

LAKE_MACROS = frozenset({"search_logs"})
"""Table macros of ours: they stand for tables of the lake."""

REFUSED_FUNCTIONS = frozenset(
    {"current_setting", "getenv", "nextval", "currval", "write_log", "json_execute_serialized_sql"}
)
"""Functions that may not stand in an expression."""

CATALOG_SCHEMA = "information_schema"
CATALOG_VIEWS = frozenset({
    "duckdb_columns", "duckdb_constraints", "duckdb_databases", "duckdb_indexes", "duckdb_schemas", "duckdb_tables",
    "duckdb_types", "duckdb_views", "pg_attribute", "pg_class", "pg_namespace", "pg_tables", "pg_type", "pg_views",
    "sqlite_master", "sqlite_schema",
})  # fmt: skip
"""DuckDB's own views that describe tables; ``pg_settings``, ``duckdb_logs`` and the like stay closed."""

INTROSPECTION = frozenset(name for name in TABLE_FUNCTIONS if name.startswith("duckdb_"))
"""Table functions that list tables: for them all of ours must exist."""
