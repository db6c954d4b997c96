"""Raw logs to index and to search: files of realistic kinds and sizes, from a seed, with planted needles.

Generating lines one by one would take longer than all measurements. So a pool of lines is generated (all of it with
its own random parts), and files are pieces of the pool; a piece is not repeated within one compression window.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from kubectl_argo_archive.demo.logs import KINDS, text

RARE, THREE, ABSENT = "needle-7f3a-unique-91c4", "lost quorum of shard 7731", "no such text anywhere 4471"
_POOL_SHARE = 0.15
_POOL_MOST = 256 << 20
_SIZES = ((35, 1 << 10), (30, 16 << 10), (22, 200 << 10), (10, 3 << 20), (3, 30 << 20))
_LARGEST = 500 << 20


def make(folder: Path, size: int, seed: int) -> dict[str, Any]:
    """Fill ``folder`` with about ``size`` bytes of logs, or find that it was done before; returns counts.

    Args:
        folder: below which ``raw/`` is made.
        size: bytes.
        seed: the same seed gives the same files.
    """
    note = folder / f"made-{size}-{seed}.json"
    if note.exists():
        found: dict[str, Any] = json.loads(note.read_text())
        return found
    raw = folder / "raw"
    raw.mkdir(parents=True)
    rng = Random(seed)
    mixed = pools(min(int(size * _POOL_SHARE), _POOL_MOST), seed)
    names: list[Path] = []
    written = 0
    while written < size:
        name = raw / f"{len(names) % 97:02}-{len(names):06}.log"
        written += write_file(name, rng, mixed, _size(rng, size, size - written, len(names)))
        names.append(name)
    for needle, count in ((RARE, 1), (THREE, 3)):
        for path in rng.sample(names, count):
            with path.open("ab") as file:
                file.write(f"2026-03-02T10:00:00.000Z WARN {needle} seen by {path.stem}\n".encode())
    result = {"files": len(names), "bytes": sum(path.stat().st_size for path in names)}
    note.write_text(json.dumps(result))
    return result


def pools(size: int, seed: int) -> list[list[bytes]]:
    """Pieces of logs of each kind, about ``size`` bytes in all."""
    start = datetime(2026, 3, 1, tzinfo=UTC)
    found = []
    for kind in KINDS:
        pieces = list(text(f"{seed}/{kind}", kind, size // len(KINDS), start, start + timedelta(days=9)))
        found.append(pieces)
    rng = Random(seed)
    # dumps of ids and numbers, which no filter likes
    found.append([_numbers(rng) for _ in range(max(1, size // len(KINDS) // 4 // 28_000))])
    return found


def _numbers(rng: Random) -> bytes:
    lines = (f"{rng.getrandbits(128):032x} {rng.random():.12f} {rng.getrandbits(160):040x}" for _ in range(300))
    return ("\n".join(lines) + "\n").encode()


def _size(rng: Random, total: int, left: int, number: int) -> int:
    if number == 5 and total > 4 * _LARGEST:
        return _LARGEST
    middle = rng.choices([s for _, s in _SIZES], [w for w, _ in _SIZES])[0]
    return max(200, min(int(middle * (0.3 + rng.random())), left))


def write_file(path: Path, rng: Random, mixed: list[list[bytes]], size: int) -> int:
    """Write about ``size`` bytes of one of the pools; returns how many."""
    pool = rng.choices(mixed, [5] * (len(mixed) - 1) + [1])[0]
    written = 0
    with path.open("wb") as file:
        at = rng.randrange(len(pool))
        while written < size:
            for piece in islice(pool, at, None):
                part = piece if written + len(piece) <= size else piece[: piece.rfind(b"\n", 0, size - written) + 1]
                file.write(part)
                written += len(part)
                if written >= size or part is not piece:
                    return written
            at = 0
    return written
