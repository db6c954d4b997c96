"""Packed and off-loaded nodes come back, and nothing else in the document changes."""

from __future__ import annotations

import base64
import json

import pyarrow as pa
import pytest

from kubectl_argo_archive.archive.hydrate import inline_compressed, inline_offloaded, offload_version

NODES = '{"n-1": {"id": "n-1", "big": 123456789012345678901234567890, "one": 1.0, "e": "\\u00e9 é"}}'
BEFORE = '{"metadata": {"x": 1.10}, "status" : { "phase":"Failed", '
AFTER = ' , "progress" : "1/1"}, "spec":{"n": 1e400}}'


def packed(text: str, codec: str = "gzip") -> str:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, codec) as stream:
        stream.write(text.encode())
    return base64.b64encode(sink.getvalue().to_pybytes()).decode()


def document(member: str) -> bytes:
    return f"{BEFORE}{member}{AFTER}".encode()


@pytest.mark.parametrize("codec", ["gzip", "zstd", "brotli"])
def test_compressed_nodes_are_unpacked_and_all_other_text_is_kept(codec: str) -> None:
    found = inline_compressed(document(f'"compressedNodes": "{packed(NODES, codec)}"'))
    assert (
        found
        == (
            '{"metadata": {"x": 1.10}, "status" : { "phase":"Failed","progress" : "1/1","nodes":' + NODES + "}, "
            '"spec":{"n": 1e400}}'
        ).encode()
    )


def test_unpacked_nodes_replace_empty_ones() -> None:
    found = json.loads(inline_compressed(document(f'"nodes": {{}}, "compressedNodes": "{packed(NODES)}"')))
    assert found["status"]["nodes"] == json.loads(NODES)


@pytest.mark.parametrize(
    "member",
    [
        '"compressedNodes": "no base64!"',
        '"compressedNodes": "bm8gZ3ppcA=="',
        '"compressedNodes": ""',
        '"compressedNodes": null',
        '"compressedNodes": 5',
        f'"compressedNodes": "{packed("[1]")}"',
        f'"compressedNodes": "{packed(NODES[:-5])}"',
        f'"compressedNodes": "{packed(NODES)[:-12]}"',
        f'"message": "\\"compressedNodes\\": {packed(NODES)}"',
        '"nodes": {"compressedNodes": "x"}',
        '"compressedNodes": "x',
    ],
)
def test_what_cannot_be_unpacked_stays_as_it_is(member: str) -> None:
    assert inline_compressed(document(member)) == document(member)


@pytest.mark.parametrize("text", [b"", b"[]", b'{"status": "compressedNodes"}', b'{"a": "\xff"}', b"{}"])
def test_other_documents_stay_as_they_are(text: bytes) -> None:
    assert inline_compressed(text) == text
    assert offload_version(text) is None
    assert inline_offloaded(text, b"{") == text


def test_a_bomb_is_not_unpacked() -> None:
    bomb = document(f'"compressedNodes": "{packed(json.dumps({"n": "0" * 50_000_000}))}"')
    assert len(bomb) < 100_000
    assert inline_compressed(bomb, max_bytes=10_000_000) == bomb


@pytest.mark.parametrize(
    ("member", "version"),
    [
        ('"offloadNodeStatusVersion": "fnv:7"', "fnv:7"),
        ('"offloadNodeStatusVersion": "fnv:7", "nodes": {}', "fnv:7"),
        ('"offloadNodeStatusVersion": "fnv:7", "nodes": null', "fnv:7"),
        ('"offloadNodeStatusVersion": "fnv:7", "nodes": {"n": {}}', None),
        ('"offloadNodeStatusVersion": ""', None),
        ('"offloadNodeStatusVersion": 7', None),
        ('"message": "offloadNodeStatusVersion"', None),
    ],
)
def test_offload_version(member: str, version: str | None) -> None:
    assert offload_version(document(member)) == version


def test_offloaded_nodes_are_inlined() -> None:
    found = inline_offloaded(document('"offloadNodeStatusVersion": "fnv:7", "nodes": null'), NODES.encode())
    assert NODES in found.decode()
    assert json.loads(found)["status"].keys() == {"phase", "progress", "nodes"}
