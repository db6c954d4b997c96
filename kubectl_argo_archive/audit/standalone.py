# ruff: noqa: T201, UP017
"""Checks evidence of kubectl argo-archive with nothing but Python and the package `cryptography`.

    python standalone.py inclusion PROOF.json --public-key KEY.pem [--document WORKFLOW.json]
    python standalone.py consistency PROOF.json --public-key KEY.pem
    python standalone.py chain FOLDER --public-key KEY.pem [--digests-only]

Says what it checked and ends with 0; or names what is wrong and ends with 3 (2: wrong usage). It shares no code with
the program that made the evidence: read it, it is short, and decide for yourself. The rules are in audit-format.md.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import hashlib
import json
import re
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

Keys = list[tuple[str, Ed25519PublicKey, "datetime | None", "datetime | None"]]
"""Key id, key, valid from, valid until."""


class Wrong(Exception):
    """The evidence does not hold."""


# --- the canonical hash of a document ---------------------------------------------------------------------------------


class _Digits(str):
    """A JSON number in canonical spelling."""


def _spell(text: str) -> _Digits:
    minus, rest = ("-", text[1:]) if text.startswith("-") else ("", text)
    mantissa, _, power = rest.replace("E", "e").partition("e")
    before, _, after = mantissa.partition(".")
    if len(power.lstrip("+-").lstrip("0")) > 18:
        raise ValueError("the exponent is too long")
    scale = (int(power) if power else 0) - len(after)  # value = digits × 10^scale
    digits = (before + after).lstrip("0")
    if not digits:
        return _Digits("0")
    scale += len(digits) - len(digits.rstrip("0"))
    digits = digits.rstrip("0")
    point = len(digits) + scale  # digits before the decimal point
    if point > 4300 or point <= -6:
        tail = "." + digits[1:] if digits[1:] else ""
        return _Digits(f"{minus}{digits[0]}{tail}e{'+' if point > 0 else '-'}{abs(point - 1)}")
    if scale >= 0:
        return _Digits(minus + digits + "0" * scale)
    padded = digits.rjust(1 - scale, "0")
    return _Digits(f"{minus}{padded[:scale]}.{padded[scale:]}")


_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _quote(text: str) -> str:
    def escape(found: re.Match[str]) -> str:
        return _SHORT.get(found[0]) or f"\\u{ord(found[0]):04x}"

    return '"' + re.sub('["\\\\\x00-\x1f\ud800-\udfff]', escape, text) + '"'


def _render(value: Any) -> str:
    if isinstance(value, _Digits):
        return str.__str__(value)
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, list):
        return "[" + ",".join([_render(item) for item in value]) + "]"
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join([_quote(name) + ":" + _render(value[name]) for name in names]) + "}"
    return {None: "null", True: "true", False: "false"}[value]


def _refuse(text: str) -> Any:
    raise ValueError(text + " is no JSON")


def canonical(document: bytes) -> bytes:
    """The canonical bytes of a JSON text; ValueError if it is none."""
    try:
        value = json.loads(document.decode("utf-8"), parse_int=_spell, parse_float=_spell, parse_constant=_refuse)
        return _render(value).encode("utf-8")
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def document_hash(document: bytes) -> tuple[str, str]:
    """SHA-256 of a document's canonical bytes and ``json``; of its own bytes and ``bytes`` if it is no JSON."""
    try:
        return hashlib.sha256(canonical(document)).hexdigest(), "json"
    except ValueError:
        return hashlib.sha256(document).hexdigest(), "bytes"


# --- the Merkle tree of RFC 6962 --------------------------------------------------------------------------------------


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_root(hashes: list[bytes]) -> bytes:
    """The root over leaf hashes."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    while len(hashes) > 1:
        pairs = [_node(hashes[i], hashes[i + 1]) for i in range(0, len(hashes) - 1, 2)]
        hashes = pairs + ([hashes[-1]] if len(hashes) % 2 else [])
    return hashes[0]


def root_from_inclusion(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root that an audit path leads to, computed from the top down; ValueError for a path of a wrong length."""
    if not 0 <= index < size:
        raise ValueError("the index lies outside the tree")
    if size == 1:
        if path:
            raise ValueError("the path is too long")
        return leaf
    if not path:
        raise ValueError("the path is too short")
    half = 1
    while half * 2 < size:
        half *= 2
    if index < half:
        return _node(root_from_inclusion(leaf, index, half, path[:-1]), path[-1])
    return _node(path[-1], root_from_inclusion(leaf, index - half, size - half, path[:-1]))


