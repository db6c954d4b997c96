"""Which archive a source names."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubectl_argo_archive.archive.files import FilesArchive
from kubectl_argo_archive.archive.postgres import PostgresArchive
from kubectl_argo_archive.archive.source import open_archive
from kubectl_argo_archive.errors import ConfigError


@pytest.mark.parametrize(
    "source",
    [
        "postgresql://argo@db.example.com:5433/argo?sslmode=require",
        "postgres://db.example.com/argo",
        "postgresql://",
        "host=db.example.com dbname=argo",
        "service = argo",
    ],
)
def test_postgres(source: str) -> None:
    assert isinstance(open_archive(source), PostgresArchive)


@pytest.mark.parametrize(
    "source", ["-", "dump.ndjson", "./folder", "/tmp/*.json", "file:///tmp/a%20b.json", "C:dump.json"]
)
def test_files(source: str) -> None:
    assert isinstance(open_archive(source), FilesArchive)


def test_a_file_url_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "a b.json").write_text('{"metadata": {"uid": "a"}}')
    with open_archive((tmp_path / "a b.json").as_uri()).snapshot() as snapshot:
        assert snapshot.keys()["uid"].to_pylist() == ["a"]


def test_an_existing_file_wins_over_a_keyword(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "host=a").write_text("{}")
    assert isinstance(open_archive("host=a"), FilesArchive)


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("", "empty", "postgresql://"),
        ("mysql://u:secret@db/argo", "not supported yet", "kubectl get workflows"),
        ("mysql+pymysql://u:secret@db/argo", "not supported yet", "kubectl get workflows"),
        ("mariadb://u:secret@db/argo", "not supported yet", "kubectl get workflows"),
        ("postgresql+psycopg://u:secret@db/argo", "SQLAlchemy", "postgresql://"),
        ("s3://bucket/dump.ndjson", "cannot read workflows from s3://", "a file"),
        ("https://u:secret@example.com/dump", "cannot read workflows from https://", "a file"),
        ("file://other/dump.json", "another machine", "a file"),
    ],
)
def test_anything_else_is_a_usage_error(source: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        open_archive(source)
    assert hint in (caught.value.hint or "")
    assert "secret" not in f"{caught.value.message} {caught.value.hint}"
