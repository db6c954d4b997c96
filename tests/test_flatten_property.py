"""The fast path against the exact one: whatever a document looks like, both say the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures.flattening import EXPORT_ID, batch, differences, one_by_one, reasons_of, tables_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import Mutation, Style, mutated, mutations, styles

from kubectl_argo_archive.demo.workflows import generate_json
from kubectl_argo_archive.tables import flatten
from kubectl_argo_archive.tables.flatten import Flattener

MIXED = (Path(__file__).parent / "data" / "mixed.json").read_text(encoding="utf-8")
GENERATED = sorted(generate_json(200, seed=1, nul=True), key=len)[:100:3]
BASES = [MIXED, *GENERATED]

documents = st.lists(
    st.tuples(st.sampled_from([MIXED, *BASES]), st.lists(mutations, max_size=3), styles), min_size=1, max_size=30
)


@pytest.fixture(scope="module")
def flattener() -> Iterator[Flattener]:
    flattener = Flattener(EXPORT_ID)
    yield flattener
    flattener.close()


@pytest.fixture
def nothing_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unforeseen error is a failure here, not a reason to try the other path."""
    monkeypatch.setattr(flatten, "_UNFORESEEN", ())


def assert_same(flattener: Flattener, texts: list[bytes]) -> None:
    flattened = flattener.flatten(batch(texts))
    expected, reasons = one_by_one(texts)
    assert reasons_of(flattened) == reasons
    found = tables_of(flattened)
    assert {name: differences(found[name], expected[name]) for name in found} == {name: [] for name in found}


@pytest.mark.usefixtures("nothing_is_caught")
@settings(
    max_examples=180,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(changes=documents)
def test_both_paths_give_the_same_rows(flattener: Flattener, changes: list[tuple[str, list[Mutation], Style]]) -> None:
    assert_same(flattener, [mutated(*change).encode() for change in changes])


_BROKEN = st.sampled_from(
    [b"{", b"}", b"[", b"]", b'"', b"\\", b":", b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\\ud800", b"\\udc00\\ud800",  # noqa: E501
     b"\\ud83d\\ude00", b"\\u0000", b"\\x", b"\\u12", b"null", b"true", b"1e999", b"-", b"01", b"1.", b"+1", b"\n", b"\t",  # noqa: E501
     b"\xef\xbb\xbf", b"//x\n", b"'", b"\x01", b"\x1f", b"\x0b", b"\xc2\xa0", b"\xe2\x80\xa8", b'"a":1,', b"{}", b" "]
)  # fmt: skip
damages = st.tuples(
    st.sampled_from(BASES[:12]),
    st.sampled_from(("cut", "remove", "insert", "overwrite", "before", "behind")),
    st.integers(0, 20_000),
    _BROKEN,
)


def damaged(text: str, how: str, where: int, what: bytes) -> bytes:
    data = text.encode()
    at = where % len(data)
    whole = {
        "cut": data[:at],
        "remove": data[:at] + data[at + 1 :],
        "insert": data[:at] + what + data[at:],
        "overwrite": data[:at] + what + data[at + 1 :],
        "before": what + data,
        "behind": data + what,
    }
    return whole[how]


@pytest.mark.usefixtures("nothing_is_caught")
@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(changes=st.lists(damages, min_size=1, max_size=30))
def test_both_paths_refuse_the_same_texts(flattener: Flattener, changes: list[tuple[str, str, int, bytes]]) -> None:
    assert_same(flattener, [damaged(*change) for change in changes])


def test_sound_documents_stay_on_the_fast_path(flattener: Flattener) -> None:
    texts = [text.encode() for text in generate_json(200, seed=5)]
    assert flattener.flatten(batch(texts)).exact == 0
