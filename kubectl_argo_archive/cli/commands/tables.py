"""``kubectl argo-archive tables``; run as a module, it prints ``docs/tables.md``."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import click

from kubectl_argo_archive.cli.options import output_option
from kubectl_argo_archive.errors import ConfigError

if TYPE_CHECKING:
    from kubectl_argo_archive.query.catalog import Relation

_KINDS = {
    "table": ("Tables", "Latest archived state of every workflow, and the lake's own records."),
    "view": ("Views", "Questions that everybody asks, answered once."),
    "versions": ("All states", "The tables with every archived state of a workflow, those before a retry too."),
}


@click.command(
    short_help="Explain the tables, views and columns of the lake.",
    epilog="""\b
Examples:
  kubectl argo-archive tables
  kubectl argo-archive tables failures
  kubectl argo-archive tables nodes -o json | jq -r '.columns[].name'""",
)
@click.argument(
    "name",
    required=False,
    shell_complete=lambda _ctx, _param, incomplete: [name for name in _relations() if name.startswith(incomplete)],
)
@output_option(("table", "markdown", "json"), "table")
def tables(name: str | None, output: str) -> None:
    """Explain the tables, views and columns of the lake: type, meaning, an example.

    NAME is a table or view; without it all are listed. No lake is needed.
    """
    if output == "json":
        import json

        everything = [as_dict(relation) for relation in _relations().values()]
        click.echo(json.dumps(as_dict(_find(name)) if name else everything, indent=2, ensure_ascii=False))
    elif output == "markdown":
        click.echo("\n".join(_section(_find(name))) if name else markdown())
    elif name:
        click.echo("\n".join(_page(_find(name), min(shutil.get_terminal_size().columns, 120))))
    else:
        click.echo("\n".join(_overview(shutil.get_terminal_size().columns)))


def markdown() -> str:
    """The text of ``docs/tables.md``."""
    lines = [
        "# Tables",
        "",
        "<!-- Made by `python -m kubectl_argo_archive.cli.commands.tables`; a test keeps it up to date. -->",
        "",
        "What `kubectl argo-archive query` can read. `kubectl argo-archive tables NAME` shows the same in a terminal.",
        "Times are UTC; `*_s` are seconds, `*_mib_s` mebibyte-seconds, `*_bytes` bytes. Rows of one workflow have the",
        "same `cluster`, `uid` and `version`; these three join all tables.",
    ]
    for kind, (title, doc) in _KINDS.items():
        lines += ["", f"## {title}", "", doc]
        for relation in _relations().values():
            if relation.kind == kind:
                lines += ["", *_section(relation)]
    return "\n".join(lines)


def as_dict(relation: Relation) -> dict[str, Any]:
    """What ``-o json`` prints for one table or view."""
    columns = [{"name": c.name, "type": c.type, "doc": c.doc, "example": c.example} for c in relation.columns]
    head = {"name": relation.name, "kind": relation.kind, "doc": relation.doc}
    return {**head, "columns": columns, "example": relation.example}


def _relations() -> dict[str, Relation]:
    from kubectl_argo_archive.query.catalog import relations

    return dict(relations())


def _find(name: str) -> Relation:
    known = _relations()
    if name.lower() not in known:
        near = get_close_matches(name.lower(), known, n=1)
        raise ConfigError(
            f"there is no table {name}",
            f"did you mean {near[0]}?" if near else "`kubectl argo-archive tables` lists all",
        )
    return known[name.lower()]


def _overview(width: int) -> Iterator[str]:
    known = _relations().values()
    size = max(len(relation.name) for relation in known) + 2
    for kind, (title, doc) in _KINDS.items():
        yield f"{title}: {doc}"
        for relation in known:
            if relation.kind == kind:
                first = relation.doc.partition(". ")[0].rstrip(".") + "."
                yield from _wrapped(f"  {relation.name:<{size}}", first, width)
        yield ""
    yield "kubectl argo-archive tables NAME explains the columns."


def _page(relation: Relation, width: int) -> Iterator[str]:
    yield from _wrapped(f"{relation.name}: ", relation.doc, width, indent=2)
    yield ""
    name_size = max(len(column.name) for column in relation.columns) + 2
    type_size = max(len(_short(column.type)) for column in relation.columns) + 2
    for column in relation.columns:
        example = f" Example: {column.example}" if column.example else ""
        head = f"  {column.name:<{name_size}}{_short(column.type):<{type_size}}"
        yield from _wrapped(head, column.doc + example, width)
    yield ""
    yield "Example:"
    yield from textwrap.wrap(relation.example, width, initial_indent="  ", subsequent_indent="    ",
                             break_long_words=False, break_on_hyphens=False)  # fmt: skip


def _wrapped(head: str, text: str, width: int, indent: int | None = None) -> list[str]:
    """``text`` behind ``head``, its further lines below its first."""
    behind = " " * (len(head) if indent is None else indent)
    room = max(width, len(behind) + 30)
    return textwrap.wrap(text, room, initial_indent=head, subsequent_indent=behind,
                         break_long_words=False, break_on_hyphens=False) or [head.rstrip()]  # fmt: skip


def _short(type: str) -> str:
    """SQL's short name of a type, for narrow terminals."""
    return type.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")


def _section(relation: Relation) -> Iterator[str]:
    yield f"### {relation.name}"
    yield ""
    yield relation.doc
    yield ""
    if relation.kind == "versions":
        assert relation.table is not None
        yield f"Columns as in [`{relation.table.name}`](#{relation.table.name})."
    else:
        yield "| Column | Type | Meaning | Example |"
        yield "|---|---|---|---|"
        for c in relation.columns:
            example = f"`{_cell(c.example)}`" if c.example else ""
            yield f"| `{c.name}` | {c.type} | {_cell(c.doc)} | {example} |"
    yield ""
    yield "```sql"
    yield relation.example
    yield "```"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    click.echo(markdown())
