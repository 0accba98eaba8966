"""Where a network sees that a part differs from its golden, by swapping pixels of the two; any network, any lights.

The picture is cut into CELLS x CELLS cells; a window is 2 x 2 of them, and windows overlap by half. For each light and
each window two questions are put to the network: how much does the evidence of a defect fall when the golden's pixels
stand there in the sample, and how much does it rise when the sample's pixels stand there in the golden? The first alone
would miss one of two defects each of which suffices, the second alone what is only seen together with others; the mean
of both is the window's (what Shapley's value would weigh most), and a cell has the mean of its windows. Nothing but
scores is needed, so an exported network is explained like a checkpoint. A network that tells of each pixel how probable
it is that it has changed is taken at its word instead.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from goldenpair.data.cache import Pictures
from goldenpair.data.goldens import evenly
from goldenpair.data.table import PairTable, part_pictures
from goldenpair.errors import DataError, InputError
from goldenpair.evaluation import by_sample, closest_golden
from goldenpair.progress import Progress
from goldenpair.tasks import Features, Task

CELLS = 8
"""In how many cells each side of a picture is cut: how fine a heatmap is."""
GOOD_PARTS, LEVEL = 40, 95
"""On so many good parts the scale is fixed, so that this percentage of them stays below 1.0 everywhere."""


@dataclass(frozen=True, eq=False)
class Heatmap:
    """Where a part differs, and for which light: `heat` is float32 [L, h, w], 0 or more.

    1.0 is what good parts reach at their hottest places (HeatmapScale). L is 1 where a part has one picture; `lights`
    are their names, () then.
    """

    heat: NDArray[np.float32]
    lights: tuple[str, ...] = ()

    @property
    def combined(self) -> NDArray[np.float32]:
        """The hottest of all lights, float32 [h, w]."""
        found: NDArray[np.float32] = self.heat.max(axis=0)
        return found

    @property
    def peak(self) -> float:
        """How hot the hottest place is."""
        return float(self.heat.max())

    @property
    def light(self) -> str:
        """The light that saw most: that of the hottest place; "" where there is one picture."""
        return self.lights[int(self.heat.max(axis=(1, 2)).argmax())] if self.lights else ""


@dataclass(frozen=True)
class HeatmapScale:
    """What is 1.0 in heatmaps: `level`, in units of `Task.evidence`, below which the hottest places of LEVEL % of so
    many `good_parts` of the table `source` stay."""

    level: float
    good_parts: int
    source: str

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "percent_below": LEVEL}


@dataclass(frozen=True, eq=False)
class ExplainedPart:
    """A row of a table with its heatmap and its pictures, uint8 [L, 3, h, w]: of several goldens the closest."""

    row: int
    sample: NDArray[np.uint8]
    golden: NDArray[np.uint8]
    heatmap: Heatmap


def explain_pair(
    task: Task,
    sample: NDArray[np.uint8],
    golden: NDArray[np.uint8],
    device: torch.device,
    batch_size: int,
    scale: float,
) -> tuple[Heatmap, NDArray[np.uint8]]:
    """The heatmap of a pair, and the golden, uint8 [L, 3, H, W], that it is compared with.

    The pictures are uint8 [L, 3, H, W] each; of several goldens, [G, L, 3, H, W], the closest is taken. At most
    `batch_size` pictures are scored at once; `scale` is the level that becomes 1.0. Raises InputError for a scale that
    is not positive, DataError where the network gives no number.
    """
    if not 0 < scale < float("inf"):
        raise InputError(f"heatmap scale: {scale} is no level; give a positive number, or have it fitted on good parts")
    reference = golden if golden.ndim == 4 else golden[closest_golden(task, sample, golden, device)]
    heat = _heat(task, sample, reference, golden, device, batch_size)
    if not np.isfinite(heat).all():
        raise DataError("the network gave no number")
    return Heatmap(heat / np.float32(scale), task.layout.lights), reference


def explain_rows(
    task: Task,
    table: PairTable,
    rows: Sequence[int],
    device: torch.device,
    *,
    scale: float,
    batch_size: int,
    workers: int,
    progress: Progress | None = None,
) -> Iterator[ExplainedPart]:
    """These rows of a table, one after the other; without those whose pictures cannot be read or give no number."""
    layout = task.layout
    parts = part_pictures(table, layout)
    pictures = Pictures(parts.paths, layout.height, layout.width, workers)
    for done, row in enumerate(rows, 1):
        place = np.array([row])
        sample, golden = pictures.read(parts.sample[row]), pictures.read(parts.golden(place)[0])
        if parts.whole(pictures.errors, place)[0]:
            try:
                heatmap, reference = explain_pair(task, sample, golden, device, batch_size, scale)
            except DataError:
                continue
            yield ExplainedPart(row, sample, reference, heatmap)
        if progress:
            progress(done, len(rows))


def fit_scale(
    task: Task,
    table: PairTable,
    device: torch.device,
    *,
    batch_size: int,
    workers: int,
    progress: Progress | None = None,
) -> HeatmapScale:
    """The scale by which LEVEL % of the good parts of a labelled table stay dark: GOOD_PARTS of them, evenly spread.

    Raises InputError if there is none that can be read, or if all of them are equal to their goldens.
    """
    good = np.flatnonzero(~table.is_defect)
    rows = good[evenly(len(good), GOOD_PARTS)].tolist() if len(good) else []
    explained = explain_rows(
        task, table, rows, device, scale=1.0, batch_size=batch_size, workers=workers, progress=progress
    )
    peaks = [one.heatmap.peak for one in explained]
    level = float(np.percentile(peaks, LEVEL)) if peaks else 0.0
    if not level > 0:
        why = "all its good parts are as their goldens" if peaks else "it has no part labelled PASS that can be read"
        raise InputError(
            f"heatmaps: {table.source} cannot tell what is normal in a good part, as {why}; name a table that can, or "
            "set heatmap_scale"
        )
    return HeatmapScale(level, len(peaks), table.source)


@dataclass(frozen=True)
class _Window:
    """Pixels of one light, and the window's place among those of the light."""

    light: int
    place: tuple[int, int]
    rows: slice
    columns: slice


