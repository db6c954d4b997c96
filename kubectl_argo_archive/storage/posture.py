"""A bucket, asked what it is like: reachable, writable, versioned, locked, encrypted, expiring.

Only the probe object is ever written, ``<prefix>/.kubectl-argo-archive-probe-<random>``, and removed again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from kubectl_argo_archive.checks.facts_storage import Bucket, Expiry
from kubectl_argo_archive.errors import redact
from kubectl_argo_archive.storage.credentials import Keys
from kubectl_argo_archive.storage.facts import Facts, read
from kubectl_argo_archive.storage.location import Location
from kubectl_argo_archive.storage.s3 import Settings
from kubectl_argo_archive.storage.translate import Where, translate

PROBE = ".kubectl-argo-archive-probe-"

_ABSENT = {
    "NoSuchLifecycleConfiguration", "ObjectLockConfigurationNotFoundError", "ObjectLockConfigurationNotFound",
    "ServerSideEncryptionConfigurationNotFoundError", "NoSuchObjectLockConfiguration",
}  # fmt: skip
_KEYS = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "InvalidClientTokenId",
         "UnrecognizedClientException", "TokenRefreshRequired", "InvalidSecurity"}  # fmt: skip
_DENIED = {"AccessDenied", "AllAccessDisabled", "403", "401", "UnauthorizedAccess"}
_REGION = {"PermanentRedirect", "AuthorizationHeaderMalformed", "301", "307", "TemporaryRedirect",
           "IllegalLocationConstraintException", "InvalidRegion"}  # fmt: skip
_STEPS = {"name": "dns", "refused": "tcp", "timeout": "tcp", "cut": "tcp", "certificate": "tls", "proxy": "tcp",
          "speaks http": "scheme", "speaks https": "scheme"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a bucket; what a repository of Argo says, or a lake's own settings.

    Attributes:
        bucket: its name.
        prefix: what keys begin with, without slashes at its ends.
        endpoint: URL of the server, None for AWS' own.
        region: empty if unknown.
        keys: None for anonymous requests.
        virtual: True if the bucket is part of the host name.
        verify: True, False, or the PEM file of the authorities to trust.
    """

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str = ""
    keys: Keys | None = field(default=None, repr=False)
    virtual: bool = False
    verify: bool | str = True

    @classmethod
    def of(cls, location: Location, settings: Settings) -> Access:
        """The lake's bucket with the lake's own settings.

        Raises:
            StorageError, StorageUnreachable: the credentials cannot be had now.
        """
        keys, virtual = settings.keys(), settings.virtual
        return cls(location.bucket, location.prefix, settings.endpoint, settings.region, keys, virtual, settings.verify)


