"""Finding secrets in texts, in whatever spelling they stand there; pure.

Two steps make sure that a secret that was found once appears nowhere: rules find secrets in a text *and* in what the
text decodes to (base64, URL escapes, JSON escapes); then every known secret is looked for in all its spellings,
everywhere.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar
from urllib.parse import quote, quote_plus, unquote

from kubectl_argo_archive.audit.redact.rules import NameRule, Rules, secret_of

SHORTEST = 6
"""Shorter secrets are masked where they stand, but not looked for elsewhere: they would hit ordinary words."""
_DEPTH = 3
_PREFIX = 48
"""Of a long secret only its beginning is looked for; whatever continues it is masked too."""
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/_-]{16,}(?:(?:\r?\n|\\n)[A-Za-z0-9+/_-]+)*)={0,2}")
_UNESCAPE = re.compile(r'\\(?:(["\\/bfnrt])|u([0-9a-fA-F]{4}))')
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_PLACEHOLDER = re.compile(
    r"^(?:\$|\{\{|<|%\(|\*{3}|\[masked:)|^(?:true|false|null|none|nil|undefined|redacted|x{3,})$", re.I
)
_ORDINARY = frozenset({
    "password", "passwd", "secret", "default", "string", "succeeded", "failed", "running", "pending", "workflow",
    "template", "parameter", "username", "disabled", "enabled", "production", "staging", "kubernetes", "latest",
    "argo-workflow", "private", "public", "internal",
})  # fmt: skip
"""Words that may be somebody's password, and stand everywhere."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A part of a text to mask, and the rule that says so."""

    start: int
    end: int
    rule: str


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in one text.

    Attributes:
        spans: parts of the text.
        secrets: the secrets themselves, decoded: to be looked for elsewhere.
    """

    spans: tuple[Span, ...] = ()
    secrets: frozenset[str] = frozenset()


NOTHING = Found()
KNOWN = "known-secret"
"""The rule of a text that holds a secret which was found elsewhere."""


_SHORT, _LONG = 4096, 1 << 18
T = TypeVar("T")


def _remembering(function: Callable[[str], T]) -> Callable[[str], T]:
    """A function of texts that remembers what it said: runs of one template repeat their texts, long scripts too."""
    short, long = lru_cache(65536)(function), lru_cache(128)(function)
    return lambda text: short(text) if len(text) <= _SHORT else long(text) if len(text) <= _LONG else function(text)


class Finder:
    """Applies rules to texts.

    Args:
        rules: which.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._cached = _remembering(self._find)
        self._named = lru_cache(65536)(self._name)

    def name(self, name: str) -> str | None:
        """The rule by which everything called so is a secret."""
        return self._named(name)

    def find(self, text: str) -> Found:
        """Secrets in a text, or in what it decodes to."""
        if len(text) < 5:
            return NOTHING
        return self._cached(text)

    def _name(self, name: str) -> str | None:
        matching: Iterator[NameRule] = (rule for rule in self._rules.names if rule.matches(name))
        rule = next(matching, None)
        return f"name:{rule.id}" if rule else None

    def _find(self, text: str, depth: int = _DEPTH) -> Found:
        spans: list[Span] = []
        secrets: set[str] = set()
        for rule in self._rules.texts:
            for match in rule.pattern.finditer(text):
                secret, start, end = secret_of(match)
                if not _PLACEHOLDER.match(secret):
                    spans.append(Span(start, end, rule.id))
                    secrets.update(worth_knowing(secret))
        if depth:
            for start, end, decoded in _decodings(text):
                inside = self._find(decoded, depth - 1) if decoded != text else NOTHING
                secrets |= inside.secrets
                if inside.spans and (start, end) != (0, len(text)):  # a token within the text that decodes to a secret
                    spans.extend(Span(start, end, span.rule) for span in inside.spans)
                elif inside.spans and not _spelled_out(text, inside.secrets):
                    spans.extend(Span(0, len(text), span.rule) for span in inside.spans)
        return Found(tuple(spans), frozenset(secrets)) if spans or secrets else NOTHING


def worth_knowing(secret: str) -> Iterator[str]:
    """The secret, if it is long and odd enough to be looked for elsewhere; of a long block also its lines."""
    stripped = secret.strip()
    if len(stripped) >= SHORTEST and stripped.lower() not in _ORDINARY and not _PLACEHOLDER.match(stripped):
        yield stripped
    if "\n" in stripped or "\\n" in stripped:
        for line in re.split(r"\r?\n|\\r\\n|\\n", stripped):
            if len(line) >= 16 and not line.startswith("-----"):
                yield line


def spellings(secret: str) -> set[str]:
    """The ways in which a text may hold a secret, as regular expressions' literal beginnings (see :class:`Known`)."""
    found = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), html.escape(secret)}
    found |= {re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), text) for text in found}
    for ascii_only in (True, False):
        escaped = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        found |= {escaped, json.dumps(escaped, ensure_ascii=ascii_only)[1:-1], escaped.replace("/", "\\/")}
    return found


