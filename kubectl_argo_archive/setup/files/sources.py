"""The files of a set-up: found, read once, named as the user named them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from kubectl_argo_archive.errors import ConfigError
from kubectl_argo_archive.setup.files.trees import Place, Tree
from kubectl_argo_archive.setup.files.unknown import MARK
from kubectl_argo_archive.setup.files.yaml_reader import Parsed, parse

MAX_BYTES: Final = 16 * 2**20
MAX_FILES: Final = 20_000
_SUFFIXES: Final = (".yaml", ".yml", ".json", ".gotmpl", ".tpl", ".env")
_SKIPPED: Final = {"node_modules", "__pycache__", "venv"}


class Sources:
    """Files under the given paths, and whatever they refer to.

    Args:
        paths: files and folders, as given on the command line.

    Raises:
        ConfigError: a path does not exist, or cannot be read.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._texts: dict[Path, str | None] = {}
        self._names: dict[Path, str] = {}
        self.unreadable: list[Parsed] = []
        self.doubled: dict[Place, str] = {}
        self.given: list[Path] = []
        for path in paths:
            self._take(path)
        if not self.given:
            raise ConfigError("there is nothing to lint: no YAML file in what was given", "name a file or a folder")

    def _take(self, text: str) -> None:
        path = Path(text)
        try:
            if path.is_dir():
                for found in _walk(path):
                    self._add(found, (path / found.relative_to(path)).as_posix())
            elif path.exists():
                with path.open("rb"):
                    self._add(path, path.as_posix())
            else:
                raise ConfigError(f"there is no file or folder {text}", "name the folder that holds the set-up")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a usable name"
            raise ConfigError(f"cannot read {text}: {reason}", "name a file or folder that you may read") from error

    def _add(self, path: Path, name: str) -> None:
        resolved = path.resolve()
        if resolved not in self._names:
            self._names[resolved] = name
            self.given.append(resolved)
        if len(self.given) > MAX_FILES:
            raise ConfigError(f"there are more than {MAX_FILES:,} files", "name the folder that holds the set-up")

    def name(self, path: Path) -> str:
        """What the file is called in messages: below a given path as that was given."""
        resolved = path.resolve()
        if resolved not in self._names:
            self._names[resolved] = Path(os.path.relpath(resolved)).as_posix()
        return self._names[resolved]

    def text(self, path: Path) -> str | None:
        """The text of a file, None if it is none; why not goes to ``unreadable`` if the file exists."""
        resolved = path.resolve()
        if resolved not in self._texts:
            self._texts[resolved] = self._read(resolved)
        return self._texts[resolved]

    def _read(self, path: Path) -> str | None:
        reason = ""
        try:
            if not path.is_file():
                return None
            if path.stat().st_size <= MAX_BYTES:
                return path.read_text("utf-8-sig")
            reason = f"it is larger than {MAX_BYTES // 2**20} MiB"
        except UnicodeDecodeError:
            reason = "it is no UTF-8 text"
        except OSError as error:
            reason = f"it cannot be read: {error.strerror}"
        self.unreadable.append(Parsed(None, reason, Place(self.name(path), 1)))
        return None

    def trees(self, path: Path) -> list[Tree]:
        """The documents of a YAML file; broken ones go to ``unreadable``."""
        text = self.text(path)
        return [] if text is None else self.keep(parse(text, self.name(path)))

    def rendered(self, path: Path, text: str, line_of: Callable[[int], int]) -> list[Tree]:
        """The documents of a template that was carried out; one that holds unknown parts may well be no YAML."""
        documents = parse(text, self.name(path), line_of)
        return self.keep(each for each in documents if each.tree is not None or MARK not in text)

    def keep(self, documents: Iterable[Parsed]) -> list[Tree]:
        """The trees among parsed documents; errors go to ``unreadable``, keys that stand twice to ``doubled``."""
        trees = []
        for each in documents:
            if each.tree is not None:
                trees.append(each.tree)
                self.doubled |= dict(each.doubled)
            else:
                self.unreadable.append(each)
        return trees


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if each not in _SKIPPED and not each.startswith("."))
        for name in sorted(files):
            if name.endswith(_SUFFIXES) and not name.startswith("."):
                yield Path(root) / name
