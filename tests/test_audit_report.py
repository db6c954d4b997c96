"""The audit report: who did what by Argo's labels, unknown where nobody is known, retention, holds; in four formats."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from contract.archive_suite import workflow
from fixtures.lakes import export_to

from kubectl_argo_archive.audit import holds
from kubectl_argo_archive.audit.access import Reader
from kubectl_argo_archive.audit.report.lake import LakeReport
from kubectl_argo_archive.audit.report.report import Policy, ReportFilter, spellings
from kubectl_argo_archive.cli.main import cli
from kubectl_argo_archive.connect import open_lake
from kubectl_argo_archive.errors import ConfigError

P = "workflows.argoproj.io/"
ALICE = {f"{P}creator": "3f1c-sub", f"{P}creator-email": "alice.at.example.com"}
READER = Reader("me", "here")
Row = dict[str, Any]


def suspended(name: str, message: str) -> Row:
    return {"id": f"{name}-1", "name": name, "displayName": "approve", "type": "Suspend", "phase": "Succeeded",
            "message": message, "startedAt": "2026-03-01T09:00:00Z", "finishedAt": "2026-03-01T09:20:00Z"}  # fmt: skip


def container(image: str) -> Row:
    return {"entrypoint": "t", "serviceAccountName": "runner",
            "templates": [{"name": "t", "container": {"image": image}}]}  # fmt: skip


def pod(uid: str) -> Row:
    return {f"wf-{uid}": {"id": f"wf-{uid}", "name": f"wf-{uid}", "displayName": f"wf-{uid}", "type": "Pod",
                          "templateName": "t", "templateScope": f"local/wf-{uid}", "phase": "Succeeded"}}  # fmt: skip


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    dump, lake = folder / "dump.ndjson", folder / "lake"
    first = [
        workflow("by-alice", labels=ALICE, spec=container("alpine:3.20"), status={"nodes": pod("by-alice")}),
        workflow("again", labels={**ALICE, f"{P}resubmitted-from-workflow": "wf-by-alice"}),
        workflow("cron", labels={f"{P}cron-workflow": "nightly"}, spec=container("alpine"),
                 status={"nodes": pod("cron")}),
        workflow("event", labels={"events.argoproj.io/sensor": "s"}),
        workflow("nobody", namespace="prod"),
        workflow("stopped", labels={**ALICE, f"{P}actor": "bob", f"{P}action": "Stop"},
                 spec={"shutdown": "Stop"}, status={"phase": "Failed"}),
        workflow("killed", spec={"shutdown": "Terminate"}, status={"phase": "Failed"}),
        workflow("resumed", status={"nodes": {"n": suspended("x", "Resumed by: map[User:carol]")}}),
        workflow("suspended", labels={f"{P}actor": "dave", f"{P}action": "Suspend",
                                      f"{P}actor-email": "dave.at.example.com"}),
        workflow("retried", status={"phase": "Failed"}),
        workflow("retried-by-hand", status={"phase": "Failed"}),
        workflow("old", finished_at="2019-01-01T00:00:00Z"),
    ]  # fmt: skip
    dump.write_text("".join(json.dumps(one) + "\n" for one in first))
    export_to(lake, dump)
    later = [
        workflow("retried", labels={f"{P}actor": "bob", f"{P}action": "Retry"}, finished_at="2026-03-02T10:00:00Z"),
        workflow("retried-by-hand", finished_at="2026-03-02T10:00:00Z"),
    ]
    dump.write_text("".join(json.dumps(one) + "\n" for one in later))
    export_to(lake, dump)
    return lake


def section(lake: Path, name: str, chosen: ReportFilter | None = None, *, policy: tuple[str, ...] = ()) -> list[Row]:
    with LakeReport(open_lake(str(lake)), chosen or ReportFilter(), Policy.parse(policy)) as made:
        _, result = made.section(name)
        names = [column.name for column in result.columns]
        return [dict(zip(names, row, strict=True)) for rows in result.rows() for row in rows]


def acts(found: list[Row]) -> set[tuple[str, str, str]]:
    return {(row["workflow"].removeprefix("wf-"), row["action"], row["who"]) for row in found}


def test_who_did_what(lake: Path) -> None:
    found = section(lake, "actions")
    alice = "alice.at.example.com"
    assert acts(found) == {
        ("by-alice", "submitted", alice), ("again", "resubmitted", alice),
        ("cron", "scheduled", "CronWorkflow nightly"), ("event", "triggered", "unknown"),
        ("nobody", "submitted", "unknown"), ("old", "submitted", "unknown"),
        ("stopped", "submitted", alice), ("stopped", "stopped", "bob"),
        ("killed", "submitted", "unknown"), ("killed", "terminated", "unknown"),
        ("resumed", "submitted", "unknown"), ("resumed", "resumed", "User:carol"),
        ("suspended", "submitted", "unknown"), ("suspended", "suspended", "dave.at.example.com"),
        ("retried", "submitted", "unknown"), ("retried", "retried", "bob"),
        ("retried-by-hand", "submitted", "unknown"), ("retried-by-hand", "retried", "unknown"),
    }  # fmt: skip
    assert all(row["who"] and row["known_by"] and row["time_is"] in ("exact", "not later than") for row in found)
    assert len(found) == 18


def test_what_one_person_did(lake: Path) -> None:
    """Found by mail address as people write it, by the label, by the subject; others' actions on their runs are not."""
    expected = {(name, "submitted", "alice.at.example.com") for name in ("by-alice", "stopped")}
    expected |= {("again", "resubmitted", "alice.at.example.com")}
    for name in ("alice@example.com", "alice.at.example.com", "3f1c-sub"):
        assert acts(section(lake, "actions", ReportFilter(users=(name,)))) == expected
    assert acts(section(lake, "actions", ReportFilter(users=("bob",)))) == {
        ("stopped", "stopped", "bob"), ("retried", "retried", "bob"),
    }  # fmt: skip
    assert section(lake, "actions", ReportFilter(users=("mallory",))) == []


