"""The configuration file."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubectl_argo_archive.cli.main import run
from kubectl_argo_archive.config import Config, QueryConfig, S3Config, default_path, load
from kubectl_argo_archive.errors import ConfigError, ExitCode


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def fails(tmp_path: Path, text: str) -> str:
    path = write(tmp_path / "config.toml", text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(path) in caught.value.message
    return f"{caught.value.message} | {caught.value.hint}"


def test_no_file_means_defaults() -> None:
    assert load() == Config()
    assert load().s3.addressing_style == "auto"


def test_every_key(tmp_path: Path) -> None:
    path = write(
        tmp_path / "c.toml",
        'source = "postgresql://db/argo"\nlake = "s3://b/l"\n'
        '[s3]\nendpoint_url = "https://minio"\nregion = "eu"\nprofile = "p"\naddressing_style = "virtual"\n'
        'ca_bundle = "/ca.pem"\nverify = false\nanonymous = true\n'
        '[query]\nmemory_limit = "2GB"\ntimeout = 30\n',
    )
    assert load(path) == Config(
        "postgresql://db/argo",
        "s3://b/l",
        S3Config("https://minio", "eu", "p", "virtual", "/ca.pem", False, True),
        QueryConfig("2GB", 30),
    )


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clean_environment: Path) -> None:
    in_home = write(clean_environment / ".config" / "kubectl-argo-archive" / "config.toml", 'lake = "home"')
    assert default_path() == in_home
    assert load().lake == "home"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    write(tmp_path / "xdg" / "kubectl-argo-archive" / "config.toml", 'lake = "xdg"')
    assert load().lake == "xdg"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative/is/ignored")
    assert load().lake == "home"
    monkeypatch.setenv("KUBECTL_ARGO_ARCHIVE_CONFIG", str(write(tmp_path / "variable.toml", 'lake = "variable"')))
    assert load().lake == "variable"
    assert load(write(tmp_path / "flag.toml", 'lake = "flag"')).lake == "flag"


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot read"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('lkae = "x"', "unknown key lkae | did you mean lake"),
        ('zzz = "x"', "unknown key zzz | known are source, lake, s3, query"),
        ('[s3]\nendpoint = "x"', "unknown key s3.endpoint | did you mean s3.endpoint_url"),
        ("[s4]\n", "unknown key s4 | did you mean s3"),
        ('s3 = "x"', "s3 is a section, not a value | write [s3]"),
        ("lake = 1", "lake must be a text in quotes"),
        ('[s3]\nverify = "no"', "s3.verify must be true or false"),
        ('[s3]\naddressing_style = "host"', "s3.addressing_style must be one of auto, path, virtual"),
        ('[query]\ntimeout = "1m"', "query.timeout must be a number"),
        ("[query]\ntimeout = true", "query.timeout must be a number"),
        ("lake = ", "is not TOML"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, message: str) -> None:
    assert message in fails(tmp_path, text)


@pytest.mark.parametrize("key", ["access_key_id", "secret_access_key", "aws_session_token", "password"])
def test_secrets_are_refused_and_not_repeated(tmp_path: Path, key: str) -> None:
    shown = fails(tmp_path, f'[s3]\n{key} = "hunter2"\n')
    assert "~/.aws/credentials" in shown
    assert "hunter2" not in shown


def test_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"lake = '\xff'")
    with pytest.raises(ConfigError, match="cannot read"):
        load(tmp_path / "config.toml")


def test_a_password_in_the_source_is_not_shown() -> None:
    assert "hunter2" not in repr(Config(source="postgresql://me:hunter2@db/argo"))


def test_the_command_line_reads_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "c.toml", "lkae = 1")
    assert run(["export", "--source", "x", "--config", str(path)]) == ExitCode.USAGE
    assert capsys.readouterr().err == f"error: {path}: unknown key lkae\nhint: did you mean lake\n"
