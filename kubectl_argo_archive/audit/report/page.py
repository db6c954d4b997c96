"""Report sections as parts of an HTML page."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

from kubectl_argo_archive.audit import page
from kubectl_argo_archive.audit.report.sections import Section
from kubectl_argo_archive.query.result import ResultSet

HIDDEN = frozenset({"uid", "who_id", "version", "cluster"})
"""Columns that a person who only reads does not need; the other formats have them."""


def section_parts(section: Section, result: ResultSet, *, limit: int | None = None, brief: bool = False,
                  elsewhere: str = "") -> Iterator[str]:  # fmt: skip
    """One section: its heading, what it means, its rows.

    Args:
        section: which.
        result: its rows.
        limit: at most so many rows; the page says so if there are more.
        brief: leave out columns that only machines need.
        elsewhere: where all rows are, if the page does not show them.
    """
    yield page.heading(section.title)
    yield page.paragraph(section.doc, "note")
    shown = [i for i, c in enumerate(result.columns) if not (brief and c.name in HIDDEN)]
    rows = chain.from_iterable(result.rows())
    first = list(islice(rows, 1))
    if not first:
        yield page.paragraph("None.")
        return
    kept = chain(first, rows if limit is None else islice(rows, limit - 1))
    names = [result.columns[i].name for i in shown]
    yield from page.table(names, ([row[i] for i in shown] for row in kept), section.columns)
    left = sum(1 for _ in rows)
    if left:
        yield page.paragraph(f"{left:,} more rows are not shown here. {elsewhere}", "warn")
