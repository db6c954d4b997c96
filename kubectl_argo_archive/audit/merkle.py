"""The Merkle tree of RFC 6962, section 2.1: hashes, roots, inclusion and consistency proofs; pure value code.

A tree is append-only. Of a tree of n leaves only its *frontier* must be kept to append: the roots of the perfect
subtrees that n falls into, largest first, at most log₂ n + 1 hashes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """SHA-256 over 0x00 and the leaf's bytes."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256 over 0x01 and the two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree of which only size and frontier are kept.

    Attributes:
        size: number of leaves.
        frontier: roots of its perfect subtrees, largest first; as many as ``size`` has one bits.
    """

    size: int = 0
    frontier: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.frontier) != self.size.bit_count():
            raise ValueError("the frontier does not fit the size")

    def append(self, leaves: Iterable[bytes]) -> Tree:
        """The tree with further leaf hashes at its end."""
        stack, size = list(self.frontier), self.size
        sha256 = hashlib.sha256
        for leaf in leaves:
            stack.append(leaf)
            size += 1
            bit = size
            while not bit & 1:  # a carry: two subtrees of one size become one
                right = stack.pop()
                stack[-1] = sha256(b"\x01" + stack[-1] + right).digest()
                bit >>= 1
        return Tree(size, tuple(stack))

    @property
    def root(self) -> bytes:
        """The Merkle tree hash; of an empty tree SHA-256 of nothing."""
        if not self.frontier:
            return EMPTY_ROOT
        root = self.frontier[-1]
        for subtree in reversed(self.frontier[:-1]):
            root = node_hash(subtree, root)
        return root


class Levels:
    """All hashes of the perfect subtrees of a tree, for making proofs: 64 bytes per leaf."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        sha256 = hashlib.sha256
        self.size = len(leaves)
        self._levels: list[Sequence[bytes]] = [leaves]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            pairs = zip(below[0 : len(below) // 2 * 2 : 2], below[1::2], strict=True)
            self._levels.append([sha256(b"\x01" + left + right).digest() for left, right in pairs])

    def root(self, size: int | None = None) -> bytes:
        """The root of the tree of the first ``size`` leaves (None: of all)."""
        return self._hash(0, self.size if size is None else size)

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """The audit path of leaf ``index`` in the tree of the first ``size`` leaves (RFC 6962, 2.1.1)."""
        size = self.size if size is None else size
        if not 0 <= index < size <= self.size:
            raise ValueError("no such leaf")
        path: list[bytes] = []
        low, high = 0, size
        while high - low > 1:
            middle = low + _split(high - low)
            if index < middle:
                path.append(self._hash(middle, high))
                high = middle
            else:
                path.append(self._hash(low, middle))
                low = middle
        return path[::-1]

    def consistency(self, first: int, second: int | None = None) -> list[bytes]:
        """The proof that the tree of ``first`` leaves begins that of ``second`` leaves (RFC 6962, 2.1.2)."""
        second = self.size if second is None else second
        if not 0 <= first <= second <= self.size:
            raise ValueError("no such tree")
        if first in (0, second):
            return []
        path: list[bytes] = []
        low, high, whole, wanted = 0, second, True, first
        while wanted != high - low:
            middle = _split(high - low)
            if wanted <= middle:
                path.append(self._hash(low + middle, high))
                high = low + middle
            else:
                path.append(self._hash(low, low + middle))
                low, wanted, whole = low + middle, wanted - middle, False
        if not whole:
            path.append(self._hash(low, high))
        return path[::-1]

    def _hash(self, low: int, high: int) -> bytes:
        """The root over leaves ``low`` … ``high`` − 1, where ``low`` is where a subtree begins."""
        if high == low:
            return EMPTY_ROOT
        width = high - low
        if width & (width - 1) == 0:
            return self._levels[width.bit_length() - 1][low // width]
        middle = low + _split(width)
        return node_hash(self._hash(low, middle), self._hash(middle, high))


def _split(width: int) -> int:
    """The largest power of two below ``width``."""
    return 1 << ((width - 1).bit_length() - 1)


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that an audit path leads to (RFC 9162, 2.1.3.2).

    Raises:
        ValueError: the path has the wrong length.
    """
    if not 0 <= index < size:
        raise ValueError("the index lies outside the tree")
    node, last, root = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise ValueError("the path is too long")
        if node & 1 or node == last:
            root = node_hash(sibling, root)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise ValueError("the path is too short")
    return root


def consistent(first: int, first_root: bytes, second: int, second_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the first tree is a beginning of the second one (RFC 9162, 2.1.4.2)."""
    if first > second or first < 0:
        return False
    if first in (0, second):
        return not path and (first_root == (EMPTY_ROOT if first == 0 else second_root))
    hashes = list(path)
    if first & (first - 1) == 0:
        hashes.insert(0, first_root)
    if not hashes:
        return False
    node, last = first - 1, second - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root
