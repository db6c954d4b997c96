"""Which archive a ``--source`` names."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from kubectl_argo_archive.archive.workflow_archive import WorkflowArchive
from kubectl_argo_archive.errors import ConfigError

_SCHEME = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*):(?P<rest>//.*)", re.I | re.S)
_POSTGRES = ("postgresql", "postgres")
# libpq's key=value form begins with one of its keywords; a file of that name would be odd, but wins
_KEYWORD = re.compile(
    r"\s*(?:host|hostaddr|port|dbname|user|password|passfile|service|options|application_name|target_session_attrs"
    r"|connect_timeout|ssl[a-z_]+|gssencmode|krbsrvname|channel_binding|require_auth)\s*="
)
_FORMS = "a source is postgresql://user@host:port/database, a file, a folder, a pattern, or - for standard input"
_DUMP_HINT = (
    "dump the workflows into a file: kubectl get workflows -A -o json > workflows.json; then --source workflows.json"
)


def open_archive(source: str, *, statement_timeout: float = 300.0, connect_timeout: int = 10) -> WorkflowArchive:
    """The archive that a source names; nothing is opened before its ``snapshot``.

    Args:
        source: ``postgresql://…``, libpq's ``key=value`` form, a file, ``file://…``, a folder, a pattern, or ``-``.
        statement_timeout: seconds that a key scan in a database may take.
        connect_timeout: seconds to wait for a database.

    Raises:
        ConfigError: it is none of these, or malformed.
    """
    if not source.strip():
        raise ConfigError("the source is empty", hint=_FORMS)
    scheme = _SCHEME.match(source)
    name = scheme["scheme"].lower() if scheme else ""
    if name in _POSTGRES or (not name and _KEYWORD.match(source) and not Path(source).exists()):
        from kubectl_argo_archive.archive.postgres import PostgresArchive

        return PostgresArchive(source, statement_timeout=statement_timeout, connect_timeout=connect_timeout)
    if not name or name == "file":
        from kubectl_argo_archive.archive.files import FilesArchive

        return FilesArchive([_local_path(source) if scheme else source])
    raise _unsupported(name)


def _local_path(url: str) -> str:
    host, slash, path = url.split("://", 1)[1].partition("/")
    if host not in ("", "localhost"):
        raise ConfigError(f"file://{host}/… is on another machine", hint=_FORMS)
    return unquote(slash + path)


def _unsupported(scheme: str) -> ConfigError:
    if scheme.startswith(("mysql", "mariadb")):
        return ConfigError("MySQL and MariaDB are not supported yet", hint=_DUMP_HINT)
    if scheme.startswith(tuple(f"{name}+" for name in _POSTGRES)):
        return ConfigError(f"{scheme}:// is SQLAlchemy's way to write it", hint="write postgresql://")
    return ConfigError(f"cannot read workflows from {scheme}://", hint=_FORMS)
