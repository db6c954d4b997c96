"""Credentials: AWS' own chain, resolved once, renewed in time, shown to nobody."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fixtures.aws import write_aws_files
from fixtures.s3_stub import Answer, stub_s3

from kubectl_argo_archive.config import S3Config
from kubectl_argo_archive.errors import ArgoArchiveError, ConfigError, ExitCode, StorageError, StorageUnreachable
from kubectl_argo_archive.storage.credentials import METADATA_PATIENCE_S, Keys, new_session
from kubectl_argo_archive.storage.s3 import Settings


def keys(config: S3Config | None = None) -> Keys | None:
    return Settings.resolve(config or S3Config()).keys()


def fails(kind: type[ArgoArchiveError], config: S3Config | None = None) -> str:
    with pytest.raises(kind) as caught:
        keys(config)
    assert type(caught.value) is kind
    return f"{caught.value.message} | {caught.value.hint}"


def use_environment(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    use_environment(monkeypatch, AWS_ACCESS_KEY_ID="AK", AWS_SECRET_ACCESS_KEY="SK", AWS_SESSION_TOKEN="TK")
    assert keys() == Keys("AK", "SK", "TK")


def test_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_aws_files(
        monkeypatch,
        tmp_path,
        credentials="[default]\naws_access_key_id=D\naws_secret_access_key=DS\n"
        "[archive]\naws_access_key_id=A\naws_secret_access_key=AS\naws_session_token=AT\n",
    )
    assert keys() == Keys("D", "DS")
    assert keys(S3Config(profile="archive")) == Keys("A", "AS", "AT")
    monkeypatch.setenv("AWS_PROFILE", "archive")
    assert keys(S3Config(profile="default")) == Keys("A", "AS", "AT")


def test_keys_in_the_environment_go_before_a_configured_profile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_aws_files(
        monkeypatch,
        tmp_path,
        config="[profile archive]\nregion=eu-west-3\n",
        credentials="[archive]\naws_access_key_id=A\naws_secret_access_key=AS\n",
    )
    use_environment(monkeypatch, AWS_ACCESS_KEY_ID="E", AWS_SECRET_ACCESS_KEY="ES")
    settings = Settings.resolve(S3Config(profile="archive"))
    assert settings.keys() == Keys("E", "ES")
    assert settings.region == "eu-west-3"


def test_missing_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nobody" in fails(ConfigError, S3Config(profile="nobody"))
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    assert "nowhere" in fails(ConfigError)


def test_half_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AK")
    assert "incomplete" in fails(ConfigError)


def test_broken_aws_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_aws_files(monkeypatch, tmp_path, config="no section\n")
    assert "AWS configuration is wrong" in fails(ConfigError)


def test_a_metadata_service_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        session = new_session(None)
        assert session.get_config_variable("metadata_service_timeout") == METADATA_PATIENCE_S
        assert session.get_config_variable("metadata_service_num_attempts") == 1
        assert "AWS_ACCESS_KEY_ID" in fails(ConfigError)


def test_anonymous_only_if_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert keys(S3Config(anonymous=True)) is None
    monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "1")
    settings = Settings.resolve(S3Config())
    assert settings.keys() is None


def test_short_lived_keys_are_renewed_before_they_expire(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A process gives keys that last a minute: botocore holds them for too old at once and asks again."""
    count, script = tmp_path / "count", tmp_path / "issue.py"
    script.write_text(
        "import datetime, json, pathlib, sys\n"
        f"count = pathlib.Path({str(count)!r})\n"
        "n = int(count.read_text()) + 1 if count.exists() else 1\n"
        "count.write_text(str(n))\n"
        "until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=1)\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': f'AK{n}', 'SecretAccessKey': 'SK', 'SessionToken': f'TK{n}',"
        " 'Expiration': until.isoformat()}))\n"
    )
    write_aws_files(monkeypatch, tmp_path, config=f"[default]\ncredential_process={sys.executable} {script}\n")
    settings = Settings.resolve(S3Config())
    first, second = settings.keys(), settings.keys()
    assert first is not None
    assert second is not None
    assert first.access_key_id != second.access_key_id
    assert second.session_token == "TK" + second.access_key_id.removeprefix("AK")


