"""The C function that marks strings against the index's definition in plain Python."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kubectl_argo_archive.logs import grams
from kubectl_argo_archive.native import grams as native

_32 = 0xFFFFFFFF


def _plain(data: bytes) -> set[int]:
    """The slots of a text, string by string."""
    text = grams.fold(data) + b"\n" * 5
    found = set()
    for place in range(len(text) - 4):
        word = int.from_bytes(text[place : place + 4], "little")
        hashed = text[place + 4] * 0x85EBCA6B & _32
        hashed = (((hashed ^ hashed >> 15) + word) & _32) * 0x9E3779B1 & _32
        hashed = (hashed ^ hashed >> 15) * 0xC2B2AE35 & _32
        found.add(hashed >> 13)
        found.add((1 << 19) + (((word << 8) & _32) * 0x9E3779B1 & _32) // (1 << 16))
    return found


def _marked(data: bytes) -> set[int]:
    flags = np.zeros(grams.SLOTS, np.uint8)
    grams.mark(flags, data)
    assert set(np.unique(flags)) <= {0, 1}
    return set(np.flatnonzero(flags).tolist())


@settings(max_examples=200)
@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode) | st.binary(max_size=600).map(lambda b: b * 3))
@example(b"")
@example(b"A" * 511 + b"Z\n")
@example(b"@AZ[`az{\x00\xff")
@example("Straße K ſ İ".encode()[:-1])
def test_the_strings_of_a_text(data: bytes) -> None:
    assert _marked(data) == _plain(data)


def test_marks_stay_what_they_were() -> None:
    """An index that was written once must be found in by all later versions."""
    text = "".join(f"2026-03-02T10:00:{n % 60:02} INFO Zeile {n * 7919} größer als İ\n" for n in range(3000)).encode()
    flags = np.zeros(grams.SLOTS, np.uint8)
    grams.mark(flags, text)
    assert (
        hashlib.sha256(flags.tobytes()).hexdigest()
        == "9154df39abace8ce2adf9f4936d0a2f88a4d8c64ae6f5ccc87cdcbe205a90081"
    )


def test_slots_of_a_needle_are_marked() -> None:
    marked = _marked(b"GET /healthz 200")
    for needle in (b"healthz", b"get /", b"200", b"thz"):
        assert set(grams.slots(needle)) <= marked


@pytest.mark.parametrize("flags", [np.zeros(9, np.uint8), np.zeros(native.SLOTS, np.int8)])
def test_other_flags_are_refused(flags: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> None:
    with pytest.raises(ValueError, match="flag"):
        native.mark(flags, b"a")
