"""Leaves of the tree: one line of canonical JSON per workflow version; the leaf's hash is over exactly that line."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Literal

from kubectl_argo_archive.audit.canonical import Form, document_hash
from kubectl_argo_archive.audit.merkle import leaf_hash

Origin = Literal["raw", "quarantine"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """What the tree says about one workflow version.

    Attributes:
        cluster: Argo's cluster name.
        uid: of the workflow.
        version: of the workflow in the lake, from 1.
        origin: the table that holds its JSON.
        sha256: canonical hash of its JSON.
        form: ``json``, or ``bytes`` if it is no JSON.
    """

    cluster: str
    uid: str
    version: int
    origin: Origin
    sha256: str
    form: Form = "json"

    @classmethod
    def of(cls, cluster: str, uid: str, version: int, origin: Origin, document: bytes) -> Leaf:
        """The leaf of a document."""
        sha256, form = document_hash(document)
        return cls(cluster, uid, version, origin, sha256, form)

    @property
    def key(self) -> tuple[str, str, int, Origin]:
        """What is unique in the lake."""
        return self.cluster, self.uid, self.version, self.origin

    def line(self) -> bytes:
        """The leaf's bytes: canonical JSON, without a line break."""
        return (
            f'{{"cluster":{encode_basestring(self.cluster)},"form":"{self.form}","sha256":"{self.sha256}",'
            f'"table":"{self.origin}","uid":{encode_basestring(self.uid)},"version":{self.version}}}'
        ).encode()

    def hash(self) -> bytes:
        """The leaf's hash in the tree."""
        return leaf_hash(self.line())

    @classmethod
    def parse(cls, line: bytes) -> Leaf:
        """Read a line.

        Raises:
            ValueError: it is no leaf, or not spelled as leaves are.
        """
        try:
            value = json.loads(line)
            leaf = cls(value["cluster"], value["uid"], value["version"], value["table"], value["sha256"], value["form"])
            if leaf.line() != line:
                raise ValueError("not spelled as leaves are")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError("not a leaf") from error
        return leaf


def pack(lines: Iterable[bytes]) -> bytes:
    """A leaves file: the lines, compressed; equal lines give equal bytes."""
    target = io.BytesIO()
    with gzip.GzipFile(fileobj=target, mode="wb", compresslevel=6, mtime=0) as file:
        for line in lines:
            file.write(line + b"\n")
    return target.getvalue()


def unpack(content: bytes) -> list[bytes]:
    """The lines of a leaves file.

    Raises:
        ValueError: it is damaged.
    """
    try:
        text = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError("not a leaves file") from error
    if text and not text.endswith(b"\n"):
        raise ValueError("the last line is cut off")
    return text.split(b"\n")[:-1]


def hashes(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The leaf hashes of lines."""
    return map(leaf_hash, lines)
