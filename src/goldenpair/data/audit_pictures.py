"""What the pictures themselves tell without being decoded: sizes, damage, and lights that stand for one another."""

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from goldenpair.data.audit_files import NumberedRows, Step
from goldenpair.data.audit_goldens import GoldenFolders
from goldenpair.data.decoding import decode, read, read_size
from goldenpair.data.faults import Fault
from goldenpair.data.goldens import evenly
from goldenpair.data.table import Layout
from goldenpair.errors import DataError

HEADERS = 20_000
"""Of how many pictures of a table headers are read."""
LIGHT_ROWS = 100
"""Of how many rows of a table the lights are compared."""
_CHUNK, _THREADS = 64, 8
_SMALLEST, _LARGEST = 8, 50_000_000  # pixels a side, pixels in all
_TOLERANCE, _PIXELS = 0.05, 2  # a cut-out of a part may be some pixels larger than that of its golden
_TINY = 16
# Another order must take away 30 % of the distance and 3 grey levels for each light moved. On drawn boards with four
# lights (720 parts, half of them defects) the true order always fits best, so none is told wrongly, and of all orders
# that are not the true one 95 % are told in each part.
_CLEARLY, _LEVELS = 0.7, 3.0


@dataclass(frozen=True)
class _Pair:
    """A row and the paths of its pictures, one for each light; `goldens` are those of each golden."""

    row: int
    sample: list[str]
    goldens: list[list[str]]

    @property
    def paths(self) -> list[str]:
        return [*self.sample, *(path for golden in self.goldens for path in golden)]


def headers_to_read(rows: NumberedRows, layout: Layout) -> int:
    """At most as many pictures as this are looked at."""
    return min(HEADERS, (1 + layout.goldens) * len(rows.sample) * len(layout.suffixes))


def picture_faults(
    split: str,
    rows: NumberedRows,
    whole: NDArray[np.bool_],
    layout: Layout,
    step: Step,
    folders: GoldenFolders | None = None,
) -> tuple[list[Fault], list[str]]:
    """Faults of the pictures of the rows that have all of them (`whole`, bool [N]), and notes on what was not read.

    Where samples have several goldens, `folders` tells which; those that are compared outside of training are read.

    None is fatal: training leaves out what cannot be read, and scoring gives it the verdict ERROR.
    """
    pairs, total = _pairs(rows, np.flatnonzero(whole), layout, folders)
    headers = _headers({path: None for pair in pairs for path in pair.paths}, step)
    notes = []
    if len(headers) < total:
        notes.append(f"{split}: headers of {len(headers):,} of {total:,} pictures were read, evenly spread")
    broken = {path: text for path, text in headers.items() if isinstance(text, str)}
    sizes = {path: size for path, size in headers.items() if isinstance(size, tuple)}
    pairs = [pair for pair in pairs if broken.keys().isdisjoint(pair.paths)]
    faults = []
    if len(layout.lights) > 1:
        lit = [pairs[place] for place in evenly(len(pairs), LIGHT_ROWS)]
        faults += _light_faults(split, rows, lit, layout.lights, broken)
    return _header_faults(split, rows, pairs, sizes, broken) + faults, notes


