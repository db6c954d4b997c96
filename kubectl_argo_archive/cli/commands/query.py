"""``kubectl argo-archive query``."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubectl_argo_archive.cli import diagnostics
from kubectl_argo_archive.cli.options import lake_option, output_option, parse_time, settings
from kubectl_argo_archive.cli.output_file import opened
from kubectl_argo_archive.cli.render import BINARY, ENDINGS, FOR_PEOPLE, FORMATS, Shown, render
from kubectl_argo_archive.errors import ConfigError

if TYPE_CHECKING:
    from kubectl_argo_archive.query.definitions import LakeSnapshot
    from kubectl_argo_archive.query.limits import Limits
    from kubectl_argo_archive.query.s3 import LakeStorage
    from kubectl_argo_archive.query.session import Opener

TERMINAL_ROWS = 1000
"""A terminal gets so many rows unless --limit says otherwise, and a word that there are more."""

_PARAMETER = re.compile(r"\$?(?P<name>\w+)=(?P<value>.*)", re.DOTALL)


@click.command(
    short_help="Ask the lake in SQL.",
    epilog="""\b
Examples:
  kubectl argo-archive query "select phase, count(*) from workflows group by 1"
  kubectl argo-archive query -p since=2026-03-01 "select * from failures where finished_at >= $since" -o vertical
  kubectl argo-archive query -f report.sql -o csv --out report.csv
  kubectl argo-archive query --as-of 7d "select count(*) from workflows"
  echo "select * from daily order by day" | kubectl argo-archive query -o jsonl | jq .