def _heat(
    task: Task,
    sample: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    golden: NDArray[np.uint8],
    device: torch.device,
    batch_size: int,
) -> NDArray[np.float32]:
    """float32 [L, h, w] in units of `Task.evidence`, or the probability of change where the network tells it."""
    with torch.inference_mode():
        pair = torch.from_numpy(np.stack([sample, reference])).to(device)
        goldens = torch.from_numpy(golden.reshape(-1, *sample.shape)).to(device)
        kept = by_sample(task.keep(task.features(task.prepare(goldens))), task.layout.goldens)
        native = task.change(task.features(task.prepare(pair[:1])), kept)
        heat = _occlusion(task, pair, kept, batch_size) if native is None else native.float()
        return heat.cpu().numpy()


def _occlusion(task: Task, pair: Tensor, kept: Features, batch_size: int) -> Tensor:
    """uint8 [2, L, 3, H, W] sample and reference -> [L, H, W]."""
    layout = task.layout
    rows, columns, lights = _cuts(layout.height), _cuts(layout.width), pair.shape[1]
    effect = torch.zeros(lights, max(1, len(rows) - 2), max(1, len(columns) - 2))
    # a window where the two are equal has no effect, and costs nothing
    windows = [one for one in _windows(rows, columns, lights) if not torch.equal(*_inside(pair, one))]
    bases = [0, 1] + [base for base in (0, 1) for _ in windows]
    changes = [None, None, *windows, *windows]
    found = []
    for start in range(0, len(bases), batch_size):
        some = slice(start, start + batch_size)
        found.append(_evidence(task, pair, bases[some], changes[some], kept))
    whole, none, *rest = torch.cat(found).double().cpu()
    for place, window in enumerate(windows):
        taken, put = rest[place], rest[len(windows) + place]
        effect[window.light, *window.place] = ((whole - taken) + (put - none)) / 2
    cells = _spread(effect.clamp(min=0), len(rows) - 1, len(columns) - 1)
    size = (layout.height, layout.width)
    return functional.interpolate(cells[None], size=size, mode="bilinear", align_corners=False)[0]


def _evidence(
    task: Task, pair: Tensor, bases: Sequence[int], changes: Sequence[_Window | None], kept: Features
) -> Tensor:
    """float [n]: of the sample (0) or the reference (1), with the other's pixels in the window, if there is one."""
    pictures = pair[list(bases)]
    for picture, base, window in zip(pictures, bases, changes, strict=True):
        if window:
            picture[window.light, :, window.rows, window.columns] = _inside(pair, window)[1 - base]
    goldens = tuple(one.expand(len(pictures), *one.shape[1:]) for one in kept)
    return task.evidence(task.features(task.prepare(pictures)), goldens)


def _inside(pair: Tensor, window: _Window) -> tuple[Tensor, Tensor]:
    sample, reference = pair[:, window.light, :, window.rows, window.columns]
    return sample, reference


def _cuts(size: int) -> list[int]:
    """Where the cells of a side begin, and where the last one ends."""
    cells = min(CELLS, size)
    return [round(size * cell / cells) for cell in range(cells + 1)]


def _windows(rows: Sequence[int], columns: Sequence[int], lights: int) -> Iterator[_Window]:
    for light in range(lights):
        for i in range(max(1, len(rows) - 2)):
            for j in range(max(1, len(columns) - 2)):
                yield _Window(light, (i, j), _two(rows, i), _two(columns, j))


def _spread(effect: Tensor, rows: int, columns: int) -> Tensor:
    """Of windows, [L, rows - 1, columns - 1] -> of cells, [L, rows, columns]: the mean of the windows over each."""
    cells, over = torch.zeros(len(effect), rows, columns), torch.zeros(rows, columns)
    for i in range(min(2, rows)):
        for j in range(min(2, columns)):
            place = (slice(i, i + effect.shape[1]), slice(j, j + effect.shape[2]))
            cells[:, *place] += effect
            over[place] += 1
    return cells / over


def _two(cuts: Sequence[int], cell: int) -> slice:
    """The pixels of a cell and of the next one, if there is one."""
    return slice(cuts[cell], cuts[min(cell + 2, len(cuts) - 1)])