def encodings(secret: str) -> set[str]:
    """The parts of base64 and hexadecimal texts that give a secret away, wherever in them it begins."""
    found: set[str] = set()
    data = secret.encode("utf-8", "surrogatepass")
    for offset in range(3):
        whole = base64.b64encode(b"\0" * offset + data).decode()
        core = whole[-(-8 * offset // 6) : 8 * (offset + len(data)) // 6]
        found |= {core, core.replace("+", "-").replace("/", "_")}
    return found | {data.hex(), data.hex().upper()}


class Known:
    """All secrets that were found anywhere, as one expression that finds them in every spelling.

    Args:
        secrets: the secrets.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self.secrets = frozenset(secrets)
        plain: set[str] = set()
        encoded: set[str] = set()
        for secret in self.secrets:
            plain |= spellings(secret)
            encoded |= {text for text in encodings(secret) if len(text) >= 7}
        parts = [_alternatives(plain, r"[\w.+/=%~-]*"), _alternatives(encoded, "", r"[A-Za-z0-9+/=_-]*")]
        joined = "|".join(part for part in parts if part)
        self._pattern = re.compile(joined) if joined else None
        self._cached = _remembering(lambda text: tuple(self._spans(text, _DEPTH)))

    def spans(self, text: str) -> tuple[Span, ...]:
        """Where known secrets stand in a text."""
        return self._cached(text) if self._pattern is not None and text else ()

    def _spans(self, text: str, depth: int) -> Iterator[Span]:
        assert self._pattern is not None
        direct = False
        for match in self._pattern.finditer(text):
            direct = True
            yield Span(*_whole_token(text, match), KNOWN)
        for start, end, decoded in _decodings(text) if depth else ():
            whole = (start, end) == (0, len(text))
            if not (whole and direct) and any(True for _ in self._spans(decoded, depth - 1)):
                yield Span(start, end, KNOWN)


def mask(text: str, spans: Iterable[Span]) -> tuple[str, list[str]]:
    """The text with ``[masked:RULE]`` in place of the spans, and the rules; overlapping spans become one."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            rule = span.rule if last.rule == KNOWN else last.rule
            merged[-1] = Span(last.start, max(last.end, span.end), rule)
        else:
            merged.append(span)
    pieces, place = [], 0
    for span in merged:
        pieces += [text[place : span.start], marker(span.rule)]
        place = span.end
    return "".join([*pieces, text[place:]]), sorted({span.rule for span in merged})


def marker(rule: str) -> str:
    """What stands where a secret was."""
    return f"[masked:{rule}]"


def _decodings(text: str) -> Iterator[tuple[int, int, str]]:
    """What a text, or a token in it, may mean: (start, end, decoded)."""
    if "%" in text and (decoded := unquote(text)) != text:
        yield 0, len(text), decoded
    if "\\" in text and (decoded := _UNESCAPE.sub(_unescaped, text)) != text:
        yield 0, len(text), decoded
    for match in _BASE64.finditer(text):
        decoded_token = _from_base64(match[0])
        if decoded_token is not None:
            yield match.start(), match.end(), decoded_token


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match[2], 16)) if match[2] else _ESCAPED.get(match[1], match[1])


def _from_base64(token: str) -> str | None:
    """The text that a token encodes; None if it is no base64 of a text."""
    plain = re.sub(r"\r?\n|\\n", "", token).rstrip("=").replace("-", "+").replace("_", "/")
    if len(plain) % 4 == 1:
        return None
    try:
        text = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    readable = sum(character.isprintable() or character in "\r\n\t" for character in text)
    return text if readable == len(text) else None


def _spelled_out(text: str, secrets: Iterable[str]) -> bool:
    """Whether each of the secrets stands in the text in a spelling that masking knows."""
    return all(any(spelling in text for spelling in spellings(secret)) for secret in secrets) and bool(secrets)


def _alternatives(texts: Iterable[str], rest: str, around: str = "") -> str:
    """One expression for many literals; of a long one its beginning and ``rest``."""
    literals = {text for text in texts if text}
    short = sorted(text for text in literals if len(text) <= _PREFIX)
    long = sorted({text[:_PREFIX] for text in literals if len(text) > _PREFIX})
    parts = []
    if long:
        parts.append(f"(?:{_trie(long)}){rest or around}")
    if short:
        # the longest first: one secret may begin another
        parts.append(f"(?:{_trie(short)}){around}")
    return "|".join(parts)


def _trie(texts: list[str]) -> str:
    """An expression for sorted, distinct literals that looks at each character once."""
    if len(texts) == 1:
        return re.escape(texts[0])
    first, last = texts[0], texts[-1]
    common = 0
    while common < len(first) and first[common] == last[common]:
        common += 1
    ends = len(first) == common
    groups: dict[str, list[str]] = {}
    for text in texts[1:] if ends else texts:
        groups.setdefault(text[common], []).append(text[common:])
    branches = "|".join(_trie(group) for _, group in sorted(groups.items()))
    return f"{re.escape(first[:common])}(?:{branches}){'?' if ends else ''}"


_TOKEN = re.compile(r"[A-Za-z0-9+/=_-]*")


def _whole_token(text: str, match: re.Match[str]) -> tuple[int, int]:
    """The match; if it is a piece of base64, hardly readable by itself, the whole token around it."""
    start, end = match.span()
    token = match[0]
    if not _TOKEN.fullmatch(token):
        return start, end
    low, high = start, end
    while low and text[low - 1] in _BASE64_CHARACTERS:
        low -= 1
    while high < len(text) and text[high] in _BASE64_CHARACTERS:
        high += 1
    return (low, high) if _from_base64(text[low:high]) is not None else (start, end)


_BASE64_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-")
