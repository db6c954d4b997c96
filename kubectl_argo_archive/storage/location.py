"""Where a lake or a dump lies: ``s3://bucket/prefix`` or a local path, as a value."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Literal, Self
from urllib.parse import unquote

from kubectl_argo_archive.errors import ConfigError, redact

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):(?P<rest>/.*|$)", re.DOTALL)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}", re.ASCII)

_FORMS = "write s3://bucket/prefix, or the path of a folder"
_FOREIGN = {
    "s3a": "s3a:// and s3n:// are Hadoop's spelling; write s3://bucket/prefix",
    "s3n": "s3a:// and s3n:// are Hadoop's spelling; write s3://bucket/prefix",
    "http": "write s3://bucket/prefix and name the server in AWS_ENDPOINT_URL",
    "https": "write s3://bucket/prefix and name the server in AWS_ENDPOINT_URL",
    "gs": "Google Cloud Storage answers S3 too: s3://bucket/prefix with AWS_ENDPOINT_URL=https://storage.googleapis.com"
    " and an HMAC key",
    "gcs": "Google Cloud Storage answers S3 too: s3://bucket/prefix with"
    " AWS_ENDPOINT_URL=https://storage.googleapis.com and an HMAC key",
}


@dataclass(frozen=True, slots=True)
class Location:
    """A folder of files.

    Attributes:
        scheme: ``s3`` or ``file``.
        bucket: name of the bucket, empty for a local folder.
        prefix: what all keys begin with, without slashes at its ends; empty for a local folder.
        path: as the file system names it: an absolute local path, or ``bucket/prefix``.
    """

    scheme: Literal["s3", "file"]
    bucket: str
    prefix: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what a person wrote: ``s3://…``, ``file://…`` or a path, relative or with ``~``.

        Raises:
            ConfigError: it is neither; the hint says what to write instead.
        """
        if not text.strip() or "\0" in text:
            raise ConfigError("the location is empty" if not text.strip() else "a location cannot hold a NUL", _FORMS)
        match = _SCHEME.fullmatch(text)
        scheme = match["scheme"].lower() if match else ""
        if text.lower().startswith("s3:"):
            return cls._parse_s3(text)
        if scheme == "file":
            return cls._parse_file_uri(text)
        if scheme and match and match["rest"].startswith("/"):
            hint = _FOREIGN.get(scheme, _FORMS)
            raise ConfigError(f"{_shown(text)} is not a location that can be used: unknown scheme {scheme}://", hint)
        return cls._local(text)

    @property
    def is_local(self) -> bool:
        """True for a folder of this machine."""
        return self.scheme == "file"

    @property
    def url(self) -> str:
        """As every engine reads it: ``s3://bucket/prefix`` or the absolute path."""
        return self.path if self.is_local else f"s3://{self.path}"

    @property
    def display(self) -> str:
        """For people; a location never holds a secret."""
        return self.url

    def join(self, *parts: str) -> Self:
        """The location of something inside, ``join("nodes", "_delta_log")``."""
        tail = "/".join(part.strip("/") for part in parts if part.strip("/"))
        if not tail:
            return self
        path = f"{self.path.rstrip('/')}/{tail}"
        return type(self)(self.scheme, self.bucket, "" if self.is_local else path.partition("/")[2], path)

    @classmethod
    def _parse_s3(cls, text: str) -> Self:
        if not text[3:].startswith("//") or text[3:].startswith("///"):
            raise ConfigError(f"{_shown(text)} is not an S3 location", "write s3://bucket/prefix, with two slashes")
        bucket, _, key = text[5:].partition("/")
        if "@" in bucket or ":" in bucket:
            raise ConfigError(
                "an S3 location names a bucket, neither keys nor a server",
                "write s3://bucket/prefix; keys come from AWS' variables or profiles, the server from AWS_ENDPOINT_URL",
            )
        if not bucket:
            raise ConfigError(f"{_shown(text)} names no bucket", "write s3://bucket/prefix")
        if not _BUCKET.fullmatch(bucket):
            raise ConfigError(f"'{bucket}' cannot be the name of a bucket", "write s3://bucket/prefix")
        if "?" in key or "#" in key:
            raise ConfigError(
                f"{_shown(text)}: an S3 location has no ?query and no #fragment",
                "region and endpoint come from AWS_REGION and AWS_ENDPOINT_URL",
            )
        segments = [segment for segment in key.split("/") if segment]
        if "." in segments or ".." in segments:
            raise ConfigError(f"{text}: '.' and '..' have no meaning in an S3 location", "write the prefix out")
        prefix = "/".join(segments)
        return cls("s3", bucket, prefix, f"{bucket}/{prefix}" if prefix else bucket)

    @classmethod
    def _parse_file_uri(cls, text: str) -> Self:
        rest = text[len("file:") :]
        if rest.startswith("//"):
            host, slash, path = rest[2:].partition("/")
            if host not in ("", "localhost") or not slash:
                raise ConfigError(f"{_shown(text)} names another machine, not a folder", "write file:///path or a path")
            rest = slash + path
        return cls._local(unquote(rest))

    @classmethod
    def _local(cls, text: str) -> Self:
        expanded = os.path.expanduser(text)
        if expanded.startswith("~") and not os.path.exists(expanded):
            raise ConfigError(f"{text}: there is no such user", "write the path out")
        return cls("file", "", "", os.path.abspath(expanded))


def _shown(text: str) -> str:
    """What the user wrote, without a password that it may hold."""
    return redact(text.strip())
