"""How DuckDB reaches the lake's bucket: its httpfs extension from the wheel, else s3fs. Nothing is ever downloaded."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import duckdb

from kubectl_argo_archive.errors import ConfigError, redact

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

EXTENSION = "httpfs"
_SECRET_NAME = "lake"
_SETTINGS = {
    # files of a lake never change: ask for their size and footer once
    "enable_http_metadata_cache": "true",
    "http_retries": "4",
    # the extension copies AWS' variables into settings, which could be read; the secret below is what counts
    "s3_access_key_id": "",
    "s3_secret_access_key": "",
    "s3_session_token": "",
}


class LakeStorage(Protocol):
    """What a query needs to know of the storage: see ``storage.filesystem``."""

    @property
    def fs(self) -> AbstractFileSystem:
        """The file system, for machines without the extension."""
        ...

    def duckdb_secret(self) -> dict[str, str] | None:
        """Parameters of DuckDB's S3 secret; None for a local folder."""
        ...

    def duckdb_settings(self) -> dict[str, str]:
        """Settings that reaching the storage needs."""
        ...

    def errors(self) -> AbstractContextManager[None]:
        """Turns errors of the storage's clients into ours."""
        ...


def extension_file() -> Path | None:
    """The extension in its wheel, if the wheel is installed for exactly this DuckDB."""
    try:
        import duckdb_extension_httpfs as package
    except ImportError:
        return None
    file = Path(package.__file__).parent / "extensions" / f"v{duckdb.__version__}" / f"{EXTENSION}.duckdb_extension"
    return file if file.is_file() else None


def reach(con: duckdb.DuckDBPyConnection, storage: LakeStorage) -> None:
    """Let ``con`` read the lake's bucket.

    Raises:
        ConfigError: neither the extension nor s3fs can be used, or a setting is wrong.
    """
    secret = storage.duckdb_secret()
    if secret is None:
        return
    file = extension_file()
    if file is not None and _loads(con, file):
        for name, value in {**_SETTINGS, **storage.duckdb_settings()}.items():
            con.execute(f"SET {name} = {_text(value)}")
        _create_secret(con, secret)
        return
    _register(con, storage.fs)


def _loads(con: duckdb.DuckDBPyConnection, file: Path) -> bool:
    """False if the wheel does not fit this machine, for example another libc."""
    try:
        con.execute(f"LOAD {_text(str(file))}")
    except (duckdb.Error, OSError):
        return False
    return True


def _create_secret(con: duckdb.DuckDBPyConnection, secret: dict[str, str]) -> None:
    parameters = ", ".join(f"{name} {_text(value)}" for name, value in secret.items())
    try:
        con.execute(f"CREATE SECRET {_SECRET_NAME} (TYPE s3, PROVIDER config, {parameters})")
    except duckdb.Error as error:
        # its text may quote the statement, and with it the keys
        message = redact(str(error), *secret.values()).partition("\n")[0]
        raise ConfigError(f"DuckDB does not accept the S3 settings: {message}", "check the S3 settings") from None


def _register(con: duckdb.DuckDBPyConnection, fs: Any) -> None:
    try:
        con.register_filesystem(fs)
    except (duckdb.Error, ImportError) as error:
        raise ConfigError(
            "DuckDB cannot read S3: neither its httpfs extension nor s3fs works",
            f"pip install 'duckdb-extension-httpfs=={duckdb.__version__}'",
        ) from error


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
