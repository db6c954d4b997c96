"""Equal documents have equal hashes, whatever spelled them; different ones have not."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from fixtures.audit import documents
from hypothesis import given, settings
from hypothesis import strategies as st

from kubectl_argo_archive.audit import canonical as c
from kubectl_argo_archive.audit import standalone
from kubectl_argo_archive.connect import open_source
from kubectl_argo_archive.demo.argo_schema import load_archive
from kubectl_argo_archive.demo.postgres import EmbeddedPostgres


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", "0"), ("-0", "0"), ("-0.0", "0"), ("0e99", "0"), ("1.0", "1"), ("1e2", "100"), ("100", "100"),
        ("1E+2", "100"), ("1e00002", "100"), ("-12.50", "-12.5"), ("0.1", "0.1"), ("1e-6", "0.000001"),
        ("0.0000001", "1e-7"), ("123e-9", "1.23e-7"), ("9007199254740993", "9007199254740993"),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"), ("1e21", "1" + "0" * 21),
        ("1e4299", "1" + "0" * 4299), ("1e4300", "1e+4300"), ("12.5e4300", "1.25e+4301"), ("-1e-400", "-1e-400"),
        ("123456789012345678901234567890.5", "123456789012345678901234567890.5"), ("9" * 5000, None),
    ],
)  # fmt: skip
def test_numbers_have_one_spelling(text: str, expected: str | None) -> None:
    expected = expected or f"9.{'9' * 4999}e+4999"
    assert c.number(text) == expected
    for document in (text.encode(), b" [" + text.encode() + b"] "):
        assert c.canonical(document).strip(b"[]").decode() == expected
        assert standalone.canonical(document).strip(b"[]").decode() == expected
    assert Decimal(expected) == Decimal(text)


def test_rfc_8785() -> None:
    """The examples of RFC 8785, 3.2.2 to 3.2.4, less the double that needs rounding (333333333.33333329)."""
    text = r"""{
      "numbers": [333333333.3333333, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }"""
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1000000000000000000000000000000,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert c.canonical(text.encode()).decode() == expected  # 1E30: RFC 8785 has 1e+30, see docs/audit-format.md
    names = r'{"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\ud83d\ude00": 5, "\u0080": 6, "\u00f6": 7}'
    assert list(json.loads(c.canonical(names.encode())).values()) == [2, 4, 6, 7, 1, 5, 3]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a":1,"b":2}', b' { "b" : 2.0 ,\n"a":1e0}'),
        (b'{"a":1,"a":2}', b'{"a":2}'),
        (b'"\\u00e9\\/\\u0041"', '"é/A"'.encode()),
        (b'"\\ud83d\\ude00"', '"😀"'.encode()),
        (b'"\\uD800x"', b'"\\ud800x"'),
        (b"[1e400, -0.0]", b"[10E399,0]"),
    ],
)
def test_equal(one: bytes, other: bytes) -> None:
    assert c.document_hash(one) == c.document_hash(other)
    assert c.document_hash(one).form == "json"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a":1}', b'{"a":"1"}'),
        ('"\u00e9"'.encode(), '"e\u0301"'.encode()),  # no normalisation: composed and decomposed differ
        (b"9007199254740993", b"9007199254740992"),
        (b"0.1", b"0.10000000000000001"),
        (b"[1,2]", b"[2,1]"),
        (b"null", b"{}"),
        (b'"a"', b'"a "'),
    ],
)
def test_different(one: bytes, other: bytes) -> None:
    assert c.document_hash(one) != c.document_hash(other)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"NaN", b"[01]", b"[1.]", b"+1", b'{"a":1}x', b'"\xff"', b"\xef\xbb\xbf1", b'"\x01"', b"1e" + b"9" * 19, b"[" * 100_000]  # noqa: E501
)  # fmt: skip
def test_what_is_no_json_is_hashed_as_it_is(text: bytes) -> None:
    assert c.document_hash(text) == standalone.document_hash(text)
    assert c.document_hash(text).form == "bytes"


_TEXT = st.text(st.characters(exclude_categories=()) | st.sampled_from('"\\/\b\f\n\r\t\x00\x7f\u2028\ue000😀\ud800'))
_NUMBERS = (
    st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.floats(allow_nan=False, allow_infinity=False).map(lambda x: Decimal(repr(x)))
)
_VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=20,
)


def spell(value: Any, rng: random.Random) -> str:
    """One of the many spellings of a value."""
    gap = rng.choice(["", " ", "\n\t"])
    if isinstance(value, dict):
        items = list(value.items())
        rng.shuffle(items)
        body = [f"{gap}{spell(key, rng)}{gap}:{gap}{spell(item, rng)}" for key, item in items]
        return "{" + ",".join(body) + gap + "}"
    if isinstance(value, list):
        return "[" + ",".join(gap + spell(item, rng) for item in value) + gap + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=rng.random() < 0.5 or any("\ud800" <= x <= "\udfff" for x in value))
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return spell_number(Decimal(value), rng)
    return json.dumps(value)


def spell_number(value: Decimal, rng: random.Random) -> str:
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    zeros = rng.randrange(3)
    text = "".join(map(str, digits)).lstrip("0") or "0"
    shift = rng.randrange(3)
    whole, fraction = (text[:-shift] or "0", text[-shift:].rjust(shift, "0")) if shift else (text, "")
    power = exponent + shift
    fraction += "0" * zeros
    mantissa = f"{'-' if sign else ''}{whole}{'.' + fraction if fraction else ''}"
    return f"{mantissa}{rng.choice('eE')}{rng.choice(['', '+']) if power >= 0 else ''}{power}" if power else mantissa


@settings(max_examples=400, deadline=None)
@given(_VALUES, st.integers(0, 1 << 30))
def test_every_spelling_gives_the_same_bytes_on_every_way(value: Any, seed: int) -> None:
    rng = random.Random(seed)
    one, other = (spell(value, rng).encode() for _ in range(2))
    expected = c.canonical(one)
    assert c.canonical(other) == c._slowly(one) == standalone.canonical(other) == expected
    assert c.canonical(expected) == expected
    assert c.document_hash(one) == standalone.document_hash(other)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=30) | st.text('[]{}:,"\\eE+-.019 truefalsn', max_size=20).map(str.encode))
def test_both_implementations_agree_on_rubbish(text: bytes) -> None:
    assert c.document_hash(text) == standalone.document_hash(text)


def odd_numbers(workflow: dict[str, Any], rng: random.Random) -> str:
    """A workflow as text with shuffled keys and other spellings of its numbers."""
    workflow = json.loads(json.dumps(workflow))
    workflow["spec"]["x-numbers"] = [1, 1.0, 100, 0, 12345678901234567890123, 0.5, -7]
    return spell(json.loads(json.dumps(workflow), parse_float=Decimal), rng)


def test_jsonb_and_json_databases_give_equal_hashes(postgres: EmbeddedPostgres, archive_db: Callable[..., str]) -> None:
    """The same workflows in `jsonb`, and in plain `json` with shuffled keys and other spellings of numbers."""
    rng = random.Random(5)
    workflows = documents(25)
    texts = [[odd_numbers(workflow, rng) for workflow in workflows] for _ in range(2)]
    jsonb = archive_db(rows=texts[0])
    plain = archive_db(rows=[])
    types = []
    hashes = []
    for uri, rows in ((jsonb, None), (plain, texts[1])):
        with psycopg.connect(uri, autocommit=True) as connection:
            if rows:
                connection.execute("alter table argo_archived_workflows alter column workflow type json")
        if rows:
            load_archive(uri, rows)
        with psycopg.connect(uri) as connection:
            query = (
                "select data_type from information_schema.columns where table_name = %s and column_name = 'workflow'"
            )
            types.append(connection.execute(query, ("argo_archived_workflows",)).fetchone())
        with open_source(uri).snapshot() as source:
            found = {}
            for batch in source.rows(None, batch_bytes=1 << 20):
                for uid, text in zip(batch.column("uid").to_pylist(), batch.column("json").to_pylist(), strict=True):
                    found[uid] = text
        hashes.append({uid: c.document_hash(text) for uid, text in found.items()})
    assert types == [("jsonb",), ("json",)]
    assert len(hashes[0]) == 25
    assert hashes[0] == hashes[1]
    assert {one.form for one in hashes[0].values()} == {"json"}
