"""What verification reads, what it takes for granted, and what it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fixtures.audit import SealedLake, documents, files_of, write_documents
from fixtures.lakes import execute, export_to
from fixtures.servers import ArchiveDb

from kubectl_argo_archive.audit import timestamps
from kubectl_argo_archive.audit.checkpoint import load
from kubectl_argo_archive.audit.digest import Digest, Head, latest_bytes, name_of, sha256
from kubectl_argo_archive.audit.dsse import Envelope, Subject, sign, statement
from kubectl_argo_archive.audit.files import StoredFiles
from kubectl_argo_archive.audit.keys import KeyRing
from kubectl_argo_archive.audit.seal.seal import Request
from kubectl_argo_archive.audit.verification import Options, run
from kubectl_argo_archive.audit.verify import verify
from kubectl_argo_archive.connect import open_evidence, open_source
from kubectl_argo_archive.errors import ConfigError, LakeError
from kubectl_argo_archive.lake import delta


class Watched(StoredFiles):
    """Remembers what was read."""

    def __init__(self, inner: StoredFiles) -> None:
        super().__init__(inner.storage)
        self.names: list[str] = []

    def read(self, name: str) -> bytes:
        self.names.append(name)
        return super().read(name)

    def chunks(self, name: str) -> Any:
        self.names.append(name)
        return super().chunks(name)


def test_an_incremental_run_reads_only_what_is_new(sealed: SealedLake, tmp_path: Path) -> None:
    lake = sealed.copy(tmp_path / "lake")
    seen = sealed.verify(lake).checkpoint
    before = set(files_of(lake).list())
    again = Watched(files_of(lake))
    assert verify(again, sealed.ring, checkpoint=seen).ok
    anchor = {
        name_of("digests", "default", 4),
        name_of("heads", "default", 4),
        "audit/digests/cluster=default/latest.json",
    }
    assert set(again.names) == anchor
    export_to(lake, write_documents(tmp_path / "more.ndjson", documents(3, seed=8)))
    sealed.seal_again(lake)
    watched = Watched(files_of(lake))
    report = verify(watched, sealed.ring, checkpoint=seen)
    assert report.ok
    assert set(watched.names) <= (set(watched.list()) - before) | anchor
    assert len(watched.names) == len(set(watched.names)), "nothing is read twice"
    assert report.clusters[0]["workflows"] == 42


def test_a_checkpoint_notices_what_was_written_since(sealed: SealedLake, tmp_path: Path) -> None:
    lake = sealed.copy(tmp_path / "lake")
    seen = sealed.verify(lake).checkpoint
    path = next(lake.glob("nodes/month=*/*.parquet"))
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.unlink()
    path.write_bytes(content)
    found = sealed.verify(lake, checkpoint=seen).findings
    assert [(f.kind, f.object) for f in found] == [("modified", str(path.relative_to(lake)))]


def test_a_checkpoint_of_another_place_goes_by_size_and_says_so(sealed: SealedLake, tmp_path: Path) -> None:
    seen = sealed.verify(sealed.path).checkpoint
    lake = sealed.copy(tmp_path / "moved")
    report = sealed.verify(lake, checkpoint=seen)
    assert report.ok
    assert "by size only" in report.notes[0]
    path = next(lake.glob("nodes/month=*/*.parquet"))
    path.unlink()
    path.write_bytes(b"PAR1")
    assert [f.object for f in sealed.verify(lake, checkpoint=seen).findings] == [str(path.relative_to(lake))]


def test_checkpoints_are_files(sealed: SealedLake, tmp_path: Path) -> None:
    path = tmp_path / "seen.json"
    assert load(path) is None
    options = Options(checkpoint=path)
    assert run(open_evidence(str(sealed.path)), sealed.ring, options, lambda *_: None).ok
    assert load(path) == sealed.verify(sealed.path).checkpoint
    lake = sealed.copy(tmp_path / "lake")
    next(lake.glob("raw/month=*/*.parquet")).unlink()
    before = path.read_bytes()
    assert not run(open_evidence(str(lake)), sealed.ring, options, lambda *_: None).ok
    assert path.read_bytes() == before, "a bad run leaves the checkpoint alone"
    path.write_text("{}")
    with pytest.raises(ConfigError, match="no checkpoint"):
        run(open_evidence(str(lake)), sealed.ring, options, lambda *_: None)


def test_a_publish_that_waits_for_its_seal_is_no_finding(sealed: SealedLake, tmp_path: Path) -> None:
    lake = sealed.copy(tmp_path / "lake")
    result = export_to(lake, write_documents(tmp_path / "more.ndjson", documents(3, seed=8)))
    report = sealed.verify(lake)
    assert report.ok
    assert [publish["export_id"] for publish in report.unsealed] == [result.export_id]


def test_delta_rewrites_its_checkpoint_pointer(
    sealed: SealedLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`_last_checkpoint` is the one file that changes, every 20 commits: no alarm before nor after the next seal."""
    monkeypatch.setitem(delta._CONFIGURATION, "delta.checkpointInterval", "2")
    lake = tmp_path / "lake"
    pointer = lake / "raw/_delta_log/_last_checkpoint"
    told = set()
    for number, workflow in enumerate(documents(7, seed=21)):
        export_to(lake, write_documents(tmp_path / "one.ndjson", [workflow]))
        told.add(pointer.read_text() if pointer.exists() else "")
        if number in (2, 6):
            sealed.seal_again(lake)
        if number >= 2:
            report = sealed.verify(lake)
            assert report.ok, report.findings
    assert len(told) >= 3
    pointer.write_text(pointer.read_text().replace('"version":', '"version": '))
    assert [f.object for f in sealed.verify(lake).findings] == ["raw/_delta_log/_last_checkpoint"]


