"""What a verifier remembers between runs, in a file of its own, so that the next run reads only what is new.

Whoever keeps the checkpoint where the lake's owner cannot write notices, too, when newest digests are replaced.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kubectl_argo_archive.audit.canonical import compact
from kubectl_argo_archive.audit.chain import Anchor
from kubectl_argo_archive.errors import ConfigError

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Seen:
    """A file that was good.

    Attributes:
        sha256: of its bytes.
        size: bytes.
        stamp: what the listing told then; see ``files.Stat``.
        number: of the digest that names it.
    """

    sha256: str
    size: int
    stamp: str
    number: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of the last good run.

    Attributes:
        location: where the lake was.
        anchors: per cluster, its newest digest.
        files: everything that digests had named.
        removed: those of them that need not be there any more.
        exports: export ids that were sealed.
    """

    location: str
    anchors: Mapping[str, Anchor]
    files: Mapping[str, Seen] = field(repr=False)
    removed: tuple[str, ...] = ()
    exports: tuple[str, ...] = ()

    def save(self, path: Path) -> None:
        """Write the file; it takes the old one's place when it is whole.

        Raises:
            ConfigError: it cannot be written.
        """
        value = {
            "format": FORMAT,
            "location": self.location,
            "clusters": {c: {"number": a.number, "sha256": a.sha256} for c, a in self.anchors.items()},
            "removed": list(self.removed),
            "exports": list(self.exports),
            "files": {name: [seen.sha256, seen.size, seen.stamp, seen.number] for name, seen in self.files.items()},
        }
        partial = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            partial.write_bytes(compact(value) + b"\n")
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise ConfigError(f"cannot write {path}: {error.strerror}", "check --checkpoint") from error


def load(path: Path) -> Checkpoint | None:
    """Read a checkpoint; None if there is none yet.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        value = json.loads(path.read_bytes())
        if value["format"] != FORMAT:
            raise ValueError("another format")
        return Checkpoint(
            str(value["location"]),
            {str(c): Anchor(int(a["number"]), str(a["sha256"])) for c, a in value["clusters"].items()},
            {str(name): Seen(*seen) for name, seen in value["files"].items()},
            tuple(value["removed"]),
            tuple(value["exports"]),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path} is no checkpoint that can be read", "name another file; without one everything is read"
        ) from error
