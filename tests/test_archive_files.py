"""The archive in files: every form that a dump comes in, and every way in which one is broken."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from contract.archive_suite import ArchiveSuite, MakeArchive, documents, uids, workflow

from kubectl_argo_archive.archive.files import FilesArchive
from kubectl_argo_archive.archive.workflow_archive import Selection, WorkflowArchive
from kubectl_argo_archive.demo.argo_schema import NUL_ESCAPE, NUL_MARKER, marshal
from kubectl_argo_archive.errors import ArgoArchiveError, ConfigError, ExitCode, SourceError

Workflows = list[Mapping[str, Any]]


def row(given: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """The row that Argo's table has for a workflow."""
    metadata, status = given["metadata"], given["status"]
    return {
        "uid": metadata["uid"],
        "name": metadata["name"],
        "phase": status.get("phase", ""),
        "namespace": metadata["namespace"],
        "workflow": given,
        "startedat": "2026-03-01T09:00:00",
        "finishedat": "2026-03-01T10:00:00",
        "clustername": "default",
        "instanceid": "",
        **changes,
    }


def ndjson(workflows: Workflows) -> bytes:
    return "".join(marshal(w) + "\n" for w in workflows).encode()


def array(workflows: Workflows) -> bytes:
    return f"[{','.join(marshal(w) for w in workflows)}]\n".encode()


def kubectl_list(workflows: Workflows) -> bytes:
    items = ",\n        ".join(marshal(w) for w in workflows)
    head = '{\n    "apiVersion": "v1",\n    "items": [\n        '
    return f'{head}{items}\n    ],\n    "kind": "List",\n    "metadata": {{"resourceVersion": ""}}\n}}\n'.encode()


def argo_server_list(workflows: Workflows) -> bytes:
    items = ",".join(marshal(w) for w in workflows)
    return f'{{"metadata":{{"resourceVersion":"1","continue":"5"}},"items":[{items}]}}'.encode()


def pretty(workflows: Workflows) -> bytes:
    return "\n".join(json.dumps(w, indent=4) for w in workflows).encode()


def rows(workflows: Workflows) -> bytes:
    """``psql -Atc "select row_to_json(w) …"`` with the marker that Argo writes for NUL."""
    return "".join(marshal(row(w)) + "\n" for w in workflows).replace(NUL_ESCAPE, NUL_MARKER).encode()


def rows_of_text(workflows: Workflows) -> bytes:
    return "".join(json.dumps(row(w, workflow=marshal(w))) + "\n" for w in workflows).encode()


def rows_by_copy(workflows: Workflows) -> bytes:
    """The same rows by ``\\copy … to``, which doubles every backslash."""
    return rows(workflows).replace(b"\\", b"\\\\")


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue().to_pybytes())


class FilesSuite(ArchiveSuite):
    """One file; subclasses say how it is written."""

    name = "dump.json"

    def write(self, workflows: Workflows) -> bytes:
        raise NotImplementedError

    @pytest.fixture
    def make(self, tmp_path: Path) -> MakeArchive:
        def make(workflows: Iterable[Mapping[str, Any]]) -> WorkflowArchive:
            (tmp_path / self.name).write_bytes(self.write(list(workflows)))
            return FilesArchive([str(tmp_path / self.name)])

        return make


class TestNdjson(FilesSuite):
    name = "dump.ndjson"

    def write(self, workflows: Workflows) -> bytes:
        return ndjson(workflows)


class TestKubectlList(FilesSuite):
    def write(self, workflows: Workflows) -> bytes:
        return kubectl_list(workflows)


class TestRows(FilesSuite):
    def write(self, workflows: Workflows) -> bytes:
        return rows(workflows)


class TestRowsByCopy(FilesSuite):
    def write(self, workflows: Workflows) -> bytes:
        return rows_by_copy(workflows)


class TestGzip(FilesSuite):
    name = "dump.ndjson.gz"
    sorts = False

    def write(self, workflows: Workflows) -> bytes:
        return gzip.compress(rows(workflows))