def test_an_insider_with_the_key_is_caught_by_the_thorough_check(sealed: SealedLake, tmp_path: Path) -> None:
    """The newest digest signed anew by the true key over an edited file: only the document's hash tells."""
    lake = sealed.copy(tmp_path / "lake")
    digest = Digest.parse(Envelope.parse((lake / name_of("digests", "default", 4)).read_bytes()))
    name = next(s.name for s in digest.subjects if s.name.startswith("raw/month="))
    rows = pq.read_table(lake / name, partitioning=None)
    table = rows.to_pylist()
    table[0]["json"] = table[0]["json"].replace('"Succeeded"', '"Failed"')
    (lake / name).unlink()
    pq.write_table(pa.Table.from_pylist(table, rows.schema), lake / name)
    edited = (lake / name).read_bytes()
    subjects = [s if s.name != name else Subject(name, sha256(edited), len(edited)) for s in digest.subjects]
    value = Envelope.parse((lake / digest.name).read_bytes()).statement()
    envelope = sign(statement(subjects, value["predicateType"], value["predicate"]), [sealed.signer])
    content = envelope.to_bytes()
    head = sign(Head.of(digest, Subject(digest.name, sha256(content), len(content))).payload(), [sealed.signer])
    for path, new in (
        (digest.name, content), (name_of("heads", "default", 4), head.to_bytes()),
        ("audit/digests/cluster=default/latest.json", latest_bytes("default", 4, content, head.to_bytes())),
    ):  # fmt: skip
        (lake / path).unlink()
        (lake / path).write_bytes(new)
    assert sealed.verify(lake).ok
    found = sealed.verify(lake, deep=True).findings
    assert [(f.kind, f.object) for f in found] == [("modified", f"default/{table[0]['uid']}/1")]


def test_without_a_seal_there_is_nothing_to_verify(sealed: SealedLake, tmp_path: Path) -> None:
    export_to(tmp_path / "lake", sealed.documents)
    with pytest.raises(LakeError, match="never sealed"):
        sealed.verify(tmp_path / "lake")


def test_an_empty_key_ring_trusts_nobody(sealed: SealedLake) -> None:
    found = verify(open_evidence(str(sealed.path)), KeyRing()).findings
    assert [f.kind for f in found] == ["wrong key"]


