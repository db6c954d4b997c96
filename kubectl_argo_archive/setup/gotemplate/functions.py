"""Functions of Helm's templates (Go's, Sprig's and Helm's own): those that set-ups of Argo use.

A function that is handed something unknown answers with it, unless its answer does not depend on it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from kubectl_argo_archive.setup.files.unknown import UNKNOWN, Unknown, is_known


def truth(value: Any) -> bool:
    """Go's idea of true: not nil, false, 0 or empty; unknown counts as true."""
    return isinstance(value, Unknown) or bool(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _known(function: Callable[..., Any]) -> Callable[..., Any]:
    """Only called with values that are known."""

    def guarded(*arguments: Any) -> Any:
        return function(*arguments) if all(is_known(each) for each in arguments) else UNKNOWN

    return guarded


def to_yaml(value: Any) -> str:
    """Helm's ``toYaml``: without a final line break."""
    import yaml

    if value is None or value == {} or value == []:
        return "{}" if value == {} else "[]" if value == [] else "null"
    text: str = yaml.dump(_plain(value), default_flow_style=False, allow_unicode=True, width=10_000)
    return text.removesuffix("\n...\n").rstrip("\n")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(element) for element in value]
    return str(value) if isinstance(value, Unknown) else value


def _from_yaml(text: str) -> Any:
    from kubectl_argo_archive.setup.files.yaml_reader import parse

    documents = parse(text, "")
    return documents[0].tree.plain() if documents and documents[0].tree else UNKNOWN


def _indent(count: int, text: Any) -> str:
    pad = " " * min(count, 100)
    return pad + str(text).replace("\n", "\n" + pad)


def _default(fallback: Any, value: Any = None) -> Any:
    return value if truth(value) else fallback


def _printf(pattern: str, *arguments: Any) -> str:
    return pattern.replace("%v", "%s").replace("%q", '"%s"').replace("%t", "%s") % tuple(
        each if isinstance(each, int | float) and not isinstance(each, bool) else _text(each) for each in arguments
    )


def _and(*values: Any) -> Any:
    return next((value for value in values if not truth(value)), values[-1])


def _or(*values: Any) -> Any:
    return next((value for value in values if truth(value)), values[-1])


def _not(value: Any) -> Any:
    return UNKNOWN if isinstance(value, Unknown) else not truth(value)


def _contains(part: str, text: str) -> bool:
    return part in text


def _dict(*pairs: Any) -> dict[str, Any]:
    return {str(key): value for key, value in zip(pairs[::2], pairs[1::2], strict=False)}


def _dig(*arguments: Any) -> Any:
    *path, fallback, value = arguments
    for key in path:
        if isinstance(value, Unknown):
            return UNKNOWN
        value = value.get(key) if isinstance(value, Mapping) else None
    return fallback if value is None else value


def _get(*arguments: Any) -> Any:
    """Sprig's ``get MAP KEY``, or Helmfile's ``get PATH [DEFAULT] MAP``."""
    if not isinstance(arguments[0], str):
        value, key = arguments
        return UNKNOWN if isinstance(value, Unknown) else (value or {}).get(key, "")
    path, *fallback, value = arguments
    return _dig(*path.split("."), fallback[0] if fallback else UNKNOWN, value)


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, Unknown):
            return UNKNOWN
        value = value[key] if isinstance(value, list | tuple) else (value or {}).get(key)
    return value


def _quote(*values: Any) -> str:
    return " ".join(json.dumps(_text(value), ensure_ascii=False) for value in values if value is not None)


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "and": _and,
    "or": _or,
    "not": _not,
    "default": _default,
    "coalesce": _or,
    "required": lambda _message, value=None: UNKNOWN if value is None else value,
    "ternary": lambda yes, no, condition: yes if truth(condition) else no,
    "empty": _not,
    "eq": _known(lambda first, *others: any(first == other for other in others)),
    "ne": _known(lambda a, b: a != b),
    "lt": _known(lambda a, b: a < b),
    "gt": _known(lambda a, b: a > b),
    "le": _known(lambda a, b: a <= b),
    "ge": _known(lambda a, b: a >= b),
    "quote": _quote,
    "squote": lambda value: f"'{_text(value)}'",
    "toString": _text,
    "int": _known(lambda value: int(value or 0)),
    "int64": _known(lambda value: int(value or 0)),
    "lower": _known(lambda value: _text(value).lower()),
    "upper": _known(lambda value: _text(value).upper()),
    "trim": lambda value: _text(value).strip(),
    "trimSuffix": lambda end, value: _text(value).removesuffix(end),
    "trimPrefix": lambda start, value: _text(value).removeprefix(start),
    "trunc": _known(lambda count, value: _text(value)[:count] if count >= 0 else _text(value)[count:]),
    "replace": lambda old, new, value: _text(value).replace(old, new),
    "contains": _known(_contains),
    "hasPrefix": _known(lambda start, value: _text(value).startswith(start)),
    "hasSuffix": _known(lambda end, value: _text(value).endswith(end)),
    "printf": _printf,
    "print": lambda *values: "".join(_text(value) for value in values),
    "cat": lambda *values: " ".join(_text(value) for value in values),
    "indent": _indent,
    "nindent": lambda count, value: "\n" + _indent(count, value),
    "toYaml": to_yaml,
    "toJson": lambda value: json.dumps(_plain(value)),
    "fromYaml": _known(_from_yaml),
    "fromJson": _known(_from_yaml),
    "b64enc": _known(lambda value: base64.b64encode(_text(value).encode()).decode()),
    "b64dec": _known(lambda value: base64.b64decode(_text(value)).decode()),
    "sha256sum": _known(lambda value: hashlib.sha256(_text(value).encode()).hexdigest()),
    "dict": _dict,
    "list": lambda *values: list(values),
    "tuple": lambda *values: list(values),
    "get": _get,
    "hasKey": lambda value, key: UNKNOWN if isinstance(value, Unknown) else key in (value or {}),
    "dig": _dig,
    "index": _index,
    "first": lambda values: UNKNOWN if isinstance(values, Unknown) else (values[0] if values else None),
    "join": _known(lambda glue, values: glue.join(_text(each) for each in values)),
    "splitList": _known(lambda glue, value: value.split(glue)),
    "kindIs": _known(lambda kind, value: kind == _kind(value)),
    "typeIs": _known(lambda kind, value: kind == _kind(value)),
    "len": _known(len),
    "add": _known(lambda *values: sum(int(value) for value in values)),
    "sub": _known(lambda a, b: int(a) - int(b)),
    "merge": lambda *maps: {key: value for each in reversed(maps) for key, value in (each or {}).items()},
    "omit": lambda value, *keys: {key: member for key, member in value.items() if key not in keys},
    "pick": lambda value, *keys: {key: member for key, member in value.items() if key in keys},
    "fail": lambda *_: "",
}


def _kind(value: Any) -> str:
    names = {bool: "bool", str: "string", int: "int", float: "float64", list: "slice", type(None): "invalid"}
    return "map" if isinstance(value, Mapping) else names.get(type(value), "")
