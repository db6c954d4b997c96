"""The C functions of search against their definitions in plain Python."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kubectl_argo_archive import native
from kubectl_argo_archive.native import search
from kubectl_argo_archive.native.search import Bytes, Ints

# few letters, so that needles are found, across words of 64 bytes and at their edges
_ALPHABETS = (
    b"ab\n",
    b"aaab\n",
    b"ab" + b"c" * 60 + b"\n",
    b"c" * 200 + b"a\n",
    b"\n",
    b"a",
    b"aAkKsS\r\n\x00\x80\xff",
)
_RANDOM = st.binary(max_size=300) | st.sampled_from(_ALPHABETS).flatmap(
    lambda letters: st.lists(st.sampled_from(letters), max_size=500).map(bytes)
)
_TEXTS = st.lists(st.builds(lambda text, times: text * times, _RANDOM, st.integers(1, 5)), max_size=6)
_NEEDLES = st.sampled_from([b"a", b"b", b"ab", b"aa", b"aab", b"c", b"c" * 9, b"c" * 130, b"ak\x00", b"\xff"])


def _lines(text: bytes) -> list[tuple[int, int]]:
    """First byte and end of each line."""
    found, start = [], 0
    while start < len(text):
        end = text.find(b"\n", start)
        found.append((start, end if end >= 0 else len(text)))
        start = found[-1][1] + 1
    return found


def _hits(text: bytes, needle: bytes, fold: bool) -> list[tuple[int, int]]:
    return [(a, b) for a, b in _lines(text) if needle in (text[a:b].lower() if fold else text[a:b])]


def _laid_out(texts: list[bytes]) -> tuple[Bytes, Ints]:
    """Texts one behind the other, in memory that ends with them."""
    return np.frombuffer(b"".join(texts), np.uint8), np.cumsum([0, *map(len, texts)], dtype=np.int64)


@settings(max_examples=600)
@given(_TEXTS, _NEEDLES | st.binary(max_size=4).filter(lambda needle: b"\n" not in needle), st.booleans())
@example([], b"a", False)
@example([b"", b"a", b""], b"a", False)
@example([b"x" * 63 + b"ab" + b"x" * 62 + b"\r\nab"], b"ab", False)
@example([b"a", b"b\n"], b"ab", False)
@example([b"a" * 64, b"a" * 64 + b"\n", b"\n" * 64], b"a", False)
@example(["Straße K ſ\n".encode(), b"K"], b"k", True)
def test_lines_with_a_literal(texts: list[bytes], needle: bytes, fold: bool) -> None:
    if fold:
        needle = needle.lower()
    array, bounds = _laid_out(texts)
    wanted = [_hits(text, needle, fold) for text in texts]
    assert search.count_lines(array, bounds, needle, fold=fold).tolist() == [len(hits) for hits in wanted]
    starts, ends = search.find_lines(array, bounds, needle, fold=fold)
    moved = [(a + low, b + low) for hits, low in zip(wanted, bounds.tolist(), strict=False) for a, b in hits]
    assert list(zip(starts.tolist(), ends.tolist(), strict=True)) == moved


@settings(max_examples=200)
@given(_RANDOM, _NEEDLES | st.binary(min_size=1, max_size=3))
def test_places(text: bytes, needle: bytes) -> None:
    array = np.frombuffer(text, np.uint8)
    assert search.find(array, needle) == text.find(needle)
    assert search.newlines(array).tolist() == [place for place, byte in enumerate(text) if byte == 10]


@settings(max_examples=200)
@given(_RANDOM, st.lists(_NEEDLES | st.binary(min_size=1, max_size=3), max_size=4))
def test_any_of_several(text: bytes, needles: list[bytes]) -> None:
    wanted = [needle for needle in needles if needle]
    found = search.holds_any(np.frombuffer(text, np.uint8), wanted)
    assert found == any(needle in text for needle in wanted)


@pytest.mark.parametrize("part", [1, 2, 3])
@pytest.mark.parametrize("before", range(-9, 2))
def test_any_of_several_where_parts_meet(part: int, before: int) -> None:
    text = np.full(300_000 + 128 * 1024, ord("a"), np.uint8)
    place = part * 128 * 1024 + before
    text[place : place + 8] = np.frombuffer(b"a needle", np.uint8)
    assert search.holds_any(text, [b"absent", b"a needle"])
    assert not search.holds_any(text, [b"absent", b"a needles", b"b needle"])
    assert search.holds_any(text[: place + 8], [b"a needle"])
    assert not search.holds_any(text[: place + 7], [b"a needle"])


@pytest.mark.parametrize("bounds", [[0, 4], [-1, 3], [2, 1], [0, 2**62]])
def test_bounds_outside_the_data_are_refused(bounds: list[int]) -> None:
    array = np.frombuffer(b"abc", np.uint8)
    for ask in (search.count_lines, search.find_lines):
        with pytest.raises(ValueError, match="do not lie"):
            ask(array, np.array(bounds, np.int64), b"a")


def _chunk(path: Path, texts: list[str | None], **options: object) -> bytes:
    """What Arrow's writer makes of a column chunk."""
    options = {"use_dictionary": False, "write_statistics": False} | options
    pq.write_table(pa.table({"text": pa.array(texts, pa.string())}), path, compression="zstd", **options)
    column = pq.read_metadata(path).row_group(0).column(0)
    with path.open("rb") as file:
        file.seek(column.data_page_offset)
        return file.read(column.total_compressed_size)


