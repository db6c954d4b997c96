"""Search: the same lines as ripgrep on the raw files, whatever the index skips; filters, context, explain."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from fixtures.search_lakes import ENDED, add_texts, lake_of

from kubectl_argo_archive.demo.logs import KINDS, text
from kubectl_argo_archive.errors import ConfigError
from kubectl_argo_archive.logs import grams
from kubectl_argo_archive.logs.search import Explain, Query, Searcher, plan
from kubectl_argo_archive.logs.search_filter import Filter
from kubectl_argo_archive.query.session import open_session

_SCRIPTS = (
    "größe straße ΣΊΣΥΦΟΣ σίσυφος İstanbul ıssız Ключ КЛЮЧ 日本語 エラー naïve É é ſtop \u212aelvin ẞ ß ǅ ǆ ﬁ 𝐀 😀 Ⓐ ⓐ "
    "² ½ ٣ ‿ a\u0301 \u200c \u00a0 \u2028x \x85 Ωmega Ω ω error Error ERROR key Keyboard stop task 123 4.5 foo_bar "
    "-x (x) [y] k s"
)
_WORDS = _SCRIPTS.split(" ")
_SPECIAL = re.compile(r"([\\.+*?()|\[\]{}^$#&~-])")


def _odd(rng: random.Random, lines: int) -> bytes:
    """Lines of words of many scripts, with bytes that are no UTF-8, CRLF, NUL, empty lines."""
    made = []
    for _ in range(lines):
        line = rng.choice([" ", "  ", "\t", "-", ",", ""]).join(rng.choices(_WORDS, k=rng.randrange(1, 9))).encode()
        luck = rng.random()
        if luck < 0.1:
            at = rng.randrange(len(line) + 1)
            line = (
                line[:at]
                + rng.choice([b"\xff", b"\xc3", b"\xe2\x84", b"\xed\xa0\x80", b"\xf0\x9f", b"\x80"])
                + line[at:]
            )
        made.append(b"" if luck > 0.95 else line + (b"\r" if luck > 0.85 else b"\0z" if luck > 0.8 else b""))
    return b"\n".join(made) + (b"\n" if lines % 2 else b"")


def _texts() -> dict[str, bytes]:
    rng = random.Random(4)
    found = {f"odd-{n}": _odd(rng, 120 + n) for n in range(8)}
    for n, kind in enumerate(KINDS):
        found[kind] = b"".join(text(f"s{n}", kind, 30_000, ENDED - timedelta(hours=1), ENDED, "137"))
    found["binary"] = bytes(rng.randrange(256) for _ in range(9_000))
    found["newlines"], found["one"] = b"\n\n\n", b"x"
    found["long"] = (
        b"first\n" + b"ab cd " * 200_000 + b"NEEDLEtail" + b"xy z" * 100_000 + b" ENDOFLINE\nlast " + "Ω line".encode()
    )
    return found


TEXTS = _texts()
NAMES = list(TEXTS)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("search") / "lake"
    half = len(TEXTS) // 2
    items = list(TEXTS.items())
    add_texts(path, dict(items[:half]))
    add_texts(path, dict(items[half:]))
    return path


@pytest.fixture(scope="module")
def searcher(lake: Path) -> Searcher:
    return Searcher(lake_of(lake))


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    for name, data in TEXTS.items():
        (folder / name).write_bytes(data)
    return folder


def found_by(searcher: Searcher, query: Query) -> set[tuple[str, int]]:
    return {(NAMES[hit.log_id - 1], hit.line_no) for hit in searcher.search(query)}


def ripgrep(folder: Path, query: Query) -> set[tuple[str, int]] | None:
    """What ripgrep finds; None if it does not take the pattern."""
    flags = [flag for flag, on in (("-F", not query.regex), ("-i", query.ignore_case), ("-w", query.word)) if on]
    command = [
        "rg",
        "--no-config",
        "-uuu",
        "-a",
        "-n",
        "--no-heading",
        "--with-filename",
        "--null",
        "--color=never",
        "--encoding=none",
        *flags,
        "-e",
        query.pattern,
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode > 1:
        return None
    found = set()
    for line in done.stdout.split(b"\n"):
        if line.startswith(bytes(folder)):  # a line may hold anything, but begins with its file
            path, _, rest = line.partition(b"\0")
            found.add((Path(path.decode()).name, int(rest.split(b":", 1)[0])))
    return found


def referee(query: Query) -> set[tuple[str, int]]:
    """Without ripgrep: literals and plain regular expressions, line by line, with ``re`` over bytes."""
    pattern = query.pattern if query.regex else re.escape(query.pattern)
    if query.word:
        pattern = rf"(?:^|(?<=[^\w]))(?:{pattern})(?:$|(?=[^\w]))"
    compiled = re.compile(pattern.encode(), re.I if query.ignore_case else 0)
    return {
        (name, number)
        for name, data in TEXTS.items()
        for number, line in enumerate(data.removesuffix(b"\n").split(b"\n"), 1)
        if compiled.search(line)
    }


def _pieces(rng: random.Random, low: int, high: int) -> str:
    while True:
        data = TEXTS[rng.choice(NAMES)]
        at = rng.randrange(len(data))
        piece = data[at : at + rng.randrange(low, high)].split(b"\n")[0].decode("utf-8", "ignore")
        if piece and not set(piece) & {"\0", "\r"}:
            return piece


def _regex(rng: random.Random) -> str:
    a, b = (_SPECIAL.sub(r"\\\1", _pieces(rng, 2, 9)) for _ in range(2))
    return rng.choice(
        [
            f"{a}.*{b}",
            rf"{a}\d+",
            rf"\b{a}\b",
            f"({a}|{b})",
            rf"{a}\s*\w+",
            f"^{a}",
            f"{a}$",
            rf"\w+{a}",
            f"[A-Z][a-z]+{a[:1]}".rstrip("\\"),
            r"\d{3}[.-]\d{2,}",
            f"{a}?{b}",
            f"(?i:{a})[^x]+{b}",
            rf"\p{{Lu}}{a}",
            rf"[[:upper:]]+\W{b}",
            rf"\B{a}",
            f"(?:{a}){{1,3}}",
            rf"[^\w\s]{a}",
            f"{a}|{b}|x{{40}}",
        ]
    )


@pytest.mark.parametrize("seed", range(6))
def test_the_lines_are_ripgreps(searcher: Searcher, raw: Path, seed: int) -> None:
    """300 random patterns: literals, regular expressions, any case, whole words, over many kinds of logs."""
    have_ripgrep = shutil.which("rg") is not None
    rng = random.Random(seed)
    compared = 0
    for _ in range(50):
        if rng.random() < 0.45:
            query = Query(_pieces(rng, 1, 14), ignore_case=rng.random() < 0.4, word=rng.random() < 0.2)
        else:
            query = Query(_regex(rng), regex=True, ignore_case=rng.random() < 0.4, word=rng.random() < 0.2)
        if have_ripgrep:
            expected = ripgrep(raw, query)
        elif query.regex or ((query.ignore_case or query.word) and not query.pattern.isascii()):
            continue  # the plain referee has no Unicode
        else:
            expected = referee(query)
        if expected is None:
            continue
        assert found_by(searcher, query) == expected, query
        compared += 1
    assert compared > (35 if have_ripgrep else 10)


@pytest.mark.parametrize(
    ("pattern", "options"),
    [
        ("checkpoint", {}),
        ("CHECKPOINT", {"ignore_case": True}),
        ("s", {"ignore_case": True}),
        ("memory usage", {"word": True}),
        ("", {}),
    ],
)
def test_a_plain_referee_agrees(searcher: Searcher, pattern: str, options: dict[str, bool]) -> None:
    query = Query(pattern, **options)  # type: ignore[arg-type]
    expected = referee(query)
    assert expected <= found_by(searcher, query)
    ascii_only = {name for name in NAMES if not name.startswith(("odd", "binary"))}
    assert {hit for hit in found_by(searcher, query) if hit[0] in ascii_only} == {
        e for e in expected if e[0] in ascii_only
    }


def test_offsets_seek_to_the_line(searcher: Searcher) -> None:
    hits = list(searcher.search(Query("request")))
    assert hits
    for hit in hits:
        data = TEXTS[NAMES[hit.log_id - 1]]
        assert data[hit.byte_offset :].split(b"\n", 1)[0].decode("utf-8", "replace") == hit.message
        assert data[: hit.byte_offset].count(b"\n") == hit.line_no - 1


def test_the_index_skips_only_what_cannot_match(tmp_path: Path) -> None:
    """Every string of every line is found in its block; a string that is nowhere is found in few."""
    rng = random.Random(9)
    blocks = [b"".join(b"%032x line\n" % rng.getrandbits(128) for _ in range(25_000)) for _ in range(6)]
    add_texts(tmp_path / "lake", {str(number): data for number, data in enumerate(blocks)})
    searcher = Searcher(lake_of(tmp_path / "lake"))
    needle = blocks[3][400_000:400_020].decode().split("\n")[0]
    explain = Explain()
    assert [NAMES and hit.log_id for hit in searcher.search(Query(needle), explain)] == [4]
    assert explain.blocks >= 6
    assert explain.blocks_read < explain.blocks
    assert not list(searcher.search(Query("nowhere to be found"), explain := Explain()))
    assert explain.blocks_read <= 1
    assert not list(searcher.search(Query(r"nowhere\s+to be|found nowhere\d", regex=True), explain := Explain()))
    assert explain.blocks_read <= 1


@pytest.mark.parametrize(
    ("query", "scans"),
    [
        (Query("quorum"), False),
        (Query("OOM"), False),
        (Query("ok"), True),
        (Query(r"\d+", regex=True), True),
        (Query(r"request (a|b)\w+", regex=True), False),
        (Query("fatal|panic", regex=True), False),
        (Query("fatal|p.*c", regex=True), True),
        (Query("(?:retry)*x", regex=True), True),
        (Query("STRASSE", ignore_case=True), False),
        (Query("x", invert=True, filter=Filter(namespaces=("data",))), True),
    ],
)
def test_explain_says_when_everything_is_read(query: Query, scans: bool, searcher: Searcher) -> None:
    explain = Explain()
    list(searcher.search(query, explain))
    assert (explain.need is None) == scans
    assert (explain.why_scan is not None) == scans
    assert explain.after_index == explain.blocks_read


def test_folding_is_the_same_for_all_cases() -> None:
    for word in _WORDS:
        for other in (word.upper(), word.lower(), word.title(), word.casefold()):
            if other.casefold() == word.casefold():
                assert grams.fold(other.encode()) == grams.fold(word.encode())
    flags = np.zeros(grams.SLOTS, np.uint8)
    grams.mark(flags, "Die GRÖSSE der Straße \xff".encode("latin-1") + "ΣΊΣΥΦΟΣ İ".encode())
    for word in ("straße".encode("latin-1"), "σίσυφος".encode(), b"der", b"die"):
        assert all(flags[slot] for slot in grams.slots(grams.fold(word)))


def test_filters(searcher: Searcher) -> None:
    def logs(**options: object) -> set[int]:
        return {hit.log_id for hit in searcher.search(Query("", filter=Filter(**options)))}  # type: ignore[arg-type]

    every = set(range(1, len(NAMES) + 1))
    assert logs() == every
    assert logs(namespaces=("data",)) | logs(namespaces=("ml",)) == every
    assert logs(workflow="wf-1") == {4, 5, 6}
    assert logs(workflow="wf-*") == every
    assert logs(workflow="uid-0") == logs(workflow="wf-0")
    assert logs(templates=("step-1",)) == {n for n in every if n % 3 == 1}
    assert logs(phases=("Failed",)) == logs(exit_codes=(137,)) == {n for n in every if n % 5 == 0}
    assert logs(selector="team=risk") < every
    assert logs(selector="team=nobody") == set()
    with pytest.raises(ConfigError):
        logs(selector="a==b==c")


def test_levels_and_times(searcher: Searcher) -> None:
    errors = list(searcher.search(Query("", levels=("ERROR",))))
    assert errors
    assert {hit.level for hit in errors} == {"ERROR"}
    since = ENDED - timedelta(minutes=20)
    late = list(searcher.search(Query("read batch", since=since)))
    every = list(searcher.search(Query("read batch")))
    assert 0 < len(late) < len(every)
    assert {(h.log_id, h.line_no) for h in late} == {
        (h.log_id, h.line_no) for h in every if h.at is None or h.at >= since
    }
    assert not list(searcher.search(Query("read batch", until=datetime(2020, 1, 1, tzinfo=UTC))))


def test_invert_needs_a_filter(searcher: Searcher) -> None:
    with pytest.raises(ConfigError, match="-v"):
        list(searcher.search(Query("x", invert=True)))
    query = Query("INFO", invert=True, filter=Filter(workflow="wf-2"))
    plain = Query("INFO", filter=Filter(workflow="wf-2"))
    every = Query("", filter=Filter(workflow="wf-2"))
    sets = [found_by(searcher, q) for q in (query, plain, every)]
    assert sets[0] | sets[1] == sets[2]
    assert not sets[0] & sets[1]


def test_context_goes_over_blocks(tmp_path: Path) -> None:
    lines = [f"line {number} of the text, filled up {'x' * 60}".encode() for number in range(60_000)]
    add_texts(tmp_path / "lake", {"a": b"\n".join(lines)})
    searcher = Searcher(lake_of(tmp_path / "lake"))
    for number in (0, 1, 12_345, 59_999, *range(11_000, 13_500, 250)):
        (hit,) = searcher.search(Query(f"line {number} of", context=3))
        around = [(line.line_no - 1, line.message.encode()) for line in (*hit.before, *hit.after)]
        expected = [n for n in range(number - 3, number + 4) if n != number and 0 <= n < 60_000]
        assert around == [(n, lines[n]) for n in expected]
    block = len(b"\n".join(lines)) // 60_000
    edge = (1 << 20) // (block + 1)
    for number in range(edge - 30, edge + 30):
        (hit,) = searcher.search(Query(f"line {number} of", context=2))
        assert [line.line_no for line in (*hit.before, *hit.after)] == [number - 1, number, number + 2, number + 3]


def test_counts_are_those_of_the_hits(searcher: Searcher) -> None:
    for query in (Query("request"), Query("e"), Query("", levels=("ERROR",))):
        counted = {log.log_id: count for log, count in searcher.count(query)}
        hits: dict[int, int] = {}
        for hit in searcher.search(query):
            hits[hit.log_id] = hits.get(hit.log_id, 0) + 1
        assert counted == hits


def test_replaced_texts_are_not_found(tmp_path: Path) -> None:
    add_texts(tmp_path / "lake", {"a": b"old needle\n", "b": b"other needle\n"})
    add_texts(tmp_path / "lake", {"a": b"new needle\n"}, dead=[1], nodes=False)
    assert [h.message for h in Searcher(lake_of(tmp_path / "lake")).search(Query("needle"))] == [
        "other needle",
        "new needle",
    ]


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("a(b", r"\( without"),
        ("a)b", r"\) without"),
        ("*a", "repeat"),
        ("(?=a)", "look-around"),
        (r"(a)\1", "back references"),
        ("[a&&b]", "set operation"),
        (r"\p{Greek}", "Greek"),
        ("a{2,1}", "smaller"),
        ("a{x", "repetition"),
        (r"\y", "escape"),
        ("[z-a]", "range"),
        ("a\nb", "newline"),
        (r"a\nb", "newline"),
        ("(?-u:x)", "bytes"),
        ("a{9999}", "1000"),
        ("[a", "too early"),
        ("(" * 300, "nested"),
    ],
)
def test_wrong_patterns_are_explained(pattern: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        plan(Query(pattern, regex=True))
    assert caught.value.hint


def _sql(lake: Path, sql: str) -> list[tuple[object, ...]]:
    opened = lake_of(lake)
    with open_session(opened.snapshot(), s3=opened.storage) as session:
        return [tuple(row) for batch in session.run(sql).rows() for row in batch]


def _needles(rng: random.Random, count: int) -> Iterable[str]:
    yield from ("", "e", "ok", "OOM", "NEEDLEtail", "Ключ", "größe", "request id=", "\u212aelvin")
    for _ in range(count):
        yield _pieces(rng, 1, 14)


def test_the_macro_finds_what_search_finds(lake: Path, searcher: Searcher) -> None:
    wrong = []
    for needle in _needles(random.Random(5), 12):
        quoted = needle.replace("'", "''")
        rows = _sql(lake, f"select log_id, line_no from search_logs('{quoted}')")
        expected = {(hit.log_id, hit.line_no) for hit in searcher.search(Query(needle))}
        # in SQL, bytes that are no UTF-8 are U+FFFD, and a piece of a long line is searched by itself
        if set(rows) != expected:
            wrong.append((needle, set(rows) ^ expected))
    assert not wrong


def test_the_macro_joins(lake: Path) -> None:
    sql = (
        "select n.template_name, count(*) from search_logs('memory') s join nodes n using (cluster, uid, node_id) "
        "where n.exit_code = 137 group by 1 order by 1"
    )
    assert _sql(lake, sql) is not None


def test_failed_nodes_whose_last_lines_say_memory(lake: Path) -> None:
    """The statement of the documentation: by template and week."""
    sql = """
    with last as (
        select l.*, row_number() over (partition by l.log_id order by l.line_no desc) as back
        from log_lines l join nodes n using (cluster, uid, node_id) where n.exit_code = 137)
    select n.template_name, date_trunc('week', n.finished_at)::varchar as week, count(distinct n.node_id)
    from last join nodes n using (cluster, uid, node_id)
    where back <= 20 and contains(last.message, 'memory') group by 1, 2 order by 1, 2"""
    rows = _sql(lake, sql)
    assert sum(int(str(row[2])) for row in rows) >= 1
    assert {row[1] for row in rows} == {"2026-03-02 00:00:00+00"}
