"""The documentation of tables, views and columns: complete, true, and the same everywhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kubectl_argo_archive.cli.commands.tables import markdown
from kubectl_argo_archive.cli.main import run
from kubectl_argo_archive.query.catalog import VERSIONS, relations
from kubectl_argo_archive.tables.schema import DOCUMENTED

DOCS = Path(__file__).parents[1] / "docs" / "tables.md"
CURATED = {"failures", "retries", "templates", "daily", "durations", "step_durations", "gaps", "waits", "costs", "who",
           "cron_runs", "data_quality", "log_health", "log_object_versions", "log_volume"}  # fmt: skip


def test_the_file_is_up_to_date() -> None:
    assert DOCS.read_text(encoding="utf-8") == markdown() + "\n", (
        "run: python -m kubectl_argo_archive.cli.commands.tables > docs/tables.md"
    )


def test_the_module_prints_the_file() -> None:
    module = "kubectl_argo_archive.cli.commands.tables"
    done = subprocess.run([sys.executable, "-m", module], capture_output=True, check=True)
    assert done.stdout == DOCS.read_bytes()


def test_every_table_view_and_column_is_documented() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert set(relations()) == {table.name for table in DOCUMENTED} | CURATED | set(VERSIONS.values())
    for relation in relations().values():
        section = re.search(rf"^### {relation.name}$(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
        assert section is not None
        assert relation.example in section[1]
        assert len(relation.doc) > 15
        for column in relation.columns:
            assert len(column.doc) > 2, f"{relation.name}.{column.name}"
            assert relation.kind == "versions" or f"| `{column.name}` | {column.type} |" in section[1]


def test_columns_of_one_name_are_documented_alike() -> None:
    """``cluster``, ``uid``, … have one type everywhere, so that joins need no casts."""
    types: dict[str, set[str]] = {}
    for relation in relations().values():
        for column in relation.columns:
            types.setdefault(column.name, set()).add(column.type)
    for name in ("cluster", "uid", "version", "namespace", "workflow", "node_id", "started_at", "finished_at", "month"):
        assert len(types[name]) == 1, name


def test_the_overview_names_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tables"]) == 0
    shown = capsys.readouterr().out
    assert [name for name in relations() if f"  {name} " not in shown] == []
    assert max(map(len, shown.splitlines())) <= 110


@pytest.mark.parametrize("name", relations())
def test_a_page_names_all_columns(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["tables", name.upper()]) == 0
    lines = capsys.readouterr().out.splitlines()
    for column in relations()[name].columns:
        assert any(line.startswith(f"  {column.name} ") for line in lines)
    assert max(map(len, lines)) <= 130


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tables", "-o", "json"]) == 0
    everything = json.loads(capsys.readouterr().out)
    assert [relation["name"] for relation in everything] == list(relations())
    assert run(["tables", "nodes", "-o", "json"]) == 0
    nodes = json.loads(capsys.readouterr().out)
    assert nodes == next(relation for relation in everything if relation["name"] == "nodes")
    assert {"name": "phase", "type": "VARCHAR"}.items() <= next(
        c for c in nodes["columns"] if c["name"] == "phase"
    ).items()


def test_markdown_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tables", "gaps", "-o", "markdown"]) == 0
    assert capsys.readouterr().out.startswith("### gaps\n")


def test_a_table_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tables", "node"]) == 2
    assert "did you mean nodes?" in capsys.readouterr().err


def test_no_lake_and_no_engine_is_needed() -> None:
    code = (
        "import sys; from kubectl_argo_archive.cli.main import run\n"
        "assert run(['tables', 'nodes']) == 0\n"
        "heavy = ('duckdb', 'deltalake', 'psycopg', 's3fs', 'kubernetes')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
