"""ripgrep's regular expressions (Rust's ``regex``), read into a :mod:`.search_tree`.

Left out, with an error that says so: scripts (``\\p{Greek}``), bytes instead of characters (``(?-u)``), set operations
inside brackets (``&&``, ``--``, ``~~``). Look-around and back references are not part of the language.
"""

from __future__ import annotations

import re

from kubectl_argo_archive.errors import ConfigError
from kubectl_argo_archive.logs.search_tree import POSIX, Alt, Assert, Chars, Repeat, Seq, Tree, is_named, rest

_ESCAPES = {"t": 9, "r": 13, "f": 12, "v": 11, "a": 7, "0": 0}
_SETS = {"d": "digit", "w": "word", "s": "space"}
_LONG_NAMES = {
    "letter": "L", "uppercase_letter": "Lu", "lowercase_letter": "Ll", "mark": "M", "number": "N",
    "decimal_number": "Nd",
    "punctuation": "P", "symbol": "S", "separator": "Z", "other": "C", "control": "Cc", "alphabetic": "Alphabetic",
    "any": "any", "uppercase": "Lu", "lowercase": "Ll", "white_space": "space",
}  # fmt: skip
_DEPTH = 200
_MOST = 1000
_NO_NEWLINE = "the pattern holds a newline, and lines are searched one by one"


def parse(pattern: str, *, ignore_case: bool = False) -> Tree:
    """The tree of a regular expression.

    Raises:
        ConfigError: it is not one, or uses what is not supported.
    """
    reader = _Reader(pattern, ignore_case)
    tree = reader.alternatives(0)
    if reader.at < len(pattern):
        raise reader.wrong("a ) without its (")
    return tree


