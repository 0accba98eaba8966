"""Scores of a table: each golden that rows share is looked at once."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from goldenpair.data.cache import Pictures
from goldenpair.data.pairs import ahead
from goldenpair.data.table import PairTable, part_pictures
from goldenpair.progress import Progress
from goldenpair.tasks import Task


@dataclass(frozen=True)
class Scores:
    """float32 [N] `score` in table order, NaN where there is none; `errors` says why, by row."""

    score: NDArray[np.float32]
    errors: dict[int, str]


def score_table(
    task: Task,
    table: PairTable,
    device: torch.device,
    *,
    batch_size: int,
    workers: int,
    progress: Progress | None = None,
) -> Scores:
    """Score every row of a table. A picture that cannot be read costs its rows their score, never the run.

    Pictures are decoded while the network works and are not kept: each is needed once. `progress` counts
    samples and distinct goldens.
    """
    layout = task.layout
    parts = part_pictures(table, layout)
    pictures = Pictures(parts.paths, layout.height, layout.width, workers)
    _, first_row, golden_of = np.unique(parts.golden_id, return_index=True, return_inverse=True)
    goldens = parts.golden[first_row]
    task.model.to(device)
    total, done = len(goldens) + len(table), 0

    def features(index: NDArray[np.int64]) -> list[Tensor]:
        nonlocal done
        found = []
        step = 2 * batch_size  # pictures: as many as a batch of pairs holds
        batches = [index[start : start + step] for start in range(0, len(index), step)]
        for batch in ahead(map(pictures.read, batches)):
            prepared = task.prepare(torch.from_numpy(batch).to(device, non_blocking=True))
            found.append(task.features(prepared))
            done += len(batch)
            if progress:
                progress(done, total)
        return found

    with torch.inference_mode():
        of_goldens = torch.cat(features(goldens))
        of_samples = torch.cat(features(parts.sample))
        which = torch.from_numpy(golden_of.reshape(-1)).to(device)
        score = task.score(of_samples, of_goldens[which]).float().cpu().numpy()
    found = parts.faults(pictures.errors, np.arange(len(table)))
    errors = {row: text for row, text in enumerate(found) if text}
    for row in np.flatnonzero(~np.isfinite(score)):
        errors.setdefault(int(row), "the network gave no number")
    score[list(errors)] = np.nan
    return Scores(score, errors)


def score_pictures(task: Task, sample: NDArray[np.uint8], golden: NDArray[np.uint8], device: torch.device) -> float:
    """The score of one pair, uint8 [L, 3, H, W] each."""
    with torch.inference_mode():
        pair = torch.from_numpy(np.stack([sample, golden])).to(device)
        features = task.features(task.prepare(pair))
        return float(task.score(features[:1], features[1:])[0])
