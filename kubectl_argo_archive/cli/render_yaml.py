"""YAML, with PyYAML; apart from the other formats because it is loaded only when asked for."""

from __future__ import annotations

import json
from base64 import b64encode
from decimal import Decimal
from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """Knows Decimal; never writes an anchor."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _number(dumper: yaml.SafeDumper, value: Decimal) -> yaml.ScalarNode:
    text = format(value, "f")
    tag = "tag:yaml.org,2002:float" if "." in text else "tag:yaml.org,2002:int"
    return dumper.represent_scalar(tag, text)


_Dumper.add_representer(Decimal, _number)
# ours alone: a library may have given SafeDumper, of which the whole process has one, another way to write text
_Dumper.add_representer(str, yaml.representer.SafeRepresenter.represent_str)


def dump(rows: list[dict[str, Any]]) -> str:
    """A YAML list of mappings, without the last line break."""
    plain = [{name: _plain(value) for name, value in row.items()} for row in rows]
    text: str = yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**9)
    return text.removesuffix("\n")


def _plain(value: Any) -> Any:
    if isinstance(value, str) and type(value) is not str:  # a value of SQL type JSON
        try:
            return json.loads(value, parse_float=Decimal)
        except (ValueError, RecursionError):
            return str(value)
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
