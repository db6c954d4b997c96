"""A pattern's tree as a regular expression of other engines: RE2 for lines of ASCII, Python's ``re`` for all others."""

from __future__ import annotations

from kubectl_argo_archive.logs.search_tree import Alt, Assert, Chars, Ranges, Repeat, Seq, Tree, named

_RE2 = {"start": r"\A", "end": "(?m:$)", "edge": r"\b", "inside": r"\B",
        # RE2 cannot look around; a character that is no word is taken instead, which changes no line
        "left": r"(?:\A|[^0-9A-Za-z_\n])", "right": r"(?:[^0-9A-Za-z_\n]|(?m:$))"}  # fmt: skip
_NEVER_RE2 = r"[^\x00-\xff]"
_NEVER = r"(?!)"


def for_re2(tree: Tree) -> str:
    """For lines of ASCII, as bytes, each with its newline."""
    match tree:
        case Assert():
            return _RE2[tree.kind]
        case Chars():
            return "".join(("[", *(_ascii(*run) for run in tree.ascii), "]")) if tree.ascii else _NEVER_RE2
        case Seq():
            return "".join(_grouped(item, for_re2) for item in tree.items)
        case Alt():
            return "|".join(_grouped(item, for_re2) for item in tree.items)
        case Repeat():
            return f"(?:{for_re2(tree.item)}){_counts(tree)}"


def for_python(tree: Tree) -> str:
    """For any line, decoded with ``surrogateescape``, without its newline."""
    match tree:
        case Assert():
            return _assertion(tree.kind)
        case Chars():
            return _set(tree.full) if tree.full else _NEVER
        case Seq():
            return "".join(_grouped(item, for_python) for item in tree.items)
        case Alt():
            return "|".join(_grouped(item, for_python) for item in tree.items)
        case Repeat():
            return f"(?:{for_python(tree.item)}){_counts(tree)}"


def _grouped(tree: Tree, printed: object) -> str:
    text: str = printed(tree)  # type: ignore[operator]
    return f"(?:{text})" if isinstance(tree, (Alt, Seq)) else text


def _counts(tree: Repeat) -> str:
    return f"{{{tree.low},{'' if tree.high is None else tree.high}}}"


def _assertion(kind: str) -> str:
    if kind == "start":
        return r"\A"
    if kind == "end":
        return r"\Z"
    word = _set(named("word"))
    if kind in ("left", "right"):  # as ripgrep has it, bytes that are no UTF-8 are no neighbours
        other = _set(Chars(names=("word",), negated=True).full)
        return rf"(?:\A|(?<={other}))" if kind == "left" else rf"(?:\Z|(?={other}))"
    match kind:
        case "edge":
            return f"(?:(?<={word})(?!{word})|(?<!{word})(?={word}))"
    return f"(?:(?<={word})(?={word})|(?<!{word})(?!{word}))"


def _set(ranges: Ranges) -> str:
    return "[" + "".join(_any(low) if low == high else f"{_any(low)}-{_any(high)}" for low, high in ranges) + "]"


def _any(code: int) -> str:
    return f"\\U{code:08x}"


def _ascii(low: int, high: int) -> str:
    return f"\\x{low:02x}" if low == high else f"\\x{low:02x}-\\x{high:02x}"
