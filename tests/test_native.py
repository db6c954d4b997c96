"""The compiled part: it is there and of this version, its columns need no cast, it watches its bounds."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kubectl_argo_archive.demo.workflows import generate_json
from kubectl_argo_archive.errors import ArgoArchiveError
from kubectl_argo_archive.native import loading
from kubectl_argo_archive.native.flatten import DOCUMENT, ODD, TAKEN, NativeFlattener
from kubectl_argo_archive.tables.assemble import physical_schema
from kubectl_argo_archive.tables.schema import BY_NAME

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "kubectl_argo_archive" / "native" / "src").glob("*.c"))
MIXED = (Path(__file__).parent / "data" / "mixed.json").read_bytes()


@pytest.fixture
def native() -> Iterator[NativeFlattener]:
    native = NativeFlattener()
    yield native
    native.close()


def flattened(native: NativeFlattener, *texts: bytes) -> tuple[list[int], dict[str, pa.RecordBatch]]:
    outcomes, tables = native.flatten(pa.array(texts, pa.large_binary()))
    return outcomes.tolist(), tables


def test_every_column_arrives_in_the_type_in_which_it_is_written(native: NativeFlattener) -> None:
    _, tables = flattened(native, MIXED)
    for name, table in tables.items():
        assert table.num_rows > 0, name
        table.validate(full=True)
        assert table.schema.names[-1] == DOCUMENT
        known = physical_schema(BY_NAME[name])
        # of a workflow without namespace the source's own column names one: this column is made anew
        computed = set(table.schema.names) - {DOCUMENT, "namespace"}
        wanted = {column: known.field(column).type for column in computed}
        assert {column: table.schema.field(column).type for column in wanted} == wanted, name


def test_documents_that_are_left_out_do_not_count(native: NativeFlattener) -> None:
    outcomes, tables = flattened(native, b"\xff", b"{", MIXED, MIXED)
    assert outcomes == [ODD, ODD, TAKEN, TAKEN]
    assert tables["workflows"][DOCUMENT].to_pylist() == [0, 1]


@settings(max_examples=2000)
@given(st.integers(0, 70), st.text(max_size=20) | st.just(""), st.binary(max_size=6))
@example(60, "é", b"\xc3")
@example(0, "", b"\xed\xa0\x80")
@example(0, "", b"\xf4\x90\x80\x80")
@example(3, "\U0010ffff\ud7ff\ue000", b"\xc1\xbf")
def test_only_utf8_is_taken(before: int, text: str, more: bytes) -> None:
    plain = "".join(character for character in text if character >= " " and character not in '"\\')
    odd = bytes(byte for byte in more if byte >= 0x20 and byte not in b'"\\')
    name = b"x" * before + plain.encode() + odd + b"y"
    native = NativeFlattener()
    (outcome,), tables = flattened(native, b'{"metadata":{"name":"%b"},"status":{"phase":"Failed"}}' % name)
    native.close()
    try:
        wanted = name.decode()
    except UnicodeDecodeError:
        assert outcome == ODD
    else:
        assert (outcome, tables["workflows"]["name"].to_pylist()) == (TAKEN, [wanted])


def test_a_slice_of_documents_is_read_where_it_begins(native: NativeFlattener) -> None:
    texts = pa.array([b"{", MIXED, MIXED], pa.large_binary())[1:]
    outcomes, _ = native.flatten(texts)
    assert outcomes.tolist() == [TAKEN, TAKEN]


def test_tables_outlive_the_flattener_and_later_batches() -> None:
    native = NativeFlattener()
    _, first = flattened(native, MIXED)
    before = first["nodes"].to_pylist()
    flattened(native, *(text.encode() for text in generate_json(20, seed=2)))
    native.close()
    native.close()
    assert first["nodes"].to_pylist() == before


def test_many_nodes_find_their_parents(native: NativeFlattener) -> None:
    nodes = ",".join(f'"n{i:05}":{{"type":"Pod","name":"n{i:05}","children":["n{i + 1:05}"]}}' for i in range(50_000))
    text = f'{{"metadata":{{"name":"w"}},"status":{{"phase":"Succeeded","nodes":{{{nodes}}}}}}}'
    outcomes, tables = flattened(native, text.encode())
    assert outcomes == [TAKEN]
    parents = tables["nodes"]["parent_ids"].to_pylist()
    assert parents[:2] == [[], ["n00000"]]
    assert len(parents) == 50_000


def test_a_text_that_many_rows_would_repeat_is_left_to_the_exact_path(native: NativeFlattener) -> None:
    parameters = ",".join(f'{{"name":"p{i}"}}' for i in range(6000))
    node = f'{{"type":"Pod","inputs":{{"parameters":[{parameters}]}}}}'
    text = f'{{"metadata":{{"name":"w"}},"status":{{"phase":"Succeeded","nodes":{{"{"n" * 100_000}":{node}}}}}}}'
    outcomes, tables = flattened(native, text.encode(), MIXED)
    assert outcomes == [ODD, TAKEN]
    assert 0 < tables["parameters"].num_rows < 100


def test_memory_is_given_back(native: NativeFlattener) -> None:
    texts = [text.encode() for text in generate_json(40, seed=4)]
    for _ in range(20):
        flattened(native, *texts)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(200):
        flattened(native, *texts)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 64 << 10, f"{grown} KiB"


def test_a_missing_or_stale_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = loading.load.__wrapped__
    monkeypatch.setattr(loading, "ABI", loading.ABI + 1)
    with pytest.raises(ArgoArchiveError, match="is of another version") as stale:
        real()
    assert "reinstall" in (stale.value.hint or "")
    monkeypatch.setattr(loading, "__file__", str(tmp_path / "loading.py"))
    with pytest.raises(ArgoArchiveError, match="is missing"):
        real()
    (tmp_path / "_native.so").write_bytes(b"no library")
    with pytest.raises(ArgoArchiveError, match="cannot be loaded"):
        real()


def test_the_library_knows_nothing_of_python() -> None:
    text = "".join(source.read_text() for source in [*SOURCES, *SOURCES[0].parent.glob("*.h")])
    assert "Python.h" not in text
    assert isinstance(loading.load(), ctypes.CDLL)


def _sanitizing() -> tuple[str, str] | None:
    """A compiler with AddressSanitizer, and its library."""
    for compiler in ("gcc", "cc"):
        if shutil.which(compiler) is None:
            continue
        found = subprocess.run(
            [compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=False
        ).stdout.strip()
        if Path(found).is_absolute():
            return compiler, found
    return None


def test_damaged_documents_and_lines_touch_no_foreign_memory(tmp_path: Path) -> None:
    if (found := _sanitizing()) is None:
        pytest.skip("no gcc with AddressSanitizer here")
    compiler, runtime = found
    target = tmp_path / "watched.so"
    flags = ["-std=c11", "-O1", "-g", "-fPIC", "-shared", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    subprocess.run([compiler, *flags, "-o", str(target), *map(str, SOURCES)], check=True)
    # Python itself gives back little at its end
    environment = {**os.environ, "LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0"}
    script = Path(__file__).parent / "fixtures" / "native_fuzz.py"
    done = subprocess.run(
        [sys.executable, str(script), str(target)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    documents, stamps = map(int, done.stdout.split())
    assert 300 < documents < 2000
    assert stamps > 1000


def test_a_template_inside_a_step_without_a_name_is_left_to_the_exact_path(native: NativeFlattener) -> None:
    """Its containers stand where those of the template around it would."""
    step = '{"inline":{"container":{"image":"inside"}}}'
    text = (
        f'{{"metadata":{{"name":"w"}},"spec":{{"templates":[{{"name":"main","steps":[[{step}]]}}]}},'
        '"status":{"phase":"Succeeded","nodes":{"w":{"type":"Pod","templateName":"main","phase":"Succeeded"}}}}'
    )
    assert flattened(native, text.encode())[0] == [ODD]
    named = text.replace('{"inline"', '{"name":"a","inline"')
    outcomes, tables = flattened(native, named.encode())
    assert (outcomes, tables["nodes"]["image"].to_pylist()) == ([TAKEN], [None])
