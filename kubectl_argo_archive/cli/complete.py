"""``kubectl_complete-argo_archive``: what kubectl asks on every Tab after ``kubectl argo-archive``.

kubectl passes the words typed so far, the last one incomplete, and reads one candidate per line with a description
after a tab, then ``:N``, Cobra's directive. The candidates come from click's own completion.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

SHELL_COMPLETES_FILES = 0
NO_FILES = 4
SHELL_COMPLETES_FOLDERS = 16


def main() -> None:
    """The console script; kubectl shows nothing if it fails, so it never complains."""
    sys.stdout.write(answer(sys.argv[1:]))


def answer(words: list[str]) -> str:
    """The candidates for the last of ``words``, one a line, and Cobra's directive."""
    *done, incomplete = words or [""]
    items = candidates(done, incomplete)
    kinds = {item.type for item in items}
    directive = SHELL_COMPLETES_FILES if "file" in kinds else SHELL_COMPLETES_FOLDERS if "dir" in kinds else NO_FILES
    lines = [f"{item.value}\t{item.help}" if item.help else item.value for item in items if item.type == "plain"]
    return "".join(f"{line}\n" for line in [*lines, f":{directive}"])


def candidates(done: list[str], incomplete: str) -> list[CompletionItem[str]]:
    """Ask click; a value stuck to its option (``--output=j``) comes back with the option, as Cobra wants it."""
    from click.shell_completion import CompletionItem, ShellComplete

    from kubectl_argo_archive.cli.main import PROG, cli

    items = ShellComplete(cli, {}, PROG, "").get_completions(done, incomplete)
    option, equals, _ = incomplete.partition("=")
    if equals and option.startswith("--"):
        return [CompletionItem(f"{option}={item.value}", item.type, item.help) for item in items]
    return items
