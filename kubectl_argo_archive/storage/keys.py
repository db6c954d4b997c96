"""Credentials that somebody hands us: keys from a Secret, or a role to take on."""

from __future__ import annotations

from kubectl_argo_archive.storage import credentials
from kubectl_argo_archive.storage.credentials import Credentials, Keys

SESSION_NAME = "kubectl-argo-archive"


def fixed_credentials(keys: Keys, told_by: str) -> Credentials:
    """Keys that do not change.

    Args:
        told_by: where they come from, for people.
    """
    from botocore.credentials import Credentials as Fixed

    return Credentials(Fixed(keys.access_key_id, keys.secret_access_key, keys.session_token), told_by)


def own_credentials(profile: str | None = None) -> Credentials:
    """Our own chain: environment, profile, SSO, web identity, …

    Raises:
        ConfigError: there are none, or they are wrongly configured.
        StorageError, StorageUnreachable: they cannot be had now.
    """
    return credentials.resolve(credentials.new_session(profile))


def role_credentials(role_arn: str, region: str | None = None, profile: str | None = None) -> Credentials:
    """A role, taken on with our own chain, renewed before it expires; STS is asked at the first use.

    Raises:
        ConfigError, StorageError, StorageUnreachable: as :func:`own_credentials`.
    """
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
    from botocore.credentials import Credentials as Fixed

    session = credentials.new_session(profile)
    own = credentials.resolve(session).frozen()
    source = Fixed(own.access_key_id, own.secret_access_key, own.session_token)

    def client(*arguments: object, **options: object) -> object:
        return session.create_client(*arguments, **({"region_name": region} if region else {}) | options)

    fetcher = AssumeRoleCredentialFetcher(
        client, source, role_arn, extra_args={"RoleSessionName": SESSION_NAME}, cache={}
    )
    chain = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
    return Credentials(chain, f"the role {role_arn}")
