"""What DuckDB's errors mean for the user: one sentence, the place in the SQL, and what to write instead."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from kubectl_argo_archive.errors import QueryError
from kubectl_argo_archive.query.pointing import pointed

_JSON_TEXT = re.compile(r"^[\w ]+: (?P<json>\{.*\})\s*$", re.DOTALL)
_PLAIN_TEXT = re.compile(r"^(?P<kind>[\w ]+) Error: (?P<message>.*)", re.DOTALL)
_DID_YOU_MEAN = re.compile(r"\nDid you mean \"(?P<name>[^\"]+)\"\??")
_LIST_HEADS = ("\nCandidate bindings", "\nCandidate tables", "\n\tCandidate functions", "\n\nLINE ", '\n\nUse "SET ')
_FILE_LIKE = re.compile(r"[/\\*]|\.(?:parquet|csv|tsv|json|jsonl|ndjson|db|duckdb|txt|gz|zst)$|^\w+://", re.IGNORECASE)
_SYNONYMS = {
    "pods": "nodes", "pod": "nodes", "steps": "nodes", "tasks": "nodes", "runs": "workflows", "wf": "workflows",
    "workflow_labels": "labels", "params": "parameters", "arguments": "parameters", "logs": "artifacts",
    "json": "raw", "errors": "failures", "history": "workflow_versions", "crons": "cron_runs",
    "argo_archived_workflows": "workflows", "argo_archived_workflows_labels": "labels",
}  # fmt: skip
_OPEN_PIVOT = "PIVOT statements with pivot elements extracted"
_PIVOT_HINT = "with parameters, list the values: PIVOT … ON column IN ('a', 'b')"
_READ_ONLY_CTE = "A CTE needs a SELECT"
_ANY_HINT = "the SQL is DuckDB's; `kubectl argo-archive tables` lists the tables and columns"
_SHOWN_CANDIDATES = 6


def refusal(sql: str, at: int | None, message: str, hint: str) -> QueryError:
    """Something that is not allowed, with the place."""
    return QueryError(_with_place(message, sql, at), hint)


def parser_mistake(sql: str, answer: Mapping[str, Any], start: int) -> QueryError:
    """A syntax error, as ``json_serialize_sql`` reports it; ``start`` is where the parsed part begins in ``sql``."""
    message = str(answer.get("error_message", "syntax error"))
    if message.startswith(_READ_ONLY_CTE):
        return QueryError("only SELECT is allowed inside WITH: queries only read", "the lake is never changed by SQL")
    at = start + int(answer["position"]) if "position" in answer else None
    return QueryError(_with_place(_first_part(message), sql, at), _syntax_hint(message, sql, at) or _ANY_HINT)


def like_table(sql: str, at: int | None, name: str, known: Collection[str]) -> QueryError:
    """A table that the lake does not have."""
    listed = "`kubectl argo-archive tables` lists all"
    plain = name.rpartition(".")[2].lower()
    if _FILE_LIKE.search(name):
        message, hint = f"'{name}' is a file, and queries read the lake's tables only", listed
    elif "." in name:
        message = f"there is no table {name}: the lake's tables have no schema"
        hint = f"write {plain}" if plain in known else listed
    else:
        near = _nearest(plain, known)
        message, hint = f"there is no table {name}", f"did you mean {near}? {listed}" if near else listed
    return QueryError(_with_place(message, sql, at), hint)


def parameter_mistakes(needed: Collection[str], given: Collection[str]) -> QueryError | None:
    """Parameters that were not given, or that the SQL does not know; None if all is well."""
    lower = {name.lower() for name in given}
    missing = sorted(name for name in needed if name.lower() not in lower)
    unknown = sorted(name for name in given if name.lower() not in {name.lower() for name in needed})
    if missing and missing[0].isdigit():
        return QueryError("parameters without names are not supported", "write $name in the SQL and give -p name=value")
    if missing:
        near = get_close_matches(missing[0], unknown, n=1)
        hint = f"-p {near[0]}=… was given; is it ${near[0]}?" if near else f"give -p {missing[0]}=VALUE"
        return QueryError("no value for " + ", ".join(f"${name}" for name in missing), hint)
    if unknown:
        known = f"it uses {', '.join(f'${name}' for name in sorted(needed))}" if needed else "it uses no parameters"
        return QueryError(f"the SQL has no parameter ${unknown[0]}", f"{known}; in the SQL a parameter is $name")
    return None


def explain(error: Exception, sql: str, columns: Mapping[str, Collection[str]], *, offset: int = 0) -> QueryError:
    """Our error for an error of DuckDB's about a user's SQL.

    Args:
        error: as raised; its text may be JSON (``errors_as_json``).
        sql: what was run.
        columns: names of the columns of each table that may be meant.
        offset: bytes that were put in front of ``sql`` when it was run.
    """
    facts = _facts(str(error))
    message, kind = str(facts["exception_message"]), str(facts.get("exception_type", ""))
    at = int(facts["position"]) - offset if "position" in facts else None
    return QueryError(_with_place(_first_part(message), sql, at), _hint(kind, message, facts, columns) or _ANY_HINT)


def sentence(error: Exception) -> str:
    """What DuckDB says, in one sentence."""
    return _first_part(str(_facts(str(error))["exception_message"])).partition("\n")[0]


def _facts(text: str) -> dict[str, Any]:
    match = _JSON_TEXT.match(text)
    if match:
        try:
            facts: dict[str, Any] = json.loads(match["json"])
            if "exception_message" in facts:
                return facts
        except ValueError:
            pass  # a message that only looks like JSON
    plain = _PLAIN_TEXT.match(text)
    if plain:
        return {"exception_type": plain["kind"], "exception_message": plain["message"]}
    return {"exception_message": text}


def _hint(kind: str, message: str, facts: Mapping[str, Any], columns: Mapping[str, Collection[str]]) -> str | None:
    candidates = [name for name in str(facts.get("candidates", "")).split(",") if name]
    if facts.get("error_subtype") == "COLUMN_NOT_FOUND" or "does not have a column named" in message:
        name = str(facts.get("name") or re.findall(r'"([^"]*)"', message)[-1])
        return _column_hint(name, candidates, columns)
    if "Candidate tables:" in message:
        near = re.findall(r'"([^"]+)"', message.partition("Candidate tables:")[2])
        return f"tables here: {', '.join(near)}" if near else None
    meant = _DID_YOU_MEAN.search(message)
    if meant:
        return f"did you mean {meant['name']}?"
    if "Candidate functions:" in message:
        found = [line.strip() for line in message.partition("Candidate functions:")[2].splitlines() if line.strip()]
        more = ", …" if len(found) > _SHOWN_CANDIDATES else ""
        return f"cast the arguments, for example x::DOUBLE; it takes: {', '.join(found[:_SHOWN_CANDIDATES])}{more}"
    if kind == "Conversion":
        return "try_cast(x AS type) gives NULL instead of an error"
    if _OPEN_PIVOT in message:
        return _PIVOT_HINT
    return None


def _column_hint(name: str, candidates: list[str], columns: Mapping[str, Collection[str]]) -> str:
    """The likeliest name in the tables at hand; else who has a column of this name."""
    here = {column for table in columns.values() for column in table} | set(candidates)
    near = get_close_matches(name.lower(), sorted(here), n=2, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    part = sorted(column for column in here if name.lower() in column or column in name.lower())
    if part:
        return f"did you mean {' or '.join(part[:2])}?"
    tables = " ".join(sorted(columns)[:1]) or "NAME"
    return f"`kubectl argo-archive tables {tables}` lists the columns; text stands in 'single quotes'"


def _nearest(name: str, known: Collection[str]) -> str | None:
    if name in _SYNONYMS and _SYNONYMS[name] in known:
        return _SYNONYMS[name]
    near = get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return near[0] if near else None


def _first_part(message: str) -> str:
    """DuckDB's sentence, without its lists of candidates and its own advice."""
    message = _DID_YOU_MEAN.sub("", message)
    for head in _LIST_HEADS:
        message = message.partition(head)[0]
    text = message.strip().removesuffix(". You might need to add explicit type casts.").rstrip("!.")
    # a name or a keyword keeps its capitals
    return text[:1].lower() + text[1:] if text[:2].istitle() and text[1:2].islower() else text


def _with_place(message: str, sql: str, at: int | None) -> str:
    if at is None or not 0 <= at <= len(sql.encode()):
        return message
    return f"{message}\n{pointed(sql, at)}"


def _syntax_hint(message: str, sql: str, at: int | None) -> str | None:
    if _OPEN_PIVOT in message:
        return _PIVOT_HINT
    if at is not None and re.search(r"\bat\s*$", sql.encode()[:at].decode("utf-8", "ignore"), re.IGNORECASE):
        return 'AT is a word of SQL: write the column as "at", in double quotes'
    if re.search(r"[\u2018\u2019\u201c\u201d]", sql):
        return "the SQL holds typographic quotes; text stands in 'straight' quotes"
    return None
