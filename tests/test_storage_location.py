"""Locations: what people write, and what becomes of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kubectl_argo_archive.errors import ConfigError, ExitCode
from kubectl_argo_archive.storage.location import Location


@pytest.mark.parametrize(
    ("text", "bucket", "prefix", "url"),
    [
        ("s3://bucket", "bucket", "", "s3://bucket"),
        ("s3://bucket/", "bucket", "", "s3://bucket"),
        ("s3://bucket/a/b/", "bucket", "a/b", "s3://bucket/a/b"),
        ("s3://bucket//a///b", "bucket", "a/b", "s3://bucket/a/b"),
        ("S3://My_Bucket.eu/Pre fix", "My_Bucket.eu", "Pre fix", "s3://My_Bucket.eu/Pre fix"),
    ],
)
def test_s3(text: str, bucket: str, prefix: str, url: str) -> None:
    location = Location.parse(text)
    assert (location.scheme, location.bucket, location.prefix) == ("s3", bucket, prefix)
    assert location.url == location.display == url
    assert location.path == url.removeprefix("s3://")
    assert not location.is_local
    assert Location.parse(location.url) == location


def test_local_paths(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    expected = {
        "lake": tmp_path / "lake",
        "./lake/": tmp_path / "lake",
        "../x": tmp_path.parent / "x",
        "/data/lake": Path("/data/lake"),
        "~/lake": tmp_path / "home" / "lake",
        "file:///data/my%20lake": Path("/data/my lake"),
        "file://localhost/data": Path("/data"),
        "file:/data": Path("/data"),
        "with:colon": tmp_path / "with:colon",
    }
    for text, path in expected.items():
        location = Location.parse(text)
        assert location.path == location.url == str(path), text
        assert location.is_local
        assert (location.bucket, location.prefix) == ("", "")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "empty", "s3://bucket/prefix"),
        ("  ", "empty", "s3://bucket/prefix"),
        ("a\0b", "NUL", "s3://"),
        ("s3:/bucket/x", "not an S3 location", "two slashes"),
        ("s3:bucket", "not an S3 location", "two slashes"),
        ("s3:///x", "not an S3 location", "s3://bucket"),
        ("s3://", "names no bucket", "s3://bucket/prefix"),
        ("s3://-x/y", "cannot be the name of a bucket", "s3://bucket/prefix"),
        ("s3://b/y", "cannot be the name of a bucket", "s3://bucket/prefix"),
        ("s3://bucket:9000/x", "neither keys nor a server", "AWS_ENDPOINT_URL"),
        ("s3://bucket/x?region=eu", "no ?query", "AWS_REGION"),
        ("s3://bucket/../x", "no meaning", "write the prefix out"),
        ("gs://bucket/x", "unknown scheme gs://", "https://storage.googleapis.com"),
        ("s3a://bucket/x", "unknown scheme s3a://", "s3://bucket/prefix"),
        ("http://host/bucket", "unknown scheme http://", "AWS_ENDPOINT_URL"),
        ("postgresql://host/db", "unknown scheme postgresql://", "s3://bucket/prefix"),
        ("file://host/x", "another machine", "file:///path"),
        ("~nobody-of-this-name/x", "no such user", "write the path out"),
    ],
)
def test_what_is_no_location(text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Location.parse(text)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize("text", ["s3://AKIA123:hunter2@bucket/x", "https://me:hunter2@host/x", "ftp://me:hunter2@h/"])
def test_no_secret_in_an_error(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Location.parse(text)
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


def test_join() -> None:
    lake = Location.parse("s3://bucket/lake")
    assert lake.join("nodes", "_delta_log").url == "s3://bucket/lake/nodes/_delta_log"
    assert lake.join("nodes", "_delta_log").prefix == "lake/nodes/_delta_log"
    assert lake.join("/nodes/") == lake.join("nodes")
    assert lake.join() == lake.join("") == lake
    assert Location.parse("s3://bucket").join("a").path == "bucket/a"
    assert Location.parse("/").join("a").path == os.path.abspath("/a")
    assert Location.parse("/lake").join("a", "b").path == "/lake/a/b"
