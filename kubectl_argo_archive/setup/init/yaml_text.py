"""YAML for people: block style, keys in the given order, quotes where they are needed."""

from __future__ import annotations

import textwrap
from typing import Any


def dump(value: Any, indent: int = 0) -> str:
    """Plain data as YAML, every line moved right by ``indent`` spaces; ends with a line break."""
    import yaml

    text = yaml.dump(value, Dumper=_dumper(), sort_keys=False, default_flow_style=False, allow_unicode=True, width=110)
    return textwrap.indent(text, " " * indent)


def _dumper() -> Any:
    import yaml

    class Dumper(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
            return super().increase_indent(flow, False)

        def ignore_aliases(self, data: Any) -> bool:
            return True

    Dumper.add_representer(str, _text)
    return Dumper


def _text(dumper: Any, value: str) -> Any:
    """Several lines as a block, as people write them."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)