class TestZstdArray(FilesSuite):
    sorts = False

    def write(self, workflows: Workflows) -> bytes:
        return zstd(array(workflows))


TRICKY = [
    workflow("é", labels={"a": "b"}, spec={"text": 'quote " backslash \\ newline \n tab \t brackets ]}[{ é € 😀'}),
    workflow("path", spec={"path": "C:\\dir\\new"}),
    workflow("plain"),
]


@pytest.mark.parametrize(
    "write", [ndjson, array, kubectl_list, argo_server_list, pretty, rows, rows_of_text, rows_by_copy]
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd, lambda d: gzip.compress(d[:99]) + gzip.compress(d[99:])])
@pytest.mark.parametrize("window", [1 << 20, 7])
def test_every_form_and_compression(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Workflows], bytes],
    pack: Callable[[bytes], bytes],
    window: int,
) -> None:
    monkeypatch.setattr("kubectl_argo_archive.archive.files_scan._READ_BYTES", window)
    (tmp_path / "dump").write_bytes(pack(write(TRICKY)))
    with FilesArchive([str(tmp_path / "dump")]).snapshot() as snapshot:
        keys = snapshot.keys()
        found = documents(snapshot.rows(None, batch_bytes=10_000))
        assert uids(snapshot.select(Selection(labels="a=b"))) == {"é"}
    assert set(found) == uids(keys) == {"é", "path", "plain"}
    for given in TRICKY:
        text = json.dumps(given, indent=4) if write is pretty else marshal(given)
        assert found[given["metadata"]["uid"]] == text.encode()


def test_the_samples_come_back_letter_by_letter(tmp_path: Path, samples: dict[str, Any]) -> None:
    for name, sample in samples.items():
        (tmp_path / f"{name}.json").write_text(sample.json)
    with FilesArchive([str(tmp_path)]).snapshot() as snapshot:
        found = documents(snapshot.rows(None, batch_bytes=1 << 20))
    written = {sample.json.strip().replace(NUL_MARKER, NUL_ESCAPE).encode() for sample in samples.values()}
    assert len(found) > len(samples) / 2  # some are the same workflow at two moments
    assert set(found.values()) <= written


def test_a_row_keeps_its_cluster_and_instance(tmp_path: Path) -> None:
    given = [
        row(workflow("a"), clustername="east", instanceid="blue"),
        row(workflow("a"), clustername="west"),
        workflow("b", labels={"workflows.argoproj.io/controller-instanceid": "green"}),
    ]
    with archive_of(tmp_path, *(marshal(g).encode() for g in given)).snapshot() as snapshot:
        keys = snapshot.keys().to_pylist()
        west = pa.Table.from_pylist([k for k in keys if k["cluster"] == "west"], snapshot.keys().schema)
        assert len(documents(snapshot.rows(west, batch_bytes=1000))) == 1
    found = {(key["cluster"], key["instance_id"], key["uid"]) for key in keys}
    assert found == {("east", "blue", "a"), ("west", "", "a"), ("default", "green", "b")}


def archive_of(folder: Path, *lines: bytes, name: str = "dump.ndjson") -> FilesArchive:
    (folder / name).write_bytes(b"\n".join(lines))
    return FilesArchive([str(folder / name)])


