"""What a storage's refusal means for the user: one sentence, and what to do next."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kubectl_argo_archive.errors import ArgoArchiveError, StorageError, StorageUnreachable, redact
from kubectl_argo_archive.storage.facts import Facts, read
from kubectl_argo_archive.storage.location import Location

_MODULES = ("botocore", "aiobotocore", "aiohttp", "s3fs", "fsspec")
_TEXT_MODULES = ("deltalake", "_internal", "duckdb", "_duckdb")
"""Modules whose errors are the storage's only if their text says so; ``_internal`` is delta-rs."""

_ENDPOINT = "check AWS_ENDPOINT_URL, or s3.endpoint_url in the configuration file"
_CREDENTIALS = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile"

_BUSY = {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "Throttling", "TooManyRequests", "429",
         "500", "502", "503", "504"}  # fmt: skip
_FULL = {"QuotaExceeded", "InsufficientCapacity", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "507"}
_ELSEWHERE = {"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "301", "307", "308",
              "IllegalLocationConstraintException", "InvalidRegion"}  # fmt: skip
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"}
_DENIED = {"AccessDenied", "AllAccessDisabled", "AccountProblem", "UnauthorizedAccess", "401", "403"}
_RACED = {"PreconditionFailed", "ConditionalRequestConflict", "OperationAborted", "409", "412"}

_ACTIONS = {
    "ListObjectsV2": "list", "ListObjects": "list", "HeadBucket": "list", "GetObject": "read", "HeadObject": "read",
    "PutObject": "write", "CreateMultipartUpload": "write", "UploadPart": "write", "CompleteMultipartUpload": "write",
    "CopyObject": "write", "DeleteObject": "delete", "DeleteObjects": "delete", "CreateBucket": "create buckets",
}  # fmt: skip
_PERMISSIONS = {"list": "s3:ListBucket", "read": "s3:GetObject", "write": "s3:PutObject", "delete": "s3:DeleteObject",
                "create buckets": "s3:CreateBucket"}  # fmt: skip

_NETWORK = {
    "name": ("the name of {server} cannot be resolved", _ENDPOINT),
    "speaks http": ("{server} does not speak https", "write http:// in AWS_ENDPOINT_URL"),
    "speaks https": ("{server} speaks https only", "write https:// in AWS_ENDPOINT_URL"),
    "certificate": ("the certificate of {server} is not trusted",
                    "name the PEM file of its authority in AWS_CA_BUNDLE, or s3.ca_bundle in the configuration file"),
    "proxy": ("the proxy on the way to {server} does not answer", "check HTTP_PROXY, HTTPS_PROXY and NO_PROXY"),
    "timeout": ("{server} does not answer in time", "check the network and the firewall, and " + _ENDPOINT[6:]),
    "refused": ("{server} refuses connections", "start the server, or " + _ENDPOINT),
    "cut": ("{server} closed the connection", "check the network, and whether AWS_ENDPOINT_URL wants https://"),
}  # fmt: skip

_SYSTEM = {
    errno.ENOSPC: ("no space left on the device of {file}", "free some space, or choose another folder"),
    errno.EDQUOT: ("the disk quota is used up: {file}", "free some space, or choose another folder"),
    errno.EFBIG: ("the file is too large for its file system or limit: {file}", "check ulimit -f"),
    errno.EROFS: ("{file} lies on a read-only file system", "choose another folder"),
    errno.EACCES: ("no permission for {file}", "check its owner and mode, and those of the folders above"),
    errno.EPERM: ("no permission for {file}", "check its owner and mode, and those of the folders above"),
    errno.ENOENT: ("{file} does not exist", "check the location"),
    errno.ENOTDIR: ("a part of {file} is a file, not a folder", "check the location"),
    errno.EISDIR: ("{file} is a folder where a file should be", "check the location"),
    errno.ENAMETOOLONG: ("the path is too long: {file}", "choose a shorter one"),
    errno.EIO: ("the device of {file} fails", "check the disk"),
    errno.ESTALE: ("the network file system of {file} has gone", "mount it again"),
    errno.EMFILE: ("too many open files", "raise ulimit -n"),
}


@dataclass(frozen=True, slots=True)
class Where:
    """What a message may name: all without secrets."""

    location: Location
    server: str = "the storage"
    region: str = ""
    told_by: str | None = None


@contextmanager
def storage_errors(
    location: Location, *, server: str = "the storage", region: str = "", told_by: str | None = None
) -> Iterator[None]:
    """Turn errors of the storage's clients into ours; any other error passes.

    Args:
        location: what was being used.
        server: the endpoint, for messages.
        region: the region that requests were signed for.
        told_by: where the credentials came from, for messages.
    """
    try:
        yield
    except Exception as error:
        ours = translate(error, Where(location, server, region, told_by))
        if ours is None or ours is error:
            raise
        raise ours from error


