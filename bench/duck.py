"""Plain DuckDB on the lake's Parquet files: ``python -m bench.duck LAKE SQL TABLE…`` prints JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb

Rows = list[tuple[Any, ...]]


def ask(con: duckdb.DuckDBPyConnection, lake: str, sql: str, tables: Sequence[str]) -> tuple[list[str], Rows]:
    """The question, after :func:`define`. Returns the columns' names and the rows."""
    define(con, lake, tables)
    con.execute(sql)
    return [column[0] for column in con.description or ()], con.fetchall()


def define(con: duckdb.DuckDBPyConnection, lake: str, tables: Sequence[str]) -> None:
    """A view per table, over a glob, as anybody would."""
    for name in tables:
        con.execute(f"CREATE VIEW {name} AS FROM read_parquet('{lake}/{name}/*/*.parquet', hive_partitioning = true)")


def reach_s3(con: duckdb.DuckDBPyConnection) -> None:
    """Load httpfs from its wheel and take the keys from AWS' variables."""
    import duckdb_extension_httpfs as package

    folder = Path(str(package.__file__)).parent / "extensions" / f"v{duckdb.__version__}"
    con.execute(f"LOAD '{folder / 'httpfs.duckdb_extension'}'")
    endpoint = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    con.execute(
        f"CREATE SECRET (TYPE s3, PROVIDER config, KEY_ID '{os.environ['AWS_ACCESS_KEY_ID']}', "
        f"SECRET '{os.environ['AWS_SECRET_ACCESS_KEY']}', REGION '{os.environ['AWS_REGION']}', URL_STYLE 'path', "
        f"ENDPOINT '{endpoint.netloc}', USE_SSL {endpoint.scheme == 'https'})"
    )


def main() -> None:
    """Ask one question as a process of its own."""
    lake, sql, *tables = sys.argv[1:]
    con = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    if lake.startswith("s3://"):
        reach_s3(con)
    names, rows = ask(con, lake, sql, tables)
    print(json.dumps([dict(zip(names, row, strict=True)) for row in rows]))


if __name__ == "__main__":
    main()
