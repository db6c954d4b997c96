"""What counts as a secret: rules as data, ours and the user's own.

A rule finds by the *name* of a field (``password``), or by the *text* of a value (``ghp_…``). Formats of tokens are
those that their issuers document; gitleaks' rule set (MIT) served as the checklist.

The user's own file, TOML::

    disable = ["jwt"]                 # built-in rules to leave out; ["*"] for all

    [[rule]]
    id = "customer"
    pattern = 'K-\\d{8}'              # text to mask; a group named "secret" narrows it

    [[rule]]
    id = "iban"
    name = '(?i)^iban$'               # mask the value of every parameter, label, variable, … of that name
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubectl_argo_archive.errors import ConfigError

_WORDS = (
    r"pass(?:word|wd|phrase|code)|passwd|pwd|secret|token|api[-_.]?key|apikey|access[-_.]?key|private[-_.]?key"
    r"|signing[-_.]?key|encryption[-_.]?key|account[-_.]?key|shared[-_.]?key|master[-_.]?key|client[-_.]?secret"
    r"|credentials?|auth(?:orization)?|bearer|session[-_.]?(?:id|key)|cookie|connection[-_.]?string|dsn|webhook"
)
_VALUE = (
    r"""(?:"(?P<double>(?:[^"\\]|\\.){3,})"|'(?P<single>(?:[^'\\]|\\.){3,})'|(?P<bare>[^\s"'`,;&|<>(){}\[\]\\]{4,}))"""
)