GOOD = [marshal(workflow(uid)).encode() for uid in ("a", "b")]
DEEP = b"[" * 10_000 + b"]" * 10_000
BROKEN = {
    "cut": marshal(workflow("x")).encode()[:-30],
    "cut in a text": b'{"metadata": {"name": "x',
    "no JSON": b"hello",
    "NUL bytes": b"\0\0\0\0",
    "NUL in a text": b'{"metadata": {"uid": "x\0"}}',
    "a number": b"42",
    "a text": b'"hello"',
    "null": b"null",
    "empty object": b"{}",
    "no uid": b'{"metadata": {"name": "n"}, "spec": {}, "status": {}}',
    "uid is no text": b'{"metadata": {"uid": 5}}',
    "metadata is no object": b'{"metadata": ["x"], "status": 5}',
    "unbalanced": b'{"metadata": {"name": "x"}}}',
    "deep and cut": b'{"spec": ' + DEEP[:-5],
}


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("name", ["dump.ndjson", "dump.json"])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_broken_line_is_a_row_of_its_own(tmp_path: Path, what: str, name: str, at: int) -> None:
    lines = [*GOOD[:at], BROKEN[what], *GOOD[at:]]
    with archive_of(tmp_path, *lines, name=name).snapshot() as snapshot:
        keys = snapshot.keys()
        found = documents(snapshot.rows(None, batch_bytes=100_000))
    assert {"a", "b"} <= uids(keys)
    others = {uid: text for uid, text in found.items() if uid not in ("a", "b")}
    assert all(uid.startswith("file:") or what == "cut" for uid in others)
    assert b"".join(sorted(others.values())).strip() in (BROKEN[what], b'{"metadata": {"name": "x"}}}')
    assert set(keys["uid"].to_pylist()) == set(found)


def test_the_key_of_a_broken_document_is_what_can_be_read_before_the_mistake(tmp_path: Path) -> None:
    cut_row = marshal(row(workflow("in-row"))).encode()[:200]
    cut_document = b'{"metadata": {"uid": "before", "name": "n", "namespace": "ns"}, "status": {"phase": '
    with archive_of(tmp_path, cut_row, cut_document).snapshot() as snapshot:
        keys = {key["uid"]: key for key in snapshot.keys().to_pylist()}
        found = documents(snapshot.rows(None, batch_bytes=1000))
    assert found == {"in-row": cut_row, "before": cut_document}
    assert keys["in-row"]["phase"] == "Succeeded"
    assert (keys["before"]["namespace"], keys["before"]["name"], keys["before"]["phase"]) == ("ns", "n", None)


def test_a_document_that_is_nested_too_deeply_is_found_by_its_metadata(tmp_path: Path) -> None:
    deep = b'{"spec": {"x": ' + DEEP + b'}, "metadata": {"uid": "deep", "labels": {"a": "b"}}}'
    deep_row = b'{"uid": "row", "clustername": "c", "workflow": {"spec": ' + DEEP + b"}}"
    with archive_of(tmp_path, deep, deep_row, *GOOD).snapshot() as snapshot:
        assert uids(snapshot.select(Selection(labels="a=b"))) == {"deep"}
        found = documents(snapshot.rows(None, batch_bytes=100_000))
    assert found["deep"] == deep
    assert found["row"] == b'{"spec": ' + DEEP + b"}"


def test_a_large_document_is_found_without_decoding_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubectl_argo_archive.archive.files_scan.LARGE_CHARS", 5000)
    nodes = {f"n-{n}": {"id": f"n-{n}", "phase": "Failed"} for n in range(1000)}
    large = workflow("large", labels={"a": "b"}, status={"nodes": nodes})
    lines = [marshal(large), marshal(row({**large, "metadata": {**large["metadata"], "uid": "x"}}, uid="row"))]
    with archive_of(tmp_path, *GOOD, *(line.encode() for line in lines)).snapshot() as snapshot:
        keys = {key["uid"]: key for key in snapshot.keys().to_pylist()}
        assert uids(snapshot.select(Selection(labels="a=b"))) == {"large", "row"}
        found = documents(snapshot.rows(None, batch_bytes=1000))
    assert {key["phase"] for key in keys.values()} == {"Succeeded"}
    assert found["large"] == lines[0].encode()
    assert json.loads(found["row"])["status"]["nodes"] == nodes


