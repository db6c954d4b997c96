"""Every SQL type as a plain value: nothing rounded, nothing lost, whichever way it is read."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from kubectl_argo_archive.query.session import Session, open_session
from kubectl_argo_archive.query.values import RawJson, plain

CASES: list[tuple[str, Any]] = [
    ("NULL", None),
    ("true", True),
    ("(-128)::TINYINT", -128),
    ("9223372036854775807", 9223372036854775807),
    ("18446744073709551615::UBIGINT", 18446744073709551615),
    ("170141183460469231731687303715884105727::HUGEINT", 2**127 - 1),
    ("(-170141183460469231731687303715884105727)::HUGEINT", -(2**127) + 1),
    ("340282366920938463463374607431768211455::UHUGEINT", 2**128 - 1),
    ("'123456789012345678901234567890123456789012345678901234567890'::BIGNUM", int("1234567890" * 6)),
    ("'-123456789012345678901234567890123456789'::BIGNUM", -123456789012345678901234567890123456789),
    ("0::BIGNUM", 0),
    ("sum(9223372036854775807)", 9223372036854775807),
    ("1.50::DECIMAL(10,2)", Decimal("1.50")),
    ("12345678901234567890123456789012345678::DECIMAL(38,0)", Decimal("12345678901234567890123456789012345678")),
    ("0.1::DOUBLE + 0.2::DOUBLE", 0.30000000000000004),
    ("1e308::DOUBLE", 1e308),
    ("1.1::FLOAT", 1.1),
    ("16777216::FLOAT", 16777216.0),
    ("'-inf'::FLOAT", float("-inf")),
    ("3.4028235e38::FLOAT", 3.4028235e38),
    ("'text'", "text"),
    ("'ü日本🙂\n\t'", "ü日本🙂\n\t"),
    ("''", ""),
    ("'ab'::BLOB", b"ab"),
    ("'\\x00\\xFF'::BLOB", b"\x00\xff"),
    ("'1'::BIT", "1"),
    ("'0101011010111'::BIT", "0101011010111"),
    ("'6522aff1-1e01-11ea-b443-42010aa80075'::UUID", "6522aff1-1e01-11ea-b443-42010aa80075"),
    ("'b'::ENUM('a', 'b')", "b"),
    ("DATE '2026-03-01'", "2026-03-01"),
    ("DATE '0001-01-01'", "0001-01-01"),
    ("DATE '9999-12-31'", "9999-12-31"),
    ("DATE '10000-01-01'", "+10000-01-01"),
    ("DATE '20000-02-29'", "+20000-02-29"),
    ("DATE 'infinity'", "infinity"),
    ("DATE '-infinity'", "-infinity"),
    ("DATE '2000-01-01 (BC)'", "-1999-01-01"),
    ("TIME '10:05:00.5'", "10:05:00.5"),
    ("TIME '24:00:00'", "24:00:00"),
    ("TIMETZ '10:00:00+02'", "10:00:00+02:00"),
    ("TIMETZ '10:00:00.25-05:30'", "10:00:00.25-05:30"),
    ("TIMESTAMP '2026-03-01 10:00:00'", "2026-03-01T10:00:00"),
    ("TIMESTAMP '2026-03-01 10:00:00.000001'", "2026-03-01T10:00:00.000001"),
    ("TIMESTAMP '1969-12-31 23:59:59.5'", "1969-12-31T23:59:59.5"),
    ("TIMESTAMP_S '2026-03-01 10:00:00'", "2026-03-01T10:00:00"),
    ("TIMESTAMP_MS '2026-03-01 10:00:00.120'", "2026-03-01T10:00:00.12"),
    ("TIMESTAMP_NS '2026-03-01 10:00:00.123456789'", "2026-03-01T10:00:00.123456789"),
    ("TIMESTAMPTZ '2026-03-01 10:00:00+02'", "2026-03-01T08:00:00Z"),
    ("TIMESTAMPTZ '2026-03-01 10:00:00.5Z'", "2026-03-01T10:00:00.5Z"),
    ("TIMESTAMPTZ 'infinity'", "infinity"),
    ("TIMESTAMPTZ '-infinity'", "-infinity"),
    ("TIMESTAMPTZ '294247-01-10 00:00:00Z'", "+294247-01-10T00:00:00Z"),
    ("INTERVAL '1 year 2 months 3 days 04:05:06.7'", "1 year 2 months 3 days 04:05:06.7"),
    ("INTERVAL 1 DAY", "1 day"),
    ("INTERVAL 0 DAY", "00:00:00"),
    ("INTERVAL '-90 seconds'", "-00:01:30"),
    ("INTERVAL '-14 months'", "-1 year -2 months"),
    ("INTERVAL 100 HOUR", "100:00:00"),
    ("'{\"a\": 1.10}'::JSON", '{"a": 1.10}'),
    ("[1, NULL, 3]", [1, None, 3]),
    ("[]::INT[]", []),
    ("NULL::INT[]", None),
    ("[[1], NULL, [2, 3]]", [[1], None, [2, 3]]),
    ("[1, 2]::INT[2]", [1, 2]),
    ("NULL::INT[2]", None),
    ("[TIMESTAMPTZ '2026-03-01 00:00:00Z', NULL]", ["2026-03-01T00:00:00Z", None]),
    ("{'a': 1, 'b': ['x'], 'c': {'d': DATE '2026-01-01'}}", {"a": 1, "b": ["x"], "c": {"d": "2026-01-01"}}),
    ("NULL::STRUCT(a INT)", None),
    ("{'a': NULL::INT}", {"a": None}),
    ("MAP {'a': 1, 'b': NULL}", {"a": 1, "b": None}),
    ("MAP {}", {}),
    ("MAP {1: 'x'}", {"1": "x"}),
    ("MAP {TIMESTAMPTZ '2026-03-01 00:00:00Z': [true]}", {"2026-03-01T00:00:00Z": [True]}),
    ("MAP {1.50: true}", {"1.50": True}),
    ("NULL::MAP(VARCHAR, INT)", None),
    ("union_value(k := INTERVAL 1 DAY)", "1 day"),
    ("[170141183460469231731687303715884105727::HUGEINT]", [2**127 - 1]),
    ("['6522aff1-1e01-11ea-b443-42010aa80075'::UUID]", ["6522aff1-1e01-11ea-b443-42010aa80075"]),
]


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with open_session(None) as opened:  # type: ignore[arg-type]  # no statement here names a table
        yield opened


def read(session: Session, sql: str) -> list[tuple[Any, ...]]:
    return [row for rows in session.run(sql).rows() for row in rows]


@pytest.mark.parametrize(("sql", "value"), CASES, ids=[sql for sql, _ in CASES])
def test_alone(session: Session, sql: str, value: Any) -> None:
    ((found,),) = read(session, f"SELECT {sql}")
    assert found == value
    assert type(found) is type(value) or isinstance(found, RawJson)


@pytest.mark.parametrize(
    ("sql", "value"), [c for c in CASES if "sum(" not in c[0] and "[2]" not in c[0]], ids=lambda x: str(x)[:30]
)
def test_in_company(session: Session, sql: str, value: Any) -> None:
    """Next to a time, a row is read through Arrow; around other rows, offsets differ."""
    rows = read(session, f"SELECT if(i % 2 = 1, x, NULL), [x], now() FROM (SELECT i, {sql} AS x FROM range(4) t(i))")
    assert [row[0] for row in rows] == [None, value, None, value]
    assert [row[1] for row in rows] == [[value]] * 4
    assert type(rows[1][0]) is type(value) or isinstance(rows[1][0], RawJson)


def test_not_a_number(session: Session) -> None:
    assert str(read(session, "SELECT 'nan'::DOUBLE, 'nan'::FLOAT, now()")[0][:2]) == "(nan, nan)"


def test_slices() -> None:
    """A batch that a limit cut is a slice of a longer one."""
    struct = pa.array([{"a": [1, 2], "m": [("k", 1)]}, None, {"a": [3], "m": []}, {"a": None, "m": None}],
                      pa.struct([("a", pa.list_(pa.int64())), ("m", pa.map_(pa.string(), pa.int64()))]))  # fmt: skip
    assert plain(struct.slice(1, 2)) == [None, {"a": [3], "m": {}}]
    fixed = pa.array([[1, 2], None, [5, 6]], pa.list_(pa.int64(), 2))
    assert plain(fixed.slice(1)) == [None, [5, 6]]
    assert plain(pa.array([[1], [2, 3], None], pa.list_(pa.int64())).slice(1)) == [[2, 3], None]


def test_arrow_is_not_needed_for_simple_types() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from kubectl_argo_archive.query.session import open_session\n"
        "with open_session(None) as s: print(list(s.run('select 1, 2.5::double, true, null, $$x$$').rows()))\n"
        "print([m for m in ('pyarrow', 'numpy', 'pandas', 'fsspec', 'deltalake', 'yaml', 'click') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[[(1, 2.5, True, None, 'x')]]", "[]"]
