"""Rows of a table as batches of pictures, in an order that a seed and an epoch fully determine."""

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from goldenpair.data.cache import Pictures
from goldenpair.data.table import PartPictures

log = logging.getLogger(__name__)
T = TypeVar("T")
_AHEAD = 2  # batches prepared while the network works


@dataclass
class PairBatch:
    """A batch of pairs, lights still apart.

    `row` int64 [B] are the table's rows; `sample` and `golden` uint8 [B, L, 3, H, W]; `label` float32 [B], 1 for
    a defect.
    """

    row: Tensor
    sample: Tensor
    golden: Tensor
    label: Tensor


@dataclass(frozen=True)
class PairSet:
    """The pairs of a table: which pictures each row needs (`parts`), the pictures, and bool [N] `is_defect`."""

    parts: PartPictures
    pictures: Pictures
    is_defect: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.is_defect)

    def batch(self, rows: NDArray[np.int64]) -> PairBatch:
        """The pairs of these rows, without those that have a picture which cannot be read."""
        sample = self.pictures.read(self.parts.sample[rows])
        golden = self.pictures.read(self.parts.golden[rows])
        good = np.array([not text for text in self.parts.faults(self.pictures.errors, rows)], dtype=np.bool_)
        if not good.all():
            rows, sample, golden = rows[good], sample[good], golden[good]
        label = torch.from_numpy(self.is_defect[rows].astype(np.float32))
        return PairBatch(torch.from_numpy(rows), torch.from_numpy(sample), torch.from_numpy(golden), label)


def draw_rows(is_defect: NDArray[np.bool_], ratio: float, seed: int, epoch: int) -> NDArray[np.int64]:
    """The rows of one training epoch: N draws with replacement, `ratio` defects expected for each PASS.

    A PASS row weighs 1 and a defect (n_PASS / n_defect) * ratio, as in TAO. A table with one kind only is drawn
    evenly.
    """
    defects = int(is_defect.sum())
    good = len(is_defect) - defects
    weights = np.ones(len(is_defect))
    if defects and good:
        weights[is_defect] = good / defects * ratio
    return np.random.default_rng([seed, epoch]).choice(len(is_defect), len(is_defect), p=weights / weights.sum())


class TrainingLoader:
    """The batches of the epoch that `epoch` tells when the first is asked for; the last, incomplete one is left out.

    With several processes each takes every `world`-th row, from `rank` on.
    """

    def __init__(
        self,
        pairs: PairSet,
        batch_size: int,
        ratio: float,
        seed: int,
        epoch: Callable[[], int],
        rank: int = 0,
        world: int = 1,
    ):
        self.pairs = pairs
        self.batch_size = min(batch_size, len(pairs) // world)
        self._ratio, self._seed, self._epoch = ratio, seed, epoch
        self._rank, self._world = rank, world
        self._given = 0  # batches of the epoch at hand
        self._skip = 0

    def state_dict(self) -> dict[str, int]:
        """How far the epoch is: Lightning keeps it in checkpoints, so that a resumed epoch goes on where it was."""
        return {"given": self._given % len(self)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self._skip = state["given"]

    def __len__(self) -> int:
        return len(self.pairs) // self._world // self.batch_size

    def __iter__(self) -> Iterator[PairBatch]:
        drawn = draw_rows(self.pairs.is_defect, self._ratio, self._seed, self._epoch())
        rows = drawn[self._rank :: self._world]
        batches = rows[: len(self) * self.batch_size].reshape(len(self), self.batch_size)
        self._given, self._skip = self._skip, 0
        for batch in ahead(map(self.pairs.batch, batches[self._given :])):
            self._given += 1
            if len(batch.row) > 1:  # batch norm needs two pairs; this one lost the others to broken pictures
                yield batch


class TableLoader:
    """All rows in table order."""

    def __init__(self, pairs: PairSet, batch_size: int):
        self.pairs = pairs
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.pairs) // self.batch_size)

    def __iter__(self) -> Iterator[PairBatch]:
        starts = range(0, len(self.pairs), self.batch_size)
        rows = (np.arange(start, min(start + self.batch_size, len(self.pairs))) for start in starts)
        return (batch for batch in ahead(map(self.pairs.batch, rows)) if len(batch.row))


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, made by a thread while the caller works on the ones before."""
    ready: queue.Queue[T | BaseException | None] = queue.Queue(_AHEAD)
    stop = threading.Event()

    def put(item: T | BaseException | None) -> None:
        while not stop.is_set():
            try:
                return ready.put(item, timeout=0.1)
            except queue.Full:
                continue

    def produce() -> None:
        try:
            for item in items:
                put(item)
                if stop.is_set():
                    return
            put(None)
        except BaseException as error:  # handed to the caller, who raises it
            put(error)

    thread = threading.Thread(target=produce, name="goldenpair-ahead", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()
