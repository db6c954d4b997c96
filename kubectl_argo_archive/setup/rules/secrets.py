"""Credentials that anybody can read who can read the files."""

from __future__ import annotations

import base64
import binascii
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from kubectl_argo_archive.checks.check import failed
from kubectl_argo_archive.setup.files.model import Release, RenderedText, Resource, SetUp
from kubectl_argo_archive.setup.files.trees import Place, Tree
from kubectl_argo_archive.setup.files.unknown import is_known
from kubectl_argo_archive.setup.files.yaml_reader import parse
from kubectl_argo_archive.setup.rules.found import Found, label, spot, where

_NAMES: Final = re.compile(
    r"(?:^|[._-]|(?<=[a-z]))(?:password|passwd|pwd|passphrase|pgpassword|secret[_-]?(?:access[_-]?)?key|session[_-]?token"
    r"|api[_-]?(?:key|token)|auth[_-]?token|access[_-]?token|bearer[_-]?token|private[_-]?key|client[_-]?secret"
    r"|connection[_-]?string|credentials?)$",
    re.IGNORECASE,
)
_TEXTS: Final = (
    (
        re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s:/@'\"]*:(?P<value>[^\s@'\"{}$<]+)@", re.IGNORECASE),
        "a password in an address",
    ),
    (re.compile(r"(?<![A-Z0-9])(?P<value>(?:AKIA|ASIA)[A-Z0-9]{16})(?![A-Z0-9])"), "an AWS access key"),
    (re.compile(r"(?P<value>-----BEGIN [A-Z ]*PRIVATE KEY-----)"), "a private key"),
    (re.compile(r"(?:^|\s)(?:--?password|PGPASSWORD|MYSQL_PWD)=(?P<value>[^\s'\"$]{2,})"), "a password in a command"),
)
_LATER: Final = re.compile(
    r"\s*|<[^<>]*>|\$\{.*\}|\$\(.*\)|\$[A-Z_]+|ENC\[.*|ref\+.*|vault:.*|ssm:.*|awssm:.*|\{\{.*\}\}|(?:REPLACE|TODO|FIXME|CHANGE).?(?:ME|THIS)?\b.*"
    r"|\*+|x{3,}|\.{3}|…|yes|no|true|false|[01]",
    re.DOTALL,
)
"""Values that somebody or something fills in later, or that are encrypted."""
_PUBLIC: Final = re.compile(
    r"(?:user(?:name)?|login|host|port|database|dbname|engine|region|endpoint|bucket|.*\.(?:crt|cert))$", re.I
)
_ONLY_NAMES: Final = {"ExternalSecret", "SecretStore", "ClusterSecretStore", "SealedSecret", "ClusterExternalSecret"}
_WORKFLOWS: Final = {"Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow"}


@dataclass(slots=True)
class _Spotted:
    """A credential; its value is only compared, never shown."""

    value: str = field(repr=False)
    place: Place
    owner: Resource | Release
    what: str
    fix: str | None = None


def clear_text(set_up: SetUp) -> Iterator[Found]:
    """S05."""
    spotted: dict[tuple[str, int], _Spotted] = {}
    for each in _all(set_up):
        spotted.setdefault((each.place.file, each.place.line), each)
    same: dict[str, list[Place]] = defaultdict(list)
    for each in spotted.values():
        same[each.value].append(each.place)
    for each in spotted.values():
        evidence = [f"{spot(each.place)}: {each.what}"]
        others = [place for place in same[each.value] if place != each.place]
        evidence += [f"{spot(place)}: the same value once more" for place in others]
        yield (
            "S05",
            failed(
                f"{each.what} stands in clear text", "\n".join(evidence), each.fix, where=where(each.place, each.owner)
            ),
        )


def _all(set_up: SetUp) -> Iterator[_Spotted]:
    for resource in set_up.resources:
        if resource.kind == "Secret":
            yield from _secret(resource)
        elif resource.kind not in _ONLY_NAMES:
            yield from _tree(resource.tree, resource)
    for release in set_up.releases:
        yield from _tree(release.values, release)


def _secret(resource: Resource) -> Iterator[_Spotted]:
    """What a Secret holds; base64 is no protection."""
    for part in ("stringData", "data"):
        for key, tree in resource.tree.members(part):
            value = tree.text_at()
            if part == "data":
                value = _decoded(value)
            if _PUBLIC.fullmatch(key) or not _is_readable(value):
                continue
            yield _Spotted(
                value, tree.place, resource, f"{key} of {label(resource)}",
                f"remove it from git and change it, then: kubectl create secret generic {resource.name}"
                + (f" -n {resource.space}" if resource.space else "") + f" --from-file={key}=/dev/stdin, "
                "or an ExternalSecret or SealedSecret of this name",
            )  # fmt: skip


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "replace") if is_known(text) else text
    except (binascii.Error, ValueError):
        return text


def _tree(tree: Tree, owner: Resource | Release) -> Iterator[_Spotted]:
    for path, each in tree.walk():
        key = str(path[-1]) if path else ""
        if isinstance(each.value, RenderedText):
            yield from _tree(each.value.tree, owner)
            continue
        if isinstance(each.value, dict):
            yield from _variable(each, owner)
            continue
        if not isinstance(each.value, str | int) or isinstance(each.value, bool):
            continue
        value = each.text_at()
        if (
            _NAMES.search(key)
            and _is_readable(value)
            and not (isinstance(owner, Resource) and owner.kind in _WORKFLOWS)
        ):
            yield _Spotted(value, each.place, owner, f"{_dotted(path)} of {label(owner)}", _values_fix(key, owner))
        elif isinstance(each.value, str):
            yield from _text(each, owner, key)


def _variable(tree: Tree, owner: Resource | Release) -> Iterator[_Spotted]:
    """An item of ``env``."""
    name, value = tree.get("name"), tree.get("value")
    if name is None or value is None or not isinstance(name.value, str) or not isinstance(value.value, str | int):
        return
    if _NAMES.search(name.value) and _is_readable(value.text_at()):
        fix = f"take {name.value} from a Secret: valueFrom.secretKeyRef"
        yield _Spotted(value.text_at(), value.place, owner, f"variable {name.value} of {label(owner)}", fix)


def _text(tree: Tree, owner: Resource | Release, key: str) -> Iterator[_Spotted]:
    """Texts of several lines: a ConfigMap's YAML, scripts; addresses anywhere."""
    text = tree.text_at()
    if not is_known(text) and len(text) < 200:
        return
    start = tree.text or tree.place
    for pattern, what in _TEXTS:
        for match in pattern.finditer(text):
            if _is_readable(match["value"]):
                line = start.line + text.count("\n", 0, match.start("value")) if tree.block else start.line
                yield _Spotted(match["value"], Place(start.file, line), owner, f"{what} in {key} of {label(owner)}")
    if tree.block and ":" in text and isinstance(owner, Resource) and owner.kind == "ConfigMap":
        for document in parse(text, start.file, lambda line: line + start.line - 1):
            if document.tree is not None and isinstance(document.tree.value, dict):
                yield from _tree(document.tree, owner)


def _is_readable(value: str) -> bool:
    return is_known(value) and not _LATER.fullmatch(value)


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in path)


def _values_fix(key: str, owner: Resource | Release) -> str | None:
    if isinstance(owner, Release) and owner.chart.rstrip("/").endswith("postgresql"):
        return "remove it from git and change it; name a Secret made elsewhere: auth.existingSecret and auth.secretKeys"
    return None
