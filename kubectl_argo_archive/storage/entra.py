"""Tokens of Microsoft Entra that stand for a password at a database of Azure."""

from __future__ import annotations

from kubectl_argo_archive.errors import ConfigError, StorageError, redact


def entra_token(scope: str) -> str:
    """Ask for a token with Azure's default chain, which Argo uses too: environment, workload identity, managed
    identity, the login of the Azure CLI.

    Args:
        scope: what the token is for.

    Raises:
        ConfigError: the library is not installed.
        StorageError: nobody gives us a token.
    """
    try:
        from azure.core.exceptions import AzureError
        from azure.identity import DefaultAzureCredential
    except ImportError as error:
        raise ConfigError(
            "this database wants a token of Entra, which needs azure-identity",
            "pip install 'kubectl-argo-archive[azure]'",
        ) from error
    try:
        with DefaultAzureCredential(exclude_interactive_browser_credential=True) as credential:
            return str(credential.get_token(scope).token)
    except (AzureError, ValueError) as error:
        reason = redact(str(error).strip().partition("\n")[0])
        raise StorageError(f"Entra gives no token for the database: {reason}", "log in: az login") from error