class _Reader:
    def __init__(self, pattern: str, ignore_case: bool) -> None:
        self.pattern = pattern
        self.at = 0
        self.ignore_case = ignore_case
        self.verbose = False

    def wrong(self, what: str, hint: str | None = None) -> ConfigError:
        return ConfigError(
            f"the regular expression is wrong at character {self.at + 1}: {what}",
            hint or "without -E the pattern is searched for as it is; see docs/logs.md for the syntax",
        )

    def unsupported(self, what: str) -> ConfigError:
        return ConfigError(f"regular expressions here have no {what}", "see docs/logs.md for the syntax")

    def peek(self, count: int = 1) -> str:
        return self.pattern[self.at : self.at + count]

    def take(self) -> str:
        if self.at >= len(self.pattern):
            raise self.wrong("it ends too early")
        self.at += 1
        return self.pattern[self.at - 1]

    def alternatives(self, depth: int) -> Tree:
        if depth > _DEPTH:
            raise self.wrong("groups are nested too deeply")
        outer = self.ignore_case, self.verbose
        branches = [self.sequence(depth)]
        while self.peek() == "|":
            self.at += 1
            branches.append(self.sequence(depth))
        self.ignore_case, self.verbose = outer
        return branches[0] if len(branches) == 1 else Alt(tuple(branches))

    def sequence(self, depth: int) -> Tree:
        items: list[Tree] = []
        while self.at < len(self.pattern) and self.peek() not in "|)":
            if self.verbose and self._skip_blank():
                continue
            if self.peek() in "*+?":
                raise self.wrong(f"nothing that {self.peek()} could repeat")
            item = self.atom(depth)
            if item is not None:
                items.append(self.repeated(item))
        return items[0] if len(items) == 1 else Seq(tuple(items))

    def _skip_blank(self) -> bool:
        found = re.compile(r"\s+|#[^\n]*").match(self.pattern, self.at)
        if found:
            self.at = found.end()
        return bool(found)

    def repeated(self, item: Tree) -> Tree:
        while True:
            if self.verbose:
                self._skip_blank()
            sign = self.peek()
            if sign and sign in "*+?":
                self.at += 1
                low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
            elif sign == "{":
                low, high = self._counts()
            else:
                return item
            if self.peek() == "?":  # lazy: the same lines match
                self.at += 1
            item = Repeat(item, low, high)

    def _counts(self) -> tuple[int, int | None]:
        found = re.compile(r"\{\s*(\d+)\s*(,\s*(\d+)?\s*)?\}").match(self.pattern, self.at)
        if not found:
            raise self.wrong("{ begins a repetition such as {3} or {2,5}; write \\{ for the sign")
        low = int(found[1])
        high = low if found[2] is None else int(found[3]) if found[3] else None
        if max(low, high or 0) > _MOST:
            raise self.wrong(f"more than {_MOST} repetitions")
        if high is not None and high < low:
            raise self.wrong("the second number of {…} is smaller than the first")
        self.at = found.end()
        return low, high

    def atom(self, depth: int) -> Tree | None:
        sign = self.take()
        match sign:
            case ".":
                return Chars(negated=True)
            case "^":
                return Assert("start")
            case "$":
                return Assert("end")
            case "[":
                return self.bracket()
            case "(":
                return self.group(depth)
            case "\\":
                return self.escape()
        return self.character(ord(sign))

    def character(self, code: int) -> Chars:
        if code == 10:
            raise ConfigError(_NO_NEWLINE, "search for a part of one line")
        return Chars(((code, code),), folded=self.ignore_case)

    def group(self, depth: int) -> Tree | None:
        flags: tuple[bool, bool] | None = None
        if self.peek() == "?":
            self.at += 1
            if self.peek() in ("=", "!") or self.peek(2) in ("<=", "<!"):
                raise self.unsupported("look-around")
            if named := re.compile(r"P?<[A-Za-z_][\w.\[\]]*>").match(self.pattern, self.at):
                self.at = named.end()
            elif self.peek(2) == "P=" or self.peek() in (">", "("):
                raise self.unsupported("back references, atomic or conditional groups")
            else:
                flags = self.ignore_case, self.verbose
                if self._flags() == ")":
                    return None
        tree = self.alternatives(depth + 1)
        if flags:
            self.ignore_case, self.verbose = flags
        if self.peek() != ")":
            raise self.wrong("a ( without its )")
        self.at += 1
        return tree

    def _flags(self) -> str:
        """Read ``i-s:`` or ``i-s)`` and set what they say; returns the last sign."""
        on = True
        while True:
            sign = self.take()
            match sign:
                case ":" | ")":
                    return sign
                case "-":
                    on = False
                case "i":
                    self.ignore_case = on
                case "x":
                    self.verbose = on
                case "u" if not on:
                    raise self.unsupported("bytes instead of characters, (?-u)")
                case "s" | "m" | "U" | "u" | "R":
                    pass  # a line has no newline in it
                case _:
                    raise self.wrong(f"unknown flag {sign}")

    def escape(self) -> Tree:
        sign = self.take()
        match sign:
            case "b":
                if self.peek() == "{":
                    raise self.unsupported("\\b{…}; use -w or \\b")
                return Assert("edge")
            case "B":
                return Assert("inside")
            case "A":
                return Assert("start")
            case "z":
                return Assert("end")
        if found := self._set(sign):
            return found
        return self.character(self._code(sign))

    def _set(self, sign: str) -> Chars | None:
        """``\\d``, ``\\W``, ``\\pL``, ``\\P{Lu}`` …, or None."""
        if sign.lower() in _SETS:
            return Chars(names=(("^" if sign.isupper() else "") + _SETS[sign.lower()],))
        if sign not in ("p", "P"):
            return None
        name = self.take()
        if name == "{":
            end = self.pattern.find("}", self.at)
            if end < 0:
                raise self.wrong("\\p{ without its }")
            name, self.at = self.pattern[self.at : end], end + 1
        others = name.startswith("^") != (sign == "P")
        known = name.lstrip("^")
        known = known if is_named(known) else _LONG_NAMES.get(known.lower().replace(" ", "_").replace("-", "_"), "")
        if not known:
            raise self.unsupported(f"set of characters named {name} (general categories such as \\p{{Lu}} are known)")
        if self.ignore_case and known in ("Lu", "Ll", "Lt"):
            known = "L"  # any letter with a case has a partner in the other one; caseless ones are rare
        return Chars(names=(("^" if others else "") + known,), folded=self.ignore_case)

    def _code(self, sign: str) -> int:
        if sign in "xuU":
            digits = {"x": 2, "u": 4, "U": 8}[sign]
            found = re.compile(r"\{([0-9A-Fa-f]{1,8})\}|([0-9A-Fa-f]{" + str(digits) + "})").match(
                self.pattern, self.at
            )
            if not found or int(found[1] or found[2], 16) > 0x10FFFF:
                raise self.wrong(f"\\{sign} needs {digits} hexadecimal digits, or some in {{}}")
            self.at = found.end()
            return int(found[1] or found[2], 16)
        if sign == "n":
            raise ConfigError(_NO_NEWLINE, "search for a part of one line")
        if sign in _ESCAPES and sign != "0":
            return _ESCAPES[sign]
        if sign.isascii() and sign.isalnum():
            if sign.isdigit():
                raise self.unsupported("back references")
            raise self.wrong(f"unknown escape \\{sign}")
        return ord(sign)

    def bracket(self) -> Chars:
        negated = self.peek() == "^"
        self.at += negated
        ranges: list[tuple[int, int]] = []
        names: list[str] = []
        first = True
        while self.peek() != "]" or first:
            first = False
            if self.peek(2) in ("&&", "--", "~~"):
                raise self.unsupported(f"set operation {self.peek(2)}")
            if self.peek() == "[":
                self._inner(ranges, names)
                continue
            low = self._member(names)
            if low is None:
                continue
            high = low
            if self.peek() == "-" and self.peek(2) not in ("-]", "--", "-"):
                self.at += 1
                end = self._member(names)
                if end is None or end < low:
                    raise self.wrong("a range that ends before it begins")
                high = end
            ranges.append((low, high))
        self.at += 1
        return Chars(tuple(ranges), tuple(names), negated, self.ignore_case)

    def _inner(self, ranges: list[tuple[int, int]], names: list[str]) -> None:
        found = re.compile(r"\[:(\^?)([a-z]+):\]").match(self.pattern, self.at)
        if found and found[2] in POSIX:
            self.at = found.end()
            inside = POSIX[found[2]]
            ranges += rest(inside) if found[1] else inside
            return
        self.at += 1
        nested = self.bracket()
        if nested.negated:
            raise self.unsupported("negated set inside another one")
        ranges += nested.ranges
        names += nested.names

    def _member(self, names: list[str]) -> int | None:
        """One character of a set; None if it was a set itself, which went to ``names``."""
        sign = self.take()
        if sign != "\\":
            return ord(sign)
        sign = self.take()
        if found := self._set(sign):
            names += found.names
            return None
        if sign == "n":
            return 10  # never part of a line
        return self._code(sign)
