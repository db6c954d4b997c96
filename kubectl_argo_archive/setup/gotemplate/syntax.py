"""Go templates as Helm and Helmfile write them: text and actions, into a tree. Broken ones become nodes too."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

_ACTION = re.compile(
    r"\{\{(?P<left>-(?=\s))?\s*(?P<body>/\*.*?\*/|(?:`[^`]*`|\"(?:\\.|[^\"\\\n])*\"|.)*?)\s*(?P<right>(?<=\s)-)?\}\}",
    re.DOTALL,
)
_TOKEN = re.compile(
    r"\s*(?:(?P<string>\"(?:\\.|[^\"\\])*\"|`[^`]*`)|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>\$?[A-Za-z_]\w*|\$)"
    r"|(?P<field>\.[A-Za-z_][\w]*)|(?P<mark>:=|[()|,=.]))"
)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r"}
MAX_DEPTH: Final = 50


@dataclass(frozen=True, slots=True)
class Text:
    """Text between actions."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Value:
    """``{{ … }}``: an expression whose value is written; None if it cannot be understood."""

    expression: Expression | None
    line: int


@dataclass(frozen=True, slots=True)
class Assign:
    """``{{ $x := … }}``: writes nothing."""

    name: str
    expression: Expression | None


@dataclass(slots=True)
class Block:
    """``if``, ``with``, ``range``, ``define``, ``block`` or the whole text; each branch has its condition.

    A branch is (expression, names it sets, nodes); ``else`` has no expression.
    """

    kind: str
    branches: list[tuple[Expression | None, tuple[str, ...], list[Part]]] = field(default_factory=list)
    name: str = ""

    @property
    def parts(self) -> list[Part]:
        """Of the last branch, which is the open one while parsing."""
        return self.branches[-1][2]


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its arguments; a lone value is a call without arguments."""

    head: Any
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """``.a.b`` of the dot, ``$.a.b``, ``$x.a.b`` or ``(…).a.b``; base None is the dot."""

    base: Any
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Name:
    """A function, or a variable with its ``$``."""

    name: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, a number, true, false or nil."""

    value: Any


Expression: TypeAlias = Call
Part: TypeAlias = "Text | Value | Assign | Block"


def parse_template(source: str) -> tuple[Block, dict[str, Block]]:
    """The whole template, and what it defines. Never fails: an ``end`` too many or too few is forgiven."""
    root = Block("text", [(None, (), [])])
    stack = [root]
    defines: dict[str, Block] = {}
    at, trim = 0, False
    for match in _ACTION.finditer(source):
        _text(stack[-1], source, at, match.start(), trim, bool(match["left"]))
        _action(stack, defines, match["body"], source.count("\n", 0, match.start()) + 1)
        at, trim = match.end(), bool(match["right"])
    _text(stack[-1], source, at, len(source), trim, False)
    return root, defines


def _text(block: Block, source: str, start: int, end: int, trim_left: bool, trim_right: bool) -> None:
    if trim_left:
        while start < end and source[start].isspace():
            start += 1
    if trim_right:
        while end > start and source[end - 1].isspace():
            end -= 1
    if start < end:
        block.parts.append(Text(source[start:end], source.count("\n", 0, start) + 1))


def _action(stack: list[Block], defines: dict[str, Block], body: str, line: int) -> None:
    keyword, _, rest = body.partition(" ")
    keyword, rest = keyword.strip(), rest.strip()
    top = stack[-1]
    if body.startswith("/*"):
        return
    if keyword in ("if", "with", "range") and len(stack) < MAX_DEPTH:
        names, expression = _pipeline(rest)
        block = Block(keyword, [(expression, names, [])])
        top.parts.append(block)
        stack.append(block)
    elif keyword in ("define", "block"):
        block = Block(keyword, [(None, (), [])], rest.split()[0].strip('"`') if rest else "")
        defines[block.name] = block
        if keyword == "block":
            top.parts.append(block)
        stack.append(block)
    elif keyword == "else" and len(stack) > 1:
        words = rest.split(None, 1)
        if words and words[0] in ("if", "with"):
            names, expression = _pipeline(words[1] if len(words) > 1 else "")
            top.branches.append((expression, names, []))
        else:
            top.branches.append((None, (), []))
    elif keyword == "end":
        if len(stack) > 1:
            stack.pop()
    else:
        names, expression = _pipeline(body)
        top.parts.append(Assign(names[0], expression) if names else Value(expression, line))


