"""Known mistakes of certain releases of Argo, and what a release expects of the database."""

from __future__ import annotations

from kubectl_argo_archive.argo.versions import Version

LAYOUTS = (
    (Version(4, 0, 3), 68), (Version(4, 0, 0), 66), (Version(3, 7, 12), 68), (Version(3, 7, 1), 66),
    (Version(3, 7, 0), 62), (Version(3, 6, 0), 60), (Version(3, 4, 0), 59), (Version(3, 3, 0), 57),
    (Version(2, 12, 0), 56),
)  # fmt: skip
"""First release → final value of ``schema_history.schema_version``."""


def layout_of(version: Version) -> int | None:
    """The schema version that a release migrates to; None if it is older than all that we know."""
    return next((layout for first, layout in LAYOUTS if version >= first), None)


def releases_of(layout: int) -> str:
    """Which releases leave this schema version, for people."""
    known = {
        56: "v2.12 to v3.2", 57: "v3.3", 59: "v3.4, v3.5", 60: "v3.6", 62: "v3.7.0", 66: "v3.7.1, v4.0.0",
        68: "v3.7.12, v4.0.3, v4.1",
    }  # fmt: skip
    return known.get(layout, "no release")


def requeues(version: Version) -> bool:
    """Whether a failed attempt to archive is tried again soon (since v4.0.9)."""
    return version >= Version(4, 0, 9)


def fixed(version: Version, *releases: tuple[int, int, int]) -> bool:
    """Whether ``version`` has a fix that came with these releases, one per line (``(3, 7, 12), (4, 0, 3)``)."""
    fixes = [Version(*each) for each in releases]
    same_line = [each for each in fixes if (each.major, each.minor) == (version.major, version.minor)]
    return version >= same_line[0] if same_line else version > max(fixes)


INDEXES: dict[str, tuple[tuple[int, str, str], ...]] = {
    "argo_archived_workflows": (
        (56, "argo_archived_workflows_i1", "clustername, instanceid, namespace"),
        (68, "argo_archived_workflows_i1", "clustername, instanceid, namespace, startedat DESC"),
        (56, "argo_archived_workflows_i2", "clustername, instanceid, finishedat"),
        (57, "argo_archived_workflows_i3", "clustername, instanceid, name"),
        (59, "argo_archived_workflows_i4", "startedat"),
        (62, "argo_archived_workflows_i4", "clustername, startedat"),
        (66, "argo_archived_workflows_i5", "creationtimestamp"),
    ),
    "argo_archived_workflows_labels": ((59, "argo_archived_workflows_labels_i1", "name, value"),),
}
"""Table → (since schema version, index, columns); the last entry that applies counts."""

COLUMNS: dict[str, tuple[str, ...]] = {
    "argo_archived_workflows": (
        "uid", "name", "phase", "namespace", "workflow", "startedat", "finishedat", "clustername", "instanceid",
    ),
    "argo_archived_workflows_labels": ("clustername", "uid", "name", "value"),
    "schema_history": ("schema_version",),
}  # fmt: skip


def indexes_of(table: str, layout: int) -> dict[str, str]:
    """The indexes that a schema version has on a table: name → columns."""
    return {name: columns for since, name, columns in INDEXES.get(table, ()) if since <= layout}


def columns_of(table: str, layout: int) -> tuple[str, ...]:
    """The columns that a schema version has in a table."""
    more = ("creationtimestamp",) if table == "argo_archived_workflows" and layout >= 66 else ()
    return COLUMNS.get(table, ()) + more