def roots_from_consistency(first: int, second: int, path: list[bytes], known: bytes) -> tuple[bytes, bytes]:
    """Both roots that a consistency proof leads to (RFC 6962, 2.1.2), given the root of the first tree."""

    def walk(old: int, new: int, whole: bool) -> tuple[bytes, bytes]:
        if old == new:
            root = known if whole else take()
            return root, root
        half = 1
        while half * 2 < new:
            half *= 2
        if old <= half:
            right = take()
            left_old, left_new = walk(old, half, whole)
            return left_old, _node(left_new, right)
        left = take()
        right_old, right_new = walk(old - half, new - half, False)
        return _node(left, right_old), _node(left, right_new)

    rest = list(path)

    def take() -> bytes:
        if not rest:
            raise ValueError("the proof is too short")
        return rest.pop()

    if not 0 < first <= second:
        raise ValueError("a proof needs 0 < first <= second")
    roots = walk(first, second, True)
    if rest:
        raise ValueError("the proof is too long")
    return roots


# --- signatures -------------------------------------------------------------------------------------------------------


def load_public_keys(*paths: str) -> Keys:
    """The Ed25519 keys in PEM files, each with the validity that stands before it."""
    found: Keys = []
    for path in paths:
        text = Path(path).read_text(encoding="utf-8")
        for head, pem in re.findall(
            r"((?:(?!-----).*\r?\n)*)(-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----)", text
        ):
            key = load_pem_public_key(pem.encode())
            if not isinstance(key, Ed25519PublicKey):
                raise Wrong(f"{path} holds a key that is not Ed25519")
            times = {word.lower(): _time(when) for word, when in re.findall(r"(?im)^Valid-(From|Until):\s*(\S+)", head)}
            raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
            named = f'{{"keytype":"ed25519","keyval":{{"public":"{raw.hex()}"}},"scheme":"ed25519"}}'
            found.append((hashlib.sha256(named.encode()).hexdigest(), key, times.get("from"), times.get("until")))
    if not found:
        raise Wrong("no public key found in " + ", ".join(paths))
    return found


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def check_envelope(envelope: bytes | dict[str, Any], keys: Keys) -> dict[str, Any]:
    """The in-toto statement in a DSSE envelope, if one of the keys has signed it; raises Wrong."""
    try:
        value = json.loads(envelope) if isinstance(envelope, bytes) else envelope
        payload = base64.b64decode(value["payload"], validate=True)
        kind = value["payloadType"].encode()
        statement: dict[str, Any] = json.loads(payload)
        signatures = [(one["keyid"], base64.b64decode(one["sig"], validate=True)) for one in value["signatures"]]
        at = statement["predicate"].get("sealed_at")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Wrong("not a signed statement") from error
    signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    if kind != b"application/vnd.in-toto+json" or statement.get("_type") != "https://in-toto.io/Statement/v1":
        raise Wrong("not an in-toto statement")
    good = False
    for key_id, signature in signatures:
        for name, key, since, until in keys:
            if name != key_id:
                continue
            try:
                key.verify(signature, signed)
            except InvalidSignature as error:
                raise Wrong("the signature is wrong: the statement was modified") from error
            if at and ((since and _time(at) < since) or (until and _time(at) >= until)):
                continue
            good = True
    if not good:
        raise Wrong("no trusted key has signed it (or none that was valid then)")
    return statement


# --- proofs and chains ------------------------------------------------------------------------------------------------


def check_inclusion(proof: dict[str, Any], keys: Keys, document: bytes | None = None) -> str:
    """That a workflow version is in a sealed tree, and that ``document`` is its JSON; raises Wrong."""
    head = check_envelope(proof["head"], keys)["predicate"]
    leaf = proof["leaf"]
    root = root_from_inclusion(
        leaf_hash(_leaf_line(leaf)),
        proof["index"],
        head["tree"]["size"],
        [bytes.fromhex(text) for text in proof["path"]],
    )
    if root.hex() != head["tree"]["root"] or leaf["cluster"] != head["cluster"]:
        raise Wrong("the path does not lead from the workflow to the signed root")
    told = f"{leaf['cluster']}/{leaf['uid']}/{leaf['version']} is in the tree of digest {head['number']}"
    if document is None:
        return told
    if document_hash(document) != (leaf["sha256"], leaf["form"]):
        raise Wrong("the document is not the one that was sealed")
    return told + ", and the document is the sealed one"


