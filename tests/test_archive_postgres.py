"""The archive in Postgres: every layout that Argo has had, what Postgres does to it, and what can go wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from contract.archive_suite import ArchiveSuite, MakeArchive, documents, uids, workflow
from fixtures.servers import ArchiveDb

from kubectl_argo_archive.archive.postgres import PostgresArchive
from kubectl_argo_archive.archive.workflow_archive import Selection, WorkflowArchive
from kubectl_argo_archive.demo.argo_schema import (
    SCHEMA_VERSIONS,
    ArchiveRow,
    archive_workflow,
    create_schema_sql,
    load_archive,
    marshal,
)
from kubectl_argo_archive.demo.postgres import EmbeddedPostgres
from kubectl_argo_archive.errors import SourceError


def run(uri: str, *statements: str) -> None:
    with psycopg.connect(uri, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def reader_of(uri: str) -> tuple[str, str]:
    """A fresh user without any rights, and the URI with which it connects."""
    user = f"reader_{uri.rsplit('_', 1)[1]}"
    run(uri, f"create user {user} password 'reader-secret'")
    place = uri.split("@", 1)[1]
    return user, f"postgresql://{user}:reader-secret@{place}"


def drop_reader(uri: str, user: str) -> None:
    run(uri, f"drop owned by {user}", f"drop user {user}")


class TestJsonb(ArchiveSuite):
    """Argo 3.6 and later."""

    schema_version = 68
    keeps_text = False

    @pytest.fixture
    def make(self, archive_db: ArchiveDb) -> MakeArchive:
        def make(workflows: Iterable[Mapping[str, Any]]) -> WorkflowArchive:
            return PostgresArchive(archive_db(self.schema_version, list(workflows)))

        return make


class TestJson(TestJsonb):
    """Argo up to 3.5: the text is kept as it was written."""

    schema_version = 56
    keeps_text = True


class TestWithoutLabelsTable(TestJsonb):
    """Labels are then read from the JSON."""

    @pytest.fixture
    def make(self, archive_db: ArchiveDb) -> MakeArchive:
        def make(workflows: Iterable[Mapping[str, Any]]) -> WorkflowArchive:
            uri = archive_db(self.schema_version, list(workflows))
            run(uri, "drop table argo_archived_workflows_labels")
            return PostgresArchive(uri)

        return make


@pytest.mark.parametrize("version", SCHEMA_VERSIONS)
def test_every_layout_is_read(archive_db: ArchiveDb, version: int, workflows: list[ArchiveRow]) -> None:
    uri = archive_db(version, workflows[:20], cluster="east", instance_id="blue")
    with PostgresArchive(uri).snapshot() as snapshot:
        assert snapshot.info.schema_version == version
        keys, rows = snapshot.keys(), documents(snapshot.rows(None, batch_bytes=1 << 20))
    assert set(keys["cluster"].to_pylist()) == {"east"}
    assert set(keys["instance_id"].to_pylist()) == {"blue"}
    assert {uid: json.loads(text) for uid, text in rows.items()} == {r.uid: json.loads(r.json) for r in workflows[:20]}


def test_several_clusters_and_instances_share_a_database(archive_db: ArchiveDb) -> None:
    uri = archive_db()
    with psycopg.connect(uri) as connection:
        for cluster, instance, uid in (("east", "", "1"), ("west", "", "1"), ("west", "blue", "2")):
            archive_workflow(connection.cursor(), workflow(uid), cluster=cluster, instance_id=instance)
    with PostgresArchive(uri).snapshot() as snapshot:
        keys = snapshot.keys()
        west = keys.filter(pa.compute.equal(keys["cluster"], "west"))
        rows = pa.Table.from_batches(snapshot.rows(west, batch_bytes=1 << 20))
    triples = {(key["cluster"], key["instance_id"], key["uid"]) for key in keys.to_pylist()}
    assert triples == {("east", "", "1"), ("west", "", "1"), ("west", "blue", "2")}
    assert sorted(zip(rows["cluster"].to_pylist(), rows["uid"].to_pylist(), strict=True)) == [
        ("west", "1"),
        ("west", "2"),
    ]


def test_the_source_is_known_without_secrets(archive_db: ArchiveDb, postgres: EmbeddedPostgres) -> None:
    uri = archive_db()
    database = uri.rsplit("/", 1)[1]
    with psycopg.connect(uri) as connection:
        (system,) = connection.execute("select system_identifier from pg_control_system()").fetchone() or (None,)
    archive = PostgresArchive(uri)
    with archive.snapshot() as snapshot:
        info = snapshot.info
    assert info.display == f"postgresql://127.0.0.1:{postgres.port}/{database}"
    assert info.source_id == f"pg:{system}/{database}"
    assert info.complete
    assert info.server.startswith("PostgreSQL")
    password = uri.split(":")[2].split("@")[0]
    assert password not in repr(archive) + repr(vars(archive)["_target"]) + repr(info)


def test_without_the_right_to_ask_the_address_identifies_the_source(archive_db: ArchiveDb) -> None:
    uri = archive_db()
    user, reader = reader_of(uri)
    try:
        run(uri, f"grant select on all tables in schema public to {user}")
        run(uri, "revoke execute on function pg_control_system() from public")
        with PostgresArchive(reader).snapshot() as snapshot:
            assert snapshot.info.source_id == "pg:" + snapshot.info.display.removeprefix("postgresql://")
    finally:
        drop_reader(uri, user)


def test_keys_do_not_touch_the_json(archive_db: ArchiveDb) -> None:
    large = [workflow(f"{n}", spec={"text": Random(n).randbytes(10_000).hex()}) for n in range(50)]
    uri = archive_db(rows=large)
    run(uri, "vacuum argo_archived_workflows")
    toast = toast_reads(uri)
    with PostgresArchive(uri).snapshot() as snapshot:
        assert len(snapshot.keys()) == 50
        snapshot.select(Selection(("ns",), "a!=b", datetime(2020, 1, 1, tzinfo=UTC)))
    assert toast_reads(uri) == toast
    with PostgresArchive(uri).snapshot() as snapshot:
        assert len(documents(snapshot.rows(None, batch_bytes=1 << 20))) == 50
    assert toast_reads(uri) > toast


def toast_reads(uri: str) -> int:
    """Blocks of out-of-line JSON that ended sessions have looked at."""
    with psycopg.connect(uri, autocommit=True) as connection:
        others = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        while connection.execute(others).fetchone() != (0,):  # a session reports when it ends
            connection.execute("select pg_sleep(0.01)")
        row = connection.execute(
            "select toast_blks_hit + toast_blks_read from pg_statio_user_tables"
            " where relname = 'argo_archived_workflows'"
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_the_sort_carries_pointers_not_json(archive_db: ArchiveDb) -> None:
    """Else a large archive would be spilled to the server's disk, twice."""
    large = [workflow(f"{n}", spec={"text": f"{n}" * 50_000}) for n in range(50)]
    uri = archive_db(rows=large)
    with psycopg.connect(uri) as connection:
        connection.execute("set enable_indexscan = off")
        plan = connection.execute(
            "explain (analyze, format json) select workflow::text from"
            " (select workflow from argo_archived_workflows order by finishedat, uid) s"
        ).fetchone()
    assert plan is not None
    text = json.dumps(plan[0])
    assert '"Sort Space Type": "Memory"' in text


