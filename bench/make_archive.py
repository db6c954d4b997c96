"""Fill a Postgres database with an archive of invented workflows.

    python bench/make_archive.py --uri postgresql://… --count 20000 --seed 1

The tables must not exist yet, unless --append is given. --first and --total place the workflows in a larger
archive: to grow one by 1000, run with the same seed and --append --first 20000 --count 1000 --total 21000.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import psycopg

from kubectl_argo_archive.demo.argo_schema import LATEST, SCHEMA_VERSIONS, create_schema_sql, load_archive
from kubectl_argo_archive.demo.workflows import MEAN_JSON_BYTES, generate_rows

_SHARD_ROWS = 500


def main() -> None:
    """Parse the arguments, make the tables, load the shards, analyse."""
    arguments = _arguments()
    began = time.monotonic()
    if not arguments.append:
        with psycopg.connect(arguments.uri) as connection:
            connection.execute(create_schema_sql(arguments.schema_version).encode())
    end = arguments.first + arguments.count
    shards = [(arguments, first, min(_SHARD_ROWS, end - first)) for first in range(arguments.first, end, _SHARD_ROWS)]
    loaded = 0
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for rows in pool.map(_load, shards):
            loaded += rows
            print(f"\r{loaded:,} of {arguments.count:,} workflows", end="", file=sys.stderr, flush=True)
    with psycopg.connect(arguments.uri, autocommit=True) as connection:
        connection.execute("vacuum analyze argo_archived_workflows, argo_archived_workflows_labels")
    print(f"\r{loaded:,} workflows in {time.monotonic() - began:.0f} s", file=sys.stderr)


def _load(shard: tuple[argparse.Namespace, int, int]) -> int:
    arguments, first, count = shard
    total = arguments.total or arguments.first + arguments.count
    rows = generate_rows(
        count, arguments.seed, first=first, total=total, mean_json_bytes=arguments.mean_json_bytes, nul=arguments.nul
    )
    return load_archive(
        arguments.uri, rows, cluster=arguments.cluster, schema_version=arguments.schema_version, analyze=False
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uri", required=True, help="database to fill")
    parser.add_argument("--count", type=int, default=20_000, help="workflows to write (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="position of the first workflow (%(default)s)")
    parser.add_argument("--total", type=int, help="size of the whole archive, if this is only a part of it")
    parser.add_argument("--append", action="store_true", help="into existing tables")
    parser.add_argument("--cluster", default="default", help="Argo's clusterName (%(default)s)")
    parser.add_argument("--schema-version", type=int, choices=SCHEMA_VERSIONS, default=LATEST)
    parser.add_argument("--mean-json-bytes", type=int, default=MEAN_JSON_BYTES, help="mean JSON size (%(default)s)")
    parser.add_argument("--nul", action="store_true", help="with NUL characters in some values")
    parser.add_argument("--jobs", type=int, default=2, help="processes (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