def test_a_failed_renewal_is_an_error_and_not_a_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """botocore logs it with a traceback, which nobody should see on stderr."""
    once = tmp_path / "once"
    issue = tmp_path / "issue.py"
    issue.write_text(
        "import datetime, json, pathlib, sys\n"
        f"once = pathlib.Path({str(once)!r})\n"
        "if once.exists(): sys.exit('denied')\n"
        "once.touch()\n"
        "until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=1)\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': 'AK', 'SecretAccessKey': 'SK',"
        " 'Expiration': until.isoformat()}))"
    )
    write_aws_files(monkeypatch, tmp_path, config=f"[default]\ncredential_process={sys.executable} {issue}\n")
    script = (
        "from kubectl_argo_archive.config import S3Config\n"
        "from kubectl_argo_archive.errors import StorageError\n"
        "from kubectl_argo_archive.storage.s3 import Settings\n"
        "try:\n"
        "    Settings.resolve(S3Config()).keys()\n"
        "except StorageError as error:\n"
        "    print(error.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert "cannot fetch AWS credentials" in done.stdout


def test_container_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    until = (datetime.now(UTC) + timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = json.dumps({"AccessKeyId": "CK", "SecretAccessKey": "CS", "Token": "CT", "Expiration": until})
    with stub_s3(Answer(200, body, {"Content-Type": "application/json"})) as server:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{server.endpoint}/keys")
        settings = Settings.resolve(S3Config())
        assert settings.keys() == settings.keys() == Keys("CK", "CS", "CT")
        assert len(server.requests) == 1


def web_identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sts: str) -> None:
    token = tmp_path / "token"
    token.write_text("a.b.c")
    token.chmod(stat.S_IRUSR)
    use_environment(
        monkeypatch,
        AWS_WEB_IDENTITY_TOKEN_FILE=str(token),
        AWS_ROLE_ARN="arn:aws:iam::123456789012:role/archive",
        AWS_ENDPOINT_URL_STS=sts,
        AWS_REGION="eu-central-1",
        AWS_MAX_ATTEMPTS="1",
    )


def test_web_identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A service account of Kubernetes on AWS (IRSA)."""
    until = (datetime.now(UTC) + timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = (
        '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        "<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>WK</AccessKeyId>"
        "<SecretAccessKey>WS</SecretAccessKey><SessionToken>WT</SessionToken>"
        f"<Expiration>{until}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
        "</AssumeRoleWithWebIdentityResponse>"
    )
    with stub_s3(Answer(200, answer)) as sts:
        web_identity(monkeypatch, tmp_path, sts.endpoint)
        settings = Settings.resolve(S3Config())
        assert settings.keys() == Keys("WK", "WS", "WT")
        assert settings.credentials is not None
        assert settings.credentials.told_by == "the web identity"


def test_web_identity_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    error = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized</Message></Error></ErrorResponse>"
    with stub_s3(Answer(403, error)) as sts:
        web_identity(monkeypatch, tmp_path, sts.endpoint)
        assert "trust policy" in fails(StorageError)


def test_web_identity_unreachable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    web_identity(monkeypatch, tmp_path, "http://127.0.0.1:9")
    fails(StorageUnreachable)
    assert StorageUnreachable.exit_code == ExitCode.UNREACHABLE


def test_ended_sso_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_aws_files(
        monkeypatch,
        tmp_path,
        config="[default]\nsso_session=corp\nsso_account_id=123456789012\nsso_role_name=reader\n"
        "[sso-session corp]\nsso_region=eu-west-1\nsso_start_url=https://corp.example.com/start\n",
    )
    assert "aws sso login" in fails(StorageError)


def test_nobody_sees_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    use_environment(monkeypatch, AWS_ACCESS_KEY_ID="AK", AWS_SECRET_ACCESS_KEY="hunter2", AWS_SESSION_TOKEN="hunter3")
    settings = Settings.resolve(S3Config())
    for thing in (settings, settings.credentials, settings.keys()):
        assert "hunter" not in repr(thing)
        assert "hunter" not in str(thing)