def test_a_row_written_again_with_the_same_content_is_seen(archive_db: ArchiveDb) -> None:
    uri = archive_db(rows=[workflow("a"), workflow("b")])
    archive = PostgresArchive(uri)
    with archive.snapshot() as snapshot:
        before = {key["uid"]: key["revision"] for key in snapshot.keys().to_pylist()}
    with psycopg.connect(uri) as connection:
        archive_workflow(connection.cursor(), workflow("a"))
    with archive.snapshot() as snapshot:
        after = {key["uid"]: key["revision"] for key in snapshot.keys().to_pylist()}
    assert before["a"] != after["a"]
    assert before["b"] == after["b"]


def test_a_snapshot_sees_one_instant(archive_db: ArchiveDb) -> None:
    uri = archive_db(rows=[workflow("a"), workflow("b")])
    with PostgresArchive(uri).snapshot() as snapshot:
        keys = snapshot.keys()
        with psycopg.connect(uri) as connection:
            archive_workflow(connection.cursor(), workflow("c"))
            connection.execute("delete from argo_archived_workflows where uid = 'a'")
        assert set(documents(snapshot.rows(keys, batch_bytes=1000))) == {"a", "b"}
        assert set(documents(snapshot.rows(None, batch_bytes=1000))) == {"a", "b"}
    with PostgresArchive(uri).snapshot() as snapshot:
        assert uids(snapshot.keys()) == {"b", "c"}
        assert set(documents(snapshot.rows(keys, batch_bytes=1000))) == {"b"}


