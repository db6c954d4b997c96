"""The access log: who looked at audit data, when, and at what; written by the tool itself, into the lake.

    <lake>/audit/access/2026-11/20261123T160000.000000Z-3f9a2c1b.json      one JSON object, never changed

It is a record of honest use: somebody with the storage's own keys can read the lake without this tool, and the
storage's server log is the place to look for that.
"""

from __future__ import annotations

import getpass
import os
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubectl_argo_archive import __version__
from kubectl_argo_archive.audit import records_store
from kubectl_argo_archive.storage.filesystem import Storage

FOLDER = "audit/access"
COLUMNS = {
    "at": "When (UTC).", "command": "What was run.", "what": "What it was about, as JSON.",
    "rows": "How many records were given out; null if that is not known.", "os_user": "User of the machine.",
    "host": "Name of the machine.", "kube_user": "User of the kubeconfig's current context, as the file says.",
    "kube_context": "That context.", "kube_server": "Its API server.", "export_id": "State of the lake.",
    "tool_version": "Version of this tool.",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reader:
    """Who runs this process; what the machine and the kubeconfig say, nobody has checked it.

    Attributes:
        os_user: login name.
        host: name of the machine.
        kube_user: user of the current context, empty without a kubeconfig.
        kube_context: name of the current context.
        kube_server: its API server.
    """

    os_user: str
    host: str
    kube_user: str = ""
    kube_context: str = ""
    kube_server: str = ""

    @property
    def display(self) -> str:
        """For a record: ``alice@host (kube: bob)``."""
        return f"{self.os_user}@{self.host}" + (f" (kube: {self.kube_user})" if self.kube_user else "")


def whoami() -> Reader:
    """Who runs this process. Never fails: an access is recorded even where nobody has a name."""
    try:
        os_user = getpass.getuser()
    except (OSError, KeyError):
        os_user = f"uid {os.getuid()}"
    return Reader(os_user, socket.gethostname(), *_kube())


def record(
    storage: Storage, command: str, what: dict[str, Any], *, rows: int | None = None, export_id: str | None = None,
    reader: Reader | None = None,
) -> str:  # fmt: skip
    """Write down one access; returns the record's path.

    Args:
        storage: of the lake.
        command: what was run, ``audit report actions``.
        what: selection and options, without secrets.
        rows: how many records were given out.
        export_id: state of the lake.
        reader: who; None for this process.

    Raises:
        StorageError, StorageUnreachable, LakeError: it cannot be written.
    """
    now = datetime.now(UTC)
    entry = {"at": now.isoformat(), "command": command, "what": what, "rows": rows, "export_id": export_id,
             **asdict(reader or whoami()), "tool_version": __version__}  # fmt: skip
    return records_store.append(storage, FOLDER, entry, now)


def entries(storage: Storage, since: datetime | None = None, until: datetime | None = None) -> list[dict[str, Any]]:
    """The access log, oldest first, with the columns of :data:`COLUMNS`.

    Raises:
        StorageError, StorageUnreachable, LakeError: it cannot be read.
    """
    found = []
    for _, entry in records_store.read_all(storage, FOLDER):
        at = datetime.fromisoformat(str(entry["at"]))
        if (since is None or at >= since) and (until is None or at < until):
            found.append({name: entry.get(name) for name in COLUMNS})
    return sorted(found, key=lambda entry: str(entry["at"]))


def _kube() -> tuple[str, str, str]:
    """User, context and server of the kubeconfig, as kubectl would take them; empty if there is none."""
    import yaml

    paths = os.environ.get("KUBECONFIG") or "~/.kube/config"
    context = ""
    contexts: dict[str, Any] = {}
    clusters: dict[str, Any] = {}
    for path in paths.split(os.pathsep):
        try:
            value = yaml.safe_load(Path(path).expanduser().read_text(encoding="utf-8"))
            context = context or str(value.get("current-context") or "")
            for name, target in (("context", contexts), ("cluster", clusters)):
                for one in value.get(f"{name}s") or ():
                    target.setdefault(str(one["name"]), one[name])
        except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, KeyError, TypeError):
            continue  # the first file that says something wins, as in kubectl
    named = contexts.get(context) or {}
    server = (clusters.get(str(named.get("cluster"))) or {}).get("server")
    return str(named.get("user") or ""), context, str(server or "")
