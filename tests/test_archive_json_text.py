"""Places in JSON text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_argo_archive.archive.json_text import balanced_end, decode, members

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(
    st.dictionaries(st.text(), VALUES, max_size=6),
    st.sampled_from([None, 2]),
    st.booleans(),
    st.text(" \n", max_size=3),
)
def test_members_cover_an_object(value: dict[str, object], indent: int | None, ascii_only: bool, space: str) -> None:
    text = space + json.dumps(value, indent=indent, ensure_ascii=ascii_only) + space
    found = list(members(text, 0))
    assert [member.key for member in found] == list(value)
    for member, skipped in zip(found, members(text, 0, skip=value), strict=True):
        assert json.loads(text[member.value_start : member.end]) == value[member.key]
        assert json.loads(text[member.start : member.value_start].rstrip(": \n")) == member.key
        assert (skipped.start, skipped.value_start, skipped.end) == (member.start, member.value_start, member.end)


@given(st.dictionaries(st.text(), VALUES), st.text())
def test_balanced_end_is_the_end_of_the_object(value: dict[str, object], behind: str) -> None:
    text = json.dumps(value)
    assert balanced_end(text + behind, 0) == len(text)


@pytest.mark.parametrize(
    "text", ["", "[", "{", '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', "{a:1}", '{"a" 1}', '{"a":1 "b"}']
)
def test_what_is_no_object_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        list(members(text, 0))


def test_what_comes_before_the_mistake_is_given() -> None:
    iterator = members('{"a": {"b": [1]}, "c": nul}', 0)
    assert next(iterator).key == "a"
    with pytest.raises(ValueError):
        next(iterator)


def test_deep_nesting_is_passed_by() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    assert decode(deep + "x", 0) == (None, len(deep))
    with pytest.raises(ValueError):
        decode(deep[:-1], 0)


def test_long_runs_are_passed_by() -> None:
    """More texts, and more escapes in a text, than one match takes."""
    for value in ([["a"] * 5000, "b"], ["\n" * 5000, "\\" * 5000, '"' * 5000], ["", "}]" * 3000]):
        text = json.dumps(value)
        assert balanced_end(text + "]}", 0) == len(text)
    for cut in ('["a', '["a\\', '["' + "\\n" * 3000, '["a", "b"' * 2000):
        with pytest.raises(ValueError):
            balanced_end(cut, 0)