@pytest.mark.parametrize(
    "time", ["0001-01-01 00:00:00", "4000-01-01 00:00:00 BC", "infinity", "-infinity", "290000-01-01"]
)
def test_absurd_times_are_no_trouble(archive_db: ArchiveDb, time: str) -> None:
    uri = archive_db(rows=[workflow("a"), workflow("b")])
    run(uri, f"update argo_archived_workflows set finishedat = '{time}', startedat = '{time}' where uid = 'a'")
    with PostgresArchive(uri).snapshot() as snapshot:
        assert uids(snapshot.keys()) == {"a", "b"}
        assert set(documents(snapshot.rows(snapshot.keys(), batch_bytes=1000))) == {"a", "b"}
        future = time.startswith("29")
        wide = Selection(
            since=datetime(2026, 1, 1, tzinfo=UTC), until=None if future else datetime(2027, 1, 1, tzinfo=UTC)
        )
        assert uids(snapshot.select(wide)) == {"a", "b"}


@pytest.mark.parametrize("hours", [-12, 14])
def test_times_of_controllers_in_other_zones_are_found(archive_db: ArchiveDb, hours: int) -> None:
    zone = timezone(timedelta(hours=hours))
    uri = archive_db(rows=[workflow("a", finished_at="2026-03-01T12:00:00Z")], controller_zone=zone)
    finish = datetime(2026, 3, 1, 12, tzinfo=UTC)
    with PostgresArchive(uri).snapshot() as snapshot:
        assert uids(snapshot.select(Selection(since=finish))) == {"a"}
        assert uids(snapshot.select(Selection(until=finish + timedelta(seconds=1)))) == {"a"}
        assert uids(snapshot.select(Selection(since=finish + timedelta(days=3)))) == set()


def test_offloaded_nodes_are_inlined(archive_db: ArchiveDb) -> None:
    nodes = {"n": {"id": "n", "phase": "Succeeded"}}
    given = [
        workflow("plain"),
        workflow("elsewhere", status={"offloadNodeStatusVersion": "fnv:1"}),
        workflow("lost", status={"offloadNodeStatusVersion": "fnv:2"}),
        workflow("both", status={"offloadNodeStatusVersion": "fnv:1", "nodes": nodes}),
    ]
    uri = archive_db(rows=given)
    run(uri, "alter table argo_workflows rename to our_own_name")
    with psycopg.connect(uri) as connection:
        connection.execute(
            "insert into our_own_name (uid, namespace, clustername, version, nodes)"
            " values ('elsewhere', 'ns', 'default', 'fnv:1', %s), ('lost', 'ns', 'default', 'fnv:9', '{}')",
            (json.dumps(nodes),),
        )
    with PostgresArchive(uri).snapshot() as snapshot:
        found = {uid: json.loads(text) for uid, text in documents(snapshot.rows(None, batch_bytes=500)).items()}
    assert found["elsewhere"] == workflow("elsewhere", status={"nodes": nodes})
    assert [found[w["metadata"]["uid"]] for w in (given[0], *given[2:])] == [given[0], *given[2:]]


