"""Results in every format: the bytes of the golden files are what scripts rely on."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from kubectl_argo_archive.cli.encode import to_json, to_text, unique_names
from kubectl_argo_archive.cli.output_file import opened
from kubectl_argo_archive.cli.render import BINARY, FORMATS, Shown, render
from kubectl_argo_archive.cli.render_table import visible
from kubectl_argo_archive.errors import ConfigError, QueryError
from kubectl_argo_archive.query.session import Session, open_session
from kubectl_argo_archive.query.values import RawJson

GOLDEN = Path(__file__).parent / "golden"
SQL = """
SELECT * FROM (VALUES
    (1, 'plain', 1.5::DOUBLE, true, TIMESTAMPTZ '2026-03-01 02:00:00Z',
     170141183460469231731687303715884105727::HUGEINT,
     1.10::DECIMAL(5, 2), ['a', NULL], MAP {'team': 'risk'}, {'x': 1, 'y': [DATE '2026-03-01']}, '{"n": 1.10}'::JSON,
     'ab'::BLOB, INTERVAL '1 month 2 days 03:04:05'),
    (-20, 'comma, "quote" | pipe <b> \\ tab	end', 'nan'::DOUBLE, false, TIMESTAMPTZ '2026-03-01 02:00:00.123456Z', 0,
     -0.05, [], MAP {}, {'x': NULL, 'y': NULL}, '[1,\n 2]', '\\x00\\xFF'::BLOB, INTERVAL 0 DAY),
    (NULL, '', 'infinity'::DOUBLE, NULL::BOOLEAN, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (300, '日本語 und ä🙂', 1e300::DOUBLE, true, TIMESTAMPTZ '9999-12-31 23:59:59Z', -1, 999.99, ['"', '\n'],
     MAP {'': ''},
     {'x': 2, 'y': []}, 'null', ''::BLOB, INTERVAL '-1 second'),
    (4, e'two\nlines\tand \x1b[31mcolour', 0.1::DOUBLE, true, TIMESTAMPTZ '2026-01-01 00:00:00Z', 1, 0, ['x'],
     MAP {'k': NULL},
     {'x': 3, 'y': [NULL]}, '"text"', 'x'::BLOB, INTERVAL 90 MINUTE),
    (5, 'yes', 12345678.0::DOUBLE, false, TIMESTAMPTZ '2026-01-01 00:00:00Z', 5, 5, ['null', '~', 'no', '1'],
     MAP {'a b': 'c: d'},
     {'x': 4, 'y': [DATE '2026-01-02']}, '{}', 'y'::BLOB, INTERVAL 1 YEAR)
) t(number, "text", real, flag, at_, huge, money, list, map, struct, json, blob, span)
"""


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with open_session(None) as opened_session:  # type: ignore[arg-type]  # no statement here names a table
        yield opened_session


def show(session: Session, sql: str, format: str, **options: Any) -> tuple[bytes, Shown]:
    sink = io.BytesIO()
    shown = render(session.run(sql, lossless=format not in BINARY), format, sink, **options)
    return sink.getvalue(), shown


def text(session: Session, sql: str, format: str, **options: Any) -> str:
    return show(session, sql, format, **options)[0].decode()


@pytest.mark.parametrize("format", [f for f in FORMATS if f not in BINARY])
def test_golden(session: Session, format: str) -> None:
    """``UPDATE_GOLDEN=1 pytest`` writes the files anew; look at the difference before committing it."""
    file = GOLDEN / f"query.{format}"
    found = show(session, SQL, format)[0]
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_bytes(found)
    assert found == file.read_bytes()


def test_yaml_does_not_depend_on_what_else_is_loaded(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hera, for one, changes how the whole process writes text as YAML."""
    shown = text(session, "select 'n' as y", "yaml")
    monkeypatch.delitem(sys.modules, "kubectl_argo_archive.cli.render_yaml", raising=False)
    changed = {**yaml.SafeDumper.yaml_representers, str: lambda dumper, _: dumper.represent_str("changed")}
    monkeypatch.setattr(yaml.SafeDumper, "yaml_representers", changed)
    assert text(session, "select 'n' as y", "yaml") == shown


def test_json_is_json_and_exact(session: Session) -> None:
    rows = json.loads(text(session, SQL, "json"), parse_float=Decimal)
    assert [row["number"] for row in rows] == [1, -20, None, 300, 4, 5]
    assert rows[0]["huge"] == 2**127 - 1
    assert str(rows[0]["money"]) == "1.10"
    assert str(rows[0]["json"]["n"]) == "1.10"
    assert rows[0]["at_"] == "2026-03-01T02:00:00Z"
    assert rows[0]["blob"] == "YWI="
    assert [row["real"] for row in rows[1:3]] == [None, None]
    assert rows[0]["struct"] == {"x": 1, "y": ["2026-03-01"]}
    assert [json.loads(line, parse_float=Decimal) for line in text(session, SQL, "jsonl").splitlines()] == rows


def test_csv_is_read_back(session: Session) -> None:
    rows = list(csv.reader(io.StringIO(text(session, SQL, "csv"), newline="")))
    assert len(rows) == 7
    assert rows[2][1] == 'comma, "quote" | pipe <b> \\ tab\tend'
    assert rows[5][1] == "two\nlines\tand \x1b[31mcolour"
    assert text(session, "select null as a, '' as b, ' ' as c", "csv") == 'a,b,c\n,"", \n'
    assert text(session, "select null as a union all select 'x'", "csv") == 'a\n""\nx\n'


def test_tsv_is_one_line_a_row(session: Session) -> None:
    lines = text(session, SQL, "tsv").splitlines()
    assert [line.count("\t") for line in lines] == [12] * 7
    assert lines[5].split("\t")[1] == "two\\nlines\\tand \x1b[31mcolour"


def test_yaml_is_read_back(session: Session) -> None:
    rows = yaml.safe_load(text(session, SQL, "yaml"))
    assert [row["text"] for row in rows][4:] == ["two\nlines\tand \x1b[31mcolour", "yes"]
    assert rows[0]["huge"] == 2**127 - 1
    assert rows[0]["json"] == {"n": 1.1}
    assert rows[5]["list"] == ["null", "~", "no", "1"]
    assert rows[0]["at_"] == "2026-03-01T02:00:00Z"
    assert yaml.safe_load(text(session, "select 1 as a where false", "yaml")) == []


def test_markdown_has_as_many_cells_everywhere(session: Session) -> None:
    lines = text(session, SQL, "markdown").splitlines()
    assert len(lines) == 8
    assert {line.replace("\\|", "").count("|") for line in lines} == {14}


@pytest.mark.parametrize("format", BINARY)
def test_binary_formats_are_read_back(session: Session, format: str) -> None:
    sql = "select range as n, {'a': [range]} as s, now() as t, sum(range) over () as h from range(20000)"
    data, shown = show(session, sql, format)
    table = pq.read_table(io.BytesIO(data)) if format == "parquet" else pa.ipc.open_stream(data).read_all()
    assert shown.rows == len(table) == 20000
    assert table.schema.field("n").type == pa.int64()
    assert table.schema.field("t").type == pa.timestamp("us", "UTC")
    assert table.column("h")[0].as_py() == Decimal(199990000)
    assert table.column("s")[19999].as_py() == {"a": [19999]}
    data, shown = show(session, sql, format, limit=10)
    assert (shown.rows, shown.more) == (10, True)


def test_what_parquet_cannot_hold(session: Session) -> None:
    with pytest.raises(QueryError, match="parquet cannot hold") as error:
        show(session, "select interval 1 day as i", "parquet")
    assert "VARCHAR" in str(error.value.hint)


@pytest.mark.parametrize("format", FORMATS)
def test_no_rows(session: Session, format: str) -> None:
    data, shown = show(session, "select 1 as a, now() as b where false", format)
    assert shown.rows == 0
    assert not shown.more
    expected = {"json": "[]\n", "jsonl": "", "csv": "a,b\n", "tsv": "a\tb\n", "vertical": "", "yaml": "[]\n",
                "table": "a  b\n-  -\n", "wide": "a  b\n-  -\n", "markdown": "| a | b |\n| ---: | --- |\n"}  # fmt: skip
    assert format in BINARY or data.decode() == expected[format]


@pytest.mark.parametrize("format", FORMATS)
def test_names_that_stand_twice(session: Session, format: str) -> None:
    data, _ = show(session, "select 1 as a, 2 as a, 3 as a_1, 4 as a", format)
    if format in ("json", "jsonl"):
        assert b'{"a": 1, "a_2": 2, "a_1": 3, "a_3": 4}' in data
    if format == "csv":
        assert data == b"a,a,a_1,a\n1,2,3,4\n"
    if format == "parquet":
        assert pq.read_table(io.BytesIO(data)).column_names == ["a", "a_2", "a_1", "a_3"]


def test_unique_names() -> None:
    assert unique_names(["a", "b", "a", "a"]) == ["a", "b", "a_1", "a_2"]


@pytest.mark.parametrize("format", FORMATS)
def test_limits(session: Session, format: str) -> None:
    for sql in ("select * from range(5)", "select range, now() from range(5)"):
        assert show(session, sql, format, limit=3)[1].more
        assert show(session, sql, format, limit=3)[1].rows == 3
        assert not show(session, sql, format, limit=5)[1].more


def test_an_explanation_is_shown_as_it_is(session: Session) -> None:
    lines = text(session, "explain select 1", "table").splitlines()
    assert lines[0].startswith("┌──")
    assert "PROJECTION" in lines[1]


# --- tables on a terminal


def test_a_table_that_fits_is_not_touched(session: Session) -> None:
    sql = "select 'abc' as a, 12 as b"
    assert text(session, sql, "table", width=80) == "a     b\n---  --\nabc  12\n"
    assert show(session, sql, "table", width=8)[1].fit.cut is False


def test_long_texts_are_cut_numbers_are_not(session: Session) -> None:
    sql = "select repeat('x', 100) as t, 123456789012345 as n, 'short' as s"
    data, shown = show(session, sql, "table", width=60)
    lines = data.decode().splitlines()
    assert shown.fit.cut
    assert not shown.fit.hidden
    assert max(map(len, lines)) <= 60
    assert "123456789012345" in lines[2]
    assert "short" in lines[2]
    assert lines[2].startswith("xxxxxxxxxxxxxxxxxxxxxx")
    assert "…" in lines[2]
    assert text(session, sql, "wide", width=60).count("x") == 100


def test_columns_that_do_not_fit_are_left_out_and_named(session: Session) -> None:
    columns = ", ".join(f"'some text {i}' as column_{i}" for i in range(30))
    data, shown = show(session, f"select {columns}", "table", width=80)
    lines = data.decode().splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines[0].split()) + len(shown.fit.hidden) == 30
    assert shown.fit.hidden[-1] == "column_29"


