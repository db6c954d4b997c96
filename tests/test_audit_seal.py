"""What a seal states, and what it refuses to sign."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, WriterProperties
from fixtures.audit import SealedLake, documents, files_of, make_keys, write_documents
from fixtures.lakes import export_to, rows
from fixtures.servers import S3, ArchiveDb

from kubectl_argo_archive.audit.digest import Digest, Head, name_of, sha256
from kubectl_argo_archive.audit.dsse import Envelope
from kubectl_argo_archive.audit.keys import load_keys, load_signer
from kubectl_argo_archive.audit.leaves import Leaf, unpack
from kubectl_argo_archive.audit.merkle import Tree
from kubectl_argo_archive.audit.seal.gaps import gaps
from kubectl_argo_archive.audit.seal.seal import Erasure, Request, seal
from kubectl_argo_archive.audit.verify import verify
from kubectl_argo_archive.connect import open_evidence, open_lake, open_source
from kubectl_argo_archive.errors import LakeError
from kubectl_argo_archive.tables.log_schema import LOG_OBJECTS


def digest_of(lake: Path, number: int, cluster: str = "default") -> Digest:
    return Digest.parse(Envelope.parse((lake / name_of("digests", cluster, number)).read_bytes()))


def test_a_digest_says_what_the_lake_holds(sealed: SealedLake) -> None:
    found = [digest_of(sealed.path, number) for number in (1, 2, 3, 4)]
    assert [digest.tree.size for digest in found] == [24, 35, 35, 39]
    assert [len(digest.predicate["exports"]) for digest in found] == [1, 1, 0, 1]
    assert [digest.predicate["reconciliation"]["result"] for digest in found] == ["equal"] * 4
    assert found[2].subjects[0].name == name_of("leaves", "default", 3), "an empty window, and still a digest"
    workflows = rows(sealed.path, "workflows", "namespace", "phase")
    counted = Counter(workflows)
    assert {
        (n, p): c for n, phases in found[3].predicate["counts"]["versions"].items() for p, c in phases.items()
    } == dict(counted)
    lake, database = (found[3].predicate["counts"][name] for name in ("lake", "database"))
    assert lake == database
    assert sum(sum(phases.values()) for phases in lake.values()) == 37
    window = found[3].predicate["counts"]["window"]
    assert sum(sum(phases.values()) for phases in window.values()) == 4


def test_every_file_of_the_lake_is_named_as_it_is(sealed: SealedLake) -> None:
    named = {s.name: s for number in (1, 2, 3, 4) for s in digest_of(sealed.path, number).subjects}
    there = {str(p.relative_to(sealed.path)): p for p in sealed.path.rglob("*") if p.is_file()}
    own = {name for name in there if name.startswith(("audit/digests/", "audit/heads/"))}
    assert named.keys() == there.keys() - own
    for name, subject in named.items():
        content = there[name].read_bytes()
        assert (sha256(content), len(content)) == (subject.sha256, subject.size), name


def test_leaves_are_the_documents_of_the_lake(sealed: SealedLake) -> None:
    expected = {
        Leaf.of(row["cluster"], row["uid"], row["version"], table, row["json"].encode())  # type: ignore[arg-type]
        for table in ("raw", "quarantine")
        for row in rows(sealed.path, table)
    }
    lines = [
        line for n in (1, 2, 3, 4) for line in unpack((sealed.path / name_of("leaves", "default", n)).read_bytes())
    ]
    assert {Leaf.parse(line) for line in lines} == expected
    assert len(lines) == len(expected) == 39
    assert Tree().append(Leaf.parse(line).hash() for line in lines) == digest_of(sealed.path, 4).tree


def test_the_chain(sealed: SealedLake) -> None:
    for number in (2, 3, 4):
        before, digest = digest_of(sealed.path, number - 1), digest_of(sealed.path, number)
        content = (sealed.path / before.name).read_bytes()
        signature = Envelope.parse(content).signatures[0]
        assert digest.previous == {
            "name": before.name, "number": number - 1, "sha256": sha256(content),
            "signatures": [{"keyid": signature.key_id, "sig": signature.signature.hex()}],
        }  # fmt: skip
        assert digest.window_from == before.window_until
        head = Head.parse(Envelope.parse((sealed.path / name_of("heads", "default", number)).read_bytes()))
        assert (head.size, head.root) == (digest.tree.size, digest.tree.root.hex())


def test_equal_lakes_give_equal_trees(sealed: SealedLake, tmp_path: Path) -> None:
    """Another export of the same workflows, shuffled, gives the same set of leaves."""
    lake = tmp_path / "lake"
    texts = sealed.documents.read_text().splitlines()[::-1]
    export_to(
        lake,
        write_documents(
            tmp_path / "again.ndjson", [json.dumps(json.loads(t), indent=1).replace("\n", " ") for t in texts]
        ),
    )
    sealed.seal_again(lake)
    again = {Leaf.parse(line).sha256 for line in unpack((lake / name_of("leaves", "default", 1)).read_bytes())}
    first = {
        Leaf.parse(line).sha256
        for n in (1, 2, 4)
        for line in unpack((sealed.path / name_of("leaves", "default", n)).read_bytes())
    }
    assert again < first
    assert len(first - again) == 2, "the two states before their retries"


def test_two_clusters_have_two_chains(sealed: SealedLake, tmp_path: Path, archive_db: ArchiveDb) -> None:
    """The second cluster's first digest begins where the lake's sealed state ends."""
    lake = tmp_path / "lake"
    for cluster, seed, numbers in (("default", 1, [1]), ("b/ü", 2, [1, 2])):
        uri = archive_db(rows=documents(3, seed), cluster=cluster)
        export_to(lake, uri)
        found = sealed.seal_again(lake, Request(archive=open_source(uri)))
        assert [one.number for one in found] == numbers
        assert next(one for one in found if one.cluster == cluster).reconciliation == "equal"
    assert (digest_of(lake, 1, "b/ü").tree.size, digest_of(lake, 2).tree.size) == (3, 3)
    assert sealed.verify(lake, deep=True).ok
    leaves = lake / name_of("leaves", "b/ü", 1)
    leaves.unlink()
    assert [(f.kind, f.object) for f in sealed.verify(lake).findings] == [("missing", name_of("leaves", "b/ü", 1))]


def test_what_changed_between_export_and_seal_is_refused(sealed: SealedLake, tmp_path: Path) -> None:
    lake = sealed.copy(tmp_path / "lake")
    known = set(lake.rglob("part-*.parquet"))
    new = documents(3, seed=4)
    export_to(lake, write_documents(tmp_path / "new.ndjson", new))
    path = next(p for p in sorted(lake.rglob("part-*.parquet")) if p not in known and "/raw/" in str(p))
    content = bytearray(path.read_bytes())
    content[50] ^= 1
    path.write_bytes(content)
    with pytest.raises(LakeError, match=r"not what export .* wrote"):
        sealed.seal_again(lake)
    assert not (lake / name_of("digests", "default", 5)).exists()


@pytest.mark.parametrize("damage", ["payload", "foreign", "spelling"])
def test_nobody_continues_a_forged_chain(sealed: SealedLake, tmp_path: Path, damage: str) -> None:
    lake = sealed.copy(tmp_path / "lake")
    path = lake / name_of("digests", "default", 4)
    content = path.read_bytes()
    path.unlink()
    if damage == "foreign":
        path.write_bytes(content)
        foreign = load_signer(str(make_keys(tmp_path)[0]))
        with pytest.raises(LakeError, match="another key"):
            seal(open_lake(str(lake)), [foreign])
        assert seal(open_lake(str(lake)), [foreign], Request(trusted=sealed.ring))[0].number == 5, "a change of keys"
        both = load_keys([str(sealed.public), str(tmp_path / "audit.key.pub")])
        assert verify(open_evidence(str(lake)), both).ok
        return
    path.write_bytes(content.replace(b",", b", ") if damage == "spelling" else content[:200] + b"A" + content[201:])
    with pytest.raises(LakeError):
        sealed.seal_again(lake)


def test_a_seal_that_was_cut_off_is_repaired(sealed: SealedLake, tmp_path: Path) -> None:
    lake = sealed.copy(tmp_path / "lake")
    for kind in ("leaves", "heads"):
        source, target = (lake / name_of(kind, "default", n) for n in (4, 5))  # type: ignore[arg-type]
        shutil.copyfile(source, target)
    report = sealed.verify(lake)
    assert [finding.kind for finding in report.findings] == ["truncated tail"]
    assert "cut off" in report.findings[0].message
    sealed.seal_again(lake)
    assert sealed.verify(lake).ok


def test_no_second_digest_of_a_number(sealed: SealedLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = sealed.copy(tmp_path / "lake")
    real = open_lake(str(lake))
    from kubectl_argo_archive.audit.seal import write as seal_write

    monkeypatch.setattr(seal_write, "create", lambda *_: False)
    with pytest.raises(LakeError, match="another seal"):
        seal(real, [sealed.signer])


def test_there_must_be_a_lake(sealed: SealedLake, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="no lake"):
        sealed.seal_again(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_pauses_and_gaps_are_recorded(sealed: SealedLake, tmp_path: Path) -> None:
    lake = sealed.copy(tmp_path / "lake")
    assert sealed.seal_again(lake, Request(interval=timedelta(microseconds=1)))[0].gaps == 1
    assert digest_of(lake, 5).predicate["gaps"][0]["kind"] == "gap"
    sealed.seal_again(lake, Request(pause="moving the bucket"))
    sealed.seal_again(lake, Request(interval=timedelta(microseconds=1)))
    paused, resumed = (digest_of(lake, n).predicate["gaps"] for n in (6, 7))
    assert (paused[0]["kind"], paused[0]["until"]) == ("pause", None)
    assert (resumed[0]["from"], resumed[0]["reason"]) == (paused[0]["from"], "moving the bucket")
    report = sealed.verify(lake)
    assert report.ok
    assert [gap["kind"] for gap in report.clusters[0]["gaps"]] == ["gap", "pause"]


def test_an_interval_tolerates_half_of_itself(sealed: SealedLake) -> None:
    last = digest_of(sealed.path, 4)
    later = last.window_until + timedelta(minutes=89)
    assert gaps(last, later, timedelta(hours=1), None) == []
    assert gaps(last, later + timedelta(minutes=2), timedelta(hours=1), None)[0]["kind"] == "gap"
    assert gaps(None, datetime.now(UTC), timedelta(hours=1), None) == []


def test_an_erased_document_leaves_its_tombstone(sealed: SealedLake, tmp_path: Path) -> None:
    """A data file is rewritten without one workflow: the tree keeps its leaf, the digest says why it is gone."""
    lake = sealed.copy(tmp_path / "lake")
    victim = rows(lake, "raw")[0]
    leaf = Leaf.of("default", victim["uid"], victim["version"], "raw", victim["json"].encode())
    real = open_lake(str(lake))
    with real.writer("erasure-1") as writer:
        condition = f"uid = '{victim['uid']}'"
        DeltaTable(str(lake / "raw")).delete(condition, writer_properties=WriterProperties(compression="ZSTD"))
        writer.publish({"kind": "erasure", "started_at": datetime.now(UTC), "source": "", "selection": "{}"})
    assert victim["uid"] not in rows(lake, "raw", "uid")
    without = tmp_path / "without"
    shutil.copytree(lake, without)
    erased = Erasure("default", leaf.uid, leaf.version, "raw", leaf.hash().hex(), "GDPR-18", "2026-11-23T00:00:00Z")
    for where, request in ((lake, Request(erased=(erased,))), (without, None)):
        assert sealed.seal_again(where, request)[0].workflows == 0, "what was only moved is not new"
        assert sealed.verify(where, deep=True).ok, "the old file is still there"
        removed = digest_of(where, 5).removed
        assert removed
        for name in removed:
            (where / name).unlink()
        assert sealed.verify(where).ok
    assert sealed.verify(lake, deep=True).ok
    assert sealed.verify(lake).clusters[0]["erased"] == 1
    found = sealed.verify(without, deep=True).findings
    assert {(f.kind, f.object.split("/")[1]) for f in found} == {("missing", victim["uid"])}


def test_log_objects_are_listed(sealed: SealedLake, tmp_path: Path) -> None:
    """An index run publishes `log_objects`: the digest has a list of them, with ETag and size."""
    lake = sealed.copy(tmp_path / "lake")
    real = open_lake(str(lake))
    found = [
        {"log_id": n, "cluster": "default", "uid": "u", "node_id": f"n{n}", "container": "main", "bucket": "logs",
         "key": f"a/{n}.log", "etag": f"e{n}", "size": n, "status": "indexed", "export_id": "index-1"}
        for n in (2, 1)
    ]  # fmt: skip
    with real.writer("index-1", (LOG_OBJECTS,)) as writer:
        writer.files.append(LOG_OBJECTS, "2026-03", pa.Table.from_pylist(found, LOG_OBJECTS.schema))
        writer.publish({"kind": "index", "started_at": datetime.now(UTC), "source": "logs"})
    assert sealed.verify(lake).unsealed
    sealed.seal_again(lake)
    told = digest_of(lake, 5).predicate["log_objects"]
    assert told == {"count": 2, "list": name_of("logs", "default", 5)}
    lines = [json.loads(line) for line in unpack((lake / told["list"]).read_bytes())]
    assert [(line["key"], line["etag"], line["size"]) for line in lines] == [("a/1.log", "e1", 1), ("a/2.log", "e2", 2)]
    assert sealed.verify(lake, deep=True).ok
    (lake / told["list"]).unlink()
    assert [f.object for f in sealed.verify(lake).findings] == [told["list"]]


def test_on_s3(sealed: SealedLake, s3_environment: S3, tmp_path: Path) -> None:
    lake: Any = s3_environment.url
    source = write_documents(tmp_path / "w.ndjson", documents(1))
    for _ in range(2):
        export_to(lake, source)
        seal(open_lake(lake), [sealed.signer], Request(archive=open_source(str(source))))
    report = verify(open_evidence(lake), sealed.ring, deep=True)
    assert report.ok, report.findings
    seen = report.checkpoint
    assert verify(open_evidence(lake), sealed.ring, checkpoint=seen).files_read == 0
    files = files_of(lake)
    name = next(name for name in files.list() if name.startswith("nodes/month="))
    s3_environment.client().put_object(
        Bucket=s3_environment.bucket, Key=f"{s3_environment.prefix}/{name}", Body=b"x" * files.list()[name].size
    )
    for options in ({}, {"checkpoint": seen}):
        found = verify(open_evidence(lake), sealed.ring, **options).findings
        assert [(f.kind, f.object) for f in found] == [("modified", name)]
