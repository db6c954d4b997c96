"""Writing evidence: lists and head first, the digest once and only if absent, the pointer last."""

from __future__ import annotations

from kubectl_argo_archive.audit.digest import Digest, latest_bytes, latest_name, name_of, sha256
from kubectl_argo_archive.audit.dsse import Subject
from kubectl_argo_archive.errors import LakeError
from kubectl_argo_archive.storage.filesystem import Storage
from kubectl_argo_archive.storage.translate import lost_race


def put(storage: Storage, name: str, content: bytes) -> Subject:
    """Write a file that a digest will name; what a seal that was cut off left there is replaced."""
    with storage.errors():
        storage.fs.pipe_file(storage.path(name), content)
    return Subject(name, sha256(content), len(content))


def create(storage: Storage, name: str, content: bytes) -> bool:
    """Write a file only if there is none; False if there is."""
    with storage.errors():
        try:
            with storage.fs.open(storage.path(name), "xb") as file:
                file.write(content)
        except FileExistsError:
            return False
        except OSError as error:
            if lost_race(error):
                return False
            raise
    return True


def write_digest(storage: Storage, digest: Digest, content: bytes, head: bytes) -> None:
    """Publish a digest: it exists from the moment that its own file does.

    Raises:
        LakeError: there is one of that number.
    """
    put(storage, name_of("heads", digest.cluster, digest.number), head)
    if not create(storage, digest.name, content):
        raise LakeError(f"{digest.name} exists: another seal was faster", "run 'audit verify', then seal again")
    put(storage, latest_name(digest.cluster), latest_bytes(digest.cluster, digest.number, content, head))