def test_one_column_always_stays(session: Session) -> None:
    data, shown = show(session, "select 'a long text indeed' as t, 2 as n", "table", width=5)
    assert shown.fit.hidden == ["n"]
    assert data.decode().splitlines()[2]


def test_wide_characters_keep_columns_straight(session: Session) -> None:
    found = text(session, "select * from (values ('日本', 1), ('ab', 2), ('é', 3), ('e\u0301', 4)) t(t, n)", "table")
    assert found.splitlines()[2:] == ["日本  1", "ab    2", "é     3", "e\u0301     4"]
    cut = text(
        session, "select '日本語日本語日本語日本語' as t, 'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy' as u", "table", width=27
    )
    assert "…" in cut.splitlines()[2]


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [("a\x1b[2Jb", "a\\x1b[2Jb"), ("a\rb\nc\td", "a\\rb\\nc\\td"), ("a\u202eb", "a\\u202eb"), ("\x9b", "\\x9b"),
     ("é🙂", "é🙂")],
)  # fmt: skip
def test_nothing_archived_steers_the_terminal(hostile: str, shown: str) -> None:
    assert visible(hostile) == shown


def test_vertical_keeps_line_breaks(session: Session) -> None:
    found = text(session, "select 'a' as name, e'one\ntwo' as message, null as x", "vertical")
    assert found.splitlines()[1:] == ["name    | a", "message | one", "        | two", "x       |"]


