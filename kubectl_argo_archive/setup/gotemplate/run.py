"""Carry out a Go template as far as the files know its values; what they do not know stays marked as unknown.

A small part of Helm's language: enough for ``{{ .Values.x | default … }}``, ``include``, ``if``, ``with``, ``range``.
It never fails. Each line written remembers the line of the template it came from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from kubectl_argo_archive.setup.files.unknown import MARK, UNKNOWN, Unknown
from kubectl_argo_archive.setup.gotemplate.functions import FUNCTIONS, truth
from kubectl_argo_archive.setup.gotemplate.syntax import (
    Assign,
    Block,
    Call,
    Field,
    Literal,
    Name,
    Part,
    Text,
    Value,
    parse_template,
)

MAX_OUTPUT: Final = 2_000_000
MAX_CALLS: Final = 30
MAX_STEPS: Final = 200_000


def render_template(
    source: str,
    root: Mapping[str, Any],
    helpers: Mapping[str, Block] | None = None,
    *,
    missing: Any = None,
) -> tuple[str, Callable[[int], int]]:
    """Carry out a template.

    Args:
        source: its text.
        root: what ``.`` and ``$`` are; ``Values``, ``Release``, …
        helpers: what ``include`` finds besides the template's own definitions.
        missing: what a key is that the data do not have: None as in Helm, or :data:`UNKNOWN`.

    Returns:
        The text, and a function: line of the text → line of the template.
    """
    try:
        block, defines = parse_template(source)
        run = _Run(root, {**(helpers or {}), **defines}, missing)
        run.block_parts(block.parts, root, {"$": root})
    except _Stop:
        pass
    except RecursionError:
        return "", lambda line: line
    lines = run.source_lines()
    text = _ALONE.sub("", "".join(text for text, _ in run.written))
    return text, lambda line: lines[min(line, len(lines)) - 1] if lines else line


_ALONE: Final = re.compile(rf"^[ \t]*{MARK}[ \t]*$", re.MULTILINE)
"""A line that only holds something unknown: labels and the like that an ``include`` would have brought."""


class _Stop(Exception):
    """A limit is reached."""


class _Run:
    def __init__(self, root: Mapping[str, Any], helpers: Mapping[str, Block], missing: Any) -> None:
        self.root = root
        self.helpers = helpers
        self.missing = missing
        self.written: list[tuple[str, int]] = []
        self._fixed_line: int | None = None
        self._size = 0
        self._depth = 0
        self._steps = 0

    def source_lines(self) -> list[int]:
        """For each line of the output, the template's line of its first character that is not a space."""
        lines: list[int] = []
        current: int | None = None
        for text, line in self.written:
            if current is None or (not current and text.strip(" \t")):
                current = line
            for _ in range(text.count("\n")):
                lines.append(current if current is not None else line)
                current = None
        lines.append(current if current is not None else (lines[-1] if lines else 1))
        return lines

    def write(self, text: str, line: int) -> None:
        self._size += len(text)
        if self._size > MAX_OUTPUT:
            raise _Stop
        self.written.append((text, self._fixed_line or line))

    def block_parts(self, parts: list[Part], dot: Any, names: dict[str, Any]) -> None:
        for part in parts:
            self._steps += 1
            if self._steps > MAX_STEPS:
                raise _Stop
            if isinstance(part, Text):
                for offset, line in enumerate(part.text.splitlines(keepends=True)):
                    self.write(line, part.line + offset)
            elif isinstance(part, Value):
                self.write(self._shown(self.value(part.expression, dot, names)), part.line)
            elif isinstance(part, Assign):
                names[part.name] = self.value(part.expression, dot, names)
            elif part.kind != "define":
                self._block(part, dot, names)

    def _block(self, block: Block, dot: Any, names: dict[str, Any]) -> None:
        if block.kind == "block":
            self.block_parts(block.parts, dot, names)
            return
        for expression, set_names, parts in block.branches:
            if expression is None and (expression, set_names, parts) is not block.branches[0]:
                self.block_parts(parts, dot, names)
                return
            value = self.value(expression, dot, names)
            if block.kind == "range":
                if self._range(value, set_names, parts, dot, names):
                    return
                continue
            if truth(value):  # a condition that nobody knows counts as true: better too much is looked at
                if block.kind == "with":
                    self.block_parts(parts, value, names | dict.fromkeys(set_names, value))
                else:
                    names.update(dict.fromkeys(set_names, value))
                    self.block_parts(parts, dot, names)
                return

    def _range(
        self, value: Any, set_names: tuple[str, ...], parts: list[Part], dot: Any, names: dict[str, Any]
    ) -> bool:
        turns = list(_turns(value))
        for key, item in turns:
            own = dict(names)
            own.update(zip(set_names, (key, item) if len(set_names) > 1 else (item,), strict=False))
            self.block_parts(parts, item, own)
        return bool(turns)

    def value(self, expression: Any, dot: Any, names: dict[str, Any]) -> Any:
        """Evaluate; whatever is not understood is :data:`UNKNOWN`."""
        if expression is None:
            return UNKNOWN
        if isinstance(expression, Literal):
            return expression.value
        if isinstance(expression, Field):
            base = dot if expression.base is None else self.value(expression.base, dot, names)
            return self._field(base, expression.path)
        if isinstance(expression, Name):
            return names.get(expression.name, UNKNOWN) if expression.name.startswith("$") else self._call(
                expression.name, (), dot, names
            )  # fmt: skip
        if isinstance(expression, Call):
            if isinstance(expression.head, Name) and not expression.head.name.startswith("$"):
                arguments = tuple(self.value(each, dot, names) for each in expression.arguments)
                return self._call(expression.head.name, arguments, dot, names)
            value = self.value(expression.head, dot, names)
            return UNKNOWN if expression.arguments else value
        return UNKNOWN

    def _field(self, value: Any, path: tuple[str, ...]) -> Any:
        for key in path:
            if not isinstance(value, Mapping):
                return UNKNOWN if isinstance(value, Unknown) or value is not None else None
            value = value.get(key, self.missing)
        return value

    def _call(self, name: str, arguments: tuple[Any, ...], dot: Any, names: dict[str, Any]) -> Any:
        if name in ("include", "template") and arguments:
            return self._include(arguments)
        if name == "tpl" and arguments:
            return self._tpl(arguments[0], dot)
        function = FUNCTIONS.get(name)
        if function is None:
            return UNKNOWN
        try:
            return function(*arguments)
        except Exception:
            return UNKNOWN

    def _include(self, arguments: tuple[Any, ...]) -> Any:
        block = self.helpers.get(arguments[0]) if isinstance(arguments[0], str) else None
        if block is None or self._depth >= MAX_CALLS:
            return UNKNOWN
        dot = arguments[1] if len(arguments) > 1 else None
        return self._apart(block.parts, dot)

    def _tpl(self, text: Any, dot: Any) -> Any:
        if not isinstance(text, str) or self._depth >= MAX_CALLS:
            return UNKNOWN
        return self._apart(parse_template(text)[0].parts, dot) if "{{" in text else text

    def _apart(self, parts: list[Part], dot: Any) -> str:
        """Carry out parts into a text of their own."""
        outer, self.written = self.written, []
        self._depth += 1
        try:
            self.block_parts(parts, dot, {"$": dot})
            return "".join(text for text, _ in self.written)
        finally:
            self._depth -= 1
            self.written = outer

    @staticmethod
    def _shown(value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, Unknown):
            return MARK
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, Mapping | list):
            return json.dumps(value, default=lambda _: MARK, ensure_ascii=False)
        return str(value)


def _turns(value: Any) -> Iterator[tuple[Any, Any]]:
    """What ``range`` goes through; of something unknown one unknown."""
    if isinstance(value, Unknown):
        yield UNKNOWN, UNKNOWN
    elif isinstance(value, Mapping):
        yield from sorted(value.items(), key=lambda item: str(item[0]))
    elif isinstance(value, list | tuple):
        yield from enumerate(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield from ((i, i) for i in range(min(value, 1000)))
