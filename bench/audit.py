"""Part: what evidence costs. Sealing, verifying beside `sha256sum` and a Parquet read, the next run, one proof."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from bench.context import Bench, disk_bytes, ours
from bench.measure import BenchError, Run, best, run
from bench.report import Table, megabytes, percent, seconds, times
from kubectl_argo_archive.demo.workflows import generate_json

SHARE_OF_READ = 0.01
"""New workflows of the next export, of those that the lake holds."""

_READ = """
import sys, pathlib, pyarrow.parquet as pq
for path in pathlib.Path(sys.argv[1]).rglob("*.parquet"):
    if "_delta_log" not in path.parts:
        for batch in pq.ParquetFile(path).iter_batches(8192):
            pass
"""


def measure(bench: Bench) -> dict[str, Any]:
    """Seal a copy of the lake, verify it as often as there are rounds, export 1 % more, seal and verify again."""
    lake, key = bench.fresh("audit.lake"), bench.fresh("audit.key")
    bench.fresh("audit.key.pub")
    shutil.copytree(bench.lake, lake)
    _ours(bench, "keygen", key)
    bench.say("audit: the first seal")
    sealed = _ours(bench, "seal", "--lake", lake, "--no-source", "--key", key, "-o", "json")
    workflows = json.loads(sealed.output)["digests"][0]["tree_size"]
    trust = ("--public-key", f"{key}.pub", "-q", "-o", "json")
    found: dict[str, list[Run]] = {"verify": [], "sha256sum": [], "read": []}
    files = sorted(str(path) for path in lake.rglob("*") if path.is_file())
    for _ in range(bench.rounds):
        bench.say("audit: verifying, sha256sum, reading the Parquet")
        found["verify"].append(_ours(bench, "verify", lake, *trust))
        found["sha256sum"].append(run(["sha256sum", *files], bench.environment))
        found["read"].append(run([sys.executable, "-c", _READ, lake], bench.environment))
    bench.say("audit: the next export")
    seen = bench.fresh("audit.seen")
    _ours(bench, "verify", lake, *trust, "--checkpoint", seen)
    more = _more(bench, max(1, int(workflows * SHARE_OF_READ)))
    run([*ours(), "export", "-q", "--source", more, "--lake", str(lake)], bench.environment, accepted=(0, 3))
    _ours(bench, "seal", "--lake", lake, "--no-source", "--key", key)
    next_run = _ours(bench, "verify", lake, *trust, "--checkpoint", seen)
    told = json.loads(next_run.output)
    if not told["ok"]:
        raise BenchError(f"the sealed lake does not verify: {told['first']}")
    uid = json.loads(next(iter(generate_json(1, seed=77))))["metadata"]["uid"]
    proof = _ours(bench, "prove", uid, "--lake", lake)
    return {
        "workflows": workflows,
        "lake_bytes": disk_bytes(lake),
        "seal": sealed.figures(),
        "runs": {name: [each.figures() for each in runs] for name, runs in found.items()},
        "next": {**next_run.figures(), "bytes_read": told["bytes_read"], "bytes": told["bytes"]},
        "proof": {**proof.figures(), "bytes": len(proof.output)},
    }


def tables(result: dict[str, Any]) -> list[Table]:
    """One row per step."""
    alone = {name: best(runs) for name, runs in result["runs"].items()}
    other = alone["sha256sum"] + alone["read"]
    later = result["next"]
    rows = [
        ["first seal: every document hashed", seconds(result["seal"]["wall_s"]), ""],
        ["verify, all of it", seconds(alone["verify"]), f"{times(other / alone['verify'])} the speed of the two below"],
        ["`sha256sum` of the same files", seconds(alone["sha256sum"]), ""],
        ["reading the same Parquet", seconds(alone["read"]), ""],
        [f"verify after {percent(SHARE_OF_READ)} more", seconds(later["wall_s"]),
         f"read {megabytes(later['bytes_read'])}, {percent(later['bytes_read'] / later['bytes'])} of the bytes"],
        ["one proof", seconds(result["proof"]["wall_s"]), f"{result['proof']['bytes']:,} bytes"],
    ]  # fmt: skip
    note = f"A sealed lake of {result['workflows']:,} workflows, {megabytes(result['lake_bytes'])}; whole processes."
    return [Table("Audit", ("Step", "best", ""), rows, note)]


def _ours(bench: Bench, *arguments: object) -> Run:
    return run([*ours(), "audit", *map(str, arguments)], bench.environment)


def _more(bench: Bench, count: int) -> str:
    path: Path = bench.fresh("audit.more.ndjson")
    with path.open("w", encoding="utf-8") as file:
        for text in generate_json(count, seed=77):
            file.write(f"{text}\n")
    return str(path)