def client(access: Access, *, timeout: float = 5.0) -> Any:
    """A botocore client with these settings and no others.

    Args:
        access: the settings.
        timeout: seconds until a connection is given up; an answer may take twice as long.
    """
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.session import Session

    session = Session(profile=None)
    session.set_config_variable("ignore_configured_endpoint_urls", True)
    if access.keys:
        keys = access.keys
        session.set_credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
    return session.create_client(
        "s3",
        region_name=access.region or "us-east-1",
        endpoint_url=access.endpoint,
        verify=access.verify,
        config=Config(
            connect_timeout=timeout,
            read_timeout=2 * timeout,
            retries={"mode": "standard", "total_max_attempts": 2},
            s3={"addressing_style": "virtual" if access.virtual else "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            user_agent_extra="kubectl-argo-archive",
            **({} if access.keys else {"signature_version": UNSIGNED}),
        ),
    )


def examine(access: Access, *, write_probes: bool = True, timeout: float = 5.0) -> Bucket:
    """Ask a bucket everything; what it does not answer is noted, nothing is raised.

    Args:
        access: how to reach it.
        write_probes: put and remove a probe object.
        timeout: seconds that a connection may take.
    """
    facts: dict[str, Any] = {
        "name": access.bucket,
        "server": access.endpoint or "AWS",
        "prefix": access.prefix,
        "region_configured": access.region,
    }
    try:
        s3 = client(access, timeout=timeout)
        s3.list_objects_v2(Bucket=access.bucket, Prefix=access.prefix, MaxKeys=1)
    except Exception as error:
        facts |= _failure(error, access)
        if facts["failed_at"] != "denied":
            return Bucket(**facts)
    examination = _Examination(s3, access)
    facts |= examination.settings()
    if write_probes:
        facts |= examination.probe(locked=bool(facts.get("object_lock_days")))
    return Bucket(**facts, unread=examination.unread)


def _failure(error: Exception, access: Access) -> dict[str, Any]:
    told = read(error)
    where = Where(Location("s3", access.bucket, access.prefix, access.bucket), access.endpoint or "AWS", access.region)
    ours = translate(error, where)
    message = ours.message if ours else redact(f"{type(error).__name__}: {error}").partition("\n")[0]
    return {
        "failed_at": _step(told),
        "message": message,
        "hint": (ours.hint if ours else None) or "",
        "region": told.region or None,
        "scheme_of_server": {"speaks http": "http", "speaks https": "https"}.get(told.network, ""),
    }


def _step(told: Facts) -> str:
    if told.network:
        return _STEPS.get(told.network, "other")
    steps = ((_KEYS, "keys"), (_DENIED, "denied"), (_REGION, "region"), ({"NoSuchBucket", "404"}, "missing"))
    return next((step for codes, step in steps if told.code in codes), "other")


class _Examination:
    """Questions to a bucket that answers; each may fail by itself."""

    def __init__(self, s3: Any, access: Access) -> None:
        self._s3 = s3
        self._access = access
        self.unread: dict[str, str] = {}

    def settings(self) -> dict[str, Any]:
        """What the bucket's own settings are."""
        bucket = {"Bucket": self._access.bucket}
        versioning = self._ask("versioning", lambda: self._s3.get_bucket_versioning(**bucket).get("Status", ""), "")
        lifecycle = self._ask(
            "lifecycle", lambda: _rules(self._s3.get_bucket_lifecycle_configuration(**bucket).get("Rules", [])), ()
        )
        lock = self._ask("object_lock", lambda: _lock(self._s3.get_object_lock_configuration(**bucket)), ("", None))
        encryption = self._ask("encryption", lambda: _encryption(self._s3.get_bucket_encryption(**bucket)), ("", None))
        region = self._ask("region", lambda: self._region(), None)
        return {
            "versioning": versioning,
            "lifecycle": lifecycle,
            "object_lock": lock[0] if lock else None,
            "object_lock_days": lock[1] if lock else None,
            "encryption": encryption[0] if encryption else None,
            "kms_key": encryption[1] if encryption else None,
        } | ({"region": region} if region else {})

    def _region(self) -> str | None:
        headers = self._s3.head_bucket(Bucket=self._access.bucket)["ResponseMetadata"]["HTTPHeaders"]
        found: str | None = headers.get("x-amz-bucket-region")
        return found

    def _ask(self, what: str, question: Callable[[], Any], absent: Any) -> Any:
        """The answer; ``absent`` if the bucket has no such setting; None, and a note, if we may not know."""
        try:
            return question()
        except Exception as error:
            told = read(error)
            if told.code in _ABSENT:
                return absent
            self.unread[what] = told.code or told.network or type(error).__name__
            return None

    def probe(self, *, locked: bool) -> dict[str, Any]:
        """Put, read, list, put again on condition, delete."""
        if locked:
            self.unread["probes"] = "the bucket's default retention would keep the probe object"
            return {}
        prefix = f"{self._access.prefix}/" if self._access.prefix else ""
        target = {"Bucket": self._access.bucket, "Key": f"{prefix}{PROBE}{uuid.uuid4().hex[:12]}"}
        versions: list[str | None] = []
        answers: dict[str, str] = {}

        def put(**condition: str) -> None:
            answer = self._s3.put_object(**target, Body=b"kubectl argo-archive verify", **condition)
            versions.append(answer.get("VersionId"))

        answers["put"] = _code(put)
        conditional: bool | None = None
        if not answers["put"]:
            answers["get"] = _code(lambda: self._s3.get_object(**target)["Body"].read())
            code = _code(lambda: put(IfNoneMatch="*"))
            conditional = None if code in ("NotImplemented", "501") else code in ("PreconditionFailed", "412")
            if code in ("NotImplemented", "501"):
                self.unread["conditional"] = code
        answers["list"] = _code(
            lambda: self._s3.list_objects_v2(Bucket=target["Bucket"], Prefix=target["Key"], MaxKeys=1)
        )
        if not answers["put"]:
            answers["delete"] = self._remove(target, versions)
        return {"probes": answers, "conditional": conditional, "probe_key": target["Key"]}

    def _remove(self, target: dict[str, str], versions: list[str | None]) -> str:
        """Remove the probe object; in a versioned bucket its versions, so that nothing of it stays."""
        named = [version for version in versions if version and version != "null"]
        codes = [_code(partial(self._s3.delete_object, **target, VersionId=version)) for version in named]
        if named and not any(codes):
            return ""
        return _code(partial(self._s3.delete_object, **target))


def _code(action: Callable[[], Any]) -> str:
    """Empty if it worked, else S3's error code."""
    try:
        action()
    except Exception as error:
        told = read(error)
        return told.code or told.network or type(error).__name__
    return ""


def _rules(rules: list[dict[str, Any]]) -> tuple[Expiry, ...]:
    return tuple(
        Expiry(
            id=rule.get("ID", ""),
            prefix=rule.get("Prefix") or _prefix(rule.get("Filter") or {}),
            days=(rule.get("Expiration") or {}).get("Days"),
            noncurrent_days=(rule.get("NoncurrentVersionExpiration") or {}).get("NoncurrentDays"),
            enabled=rule.get("Status") == "Enabled",
        )
        for rule in rules
    )


def _prefix(filter: dict[str, Any]) -> str:
    with suppress(AttributeError):
        return str(filter.get("Prefix") or (filter.get("And") or {}).get("Prefix") or "")
    return ""


def _lock(answer: dict[str, Any]) -> tuple[str, int | None]:
    configuration = answer.get("ObjectLockConfiguration") or {}
    if configuration.get("ObjectLockEnabled") != "Enabled":
        return "", None
    default = (configuration.get("Rule") or {}).get("DefaultRetention") or {}
    days = default.get("Days") or (default["Years"] * 365 if default.get("Years") else None)
    return default.get("Mode") or "enabled", days


def _encryption(answer: dict[str, Any]) -> tuple[str, str | None]:
    rules = (answer.get("ServerSideEncryptionConfiguration") or {}).get("Rules") or [{}]
    default = rules[0].get("ApplyServerSideEncryptionByDefault") or {}
    return default.get("SSEAlgorithm", ""), default.get("KMSMasterKeyID")


def head(s3: Any, bucket: str, key: str) -> tuple[str, int | None, datetime | None]:
    """One object: ``found``, ``missing`` or an error code; its size in bytes; when it was written."""
    try:
        answer = s3.head_object(Bucket=bucket, Key=key)
    except Exception as error:
        told = read(error)
        absent = told.code in ("404", "NoSuchKey", "NotFound")
        return ("missing" if absent else told.code or told.network or type(error).__name__), None, None
    return "found", int(answer["ContentLength"]), answer["LastModified"].astimezone(UTC)


def remove(s3: Any, bucket: str, key: str) -> str:
    """Remove one object; empty, or the error code."""
    return _code(lambda: s3.delete_object(Bucket=bucket, Key=key))
