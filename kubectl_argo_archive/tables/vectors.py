"""Small vectorised steps that Arrow has no single function for.

A cast that fails names the documents it failed for (:class:`Suspicious`), so that only those leave the fast path.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kubectl_argo_archive.argo.pods import MAX_PREFIX
from kubectl_argo_archive.tables.parse import explode_map
from kubectl_argo_archive.tables.schema import INT_MAP, TIME

_GO_ZERO = pa.scalar(-62135596800000000, pa.int64()).cast(pa.timestamp("us")).cast(TIME)
_LAST = pa.scalar(datetime.max.replace(tzinfo=UTC), TIME)
_RFC3339 = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)$"
_EXACT_SECONDS = 1 << 40
"""Sums and multiples of up to so many seconds are exact as floating point numbers."""
_USUAL_LENGTH = len("2026-11-23T16:00:00Z")


class Suspicious(Exception):
    """The fast path is not sure about some documents of the batch."""

    def __init__(self, documents: np.ndarray) -> None:
        super().__init__(f"{len(documents)} documents")
        self.documents = np.unique(documents)


def truth(mask: pa.BooleanArray) -> np.ndarray:
    """A mask as NumPy, null counting as false."""
    found: np.ndarray = mask.fill_null(False).to_numpy(zero_copy_only=False)
    return found


def suspect(mask: pa.BooleanArray | np.ndarray, documents: np.ndarray) -> None:
    """Raise :class:`Suspicious` for the documents of the rows where ``mask`` is true."""
    flags = mask if isinstance(mask, np.ndarray) else truth(mask)
    if flags.any():
        raise Suspicious(documents[flags])


def suspect_repeats(owners: np.ndarray, keys: pa.StringArray, documents: np.ndarray) -> None:
    """Raise :class:`Suspicious` for the documents in which a map has a key twice."""
    codes = keys.dictionary_encode().indices.to_numpy().astype(np.int64)
    pairs = owners * (len(codes) + 1) + codes
    order = np.argsort(pairs, kind="stable")
    suspect(np.append(False, np.diff(pairs[order]) == 0)[: len(order)], documents[order])


def times(texts: pa.StringArray, documents: np.ndarray) -> pa.TimestampArray:
    """RFC 3339 texts to UTC instants, Go's zero time to null."""
    if texts.null_count == len(texts):
        return pa.nulls(len(texts), TIME)
    unusual = pc.not_equal(pc.binary_length(texts), _USUAL_LENGTH)
    if pc.any(unusual).as_py():
        suspect(pc.and_(unusual, pc.invert(pc.match_substring_regex(texts, _RFC3339))), documents)
    found = _cast(texts, TIME, _RFC3339, documents)
    suspect(pc.or_(pc.less(found, _GO_ZERO), pc.greater(found, _LAST)), documents)
    zero = pc.equal(found, _GO_ZERO)
    return pc.if_else(zero, pa.scalar(None, TIME), found) if pc.any(zero).as_py() else found


def integers(texts: pa.StringArray, type_: pa.DataType, documents: np.ndarray) -> pa.Array:
    """Texts of digits to integers."""
    if texts.null_count == len(texts):
        return pa.nulls(len(texts), type_)
    return _cast(texts, type_, r"^-?[0-9]{1,9}$", documents)


def exit_codes(texts: pa.StringArray) -> pa.Array:
    """Texts to integers, null where a text is none: Argo gives ``exitCode`` as free text."""
    if texts.null_count == len(texts):
        return pa.nulls(len(texts), pa.int64())
    numeric = pc.match_substring_regex(texts, r"^-?[0-9]{1,18}$")
    if not pc.all(numeric).as_py():
        texts = pc.if_else(numeric, texts, pa.scalar(None, pa.string()))
    return texts.cast(pa.int64())


def _cast(texts: pa.StringArray, type_: pa.DataType, pattern: str, documents: np.ndarray) -> pa.Array:
    try:
        return texts.cast(type_)
    except pa.ArrowInvalid:
        odd = pc.invert(pc.match_substring_regex(texts, pattern)).fill_null(False)
        suspect(odd, documents)
        raise Suspicious(documents) from None  # the pattern knows no better: all of them


def flags(texts: pa.StringArray) -> pa.BooleanArray:
    """``true`` to true, everything else to false (what is neither was found before)."""
    if texts.null_count == len(texts):
        return repeat_scalar(False, len(texts), pa.bool_())
    return pc.equal(texts, "true").fill_null(False)


def seconds(started: pa.TimestampArray, finished: pa.TimestampArray) -> pa.DoubleArray:
    """The time between two instants in seconds; null if one is missing."""
    micros = pc.subtract(finished, started).cast(pa.int64())
    try:
        return pc.divide(micros.cast(pa.float64()), 1e6)
    except pa.ArrowInvalid:  # centuries: more microseconds than a double counts
        return pa.array([None if m is None else m / 10**6 for m in micros.to_pylist()], pa.float64())


def repeat_scalar(value: object, count: int, type_: pa.DataType) -> pa.Array:
    """An array of one value."""
    return pa.repeat(pa.scalar(value, type_), count)


