"""What every source of archived workflows must do: the same documents in, the same keys, rows and selections out."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from kubectl_argo_archive.archive.workflow_archive import (
    KEY_SCHEMA,
    ROW_SCHEMA,
    ArchiveSnapshot,
    Selection,
    WorkflowArchive,
)
from kubectl_argo_archive.demo.argo_schema import ArchiveRow, marshal
from kubectl_argo_archive.errors import ConfigError

MakeArchive = Callable[[Iterable[Mapping[str, Any]]], WorkflowArchive]

_LABELS: dict[str, dict[str, str]] = {
    "a": {"team": "risk", "tier": "prod"},
    "b": {"team": "risk", "tier": "test", "tries": "2"},
    "c": {"team": "data", "example.com/owner": "ann", "tries": "10"},
    "d": {"team": "", "tries": "many"},
    "e": {},
}
SELECTORS = {
    "": "abcde",
    "team=risk": "ab",
    "team==risk": "ab",
    "team!=risk": "cde",
    "team=": "d",
    "team in (risk, data)": "abc",
    "team notin (risk,data)": "de",
    "team": "abcd",
    "!team": "e",
    "example.com/owner=ann": "c",
    "team=risk,tier!=test": "a",
    "team,!tier": "cd",
    "tries>2": "c",
    "tries < 10": "b",
    "team=nobody": "",
}
MALFORMED_SELECTORS = ("team=risk,", "team in", "team in ()", "=x", "team=a b", "a/b/c=d", "tries>x", "in (a)")


def workflow(uid: str, **changes: Any) -> dict[str, Any]:
    """A small workflow; ``changes``: namespace, labels, finished_at, status (merged in), spec."""
    finished_at = changes.get("finished_at", "2026-03-01T10:00:00Z")
    return {
        "metadata": {
            "name": f"wf-{uid}",
            "namespace": changes.get("namespace", "ns"),
            "uid": uid,
            "creationTimestamp": "2026-03-01T09:00:00Z",
            "labels": changes.get("labels", {}),
        },
        "spec": changes.get("spec", {"entrypoint": "main"}),
        "status": {
            "phase": "Succeeded",
            "startedAt": "2026-03-01T09:00:00Z",
            "finishedAt": finished_at,
            **changes.get("status", {}),
        },
    }


def uids(table: pa.Table) -> set[str]:
    """The uids of a table, which must not repeat."""
    found: list[str] = table["uid"].to_pylist()
    assert len(found) == len(set(found))
    return set(found)


def documents(batches: Iterable[pa.RecordBatch]) -> dict[str, bytes]:
    """The JSON of each uid, which must not repeat."""
    found: dict[str, bytes] = {}
    for batch in batches:
        assert batch.schema == ROW_SCHEMA
        batch.validate(full=True)
        for uid, document in zip(batch["uid"].to_pylist(), batch["json"].to_pylist(), strict=True):
            assert uid not in found
            found[uid] = document
    return found


class ArchiveSuite:
    """Subclasses give ``make``: an archive that holds the given workflows."""

    @pytest.fixture
    def make(self) -> MakeArchive:
        raise NotImplementedError

    keeps_text = True
    """The JSON comes back letter by letter."""
    sorts = True
    """Rows come in the order of their finish, whatever the order in which they went in."""

    def test_an_empty_archive_has_no_keys_and_no_rows(self, make: MakeArchive) -> None:
        with make([]).snapshot() as snapshot:
            assert snapshot.keys().schema == KEY_SCHEMA
            assert snapshot.keys().num_rows == snapshot.select(Selection(namespaces=("ns",))).num_rows == 0
            assert list(snapshot.rows(None, batch_bytes=1000)) == []
            assert list(snapshot.rows(snapshot.keys(), batch_bytes=1000)) == []

    def test_keys_say_whose_each_workflow_is(self, make: MakeArchive, workflows: list[ArchiveRow]) -> None:
        with make(json.loads(row.json) for row in workflows).snapshot() as snapshot:
            keys = snapshot.keys()
        assert keys.schema == KEY_SCHEMA
        columns = ("cluster", "instance_id", "uid", "namespace", "name", "phase")
        found = {tuple(key[c] for c in columns) for key in keys.to_pylist()}
        assert found == {("default", "", r.uid, r.namespace, r.name, r.phase) for r in workflows}
        assert len(keys) == len(workflows)
        assert all(keys["revision"].to_pylist())

    def test_rows_are_the_documents(self, make: MakeArchive, workflows: list[ArchiveRow]) -> None:
        with make(json.loads(row.json) for row in workflows).snapshot() as snapshot:
            found = documents(snapshot.rows(None, batch_bytes=1 << 20))
            keys = snapshot.keys()
            batches = list(snapshot.rows(keys, batch_bytes=1 << 20))
        assert documents(batches) == found
        for row in workflows:
            expected = marshal(json.loads(row.json))
            assert json.loads(found[row.uid]) == json.loads(expected)
            assert not self.keeps_text or found[row.uid] == expected.encode()
        in_rows = pa.Table.from_batches(batches).select(KEY_SCHEMA.names)
        assert in_rows.sort_by("uid").to_pylist() == keys.sort_by("uid").to_pylist()

    def test_rows_of_some_keys(self, make: MakeArchive) -> None:
        with make(workflow(c) for c in "abcdef").snapshot() as snapshot:
            keys = snapshot.keys()
            wanted = keys.filter(pa.array([uid in "bdf" for uid in keys["uid"].to_pylist()]))
            stranger = pa.Table.from_pylist([{**wanted.to_pylist()[0], "uid": "nobody"}], KEY_SCHEMA)
            asked = pa.concat_tables([wanted, stranger])
            assert set(documents(snapshot.rows(asked, batch_bytes=1000))) == set("bdf")
            assert list(snapshot.rows(keys.slice(0, 0), batch_bytes=1000)) == []

    @pytest.mark.parametrize("some", [True, False])
    def test_batches_are_bounded_in_bytes(self, make: MakeArchive, some: bool) -> None:
        sizes = [200, 3000, 10, 9000, 400, 400, 400, 30_000, 1]
        given = [workflow(f"{n}", spec={"entrypoint": "x" * size}) for n, size in enumerate(sizes)]
        with make(given).snapshot() as snapshot:
            batches = list(snapshot.rows(snapshot.keys() if some else None, batch_bytes=4000))
        assert len(documents(batches)) == len(sizes)
        for batch in batches:
            size = sum(len(document) for document in batch["json"].to_pylist())
            assert size <= 4000 or batch.num_rows == 1
        assert len(batches) < len(sizes)

    def test_rows_come_in_the_order_of_their_finish(self, make: MakeArchive) -> None:
        given = [workflow(f"{n}", finished_at=f"2026-{n * 7 % 12 + 1:02}-01T00:00:00Z") for n in range(12)]
        with make(given).snapshot() as snapshot:
            for keys in (None, snapshot.keys()):
                rows = [json.loads(d) for d in documents(snapshot.rows(keys, batch_bytes=1500)).values()]
                finished = [row["status"]["finishedAt"] for row in rows]
                assert finished == sorted(finished) or not self.sorts
                assert len(finished) == 12

    def test_revisions_are_stable_and_see_a_change(self, make: MakeArchive) -> None:
        before = [workflow("a"), workflow("b")]
        after = [workflow("a"), workflow("b", finished_at="2026-03-01T11:00:00Z")]
        with make(before).snapshot() as snapshot:
            first, again = snapshot.keys(), snapshot.keys()
        with make(after).snapshot() as snapshot:
            changed = snapshot.keys()
        revision = {key["uid"]: key["revision"] for key in first.to_pylist()}
        assert revision == {key["uid"]: key["revision"] for key in again.to_pylist()}
        assert revision["b"] != {key["uid"]: key["revision"] for key in changed.to_pylist()}["b"]

    @pytest.mark.parametrize("selector", SELECTORS)
    def test_select_by_labels(self, make: MakeArchive, selector: str) -> None:
        with make(workflow(uid, labels=labels) for uid, labels in _LABELS.items()).snapshot() as snapshot:
            selected = snapshot.select(Selection(labels=selector))
            assert selected.schema == KEY_SCHEMA
            assert uids(selected) == set(SELECTORS[selector])
            assert uids(snapshot.keys()) == set(_LABELS)

    def test_a_malformed_selector_is_a_usage_error(self, make: MakeArchive) -> None:
        with make([workflow("a")]).snapshot() as snapshot:
            for selector in MALFORMED_SELECTORS:
                with pytest.raises(ConfigError, match="label selector"):
                    snapshot.select(Selection(labels=selector))
            assert uids(snapshot.keys()) == {"a"}

    def test_select_by_namespace(self, make: MakeArchive) -> None:
        given = [workflow("a", namespace="x"), workflow("b", namespace="y"), workflow("c", namespace="z")]
        with make(given).snapshot() as snapshot:
            assert uids(snapshot.select(Selection(namespaces=("x", "z", "nowhere")))) == {"a", "c"}
            assert uids(snapshot.select(Selection(namespaces=("it's",)))) == set()
            assert uids(snapshot.select(Selection())) == {"a", "b", "c"}

    def test_select_by_time_misses_none(self, make: MakeArchive) -> None:
        days = {"first": "2026-03-01", "second": "2026-03-11", "third": "2026-03-21"}
        given = [workflow(uid, finished_at=f"{day}T12:00:00Z") for uid, day in days.items()]
        unfinished = workflow("unfinished", finished_at=None)
        since, until = datetime(2026, 3, 11, 12, tzinfo=UTC), datetime(2026, 3, 21, 12, tzinfo=UTC)

        def selected(snapshot: ArchiveSnapshot, **bounds: datetime) -> set[str]:
            return uids(snapshot.select(Selection(**bounds))) - {"unfinished"}

        with make([*given, unfinished]).snapshot() as snapshot:
            assert selected(snapshot, since=since) == {"second", "third"}
            assert selected(snapshot, until=since) >= {"first"}
            assert selected(snapshot, since=since, until=until) >= {"second"}
            assert "first" not in selected(snapshot, since=since, until=until)
            assert "unfinished" in uids(snapshot.select(Selection(since=since, until=until)))
            assert uids(snapshot.select(Selection(since=datetime.min, until=datetime.max))) == {*days, "unfinished"}

    def test_selections_combine(self, make: MakeArchive) -> None:
        given = [
            workflow("a", namespace="x", labels={"l": "1"}),
            workflow("b", namespace="y", labels={"l": "1"}),
            workflow("c", namespace="x", labels={"l": "2"}),
            workflow("d", namespace="x", labels={"l": "1"}, finished_at="2025-01-01T00:00:00Z"),
        ]
        wanted = Selection(("x",), "l=1", since=datetime(2026, 1, 1, tzinfo=UTC))
        with make(given).snapshot() as snapshot:
            assert uids(snapshot.select(wanted)) == {"a"}

    def test_compressed_nodes_are_unpacked(self, make: MakeArchive) -> None:
        nodes = {"n": {"id": "n", "phase": "Succeeded", "message": 'say "hi" \\ é'}}
        packed = base64.b64encode(gzip.compress(json.dumps(nodes).encode())).decode()
        given = workflow("packed", status={"compressedNodes": packed, "progress": "1/1"})
        with make([given, workflow("plain")]).snapshot() as snapshot:
            found = documents(snapshot.rows(None, batch_bytes=10_000))
        given["status"].pop("compressedNodes")
        given["status"]["nodes"] = nodes
        assert json.loads(found["packed"]) == given
        assert json.loads(found["plain"]) == workflow("plain")

    def test_nul_comes_back(self, make: MakeArchive) -> None:
        given = workflow("nul", status={"message": "before\0after"})
        with make([given, workflow("plain")]).snapshot() as snapshot:
            found = documents(snapshot.rows(None, batch_bytes=10_000))
        assert json.loads(found["nul"]) == given

    def test_rows_may_be_abandoned(self, make: MakeArchive) -> None:
        with make(workflow(f"{n}", spec={"entrypoint": "x" * 5000}) for n in range(100)).snapshot() as snapshot:
            rows = snapshot.rows(None, batch_bytes=10_000)
            next(iter(rows))
            rows.close()  # type: ignore[attr-defined]
            assert len(snapshot.keys()) == 100
            assert len(documents(snapshot.rows(None, batch_bytes=100_000))) == 100
