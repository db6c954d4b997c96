"""What the files do not say: a value that only Helm, the environment or the cluster knows."""

from __future__ import annotations

from typing import Any, Final


class Unknown:
    """The only value of its kind; true, since a part that may be there is looked at."""

    def __repr__(self) -> str:
        return MARK

    __str__ = __repr__


MARK: Final = "⟪unknown⟫"
"""How an unknown value is written into a rendered text."""
UNKNOWN: Final = Unknown()


def is_known(value: Any) -> bool:
    """False for a text that holds an unknown part."""
    return not (isinstance(value, Unknown) or (isinstance(value, str) and MARK in value))
