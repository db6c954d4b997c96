"""S3 for three clients alike: s3fs (files), delta-rs (table logs) and DuckDB (queries).

Settings come from AWS' variables, then our configuration file, then the AWS profile, and are read once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from kubectl_argo_archive.errors import ConfigError
from kubectl_argo_archive.storage import credentials
from kubectl_argo_archive.storage.credentials import Credentials, Keys

if TYPE_CHECKING:
    from botocore.session import Session
    from s3fs import S3FileSystem

    from kubectl_argo_archive.config import S3Config

CONNECT_PATIENCE_S = 5
READ_PATIENCE_S = 60
ATTEMPTS = 3
RETRY_PATIENCE_S = 30

_DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Settings:
    """How to reach S3.

    Attributes:
        endpoint: URL of the server, None for AWS' own.
        region: region that requests are signed for.
        virtual: True if the bucket is part of the host name.
        verify: True, False, or the PEM file of the authorities to trust.
        credentials: None for anonymous requests.
    """

    endpoint: str | None
    region: str
    virtual: bool
    verify: bool | str
    credentials: Credentials | None

    @classmethod
    def resolve(cls, config: S3Config) -> Self:
        """Read the environment, ``config`` and the AWS profile.

        Raises:
            ConfigError: no credentials, no such profile, a wrong endpoint or CA file.
            StorageError, StorageUnreachable: credentials cannot be had now.
        """
        session = credentials.new_session(config.profile)
        profile = session.get_scoped_config()
        region = _first(
            os.environ.get("AWS_REGION"),
            os.environ.get("AWS_DEFAULT_REGION"),
            config.region,
            profile.get("region"),
            _DEFAULT_REGION,
        )
        own_endpoint = _endpoint(session, config)
        in_china = f"https://s3.{region}.amazonaws.com.cn" if region.startswith("cn-") else None
        anonymous = config.anonymous or _truthy(os.environ.get("AWS_NO_SIGN_REQUEST"))
        return cls(
            endpoint=own_endpoint or in_china,
            region=region,
            virtual=_virtual(config, profile, bool(own_endpoint)),
            verify=_verify(config, profile),
            credentials=None if anonymous else credentials.resolve(session),
        )

    def keys(self) -> Keys | None:
        """The keys of this moment, None for anonymous requests."""
        return self.credentials.frozen() if self.credentials else None

    @property
    def server(self) -> str:
        """The server for people."""
        return self.endpoint or f"AWS ({self.region})"


class S3:
    """The settings as each client wants them."""

    def __init__(self, settings: Settings, bucket: str, connections: int = 32) -> None:
        self.settings = settings
        self._bucket = bucket
        self._connections = connections

    @cached_property
    def fs(self) -> S3FileSystem:
        """An s3fs file system that lists afresh every time and signs with keys that are valid at that time."""
        from aiobotocore.session import AioSession
        from s3fs import S3FileSystem

        from kubectl_argo_archive.storage.signing import sign_with

        session = AioSession(profile=None)
        if self.settings.credentials:
            sign_with(session, self.settings.credentials)
        config: dict[str, Any] = {
            "connect_timeout": CONNECT_PATIENCE_S,
            "read_timeout": READ_PATIENCE_S,
            "retries": {"mode": "standard", "max_attempts": ATTEMPTS},
            "max_pool_connections": self._connections,
            "s3": {"addressing_style": "virtual" if self.settings.virtual else "path"},
            "user_agent_extra": "kubectl-argo-archive",
        }
        if self.settings.endpoint:
            # Ceph and older MinIO refuse the checksums that AWS' clients add of late
            config |= {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
        fs = S3FileSystem(
            anon=self.settings.credentials is None,
            session=session,
            endpoint_url=self.settings.endpoint,
            client_kwargs={"region_name": self.settings.region, "verify": self.settings.verify},
            config_kwargs=config,
            use_listings_cache=False,
            skip_instance_cache=True,
        )
        fs.retries = 2  # botocore retries by itself
        return fs

    def delta_options(self) -> dict[str, str]:
        """``storage_options`` of deltalake; commits are conditional puts, so no writer overwrites another's."""
        options = {
            "aws_region": self.settings.region,
            "aws_virtual_hosted_style_request": _word(self.settings.virtual),
            "aws_conditional_put": "etag",
            "aws_s3_allow_unsafe_rename": "false",
            "connect_timeout": f"{CONNECT_PATIENCE_S}s",
            "timeout": f"{READ_PATIENCE_S}s",
            "max_retries": str(ATTEMPTS - 1),
            "retry_timeout": f"{RETRY_PATIENCE_S}s",
        }
        if self.settings.endpoint:
            url = urlsplit(self.settings.endpoint)
            # object_store takes the endpoint of virtual hosts with the bucket already in it
            host = f"{self._bucket}.{url.netloc}" if self.settings.virtual else url.netloc
            options["aws_endpoint"] = url._replace(netloc=host).geturl()
            options["aws_allow_http"] = _word(url.scheme == "http")
        if self.settings.verify is False:
            options["allow_invalid_certificates"] = "true"
        elif isinstance(self.settings.verify, str):
            options["certificate_path"] = self.settings.verify
        keys = self.settings.keys()
        if keys is None:
            return options | {"aws_skip_signature": "true"}
        options |= {"aws_access_key_id": keys.access_key_id, "aws_secret_access_key": keys.secret_access_key}
        return options | ({"aws_session_token": keys.session_token} if keys.session_token else {})

    def duckdb_secret(self) -> dict[str, str]:
        """Parameters of DuckDB's ``CREATE SECRET (TYPE s3, …)``."""
        secret = {"REGION": self.settings.region, "URL_STYLE": "vhost" if self.settings.virtual else "path"}
        if self.settings.endpoint:
            url = urlsplit(self.settings.endpoint)
            secret |= {"ENDPOINT": f"{url.netloc}{url.path.rstrip('/')}", "USE_SSL": _word(url.scheme == "https")}
        if self.settings.verify is False:
            secret["VERIFY_SSL"] = "false"
        keys = self.settings.keys()
        if keys is None:
            return secret
        secret |= {"KEY_ID": keys.access_key_id, "SECRET": keys.secret_access_key}
        return secret | ({"SESSION_TOKEN": keys.session_token} if keys.session_token else {})

    def duckdb_settings(self) -> dict[str, str]:
        """``SET`` statements that httpfs needs to trust the server's certificate."""
        if isinstance(self.settings.verify, str):
            return {"ca_cert_file": self.settings.verify, "enable_server_cert_verification": "true"}
        return {} if self.settings.verify else {"enable_server_cert_verification": "false"}