@pytest.mark.parametrize("change", ["nothing", "content", "dropped", "late", "gone"])
def test_against_the_live_database(sealed: SealedLake, tmp_path: Path, archive_db: ArchiveDb, change: str) -> None:
    workflows = documents(5, seed=3)
    uri = archive_db(rows=workflows)
    lake = tmp_path / "lake"
    export_to(lake, uri)
    sealed.seal_again(lake, Request(archive=open_source(uri)))
    uid = workflows[0]["metadata"]["uid"]
    statements: dict[str, list[str]] = {
        "nothing": ["update argo_archived_workflows set workflow = workflow || '{}'"],
        "content": [
            f"update argo_archived_workflows set workflow = jsonb_set(workflow, '{{spec,x}}', '1') where uid = '{uid}'"
        ],
        "dropped": [
            "insert into argo_archived_workflows select uid || 'x', instanceid, name, namespace, phase, startedat, "
            "finishedat, clustername, workflow, creationtimestamp from argo_archived_workflows limit 0"
        ],
        "late": [
            "update argo_archived_workflows set workflow = jsonb_set(workflow, '{status,finishedAt}', "
            f"'\"2099-01-01T00:00:00Z\"') where uid = '{uid}'"
        ],
        "gone": [f"delete from argo_archived_workflows where uid = '{uid}'"],
    }  # fmt: skip
    if change == "dropped":
        from kubectl_argo_archive.demo.argo_schema import load_archive

        extra = documents(1, seed=4)
        load_archive(uri, extra)
        uid = extra[0]["metadata"]["uid"]
    else:
        execute(uri, *statements[change])
    report = run(open_evidence(str(lake)), sealed.ring, Options(archive=open_source(uri)), lambda *_: None)
    expected = {"content": [("modified", f"default/{uid}")], "dropped": [("missing", f"default/{uid}")]}
    assert [(f.kind, f.object) for f in report.findings] == expected.get(change, [])
    told = report.notes[-1]
    counts: dict[str, Callable[[], bool]] = {
        "late": lambda: "1 newer" in told, "gone": lambda: "1 sealed ones gone" in told,
        "nothing": lambda: "5 as sealed" in told,
    }  # fmt: skip
    assert counts.get(change, lambda: True)(), told


TSA = Path(__file__).parent / "data" / "timestamp"


def test_time_stamps(sealed: SealedLake, tmp_path: Path) -> None:
    """An answer of a real authority's software (openssl ts) over a file that stands for a digest."""
    authorities = timestamps.load_authorities([(TSA / "ca.pem").read_bytes()])
    answer = (TSA / "r.tsr").read_bytes()
    place = tmp_path / name_of("digests", "default", 1)
    place.parent.mkdir(parents=True)
    place.write_bytes((TSA / "content").read_bytes())
    files = files_of(tmp_path)
    assert len(timestamps.request(files, "default", 1)) > 40
    name = timestamps.add(files.storage, files, "default", 1, answer, authorities)
    assert (tmp_path / name).read_bytes() == answer
    with pytest.raises(ConfigError, match="exists"):
        timestamps.add(files.storage, files, "default", 1, answer)
    with pytest.raises(ConfigError, match="another file"):
        timestamps.add(files_of(sealed.path).storage, files_of(sealed.path), "default", 1, answer)
    damaged = bytearray(answer)
    damaged[-20] ^= 1
    with pytest.raises(ConfigError, match="signature"):
        timestamps.add(files.storage, files, "default", 1, bytes(damaged), authorities)


def test_a_foreign_time_stamp_in_the_lake_is_a_finding(sealed: SealedLake, tmp_path: Path) -> None:
    lake = sealed.copy(tmp_path / "lake")
    name = name_of("timestamps", "default", 2)
    (lake / name).parent.mkdir(parents=True)
    (lake / name).write_bytes((TSA / "r.tsr").read_bytes())
    assert [(f.kind, f.object) for f in sealed.verify(lake).findings] == [("modified", name)]


def test_the_report_is_json(sealed: SealedLake, tmp_path: Path) -> None:
    lake = sealed.copy(tmp_path / "lake")
    next(lake.glob("raw/month=*/*.parquet")).unlink()
    value = json.loads(json.dumps(sealed.verify(lake).to_dict()))
    assert value["ok"] is False
    assert value["first"] == value["findings"][0]
    assert value["first"].keys() == {"kind", "object", "message", "cluster", "number", "records"}
    assert value["first"]["records"]
