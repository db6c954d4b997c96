"""``python -m bench``: measure, print, keep. See ``docs/benchmarks.md``."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bench import audit, environment, export, incremental, logs, logs_bucket, queries, s3, size, startup, targets
from bench.context import Bench
from bench.database import Archive, existing, generated
from bench.measure import ROOT, BenchError
from bench.report import Table, write_into
from kubectl_argo_archive.errors import ArgoArchiveError

PARTS = {
    "startup": startup, "export": export, "size": size, "incremental": incremental, "query": queries, "s3": s3,
    "logs": logs, "index": logs_bucket, "audit": audit,
}  # fmt: skip
"""In the order in which they run: what the machine's state disturbs most comes first."""

DOCUMENT = ROOT / "docs" / "benchmarks.md"


def main() -> int:
    """Measure what was asked for; show each part when it is done."""
    arguments = _arguments()
    try:
        results = json.loads(arguments.read.read_text()) if arguments.read else _measure(arguments)
    except (BenchError, ArgoArchiveError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if arguments.read:
        for table in tables(results):
            show(table)
    if arguments.docs:
        write_into(DOCUMENT, tables(results))
    return 0


def _measure(arguments: argparse.Namespace) -> dict[str, Any]:
    results: dict[str, Any] = {"environment": environment.describe(arguments)}
    show(environment.table(results["environment"]))
    with _work(arguments.work) as work, Bench(work, _archive(arguments, work), arguments.rounds, _say) as bench:
        for name in arguments.only:
            results[name] = PARTS[name].measure(bench)
            for table in PARTS[name].tables(results[name]):
                show(table)
            if arguments.out:  # after each part: what is measured is not lost when a later part fails
                arguments.out.write_text(json.dumps(results, indent=1))
    show(targets.table(results))
    return results


def tables(results: dict[str, Any]) -> list[Table]:
    """All tables of one run."""
    found = [environment.table(results["environment"]), targets.table(results)]
    for name, part in PARTS.items():
        if name in results:
            found += part.tables(results[name])
    return found


def show(table: Table) -> None:
    """Print a table."""
    print(f"\n{table.markdown()}", flush=True)


def _say(text: str) -> None:
    print(f"… {text}", file=sys.stderr, flush=True)


@contextmanager
def _work(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="argo-archive-bench-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)  # Postgres, started by root, runs as somebody else and must get in
        yield Path(name)


def _archive(arguments: argparse.Namespace, work: Path) -> Callable[[], AbstractContextManager[Archive]]:
    if arguments.uri:
        return partial(existing, arguments.uri, arguments.seed, may_copy=arguments.may_copy)
    return partial(generated, work / "postgres", arguments.count, arguments.seed)


def _only(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(PARTS):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(PARTS)}")
    return [name for name in PARTS if name in names]


def _size(text: str) -> int:
    count = int(text)
    if not 100 <= count <= 1_000_000:
        raise argparse.ArgumentTypeError("from 100 to 1000000; sensible are 1000 to 200000")
    return count


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--count", type=_size, default=20_000, help="workflows in the archive (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the generator (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each way runs (%(default)s)")
    parser.add_argument("--only", type=_only, default=list(PARTS), metavar="PART,…", help=f"of {','.join(PARTS)}")
    parser.add_argument("--uri", help="an archive that is there already, postgresql://…; default: an embedded server")
    parser.add_argument("--may-copy", action="store_true", help="with --uri: make, change and drop copies there")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all figures as JSON")
    parser.add_argument("--work", type=Path, metavar="DIR", help="work here and keep it: the next run starts faster")
    parser.add_argument("--read", type=Path, metavar="FILE", help="show what an earlier --out wrote, measure nothing")
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/benchmarks.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
