"""Options of the commands that read Argo's artifact stores: which server, which bucket, which key."""

from __future__ import annotations

import base64
import binascii
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click

from kubectl_argo_archive.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kubectl_argo_archive.argo.log_keys import LogStore

F = TypeVar("F", bound="Callable[..., Any]")

_KEY_BYTES = 32


def store_options(function: F) -> F:
    """``--endpoint``, ``--bucket``, ``--key-format``, ``--sse-c-key-file``.

    Arguments: ``endpoints`` (recorded endpoint → URL), ``default_store`` (or None), ``customer_key`` (or None).
    """

    @click.option("--endpoint", "endpoint", metavar="[RECORDED=]URL", multiple=True,
                  help="Server of the logs, instead of the recorded one: minio:9000=https://minio.example.com, or a "
                  "URL for all. Without it a recorded server that cannot be reached from here is replaced by "
                  "AWS_ENDPOINT_URL.")  # fmt: skip
    @click.option("--bucket", metavar="NAME", help="Bucket of workflows that record none.")
    @click.option("--key-format", metavar="FORMAT", help="Their keyFormat; needs --bucket.")
    @click.option("--sse-c-key-file", metavar="FILE", type=click.Path(dir_okay=False),
                  help="Key of objects encrypted with SSE-C: 32 bytes, or their base64.")  # fmt: skip
    @wraps(function)
    def with_stores(
        *args: Any, endpoint: tuple[str, ...], bucket: str | None, key_format: str | None, sse_c_key_file: str | None,
        **kwargs: Any,
    ) -> Any:  # fmt: skip
        if key_format and not bucket:
            raise ConfigError("--key-format needs --bucket", "say in which bucket such keys lie")
        return function(
            *args,
            endpoints=dict(_endpoint(text) for text in endpoint),
            default_store=_store(bucket, key_format) if bucket else None,
            customer_key=_customer_key(sse_c_key_file) if sse_c_key_file else None,
            **kwargs,
        )

    return with_stores  # type: ignore[return-value]  # click's decorators keep the callable's kind


def _endpoint(text: str) -> tuple[str, str]:
    recorded, equals, url = text.partition("=")
    if not equals:
        recorded, url = "", text
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ConfigError("--endpoint needs a URL", "for example --endpoint minio:9000=https://minio.example.com")
    return recorded.partition("://")[2] or recorded, url.rstrip("/")


def _store(bucket: str, key_format: str | None) -> LogStore:
    from kubectl_argo_archive.argo.log_keys import DEFAULT_FORMAT, LogStore

    return LogStore("s3", bucket.removeprefix("s3://").strip("/"), key_format=key_format or DEFAULT_FORMAT)


def _customer_key(file: str) -> bytes:
    try:
        data = Path(file).read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}", "check --sse-c-key-file") from error
    if len(data) == _KEY_BYTES:
        return data
    try:
        key = base64.b64decode(data.strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigError(f"{file} holds no SSE-C key", "it must be 32 bytes, or the base64 of 32 bytes")
    return key