def _texts(chunk: bytes) -> list[str] | None:
    page = search.page_header(chunk)
    if page is None:
        return None
    assert page.header + page.packed == len(chunk)
    unpacked = pa.decompress(chunk[page.header :], page.unpacked, "zstd")
    found = search.page_texts(np.frombuffer(unpacked, np.uint8), page.values)
    if found is None:
        return None
    array, bounds = found
    return [array[a:b].tobytes().decode() for a, b in itertools.pairwise(bounds.tolist())]


@settings(max_examples=100)
@given(texts=st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=20), min_size=1, max_size=40))
def test_texts_of_a_page(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "texts.parquet"
    assert _texts(_chunk(path, list(texts))) == texts


@pytest.mark.parametrize("texts", [[None], ["a", None, "b"], ["a"] * 20 + [None], [None] * 20])
def test_nulls_are_left_to_arrow(texts: list[str | None], tmp_path: Path) -> None:
    assert _texts(_chunk(tmp_path / "a", texts)) is None


@pytest.mark.parametrize(
    "options", [{"data_page_version": "2.0"}, {"write_page_checksum": True}, {"write_statistics": True}]
)
def test_other_pages_are_left_to_arrow(options: dict[str, object], tmp_path: Path) -> None:
    assert _texts(_chunk(tmp_path / "a", ["a", "b"], **options)) is None


@settings(max_examples=300)
@given(st.data())
def test_damaged_pages_are_refused_or_stay_inside(data: st.DataObject) -> None:
    search.page_header(data.draw(st.binary(max_size=30)))
    levels = b"\x02\x00\x00\x00\x06\x01"  # three values, none null
    page = bytearray(levels + b"".join(len(text).to_bytes(4, "little") + text for text in (b"ab", b"", b"cde")))
    for place, byte in data.draw(st.lists(st.tuples(st.integers(0, len(page) - 1), st.integers(0, 255)), max_size=3)):
        page[place] = byte
    page = page[: data.draw(st.integers(0, len(page)))]
    whole = np.zeros(len(page) + 1, np.uint8)
    whole[:-1] = page
    found = search.page_texts(whole[:-1], 3)
    assert found is None or (np.diff(found[1]).min() >= 0 and len(found[0]) == found[1][-1])
    assert whole[-1] == 0


_SANITIZED = "KUBECTL_ARGO_ARCHIVE_SANITIZED"


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("gcc"), reason="needs gcc and its sanitizers")
@pytest.mark.skipif(_SANITIZED in os.environ, reason="runs inside itself")
@pytest.mark.parametrize("variant", [(), ("-DPLAIN_ONLY",)], ids=["this machine's", "any machine's"])
def test_nothing_outside_the_data_is_touched(variant: tuple[str, ...], tmp_path: Path) -> None:
    """The tests above once more, in a process whose library watches each access."""
    sources = Path(native.__file__).parent / "src"
    watched = tmp_path / "watched.so"
    command = [
        "gcc",
        "-std=c11",
        "-O1",
        "-g",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
        "-fPIC",
        *variant,
    ]
    names = [str(sources / name) for name in ("native.c", "cpu.c", "search.c", "page.c", "grams.c")]
    if subprocess.run([*command, "-shared", "-o", str(watched), *names], check=False).returncode:
        pytest.skip("gcc has no sanitizers here")
    asan = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout
    plugin = "import ctypes\nfrom kubectl_argo_archive.native import search\n" + (
        f"watched = ctypes.CDLL({str(watched)!r})\nsearch.load = lambda: watched\n"
    )
    (tmp_path / "watching.py").write_text(plugin)
    environment = os.environ | {
        "LD_PRELOAD": asan.strip(), "ASAN_OPTIONS": "detect_leaks=0", "PYTHONMALLOC": "malloc", _SANITIZED: "1",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
    }  # fmt: skip
    command = [sys.executable, "-m", "pytest", "-q", "-p", "watching", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
