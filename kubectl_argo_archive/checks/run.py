"""Which checks run, and running them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from kubectl_argo_archive.checks.check import CATEGORIES, Check, Need
from kubectl_argo_archive.checks.facts import Facts
from kubectl_argo_archive.checks.finding import Finding
from kubectl_argo_archive.checks.registry import CHECKS
from kubectl_argo_archive.errors import ConfigError


def run_checks(facts: Facts, checks: Iterable[Check] | None = None) -> list[Finding]:
    """Run checks, all of them if none are named; a check that breaks is a finding, never an exception."""
    return [finding for check in (CHECKS.values() if checks is None else checks) for finding in check.run(facts)]


def config_checks() -> list[Check]:
    """The checks that files alone can answer."""
    return [check for check in CHECKS.values() if check.rule is not None and set(check.needs) == {Need.CONFIG}]


def choose(only: Sequence[str] = (), skip: Sequence[str] = (), categories: Sequence[str] = ()) -> list[Check]:
    """The checks that a user asks for.

    Args:
        only: ids, or beginnings of ids: ``C`` is every check of logs; empty for all.
        skip: ids, or beginnings, to leave out.
        categories: names of categories; empty for all.

    Raises:
        ConfigError: there is no such check or category.
    """
    # what only files show is nothing to ask a running set-up
    wanted = _matching(only) if only else {id for id, check in CHECKS.items() if check.rule is not None}
    wanted -= _matching(skip)
    for name in categories:
        if name not in CATEGORIES.values():
            raise ConfigError(f"there is no category {name}", f"categories are {', '.join(CATEGORIES.values())}")
    return [check for id, check in CHECKS.items() if id in wanted and (not categories or check.category in categories)]


def find(id: str) -> Check:
    """One check.

    Raises:
        ConfigError: there is none of this id.
    """
    found = CHECKS.get(id.strip().upper())
    if found is None:
        raise _unknown(id)
    return found


def _matching(texts: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for text in (part.strip().upper() for each in texts for part in each.split(",") if part.strip()):
        some = {id for id in CHECKS if id.startswith(text)}
        if not some:
            raise _unknown(text)
        found |= some
    return found


def _unknown(id: str) -> ConfigError:
    near = get_close_matches(id.upper(), CHECKS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"ids are {next(iter(CHECKS))} to {list(CHECKS)[-1]}"
    return ConfigError(f"there is no check {id}", f"{hint} See docs/checks.md")
