"""Time stamps of RFC 3161: a third party vouches that a digest existed.

Nothing is sent: a file goes out, a file comes in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kubectl_argo_archive.audit.chain import Chain
from kubectl_argo_archive.audit.digest import name_of
from kubectl_argo_archive.audit.files import DamagedFile, Files, MissingFile, Stat
from kubectl_argo_archive.audit.findings import Finding
from kubectl_argo_archive.audit.seal.write import create
from kubectl_argo_archive.errors import ConfigError
from kubectl_argo_archive.storage.filesystem import Storage

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_HASHES = {
    "2.16.840.1.101.3.4.2.1": hashlib.sha256,
    "2.16.840.1.101.3.4.2.2": hashlib.sha384,
    "2.16.840.1.101.3.4.2.3": hashlib.sha512,
}


def request(files: Files, cluster: str, number: int) -> bytes:
    """The request for a digest, to be sent to a time stamping authority (``application/timestamp-query``).

    Raises:
        ConfigError: there is no such digest, or the library is not installed.
    """
    _library()
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

    builder = TimestampRequestBuilder().data(_digest(files, cluster, number)).hash_algorithm(HashAlgorithm.SHA256)
    return builder.cert_request(cert_request=True).build().as_bytes()


def add(
    storage: Storage, files: Files, cluster: str, number: int, response: bytes, authorities: Sequence[Certificate] = ()
) -> str:
    """Check an authority's answer and keep it beside the digest; returns its name in the lake.

    Raises:
        ConfigError: it is no answer, is about something else, or there is one already.
    """
    wrong = _wrong(response, _digest(files, cluster, number), authorities)
    if wrong:
        raise ConfigError(f"the time stamp is not one of digest {number}: {wrong}", "ask for a new one")
    name = name_of("timestamps", cluster, number)
    if not create(storage, name, response):
        raise ConfigError(f"{name} exists", "a time stamp is never replaced")
    return name


def check(
    files: Files, listing: Mapping[str, Stat], chain: Chain, authorities: Sequence[Certificate]
) -> tuple[list[Finding], list[str]]:
    """Findings and notes about the time stamps of a chain; without ``authorities`` signatures are not checked."""
    findings: list[Finding] = []
    notes: list[str] = []
    for link in chain.links:
        name = name_of("timestamps", chain.cluster, link.number)
        if name not in listing or not link.trusted:
            continue
        try:
            wrong = _wrong(files.read(name), link.content, authorities)
        except (MissingFile, DamagedFile):
            wrong = "cannot be read"
        except ConfigError as error:
            return [], [error.message]
        if wrong:
            findings.append(Finding("modified", name, f"time stamp: {wrong}", chain.cluster, link.number))
        elif not authorities:
            notes.append(f"{name} fits its digest; its signature was not checked, for no authority was given")
    return findings, notes


def load_authorities(pems: Sequence[bytes]) -> list[Certificate]:
    """Certificates from PEM texts.

    Raises:
        ConfigError: one is none.
    """
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return [certificate for pem in pems for certificate in load_pem_x509_certificates(pem)]
    except ValueError as error:
        raise ConfigError("the authority's file holds no certificate in PEM", "check --tsa-ca") from error


def _wrong(response: bytes, content: bytes, authorities: Sequence[Certificate]) -> str:
    """Why an answer does not vouch for ``content``; empty if it does."""
    _library()
    from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

    try:
        answer = decode_timestamp_response(response)
        imprint = answer.tst_info.message_imprint
        algorithm = _HASHES.get(imprint.hash_algorithm.dotted_string)
    except ValueError:
        return "it is no answer of a time stamping authority"
    if algorithm is None:
        return "its hash is none of SHA-256, SHA-384, SHA-512"
    if algorithm(content).digest() != imprint.message:
        return "it is about another file"
    if not authorities:
        return ""
    builder = VerifierBuilder()
    for certificate in authorities:
        builder = builder.add_root_certificate(certificate)
    try:
        builder.build().verify_message(answer, content)
    except (VerificationError, ValueError):
        return "its signature does not hold, or is none of these authorities'"
    return ""


def _digest(files: Files, cluster: str, number: int) -> bytes:
    try:
        return files.read(name_of("digests", cluster, number))
    except (MissingFile, DamagedFile) as error:
        raise ConfigError(f"there is no digest {number} of cluster {cluster}", "see 'audit verify'") from error


def _library() -> Any:
    try:
        import rfc3161_client
    except ImportError as error:
        raise ConfigError(
            "time stamps need a package that is not installed", "pip install 'kubectl-argo-archive[timestamp]'"
        ) from error
    return rfc3161_client
