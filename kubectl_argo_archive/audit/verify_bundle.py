# ruff: noqa: T201
"""Checks a bundle of kubectl argo-archive with nothing but Python and the package `cryptography`.

    python verify_bundle.py FOLDER-OR-ZIP --public-key KEY.pem

Says what it checked and ends with 0; or names what is wrong and ends with 3 (2: wrong usage). The files beside it
are all that it needs: bundle_check.py compares files and proofs, standalone.py checks signatures and hashes documents.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.dont_write_bytecode = True  # a check must not add files to what it checks
sys.path.insert(0, str(Path(__file__).resolve().parent))

# they lie beside this file, and are no part of an installed package
import bundle_check  # type: ignore[import-not-found]  # noqa: E402
import bundle_zip  # type: ignore[import-not-found]  # noqa: E402
import standalone  # type: ignore[import-not-found]  # noqa: E402


class Folder:
    """A bundle that was unpacked."""

    def __init__(self, path: str) -> None:
        self.root = Path(path)

    def names(self) -> list[str]:
        return [path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file()]

    def chunks(self, name: str) -> Iterator[bytes]:
        with open(self.root / name, "rb") as file:
            while chunk := file.read(1 << 20):
                yield chunk


class Zip:
    """A bundle as it was given."""

    def __init__(self, path: str) -> None:
        self.zip = zipfile.ZipFile(path)

    def names(self) -> list[str]:
        return self.zip.namelist()

    def chunks(self, name: str) -> Iterator[bytes]:
        try:
            with self.zip.open(name) as file:
                while chunk := file.read(1 << 20):
                    yield chunk
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, KeyError) as error:
            raise OSError(str(error)) from error


def envelope(content: bytes, keys: Any) -> tuple[str, dict[str, Any]]:
    """What the signatures of an envelope are worth, and its statement; ValueError if it is none."""
    value = json.loads(content)
    statement = json.loads(base64.b64decode(value["payload"], validate=True))
    if _spelled(value) != content:  # another spelling of the same content
        return "bad", statement
    try:
        standalone.check_envelope(content, keys)
    except standalone.Wrong:
        known = {key[0] for key in keys}
        signed = {signature["keyid"] for signature in value["signatures"]}
        return ("bad" if known & signed else "unknown key"), statement
    return "good", statement


def _spelled(value: dict[str, Any]) -> bytes:
    signatures = [{"keyid": one["keyid"], "sig": _again(one["sig"])} for one in value["signatures"]]
    whole = {"payload": _again(value["payload"]), "payloadType": value["payloadType"], "signatures": signatures}
    return json.dumps(whole, separators=(",", ":")).encode() + b"\n"


def _again(text: str) -> str:
    return base64.b64encode(base64.b64decode(text, validate=True)).decode()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Checks a bundle of kubectl argo-archive.")
    parser.add_argument("bundle", help="the zip, or the folder that it was unpacked to")
    parser.add_argument("--public-key", action="append", required=True, help="PEM file of who signed; may be repeated")
    given = parser.parse_args()
    keys = standalone.load_public_keys(*given.public_key)
    problems = []
    try:
        files = Folder(given.bundle) if Path(given.bundle).is_dir() else Zip(given.bundle)
        checked = bundle_check.check(files, lambda content: envelope(content, keys), standalone.document_hash)
        problems += checked.problems
        container = checked.statement.get("container")
        if Path(given.bundle).is_file() and container:
            with open(given.bundle, "rb") as file:
                bundle_zip.check(file, container["bytes"], container["sha256"])
    except bundle_zip.DamagedZip as error:
        problems.append(("modified", Path(given.bundle).name, f"the zip: {error}"))
    except (OSError, zipfile.BadZipFile) as error:
        print(f"modified: {given.bundle}: cannot be read: {error}")
        return 3
    for kind, name, message in problems:
        print(f"{kind}: {name}: {message}")
    if problems:
        print(f"NOT as it was signed: {len(problems)} problems, the first one is nearest to the cause")
        return 3
    c = checked.counts
    print(f"good: {c['files']} files and {c['records']} records are as they were signed; "
          f"{c['proven']} records proven by signed digests, {c['masked']} masked, {c['withheld']} proofs withheld, "
          f"{c['unsealed']} not sealed yet")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
