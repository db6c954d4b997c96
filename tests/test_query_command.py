"""``kubectl argo-archive query`` from the outside: where SQL comes from, where results go, what is said beside them."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from kubectl_argo_archive.archive.workflow_archive import Selection
from kubectl_argo_archive.cli.main import run
from kubectl_argo_archive.connect import open_lake, open_source
from kubectl_argo_archive.demo.workflows import generate_json
from kubectl_argo_archive.export.pipeline import export

PROGRAM = [sys.executable, "-m", "kubectl_argo_archive", "query"]


@pytest.fixture(scope="module")
def lake_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A lake of two exports: 20 workflows, then 30."""
    folder = tmp_path_factory.mktemp("lake")
    texts = list(generate_json(30, seed=3))
    lake = open_lake(str(folder / "lake"))
    for count in (20, 30):
        (folder / "dump.ndjson").write_text("".join(f"{text}\n" for text in texts[:count]))
        export(open_source(str(folder / "dump.ndjson")), lake, Selection())
    return str(folder / "lake")


Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ask(lake_folder: str, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Ask:
    """Run the command in this process: exit code, stdout, stderr."""
    monkeypatch.setenv("KUBECTL_ARGO_ARCHIVE_LAKE", lake_folder)

    def command(*args: str, stdin: str | bytes | None = None) -> tuple[int, str, str]:
        data = stdin.encode() if isinstance(stdin, str) else stdin or b""
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        code = run(["query", *args])
        shown = capsysbinary.readouterr()
        return code, shown.out.decode("utf-8", "replace"), shown.err.decode()

    return command


def test_an_answer(ask: Ask) -> None:
    assert ask("select count(*) as n from workflows") == (0, " n\n--\n30\n", "")
    assert ask("select count(*) as n from workflows", "-o", "json") == (0, '[\n{"n": 30}\n]\n', "")


def test_where_sql_comes_from(ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "q.sql"
    file.write_bytes(b"\xef\xbb\xbf-- a comment\nselect 'f\xc3\xa9' as x;\n")
    assert ask("-f", str(file), "-o", "csv")[1] == "x\nfé\n"
    assert ask("-o", "csv", stdin="select 's' as x")[1] == "x\ns\n"
    assert ask("-", "-o", "csv", stdin="select 's' as x")[1] == "x\ns\n"
    assert ask("-f", "-", "-o", "csv", stdin="select 's' as x")[1] == "x\ns\n"


def test_sql_that_cannot_be_had(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "latin.sql").write_bytes(b"select '\xe9'")
    for args, message in (
        (("select 1", "-f", "x.sql"), "twice"),
        (("-f", str(tmp_path / "none.sql")), "No such file"),
        (("-f", str(tmp_path / "latin.sql")), "not UTF-8"),
    ):
        code, out, err = ask(*args)
        assert (code, out) == (2, "")
        assert message in err
        assert "hint:" in err
    assert ask(stdin="")[0] == 1


def test_parameters(ask: Ask) -> None:
    sql = "select count(*) as n from workflows where started_at >= $since and phase <> $phase and duration_s > $d"
    assert ask("-p", "since=2020-01-01", "-p", "phase=x=y", "-p", "$d=-1", sql, "-o", "csv")[0] == 0
    assert ask("-p", "x=a\nb", "select length($x) as n", "-o", "csv")[1] == "n\n3\n"
    for args, message in (
        (("-p", "x", "select $x"), "-p x is not NAME=VALUE"),
        (("-p", "=1", "select 1"), "not NAME=VALUE"),
        (("-p", "x=1", "-p", "x=2", "select $x"), "given twice"),
        (("select $x",), "no value for $x"),
        (("-p", "y=1", "select 1"), "no parameter $y"),
    ):
        code, _, err = ask(*args)
        assert code in (1, 2)
        assert message in err


def test_mistakes_show_the_place_and_a_hint(ask: Ask) -> None:
    code, out, err = ask("select name,\n  phasee\nfrom workflows")
    assert (code, out) == (1, "")
    assert err == (
        'error: referenced column "phasee" not found in FROM clause\nLINE 2:   phasee\n          ^\n'
        "hint: did you mean phase?\n"
    )
    assert ask("drop table workflows")[2].startswith("error: DROP is not allowed")


def test_as_of(ask: Ask, lake_folder: str) -> None:
    ids = json.loads(ask("select export_id, published_at from exports order by seq", "-o", "json")[1])
    assert ask("--as-of", ids[0]["export_id"], "select count(*) as n from workflows", "-o", "csv")[1] == "n\n20\n"
    assert ask("--as-of", ids[0]["published_at"], "select count(*) as n from workflows", "-o", "csv")[1] == "n\n20\n"
    assert ask("--as-of", "0s", "select count(*) as n from workflows", "-o", "csv")[1] == "n\n30\n"
    for when in ("2001-01-01", "9999d", "nobody"):
        code, _, err = ask("--as-of", when, "select 1")
        assert code in (1, 2)
        assert err.startswith("error:")


def test_limits(ask: Ask) -> None:
    code, out, err = ask("--limit", "3", "-o", "csv", "select range from range(10)")
    assert (code, out) == (0, "range\n0\n1\n2\n")
    assert "only the first 3 rows are shown, there are more" in err
    assert "--limit" in err
    assert ask("--limit", "10", "-o", "csv", "select range from range(10)")[2] == ""
    code, _, err = ask("--timeout", "0.2s", "select count(*) from range(1000000) a, range(1000000) b")
    assert code == 1
    assert "time limit of 0.2 seconds" in err
    for option, value in (("--timeout", "soon"), ("--memory-limit", "much"), ("--limit", "-1")):
        assert ask(option, value, "select 1")[0] == 2


def test_limits_of_the_configuration_file(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[query]\ntimeout = 0.2\nmemory_limit = "64MB"\n')
    code, _, err = ask("--config", str(tmp_path / "c.toml"), "select count(*) from range(1000000) a, range(1000000) b")
    assert code == 1
    assert "time limit of 0.2 seconds" in err


def test_describe(ask: Ask) -> None:
    code, out, _ = ask("--describe", "-o", "json", "-p", "x=1", "select uid, labels from workflows where $x = '1'")
    assert code == 0
    assert json.loads(out) == [
        {"column_name": "uid", "column_type": "VARCHAR"},
        {"column_name": "labels", "column_type": "MAP(VARCHAR, VARCHAR)"},
    ]


@pytest.mark.parametrize(
    ("name", "start"),
    [("x.csv", b"n\n1"), ("x.json", b"[\n{"), ("x.jsonl", b'{"n": 1}'), ("x.tsv", b"n\n1"), ("x.md", b"| n |"),
     ("x.yaml", b"- n: 1"), ("x.parquet", b"PAR1"), ("x.arrow", b"\xff\xff\xff\xff"), ("x", b"n\n-\n1")],
)  # fmt: skip
def test_out(ask: Ask, tmp_path: Path, name: str, start: bytes) -> None:
    code, out, err = ask("--out", str(tmp_path / name), "select 1 as n")
    assert (code, out, err) == (0, "", "")
    assert (tmp_path / name).read_bytes().startswith(start)


def test_out_of_a_query_that_fails(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("old")
    sql = "select (50000 - range)::utinyint as x from range(50000, 49000, -1)"
    assert ask("--out", str(tmp_path / "x.csv"), sql)[0] == 1
    assert ask("--out", str(tmp_path / "x.csv"), "select nothing")[0] == 1
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("x.csv", "old")]
    assert ask("--out", str(tmp_path), "select 1")[0] == 2


def test_real_rows_in_every_format(ask: Ask, tmp_path: Path) -> None:
    for format in ("table", "wide", "vertical", "json", "jsonl", "csv", "tsv", "markdown", "yaml", "parquet", "arrow"):
        for table in ("workflows", "failures"):
            code, _, err = ask("-o", format, "--out", str(tmp_path / "out"), f"select * from {table}")
            assert (code, err) == (0, "")
    code, _, _ = ask("--out", str(tmp_path / "x.parquet"), "select * from workflows")
    table = pq.read_table(tmp_path / "x.parquet")
    assert len(table) == 30
    rows = json.loads(ask("-o", "json", "select uid, labels, started_at from workflows")[1])
    assert {row["uid"]: row["labels"] for row in rows} == {
        row["uid"]: dict(row["labels"] or ()) for row in table.select(["uid", "labels"]).to_pylist()
    }


def test_a_lake_that_is_not_there(ask: Ask, tmp_path: Path) -> None:
    for place in (tmp_path / "none", tmp_path):
        for sql in ("select count(*) from workflows",):
            code, out, err = ask("--lake", str(place), sql)
            assert (code, out) == (1, "")
            assert "there is no lake" in err
    assert ask("--lake", str(tmp_path / "none"), "select 1")[0] == 1


# --- in processes of their own


def environment(lake_folder: str) -> dict[str, str]:
    return {**os.environ, "KUBECTL_ARGO_ARCHIVE_LAKE": lake_folder, "TERM": "xterm", "NO_COLOR": "1"}


def on_terminal(lake_folder: str, *args: str, columns: int = 80) -> tuple[str, str]:
    """What a person sees: stdout and stderr, each on a terminal of its own."""
    ends = [pty.openpty() for _ in range(2)]
    texts: list[str] = []
    process = subprocess.Popen(
        [*PROGRAM, *args],
        stdin=subprocess.DEVNULL,
        stdout=ends[0][1],
        stderr=ends[1][1],
        env=environment(lake_folder) | {"COLUMNS": str(columns)},
    )
    for ours, theirs in ends:
        os.close(theirs)
        data = b""
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            data += chunk
        os.close(ours)
        texts.append(data.decode().replace("\r\n", "\n"))
    process.wait()
    return texts[0], texts[1]


def test_on_a_terminal(lake_folder: str) -> None:
    out, err = on_terminal(lake_folder, "select phase, name, message from workflows")
    assert max(map(len, out.splitlines())) <= 80
    assert len(out.splitlines()) == 32
    assert "(30 rows, " in err
    out, err = on_terminal(lake_folder, "select * from workflows")
    assert max(map(len, out.splitlines())) <= 80
    assert "columns do not fit the terminal" in err
    out, err = on_terminal(lake_folder, "select range from range(5000)")
    assert len(out.splitlines()) == 1002
    assert "only the first 1,000 rows are shown, there are more" in err
    assert "--limit N" in err
    out, err = on_terminal(lake_folder, "select range from range(5000)", "--limit", "2000")
    assert len(out.splitlines()) == 2002
    out, err = on_terminal(lake_folder, "select range from range(5000)", "-o", "csv")
    assert len(out.splitlines()) == 5001
    assert err == ""


def test_binary_formats_spare_the_terminal(lake_folder: str, tmp_path: Path) -> None:
    for format in ("parquet", "arrow"):
        out, err = on_terminal(lake_folder, "select 1", "-o", format)
        assert out == ""
        assert "--out FILE" in err
    done = subprocess.run(
        [*PROGRAM, "select 1 as n", "-o", "parquet"], capture_output=True, env=environment(lake_folder)
    )
    assert pq.read_table(io.BytesIO(done.stdout)).to_pylist() == [{"n": 1}]


def test_nothing_is_cut_in_a_pipe(lake_folder: str) -> None:
    done = subprocess.run([*PROGRAM, "select range, repeat('x', 300) as t from range(5000)"], capture_output=True,
                          env=environment(lake_folder) | {"COLUMNS": "80"}, check=True)  # fmt: skip
    assert done.stdout.count(b"x" * 300) == 5000
    assert done.stderr == b""


def test_a_reader_that_goes_away(lake_folder: str) -> None:
    for format in ("jsonl", "csv", "table", "parquet"):
        command = [*PROGRAM, "select range, range::varchar as t from range(10000000)", "-o", format]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(lake_folder)
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(100)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_machine_formats_stream(lake_folder: str) -> None:
    """Many rows pass in little more memory than a few."""
    code = (
        "import resource, sys; from kubectl_argo_archive.cli.main import run\n"
        "for count in (3, 400_000):\n"
        "    for format in ('jsonl', 'csv', 'arrow'):\n"
        "        assert run(['query', '--out', '/dev/null', '-o', format, "
        "f\"select range, repeat('x', 50) as t, now() as n from range({count})\"]) == 0\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(lake_folder), check=True
    )
    few, many = map(int, done.stdout.split())
    assert many < few + 60_000, "kilobytes"


def test_a_small_answer_loads_little(lake_folder: str) -> None:
    code = (
        "import sys; from kubectl_argo_archive.cli.main import run\n"
        "assert run(['query', 'select 1']) == 0\n"
        "heavy = ('kubernetes', 'psycopg', 's3fs', 'fsspec', 'botocore', 'deltalake', 'pyarrow', 'numpy', 'yaml')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(lake_folder), check=True
    )
    assert done.stderr.strip() == "[]"


def test_help(ask: Ask, capsysbinary: Any) -> None:
    code, out, _ = ask("--help")
    assert code == 0
    for word in ("--as-of", "--describe", "-o, --output", "vertical", "Examples:", "$since::TIMESTAMPTZ"):
        assert word in out