def _leaf_line(leaf: dict[str, Any]) -> bytes:
    return canonical(json.dumps(leaf).encode())


def check_consistency(proof: dict[str, Any], keys: Keys) -> str:
    """That one sealed tree is the beginning of another; raises Wrong."""
    old, new = (check_envelope(proof[name], keys)["predicate"] for name in ("first", "second"))
    sizes = old["tree"]["size"], new["tree"]["size"]
    path = [bytes.fromhex(text) for text in proof["path"]]
    if old["cluster"] != new["cluster"]:
        raise Wrong("the two trees are of different clusters")
    if sizes[0] == 0:
        roots = hashlib.sha256(b"").hexdigest(), new["tree"]["root"]
    else:
        found = roots_from_consistency(*sizes, path, bytes.fromhex(old["tree"]["root"]))
        roots = found[0].hex(), found[1].hex()
    if roots != (old["tree"]["root"], new["tree"]["root"]):
        raise Wrong("the older tree is not the beginning of the newer one")
    return f"digest {new['number']} ({sizes[1]} workflows) continues digest {old['number']} ({sizes[0]} workflows)"


def check_chain(folder: Path, keys: Keys, digests_only: bool = False) -> list[str]:
    """Everything that is wrong with a sealed lake or with its digests; an empty list if nothing is."""
    wrong: list[str] = []
    files: dict[str, str] = {}
    removed: set[str] = set()
    for chain in sorted((folder / "audit/digests").glob("cluster=*")):
        previous: str | None = None
        leaves: list[bytes] = []
        for number, path in enumerate(sorted(chain.glob("[0-9]*.json")), 1):
            content = path.read_bytes()
            try:
                statement = check_envelope(content, keys)
                stated = statement["predicate"]
                sealed = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
                if path.stem != f"{number:08}" or stated["number"] != number:
                    raise Wrong(f"digest {number} is missing or out of its place")
                if (stated["previous"] or {}).get("sha256") != previous:
                    raise Wrong("does not continue the digest before it")
                lines = (folder / stated["tree"]["leaves"]).read_bytes()
                if hashlib.sha256(lines).hexdigest() != sealed[stated["tree"]["leaves"]]:
                    raise Wrong("its leaves were modified")
                leaves += [leaf_hash(line) for line in gzip.decompress(lines).split(b"\n")[:-1]]
                if tree_root(leaves).hex() != stated["tree"]["root"] or len(leaves) != stated["tree"]["size"]:
                    raise Wrong("its leaves do not give its root")
                files.update(sealed)
                removed.update(stated["removed"])
            except (Wrong, OSError, EOFError, KeyError, ValueError) as error:
                wrong.append(f"{path.relative_to(folder)}: {error}")
            previous = hashlib.sha256(content).hexdigest()
    for name, sha256 in () if digests_only else sorted(files.items()):
        path = folder / name
        if not path.is_file():
            if name not in removed:
                wrong.append(f"{name}: missing")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            wrong.append(f"{name}: modified")
    return wrong if files or wrong else [f"{folder}: no digest found"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("inclusion", "consistency", "chain"))
    parser.add_argument("path", type=Path)
    parser.add_argument("--public-key", action="append", required=True, metavar="PEM")
    parser.add_argument("--document", type=Path, metavar="JSON")
    parser.add_argument("--digests-only", action="store_true")
    asked = parser.parse_args()
    try:
        keys = load_public_keys(*asked.public_key)
        if asked.what == "chain":
            wrong = check_chain(asked.path, keys, asked.digests_only)
            print("\n".join(wrong) if wrong else "the chain of digests and everything that it names are unchanged")
            return 3 if wrong else 0
        proof = json.loads(asked.path.read_bytes())
        if asked.what == "consistency":
            print(check_consistency(proof, keys))
        else:
            print(check_inclusion(proof, keys, asked.document.read_bytes() if asked.document else None))
    except Wrong as wrong_one:
        print(f"WRONG: {wrong_one}")
        return 3
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"WRONG: the evidence cannot be read: {error!r}")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
