"""Pages for people: one HTML file, readable without network, scripts or anything else; every text is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

_STYLE = """
:root{color-scheme:light}
body{font:15px/1.5 system-ui,sans-serif;color:#1b1f24;max-width:75rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.7rem;margin:0 0 .3rem}
h2{font-size:1.2rem;margin:2.2rem 0 .3rem;border-bottom:1px solid #d0d7de}
p{margin:.4rem 0;max-width:60rem}
table{border-collapse:collapse;width:100%;font-size:13px;margin:.6rem 0}
th,td{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0;border-bottom:1px solid #eaeef2}
td,dd{overflow-wrap:anywhere}
th{color:#57606a;font-weight:600;white-space:nowrap}
td.n{text-align:right;font-variant-numeric:tabular-nums}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.2rem}
dt{color:#57606a}dd{margin:0}
.Succeeded{color:#116329}.Failed,.Error{color:#a40e26}
.note{color:#57606a}.warn{background:#fff8c5;padding:.5rem .8rem}
@media print{body{margin:0;max-width:none}h2{break-after:avoid}}
"""
_PHASES = frozenset({"Succeeded", "Failed", "Error"})


def page(title: str, parts: Iterable[str]) -> Iterator[str]:
    """A whole document, in pieces.

    The policy in its head forbids scripts, images and connections, should a browser ever find a way to one.
    """
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    yield (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>\n'
        f"<style>{_STYLE}</style></head><body>\n<h1>{escape(title)}</h1>\n"
    )
    yield from parts
    yield "</body></html>\n"


def heading(text: str) -> str:
    """A heading."""
    return f"<h2>{escape(text)}</h2>\n"


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph; ``kind`` is ``note`` or ``warn``."""
    return f'<p class="{kind}">{escape(text)}</p>\n' if kind else f"<p>{escape(text)}</p>\n"


def facts(values: Mapping[str, Any]) -> str:
    """Names and values."""
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(cell(value))}</dd>" for name, value in values.items())
    return f"<dl>{items}</dl>\n"


def table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], docs: Mapping[str, str] | None = None
) -> Iterator[str]:
    """A table, in pieces; a column's meaning shows when the pointer rests on its name."""
    about = docs or {}
    head = "".join(f'<th title="{escape(about.get(name, ""))}">{escape(_title(name))}</th>' for name in columns)
    yield f"<table><thead><tr>{head}</tr></thead><tbody>\n"
    for row in rows:
        yield f"<tr>{''.join(map(_cell, row))}</tr>\n"
    yield "</tbody></table>\n"


def escape(text: str) -> str:
    """Text that is only text, whatever it holds: controls become visible, as they could hide other characters."""
    visible = "".join(c if c.isprintable() or c in "\n\t" else f"\\u{ord(c):04x}" for c in text)
    return html.escape(visible, quote=True)


def cell(value: Any) -> str:
    """A value for people."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, list | tuple):
        return ", ".join(map(cell, value))
    text = str(value)
    # times come from SQL as text
    return text.removesuffix("+00") if text[4:5] == "-" and text[10:11] == " " else text


def _cell(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f'<td class="n">{value:,}</td>'
    text = cell(value)
    return f'<td class="{text}">{text}</td>' if text in _PHASES else f"<td>{escape(text)}</td>"


def _title(name: str) -> str:
    return name.replace("_", " ")
