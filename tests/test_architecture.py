"""The architecture is checked, and the checks are: each rule catches a violation planted for it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "kubectl_argo_archive"
SCRIPTS = Path(sysconfig.get_path("scripts"))

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]

# file → (its text, the contract that it breaks)
PLANTED_IMPORTS = {
    "argo/planted.py": ("import pyarrow", "What Argo means is pure: no third party"),
    "argo/planted_up.py": (f"from {PACKAGE} import storage", "Imports go down the layers only"),
    "lake/planted.py": (f"from {PACKAGE} import archive", "Imports go down the layers only"),
    "storage/planted_up.py": (f"from {PACKAGE}.tables import schema", "Imports go down the layers only"),
    "query/planted_up.py": (f"def f():\n    from {PACKAGE}.cli import main", "Imports go down the layers only"),
    "helpers/__init__.py": ("", "Imports go down the layers only"),
    "cli/commands/planted.py": (f"from {PACKAGE}.cli.commands import version", "Commands do not know each other"),
    "archive/files.py": (f"from {PACKAGE}.archive import postgres", "Sources do not know each other"),
    "cli/planted.py": ("def f():\n    import duckdb", "The command line calls the library, never its engines"),
    "archive/planted.py": ("import kubernetes", "The archive knows databases and files only"),
    "lake/planted_engine.py": ("import duckdb", "The lake knows Delta only"),
    "query/planted.py": ("import deltalake", "Queries know DuckDB only"),
    "tables/planted.py": ("import duckdb", "Tables and native code know Arrow and NumPy only"),
    "native/planted_up.py": (f"from {PACKAGE} import argo", "Imports go down the layers only"),
    "storage/planted.py": ("import duckdb", "Storage knows S3 and folders only"),
}

_BANNED = ("aiobotocore", "boto3", "botocore", "click", "cryptography", "ctypes", "deltalake", "duckdb", "fsspec",
           "kubernetes", "s3fs")  # fmt: skip
# file → (its text, what ruff says)
PLANTED_TEXT = {
    f"export/planted_{library}.py": (f"def f():\n    import {library}\n    return {library}", f"`{library}` is banned")
    for library in _BANNED
} | {
    "export/planted_psycopg.py": ("from psycopg import sql\n\nsql", "`psycopg` is banned"),
    "archive/planted_home.py": ("import psycopg\n\npsycopg", "`psycopg` is banned"),
    "export/planted_print.py": ('print("hello")', "`print` found"),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with all violations planted."""
    folder = tmp_path_factory.mktemp("planted")
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(ROOT / PACKAGE, folder / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    for planted in (PLANTED_IMPORTS, PLANTED_TEXT):
        for file, (text, _) in planted.items():
            (folder / PACKAGE / file).parent.mkdir(exist_ok=True)
            with (folder / PACKAGE / file).open("a") as module:
                module.write(f"\n{text}\n")
    return folder


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the package in ``folder``, which must not be the installed one."""
    environment = {"PATH": str(SCRIPTS), "PYTHONPATH": str(folder), "COLUMNS": "300", "NO_COLOR": "1"}
    command = [str(SCRIPTS / "lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def ruff(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ruff", *arguments, "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def imports_report(copy: Path) -> str:
    done = lint_imports(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def ruff_report(copy: Path) -> str:
    done = ruff(copy, "check", "--select", "TID251,T20", "--output-format", "concise")
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_the_layers_hold() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_library_stays_at_home() -> None:
    done = ruff(ROOT, "check", "--select", "TID251,T20", PACKAGE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_contract_has_a_violation_planted() -> None:
    assert {name for _, name in PLANTED_IMPORTS.values()} == {contract["name"] for contract in CONTRACTS}


@pytest.mark.parametrize("file", PLANTED_IMPORTS)
def test_import_linter_catches(file: str, imports_report: str) -> None:
    text, contract = PLANTED_IMPORTS[file]
    assert re.search(rf"^{re.escape(contract)} BROKEN", imports_report, re.MULTILINE)
    module = f"{PACKAGE}.{file.removesuffix('.py').removesuffix('/__init__').replace('/', '.')}"
    section = imports_report[imports_report.index(f"\n{contract}\n---") :]  # where its breaches are listed
    if file == "helpers/__init__.py":
        assert "helpers" in section
    else:
        imported = text.replace(" import ", ".").split()[-1].removeprefix("import.")
        assert re.search(rf"{re.escape(module)} -> \S*{re.escape(imported.split('.')[-1])}\b", section)


@pytest.mark.parametrize("file", PLANTED_TEXT)
def test_ruff_catches(file: str, ruff_report: str) -> None:
    _, message = PLANTED_TEXT[file]
    assert re.search(rf"^{PACKAGE}/{re.escape(file)}:.*{re.escape(message)}", ruff_report, re.MULTILINE)


def test_ruff_has_a_violation_planted_for_every_ban() -> None:
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    banned = set(lint["flake8-tidy-imports"]["banned-api"])
    assert banned == {message.split("`")[1] for _, message in PLANTED_TEXT.values() if "banned" in message}


def test_files_stay_small() -> None:
    """A file that no longer fits into a head is two files; the tables' columns are a list, not a thought."""
    lines = {path: len(path.read_text().splitlines()) for path in (ROOT / PACKAGE).rglob("*.py")}
    assert not {path: count for path, count in lines.items() if count > 500 and path.name != "schema.py"}