def translate(error: Exception, where: Where) -> ArgoArchiveError | None:
    """Our error for ``error``: itself if it is ours already, None if the storage has no part in it."""
    if isinstance(error, ArgoArchiveError):
        return error
    module = type(error).__module__.partition(".")[0]
    if not isinstance(error, OSError) and module not in _MODULES + _TEXT_MODULES:
        return None
    facts = read(error)
    if where.location.is_local:
        known = _from_system(facts, where)
    else:
        known = _from_answer(facts, where) or _from_network(facts, where) or _from_system(facts, where)
    if known is None and module not in _TEXT_MODULES:
        said = redact(facts.text).partition("\n")[0] or module
        known = StorageError(f"{where.location.display}: {said}", "check --lake and what it leads to")
    return known


def lost_race(error: BaseException) -> bool:
    """Whether a conditional write failed because somebody else had written already."""
    return read(error).code in _RACED


def _from_answer(facts: Facts, where: Where) -> ArgoArchiveError | None:
    """The server said no, and S3's code says why."""
    code, server, place = facts.code, where.server, where.location.display
    keys = f"the keys from {where.told_by}" if where.told_by else "the keys"
    if code == "NoSuchBucket":
        hint = "create it, or correct the location; a custom server is named in AWS_ENDPOINT_URL"
        return StorageError(f"bucket '{where.location.bucket}' does not exist on {server}", hint)
    if code in ("InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException"):
        return StorageError(f"{server} does not know the access key id ({keys})", _CREDENTIALS)
    if code == "SignatureDoesNotMatch":
        return StorageError(f"the secret access key does not fit its access key id ({keys}, on {server})", _CREDENTIALS)
    if code in _EXPIRED:
        return StorageError(
            f"the session token has expired ({keys})", "log in again (aws sso login), or set a new token"
        )
    if code in ("InvalidToken", "InvalidSecurity"):
        hint = "AWS_SESSION_TOKEN must belong to AWS_ACCESS_KEY_ID; unset it for lasting keys"
        return StorageError(f"{server} does not accept the session token ({keys})", hint)
    if code == "RequestTimeTooSkewed":
        return StorageError(f"the clock of this machine and that of {server} differ too much", "set the clock")
    if code in _ELSEWHERE:
        return _elsewhere(facts, where)
    if code in _DENIED:
        return _denied(facts, where, keys)
    if code in _BUSY:
        return StorageUnreachable(f"{server} is overloaded or broken ({code}), also after retries", "try again later")
    if code in _FULL:
        return StorageError(f"no space left on {server} ({code})", "free some space, or raise the quota")
    if code in _RACED:
        return StorageError(f"another writer was faster at {place} ({code})", "run the command again")
    if code in ("NotImplemented", "501"):
        return StorageError(f"{server} lacks an operation that a lake needs: {_said(facts)}",
                            "the server must know conditional writes (If-None-Match)")  # fmt: skip
    if code in ("NoSuchKey", "404"):
        return StorageError(f"{place}: a file that should be there is missing", "check the location")
    if code == "400" and where.server.startswith("http://"):
        return StorageError(f"{server} does not answer as S3 does (400)", "write https:// in AWS_ENDPOINT_URL if it "
                            "speaks https; else check credentials and region")  # fmt: skip
    return StorageError(f"{server} refuses {place}: {_said(facts)} ({code})", _ENDPOINT) if code else None


def _elsewhere(facts: Facts, where: Where) -> ArgoArchiveError:
    bucket, asked = where.location.bucket, f", not in {where.region}" if where.region else ""
    if facts.region and facts.region != where.region:
        return StorageError(f"bucket '{bucket}' lies in region {facts.region}{asked}", f"set AWS_REGION={facts.region}")
    return StorageError(f"bucket '{bucket}' lies in another region{asked.replace(', not in', ' than')}",
                        "set AWS_REGION to the region of the bucket")  # fmt: skip


def _denied(facts: Facts, where: Where, keys: str) -> ArgoArchiveError:
    action = _ACTIONS.get(facts.operation, "")
    wanted = _PERMISSIONS.get(action, "s3:ListBucket, s3:GetObject and s3:PutObject")
    what = f"may not {action} {where.location.display}" if action else f"have no access to {where.location.display}"
    who = keys if where.told_by else "anonymous requests"
    return StorageError(
        f"access denied: {who} {what} on {where.server}", f"allow {wanted} on the bucket and the prefix"
    )


def _from_network(facts: Facts, where: Where) -> ArgoArchiveError | None:
    """Nobody answered."""
    if not facts.network:
        return None
    message, hint = _NETWORK[facts.network]
    return StorageUnreachable(message.format(server=where.server), hint)


def _from_system(facts: Facts, where: Where) -> ArgoArchiveError | None:
    """The operating system refused."""
    if not facts.errno:
        return None
    file = facts.file or (where.location.path if where.location.is_local else "this machine")
    message, hint = _SYSTEM.get(facts.errno, ("{file}: " + os.strerror(facts.errno), "check the location"))
    return StorageError(message.format(file=file), hint)


def _said(facts: Facts) -> str:
    """The server's own words, one line, no secrets."""
    message = redact(facts.text).partition("<Message>")[2].partition("</Message>")[0] or redact(facts.text)
    return message.partition("\n")[0].rstrip(". ")[:300]
