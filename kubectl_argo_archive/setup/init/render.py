"""``setup init``: a plan becomes a folder of files. Same plan, same text."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from kubectl_argo_archive.errors import ConfigError
from kubectl_argo_archive.setup.init import argo, database, exporter, secrets
from kubectl_argo_archive.setup.init.guide import guide
from kubectl_argo_archive.setup.init.plan import Plan


def render(plan: Plan) -> Mapping[str, str]:
    """All files: path in the folder → text."""
    files = {
        "README.md": guide(plan),
        "helmfile.yaml": argo.helmfile(plan),
        "values/argo-workflows.yaml": argo.values(plan),
        **database.files(plan),
        **secrets.files(plan),
        **exporter.files(plan),
    }
    return MappingProxyType(dict(sorted(files.items())))


def write(files: Mapping[str, str], folder: Path, *, force: bool = False) -> list[str]:
    """Write the files; either all that are missing or changed, or none.

    Args:
        files: path in the folder → text.
        folder: made if it does not exist.
        force: overwrite files that differ.

    Returns:
        The paths that were written; files that stand there already as they should be are left alone.

    Raises:
        ConfigError: a file exists with another text and ``force`` is not given, or the folder cannot be written.
    """
    try:
        changed = [path for path, text in files.items() if _standing(folder / path) != text]
        different = [path for path in changed if _standing(folder / path) is not None]
        if different and not force:
            names = ", ".join(different[:5]) + (" and more" if len(different) > 5 else "")
            raise ConfigError(
                f"{folder} holds these files already, with another text: {names}", "--force overwrites them"
            )
        for path in changed:
            _write(folder / path, files[path])
    except OSError as error:
        raise ConfigError(f"cannot write to {folder}: {error.strerror}", "name a folder that you may write") from error
    return changed


def _standing(path: Path) -> str | None:
    try:
        return path.read_text("utf-8") if path.exists() else None
    except UnicodeDecodeError:
        return ""


def _write(path: Path, text: str) -> None:
    """All or nothing for each file: nobody ever sees half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        half.write_text(text, "utf-8")
        half.chmod(0o755 if path.suffix == ".sh" else 0o644)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