\b
The SQL is DuckDB's, and it only reads: SELECT, EXPLAIN, DESCRIBE, SHOW, SUMMARIZE over the lake's tables
(`kubectl argo-archive tables`). A parameter $name stands for a text in quotes: it compares with numbers and
times as '…' does; where its type is not clear, say it: $since::TIMESTAMPTZ, $ids::VARCHAR[].
Times are UTC. JSON and YAML keep lists, structs and maps; other formats write them as JSON. Blobs are base64.""",
)
@click.argument("sql", required=False)
@click.option("-f", "--file", metavar="FILE", help="Read the SQL from a file; - is standard input.")
@click.option("-p", "--param", "parameters", metavar="NAME=VALUE", multiple=True, help="Value of $NAME in the SQL.")
@output_option(FORMATS, help="Output format.  [default: table, or by the ending of --out]")
@click.option("--out", metavar="FILE", type=click.Path(), help="Write to a file, which appears when it is whole.")
@click.option("--as-of", metavar="TIME|EXPORT_ID", help="The lake as it was then: a time, an age (7d), an export.")
@lake_option
@click.option("--limit", metavar="N", type=click.IntRange(min=0), help="At most N rows.  [default: all]")
@click.option("--timeout", metavar="TIME", help="Stop after 90s, 5m, 1h.  [config: query.timeout]")
@click.option("--memory-limit", metavar="SIZE", help="Memory for the query: 512MB, 2Gi.  [config: query.memory_limit; "
              "default: 70 % of the container's]")  # fmt: skip
@click.option("--describe", is_flag=True, help="Show the result's columns and types instead of running the SQL.")
@click.pass_context
def query(
    ctx: click.Context,
    sql: str | None,
    file: str | None,
    parameters: tuple[str, ...],
    output: str | None,
    out: str | None,
    as_of: str | None,
    lake: str,
    limit: int | None,
    timeout: str | None,
    memory_limit: str | None,
    describe: bool,
) -> None:
    """Ask the lake in SQL.

    SQL is one statement; without it, it is read from standard input.
    """
    text = _read_sql(sql, file)
    values = _parameters(parameters)
    format = _format(output, out)
    limits = _limits(ctx, timeout, memory_limit)

    from kubectl_argo_archive.query.session import Session

    started = time.monotonic()
    with Session(_opener(ctx, lake, as_of), limits) as session:
        on_terminal = out is None and sys.stdout.isatty()
        if describe:
            result = session.describe(text, values)
        else:
            result = session.run(text, values, lossless=format not in BINARY)
        effective = TERMINAL_ROWS if limit is None and on_terminal and format in FOR_PEOPLE else limit
        width = shutil.get_terminal_size().columns if on_terminal else None
        with opened(out) as sink:
            shown = render(result, format, sink, limit=effective, width=width)
    _tell(shown, format, out, limited=limit is not None, on_terminal=on_terminal, seconds=time.monotonic() - started)


def _opener(ctx: click.Context, lake: str, as_of: str | None) -> Opener:
    """Opens the lake when it is needed; at once, so that errors show, unless a plain folder is there."""

    def open_now() -> tuple[LakeSnapshot, LakeStorage | None]:
        from kubectl_argo_archive.connect import open_lake

        opened_lake = open_lake(lake, settings(ctx))
        return opened_lake.snapshot(_as_of(as_of)), opened_lake.storage

    if as_of is None and os.path.isdir(lake):
        return open_now
    found = open_now()
    return lambda: found


def _read_sql(sql: str | None, file: str | None) -> str:
    """The SQL from wherever it is given.

    Raises:
        ConfigError: nowhere, twice, or the file cannot be read.
    """
    if sql is not None and file is not None:
        raise ConfigError("SQL is given twice", "give it as an argument or with -f, not both")
    if sql is not None and sql != "-":
        return sql
    if sql is None and file is None and sys.stdin.isatty():
        raise ConfigError("no SQL is given", 'for example: query "select phase, count(*) from workflows group by 1"')
    try:
        data = sys.stdin.buffer.read() if file in (None, "-") else Path(file or "").read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot read {file or 'standard input'}: {error.strerror}", "check -f") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file or 'standard input'} is not UTF-8", "save it as UTF-8") from error


def _parameters(given: tuple[str, ...]) -> dict[str, object]:
    values: dict[str, object] = {}
    for text in given:
        match = _PARAMETER.fullmatch(text)
        if match is None:
            raise ConfigError(f"-p {text.partition('=')[0]} is not NAME=VALUE", "for example: -p since=2026-03-01")
        if match["name"] in values:
            raise ConfigError(f"parameter {match['name']} is given twice", "give it once")
        values[match["name"]] = match["value"]
    return values


def _format(output: str | None, out: str | None) -> str:
    ending = Path(out).suffix.lower() if out else ""
    format = output or ENDINGS.get(ending, "table")
    if format in BINARY and out is None and sys.stdout.isatty():
        raise ConfigError(f"{format} is binary and would garble the terminal", "use --out FILE, or a pipe")
    return format


def _limits(ctx: click.Context, timeout: str | None, memory_limit: str | None) -> Limits:
    from kubectl_argo_archive.query.limits import Limits, parse_bytes, parse_seconds

    configured = settings(ctx).query
    memory = memory_limit or configured.memory_limit
    return Limits(
        memory_bytes=parse_bytes(memory) if memory else None,
        timeout_s=parse_seconds(timeout) if timeout else configured.timeout,
    )


def _as_of(text: str | None) -> str | None:
    """A time or an age as ISO 8601; anything else is an export id."""
    if text is None:
        return None
    try:
        return parse_time(text, datetime.now(UTC)).isoformat()
    except ConfigError:
        return text


def _tell(shown: Shown, format: str, out: str | None, *, limited: bool, on_terminal: bool, seconds: float) -> None:
    """Say on stderr what the output alone does not tell."""
    if shown.more:
        way = "raise --limit" if limited else "use --limit N, or -o csv --out FILE for all"
        diagnostics.warn(f"only the first {shown.rows:,} rows are shown, there are more", way)
    if shown.fit.hidden:
        hidden = len(shown.fit.hidden)
        diagnostics.note(
            f"{hidden} columns do not fit the terminal; -o wide or -o vertical shows them, or name columns"
        )
    elif shown.fit.cut:
        diagnostics.note("values marked … are cut to fit the terminal; -o wide or -o vertical shows them whole")
    if diagnostics.is_terminal() and ((on_terminal and format in FOR_PEOPLE) or out is not None):
        rows = "1 row" if shown.rows == 1 else f"{shown.rows:,} rows"
        where = f" in {out}" if out is not None else ""
        diagnostics.note(f"({rows}{where}, {seconds:.2f} s)")
