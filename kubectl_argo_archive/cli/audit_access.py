"""The access log as commands keep it: one record per command that gives audit data out, unless it is switched off."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kubectl_argo_archive.cli import diagnostics
from kubectl_argo_archive.cli.options import parse_time
from kubectl_argo_archive.errors import ArgoArchiveError, ConfigError

if TYPE_CHECKING:
    from kubectl_argo_archive.config import Config
    from kubectl_argo_archive.lake.lake import Lake


def note_access(config: Config, lake: Lake, command: str, what: dict[str, Any], *, rows: int | None = None,
                export_id: str | None = None) -> None:  # fmt: skip
    """Record an access; where the lake cannot be written to, say so on stderr and go on.

    Args:
        config: ``audit.access_log`` switches it off.
        lake: where the data came from.
        command: what was run.
        what: selection and options, without secrets; what is empty is left out.
        rows: how many records were given out.
        export_id: state of the lake.
    """
    if not config.audit.access_log:
        return
    from kubectl_argo_archive.audit import access

    given = {key: value for key, value in what.items() if value not in (None, (), [], "", False)}
    try:
        access.record(lake.storage, command, given, rows=rows, export_id=export_id)
    except ArgoArchiveError as error:
        hint = "access_log = false in [audit] of the configuration file switches the access log off"
        diagnostics.warn(f"this access could not be recorded in the lake: {error.message}", hint)


def state_of(text: str | None) -> str | None:
    """``--as-of`` as the lake takes it: a time or an age as ISO 8601, anything else is an export id."""
    if text is None:
        return None
    try:
        return parse_time(text, datetime.now(UTC)).isoformat()
    except ConfigError:
        return text


def text_of(value: Any) -> Any:
    """Times as text, tuples as lists: for a record."""
    isoformat: Callable[[], str] | None = getattr(value, "isoformat", None)
    return isoformat() if isoformat else list(value) if isinstance(value, tuple) else value
