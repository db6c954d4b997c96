"""Values that are computed at the first question, by whichever thread asks it."""

from __future__ import annotations

from functools import cached_property
from typing import Any, TypeVar

T = TypeVar("T")


class once(cached_property[T]):
    """``functools.cached_property`` as it is from Python 3.12 on.

    Before, one lock per property made all threads wait for each other, whatever object they asked; with a request to
    a bucket behind the property, everything was read one by one. Two threads may now compute the same value.
    """

    def __get__(self, instance: object | None, owner: type[Any] | None = None) -> Any:
        """The value."""
        if instance is None:
            return self
        assert self.attrname is not None
        known = instance.__dict__
        if self.attrname not in known:
            known[self.attrname] = self.func(instance)
        return known[self.attrname]
