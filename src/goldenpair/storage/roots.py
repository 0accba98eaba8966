"""Which folder of a data set its table's paths start from: archives often have one more folder around it."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

_DEPTH = 4  # folders within folders that are looked through
_WRAPPERS = ("images", "image", "data", "dataset")


def root_of(folder: str, wanted: Sequence[tuple[str, str]]) -> tuple[str | None, list[str]]:
    """The first folder, from the outside on, that holds one of the wanted parts; and those that were looked in.

    A part is the cell that names its folder, and how the names of its pictures begin.
    """
    tried = []
    for place in _places(folder):
        tried.append(place)
        if any(_holds(place, cell, name) for cell, name in wanted):
            return place, tried
    return None, tried


def unwrapped(folder: str) -> str:
    """The folder within those that are called as wrappers are, and hold nothing else."""
    for _ in range(_DEPTH):
        inside = os.listdir(folder)
        if len(inside) != 1 or inside[0].lower() not in _WRAPPERS:
            break
        folder = os.path.join(folder, inside[0])
    return folder


def _places(folder: str) -> Iterator[str]:
    """The folder itself, then those in it that are called as wrappers are, or are the only one."""
    waiting = deque([(folder, 0)])
    while waiting:
        place, depth = waiting.popleft()
        yield place
        if depth == _DEPTH:
            continue
        try:
            inside = sorted(
                one.name for one in os.scandir(place) if one.is_dir() and not one.name.startswith(("__", "."))
            )
        except OSError:
            continue
        named = [name for name in inside if name.lower() in _WRAPPERS or len(inside) == 1]
        waiting.extend((os.path.join(place, name), depth + 1) for name in named)


def _holds(root: str, cell: str, name: str) -> bool:
    path = PurePosixPath(cell.strip("/")) / name
    try:
        with os.scandir(os.path.join(root, str(path.parent))) as there:
            return any(one.name.startswith(path.name) for one in there)
    except (OSError, ValueError):
        return False