def test_the_nul_marker_of_argo_is_undone(archive_db: ArchiveDb) -> None:
    given = workflow("nul", status={"message": "a\0b"})
    uri = archive_db(rows=[given])
    with psycopg.connect(uri) as connection:
        stored = connection.execute("select workflow::text from argo_archived_workflows").fetchone()
    assert stored is not None
    assert "ARGO_POSTGRES_NULL_REPLACEMENT" in stored[0]
    with PostgresArchive(uri).snapshot() as snapshot:
        assert json.loads(documents(snapshot.rows(None, batch_bytes=1000))["nul"]) == given


def test_raw_nul_escapes_of_old_releases_are_read(archive_db: ArchiveDb) -> None:
    given = workflow("nul", status={"message": "a\0b"}, labels={"team": "risk"})
    uri = archive_db(56, [given], replace_nul=False)
    run(uri, "drop table argo_archived_workflows_labels")
    with PostgresArchive(uri).snapshot() as snapshot:
        assert documents(snapshot.rows(None, batch_bytes=1000))["nul"] == marshal(given).encode()
        assert uids(snapshot.select(Selection(labels="team=risk"))) == {"nul"}


def test_bytes_that_are_no_utf8_pass(postgres: EmbeddedPostgres, archive_db: ArchiveDb) -> None:
    uri = archive_db()
    database = uri.rsplit("/", 1)[1]
    run(postgres.uri, f"drop database {database} with (force)")
    run(postgres.uri, f"create database {database} encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0")
    run(
        uri,
        "create table argo_archived_workflows (uid text, name text, phase text, namespace text, workflow text,"
        " startedat timestamp, finishedat timestamp, clustername text)",
        r"insert into argo_archived_workflows values ('u', E'n\xff', 'Failed', 'ns', E'{\"a\":\"\xff\"}',"
        " null, null, 'default')",
    )
    with PostgresArchive(uri).snapshot() as snapshot:
        keys = snapshot.keys()
        (batch,) = snapshot.rows(keys, batch_bytes=1000)
    assert keys["name"].to_pylist() == batch["name"].to_pylist() == ["n\ufffd"]
    assert batch["json"].to_pylist() == [b'{"a":"\xff"}']


def test_the_transaction_is_read_only_pinned_and_named(archive_db: ArchiveDb) -> None:
    uri = archive_db()
    run(uri, f"alter database {uri.rsplit('/', 1)[1]} set timezone to 'Asia/Tokyo'")
    with PostgresArchive(uri, statement_timeout=7).snapshot() as snapshot:
        connection = vars(snapshot)["_connection"]
        settings = (
            "transaction_read_only", "transaction_isolation", "timezone", "statement_timeout", "application_name",
            "idle_in_transaction_session_timeout", "client_encoding", "lock_timeout",
        )  # fmt: skip
        found = {name: connection.execute(f"show {name}").fetchone()[0] for name in settings}
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("delete from argo_archived_workflows")
    assert found == {
        "transaction_read_only": "on",
        "transaction_isolation": "repeatable read",
        "timezone": "UTC",
        "statement_timeout": "7s",
        "application_name": "kubectl-argo-archive",
        "idle_in_transaction_session_timeout": "0",
        "client_encoding": "UTF8",
        "lock_timeout": "10s",
    }


def test_an_archive_in_another_schema_is_found(archive_db: ArchiveDb) -> None:
    uri = archive_db(rows=[workflow("a", labels={"l": "1"})], schema="Argo's")
    with PostgresArchive(uri).snapshot() as snapshot:
        assert uids(snapshot.select(Selection(labels="l=1"))) == {"a"}
        assert set(documents(snapshot.rows(snapshot.keys(), batch_bytes=1000))) == {"a"}
        assert snapshot.info.schema_version == 68
        assert snapshot.info.source_id.endswith("/Argo's")


