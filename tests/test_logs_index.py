"""``index`` from the command line, incremental and sliced; and logs in SQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from fixtures.logs import NOW, LogLake, pod, workflow

from kubectl_argo_archive.demo.logs import KINDS, size_of, text
from kubectl_argo_archive.demo.scenario import LOG_QUESTION
from kubectl_argo_archive.logs.decide import Rules


def command(lake: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "kubectl_argo_archive", "index", "--lake", lake, *arguments]
    return subprocess.run(program, capture_output=True, text=True, check=False, env=dict(os.environ))


def test_the_command_and_its_result(log_lake: LogLake) -> None:
    log_lake.one("a", "one\ntwo\n")
    log_lake.one("b", None)
    tried = json.loads(command(log_lake.path, "--dry-run", "-o", "json").stdout)
    assert (tried["read"], tried["bytes"], tried["published"]) == (1, 8, False)
    done = command(log_lake.path, "-o", "json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["objects"] == {"indexed": 1, "missing": 1}
    assert (result["read"], result["lines"], result["bytes"], result["text_bytes"]) == (1, 2, 8, 8)
    assert (result["masked"], result["new"], result["published"]) == (0, 2, True)
    assert result["index_id"] == log_lake.lake.snapshot().export_id
    assert result["requests"] >= 3
    assert result["seconds"] > 0
    assert result["peak_memory_bytes"] > 1 << 20
    again = command(log_lake.path)
    assert (again.returncode, "nothing to do" in again.stdout, "2 unchanged" in again.stdout) == (0, True, True)


def test_what_goes_wrong_is_an_exit_code(log_lake: LogLake, tmp_path: Path) -> None:
    assert command(str(tmp_path / "nothing")).returncode == 1
    log_lake.one("a", "one\n")
    log_lake.add(workflow("bad", pod("bad", key="bad/main.log"), bucket="no-such-bucket"))
    done = command(log_lake.path)
    assert done.returncode == 3
    assert "bucket 'no-such-bucket' does not exist" in done.stderr
    assert command(log_lake.path, "--endpoint", "nonsense").returncode == 2
    assert command(log_lake.path, "--key-format", "x").returncode == 2
    assert command(log_lake.path, "--max-size", "huge").returncode == 2
    gone = command(log_lake.path, "--endpoint", "http://127.0.0.1:9")
    assert gone.returncode == 4, gone.stderr


def test_a_bucket_and_a_key_format_for_workflows_that_record_none(log_lake: LogLake) -> None:
    log_lake.add(workflow("old", pod("old", key="any/main.log"), repository={}))
    log_lake.put("any/main.log", "found\n")
    assert command(log_lake.path).returncode == 1
    assert command(log_lake.path, "--bucket", log_lake.bucket).returncode == 0
    assert log_lake.lines("old") == ["found"]


def test_only_some_workflows_first(log_lake: LogLake) -> None:
    for name, namespace in (("a", "left"), ("b", "right")):
        key = f"{name}/main.log"
        log_lake.add(workflow(name, pod(name, key=key), namespace=namespace, bucket=log_lake.bucket))
        log_lake.put(key, f"{name}\n")
    assert json.loads(command(log_lake.path, "-n", "left", "-o", "json").stdout)["objects"] == {"indexed": 1}
    assert json.loads(command(log_lake.path, "-o", "json").stdout)["objects"] == {"indexed": 2}


def test_masking_can_be_left_out(log_lake: LogLake) -> None:
    secret = "AKIA" + "QWERTY2345ASDFGH"
    log_lake.one("a", f"key={secret}\n")
    result = json.loads(command(log_lake.path, "-o", "json").stdout)
    assert (result["masked"], result["mask_rules"]) == (1, {"aws-access-key-id": 1})
    assert log_lake.logs("masked, mask_rules") == [(1, {"aws-access-key-id": 1})]
    assert log_lake.lines("a") == [f"key={'*' * 20}"]
    everything = b"".join(path.read_bytes() for path in Path(log_lake.path).rglob("*.parquet"))
    assert secret.encode() not in everything
    plain = LogLake(log_lake.folder / "plain", log_lake.s3, log_lake.bucket)
    plain.folder.mkdir()
    plain.one("a", f"key={secret}\n")
    assert command(plain.path, "--no-mask").returncode == 0
    assert plain.lines("a") == [f"key={secret}"]


def test_a_large_run_is_published_in_slices(log_lake: LogLake) -> None:
    names = [f"w{i}" for i in range(6)]
    log_lake.add(*(workflow(n, pod(n, key=f"{n}/main.log"), bucket=log_lake.bucket) for n in names))
    for name in names:
        log_lake.put(f"{name}/main.log", "x" * 999 + "\n")
    result = log_lake.index(rules=Rules(slice_bytes=2000))
    assert (result.read, result.objects) == (6, {"indexed": 6})
    assert log_lake.ask("SELECT new FROM exports WHERE kind = 'index' ORDER BY seq") == [(2,), (2,), (2,)]
    assert log_lake.ask("SELECT count(*), count(DISTINCT log_id) FROM log_objects") == [(6, 6)]
    assert log_lake.index().unchanged == 6


def test_failed_nodes_that_ran_out_of_memory_and_said_so(log_lake: LogLake) -> None:
    nodes = [
        pod("said", key="said/main.log", phase="Failed", exit_code="137", template="train"),
        pod("early", key="early/main.log", phase="Failed", exit_code="137", template="train"),
        pod("silent", key="silent/main.log", phase="Failed", exit_code="137", template="load"),
        pod("fine", key="fine/main.log", exit_code="0", template="train"),
    ]
    log_lake.add(workflow("w", *nodes, phase="Failed", bucket=log_lake.bucket))
    log_lake.put("said/main.log", "step\n" * 50 + "Out of Memory\nKilled\n")
    log_lake.put("early/main.log", "memory is plenty\n" + "step\n" * 50)
    log_lake.put("silent/main.log", "step\n" * 50)
    log_lake.put("fine/main.log", "memory\n")
    log_lake.index()
    (row,) = log_lake.ask(LOG_QUESTION[1])
    assert row[0] == "train"
    assert row[1].startswith(f"{NOW - timedelta(days=NOW.weekday()):%Y-%m-%d}")
    assert row[2] == 1


@pytest.mark.parametrize("kind", KINDS)
def test_invented_logs_are_seeded_and_realistic(kind: str) -> None:
    from random import Random

    made = b"".join(text("seed", kind, 20_000, NOW - timedelta(minutes=5), NOW, "137"))
    assert made == b"".join(text("seed", kind, 20_000, NOW - timedelta(minutes=5), NOW, "137"))
    assert 18_000 < len(made) < 24_000
    assert b"memory" in b"\n".join(made.splitlines()[-5:])
    sizes = sorted(size_of(Random(i)) for i in range(1000))
    assert sizes[500] < 6000
    assert sizes[-1] > 200_000
