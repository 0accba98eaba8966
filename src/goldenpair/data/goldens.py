"""Several goldens of a part: what a folder of them holds, and which of them a row is compared with."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class GoldenFolder:
    """`names` are the goldens that have a picture for every light, in the order of their names; `strays` are the
    other files with the right extension, which are not used."""

    names: list[str]
    strays: list[str]


def golden_folder(leaves: Sequence[str], suffixes: Sequence[str], extension: str) -> GoldenFolder:
    """The goldens among the file names of a folder, in whatever order these come; hidden files do not count.

    `suffixes` are what follows a golden's name in the file name of each light, `extension` is what all end in.
    """
    ours = [leaf for leaf in leaves if leaf.endswith(extension) and not leaf.startswith(".")]
    lights = Counter(leaf.removesuffix(suffix) for suffix in suffixes for leaf in ours if leaf.endswith(suffix))
    names = sorted(name for name, count in lights.items() if name and count == len(suffixes))
    used = {name + suffix for name in names for suffix in suffixes}
    return GoldenFolder(names, sorted(leaf for leaf in ours if leaf not in used))


def listed(folder: str) -> list[str]:
    """The file names in a folder, none where there is no folder that can be read."""
    try:
        return os.listdir(folder)
    except (OSError, ValueError):
        return []


def fixed_choice(pool: NDArray[np.int64], wanted: int) -> NDArray[np.int64]:
    """`wanted` of the goldens in `pool`, int64 [C, L]: evenly spread where there are more, repeated where fewer."""
    return pool[np.resize(evenly(len(pool), wanted), wanted)]


def drawn_choice(pool: NDArray[np.int64], wanted: int, seed: Sequence[int]) -> NDArray[np.int64]:
    """`wanted` of the goldens in `pool` at random; none comes again before all have come."""
    return pool[np.resize(np.random.default_rng(seed).permutation(len(pool)), wanted)]


def evenly(count: int, wanted: int) -> NDArray[np.int64]:
    """At most `wanted` places of `count`, evenly spread, the first and the last among them: int64 [min(both)]."""
    return np.linspace(0, count - 1, min(count, wanted)).astype(np.int64)
