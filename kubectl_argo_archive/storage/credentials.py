"""Who we are to S3: resolved once through botocore's chain, then handed to every client alike.

The chain is AWS' own: environment, profile, SSO, web identity (IRSA), process, container, instance metadata.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kubectl_argo_archive.errors import ArgoArchiveError, ConfigError, StorageError, StorageUnreachable, redact

if TYPE_CHECKING:
    from botocore.session import Session

METADATA_PATIENCE_S = 1
"""A machine that is not on AWS has no metadata service, and nobody wants to wait to learn that."""

_TELLS = {
    "env": "the environment",
    "shared-credentials-file": "the shared credentials file",
    "config-file": "the AWS config file",
    "sso": "SSO",
    "assume-role": "the assumed role",
    "assume-role-with-web-identity": "the web identity",
    "custom-process": "the credential process",
    "container-role": "the container's role",
    "iam-role": "the instance's role",
    "login": "the console login",
}


@dataclass(frozen=True, slots=True)
class Keys:
    """One set of keys, valid now."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


class Credentials:
    """Keys that stay valid: short-lived ones are fetched anew before they expire.

    Attributes:
        told_by: where they come from, for people: ``the environment``, ``SSO``.
    """

    def __init__(self, chain: Any, told_by: str) -> None:
        self._chain = chain
        self.told_by = told_by

    def __repr__(self) -> str:
        return f"Credentials(told_by={self.told_by!r})"

    def frozen(self) -> Keys:
        """The keys of this moment; take them just before use.

        Raises:
            StorageError: they have expired and cannot be renewed, for example because an SSO login ended.
            StorageUnreachable: who issues them does not answer.
        """
        with _botocore_errors():
            keys = self._chain.get_frozen_credentials()
        return Keys(keys.access_key, keys.secret_key, keys.token)


def resolve(session: Session) -> Credentials:
    """Find the credentials of ``session``; keys in the environment go before a profile of our own configuration.

    Raises:
        ConfigError: there are none, or they are incomplete or wrongly configured.
        StorageError: a login has ended.
        StorageUnreachable: who issues them does not answer.
    """
    from botocore.credentials import EnvProvider

    with _botocore_errors():
        chain = (EnvProvider().load() if os.environ.get("AWS_ACCESS_KEY_ID") else None) or session.get_credentials()
    if chain is None:
        raise ConfigError(
            "no AWS credentials found",
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; for public buckets AWS_NO_SIGN_REQUEST=1",
        )
    return Credentials(chain, _TELLS.get(chain.method, chain.method))


def new_session(profile: str | None) -> Session:
    """A botocore session that does not wait long for a metadata service.

    Raises:
        ConfigError: the profile does not exist, or AWS' files cannot be read.
    """
    from botocore.session import Session as BotocoreSession

    with _botocore_errors():
        session = BotocoreSession(profile=None if os.environ.get("AWS_PROFILE") else profile)
        session.get_scoped_config()  # reads the files now, so that a missing profile is reported as such
        for variable in ("metadata_service_timeout", "metadata_service_num_attempts"):
            if f"AWS_{variable.upper()}" not in os.environ:
                session.set_config_variable(variable, METADATA_PATIENCE_S)
        return session


class _botocore_errors:
    """Turns what botocore says about credentials into our errors."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        if isinstance(error, BotoCoreError | ClientError):
            raise _explain(error) from error


def _explain(error: Exception) -> ArgoArchiveError:
    from botocore import exceptions as e

    text = redact(str(error)).rstrip(".")
    if isinstance(error, e.ProfileNotFound):
        return ConfigError(
            f"AWS profile not found: {text}", "check AWS_PROFILE, or s3.profile in the configuration file"
        )
    if isinstance(error, e.PartialCredentialsError):
        return ConfigError(f"AWS credentials are incomplete: {text}", "an access key id needs its secret access key")
    if isinstance(error, e.SSOError | e.TokenRetrievalError):
        return StorageError(f"the SSO login has ended: {text}", "log in again: aws sso login")
    if isinstance(error, e.ConnectionError | e.HTTPClientError | e.MetadataRetrievalError):
        return StorageUnreachable(f"cannot fetch AWS credentials: {text}", "check the network, or set AWS_PROFILE")
    if isinstance(error, e.ClientError | e.CredentialRetrievalError):
        return StorageError(f"cannot fetch AWS credentials: {text}", "check the role and its trust policy")
    return ConfigError(f"AWS configuration is wrong: {text}", "check ~/.aws/config and the AWS_ variables")