def _pipeline(text: str) -> tuple[tuple[str, ...], Expression | None]:
    """Names that are set, and the expression; None if it is not understood."""
    tokens = _tokens(text)
    if tokens is None:
        return _names(text), None
    names: list[str] = []
    for index, (kind, word, _) in enumerate(tokens):
        if kind == "mark" and word in (":=", "="):
            names = [name for _, name, _ in tokens[:index] if name.startswith("$")]
            tokens = tokens[index + 1 :]
            break
    parser = _Parser(tokens)
    try:
        expression = parser.pipeline()
    except (IndexError, ValueError, RecursionError):
        return tuple(names), None
    return tuple(names), expression if parser.at == len(tokens) else None


def _names(text: str) -> tuple[str, ...]:
    match = re.match(r"\s*(\$\w+)\s*:?=", text)
    return (match[1],) if match else ()


def _tokens(text: str) -> list[tuple[str, str, bool]] | None:
    """(kind, text, space before it); None for what Go's templates do not have."""
    tokens: list[tuple[str, str, bool]] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            return None
        word = match[match.lastgroup]
        tokens.append((match.lastgroup, word, match.start(match.lastgroup) > at or at == 0))
        at = match.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[tuple[str, str, bool]]) -> None:
        self.tokens = tokens
        self.at = 0

    def pipeline(self, depth: int = 0) -> Expression:
        if depth > MAX_DEPTH:
            raise ValueError("too deep")
        call = self._command(depth)
        while self._peek() == ("mark", "|"):
            self.at += 1
            after = self._command(depth)
            call = Call(after.head, (*after.arguments, call))
        return call

    def _peek(self) -> tuple[str, str] | None:
        return self.tokens[self.at][:2] if self.at < len(self.tokens) else None

    def _command(self, depth: int) -> Expression:
        operands = [self._operand(depth)]
        while (token := self._peek()) is not None and token not in (("mark", "|"), ("mark", ")")):
            operands.append(self._operand(depth))
        return Call(operands[0], tuple(operands[1:]))

    def _operand(self, depth: int) -> Any:
        kind, word, _ = self.tokens[self.at]
        self.at += 1
        if kind == "string":
            return Literal(word[1:-1] if word[0] == "`" else _unescape(word[1:-1]))
        if kind == "number":
            return Literal(float(word) if "." in word else int(word))
        if kind == "field":
            return Field(None, (word[1:], *self._fields()))
        if (kind, word) == ("mark", "("):
            inner = self.pipeline(depth + 1)
            if self._peek() != ("mark", ")"):
                raise ValueError("an open bracket")
            self.at += 1
            path = self._fields()
            return Field(inner, path) if path else inner
        if (kind, word) == ("mark", "."):
            return Field(None, ())
        if kind == "name":
            if word in ("true", "false", "nil"):
                return Literal({"true": True, "false": False, "nil": None}[word])
            path = self._fields() if word.startswith("$") else ()
            return Field(Name(word), path) if word.startswith("$") else Name(word)
        raise ValueError("no operand")

    def _fields(self) -> tuple[str, ...]:
        """``.a.b`` that touches what stands before it."""
        path: list[str] = []
        while self.at < len(self.tokens):
            kind, word, spaced = self.tokens[self.at]
            if kind != "field" or spaced:
                break
            path.append(word[1:])
            self.at += 1
        return tuple(path)


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text)
