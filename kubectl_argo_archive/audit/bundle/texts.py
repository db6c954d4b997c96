"""What a bundle says about itself: the README and the data dictionary."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from kubectl_argo_archive.audit.bundle.tables import csv_text
from kubectl_argo_archive.query.catalog import sql_type
from kubectl_argo_archive.tables.spec import TableSpec

README = """\
EVIDENCE ABOUT WORKFLOW RUNS
============================

What this is
  A copy of the records that Argo Workflows kept about its runs, taken from an archive that is sealed: every
  record was hashed and signed soon after it was written. You can check, without any network and without the
  people who gave you this, that no record in here was changed since.

What was asked for
{selection}

What is in here
  summary.html              Begin here: who ran what, when, how it ended, what was retried or stopped. Any browser.
  data/                     The records as tables: parquet/ for tools, csv/ for a spreadsheet.
  data-dictionary.csv       What every column of every table means.
  raw/documents.jsonl       The records themselves, one JSON document a line, as Argo wrote them{masked}.
  evidence/                 Signed digests of the archive, and for each record the proof that it belongs to them.
{redactions}\
  bundle.json               Names every file with its hash; signed.
  verify/                   A small program that checks all of this. Read it first if you like: it is short.

How to check it
  You need Python 3.9 or newer with the package "cryptography", and the public key of who signed. Get the key from
  them on another way than this bundle: a key that comes with the evidence proves nothing.

      python verify/verify_bundle.py . --public-key KEY.pem
{zipped}
  Exit code 0: everything is as it was signed. 3: something is not, and its name is printed.
  The tool itself does the same, and more: kubectl argo-archive audit verify FILE-OR-FOLDER --public-key KEY.pem

What this proves, and what it does not
  It proves that these {versions:,} records ({workflows:,} workflows) are what the archive held when the digests were
  signed{tree}, and that nothing was taken out of or added to this bundle since it was made.
  {unproven}
  It does not prove that Argo recorded everything that happened, nor what happened to a record before it was sealed,
  nor that the selection above is the one you need. Names of people are labels, written by Argo as it could
  (an @ became .at.); "unknown" means that nobody recorded it.
"""

_MASKED = """\
  redactions.jsonl          Every value that was masked: its place and the rule, never the value.
"""
_ZIPPED = "  (unpack the zip first, or give its name instead of the dot: then its container is checked too)\n"
_TREE = "\n  (cluster {cluster}: digest {digest}, {tree_size:,} records)"
_NAMES = {
    "namespaces": "namespaces", "labels": "labels", "creators": "created by", "templates": "templates",
    "phases": "outcomes", "since": "finished at or after", "until": "finished before", "uids": "workflows",
}  # fmt: skip


def readme(predicate: dict[str, Any], *, zipped: bool) -> str:
    """The README of a bundle.

    Args:
        predicate: what ``bundle.json`` states.
        zipped: whether the bundle is a zip.
    """
    records, trees = predicate["records"], predicate["clusters"]
    redacted = predicate["redaction"] is not None
    return README.format(
        selection="\n".join(f"  {line}" for line in selection_lines(predicate["selection"])),
        masked=", less what was masked" if redacted else "",
        redactions=_MASKED if redacted else "",
        zipped=_ZIPPED if zipped else "",
        versions=records["versions"],
        workflows=records["workflows"],
        tree="".join(_TREE.format(**tree) for tree in trees),
        unproven=_unproven(records),
    )  # fmt: skip


def selection_lines(selection: dict[str, Any]) -> list[str]:
    """The selection in words, one condition a line."""
    lines = [f"{_NAMES[name]}: {', '.join(value) if isinstance(value, list) else value}"
             for name, value in selection.items() if name in _NAMES]  # fmt: skip
    return lines or ["everything in the archive"]


def dictionary(specs: Iterable[TableSpec]) -> str:
    """The data dictionary as CSV."""
    rows: list[list[Any]] = []
    for spec in specs:
        rows.append([spec.name, "", "", spec.doc, ""])
        rows += [[spec.name, c.name, sql_type(c.type), c.doc, c.example] for c in spec.columns]
    return csv_text(["table", "column", "type", "meaning", "example"], rows)


def _unproven(records: dict[str, Any]) -> str:
    parts = []
    if records["masked"]:
        parts.append(f"{records['masked']:,} records are masked: that the rest of them is unchanged rests on the "
                     "signature of this bundle, until the owner discloses a masked value.")  # fmt: skip
    if records["withheld"]:
        parts.append(f"For {records['withheld']:,} of these the proof is withheld, because it would let somebody guess "
                     "a short password; the owner can disclose it.")  # fmt: skip
    if records["unsealed"]:
        parts.append(f"{records['unsealed']:,} records are newer than the newest digest and are not proven yet.")
    return "\n  ".join(parts) or "Every record here has a proof."


def as_json(value: Any) -> str:
    """JSON for a file, sorted."""
    return json.dumps(value, indent=2, sort_keys=True) + "\n"
