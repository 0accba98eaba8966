"""Rows of a table as batches of pictures, in an order that a seed and an epoch fully determine."""

import logging
import queue
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from goldenpair.data.cache import Pictures
from goldenpair.data.masks import Masks
from goldenpair.data.table import Draw, PartPictures
from goldenpair.errors import DataError

log = logging.getLogger(__name__)
T = TypeVar("T")
_AHEAD = 2  # batches prepared while the network works


@dataclass
class PairBatch:
    """A batch of pairs, lights still apart.

    `row` int64 [B] are the table's rows; `sample` uint8 [B, L, 3, H, W]; `golden` the same, or [B, G, L, 3, H, W]
    where there are several; `label` float32 [B], 1 for a defect; `mask` uint8 [B, H, W] the class of each pixel, None
    for pairs without masks.
    """

    row: Tensor
    sample: Tensor
    golden: Tensor
    label: Tensor
    mask: Tensor | None = None


class Spoiler(Protocol):
    """What makes defects of some of the good pairs of a training batch."""

    def spoil(self, batch: PairBatch, epoch: int, rank: int, number: int) -> PairBatch:
        """The batch with `number` in an epoch of this process, with labels 1 where a pair became defective.

        It must depend on nothing else.
        """

    def plan(self) -> dict[str, int | float | str]:
        """What that depends on, by name."""


@dataclass(frozen=True)
class PairSet:
    """The pairs of a table: which pictures each row needs (`parts`), the pictures, bool [N] `is_defect`, and masks."""

    parts: PartPictures
    pictures: Pictures
    is_defect: NDArray[np.bool_]
    masks: Masks | None = None

    def __len__(self) -> int:
        return len(self.is_defect)

    def good(self, rows: NDArray[np.int64], draw: Draw | None = None) -> NDArray[np.bool_]:
        """Which of these rows have no picture and no mask that is known to be broken.

        In training their goldens are a `draw`.
        """
        good = self.parts.whole(self.pictures.errors, rows, draw)
        return good & ~np.isin(rows, list(self.masks.errors)) if self.masks else good

    def readable(self) -> NDArray[np.int64]:
        """The rows that have no picture and no mask that is known to be broken."""
        return np.flatnonzero(self.good(np.arange(len(self))))

    def batch(self, rows: NDArray[np.int64], draw: Draw | None = None) -> PairBatch:
        """The pairs of these rows, without those that have a picture or a mask which cannot be read."""
        sample = self.pictures.read(self.parts.sample[rows])
        golden = self.pictures.read(self.parts.golden(rows, draw))
        mask = self.masks.read(rows) if self.masks else None
        good = self.good(rows, draw)
        if not good.all():
            rows, sample, golden = rows[good], sample[good], golden[good]
            mask = None if mask is None else mask[good]
        return PairBatch(
            torch.from_numpy(rows),
            torch.from_numpy(sample),
            torch.from_numpy(golden),
            torch.from_numpy(self.is_defect[rows].astype(np.float32)),
            None if mask is None else torch.from_numpy(mask),
        )


def draw_rows(is_defect: NDArray[np.bool_], ratio: float | None, seed: int, epoch: int) -> NDArray[np.int64]:
    """The rows of one training epoch: N draws with replacement, `ratio` defects expected for each PASS.

    A PASS row weighs 1 and a defect (n_PASS / n_defect) * ratio, as in TAO. A table with one kind only is drawn
    evenly. Without a ratio every row is drawn once, in a random order.
    """
    if ratio is None:
        return np.random.default_rng([seed, epoch]).permutation(len(is_defect))
    defects = int(is_defect.sum())
    good = len(is_defect) - defects
    weights = np.ones(len(is_defect))
    if defects and good:
        weights[is_defect] = good / defects * ratio
    return np.random.default_rng([seed, epoch]).choice(len(is_defect), len(is_defect), p=weights / weights.sum())