@dataclass(frozen=True, slots=True)
class TextRule:
    """Finds secrets inside a text; groups named ``secret``, ``double``, ``single`` or ``bare`` narrow the match."""

    id: str
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class NameRule:
    """Masks whole values by the name that they stand under, unless ``harmless`` matches the name too."""

    id: str
    pattern: re.Pattern[str]
    harmless: re.Pattern[str] | None = None

    def matches(self, name: str) -> bool:
        """Whether what is called so is a secret."""
        return bool(self.pattern.search(name)) and not (self.harmless and self.harmless.search(name))


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules in force.

    Attributes:
        texts: looked for in every text.
        names: looked for in the name of every field, parameter, label, variable and option.
    """

    texts: tuple[TextRule, ...] = field(repr=False)
    names: tuple[NameRule, ...] = field(repr=False)

    @property
    def ids(self) -> list[str]:
        """Their ids, in order."""
        return [*(rule.id for rule in self.names), *(rule.id for rule in self.texts)]

    @classmethod
    def load(cls, file: str | None = None) -> Rules:
        """The built-in rules and those of a file.

        Raises:
            ConfigError: the file is missing or wrong.
        """
        if file is None:
            return cls(BUILTIN_TEXTS, BUILTIN_NAMES)
        texts, names, disabled = _parse(file)
        known = set(cls(BUILTIN_TEXTS, BUILTIN_NAMES).ids)
        if unknown := disabled - known - {"*"}:
            raise ConfigError(f"{file}: disable names no built-in rule: {', '.join(sorted(unknown))}",
                              f"known are {', '.join(sorted(known))}")  # fmt: skip
        kept = set() if "*" in disabled else known - disabled
        return cls(
            (*(rule for rule in BUILTIN_TEXTS if rule.id in kept), *texts),
            (*(rule for rule in BUILTIN_NAMES if rule.id in kept), *names),
        )


def _text(id: str, pattern: str, flags: int = 0) -> TextRule:
    return TextRule(id, re.compile(pattern, flags))


BUILTIN_NAMES = (
    NameRule(
        "secret-name",
        re.compile(
            rf"(?i:(?:^|[^a-z])(?:{_WORDS})s?(?:[^a-z]|$)|(?:password|passwd|passphrase|secret|apikey|token|creds)s?$)"
            r"|(?:Password|Passwd|Secret|Token|ApiKey|AccessKey|PrivateKey|Credential)s?(?:[A-Z0-9_.-]|$)"
        ),
        # what only names a secret, counts tokens, or says how one is handled
        re.compile(r"(?i)(?:name|ref|selector|path|mount|file|dir|url|uri|ttl|count|limit|length|size|expiry|expires|"
                   r"namespace|version|policy|enabled|type|kind|format|method|mode|provider)$"
                   r"|(?:max|min|num|total|input|output|prompt|completion|used|n)[-_.]?tokens?(?:[-_.]|$)"
                   r"|^(?:imagePullSecrets|automountServiceAccountToken|secretKeyRef|secretRef)$"),
    ),
)  # fmt: skip
BUILTIN_TEXTS = (
    _text("private-key", r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-(?!----))*(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----)?"),  # noqa: E501
    _text("aws-access-key-id", r"(?<![A-Za-z0-9])(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _text("github-token", r"(?:gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{22,255})"),
    _text("gitlab-token", r"gl(?:pat|rt|dt|cbt|ptt|ft|soat|agent|imt|oas)-[A-Za-z0-9_-]{20,}"),
    _text("slack-token", r"xox[abeprs]-[A-Za-z0-9-]{10,}|xapp-\d-[A-Za-z0-9-]{10,}"),
    _text("slack-webhook", r"hooks\.slack\.com/(?:services|workflows)/(?P<secret>[A-Za-z0-9+/]{20,})"),
    _text("google-key", r"AIza[A-Za-z0-9_-]{35}|GOCSPX-[A-Za-z0-9_-]{20,}|ya29\.[A-Za-z0-9_-]{20,}"),
    _text("stripe-key", r"(?<![A-Za-z0-9])(?:sk|rk|whsec)_(?:live_|test_|prod_)?[A-Za-z0-9]{16,}"),
    _text("ai-key", r"(?<![A-Za-z0-9-])sk-[A-Za-z0-9_-]{20,}|hf_[A-Za-z0-9]{30,}|r8_[A-Za-z0-9]{30,}"),
    _text("sendgrid-key", r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}"),
    _text("package-token", r"npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{40,}|rubygems_[a-f0-9]{48}|cio[A-Za-z0-9]{32}"),
    _text("docker-token", r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}"),
    _text("cloud-token", r"dop_v1_[a-f0-9]{64}|dapi[a-f0-9]{32}(?:-\d)?|hv[sbr]\.[A-Za-z0-9_-]{20,}"
          r"|ATATT3[A-Za-z0-9_=-]{20,}|AGE-SECRET-KEY-1[A-Z0-9]{50,}|EAA[A-Za-z0-9]{40,}|glsa_[A-Za-z0-9_]{32,}|lin_api_[A-Za-z0-9]{32,}"),
    _text("twilio-key", r"(?<![A-Za-z0-9])SK[a-f0-9]{32}(?![A-Za-z0-9])"),
    _text("telegram-token", r"(?<!\d)\d{8,10}:AA[A-Za-z0-9_-]{33}"),
    _text("jwt", r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"),
    _text("azure-key", r"(?i)(?:AccountKey|SharedAccessKey|SharedAccessSignature)=(?P<secret>[A-Za-z0-9+/%=_-]{20,})"),
    _text("signed-url", r"(?i)[?&](?:sig|X-Amz-Signature|X-Amz-Security-Token|X-Amz-Credential|X-Goog-Signature|AWSAccessKeyId|Signature)"  # noqa: E501
          r"=(?P<secret>[^&\s\"'<>\\]{8,})"),
    # greedy: a password may hold an @; the last one before the host counts
    _text(
        "url-password",
        r"(?i)[a-z][a-z0-9+.-]{1,20}://[^\s/?#@:\"'<>\\]*:(?!\d{1,5}/)(?P<secret>[^\s\"'<>\\]{1,256})"
        r"@(?=[^\s@]*(?:[\s/?#:\"'<>,\\]|$))",
    ),
    _text("url-token", r"(?i)https?://(?P<secret>[A-Za-z0-9_.~-]{20,})@"),
    _text("authorization", r"(?i)(?<![a-z])(?:basic|bearer|token|negotiate|apikey|aws4-hmac-sha256)[ \t]+(?P<secret>[A-Za-z0-9_.~+/=:-]{8,}[A-Za-z0-9_~+/=-])"),  # noqa: E501
    _text(
        "assignment",
        rf"(?i)(?:(?<![a-z])(?:{_WORDS})|password|passwd|passphrase|secret|apikey)"
        rf"(?:[-_.](?:value|key|id|hash))?[\"']?[ \t]*(?:=>|:=|[:=])[ \t]*{_VALUE}",
    ),
    _text("option", rf"(?i)(?<!\S)--?(?:[a-z0-9]{{1,30}}[-_.]){{0,5}}(?:{_WORDS})[ \t]+{_VALUE}"),
    _text("netrc", r"(?i)(?<![a-z])(?:login[ \t]+\S+[ \t]+)password[ \t]+(?P<secret>\S{4,})"),
)  # fmt: skip


def secret_of(match: re.Match[str]) -> tuple[str, int, int]:
    """The secret inside a match, and where it begins and ends."""
    for name in ("secret", "double", "single", "bare"):
        if name in match.re.groupindex and match[name] is not None:
            return match[name], match.start(name), match.end(name)
    return match[0], match.start(), match.end()


def _parse(file: str) -> tuple[list[TextRule], list[NameRule], set[str]]:
    try:
        values = tomllib.loads(Path(file).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the rules in {file}: {error.strerror}", "check --rules") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}", "see docs/audit.md, Redaction") from error
    if unknown := set(values) - {"rule", "disable"}:
        raise ConfigError(f"{file}: unknown key {sorted(unknown)[0]}", "known are disable and [[rule]]")
    texts: list[TextRule] = []
    names: list[NameRule] = []
    for number, given in enumerate(values.get("rule", []), 1):
        id, kind, pattern = _rule(file, number, given)
        if kind == "name":
            names.append(NameRule(id, pattern))
        else:
            texts.append(TextRule(id, pattern))
    return texts, names, {str(name) for name in values.get("disable", [])}


def _rule(file: str, number: int, given: Any) -> tuple[str, str, re.Pattern[str]]:
    keys = set(given) if isinstance(given, dict) else set()
    if not keys <= {"id", "name", "pattern"} or "id" not in keys or len(keys) != 2:
        raise ConfigError(f"{file}: rule {number} must have an id and either a pattern or a name", "see docs/audit.md")
    kind = "name" if "name" in keys else "pattern"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", str(given["id"])):
        raise ConfigError(f"{file}: rule {number}: an id has letters, digits, dots and dashes only")
    try:
        pattern = re.compile(str(given[kind]))
    except re.error as error:
        raise ConfigError(f"{file}: rule {given['id']} is no regular expression: {error}") from error
    if pattern.search("") is not None:
        raise ConfigError(f"{file}: rule {given['id']} matches the empty text", "it would mask everything")
    return str(given["id"]), kind, pattern
