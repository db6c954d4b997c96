"""Values that look like secrets, made unreadable before a line is indexed.

Only known formats of keys are masked, so that nothing else is lost. A masked value keeps its length, so that byte
offsets stay those of the object. The formats are those of gitleaks' and GitHub's rules whose shape alone is telling;
such libraries look at a line at a time in Python and would halve the speed of indexing, so here RE2 (in Arrow) looks
over whole chunks for any of them, and only pieces where it finds one are looked at rule by rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

PIECE_BYTES = 64 << 10
SMALL_BYTES = 16 << 10
LONGEST_LINE = 4 << 20
"""A line beyond this is masked in parts of this size; a secret on the seam may escape by then."""
_OVERLAP = 4096


@dataclass(frozen=True, slots=True)
class Rule:
    """One format.

    Attributes:
        name: of the rule, as it is recorded.
        words: one of these stands wherever the rule matches, in lower case if ``fold``.
        hint: a short RE2 pattern that matches wherever the rule does.
        pattern: for Python's ``re``: the secret is what matches, or group 1 of it.
    """

    name: str
    words: tuple[bytes, ...]
    hint: str
    pattern: str
    fold: bool = False


RULES = (
    Rule("aws-access-key-id", (b"AKIA", b"ASIA", b"ABIA", b"ACCA"), "(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}",
         r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b"),
    Rule("aws-secret-access-key", (b"access_key", b"accesskey"),
         "[sS][eE][cC][rR][eE][tT]_?[aA][cC][cC][eE][sS][sS]_?[kK][eE][yY]",
         r"(?i:secret_?access_?key)[\"']?\s{0,3}[=:]\s{0,3}[\"']?([A-Za-z0-9/+=]{40})", True),
    Rule("github-token", (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"),
         "(?:gh[pousr]|github_pat)_[A-Za-z0-9_]{20}",
         r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{36,255})"),
    Rule("gitlab-token", (b"glpat-", b"glptt-", b"gldt-", b"glrt-", b"glcbt-", b"glsoat-"),
         "gl(?:pat|ptt|dt|rt|cbt|soat)-[A-Za-z0-9_-]{20}",
         r"\bgl(?:pat|ptt|dt|rt|cbt|soat)-[A-Za-z0-9_-]{20,64}"),
    Rule("slack-token", (b"xox", b"xapp-"), "xox[abeoprs]-|xapp-[0-9]-",
         r"\bxox[abeoprs]-[A-Za-z0-9-]{10,250}|\bxapp-[0-9]-[A-Za-z0-9-]{20,250}"),
    Rule("slack-webhook", (b"hooks.slack.com",), r"hooks\.slack\.com/",
         r"https://hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9+/]{20,80})"),
    Rule("google-api-key", (b"AIza",), "AIza[A-Za-z0-9_-]{16}", r"\bAIza[A-Za-z0-9_-]{35}"),
    Rule("google-oauth", (b"ya29.", b"GOCSPX-"),
         r"ya29\.|GOCSPX-", r"\b(?:ya29\.[A-Za-z0-9_-]{20,500}|GOCSPX-[A-Za-z0-9_-]{28})"),
    Rule("stripe-key", (b"k_live_", b"k_test_"), "[rs]k_(?:live|test)_", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{10,99}"),
    Rule("npm-token", (b"npm_",), "npm_[A-Za-z0-9]{16}", r"\bnpm_[A-Za-z0-9]{36}"),
    Rule("pypi-token", (b"pypi-AgE",), "pypi-AgE", r"\bpypi-AgE[A-Za-z0-9_-]{50,500}"),
    Rule("openai-key", (b"sk-",), r"\bsk-[A-Za-z0-9_-]{32}", r"\bsk-[A-Za-z0-9_-]{32,200}"),
    Rule("huggingface-token", (b"hf_",), "hf_[A-Za-z]{16}", r"\bhf_[A-Za-z]{34}"),
    Rule("sendgrid-key", (b"SG.",), r"SG\.[A-Za-z0-9_-]{22}\.", r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    Rule("azure-storage-key", (b"AccountKey=",), "AccountKey=", r"AccountKey=([A-Za-z0-9+/]{86}==)"),
    Rule("hashicorp-token", (b"hvs.", b"hvb."), r"\bhv[sb]\.[A-Za-z0-9_-]{8}", r"\bhv[sb]\.[A-Za-z0-9_-]{24,300}"),
    Rule("jwt", (b".eyJ",),
         r"eyJ[A-Za-z0-9_-]+\.eyJ", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    Rule("url-password", (b"://",), r"://[^\s:/?#@\"'<>\\]+:[^\s/?#@\"'<>\\]+@",
         r"[a-z][a-z0-9+.-]{1,20}://[^\s:/?#@\"'<>\\]{1,200}:([^\s/?#@\"'<>\\]{1,200})@[A-Za-z0-9\[]"),
    Rule("authorization-header", (b"authorization",), r"(?i)authorization[\"']?\s?[:=]",
         r"(?i:authorization)[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?i:bearer|basic|token)\s{1,3}([A-Za-z0-9+/_.=~-]{12,4000})",
         True),
)  # fmt: skip
"""Formats that are masked by default."""

PRIVATE_KEY = "private-key"
_BEGIN = re.compile(rb"-----BEGIN (?:[A-Z]{2,10} ){0,2}PRIVATE KEY(?: BLOCK)?-----")
_END = re.compile(rb"-----END (?:[A-Z]{2,10} ){0,2}PRIVATE KEY(?: BLOCK)?-----")
_KEY_LINES = 200
_STARS = re.compile(rb"[^\r\n]")


@dataclass(slots=True)
class Masked:
    """What was masked: how often, per rule."""

    rules: dict[str, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """All together."""
        return sum(self.rules.values())

    def add(self, rule: str) -> None:
        """Count one."""
        self.rules[rule] = self.rules.get(rule, 0) + 1


class Mask:
    """Masks chunk by chunk; has no state between texts."""

    def __init__(self, rules: Iterable[Rule] = RULES) -> None:
        self._rules = [(rule, re.compile(rule.pattern.encode())) for rule in rules]
        self._any = "|".join(f"(?:{rule.hint})" for rule, _ in self._rules) + "|-----BEGIN "

    def apply(self, chunks: Iterable[bytes], found: Masked) -> Iterator[bytes]:
        """The chunks with secrets masked, of the same length all together; cut anew at the ends of lines."""
        held = b""
        in_key = 0
        for chunk in chunks:
            data = held + chunk if held else chunk
            cut = data.rfind(b"\n") + 1
            if not cut:
                if len(data) < LONGEST_LINE:
                    held = data
                    continue
                cut = len(data) - _OVERLAP
            held = data[cut:]
            piece, in_key = self._masked(data[:cut], found, in_key)
            yield piece
        if held:
            yield self._masked(held, found, in_key)[0]

    def _masked(self, data: bytes, found: Masked, in_key: int) -> tuple[bytes, int]:
        """Whole lines, masked; and how many lines of a private key may still follow."""
        if len(data) < SMALL_BYTES:
            return self._small(data, found, in_key)
        suspects = self._suspects(data)
        if not suspects and not in_key:
            return data, 0
        parts: list[bytes] = []
        done = 0
        for start, end in suspects if not in_key else [(0, len(data))]:
            parts.append(data[done:start])
            piece = data[start:end]
            for rule, pattern in self._rules:
                if _matches([piece], rule.hint)[0]:
                    piece = self._replaced(piece, rule, pattern, found)
            piece, in_key = _private_keys(piece, found, in_key)
            parts.append(piece)
            done = end
            if in_key and end < len(data):
                rest, in_key = self._masked(data[end:], found, in_key)
                return b"".join([*parts, rest]), in_key
        parts.append(data[done:])
        return b"".join(parts), in_key

    def _small(self, data: bytes, found: Masked, in_key: int) -> tuple[bytes, int]:
        """The same for little text, for which RE2 takes longer to begin than to look."""
        folded = data.lower()
        for rule, pattern in self._rules:
            text = folded if rule.fold else data
            if any(word in text for word in rule.words):
                data = self._replaced(data, rule, pattern, found)
        return _private_keys(data, found, in_key) if in_key or b"-----BEGIN " in data else (data, 0)

    def _suspects(self, data: bytes) -> list[tuple[int, int]]:
        """Pieces of whole lines in which some rule matches."""
        if not _matches([data], self._any)[0]:
            return []
        bounds = [0]
        while bounds[-1] < len(data):
            cut = data.find(b"\n", bounds[-1] + PIECE_BYTES)
            bounds.append(len(data) if cut < 0 else cut + 1)
        pieces = list(pairwise(bounds))
        matches = _matches([data[start:end] for start, end in pieces], self._any)
        return [piece for piece, matched in zip(pieces, matches, strict=True) if matched]

    @staticmethod
    def _replaced(piece: bytes, rule: Rule, pattern: re.Pattern[bytes], found: Masked) -> bytes:
        def stars(match: re.Match[bytes]) -> bytes:
            found.add(rule.name)
            start, end = match.span(pattern.groups)
            before, after = piece[match.start() : start], piece[end : match.end()]
            return before + b"*" * (end - start) + after

        return pattern.sub(stars, piece)


def _matches(pieces: list[bytes], pattern: str) -> list[bool]:
    found: list[bool] = pc.match_substring_regex(pa.array(pieces, pa.large_binary()), pattern).to_pylist()
    return found


def _private_keys(piece: bytes, found: Masked, in_key: int) -> tuple[bytes, int]:
    """Everything between BEGIN and END, if the END comes soon enough to be believed."""
    parts: list[bytes] = []
    position = 0
    while True:
        if not in_key:
            begin = _BEGIN.search(piece, position)
            if begin is None:
                parts.append(piece[position:])
                return b"".join(parts), 0
            found.add(PRIVATE_KEY)
            parts.append(piece[position : begin.end()])
            position, in_key = begin.end(), _KEY_LINES
        end = _END.search(piece, position)
        stop = end.start() if end else len(piece)
        body = piece[position:stop]
        lines = body.count(b"\n")
        if lines > in_key:  # no key is that long: believe the rest
            stop = position + sum(len(line) + 1 for line in body.split(b"\n", in_key)[:in_key])
            body, lines = piece[position:stop], in_key
        parts.append(_STARS.sub(b"*", body))
        position = stop
        if end is not None and stop == end.start():
            in_key = 0
        else:
            in_key -= lines
            if position >= len(piece):
                return b"".join(parts), max(in_key, 0)
