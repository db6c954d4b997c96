"""``audit verify`` of a bundle: the check that travels in it, with this package's own signatures and hashes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from kubectl_argo_archive.audit.bundle import check as bundle_check
from kubectl_argo_archive.audit.bundle import zip as bundle_zip
from kubectl_argo_archive.audit.canonical import document_hash
from kubectl_argo_archive.audit.dsse import Envelope
from kubectl_argo_archive.audit.files import DamagedFile, Files, MissingFile
from kubectl_argo_archive.audit.findings import Finding
from kubectl_argo_archive.audit.keys import KeyRing


def verify_bundle(files: Files, ring: KeyRing) -> tuple[list[Finding], dict[str, Any]]:
    """Check a bundle; returns what is wrong with it and what was looked at.

    Args:
        files: a folder or a zip.
        ring: the keys that may have signed.
    """
    checked = bundle_check.check(_Adapter(files), lambda content: _envelope(content, ring), document_hash)
    problems = list(checked.problems)
    problems += _container(files, checked.statement.get("container"))
    findings = [Finding(problem.kind, problem.object, problem.message) for problem in problems]  # type: ignore[arg-type]
    return findings, {**checked.counts, "selection": checked.statement.get("selection")}


def _container(files: Files, stated: Any) -> Iterator[bundle_check.Problem]:
    """The bytes of the zip around the files."""
    file = getattr(files, "file", None)
    if not isinstance(stated, dict) or file is None:
        return
    try:
        bundle_zip.check(file, int(stated["bytes"]), str(stated["sha256"]))
    except (bundle_zip.DamagedZip, KeyError, ValueError, TypeError) as error:
        yield bundle_check.Problem("modified", files.display.rpartition("/")[2], f"the zip: {error}")


class _Adapter:
    """Files of this package, as the check wants them."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def names(self) -> list[str]:
        """All of them."""
        return list(self._files.list())

    def chunks(self, name: str) -> Iterator[bytes]:
        """The bytes of one."""
        try:
            yield from self._files.chunks(name)
        except DamagedFile as error:
            raise OSError("its checksum in the zip is wrong") from error
        except MissingFile as error:
            raise OSError("there is no such file") from error


def _envelope(content: bytes, ring: KeyRing) -> tuple[str, dict[str, Any]]:
    envelope = Envelope.parse(content)
    statement = envelope.statement()
    if envelope.to_bytes() != content:  # another spelling of the same content
        return "bad", statement
    sealed = statement.get("predicate", {}).get("sealed_at")
    return envelope.check(ring, datetime.fromisoformat(sealed) if sealed else None), statement
