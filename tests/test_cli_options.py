"""Shared options: what they accept, and which of flag, environment and file comes first."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from kubectl_argo_archive.cli.lazy import LazyGroup
from kubectl_argo_archive.cli.main import SHARED, run
from kubectl_argo_archive.cli.options import (
    lake_option,
    namespace_options,
    output_option,
    parse_time,
    selector_option,
    settings,
    source_option,
    time_options,
)
from kubectl_argo_archive.errors import ConfigError, ExitCode

NOW = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T12:30:00Z", datetime(2026, 3, 1, 12, 30, tzinfo=UTC)),
        ("2026-03-01t12:30:00z", datetime(2026, 3, 1, 12, 30, tzinfo=UTC)),
        ("2026-03-01T12:30:00.123456789Z", datetime(2026, 3, 1, 12, 30, 0, 123456, tzinfo=UTC)),
        ("2026-03-01T12:30:00+02:00", datetime(2026, 3, 1, 10, 30, tzinfo=UTC)),
        ("2026-03-01 12:30", datetime(2026, 3, 1, 12, 30, tzinfo=UTC)),
        (" 2026-03-01 ", datetime(2026, 3, 1, tzinfo=UTC)),
        ("7d", NOW - timedelta(days=7)),
        ("12h", NOW - timedelta(hours=12)),
        ("30m", NOW - timedelta(minutes=30)),
        ("45s", NOW - timedelta(seconds=45)),
        ("2w", NOW - timedelta(weeks=2)),
        ("1d12h30m", NOW - timedelta(days=1, hours=12, minutes=30)),
        ("0s", NOW),
    ],
)
def test_times(text: str, time: datetime) -> None:
    assert parse_time(text, NOW) == time
    assert parse_time(text, NOW).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026", "20260301", "2026-W09-7", "2026-02-30", "2026-03-01T25:00:00Z", "7", "7 d", "-7d", "7y",
     "d", "9999999d", "99999999999999999999d", "2026-03-01Z12", "٧d", "1.5h"],
)  # fmt: skip
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a time"):
        parse_time(text, NOW)


@given(st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC)))
def test_every_rfc_3339_time_is_read_as_it_is_written(time: datetime) -> None:
    assert parse_time(time.isoformat(), NOW) == time


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_a_clear_error(text: str) -> None:
    with suppress(ConfigError):
        assert parse_time(text, NOW).tzinfo is not None


@click.command()
@source_option
@lake_option
@namespace_options
@selector_option
@time_options
@output_option(("text", "json"), "text")
@click.pass_context
def command(ctx: click.Context, **values: Any) -> None:
    """Keep what the options became."""
    ctx.find_root().meta["got"] = {**values, "region": settings(ctx).s3.region}


def given_options(*arguments: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    got: dict[str, Any] = {}

    @click.pass_context
    def keep(ctx: click.Context, /, **_: Any) -> None:
        got.update(ctx.meta["got"])

    group = LazyGroup(lazy={"command": ("", "")}, shared=SHARED, result_callback=lambda *_, **__: keep())
    group.commands["command"] = command
    command.params = [param for param in command.params if param not in SHARED] + list(SHARED)
    result = CliRunner().invoke(group, arguments, env=env, catch_exceptions=False, standalone_mode=False)
    assert result.exception is None
    return got


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    path.write_text('source = "from-file"\nlake = "from-file"\n[s3]\nregion = "eu-west-1"\n')
    monkeypatch.setenv("KUBECTL_ARGO_ARCHIVE_CONFIG", str(path))
    return path


ENVIRONMENT = {"KUBECTL_ARGO_ARCHIVE_LAKE": "from-env", "KUBECTL_ARGO_ARCHIVE_SOURCE": "from-env"}


@pytest.mark.usefixtures("file")
def test_flag_then_environment_then_file() -> None:
    assert [given_options("command")[key] for key in ("source", "lake")] == ["from-file"] * 2
    assert [given_options("command", env=ENVIRONMENT)[key] for key in ("source", "lake")] == ["from-env"] * 2
    flags = given_options("command", "--lake", "flag", "--source", "flag", env=ENVIRONMENT)
    assert [flags[key] for key in ("source", "lake")] == ["flag"] * 2
    assert given_options("command")["region"] == "eu-west-1"


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize("place", ["before", "after"])
def test_the_flag_for_the_file_goes_before_its_variable(tmp_path: Path, place: str) -> None:
    other = tmp_path / "other.toml"
    other.write_text('source = "other"\nlake = "other"\n')
    flag = ["--config", str(other)]
    assert given_options(*([*flag, "command"] if place == "before" else ["command", *flag]))["lake"] == "other"


def test_nobody_said_where_the_lake_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "--source", "x"]) == ExitCode.USAGE
    err = capsys.readouterr().err
    assert "where the lake is is not said" not in err
    assert err.startswith("error: no lake given\nhint: give --lake")
    assert "KUBECTL_ARGO_ARCHIVE_LAKE" in err
    assert run(["export", "--lake", "x"]) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("error: no source given\nhint: give --source")


@pytest.mark.usefixtures("file")
class TestOthers:
    def test_defaults(self) -> None:
        got = given_options("command")
        assert got["namespaces"] == ()
        assert (got["selector"], got["since"], got["until"]) == (None, None, None)
        assert got["output"] == "text"

    def test_namespaces(self) -> None:
        assert given_options("command", "-n", "a", "--namespace", "b,c", "-n", "a")["namespaces"] == ("a", "b", "c")
        assert given_options("command", "-A")["namespaces"] == ()

    @pytest.mark.parametrize("arguments", [("-n", "a", "-A"), ("-n", ""), ("-n", ",")])
    def test_contradictions(self, arguments: tuple[str, ...]) -> None:
        with pytest.raises(ConfigError):
            given_options("command", *arguments)

    def test_selector_and_times(self) -> None:
        got = given_options("command", "-l", "team=risk", "--since", "2026-03-01", "--until", "2026-04-01T00:00:00Z")
        assert got["selector"] == "team=risk"
        assert got["since"] == datetime(2026, 3, 1, tzinfo=UTC)
        assert got["until"] == datetime(2026, 4, 1, tzinfo=UTC)

    def test_a_wrong_time(self) -> None:
        with pytest.raises(ConfigError, match="'soon' is not a time"):
            given_options("command", "--since", "soon")