def test_names_are_spelled_as_argo_does() -> None:
    assert "jo-e.at.x-y.org" in spellings(["jo+e@x_y.org".replace("_", "+")])


def test_time_and_namespace_narrow(lake: Path) -> None:
    second = ReportFilter(since=datetime(2026, 3, 2, tzinfo=UTC))
    assert acts(section(lake, "actions", second)) == {("retried", "retried", "bob"),
                                                      ("retried-by-hand", "retried", "unknown")}  # fmt: skip
    assert acts(section(lake, "actions", ReportFilter(until=datetime(2020, 1, 1, tzinfo=UTC)))) == {
        ("old", "submitted", "unknown")
    }
    assert acts(section(lake, "actions", ReportFilter(namespaces=("prod",)))) == {("nobody", "submitted", "unknown")}


def test_runs_without_a_creator(lake: Path) -> None:
    found = {row["uid"]: row["origin"] for row in section(lake, "unidentified")}
    assert found == {"cron": "cron", "event": "event", **dict.fromkeys(
        ("nobody", "killed", "resumed", "suspended", "retried", "retried-by-hand", "old"), "unknown")}  # fmt: skip


def test_images_and_service_accounts(lake: Path) -> None:
    found = {row["image"]: (row["pinned_by"], row["workflows"]) for row in section(lake, "images")}
    assert found == {"alpine:3.20": ("tag", 1), "alpine": ("floating", 1)}
    accounts = {(r["namespace"], r["service_account"]): r["workflows"] for r in section(lake, "service-accounts")}
    assert accounts == {("ns", "runner"): 2, ("ns", "default"): 9, ("prod", "default"): 1}


