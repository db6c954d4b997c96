"""Finding, cheaply, the documents that vectorised flattening might misread.

DuckDB's ``from_json`` never fails on a wrong type: it gives NULL, or text. So before its answer is believed,
one regular expression runs over each document's bytes and looks for a known member followed by a value of
another JSON type than Argo's. A false alarm costs time only: the document goes to the exact path.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_ARRAYS = "children|parameters|artifacts|templates|conditions|ownerReferences"
_OBJECTS = (
    "metadata|spec|nodes|inputs|outputs|arguments|resourcesDuration|templateRef|memoizationStatus"
    "|synchronizationStatus|nodeFlag|workflowTemplateRef|storedTemplates|storedWorkflowTemplateSpec|s3|"
    "gcs|oss|azure|git|hdfs|artifactory|raw|valueFrom"
)
_STRINGS = (
    "name|globalName|path|from|fromExpression|subPath|bucket|key|displayName|type|templateName"
    "|templateScope|boundaryID|phase|message|createdAt|startedAt|finishedAt|hostNodeName|podIP|progress|exitCode"
    "|result|generateName|namespace|creationTimestamp|entrypoint|serviceAccountName|shutdown|image|template"
    "|cacheName|kind"
)
_TEXT = r'"(?:[^"\\]|\\.)*"'
_BOOLEANS = "clusterScope|daemoned|hit|hooked|optional|deleted"
_WRONG_TYPE = (
    rf'"(?:{_ARRAYS})"\s*:\s*[^\[n\s]'
    rf'|"(?:{_OBJECTS})"\s*:\s*[^{{n\s]'
    rf'|"(?:{_STRINGS})"\s*:\s*[^"n\s]'
    rf'|"(?:{_BOOLEANS})"\s*:\s*[^tfn\s]'
    r'|"status"\s*:\s*[^"{n\s]'
    r'|"waiting"\s*:\s*[^"\[n\s]'
    rf'|"children"\s*:\s*\[\s*(?:{_TEXT}\s*,\s*)*[^"\]n\s]'
    # metrics have an array of that name, too; metadata without readable labels is found later
    rf'|"(?:labels|annotations)"\s*:\s*(?:[^{{\[n\s]|{{\s*(?:{_TEXT}\s*:\s*(?:{_TEXT}|null)\s*,\s*)*{_TEXT}\s*:\s*[^"n\s])'
)
_ODD_VALUE = r'"(?:value|default)"\s*:\s*[^"n\s]'
_ANY = f"{_WRONG_TYPE}|{_ODD_VALUE}"
_RUN = 64
_DEEP = rf"(?:[\]}}]\s*){{{_RUN}}}"
_SAMPLE = 8


def wrong_types(texts: pa.LargeStringArray) -> tuple[np.ndarray, np.ndarray]:
    """Two masks of documents: an unexpected type or very deep nesting; a parameter's value that is no string."""
    either = pc.match_substring_regex(texts, _ANY)
    odd = np.zeros(len(texts), bool)
    hits = np.flatnonzero(either.to_numpy(zero_copy_only=False))
    if len(hits):
        odd[hits] = pc.match_substring_regex(texts.take(pa.array(hits)), _WRONG_TYPE).to_numpy(zero_copy_only=False)
    values = np.zeros(len(texts), bool)
    values[hits] = True
    return odd | _deep(texts), values


def _deep(texts: pa.LargeStringArray) -> np.ndarray:
    """Documents that close very many levels at once.

    Every eighth byte is looked at: closing so many levels takes at least as many bytes, all of them brackets or
    white space, so eight samples in a row must be.
    """
    found = np.zeros(len(texts), bool)
    data = texts.buffers()[2]
    if data is None:
        return found
    sampled = np.frombuffer(data, np.uint8)[::_SAMPLE].copy()
    starts = np.flatnonzero((sampled | 0x20 == ord("}")) | (sampled <= ord(" ")))  # "]" is "}" less that bit
    need = _RUN // _SAMPLE - 1
    if len(starts) >= need and (starts[need - 1 :] - starts[: len(starts) - need + 1] == need - 1).any():
        return np.asarray(pc.match_substring_regex(texts, _DEEP).to_numpy(zero_copy_only=False), bool)
    return found
