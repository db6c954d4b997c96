"""RFC 6962's tree: published vectors, and every proof of every small tree, by two implementations."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_argo_archive.audit import standalone
from kubectl_argo_archive.audit.merkle import (
    EMPTY_ROOT,
    Levels,
    Tree,
    consistent,
    leaf_hash,
    node_hash,
    root_from_inclusion,
)

# from the tests of google/certificate-transparency (merkletree): inputs, and the roots of their prefixes
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PATHS = {
    (0, 8): ["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
             "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
             "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"],
    (5, 8): ["bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
             "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
             "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): ["6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
             "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
             "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"],
}  # fmt: skip
CONSISTENCY = {
    (1, 8): ["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
             "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
             "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"],
    (6, 8): ["0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
             "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
             "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"],
    (2, 5): ["5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
             "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"],
    (1, 1): [],
}  # fmt: skip

LEAVES = [leaf_hash(bytes.fromhex(text)) for text in INPUTS]


def texts(path: list[bytes]) -> list[str]:
    return [one.hex() for one in path]


def test_published_vectors() -> None:
    levels = Levels(LEAVES)
    for size, root in enumerate(ROOTS):
        assert Tree().append(LEAVES[:size]).root.hex() == levels.root(size).hex() == root
        assert standalone.tree_root(LEAVES[:size]).hex() == root
    for (index, size), path in PATHS.items():
        assert texts(levels.inclusion(index, size)) == path
    for (first, second), path in CONSISTENCY.items():
        assert texts(levels.consistency(first, second)) == path


@pytest.mark.parametrize("size", range(34))
def test_every_proof_of_small_trees(size: int) -> None:
    leaves = [leaf_hash(bytes([i])) for i in range(size)]
    levels, whole = Levels(leaves), Tree().append(leaves)
    assert whole.root == levels.root()
    for first in range(size + 1):
        old = Tree().append(leaves[:first])
        assert old.append(leaves[first:]) == whole
        path = levels.consistency(first)
        assert consistent(first, old.root, size, whole.root, path)
        if first:
            assert standalone.roots_from_consistency(first, size, path, old.root) == (old.root, whole.root)
        for index in range(first):
            inclusion = levels.inclusion(index, first)
            assert root_from_inclusion(leaves[index], index, first, inclusion) == old.root
            assert standalone.root_from_inclusion(leaves[index], index, first, inclusion) == old.root


@given(st.integers(1, 300), st.data())
def test_wrong_proofs_fail(size: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(b"%d" % i) for i in range(size)]
    levels = Levels(leaves)
    index = data.draw(st.integers(0, size - 1))
    path = levels.inclusion(index)
    wrong = [*path, EMPTY_ROOT] if data.draw(st.booleans()) or not path else path[:-1]
    for check in (root_from_inclusion, standalone.root_from_inclusion):
        with pytest.raises(ValueError):
            check(leaves[index], index, size, wrong)
        assert check(EMPTY_ROOT, index, size, path) != levels.root()
        if size > 1:
            other = (index + 1) % size
            with suppress(ValueError):  # the path of another leaf may have another length
                assert check(leaves[index], other, size, path) != levels.root()
    first = data.draw(st.integers(1, size))
    proof = levels.consistency(first)
    for at in range(len(proof)):
        forged = [*proof[:at], EMPTY_ROOT, *proof[at + 1 :]]
        assert not consistent(first, levels.root(first), size, levels.root(), forged)
        roots = standalone.roots_from_consistency(first, size, forged, levels.root(first))
        assert roots != (levels.root(first), levels.root())
    assert not consistent(first, EMPTY_ROOT, size, levels.root(), proof)
    assert not consistent(first, levels.root(first), size, levels.root(), [*proof, EMPTY_ROOT])


def test_nodes_are_no_leaves() -> None:
    """The prefixes: a pair of hashes offered as a leaf does not give the node."""
    assert leaf_hash(LEAVES[0] + LEAVES[1]) != node_hash(LEAVES[0], LEAVES[1])


def test_a_frontier_fits_its_size() -> None:
    with pytest.raises(ValueError, match="frontier"):
        Tree(3, (EMPTY_ROOT,))
