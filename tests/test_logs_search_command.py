"""The command ``search``: output formats, limits, exit codes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from fixtures.search_lakes import add_texts

from kubectl_argo_archive.cli.main import run

JSONL_KEYS = {
    "cluster",
    "uid",
    "workflow",
    "namespace",
    "node_id",
    "template",
    "bucket",
    "key",
    "line_no",
    "byte_offset",
    "at",
    "level",
    "message",
}
LOG = b"".join(b"2026-03-02T10:00:%02dZ INFO step %d\n" % (n, n) for n in range(60))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("command") / "lake"
    add_texts(path, {f"key/{n}": LOG + f"only in {n} \x1b[31mred\n".encode() for n in range(5)})
    return str(path)


def search(capsysbinary: pytest.CaptureFixture[bytes], lake: str, *arguments: str, code: int = 0) -> tuple[str, str]:
    assert run(["search", "--lake", lake, *arguments]) == code
    out, err = capsysbinary.readouterr()
    return out.decode(), err.decode()


def test_jsonl(lake: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    out, err = search(capsysbinary, lake, "step 7", "-o", "jsonl", "--workflow", "wf-0")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [set(row) >= JSONL_KEYS for row in rows] == [True] * 3
    first = rows[0]
    assert (first["line_no"], first["at"], first["level"]) == (8, "2026-03-02T10:00:07Z", "INFO")
    assert (first["bucket"], first["key"], first["url"]) == ("logs", "key/0", "s3://logs/key/0")
    assert LOG[first["byte_offset"] :].startswith(first["message"].encode())
    assert "warning" not in err


def test_json_and_csv(lake: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    out, _ = search(capsysbinary, lake, "only in", "-o", "json")
    assert [row["message"][:9] for row in json.loads(out)] == [f"only in {n}" for n in range(5)]
    out, _ = search(capsysbinary, lake, "nothing like it", "-o", "json")
    assert json.loads(out) == []
    out, _ = search(capsysbinary, lake, "only in", "-o", "csv")
    assert [row["key"] for row in csv.DictReader(io.StringIO(out))] == [f"key/{n}" for n in range(5)]


def test_table(lake: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    out, _ = search(capsysbinary, lake, "step 30", "-C", "1", "-n", "ml")
    lines = out.splitlines()
    assert lines[0].startswith("ml/wf-1  step-1 wf-1-4 [main] attempt 0")
    assert lines[0].endswith("s3://logs/key/3")
    assert [line.split()[0] for line in lines[1:4]] == ["30-", "31", "32-"]
    assert "@" in lines[2]
    out, _ = search(capsysbinary, lake, "red")
    assert "\x1b" not in out


def test_limit_is_said(lake: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    out, err = search(capsysbinary, lake, "step", "-o", "jsonl", "--limit", "7")
    assert len(out.splitlines()) == 7
    assert "only the first 7 hits" in err
    out, err = search(capsysbinary, lake, "step", "-o", "jsonl", "--limit", "0")
    assert len(out.splitlines()) == 300
    assert "first" not in err
    out, err = search(capsysbinary, lake, "only in", "-o", "jsonl", "--limit", "5")
    assert "first" not in err


def test_counts_and_files(lake: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    out, _ = search(capsysbinary, lake, "step 1", "--count", "-o", "jsonl")
    assert [(row["key"], row["count"]) for row in map(json.loads, out.splitlines())] == [
        (f"key/{n}", 11) for n in range(5)
    ]
    out, _ = search(capsysbinary, lake, "only in 3", "--files-with-matches", "-o", "jsonl")
    assert [json.loads(line)["key"] for line in out.splitlines()] == ["key/3"]
    out, _ = search(capsysbinary, lake, "only in 3", "--count")
    assert out.split()[0] == "1"


def test_explain(lake: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    _, err = search(capsysbinary, lake, "only in 3", "--explain")
    assert "'only in 3'" in err
    _, err = search(capsysbinary, lake, "-E", r"\d+x", "--explain")
    assert "full scan" in err


@pytest.mark.parametrize("arguments", [("-E", "a("), ("-v", "x"), ("x", "--exit-code", "a"), ("x", "-l", "a==b==c")])
def test_usage_errors(lake: str, arguments: tuple[str, ...], capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    out, err = search(capsysbinary, lake, *arguments, code=2)
    assert not out
    assert err.startswith("error")


def test_a_lake_without_logs_and_none_at_all(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    search(capsysbinary, str(tmp_path / "none"), "x", code=1)
