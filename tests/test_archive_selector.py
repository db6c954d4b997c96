"""Label selectors: kubectl's grammar, and errors that point at the mistake."""

from __future__ import annotations

import pytest

from kubectl_argo_archive.archive.selector import Operator, Requirement, Selector, integer, parse_selector
from kubectl_argo_archive.errors import ConfigError, ExitCode

IN, NOT_IN = Operator.IN, Operator.NOT_IN


@pytest.mark.parametrize(
    ("text", "requirements"),
    [
        ("", []),
        ("  ", []),
        ("a", [Requirement("a", Operator.EXISTS)]),
        ("!a", [Requirement("a", Operator.ABSENT)]),
        (" ! a ", [Requirement("a", Operator.ABSENT)]),
        ("a=b", [Requirement("a", IN, ("b",))]),
        ("a == b", [Requirement("a", IN, ("b",))]),
        ("a!=b", [Requirement("a", NOT_IN, ("b",))]),
        ("a=", [Requirement("a", IN, ("",))]),
        ("a!=,b", [Requirement("a", NOT_IN, ("",)), Requirement("b", Operator.EXISTS)]),
        ("a in (b)", [Requirement("a", IN, ("b",))]),
        ("a in(b , c)", [Requirement("a", IN, ("b", "c"))]),
        ("a in (,b)", [Requirement("a", IN, ("", "b"))]),
        ("a notin (b,)", [Requirement("a", NOT_IN, ("b", ""))]),
        ("a>5,b<-3", [Requirement("a", Operator.GREATER, ("5",)), Requirement("b", Operator.LESS, ("-3",))]),
        ("a=in", [Requirement("a", IN, ("in",))]),
        (
            "workflows.argoproj.io/phase=Failed,a_b.C-d in (X.y_z-1)",
            [Requirement("workflows.argoproj.io/phase", IN, ("Failed",)), Requirement("a_b.C-d", IN, ("X.y_z-1",))],
        ),
    ],
)
def test_parse(text: str, requirements: list[Requirement]) -> None:
    assert parse_selector(text) == Selector(tuple(requirements))


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("a,", 3),
        (",a", 1),
        ("a b", 3),
        ("a=b c", 5),
        ("=b", 1),
        ("!", 2),
        ("!a=b", 3),
        ("a in", 5),
        ("a in b", 6),
        ("a in ()", 7),
        ("a in (b", 8),
        ("a in (b c)", 9),
        ("a=b=c", 4),
        ("a=-b", 3),
        ("a='b'", 3),
        ("-a", 1),
        ("a/b/c", 1),
        ("/b", 1),
        ("A_/b", 1),
        ("a" * 64, 1),
        (f"a={'b' * 64}", 3),
        ("a>b", 3),
        ("a>99999999999999999999", 3),
        ("a>", 3),
        ("a=b;drop", 3),
    ],
)
def test_a_mistake_is_shown_with_its_place(text: str, position: int) -> None:
    with pytest.raises(ConfigError, match=f"at character {position},") as caught:
        parse_selector(text)
    assert repr(text) in caught.value.message
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ("a!=b", {}, True),
        ("a notin (b)", {}, True),
        ("a notin (b)", {"a": "b"}, False),
        ("a=", {}, False),
        ("a=", {"a": ""}, True),
        ("a", {"a": ""}, True),
        ("!a", {"a": ""}, False),
        ("a>1", {"a": "2"}, True),
        ("a>1", {"a": "1"}, False),
        ("a<1", {"a": "-9"}, True),
        ("a<1", {"a": "x"}, False),
        ("a<1", {}, False),
        ("a>1", {"a": "9223372036854775808"}, False),
    ],
)
def test_matches(text: str, labels: dict[str, str], matches: bool) -> None:
    assert parse_selector(text).matches(labels) is matches


def test_integers_have_64_bits() -> None:
    assert integer("-9223372036854775808") == -(2**63)
    assert integer("9223372036854775808") is integer("1.0") is integer("") is integer("１") is None
