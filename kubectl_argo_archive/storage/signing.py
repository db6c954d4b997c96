"""Hands our credentials to aiobotocore, so that s3fs signs with the same keys as everybody else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiobotocore.credentials import AioCredentialResolver, AioCredentials
from botocore.credentials import ReadOnlyCredentials

if TYPE_CHECKING:
    from aiobotocore.session import AioSession

    from kubectl_argo_archive.storage.credentials import Credentials


class _Ours(AioCredentials):  # type: ignore[misc]  # aiobotocore has no types
    """Asks our credentials before each request; fetching new ones may block, so it happens in a thread."""

    def __init__(self, credentials: Credentials) -> None:
        keys = credentials.frozen()
        super().__init__(keys.access_key_id, keys.secret_access_key, keys.session_token, method="kubectl-argo-archive")
        self._credentials = credentials

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:
        keys = await asyncio.to_thread(self._credentials.frozen)
        return ReadOnlyCredentials(keys.access_key_id, keys.secret_access_key, keys.session_token)


class _Provider:
    METHOD = CANONICAL_NAME = "kubectl-argo-archive"

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    async def load(self) -> AioCredentials:
        return _Ours(self._credentials)


def sign_with(session: AioSession, credentials: Credentials) -> None:
    """Make ``credentials`` the only ones that ``session`` knows."""
    session.register_component("credential_provider", AioCredentialResolver([_Provider(credentials)]))
