"""What a storage's client tells when it fails, whichever of the clients it is.

s3fs raises Python's own errors around botocore's, delta-rs and DuckDB only a text. All are read into one value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_ARROW = re.compile(r"\s*(?:\x1b\[\d+m)?↳(?:\x1b\[\d+m)?\s*")
_CODES = (
    re.compile(r"<Code>(\w+)</Code>"),
    re.compile(r"\(HTTP \d{3}[^)]*\)\s+([A-Z]\w+): "),  # DuckDB
    re.compile(r"An error occurred \((\w+)\)"),  # botocore
    re.compile(r"(?:\(HTTP|returned HTTP|non-2xx status code:) (\d{3})"),
)
"""S3's own code first: the HTTP status alone tells little."""
_REGION = re.compile(r"<Region>([\w-]+)</Region>|expecting '([\w-]+)'|in region '([\w-]+)' \(HTTP 301")
_ERRNO = re.compile(r"\[?(?:os error|errno) (\d+)", re.IGNORECASE)

_NETWORK = {
    "name": (
        "dns error", "failed to lookup", "could not resolve host", "name or service not known",
        "nodename nor servname", "name resolution", "no address associated",
    ),
    "speaks http": ("wrong version number", "invalidcontenttype", "record layer failure", "packet length too long",
                    "ssl connect error"),
    "speaks https": ("http request to an https server",),
    "certificate": (
        "certificate verify failed", "invalid peer certificate", "unknownissuer", "peer certificate", "self-signed",
        "self signed", "certificateerror", "hostname mismatch", "ssl validation failed", "ssl server verification",
    ),
    "proxy": ("proxyconnectionerror", "proxy error", "proxy connect", "resolve proxy", "from proxy", "tunnel error"),
    "timeout": ("timeouterror", "timed out", "timeout was reached", "connect timeout", "deadline has elapsed"),
    "refused": ("connection refused", "could not connect to", "connect call failed"),
    "cut": (
        "connection reset", "broken pipe", "connection was closed", "connection closed", "server disconnected",
        "error sending request", "connection error", "unexpected eof", "network is unreachable", "no route to host",
        "server returned nothing",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a failure.

    Attributes:
        code: S3's error code, or the HTTP status if the answer had no code; empty if there was no answer.
        operation: S3's name of the operation, as far as known: ``ListObjectsV2``.
        region: the right region, if the answer names it.
        network: why there was no answer: a key of the table above; empty if unknown.
        errno: the operating system's number, 0 if there is none.
        file: the file concerned, if the operating system tells.
        text: everything that was said, for the reader who wants more.
    """

    code: str = ""
    operation: str = ""
    region: str = ""
    network: str = ""
    errno: int = 0
    file: str = ""
    text: str = ""


def read(error: BaseException) -> Facts:
    """Gather what ``error`` and its causes tell."""
    chain = list(_chain(error))
    text = _ARROW.sub(": ", ": ".join(dict.fromkeys(str(one) for one in chain if str(one))))
    answer = next((one for one in chain if isinstance(getattr(one, "response", None), dict)), None)
    facts = _from_answer(answer) if answer is not None else {"code": _code(text), "region": _region(text)}
    kinds = " ".join(type(one).__name__ for one in chain)
    own = next((one for one in chain if isinstance(one, OSError) and one.errno), None)
    number = _ERRNO.search(text)
    return Facts(
        network="" if facts["code"] else _network(f"{kinds} {text}".lower()),
        errno=own.errno or 0 if own else int(number[1]) if number else 0,
        file=str(own.filename) if own and own.filename else "",
        text=text,
        **facts,
    )


def _chain(error: BaseException | None) -> Any:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _from_answer(error: Any) -> dict[str, str]:
    details = error.response.get("Error", {})
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = details.get("Region") or headers.get("x-amz-bucket-region") or _region(str(details.get("Message")))
    return {"code": str(details.get("Code", "")), "operation": getattr(error, "operation_name", ""), "region": region}


def _code(text: str) -> str:
    for pattern in _CODES:
        if found := pattern.search(text):
            return found[1]
    return "301" if "redirect without LOCATION" in text else ""


def _region(text: str) -> str:
    found = _REGION.search(text)
    return next((group for group in found.groups() if group), "") if found else ""


def _network(text: str) -> str:
    return next((name for name, phrases in _NETWORK.items() if any(phrase in text for phrase in phrases)), "")
