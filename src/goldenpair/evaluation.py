"""Scores of a table: each golden, or folder of goldens, that rows share is looked at once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from goldenpair.data.cache import Pictures
from goldenpair.data.pairs import ahead
from goldenpair.data.table import PairTable, part_pictures
from goldenpair.progress import Progress
from goldenpair.tasks import Features, Task

TakeClasses = Callable[[NDArray[np.int64], NDArray[np.uint8]], None]
"""Called with some rows of a table, int64 [n], and the classes of their pixels, uint8 [n, h, w]."""


@dataclass(frozen=True)
class Scores:
    """float32 [N] `score` in table order, NaN where there is none; `errors` says why, by row."""

    score: NDArray[np.float32]
    errors: dict[int, str]


@dataclass(frozen=True)
class _Batch:
    """`golden` says for each of `rows` which one it compares with: 0 is the last golden of the batch before if
    `goes_on`, and the others are those of the rows `goldens`, in their order. A golden may be a folder of them."""

    rows: NDArray[np.int64]
    goldens: NDArray[np.int64]
    golden: NDArray[np.int64]
    goes_on: bool


def score_table(
    task: Task,
    table: PairTable,
    device: torch.device,
    *,
    batch_size: int,
    workers: int,
    progress: Progress | None = None,
    take: TakeClasses | None = None,
) -> Scores:
    """Score every row of a table. A picture that cannot be read costs its rows their score, never the run.

    Pictures are decoded while the network works and are not kept: each is needed once. Memory does not grow with the
    table but by its scores. `progress` counts samples and distinct goldens. What the network says of pixels goes to
    `take`, batch by batch, for the rows that can be read.
    """
    layout = task.layout
    parts = part_pictures(table, layout)
    pictures = Pictures(parts.paths, layout.height, layout.width, workers)
    batches = list(_batches(parts.golden_id, batch_size, layout.goldens))
    lights = parts.sample.shape[1]
    files = (np.concatenate([parts.sample[one.rows], parts.golden(one.goldens).reshape(-1, lights)]) for one in batches)
    task.model.to(device)
    total, done = sum(len(one.rows) + layout.goldens * len(one.goldens) for one in batches), 0
    score = np.empty(len(table), np.float32)
    last: Features = ()
    with torch.inference_mode():
        for batch, pixels in zip(batches, ahead(map(pictures.read, files)), strict=True):
            prepared = task.prepare(torch.from_numpy(pixels).to(device, non_blocking=True))
            found = task.features(prepared)
            count = len(batch.rows)
            goldens = by_sample(task.keep(tuple(one[count:] for one in found)), layout.goldens)
            if batch.goes_on:
                goldens = tuple(torch.cat(two) for two in zip(last, goldens, strict=True))
            last = tuple(one[-1:] for one in goldens)
            which = torch.from_numpy(batch.golden).to(device)
            pair = tuple(one[:count] for one in found), tuple(one[which] for one in goldens)
            of_pairs, classes = task.look(*pair)
            score[batch.rows] = of_pairs.float().cpu().numpy()
            if take and classes is not None:
                whole = parts.whole(pictures.errors, batch.rows) & np.isfinite(score[batch.rows])
                take(batch.rows[whole], classes.cpu().numpy()[whole])
            done += len(pixels)
            if progress:
                progress(done, total)
    faults = parts.faults(pictures.errors, np.arange(len(table)))
    errors = {row: text for row, text in enumerate(faults) if text}
    for row in np.flatnonzero(~np.isfinite(score)):
        errors.setdefault(int(row), "the network gave no number")
    score[list(errors)] = np.nan
    return Scores(score, errors)


def by_sample(kept: Features, several: int) -> Features:
    """What is kept of goldens, those of a sample one after the other -> [n, ...], or [n, G, ...] of several."""
    return kept if several == 1 else tuple(one.reshape(-1, several, *one.shape[1:]) for one in kept)


def _batches(golden_id: NDArray[np.int64], size: int, several: int) -> Iterator[_Batch]:
    """All rows, those that share a golden one after the other, so that no more than one golden has to be kept.

    A batch has about as many pictures as `size` pairs: up to twice as many rows where these share a golden, each of
    which is `several` pictures.
    """
    order = np.argsort(golden_id, kind="stable")
    of_order = golden_id[order]
    pictures = np.cumsum(1 + several * (np.diff(of_order, prepend=-1) != 0))
    number = (pictures - 1) // (2 * size)
    before = None
    for rows in np.split(order, np.flatnonzero(np.diff(number)) + 1):
        known, first, golden = np.unique(golden_id[rows], return_index=True, return_inverse=True)
        goes_on = before is not None and bool(known[0] == before)
        before = known[-1]
        yield _Batch(rows, rows[first[1:] if goes_on else first], golden.reshape(-1), goes_on)


def look_at_pictures(
    task: Task, sample: NDArray[np.uint8], golden: NDArray[np.uint8], device: torch.device
) -> tuple[float, NDArray[np.uint8] | None]:
    """The score of one pair, uint8 [L, 3, H, W] each, and the class of each pixel, uint8 [h, w], as `Task.look`.

    Several goldens are [G, L, 3, H, W].
    """
    with torch.inference_mode():
        score, classes = task.look(*_features(task, sample, golden, device))
        return float(score[0]), None if classes is None else classes[0].cpu().numpy()


def closest_golden(task: Task, sample: NDArray[np.uint8], golden: NDArray[np.uint8], device: torch.device) -> int:
    """Which of several goldens, uint8 [G, L, 3, H, W], gives the lowest score when it is the only one."""
    several = len(golden)
    with torch.inference_mode():
        one, goldens = _features(task, sample, golden, device)
        again = tuple(each.expand(several, *each.shape[1:]) for each in one)
        alone = tuple(each[0][:, None].expand(-1, several, *each.shape[2:]) for each in goldens)
        return int(task.score(again, alone).argmin())


def _features(
    task: Task, sample: NDArray[np.uint8], golden: NDArray[np.uint8], device: torch.device
) -> tuple[Features, Features]:
    """The features of a sample, and what is kept of its golden or goldens, as `Task.score` wants them."""
    pair = torch.from_numpy(np.concatenate([sample[None], golden.reshape(-1, *sample.shape)])).to(device)
    found = task.features(task.prepare(pair))
    return tuple(one[:1] for one in found), by_sample(task.keep(tuple(one[1:] for one in found)), task.layout.goldens)