# --- single values


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "null"), (True, "true"), (5, "5"), (0.1, "0.1"), (1e22, "1e+22"), (float("nan"), "null"),
        (float("-inf"), "null"), (Decimal("1.50"), "1.50"), (Decimal("1E+3"), "1000"),
        ("é\"\n\u2028", '"é\\"\\n\u2028"'),
        (b"ab", '"YWI="'), ([1, [None]], "[1, [null]]"), ({"a": {"b": []}}, '{"a": {"b": []}}'),
        (RawJson('{"a": 1.10}'), '{"a": 1.10}'), (RawJson("[1,\n2]"), "[1, 2]"), (RawJson("NaN"), '"NaN"'),
        (RawJson("[1,]"), '"[1,]"'), (RawJson("[" * 99999), '"' + "[" * 99999 + '"'), ([RawJson("{}")], "[{}]"),
    ],
)  # fmt: skip
def test_json_values(value: Any, expected: str) -> None:
    assert to_json(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, ""), (True, "true"), ("a\nb", "a\nb"), (float("nan"), "NaN"), (float("-inf"), "-Infinity"), (b"ab", "YWI="),
     ([1], "[1]"), (RawJson("[1,\n2]"), "[1,\n2]"), (2**127, str(2**127)), (Decimal("0.05"), "0.05")],
)  # fmt: skip
def test_cells(value: Any, expected: str) -> None:
    assert to_text(value) == expected


# --- files


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old")
    target.chmod(0o640)
    with opened(str(target)) as sink:
        sink.write(b"new")
        sink.flush()
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old")

    def fail() -> None:
        with opened(str(target)) as sink:
            sink.write(b"half")
            raise QueryError("stop")

    with pytest.raises(QueryError):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_link_keeps_pointing(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with opened(str(tmp_path / "link")) as sink:
        sink.write(b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "x"


def test_a_device_stays_a_device() -> None:
    with opened("/dev/null") as sink:
        sink.write(b"x")
    assert Path("/dev/null").is_char_device()


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "missing" / "x.csv"):
        with pytest.raises(ConfigError), opened(str(place)):
            pass
