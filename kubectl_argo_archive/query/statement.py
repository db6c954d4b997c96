"""One statement of a user: is it allowed, and which tables does it need?

The SQL is parsed by DuckDB itself (``json_serialize_sql``) and the tree is walked: nothing is bound or run, no
file is touched. What is not known to be harmless is refused.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import duckdb

from kubectl_argo_archive.errors import QueryError
from kubectl_argo_archive.query import policy, tokens
from kubectl_argo_archive.query.mistakes import like_table, parser_mistake, refusal
from kubectl_argo_archive.query.tokens import Token

_SERIALIZE = "SELECT json_serialize_sql($1::VARCHAR, skip_null := true, skip_empty := true, skip_default := true)"
_NOT_A_SELECT = "Only SELECT statements can be serialized"
_NESTING = 9000
"""DuckDB itself stops at 1000 nested expressions; each takes a few levels of JSON."""
_SHOWN = frozenset({"tables", "databases", "schemas", "variables", "__show_tables_expanded"})

Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Statement:
    """What is known about a statement that may run.

    Attributes:
        sql: as it came.
        tables: the lake's tables and views that it names.
        parameters: names of its ``$parameters``, as written.
        columns: last parts of all column names, in lower case.
        every_column: it may use columns that it does not name (``*``, whole rows, PIVOT, NATURAL JOIN, SUMMARIZE).
        introspects: it lists tables or columns, so all must exist.
        explains: it is an EXPLAIN.
        shows: it is a DESCRIBE, SHOW or SUMMARIZE.
    """

    sql: str
    tables: frozenset[str]
    parameters: frozenset[str]
    columns: frozenset[str]
    every_column: bool
    introspects: bool
    explains: bool
    shows: bool


def analyse(con: duckdb.DuckDBPyConnection, sql: str, names: Callable[[], Collection[str]]) -> Statement:
    """Parse ``sql`` and decide whether it may run.

    Args:
        con: any connection; nothing is run on it but the parser.
        sql: one statement; semicolons and comments around it do no harm.
        names: the lake's tables and views; asked only if the statement names a table.

    Raises:
        QueryError: a syntax error, more than one statement, or something that is not allowed.
    """
    data = _checked(sql)
    statements = tokens.split(tokens.tokenize(data))
    if not statements:
        _parse(con, sql, data, 0)  # an unterminated literal or comment hides all tokens
        raise QueryError("the SQL is empty", 'for example: query "select phase, count(*) from workflows group by 1"')
    if len(statements) > 1:
        raise refusal(sql, statements[1][0].at, "one statement at a time", "run the command once for each statement")
    words = statements[0]
    _refuse_by_word(sql, words[0])
    first = tokens.explained(words)
    if first == len(words):
        raise QueryError("EXPLAIN what?", 'for example: query "explain select count(*) from workflows"')
    _refuse_by_word(sql, words[first])
    tree, start = _tree(con, sql, data, words, first)
    walk = _Walk(sql, start, names)
    walk.all(tree)
    return Statement(
        sql=sql,
        tables=frozenset(walk.tables),
        parameters=frozenset(walk.parameters),
        columns=frozenset(walk.columns),
        every_column=walk.every_column or bool(walk.columns & walk.aliases),
        introspects=walk.introspects,
        explains=first > 0,
        shows=words[first].text in ("describe", "desc", "show", "summarize"),
    )


def _checked(sql: str) -> bytes:
    if "\0" in sql:
        raise QueryError("the SQL holds a NUL character", "remove it")
    try:
        return sql.encode()
    except UnicodeEncodeError as error:
        raise QueryError("the SQL is not valid text", "save it as UTF-8") from error


def _refuse_by_word(sql: str, word: Token) -> None:
    hint = policy.REFUSED_STATEMENTS.get(word.text)
    if hint is not None:
        raise refusal(sql, word.at, f"{word.text.upper()} is not allowed: queries only read", hint)


def _tree(
    con: duckdb.DuckDBPyConnection, sql: str, data: bytes, words: list[Token], first: int
) -> tuple[list[Node], int | None]:
    """The parsed statement without its EXPLAIN, and where it starts in ``sql`` if offsets in the tree are right."""
    start: int | None = words[first].at if first else 0
    found = _parse(con, sql, data[start:], start or 0)
    if found is None and any(word.text.startswith("pivot") for word in words):
        found = _pivot_tree(con, sql, data, words[first:], start or 0)
        start = None
    if found is None:
        verb = next((word for word in words[first:] if word.text in policy.REFUSED_STATEMENTS), words[first])
        raise refusal(sql, verb.at, "only queries are allowed", f"allowed are {policy.ALLOWED_STATEMENTS}")
    if len(found) != 1:
        raise QueryError("one statement at a time", "run the command once for each statement")
    return found, start


def _parse(con: duckdb.DuckDBPyConnection, sql: str, body: bytes, start: int) -> list[Node] | None:
    """The statements in ``body``; None if they are no SELECT."""
    row = con.execute(_SERIALIZE, [body.decode()]).fetchone()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, _NESTING))
    try:
        answer: Node = json.loads(row[0] if row else "{}")
    except RecursionError:
        raise QueryError("the SQL is nested too deeply", "split it with WITH name AS (…)") from None
    finally:
        sys.setrecursionlimit(limit)
    if not answer.get("error"):
        statements: list[Node] = answer["statements"]
        return statements
    if _NOT_A_SELECT in answer.get("error_message", ""):
        return None
    raise parser_mistake(sql, answer, start)


def _pivot_tree(
    con: duckdb.DuckDBPyConnection, sql: str, data: bytes, words: list[Token], start: int
) -> list[Node] | None:
    """A tree for a PIVOT whose values come from the data, which DuckDB runs as two statements."""
    body = data[start:]
    moved = [Token(word.text, word.at - start) for word in words]
    try:
        found = _parse(con, sql, tokens.with_pivot_values(body, moved), start)
    except QueryError:
        found = None
    if found and start:
        raise QueryError("EXPLAIN cannot show a PIVOT without values", "list them: PIVOT … ON column IN ('a', 'b')")
    kinds = [statement.type for statement in con.extract_statements(data.decode())] if found else []
    helpers = all(kind == duckdb.StatementType.CREATE for kind in kinds[:-1])
    if not found or not helpers or kinds[-1] != duckdb.StatementType.SELECT:
        return None
    return found


@dataclass(slots=True)
class _Walk:
    """Looks at every node of the tree; refuses, and collects what the statement needs."""

    sql: str
    start: int | None
    names: Callable[[], Collection[str]]
    tables: set[str] = field(default_factory=set)
    parameters: set[str] = field(default_factory=set)
    columns: set[str] = field(default_factory=set)
    aliases: set[str] = field(default_factory=set)
    every_column: bool = False
    introspects: bool = False

    def all(self, tree: list[Node]) -> None:
        nodes = list(_nodes(tree))
        ctes = {name.lower() for node in nodes for name in _cte_names(node)}
        for node in nodes:
            self._node(node, ctes)

    def _node(self, node: Node, ctes: set[str]) -> None:
        match node.get("type"):
            case "BASE_TABLE":
                self._table(node, ctes)
            case "TABLE_FUNCTION":
                self._table_function(node)
            case "SHOW_REF":
                self._show(node)
            case "PIVOT" | "STAR":
                self.every_column = True
            case "VALUE_PARAMETER":
                self.parameters.add(node["identifier"])
            case "COLUMN_REF":
                self.columns.add(node["column_names"][-1].lower())
            case "FUNCTION":
                self._function(node)
        if node.get("ref_type") == "NATURAL":
            self.every_column = True
        self.columns.update(name.lower() for name in node.get("using_columns", ()))
        if "alias" in node:
            self.aliases.add(node["alias"].lower())

    def _table(self, node: Node, ctes: set[str]) -> None:
        name, schema = node.get("table_name", ""), node.get("schema_name", "").lower()
        catalog, lower = node.get("catalog_name", "").lower(), name.lower()
        self.aliases.add(lower)
        if schema == policy.CATALOG_SCHEMA or lower in policy.CATALOG_VIEWS:
            self.introspects = True
            return
        ours = schema in ("", "main") and catalog in ("", "memory")
        if not ours or (lower not in ctes and lower not in self.names()):
            full = ".".join(part for part in (node.get("catalog_name"), node.get("schema_name"), name) if part)
            raise like_table(self.sql, self._at(node), full, self.names())
        if lower not in ctes or lower in self.names():  # inside its own definition, a CTE's name means our table
            self.tables.add(lower)

    def _table_function(self, node: Node) -> None:
        function = node["function"]
        name = function["function_name"].lower()
        if name in policy.LAKE_MACROS:
            self.tables.add(name)
            return
        if name not in policy.TABLE_FUNCTIONS:
            raise refusal(
                self.sql,
                self._at(node),
                f"the table function {name} is not allowed: a query reads the lake's tables and nothing else",
                "`kubectl argo-archive tables` lists what can be read",
            )
        self.introspects = self.introspects or name in policy.INTROSPECTION
        # histogram(workflows, duration_s) names its table as if it were a column
        arguments = [
            c["column_names"][0].lower() for c in function.get("children", ()) if c.get("type") == "COLUMN_REF"
        ]
        if arguments:
            self.tables.update(argument for argument in arguments if argument in self.names())

    def _function(self, node: Node) -> None:
        name = node.get("function_name", "").lower()
        if name in policy.REFUSED_FUNCTIONS:
            raise refusal(self.sql, self._at(node), f"the function {name} is not allowed", "a query only reads tables")

    def _show(self, node: Node) -> None:
        self.every_column = True
        if "query" in node:
            return
        self.introspects = True
        name = node.get("table_name", "").strip('"').lower()
        if name and name not in _SHOWN:
            raise like_table(self.sql, None, name, self.names())

    def _at(self, node: Node) -> int | None:
        at = node.get("query_location")
        return None if at is None or self.start is None else self.start + int(at)


def _nodes(tree: object) -> Iterator[Node]:
    """All objects of the tree, without recursion: user SQL may be nested deeply."""
    open_values = [tree]
    while open_values:
        value = open_values.pop()
        if isinstance(value, dict):
            yield value
            open_values.extend(reversed(value.values()))
        elif isinstance(value, list):
            open_values.extend(reversed(value))


def _cte_names(node: Node) -> Iterator[str]:
    for entry in node.get("cte_map", {}).get("map", ()):
        yield entry["key"]
    if "cte_name" in node:
        yield node["cte_name"]