def _endpoint(session: Session, config: S3Config) -> str | None:
    """The first that names an endpoint, in the order that AWS documents, our file before the profile."""
    ignored = _truthy(str(session.get_config_variable("ignore_configured_endpoint_urls") or ""))
    if ignored:
        return _checked(config.endpoint_url)
    profile = session.get_scoped_config()
    services = session.full_config.get("services", {}).get(profile.get("services"), {})
    named = _first(
        os.environ.get("AWS_ENDPOINT_URL_S3"),
        os.environ.get("AWS_ENDPOINT_URL"),
        config.endpoint_url,
        services.get("s3", {}).get("endpoint_url") if isinstance(services, dict) else None,
        profile.get("endpoint_url"),
        "",
    )
    return _checked(named)


def _checked(endpoint: str | None) -> str | None:
    if not endpoint:
        return None
    try:
        url = urlsplit(endpoint)
        _ = url.port  # raises for a port that is no number
    except ValueError as error:
        raise ConfigError("the S3 endpoint is not a URL", "write AWS_ENDPOINT_URL=https://host:port") from error
    if url.scheme not in ("http", "https") or not url.hostname or "@" in url.netloc or url.query or url.fragment:
        raise ConfigError(
            f"the S3 endpoint must be http://host:port or https://host:port, not {url.scheme}://{url.hostname or ''}…",
            "set AWS_ENDPOINT_URL, or s3.endpoint_url in the configuration file; keys do not belong into it",
        )
    return endpoint.rstrip("/")


def _virtual(config: S3Config, profile: dict[str, Any], own_endpoint: bool) -> bool:
    section = profile.get("s3")
    style = section.get("addressing_style", "auto") if isinstance(section, dict) else "auto"
    if config.addressing_style != "auto":
        style = config.addressing_style
    return not own_endpoint if style == "auto" else bool(style == "virtual")


def _verify(config: S3Config, profile: dict[str, Any]) -> bool | str:
    if not config.verify:
        return False
    bundle = _first(os.environ.get("AWS_CA_BUNDLE"), config.ca_bundle, profile.get("ca_bundle"), "")
    if not bundle:
        return True
    path = os.path.abspath(os.path.expanduser(bundle))
    if not os.path.isfile(path):
        raise ConfigError(f"the CA bundle {path} does not exist", "check AWS_CA_BUNDLE or s3.ca_bundle")
    return path


def _first(*candidates: str | None) -> str:
    return next((candidate for candidate in candidates if candidate), "")


def _truthy(text: str | None) -> bool:
    return (text or "").strip().lower() in ("1", "true", "yes", "on")


def _word(flag: bool) -> str:
    return "true" if flag else "false"
