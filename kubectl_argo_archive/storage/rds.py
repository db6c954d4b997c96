"""Tokens that stand for a password at a database of Amazon RDS."""

from __future__ import annotations

import os

from kubectl_argo_archive.errors import ConfigError
from kubectl_argo_archive.storage import credentials

LIFETIME_S = 900
"""How long RDS takes a token; a session that is open stays open."""


def rds_token(host: str, port: int, user: str, region: str | None = None, profile: str | None = None) -> str:
    """Sign a token as AWS' SDKs do (``BuildAuthToken``); no request is sent.

    Args:
        host: the endpoint as RDS calls it, even if it is reached another way.
        region: None takes that of the environment or profile, else what the endpoint's name says.
        profile: of the AWS configuration; the environment comes first.

    Raises:
        ConfigError: no credentials, or no region.
        StorageError, StorageUnreachable: credentials cannot be had now.
    """
    from botocore.auth import SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    session = credentials.new_session(profile)
    named = os.environ.get("AWS_REGION") or session.get_config_variable("region")
    where = region or named or _region_of(host)
    if not where:
        raise ConfigError(
            "awsRDSToken needs a region, and none is known", "set AWS_REGION, or awsRDSToken.region for Argo too"
        )
    keys = credentials.resolve(session).frozen()
    request = AWSRequest("GET", f"https://{host}:{port}/", params={"Action": "connect", "DBUser": user})
    signing = Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
    SigV4QueryAuth(signing, "rds-db", where, expires=LIFETIME_S).add_auth(request)
    return str(request.url).removeprefix("https://")


def _region_of(host: str) -> str | None:
    """``name.random.eu-central-1.rds.amazonaws.com`` → ``eu-central-1``."""
    labels = host.split(".")
    return labels[labels.index("rds") - 1] if "rds" in labels[1:] else None
