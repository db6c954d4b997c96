"""``log-patterns``: what lines say, without what varies; new ones; those of failures only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from fixtures.logs import NOW, LogLake, pod, stamp, workflow

from kubectl_argo_archive.logs.patterns import Pattern, PatternFilter, merge, patterns


@pytest.fixture
def lake(log_lake: LogLake) -> LogLake:
    """Two templates; one node of one of them failed."""
    log_lake.add(workflow(
        "w", pod("ok", key="ok/main.log"), pod("bad", key="bad/main.log", phase="Failed", exit_code="1"),
        pod("other", key="other/main.log", template="train"), bucket=log_lake.bucket,
    ))  # fmt: skip
    common = "".join(
        f"{stamp(NOW - timedelta(days=9))} INFO read {n} rows from part-{n:04}.parquet\n" for n in range(20)
    )
    log_lake.put("ok/main.log", common)
    log_lake.put("bad/main.log", common + f"{stamp(NOW)} ERROR cannot reach host-17: refused\n")
    log_lake.put("other/main.log", f"epoch 1 loss 0.5\nepoch 2 loss 0.25\n{stamp(NOW)} INFO saved\n")
    log_lake.index()
    return log_lake


def found(lake: LogLake, **options: Any) -> list[tuple[str | None, str, int, int]]:
    return [(p.template, p.pattern, p.lines, p.failed_logs) for p in patterns(lake.lake, PatternFilter(**options))]


def test_lines_are_counted_by_what_they_say(lake: LogLake) -> None:
    assert found(lake) == [
        ("load", "<*> INFO read <*> rows from <*>", 40, 1),
        ("train", "epoch <*> loss <*>", 2, 0),
        ("load", "<*> ERROR cannot reach <*> refused", 1, 1),
        ("train", "<*> INFO saved", 1, 0),
    ]
    assert found(lake, template="train", levels=("INFO",)) == [("train", "<*> INFO saved", 1, 0)]


def test_patterns_of_failures_and_new_ones(lake: LogLake) -> None:
    failed = [("load", "<*> ERROR cannot reach <*> refused", 1, 1)]
    assert found(lake, failed_only=True) == failed
    new = found(lake, new_since=NOW - timedelta(days=1))
    assert [pattern for _, pattern, _, _ in new] == [
        "epoch <*> loss <*>", "<*> ERROR cannot reach <*> refused", "<*> INFO saved",
    ]  # fmt: skip


def test_the_command(lake: LogLake) -> None:
    command = [sys.executable, "-m", "kubectl_argo_archive", "log-patterns", "--lake", lake.path]
    done = subprocess.run([*command, "--failed", "-o", "json"], capture_output=True, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert row["example"].endswith("ERROR cannot reach host-17: refused")
    assert (row["logs"], row["level"], row["first_at"]) == (1, "ERROR", f"{NOW:%Y-%m-%dT%H:%M:%SZ}")
    done = subprocess.run([*command, "--limit", "1"], capture_output=True, check=True, env=dict(os.environ))
    assert b"INFO read <*> rows from <*>" in done.stdout
    assert b"only 1 of 4 patterns" in done.stderr


def test_near_patterns_of_one_template_become_one() -> None:
    def pattern(text: str, template: str = "t", lines: int = 1) -> Pattern:
        return Pattern(template, text, lines, 1, 0, 1, None, None, None, text)

    many = [
        pattern("job alpha of team red done in <*> seconds", lines=5),
        pattern("job beta of team red done in <*> seconds"),
        pattern("job alpha of team red done in <*> seconds", "u"),
        pattern("all quiet"),
    ]
    merged = [(p.template, p.pattern, p.lines) for p in merge(many)]
    assert merged == [
        ("t", "job <*> of team red done in <*> seconds", 6), ("u", "job alpha of team red done in <*> seconds", 1),
        ("t", "all quiet", 1),
    ]  # fmt: skip