class TrainingLoader:
    """The batches of the epoch that `epoch` tells when the first is asked for; the last, incomplete one is left out.

    Rows are drawn from those that are readable when the loader is made. A row that turns out to be broken only later
    is replaced, so that an epoch always has the same number of batches and each is full. With several processes each
    takes every `world`-th row, from `rank` on. Raises DataError when fewer than 2 rows for each process are left.
    """

    def __init__(
        self,
        pairs: PairSet,
        batch_size: int,
        ratio: float | None,
        seed: int,
        epoch: Callable[[], int],
        rank: int = 0,
        world: int = 1,
        spoiler: Spoiler | None = None,
    ):
        self.pairs = pairs
        self._spoiler = spoiler
        self._rows = pairs.readable()
        refuse_too_few(pairs, world)
        self.batch_size = min(batch_size, len(self._rows) // world)
        self._ratio, self._seed, self._epoch = ratio, seed, epoch
        self._rank, self._world = rank, world
        self._given = 0  # batches of the epoch at hand
        self._skip = 0
        self.other_plan = ["the checkpoint does not tell them"]
        """How the epoch that a checkpoint was saved in differs from what it is now; empty if it can go on."""

    def state_dict(self) -> dict[str, Any]:
        """How far the epoch is: Lightning keeps it in checkpoints, so that a resumed epoch goes on where it was."""
        return {"given": self._given % len(self), "plan": self._plan()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        then, now = state.get("plan", {}), self._plan()
        differs = [
            f"{name}: {then.get(name, 'unknown')} then, {now.get(name, 'unknown')} now"
            for name in dict.fromkeys([*now, *then])
            if then.get(name) != now.get(name)
        ]
        self.other_plan = differs if state["given"] else []
        self._skip = 0 if differs else state["given"]

    def _plan(self) -> dict[str, int | float | str | None]:
        """What the batches of an epoch depend on beside its number."""
        facts = np.stack([self._rows, self.pairs.is_defect[self._rows]])
        return {
            "batch size": self.batch_size,
            "readable rows": len(self._rows),
            "checksum of the rows and their labels": zlib.crc32(facts.astype("<i8").tobytes()),
            "fpratio_sampling": self._ratio,
            "seed": self._seed,
            "processes": self._world,
            **self.pairs.parts.plan(),
            **(self._spoiler.plan() if self._spoiler else {}),
        }

    def __len__(self) -> int:
        return len(self._rows) // self._world // self.batch_size

    def __iter__(self) -> Iterator[PairBatch]:
        epoch = self._epoch()
        drawn = self._rows[draw_rows(self.pairs.is_defect[self._rows], self._ratio, self._seed, epoch)]
        rows = drawn[self._rank :: self._world]
        batches = rows[: len(self) * self.batch_size].reshape(len(self), self.batch_size)
        self._given, self._skip = self._skip, 0
        for batch in ahead(self._batch(batches[number], epoch, number) for number in range(self._given, len(self))):
            self._given += 1
            yield batch

    def _batch(self, rows: NDArray[np.int64], epoch: int, number: int) -> PairBatch:
        batch = self._full(rows, epoch, number)
        return self._spoiler.spoil(batch, epoch, self._rank, number) if self._spoiler else batch

    def _full(self, rows: NDArray[np.int64], epoch: int, number: int) -> PairBatch:
        """The batch of these rows, with another in the place of each that is broken: of its kind, if there is one.

        Which one depends on nothing but the seed, the batch and the files, not on what was read before.
        """
        goldens = (self._seed, epoch)
        batch = self.pairs.batch(rows, goldens)
        if len(batch.row) == len(rows):
            return batch
        # one more than the number: a zero at the end would not tell it from the draw of the epoch
        draw = np.random.default_rng([self._seed, epoch, self._rank, number + 1])
        rows, lost = rows.copy(), ~self.pairs.good(rows, goldens)
        is_defect = self.pairs.is_defect
        for kind in (False, True):
            places = np.flatnonzero(lost & (is_defect[rows] == kind))
            like = is_defect[self._rows] == kind
            candidates = [draw.permutation(self._rows[like]), draw.permutation(self._rows[~like])]
            if len(places):
                found = self._first_readable(np.concatenate(candidates), len(places), goldens)
                rows[places] = np.resize(found, len(places))
        return self.pairs.batch(rows, goldens)

    def _first_readable(self, rows: NDArray[np.int64], count: int, goldens: Draw) -> list[int]:
        """The first `count` of these rows that can be read, fewer if there are no more."""
        rows = rows[self.pairs.good(rows, goldens)]
        found: list[int] = []
        for start in range(0, len(rows), count):
            found += self.pairs.batch(rows[start : start + count], goldens).row.tolist()
            if len(found) >= count:
                break
        refuse_too_few(self.pairs, self._world)
        return found[:count]


def refuse_too_few(pairs: PairSet, world: int) -> None:
    """DataError if fewer than 2 rows for each of `world` processes are readable: batch norm needs two pairs."""
    readable = len(pairs.readable())
    if readable < 2 * world:
        raise DataError(
            f"train_dataset: {readable} of its {len(pairs)} rows have pictures that can be read, which is too few; "
            "training needs 2 for each of its devices"
        )


class TableLoader:
    """The readable rows in table order.

    A row that turns out to be broken only later is missing from its batch, which may then be empty.
    """

    def __init__(self, pairs: PairSet, batch_size: int):
        self.pairs = pairs
        self.batch_size = batch_size
        self._rows = pairs.readable()

    def __len__(self) -> int:
        return -(-len(self._rows) // self.batch_size)

    def __iter__(self) -> Iterator[PairBatch]:
        starts = range(0, len(self._rows), self.batch_size)
        return ahead(self.pairs.batch(self._rows[start : start + self.batch_size]) for start in starts)


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