def test_of_several_archives_the_search_path_chooses(archive_db: ArchiveDb) -> None:
    uri = archive_db(rows=[workflow("a")], schema="one")
    run(uri, *create_schema_sql(68, schema="two").split(";\n"))
    load_archive(uri, [workflow("b")], schema="two")
    with pytest.raises(SourceError, match="one, two") as caught, PostgresArchive(uri).snapshot():
        pass
    assert caught.value.hint is not None
    assert "?options=-csearch_path%3Done" in caught.value.hint
    for schema, uid in (("one", "a"), ("two", "b")):
        with PostgresArchive(f"{uri}?options=-csearch_path%3D{schema}").snapshot() as snapshot:
            assert uids(snapshot.keys()) == {uid}


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("drop table argo_archived_workflows cascade", "has no table argo_archived_workflows"),
        ("alter table argo_archived_workflows drop column finishedat", "has no column finishedat"),
        ("alter table argo_archived_workflows alter workflow type bytea using null", "workflow is of type bytea"),
    ],
)
def test_another_database_is_refused(archive_db: ArchiveDb, statement: str, message: str) -> None:
    uri = archive_db()
    run(uri, statement)
    with pytest.raises(SourceError, match=message), PostgresArchive(uri).snapshot():
        pass


def test_without_rights_the_error_says_what_to_grant(archive_db: ArchiveDb) -> None:
    uri = archive_db(rows=[workflow("a", labels={"l": "1"})], schema="argo")
    user, reader = reader_of(uri)
    try:
        with pytest.raises(SourceError, match="may not read") as caught, PostgresArchive(reader).snapshot():
            pass
        grant = (caught.value.hint or "").split("tables: ")[1]
        run(uri, *grant.split("; "))
        with PostgresArchive(reader).snapshot() as snapshot:
            assert uids(snapshot.select(Selection(labels="l=1"))) == {"a"}
            assert snapshot.info.complete
    finally:
        drop_reader(uri, user)


def test_rights_on_the_columns_are_enough(archive_db: ArchiveDb) -> None:
    uri = archive_db(rows=[workflow("a", labels={"l": "1"}), workflow("b")])
    user, reader = reader_of(uri)
    columns = "clustername, instanceid, uid, namespace, name, phase, workflow, startedat, finishedat"
    try:
        run(uri, f"grant select ({columns}) on argo_archived_workflows to {user}")
        with PostgresArchive(reader).snapshot() as snapshot:
            assert uids(snapshot.select(Selection(labels="l=1"))) == {"a"}
            assert snapshot.info.schema_version is None
    finally:
        drop_reader(uri, user)


def test_who_cannot_see_every_row_does_not_call_them_gone(archive_db: ArchiveDb) -> None:
    uri = archive_db(rows=[workflow("a", namespace="mine"), workflow("b", namespace="theirs")])
    user, reader = reader_of(uri)
    try:
        run(
            uri,
            f"grant select on all tables in schema public to {user}",
            "create policy mine on argo_archived_workflows using (namespace = 'mine')",
            "alter table argo_archived_workflows enable row level security",
        )
        with PostgresArchive(reader).snapshot() as snapshot:
            assert uids(snapshot.keys()) == {"a"}
            assert not snapshot.info.complete
    finally:
        drop_reader(uri, user)


def test_a_view_in_the_place_of_the_table_is_read(archive_db: ArchiveDb) -> None:
    uri = archive_db(rows=[workflow("a", labels={"l": "1"}), workflow("b")])
    run(
        uri,
        "alter table argo_archived_workflows rename to hidden",
        "create view argo_archived_workflows as select * from hidden where uid = 'a'",
    )
    with PostgresArchive(uri).snapshot() as snapshot:
        assert uids(snapshot.keys()) == {"a"}
        assert set(documents(snapshot.rows(snapshot.keys(), batch_bytes=1000))) == {"a"}
        assert not snapshot.info.complete


def test_many_keys_are_read_in_portions(archive_db: ArchiveDb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubectl_argo_archive.archive.postgres._KEYS_PER_QUERY", 7)
    given = [workflow(f"it's-{n}", finished_at=f"2026-01-{n % 28 + 1:02}T00:00:00Z") for n in range(50)]
    with PostgresArchive(archive_db(rows=given)).snapshot() as snapshot:
        keys = snapshot.keys().sort_by("uid").slice(1)
        rows = documents(snapshot.rows(keys, batch_bytes=2000))
    assert set(rows) == uids(keys)
    finished = [json.loads(text)["status"]["finishedAt"] for text in rows.values()]
    assert finished == sorted(finished)
