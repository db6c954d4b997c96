"""Argo's settings into YAML: the way back of ``argo/decode.py``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from kubectl_argo_archive.argo.decode import Section, Ttl, argo_key


def encode(section: Section) -> dict[str, Any]:
    """A section as plain data under Argo's keys, in the order of its class; what is None is left out."""
    written = {}
    for each in dataclasses.fields(section):
        value = getattr(section, each.name)
        if each.name != "origins" and value is not None and value != ():
            written[argo_key(type(section), each.name)] = _plain(value)
    return written


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return encode(value)
    if isinstance(value, Ttl):
        return value.text
    if isinstance(value, Mapping):
        return {key: _plain(member) for key, member in value.items()}
    return [_plain(element) for element in value] if isinstance(value, tuple) else value
