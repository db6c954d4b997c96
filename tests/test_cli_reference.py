"""docs/cli.md says what the commands say."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from kubectl_argo_archive.cli.commands import audit
from kubectl_argo_archive.cli.main import COMMANDS
from kubectl_argo_archive.cli.reference import markdown
from kubectl_argo_archive.config import AuditConfig, QueryConfig, S3Config
from kubectl_argo_archive.errors import ExitCode

DOCUMENT = Path(__file__).parent.parent / "docs" / "cli.md"


def test_the_document_is_up_to_date() -> None:
    assert DOCUMENT.read_text() == markdown(), "run: make docs"


def test_everything_is_documented() -> None:
    text = markdown()
    for name in COMMANDS:
        assert f"\n## kubectl argo-archive {name}\n" in text
    for name in audit.COMMANDS:
        assert f"\n## kubectl argo-archive audit {name}\n" in text
    for code in ExitCode:
        assert f"\n| {code.value} | " in text
    for section, kind in (("s3", S3Config), ("query", QueryConfig), ("audit", AuditConfig)):
        for field in fields(kind):
            assert f"`{section}.{field.name}`" in text