def dictionary(values: pa.Array, indices: np.ndarray) -> pa.DictionaryArray:
    """``values`` taken by ``indices``, without copying text."""
    return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), values)


def scatter(count: int, rows: np.ndarray, values: pa.Array) -> pa.Array:
    """An array of ``count`` values, ``values`` at ``rows`` (distinct) and null elsewhere."""
    positions = np.full(count, -1, np.int64)
    positions[rows] = np.arange(len(rows))
    return values.take(pa.array(positions, pa.int64(), mask=positions < 0))


def masked(texts: pa.LargeStringArray, mask: np.ndarray) -> pa.LargeStringArray:
    """The same texts, null where ``mask`` is false; ``texts`` has no nulls, and nothing is copied."""
    if mask.all():
        return texts
    valid = pa.py_buffer(np.packbits(mask, bitorder="little"))
    if texts.offset:
        texts = pa.concat_arrays([texts])
    return pa.Array.from_buffers(texts.type, len(texts), [valid, *texts.buffers()[1:]])


def runs(array: pa.Array, positions: np.ndarray) -> pa.ChunkedArray:
    """The values at ascending ``positions``, as slices that copy nothing."""
    breaks = np.flatnonzero(np.diff(positions) != 1) + 1
    chunks = [array.slice(int(run[0]), len(run)) for run in np.split(positions, breaks) if len(run)]
    return pa.chunked_array(chunks, array.type)


def lists(count: int, owners: np.ndarray, values: pa.Array) -> pa.ListArray:
    """Lists of ``values`` by owner; ``owners`` ascend, an owner without values gets an empty list."""
    offsets = np.zeros(count + 1, np.int32)
    np.cumsum(np.bincount(owners, minlength=count), out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), values)


def resources(array: pa.MapArray, documents: np.ndarray) -> dict[str, pa.Array]:
    """The columns of ``resourcesDuration``: CPU, memory, GPU, and the whole map with integer seconds."""
    count = len(array)
    rows, keys, texts = explode_map(array)
    suspect_repeats(rows, keys, documents[rows])
    used = integers(texts, pa.int64(), documents[rows])
    suspect(pc.or_kleene(used.is_null(), pc.greater(pc.abs(used), _EXACT_SECONDS)), documents[rows])
    present = array.is_valid()

    def one(name: str) -> pa.Array:
        mask = truth(pc.equal(keys, name))
        return scatter(count, rows[mask], used.filter(pa.array(mask)).cast(pa.float64()))

    gpu = np.zeros(count)
    mask = pc.or_(pc.match_substring(keys, "gpu"), pc.match_substring(keys, "nvidia.com/mig-"))
    if pc.any(mask).as_py():
        flag = truth(mask)
        np.add.at(gpu, rows[flag], used.to_numpy()[flag])
    offsets = array.offsets.to_numpy()
    whole = pa.MapArray.from_arrays(pa.array(offsets - offsets[0], pa.int32()), keys, used)
    if array.null_count:
        whole = pc.if_else(present, whole, pa.scalar(None, whole.type))
    return {
        "cpu_s": one("cpu"),
        "memory_mib_s": pc.multiply(one("memory"), 100.0),
        "gpu_s": pa.array(gpu, mask=pc.invert(present).to_numpy(zero_copy_only=False)),
        "resources_duration": whole.cast(INT_MAP),
    }


def fnv32a(texts: pa.StringArray) -> np.ndarray:
    """FNV-1a, 32 bit, of every text: one step per byte position, over all texts at once."""
    count = len(texts)
    hashes = np.full(count, 2166136261, np.uint64)
    if not count:
        return hashes
    large = texts.cast(pa.large_binary())
    offsets = np.frombuffer(large.buffers()[1], np.int64)[large.offset : large.offset + count + 1]
    data = np.frombuffer(large.buffers()[2] or b"", np.uint8)
    lengths = np.diff(offsets)
    order = np.argsort(-lengths, kind="stable")
    starts, lengths = offsets[:-1][order], lengths[order]
    live = count
    result = hashes[order]
    for step in range(int(lengths[0])):
        while live and lengths[live - 1] <= step:
            live -= 1
        part = result[:live]
        part ^= data[starts[:live] + step]
        part *= np.uint64(16777619)
        part &= np.uint64(0xFFFFFFFF)
    hashes[order] = result
    return hashes


def pod_names(workflow: pa.StringArray, node: pa.StringArray, template: pa.StringArray) -> pa.StringArray:
    """Names in format v2 of pods, from the workflow's name, the node's and its template's (null: none)."""
    named = pc.if_else(
        pc.equal(template, "").fill_null(True), workflow, pc.binary_join_element_wise(workflow, template, "-")
    )
    prefix = pc.utf8_slice_codeunits(named, 0, MAX_PREFIX)
    hashed = pa.array(fnv32a(node)).cast(pa.string())
    return pc.if_else(pc.equal(workflow, node), workflow, pc.binary_join_element_wise(prefix, hashed, "-"))


def concat(arrays: Iterable[pa.Array], type_: pa.DataType) -> pa.Array:
    """All arrays as one; none give an empty one."""
    found = list(arrays)
    return pa.concat_arrays(found) if found else pa.array([], type_)