def test_outcomes_count_every_state(lake: Path) -> None:
    found = {(r["namespace"], r["phase"]): (r["states"], r["workflows"], r["retried_states"])
             for r in section(lake, "outcomes")}  # fmt: skip
    assert found == {("ns", "Failed"): (4, 4, 0), ("ns", "Succeeded"): (9, 9, 2), ("prod", "Succeeded"): (1, 1, 0)}


@pytest.fixture
def hold(lake: Path) -> Iterator[holds.Hold]:
    storage = open_lake(str(lake)).storage
    yield holds.place(storage, holds.Hold("case-1", "a claim", uid="old"), READER)
    holds.release(storage, "case-1", "settled", READER)


def test_retention_and_legal_holds(lake: Path, hold: holds.Hold) -> None:
    found = {row["uid"]: (row["status"], row["holds"]) for row in section(lake, "retention", policy=("2000d",))}
    assert found == {"old": ("held", "case-1")}
    found = {row["uid"]: row["status"] for row in section(lake, "retention", policy=("9999d", "prod=1d"))}
    assert found == {"nobody": "past retention"}
    with pytest.raises(ConfigError, match="no retention is known"):
        section(lake, "retention")
    assert [row["id"] for row in section(lake, "holds")] == [hold.id]


def test_holds_are_placed_once_and_released(lake: Path, hold: holds.Hold) -> None:
    storage = open_lake(str(lake)).storage
    with pytest.raises(ConfigError, match="in force already"):
        holds.place(storage, holds.Hold("case-1", "again"), READER)
    with pytest.raises(ConfigError, match="no hold"):
        holds.release(storage, "case-2", "x", READER)
    assert hold.covers("any", None, "old")
    assert not hold.covers("any", "ns", "new")
    assert holds.holding(holds.in_force(storage), "default", "ns", "old") == [hold]


@pytest.mark.parametrize("text", ["7", "y", "prod=", "=7y", "7x", "-1d", "1.5y"])
def test_a_wrong_retention_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="no retention"):
        Policy.parse([text])


def test_retentions() -> None:
    assert Policy.parse(["7y", "test=90d", "a=2w", "b=6m"]).days == {"*": 2555, "test": 90, "a": 14, "b": 180}


def invoke(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, ["audit", *arguments], prog_name="kubectl argo-archive", standalone_mode=False)
    if done.exception:
        raise done.exception
    return int(done.return_value or 0), done.stdout, done.stderr


def test_the_command(lake: Path, tmp_path: Path) -> None:
    base = ("report", "--lake", str(lake))
    code, text, said = invoke(*base)
    assert (code, "sanitised" in said) == (0, True)
    for title in ("# Who did what", "# Which images ran", "# Legal holds in force", "# Who looked at audit data"):
        assert title in text
    document = json.loads(invoke(*base, "-o", "json", "--retention", "7y")[1])
    assert list(document["sections"]) == ["outcomes", "actions", "unidentified", "service-accounts", "images",
                                          "retention", "holds", "access"]  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(invoke(*base, "actions", "--user", "bob", "-o", "csv")[1])))
    assert [row["action"] for row in rows] == ["stopped", "retried"] or {r["action"] for r in rows} == {
        "stopped", "retried"
    }  # fmt: skip
    with pytest.raises(ConfigError, match="one section"):
        invoke(*base, "-o", "csv")
    invoke(*base, "-o", "html", "--out", str(tmp_path / "r.html"))
    page = (tmp_path / "r.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "Who did what" in page
    assert "<script" not in page
    assert invoke("hold", "h1", "--reason", "r", "--lake", str(lake))[0] == 0
    assert json.loads(invoke(*base, "holds", "-o", "json")[1])["sections"]["holds"][0]["id"] == "h1"
    invoke("hold", "h1", "--release", "--reason", "r", "--lake", str(lake))
    assert json.loads(invoke(*base, "holds", "-o", "json")[1])["sections"]["holds"] == []