def test_bytes_that_are_no_utf8_pass_as_they_are(tmp_path: Path) -> None:
    odd = b'{"metadata": {"uid": "odd", "name": "\xff\xfe"}, "status": {"message": "\xc3"}}'
    surrogate = b'{"metadata": {"uid": "\\ud800", "name": "n"}}'
    odd_row = b'{"uid": "row", "workflow": {"x": "\xff"}}'
    with archive_of(tmp_path, odd, surrogate, odd_row).snapshot() as snapshot:
        names = {key["uid"]: key["name"] for key in snapshot.keys().to_pylist()}
        found = documents(snapshot.rows(None, batch_bytes=1000))
    assert found == {"odd": odd, "?": surrogate, "row": b'{"x": "\xff"}'}
    assert names["odd"] == "??"


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n  \n"])
def test_line_ends_and_a_byte_order_mark(tmp_path: Path, end: bytes) -> None:
    (tmp_path / "dump.json").write_bytes(b"\xef\xbb\xbf" + GOOD[0] + b"\r\n\r\n" + GOOD[1] + end)
    with FilesArchive([str(tmp_path / "dump.json")]).snapshot() as snapshot:
        assert list(documents(snapshot.rows(None, batch_bytes=1000)).values()) == GOOD


def test_a_broken_element_of_a_list_does_not_take_the_others_along(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_bytes(b'{"items": [' + GOOD[0] + b', {"metadata": nul}, oops, ' + GOOD[1] + b"]}")
    with FilesArchive([str(tmp_path / "list.json")]).snapshot() as snapshot:
        found = documents(snapshot.rows(None, batch_bytes=1000))
    assert set(found.values()) == {*GOOD, b'{"metadata": nul}', b"oops"}


def test_a_list_that_was_cut_keeps_what_was_whole(tmp_path: Path) -> None:
    text = kubectl_list([workflow(uid) for uid in "abc"])
    (tmp_path / "list.json").write_bytes(text[: text.index(b"wf-c")])
    with FilesArchive([str(tmp_path / "list.json")]).snapshot() as snapshot:
        assert {"a", "b"} < uids(snapshot.keys())
        assert len(snapshot.keys()) == 3


def test_of_the_same_uid_the_newest_counts(tmp_path: Path) -> None:
    def version(uid: str, resource_version: str | None, day: int, note: str) -> bytes:
        document = workflow(uid, finished_at=f"2026-03-{day:02}T00:00:00Z", spec={"note": note})
        document["metadata"]["resourceVersion"] = resource_version
        return marshal(document).encode()

    lines = [
        version("a", "100", 1, "newest"), version("a", "99", 2, "old"),
        version("b", None, 2, "newest"), version("b", None, 1, "old"),
        version("c", "5", 1, "first"), version("c", "5", 1, "newest"),
    ]  # fmt: skip
    archive = archive_of(tmp_path, *lines)
    with archive.snapshot() as snapshot:
        keys = snapshot.keys()
        found = documents(snapshot.rows(keys, batch_bytes=1000))
    assert uids(keys) == {"a", "b", "c"}
    assert {json.loads(text)["spec"]["note"] for text in found.values()} == {"newest"}


def test_a_broken_document_neither_replaces_a_sound_one_nor_vanishes(tmp_path: Path) -> None:
    cuts = [GOOD[0][:-5], GOOD[0][:-9]]
    with archive_of(tmp_path, cuts[0], GOOD[0], cuts[1], GOOD[1], cuts[1]).snapshot() as snapshot:
        found = documents(snapshot.rows(None, batch_bytes=1000))
        assert set(found) == uids(snapshot.keys())
    assert found["a"] == GOOD[0]
    assert set(found.values()) == {*GOOD, *cuts}


def test_the_revision_is_the_content(tmp_path: Path) -> None:
    with archive_of(tmp_path, *GOOD).snapshot() as snapshot:
        revisions = {key["uid"]: key["revision"] for key in snapshot.keys().to_pylist()}
    assert revisions == {uid: hashlib.sha256(line).hexdigest()[:32] for uid, line in zip("ab", GOOD, strict=True)}


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_damaged_compression_is_reported_by_a_row_and_the_rest_is_read(
    tmp_path: Path, pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubectl_argo_archive.archive.files_scan._READ_BYTES", 1 << 16)
    lines = [marshal(workflow(f"{n}", spec={"x": os.urandom(3000).hex()})).encode() for n in range(1000)]
    packed = pack(b"\n".join(lines))
    (tmp_path / "cut.ndjson.gz").write_bytes(packed[: len(packed) // 2])
    with FilesArchive([str(tmp_path)]).snapshot() as snapshot:
        keys = snapshot.keys().to_pylist()
        found = documents(snapshot.rows(None, batch_bytes=100_000))
    assert set(found) == {key["uid"] for key in keys}
    assert set(lines) & set(found.values())
    (report,) = (key for key in keys if "damaged" in (key["name"] or ""))
    assert found[report["uid"]] == b""


def test_a_folder_gives_all_its_dumps(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    for name, uid in (("a.json", "a"), ("deep/b.NDJSON", "b"), ("deep/er/c.jsonl.zst", "c")):
        text = marshal(workflow(uid)).encode()
        (tmp_path / name).write_bytes(zstd(text) if name.endswith("zst") else text)
    for name in ("readme.md", ".hidden/d.json", ".e.json"):
        (tmp_path / name).write_text("not a dump")
    with FilesArchive([str(tmp_path)]).snapshot() as snapshot:
        assert uids(snapshot.keys()) == {"a", "b", "c"}
        assert len(documents(snapshot.rows(None, batch_bytes=1000))) == 3
    for pattern in ("*.json", "**/*.json*"):
        with FilesArchive([str(tmp_path / pattern), str(tmp_path / "a.json")]).snapshot() as snapshot:
            assert "a" in uids(snapshot.keys())


def test_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(b"\n".join(GOOD)))))
    with FilesArchive(["-"]).snapshot() as snapshot:
        assert uids(snapshot.keys()) == {"a", "b"}
        assert len(documents(snapshot.rows(None, batch_bytes=1000))) == 2
        assert snapshot.info.source_id == "file:-"
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())


def test_the_source_is_known_by_its_place_and_never_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    archive_of(tmp_path, *GOOD)
    with FilesArchive(["dump.ndjson"]).snapshot() as snapshot:
        info = snapshot.info
    assert (info.display, info.source_id, info.complete) == ("dump.ndjson", f"file:{tmp_path / 'dump.ndjson'}", False)


def error_of(source: str | Path) -> ArgoArchiveError:
    with pytest.raises(ArgoArchiveError) as caught, FilesArchive([str(source)]).snapshot() as snapshot:
        snapshot.keys()
    return caught.value


def test_no_such_file(tmp_path: Path) -> None:
    for name in ("missing.json", "*.json"):
        error = error_of(tmp_path / name)
        assert isinstance(error, ConfigError)
        assert error.exit_code is ExitCode.USAGE
        assert error.hint


def test_a_folder_without_dumps(tmp_path: Path) -> None:
    error = error_of(tmp_path)
    assert isinstance(error, SourceError)
    assert ".ndjson" in (error.hint or "")


def test_other_kubernetes_objects_are_left_out_and_a_dump_of_only_those_is_an_error(tmp_path: Path) -> None:
    others = [b'{"kind": "Pod", "metadata": {"uid": "p"}}', b'{"kind": "CronWorkflow", "metadata": {"uid": "c"}}']
    with archive_of(tmp_path, *others, *GOOD).snapshot() as snapshot:
        assert uids(snapshot.keys()) == {"a", "b"}
    archive_of(tmp_path, *others)
    error = error_of(tmp_path / "dump.ndjson")
    assert isinstance(error, SourceError)
    assert "1 Pod, 1 CronWorkflow" in error.message


def test_a_file_that_is_no_text_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubectl_argo_archive.archive.files_scan.MAX_BROKEN_BYTES", 1 << 16)
    (tmp_path / "video.json").write_bytes(b"\x00\x01video" * 500_000)
    error = error_of(tmp_path / "video.json")
    assert isinstance(error, SourceError)
    assert "no JSON from byte 0 on" in error.message


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    with archive_of(tmp_path, *GOOD).snapshot() as snapshot:
        keys = snapshot.keys()
        archive_of(tmp_path, *GOOD, b"{}")
        with pytest.raises(SourceError, match="changed while it was read"):
            list(snapshot.rows(keys, batch_bytes=1000))
