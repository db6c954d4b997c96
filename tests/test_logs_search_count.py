"""Counting lines without finding them gives what counting them one by one gives."""

from __future__ import annotations

import random

import numpy as np
import pytest

from kubectl_argo_archive.logs.search_count import _by_carry, count_bytes, is_dense
from kubectl_argo_archive.logs.search_match import find_bytes


def _lines(text: bytes, needle: bytes) -> int:
    lines = text.split(b"\n")
    return sum(needle in line for line in lines)


def _texts(rng: random.Random) -> list[bytes]:
    """Texts of few letters, with short and long lines, empty ones, and some without a newline at their end."""
    alphabet = rng.choice([b"ab\n", b"aaab\n", b"ab" + b"c" * 60 + b"\n", b"c" * 300 + b"a\n", b"\n", b"a"])
    return [
        bytes(rng.choices(alphabet, k=rng.choice([0, 1, 5, 63, 64, 65, 700, 3000]))) for _ in range(rng.randrange(1, 7))
    ]


@pytest.mark.parametrize("seed", range(400))
def test_lines_are_counted_per_text(seed: int) -> None:
    rng = random.Random(seed)
    texts = _texts(rng)
    needle = rng.choice([b"a", b"b", b"ab", b"aa", b"aab", b"c", b"cccccccc"])
    array = np.frombuffer(b"".join(texts), np.uint8)
    bounds = np.cumsum([0, *map(len, texts)])
    wanted = [_lines(text, needle) for text in texts]
    if len(array) >= len(needle):
        assert _by_carry(array, needle, bounds).tolist() == wanted
    assert count_bytes(array, needle, bounds).tolist() == wanted
    found = find_bytes(array, needle, bounds)
    assert np.diff(np.searchsorted(found.starts, bounds)).tolist() == wanted


def test_both_ways_are_taken() -> None:
    assert is_dense(np.frombuffer(b"eee " * 9000, np.uint8), b"e")
    assert not is_dense(np.frombuffer(b"eee " * 9000, np.uint8), b"q")
