"""The configuration file: defaults that a person sets once.

    source = "postgresql://argo@db.example.com/argo"
    lake = "s3://bucket/lake"

    [s3]
    endpoint_url = "https://minio.example.com"
    profile = "archive"

    [query]
    memory_limit = "2GB"
    timeout = 300

    [audit]
    seal = true
    key = "/etc/argo-archive/audit.key"

What a flag or an environment variable says comes first. Keys of S3 have no place here: profiles hold them.
"""

from __future__ import annotations

import os
import types
import typing
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from kubectl_argo_archive.errors import ConfigError

VARIABLE = "KUBECTL_ARGO_ARCHIVE_CONFIG"

_SECRET_WORDS = ("access_key", "secret", "token", "password")


@dataclass(frozen=True, slots=True)
class S3Config:
    """Section ``[s3]``: what AWS' own variables and profiles may leave open.

    Attributes:
        endpoint_url: for other storages than AWS' own; ``AWS_ENDPOINT_URL_S3`` and ``AWS_ENDPOINT_URL`` come first.
        region: ``AWS_REGION`` and ``AWS_DEFAULT_REGION`` come first.
        profile: of ``~/.aws/config``; ``AWS_PROFILE`` and ``AWS_ACCESS_KEY_ID`` come first.
        addressing_style: where the bucket stands in the URL; auto is path for an endpoint of your own.
        ca_bundle: PEM file of the authorities to trust; ``AWS_CA_BUNDLE`` comes first.
        verify: False trusts every certificate.
        anonymous: True sends no credentials; ``AWS_NO_SIGN_REQUEST`` does the same.
    """

    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    addressing_style: Literal["auto", "path", "virtual"] = "auto"
    ca_bundle: str | None = None
    verify: bool = True
    anonymous: bool = False


@dataclass(frozen=True, slots=True)
class QueryConfig:
    """Section ``[query]``.

    Attributes:
        memory_limit: as DuckDB reads it, for example ``2GB``.
        timeout: seconds until a query is stopped.
    """

    memory_limit: str | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class AuditConfig:
    """Section ``[audit]``.

    Attributes:
        seal: True seals the lake after each export.
        key: who signs: a PEM file, ``env:VARIABLE``, or ``secret:NAMESPACE/NAME/ENTRY``; never the key itself.
        signer: a command that signs instead; then ``public_key`` is its public key.
        public_key: PEM file of the public keys that digests are checked with.
        interval: how often digests are expected, for example ``1h``; a longer silence is recorded as a gap.
        access_log: False stops recording who read and exported audit data with this tool.
    """

    seal: bool = False
    key: str | None = None
    signer: str | None = None
    public_key: str | None = None
    interval: str | None = None
    access_log: bool = True


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file; every key may be absent."""

    source: str | None = field(default=None, repr=False)
    lake: str | None = None
    s3: S3Config = S3Config()
    query: QueryConfig = QueryConfig()
    audit: AuditConfig = AuditConfig()


def load(file: str | os.PathLike[str] | None = None) -> Config:
    """Read the configuration file: ``file``, else ``$KUBECTL_ARGO_ARCHIVE_CONFIG``, else the user's own if it exists.

    Raises:
        ConfigError: the named file is missing, is no TOML, has an unknown key, a wrong type or a secret.
    """
    named = file or os.environ.get(VARIABLE)
    path = Path(named).expanduser() if named else default_path()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        if not named:
            return Config()
        raise ConfigError(f"configuration file {path} does not exist", f"see --config and {VARIABLE}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read configuration file {path}: {_reason(error)}") from error
    return parse(text, path)


def default_path() -> Path:
    """Where the user's own file lies: ``$XDG_CONFIG_HOME`` or ``~/.config``."""
    home = os.environ.get("XDG_CONFIG_HOME")
    base = Path(home) if home and os.path.isabs(home) else Path("~/.config").expanduser()
    return base / "kubectl-argo-archive" / "config.toml"


def parse(text: str, path: Path) -> Config:
    """Turn the text of the file ``path`` into a :class:`Config`.

    Raises:
        ConfigError: as :func:`load`.
    """
    import tomllib

    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {_reason(error)}") from error
    config: Config = _section(Config, values, "", path)
    return config


def _section(kind: type[Any], values: dict[str, Any], prefix: str, path: Path) -> Any:
    known = typing.get_type_hints(kind)
    for key, value in values.items():
        name = prefix + key
        if key not in known:
            raise _unknown(name, [prefix + each.name for each in fields(kind)], path)
        if hasattr(known[key], "__dataclass_fields__"):
            if not isinstance(value, dict):
                raise ConfigError(f"{path}: {name} is a section, not a value", f"write [{name}] on a line of its own")
            values[key] = _section(known[key], value, f"{name}.", path)
        else:
            _check_type(name, value, known[key], path)
    return kind(**values)


def _check_type(name: str, value: object, hint: Any, path: Path) -> None:
    if typing.get_origin(hint) is Literal:
        choices = typing.get_args(hint)
        if value not in choices:
            raise ConfigError(f"{path}: {name} must be one of {', '.join(choices)}")
        return
    wanted = [t for t in typing.get_args(hint) if t is not type(None)] if isinstance(hint, types.UnionType) else [hint]
    if wanted == [float] and type(value) is int:
        return
    if type(value) not in wanted:
        words = {str: "a text in quotes", bool: "true or false", float: "a number"}
        raise ConfigError(f"{path}: {name} must be {words[wanted[0]]}")


def _unknown(name: str, known: list[str], path: Path) -> ConfigError:
    if any(word in name.lower() for word in _SECRET_WORDS):
        return ConfigError(
            f"{path}: {name} is a secret, and secrets do not belong into this file",
            "put the keys into a profile of ~/.aws/credentials and name it in s3.profile, or use AWS' own variables",
        )
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=2, cutoff=0.5)
    return ConfigError(f"{path}: unknown key {name}", f"{'did you mean' if near else 'known are'} "
                       f"{' or '.join(near) if near else ', '.join(known)}")  # fmt: skip


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
