"""How much a network minds disturbed pictures: samples are shifted, turned, darkened ... and scored again.

Only the sample is disturbed; its golden is what it is. Every disturbance works on the uint8 pictures of a batch, and
leaves uint8 pictures, as a camera does. Nothing is random: which way a part is shifted depends on its place among the
parts that are measured.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations, groupby

import numpy as np
import simplejpeg
import torch
from numpy.typing import NDArray
from torch import Tensor

from goldenpair.data.augment import blur, move, rotation
from goldenpair.data.cache import Pictures
from goldenpair.data.goldens import evenly
from goldenpair.data.pairs import ahead
from goldenpair.data.table import PairTable, PartPictures, part_pictures
from goldenpair.data.threads import Threads
from goldenpair.errors import InputError
from goldenpair.evaluation import by_sample
from goldenpair.metrics import Flag
from goldenpair.progress import Progress
from goldenpair.quality.robustness import Curve, Point, Robustness
from goldenpair.tasks import Features, Task

Disturb = Callable[[Tensor, NDArray[np.int64]], Tensor]
"""uint8 [n, L, 3, H, W] pictures, and int64 [n] places among the parts that are measured -> disturbed pictures."""
Decide = Callable[[NDArray[np.float32], NDArray[np.int64]], Flag]
"""Scores and rows of the table, [n] each -> which of them are stopped."""
_WAYS = ((1, 0), (0, 1), (-1, 0), (0, -1), (1, 1), (-1, 1), (-1, -1), (1, -1))  # the directions of a shift
SHIFTS, TURNS = (0, 1, 2, 3, 5, 7.5, 10), (0, 1, 2, 3, 5, 10)
BRIGHTNESS, GAMMAS = (-50, -30, -15, 0, 15, 30, 50), (0.5, 0.7, 0.85, 1, 1.2, 1.5, 2)
BLURS, QUALITIES = (0, 0.5, 1, 1.5, 2, 3), (95, 75, 50, 30, 15)


@dataclass(frozen=True)
class Condition:
    """A point of the curve `name`, before it is measured."""

    name: str
    unit: str
    said: str
    level: float
    label: str
    disturb: Disturb


def conditions(lights: Sequence[str], workers: int = 0) -> list[Condition]:
    """All disturbances of parts with these lights, those of a curve one after the other."""
    threads = Threads(workers)
    found: list[Condition] = []

    def add(name: str, unit: str, said: str, levels: Sequence[float], disturb: Callable[..., Tensor]) -> None:
        for level in levels:
            found.append(Condition(name, unit, said, level, f"{level:g} {unit}".strip(), partial(disturb, level)))

    edge = "pixels at the edge repeated"
    add("shift", "%", f"shifted by this share of the crop, in one of eight directions; {edge}", SHIFTS, shifted)
    add("rotation", "degrees", f"turned, half of the parts to the left; {edge}", TURNS, turned)
    add("brightness", "%", "every value made larger by this share", BRIGHTNESS, brightened)
    add("gamma", "", "every value, from 0 to 1, raised to this power: above 1 is darker", GAMMAS, with_gamma)
    add("blur", "px", "Gaussian blur with this standard deviation, after resizing", BLURS, blurred)
    add("JPEG quality", "", "compressed once more", QUALITIES, partial(compressed, threads))
    one_missing = "a lamp is off: its picture black. Pictures that are all black get ERROR; nearly black ones do not"
    for number, light in enumerate(lights if len(lights) > 1 else ()):
        found.append(Condition("light missing", "", one_missing, number, light, partial(darkened, number)))
    for number, (one, other) in enumerate(combinations(range(len(lights)), 2)):
        label, swap = f"{lights[one]} and {lights[other]}", partial(swapped, one, other)
        found.append(Condition("lights swapped", "", "each has the other's picture", number, label, swap))
    return found


def shifted(percent: float, pictures: Tensor, place: NDArray[np.int64]) -> Tensor:
    height, width = pictures.shape[-2:]
    maps = torch.eye(3).repeat(len(place), 1, 1)
    ways = torch.tensor(_WAYS, dtype=torch.float32)[torch.from_numpy(place % len(_WAYS))]
    maps[:, 0, 2], maps[:, 1, 2] = ways[:, 0] * width * percent / 100, ways[:, 1] * height * percent / 100
    return _as_pixels(move(pictures, maps, outside="border"))


def turned(degrees: float, pictures: Tensor, place: NDArray[np.int64]) -> Tensor:
    signs = torch.from_numpy(1.0 - 2.0 * (place % 2)).float()
    return _as_pixels(move(pictures, rotation(signs * degrees), outside="border"))


def brightened(percent: float, pictures: Tensor, place: NDArray[np.int64]) -> Tensor:
    return _as_pixels(pictures.float() * (1 + percent / 100))


def with_gamma(power: float, pictures: Tensor, place: NDArray[np.int64]) -> Tensor:
    return _as_pixels((pictures.float() / 255) ** power * 255)


def blurred(sigma: float, pictures: Tensor, place: NDArray[np.int64]) -> Tensor:
    spread = torch.full((len(pictures),), sigma)
    return _as_pixels(blur(pictures.float(), spread, farthest=int(np.ceil(3 * sigma))))


def compressed(threads: Threads, quality: float, pictures: Tensor, place: NDArray[np.int64]) -> Tensor:
    flat = np.ascontiguousarray(pictures.flatten(0, 1).permute(0, 2, 3, 1).cpu().numpy())

    def again(number: int) -> NDArray[np.uint8]:
        content = simplejpeg.encode_jpeg(flat[number], quality=int(quality), colorsubsampling="420", fastdct=False)
        decoded: NDArray[np.uint8] = simplejpeg.decode_jpeg(content)
        return decoded

    done = torch.from_numpy(np.stack(threads.each(again, range(len(flat)))))
    return done.permute(0, 3, 1, 2).reshape(pictures.shape).to(pictures.device)


def darkened(light: int, pictures: Tensor, place: NDArray[np.int64]) -> Tensor:
    without = pictures.clone()
    without[:, light] = 0
    return without


def swapped(one: int, other: int, pictures: Tensor, place: NDArray[np.int64]) -> Tensor:
    order = list(range(pictures.shape[1]))
    order[one], order[other] = other, one
    return pictures[:, order]


def _as_pixels(pictures: Tensor) -> Tensor:
    return pictures.round().clamp(0, 255).to(torch.uint8)


def measured_rows(is_defect: Flag, known: Flag, most: int) -> NDArray[np.int64]:
    """Up to `most` defects and as many good parts of the `known` rows, bool [N] each, evenly spread, in table order."""
    found = []
    for kind in (is_defect, ~is_defect):
        rows = np.flatnonzero(kind & known)
        found.append(rows[evenly(len(rows), most)] if len(rows) else rows)
    return np.sort(np.concatenate(found))


def measure_robustness(
    task: Task,
    table: PairTable,
    score: NDArray[np.float32],
    decide: Decide,
    cutoff: float | None,
    device: torch.device,
    *,
    most: int,
    batch_size: int,
    workers: int,
    progress: Progress | None = None,
) -> Robustness:
    """Score up to `most` good parts and defects of a labelled table under all conditions.

    `score` is float [N], of the undisturbed table; a row without a finite one is left out. `progress` counts scored
    pairs. Raises InputError if no row is left.
    """
    rows = measured_rows(table.is_defect, np.isfinite(score), most)
    if not len(rows):
        raise InputError(f"robustness: {table.source} has no row with a score")
    parts, layout = part_pictures(table, task.layout), task.layout
    pictures = Pictures(parts.paths, layout.height, layout.width, workers)
    every = conditions(layout.lights, workers)
    found = np.full((1 + len(every), len(rows)), np.nan, np.float32)
    done = 0
    with torch.inference_mode():
        for place, sample, golden in ahead(_batches(parts, pictures, rows, batch_size)):
            given = torch.from_numpy(sample).to(device)
            kept = _kept(task, golden, device)
            for number in range(1 + len(every)):
                seen = every[number - 1].disturb(given, place) if number else given
                found[number, place] = task.score(task.features(task.prepare(seen)), kept).float().cpu().numpy()
                done += len(place)
                if progress:
                    progress(done, found.size)
    # a file may have become unreadable since it was scored
    whole = np.flatnonzero(parts.whole(pictures.errors, rows) & np.isfinite(found[0]))
    if not len(whole):
        raise InputError(f"robustness: no picture of {table.source} can be read any more")
    return _robustness(found[:, whole], every, table.is_defect[rows[whole]], rows[whole], decide, cutoff, len(table))


def _batches(
    parts: PartPictures, pictures: Pictures, rows: NDArray[np.int64], size: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint8]]]:
    """Places in `rows`, uint8 samples [n, L, 3, H, W], and their goldens, the same or [n, G, L, 3, H, W]."""
    for start in range(0, len(rows), size):
        some = rows[start : start + size]
        place = np.arange(start, start + len(some))
        yield place, pictures.read(parts.sample[some]), pictures.read(parts.golden(some))


def _kept(task: Task, golden: NDArray[np.uint8], device: torch.device) -> Features:
    flat = torch.from_numpy(golden.reshape(-1, *golden.shape[-4:])).to(device)
    return by_sample(task.keep(task.features(task.prepare(flat))), task.layout.goldens)


def _robustness(
    score: NDArray[np.float32],
    every: Sequence[Condition],
    is_defect: Flag,
    rows: NDArray[np.int64],
    decide: Decide,
    cutoff: float | None,
    of: int,
) -> Robustness:
    """Of scores [1 + conditions, n], the undisturbed ones first."""
    # no number is no PASS
    stopped = [decide(one, rows) | ~np.isfinite(one) for one in score]
    points = [
        Point.of(one.level, one.label, score[number], is_defect, stopped[number], stopped[0])
        for number, one in enumerate(every, 1)
    ]
    curves = []
    for (name, unit, said), group in groupby(zip(every, points, strict=True), lambda two: _curve(two[0])):
        curves.append(Curve(name, unit, said, tuple(point for _, point in group)))
    none = Point.of(0.0, "as it is", score[0], is_defect, stopped[0], stopped[0])
    defects = int(is_defect.sum())
    return Robustness(cutoff, defects, len(is_defect) - defects, of, none, tuple(curves), int(stopped[0].sum()))


def _curve(one: Condition) -> tuple[str, str, str]:
    return one.name, one.unit, one.said
