"""Fill a release into krew's manifest.

    python scripts/render_krew.py v0.2.0 https://host/v0.2.0 dist/*.tar.gz > argo-archive.yaml

Every platform of ``plugin.yaml`` must find its archive among the files, under the name that its uri ends with.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

MANIFEST = Path(__file__).parent.parent / "plugin.yaml"


def render(manifest: str, version: str, base_url: str, archives: list[Path]) -> str:
    """The text of ``manifest`` with this release's version, addresses and checksums.

    Raises:
        ValueError: the version is no ``v1.2.3``, or a platform has no archive.
    """
    if not re.fullmatch(r"v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?", version):
        raise ValueError(f"{version} is not a version such as v1.2.3")
    files = {archive.name: archive for archive in archives}
    lines: list[str] = []
    checksum = ""
    for line in manifest.splitlines():
        key, colon, value = line.partition(":")
        match key.strip():
            case "version":
                line = f"{key}{colon} {version}"
            case "uri":
                name = value.strip().rpartition("/")[2]
                if name not in files:
                    raise ValueError(f"no archive {name} among the files")
                checksum = hashlib.sha256(files[name].read_bytes()).hexdigest()
                line = f"{key}{colon} {base_url.rstrip('/')}/{name}"
            case "sha256":
                line = f'{key}{colon} "{checksum}"'
        if not line.startswith("#"):
            lines.append(line)
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the manifest of a release."""
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    version, base_url, *archives = sys.argv[1:]
    try:
        sys.stdout.write(render(MANIFEST.read_text(), version, base_url, [Path(archive) for archive in archives]))
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
