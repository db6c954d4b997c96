"""Documents that are no sound workflows: each is named with place and reason, and takes nobody along."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fixtures.flattening import EXPORT_ID, OWN_COLUMNS, batch, differences, one_by_one, reasons_of, tables_of

from kubectl_argo_archive.tables import flatten
from kubectl_argo_archive.tables.flatten import Flattener

MIXED = (Path(__file__).parent / "data" / "mixed.json").read_text(encoding="utf-8")
GOOD = [MIXED.encode()] * 3


@pytest.fixture(scope="module")
def flattener() -> Iterator[Flattener]:
    flattener = Flattener(EXPORT_ID)
    yield flattener
    flattener.close()


def with_message(text: str) -> bytes:
    """The good document, but for ``status.message``, given as JSON."""
    assert MIXED.count('"message": "",') == 1
    return MIXED.replace('"message": "",', f'"message": {text},').encode()


def with_value(path: str, value: Any) -> bytes:
    """The good document with another value at a path; names with dots stand in brackets."""
    document = json.loads(MIXED)
    at = document
    *before, last = [int(step) if step.isdigit() else step for step in path.split("|")]
    for step in before:
        at = at[step]
    at[last] = value
    return json.dumps(document).encode()


NOT_JSON: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "not JSON: Expecting value at character 0 of 0"),
    "spaces": (b"  \n", "not JSON: "),
    "cut early": (b'{"metadata"', "not JSON: Expecting ':' delimiter at character 11 of 11"),
    "cut in the middle": (GOOD[0][:2000], "not JSON: .* of "),
    "cut at the end": (GOOD[0].rstrip()[:-1], "not JSON: .* of "),
    "two documents": (GOOD[0] + GOOD[0], "not JSON: Extra data at character"),
    "null": (b"null", "not a workflow: the JSON is null, not an object"),
    "a number": (b"5", "not a workflow: the JSON is a number, not an object"),
    "a string": (b'"{}"', "not a workflow: the JSON is a string, not an object"),
    "true": (b"true", "not a workflow: the JSON is a boolean, not an object"),
    "an array": (b"[" + GOOD[0] + b"]", "not a workflow: the JSON is an array, not an object"),
    "no member": (b"{}", "not a workflow: neither metadata nor status"),
    "another object": (b'{"kind":"Pod","spec":{}}', "not a workflow: neither metadata nor status"),
    "NaN": (with_message("NaN"), "not JSON: NaN is not a number|status.message: expected a string"),
    "a NUL byte": (with_message('"a\0b"'), "not JSON: Invalid control character at character"),
    "a NUL byte outside": (b"\0" + GOOD[0], "not JSON: "),
    "a line break in a string": (with_message('"a\nb"'), "not JSON: Invalid control character"),
    "an unknown escape": (with_message('"a\\xb"'), "not JSON: Invalid .escape"),
    "single quotes": (b"{'metadata': {}}", "not JSON: "),
    "Latin-1": (with_message('"caf\\xe9"').replace(b"\\xe9", b"\xe9"), "not UTF-8: .* at byte "),
    "UTF-16": (MIXED.encode("utf-16"), "not UTF-8: .* at byte 0"),
    "an encoded surrogate": (with_message('"x"').replace(b'"x"', b'"\xed\xa0\x80"', 1), "not UTF-8: .* at byte "),
    "cut in a character": ('{"metadata":{"name":"é'.encode()[:-1], "not UTF-8: .* at byte "),
    "a lone high surrogate": (with_message('"\\ud800"'), "not Unicode: half a surrogate pair in a string"),
    "a lone low surrogate": (with_message('"a\\udc00b"'), "not Unicode: half a surrogate pair in a string"),
    "surrogates in the wrong order": (with_message('"\\udc00\\ud800"'), "not Unicode: half a surrogate pair"),
    "a surrogate in a name": (MIXED.replace('"team"', '"te\\ud83d"').encode(), "not Unicode: half a surrogate pair"),
    "10,000 arrays": (with_message("[" * 10_000 + "]" * 10_000), "nested more than"),
    "10,000 objects": (with_message('{"a":' * 10_000 + "1" + "}" * 10_000), "nested more than"),
    "10,000 objects with more behind": (with_message('{"a":' * 10_000 + "1" + ',"b":2}' * 10_000), "nested more than"),
    "10,000 arrays with spaces": (with_message("[ " * 10_000 + "] " * 10_000), "nested more than"),
    "10,000 arrays where nobody looks": (
        MIXED.replace('"spec": {', '"spec": {"unknown": ' + "[" * 10_000 + "]" * 10_000 + ",", 1).encode(),
        "nested more than",
    ),
    "10,000 arrays, cut": (with_message("[" * 10_000), "not JSON: |nested more than"),
}


@pytest.mark.parametrize("case", NOT_JSON)
def test_what_is_no_document_is_kept_with_the_reason(flattener: Flattener, case: str) -> None:
    data, reason = NOT_JSON[case]
    texts = [*GOOD, data, *GOOD]
    flattened = flattener.flatten(batch(texts))
    assert flattened.quarantined is not None
    (row,) = flattened.quarantined.to_pylist()
    expected = {"cluster": "c", "uid": "u3", "version": 1, "instance_id": "i", "export_id": EXPORT_ID, **OWN_COLUMNS}
    expected |= {"json": data.decode(errors="replace"), "json_bytes": len(data), "source_revision": "r3"}
    assert row | {"reason": ""} == expected | {"reason": ""}
    assert pa.compute.match_substring_regex(pa.array([row["reason"]]), f"^(?:{reason})").to_pylist() == [True], row[
        "reason"
    ]
    good, _ = one_by_one(texts)
    found = tables_of(flattened)
    assert found["workflows"].num_rows == 6
    assert {name: differences(found[name], good[name]) for name in found} == {name: [] for name in found}


_NODE = "status|nodes|wf-2"
TYPES: dict[str, str] = {
    "metadata": "an object", "metadata|name": "a string", "metadata|namespace": "a string",
    "metadata|generateName": "a string", "metadata|creationTimestamp": "a string", "metadata|labels": "an object",
    "metadata|labels|team": "a string", "metadata|annotations": "an object",
    "metadata|annotations|workflows.argoproj.io/pod-name-format": "a string", "metadata|ownerReferences": "an array",
    "metadata|ownerReferences|0": "an object", "metadata|ownerReferences|1|kind": "a string",
    "spec": "an object", "spec|entrypoint": "a string", "spec|shutdown": "a string", "spec|priority": "an integer",
    "spec|parallelism": "an integer", "spec|workflowTemplateRef": "an object",
    "spec|workflowTemplateRef|name": "a string", "spec|workflowTemplateRef|clusterScope": "a boolean",
    "spec|arguments": "an object", "spec|arguments|parameters": "an array",
    "spec|arguments|parameters|0": "an object", "spec|arguments|parameters|0|name": "a string",
    "spec|arguments|parameters|7|valueFrom": "an object", "spec|arguments|parameters|7|globalName": "a string",
    "spec|arguments|artifacts": "an array", "spec|arguments|artifacts|0": "an object",
    "spec|arguments|artifacts|0|name": "a string", "spec|arguments|artifacts|0|from": "a string",
    "spec|arguments|artifacts|0|optional": "a boolean", "spec|arguments|artifacts|0|s3": "an object",
    "spec|arguments|artifacts|0|s3|bucket": "a string", "spec|arguments|artifacts|0|s3|key": "a string",
    "spec|templates": "an array", "spec|templates|1": "an object",
    "status": "an object", "status|phase": "a string", "status|startedAt": "a string",
    "status|finishedAt": "a string", "status|message": "a string", "status|progress": "a string",
    "status|estimatedDuration": "an integer", "status|resourcesDuration": "an object",
    "status|resourcesDuration|cpu": "an integer", "status|conditions": "an array",
    "status|conditions|0": "an object", "status|conditions|0|type": "a string", "status|conditions|0|status": "a string",  # noqa: E501
    "status|outputs": "an object", "status|storedWorkflowTemplateSpec": "an object",
    "status|storedTemplates": "an object", "status|storedTemplates|namespaced/lib/only": "an object",
    "status|nodes": "an object", _NODE: "an object",
    **{f"{_NODE}|{name}": "a string" for name in
       ("name", "displayName", "type", "templateName", "templateScope", "boundaryID", "phase", "message", "startedAt",
        "finishedAt", "createdAt", "hostNodeName", "podIP", "progress")},
    f"{_NODE}|children": "an array", f"{_NODE}|inputs": "an object", f"{_NODE}|outputs": "an object",
    f"{_NODE}|resourcesDuration": "an object", f"{_NODE}|templateRef": "an object", f"{_NODE}|daemoned": "a boolean",
    f"{_NODE}|memoizationStatus": "an object", f"{_NODE}|nodeFlag": "an object",
    f"{_NODE}|synchronizationStatus": "an object", f"{_NODE}|estimatedDuration": "an integer",
    f"{_NODE}|failedPodRestarts": "an integer",
}  # fmt: skip
_WRONG = {
    "a boolean": True, "a number": 7, "a string": "x", "an array": ["x"], "an object": {"x": "y"},
}  # fmt: skip


@pytest.mark.parametrize("path", TYPES)
def test_every_wrong_type_is_named(flattener: Flattener, path: str) -> None:
    wanted = TYPES[path]
    wrong = {kind: value for kind, value in _WRONG.items() if kind != wanted}
    if wanted == "an integer":
        del wrong["a number"]
        del wrong["a string"]  # digits in a string will do
    texts = [with_value(path, value) for value in wrong.values()]
    reasons = reasons_of(flattener.flatten(batch([*texts, *GOOD])))
    place = path.replace("|", ".")
    for index in "0123456789":
        place = place.replace(f".{index}.", f"[{index}].").removesuffix(f".{index}") + (
            f"[{index}]" if place.endswith(f".{index}") else ""
        )
    assert reasons == {f"u{n}": f"{place}: expected {wanted}, found {kind}" for n, kind in enumerate(wrong)}


@pytest.mark.parametrize(
    "text",
    ["", "now", "2026-03-01", "2026-03-01T02:00:00", "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "2026-03-01T25:00:00Z",  # noqa: E501
     "2026-03-01T00:60:00Z", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00", "1772330400",
     "-001-01-01T00:00:00Z", "2026-03-01T02:00:00Z ", "２０２６-03-01T02:00:00Z", "2026-03-01T02:00:00+2:00"],
)  # fmt: skip
@pytest.mark.parametrize(
    "path", ["status|startedAt", "status|finishedAt", "metadata|creationTimestamp", f"{_NODE}|finishedAt"]
)
def test_absurd_times_are_named(flattener: Flattener, path: str, text: str) -> None:
    reasons = reasons_of(flattener.flatten(batch([with_value(path, text), *GOOD])))
    (reason,) = reasons.values()
    place = path.replace("|", ".")
    assert reason.startswith((f"{place}: not an RFC 3339 time: ", f"{place}: no such time: "))


@pytest.mark.parametrize(
    ("text", "month"),
    [("0001-01-01T00:00:00Z", None), ("0001-01-01T00:00:01Z", "0001-01"), ("1600-02-29T00:00:00Z", "1600-02"),
     ("9999-12-31T23:59:59.999999Z", "9999-12"), ("2026-03-01T00:30:00+01:00", "2026-02")],
)  # fmt: skip
def test_times_at_the_edge_are_times(flattener: Flattener, text: str, month: str | None) -> None:
    texts = [with_value("status|finishedAt", text)] * 4
    flattened = flattener.flatten(batch(texts))
    assert flattened.quarantined is None
    (part,) = flattened.batches
    assert part.months == [month or "__HIVE_DEFAULT_PARTITION__"] * 4
    expected, _ = one_by_one(texts)
    assert differences(tables_of(flattened)["workflows"], expected["workflows"]) == []


@pytest.mark.parametrize(
    "number", ["9223372036854775808", "-9223372036854775809", "1.5", "1e3", "1e400", "1" + "0" * 5000]
)
def test_numbers_that_no_column_holds_are_named(flattener: Flattener, number: str) -> None:
    text = MIXED.replace('"estimatedDuration": 90', f'"estimatedDuration": {number}')
    (reason,) = reasons_of(flattener.flatten(batch([text.encode(), *GOOD]))).values()
    assert reason.startswith("status.estimatedDuration: ")
    assert len(reason) < 200


def test_a_batch_of_nothing_but_broken_documents(flattener: Flattener) -> None:
    flattened = flattener.flatten(batch([data for data, _ in NOT_JSON.values()]))
    assert flattened.batches == []
    assert len(reasons_of(flattened)) == len(NOT_JSON)


def test_an_empty_batch(flattener: Flattener) -> None:
    flattened = flattener.flatten(batch([]))
    assert (flattened.batches, flattened.quarantined) == ([], None)


def test_values_nested_as_deep_as_we_follow_are_kept(flattener: Flattener) -> None:
    deep = "[" * 480 + "]" * 480
    texts = [MIXED.replace('"value": 1.10', f'"value": {deep}').encode()] * 4
    flattened = flattener.flatten(batch(texts))
    assert flattened.quarantined is None
    assert tables_of(flattened)["parameters"].to_pylist()[0]["value"] == deep


def test_what_nobody_foresaw_does_not_end_an_export(flattener: Flattener, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise pa.ArrowInvalid("nobody thought of this")

    monkeypatch.setattr(flatten, "flatten_document", fails)
    doubled = GOOD[0].replace(b'"phase": "Failed",', b'"phase": "Failed", "phase": "Failed",', 1)
    flattened = flattener.flatten(batch([*GOOD, doubled]))
    assert reasons_of(flattened) == {"u3": "cannot be flattened: ArrowInvalid: nobody thought of this"}
    assert tables_of(flattened)["workflows"].num_rows == 3
