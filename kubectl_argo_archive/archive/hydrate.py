"""Nodes that are not where they belong: compressed inside the status, or off-loaded to another table. Pure.

Argo resolves both before it archives a workflow, so this is for rows written by older releases, by other
tools, and for live objects in files. The rest of the document is kept letter by letter.
"""

from __future__ import annotations

import base64
import binascii

import pyarrow as pa

from kubectl_argo_archive.archive.json_text import Member, after_space, decode, members

COMPRESSED = b'"compressedNodes"'
"""Occurs in every document with compressed nodes."""

OFFLOADED = b'"offloadNodeStatusVersion"'
"""Occurs in every document whose nodes lie in the off-load table."""

MAX_NODES_BYTES = 1 << 30
"""Compressed nodes that would become larger than this are left alone: they may be a bomb."""

_CHUNK_BYTES = 1 << 22
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


def inline_compressed(document: bytes, *, max_bytes: int = MAX_NODES_BYTES) -> bytes:
    """The document with ``status.compressedNodes`` unpacked to ``status.nodes``.

    It comes back unchanged if it has none, or if they cannot be unpacked.
    """
    try:
        text = document.decode()
        status = _status(text)
        packed = status["compressedNodes"].value if "compressedNodes" in status else None
        if not isinstance(packed, str) or not packed:
            return document
        return _with_nodes(text, status, _unpack(packed, max_bytes).decode())
    except (ValueError, pa.ArrowException, OSError):
        return document


def offload_version(document: bytes) -> str | None:
    """The version under which the nodes lie in the off-load table; None if they are in the document."""
    try:
        status = _status(document.decode())
    except ValueError:
        return None
    version = status["offloadNodeStatusVersion"].value if "offloadNodeStatusVersion" in status else None
    has_nodes = "nodes" in status and status["nodes"].value
    return version if isinstance(version, str) and version and not has_nodes else None


def inline_offloaded(document: bytes, nodes: bytes) -> bytes:
    """The document with these nodes; unchanged if either is not JSON."""
    try:
        text = document.decode()
        return _with_nodes(text, _status(text), nodes.decode())
    except ValueError:
        return document


def _unpack(packed: str, max_bytes: int) -> bytes:
    """Base64, then gzip or zstd by their magic bytes, else brotli, as Argo itself tells them apart."""
    try:
        raw = base64.b64decode(packed, validate=True)
    except binascii.Error as e:
        raise ValueError("not base64") from e
    codec = next((name for magic, name in _MAGIC.items() if raw.startswith(magic)), "brotli")
    unpacked = bytearray()
    with pa.CompressedInputStream(pa.BufferReader(raw), codec) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            unpacked += chunk
            if len(unpacked) > max_bytes:
                raise ValueError("larger than allowed")
    return bytes(unpacked)


def _status(text: str) -> dict[str, Member]:
    """The members of ``status``; of a repeated name the last one counts, as in every JSON reader."""
    status = None
    for member in members(text, 0):
        if member.key == "status":
            status = member
    if status is None or text[status.value_start] != "{":
        return {}
    return {member.key: member for member in members(text, status.value_start)}


def _with_nodes(text: str, status: dict[str, Member], nodes: str) -> bytes:
    value, end = decode(nodes, after_space(nodes, 0))
    if not isinstance(value, dict) or after_space(nodes, end) != len(nodes):
        raise ValueError("nodes are no JSON object")
    dropped = ("nodes", "compressedNodes", "offloadNodeStatusVersion")
    kept = [text[m.start : m.end] for m in status.values() if m.key not in dropped]
    begin = min(m.start for m in status.values())
    end = max(m.end for m in status.values())
    return (text[:begin] + ",".join([*kept, f'"nodes":{nodes}']) + text[end:]).encode()
