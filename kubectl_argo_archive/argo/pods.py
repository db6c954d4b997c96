"""Names of pods, as the controller makes them (argo ``workflow/util/pod_name.go``)."""

from __future__ import annotations

_FNV_OFFSET = 2166136261
_FNV_PRIME = 16777619
MAX_PREFIX = 242
"""253 characters for a Kubernetes name, less ten for the hash and one for the dash."""


def fnv32a(data: bytes) -> int:
    """FNV-1a, 32 bit: the hash in node ids and pod names."""
    value = _FNV_OFFSET
    for byte in data:
        value = ((value ^ byte) * _FNV_PRIME) & 0xFFFFFFFF
    return value


def pod_prefix(workflow: str, template: str | None) -> str:
    """The part of a v2 pod name before its hash."""
    prefix = f"{workflow}-{template}" if template else workflow
    return prefix[:MAX_PREFIX]


def pod_name_v2(workflow: str, node_name: str, template: str | None) -> str:
    """Pod name in format v2 (default since Argo 3.4): ``<workflow>[-<template>]-<fnv32a(node name)>``."""
    if node_name == workflow:
        return workflow
    return f"{pod_prefix(workflow, template)}-{fnv32a(node_name.encode('utf-8', 'surrogatepass'))}"
