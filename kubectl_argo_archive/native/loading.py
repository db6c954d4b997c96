"""Finds and loads the compiled part."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

from kubectl_argo_archive.errors import ArgoArchiveError

ABI = 2
"""Raised with every change of a signature, here and in ``src/native.h``: a stale library must not be called."""


@cache
def load() -> ctypes.CDLL:
    """The compiled part.

    Raises:
        ArgoArchiveError: it was not built, or for other sources than these.
    """
    hint = "reinstall the package: pip install --force-reinstall kubectl-argo-archive (in a clone: make venv)"
    found = next(
        (path for name in ("_native.so", "_native.dll") if (path := Path(__file__).with_name(name)).exists()), None
    )
    if found is None:
        raise ArgoArchiveError("the compiled part of kubectl-argo-archive is missing", hint=hint)
    try:
        library = ctypes.CDLL(str(found))
    except OSError as error:
        raise ArgoArchiveError(
            f"the compiled part of kubectl-argo-archive cannot be loaded: {error}", hint=hint
        ) from error
    library.native_abi.restype = ctypes.c_int32
    if library.native_abi() != ABI:
        raise ArgoArchiveError("the compiled part of kubectl-argo-archive is of another version", hint=hint)
    return library