def _pairs(
    rows: NumberedRows, chosen: NDArray[np.int64], layout: Layout, folders: GoldenFolders | None
) -> tuple[list[_Pair], int]:
    """The pairs whose headers are read, each once, and how many pictures there are in all."""
    table, lights, several = rows.table, len(layout.suffixes), layout.goldens
    names, root = table.cells["object_name"], table.images_dir
    if folders:
        of_folder = [len(folders.names(rows, row)) for row in _first(rows.golden, chosen).tolist()]
        total = (len(np.unique(rows.sample[chosen])) + sum(min(several, count) for count in of_folder)) * lights
    else:
        total = len(np.unique(np.concatenate([rows.sample[chosen], rows.golden[chosen]]))) * lights
    first = _first(rows.pair, chosen)
    few = HEADERS if total <= HEADERS else max(1, HEADERS // ((1 + several) * lights))

    def paths(column: str, row: int, name: str) -> list[str]:
        start = str(root / table.cells[column][row] / name)
        return [start + suffix for suffix in layout.suffixes]

    def goldens(row: int) -> list[list[str]]:
        there = folders.names(rows, row) if folders else [names[row]]
        return [paths("golden_path", row, there[place]) for place in evenly(len(there), several).tolist()]

    kept = first[evenly(len(first), few)].tolist()
    return [_Pair(row, paths("input_path", row, names[row]), goldens(row)) for row in kept], total


def _first(numbers: NDArray[np.int64], chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of the chosen rows the first with each number, in their order."""
    return chosen[np.sort(np.unique(numbers[chosen], return_index=True)[1])]


def _headers(paths: Iterable[str], step: Step) -> dict[str, tuple[int, int] | str]:
    """Width and height of each picture as its header has it, or why it has none."""
    todo = list(paths)
    chunks = [todo[start : start + _CHUNK] for start in range(0, len(todo), _CHUNK)]
    found: dict[str, tuple[int, int] | str] = {}
    with ThreadPoolExecutor(_THREADS) as pool:
        for chunk, headers in zip(chunks, pool.map(lambda some: [_header(one) for one in some], chunks), strict=True):
            found.update(zip(chunk, headers, strict=True))
            step(len(chunk))
    return found


def _header(path: str) -> tuple[int, int] | str:
    try:
        return read_size(path)
    except DataError as error:
        return str(error)


def _header_faults(
    split: str, rows: NumberedRows, pairs: list[_Pair], sizes: dict[str, tuple[int, int]], broken: dict[str, str]
) -> list[Fault]:
    texts = list(broken.values())
    what = "picture that cannot be read: training leaves it out, scoring says ERROR"
    faults = Fault.of(split, "picture_unreadable", what, range(len(texts)), texts.__getitem__, fatal=False)
    small = [path for path, size in sizes.items() if min(size) < _SMALLEST]
    large = [path for path, (width, height) in sizes.items() if width * height > _LARGEST]
    for code, what, paths in (
        ("picture_tiny", f"picture with a side below {_SMALLEST} pixels", small),
        ("picture_huge", f"picture of more than {_LARGEST // 1_000_000} megapixels", large),
    ):

        def tell(place: int, paths: list[str] = paths) -> str:
            return f"{paths[place]}: {_size(sizes[paths[place]])}"

        faults += Fault.of(split, code, what, range(len(paths)), tell, fatal=False)
    odd = [
        (pair.row, sizes[sample], sizes[golden])
        for pair in pairs
        for golden_paths in pair.goldens
        for sample, golden in zip(pair.sample, golden_paths, strict=True)
        if _differ(sizes[sample], sizes[golden])
    ]
    if odd:
        (sample, golden), count = Counter((sample, golden) for _, sample, golden in odd).most_common(1)[0]
        what = f"picture of another size than its golden ({count} times {_size(sample)} against {_size(golden)})"

        def tell_odd(place: int) -> str:
            row, sample, golden = odd[place]
            return f"{rows.table.describe(row)}: {_size(sample)}, its golden {_size(golden)}"

        faults += Fault.of(split, "picture_size_differs", what, range(len(odd)), tell_odd, fatal=False)
    return faults


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _differ(sample: tuple[int, int], golden: tuple[int, int]) -> bool:
    sides = list(zip(sample, golden, strict=True))
    ratios = [one / other for one, other in sides]
    off = max(abs(ratio - 1) for ratio in (*ratios, ratios[0] / ratios[1]))
    return off > _TOLERANCE and max(abs(one - other) for one, other in sides) > _PIXELS


def _light_faults(
    split: str, rows: NumberedRows, pairs: list[_Pair], lights: Sequence[str], broken: dict[str, str]
) -> list[Fault]:
    """Lights that look like another light of the golden, and lights of a part that are the same file twice.

    What only decoding shows to be broken is added to `broken`.
    """
    swapped: list[tuple[int, str]] = []
    twins: dict[str, None] = {}
    for pair in pairs:
        sample, golden = (_tiny(paths, twins, broken) for paths in (pair.sample, pair.goldens[0]))
        if sample is None or golden is None:
            continue
        order = swapped_lights(sample, golden)
        if order:
            said = ", ".join(f"{lights[i]} looks like {lights[j]}" for i, j in enumerate(order) if i != j)
            swapped.append((pair.row, said))
    told = list(twins)
    what = "lights of one part that are the same file"
    faults = Fault.of(split, "lights_identical", what, range(len(told)), told.__getitem__, fatal=False)
    if swapped:
        said, count = Counter(said for _, said in swapped).most_common(1)[0]
        what = f"part whose lights look swapped against its golden's ({count} of {len(pairs)} looked at: {said})"

        def tell(place: int) -> str:
            row, said = swapped[place]
            return f"{rows.table.describe(row)}: {said}"

        faults += Fault.of(split, "lights_swapped", what, range(len(swapped)), tell, fatal=False)
    return faults


def _tiny(paths: list[str], twins: dict[str, None], broken: dict[str, str]) -> NDArray[np.float32] | None:
    """float32 [L, 3, 16, 16], or None with the reason in `broken`; lights that are the same bytes go to `twins`."""
    contents: dict[bytes, str] = {}
    pictures = []
    for path in paths:
        try:
            content = read(path)
            pictures.append(decode(content, _TINY, _TINY, path))
        except DataError as error:
            broken[path] = str(error)
            return None
        if content in contents:
            twins[f"{contents[content]} and {Path(path).name}"] = None
        contents.setdefault(content, path)
    return np.stack(pictures).astype(np.float32)


def swapped_lights(sample: NDArray[np.float32], golden: NDArray[np.float32]) -> list[int] | None:
    """Which light of the golden each light of the sample looks like, if that is clearly another order; else None.

    Both are float32 [L, 3, H, W] of tiny pictures.
    """
    from scipy.optimize import linear_sum_assignment

    distance = np.abs(sample[:, None] - golden[None]).mean(axis=(2, 3, 4))
    _, best = linear_sum_assignment(distance)
    as_named, as_found = float(np.trace(distance)), float(distance[np.arange(len(best)), best].sum())
    moved = int((best != np.arange(len(best))).sum())
    clearly = as_found < _CLEARLY * as_named and as_named - as_found > _LEVELS * moved
    return [int(place) for place in best] if clearly else None
