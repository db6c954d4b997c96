"""``verify`` does not wait for ever, and one thing that hangs does not hide the others."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures.servers import ArchiveDb

from kubectl_argo_archive.cli import main
from kubectl_argo_archive.verify.concurrent import Deadline, mapped, start


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        yield int(server.getsockname()[1])


@pytest.fixture
def hanging_lake(black_hole: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """A lake on such a server."""
    for name, value in {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{black_hole}", "AWS_ACCESS_KEY_ID": "AK",
                        "AWS_SECRET_ACCESS_KEY": "not-a-real-secret"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return "s3://bucket/lake"


def test_a_hanging_lake_is_skipped_and_the_database_is_judged(
    hanging_lake: str, archive_db: ArchiveDb, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main.run(["verify", "--source", archive_db(), "--lake", hanging_lake, "--timeout", "3s", "-o", "json"])
    findings = {f["id"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    assert code == 0
    assert findings["E01"]["status"] == "pass"
    assert findings["E16"]["status"] == "skip"
    assert "no answer within 3 s" in findings["E16"]["message"]


def test_if_nothing_answers_in_time_the_code_says_so(hanging_lake: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["verify", "--lake", hanging_lake, "--timeout", "1s"]) == 4
    assert "no answer within 1 s" in capsys.readouterr().err


def test_a_hanging_database_fails_its_check(
    black_hole: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = f"postgresql://me@127.0.0.1:{black_hole}/argo"
    assert main.run(["verify", "--source", source, "--timeout", "4s", "-o", "json"]) == 4
    findings = {f["id"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    assert findings["B03"]["status"] == "fail"
    assert findings["E01"]["status"] == "skip"


def test_work_runs_on_threads_that_end_with_the_process() -> None:
    assert start(lambda: threading.current_thread().daemon, "x").result(5)
    assert mapped(lambda n: n * n, range(50), 4) == [n * n for n in range(50)]
    with pytest.raises(ZeroDivisionError):
        mapped(lambda n: 1 // n, [0], 2)
    assert Deadline(0).left == 0
