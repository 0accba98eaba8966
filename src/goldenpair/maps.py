"""What a network that segments says of the pairs of a table: a class map for each as a file, pictures, and figures."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from goldenpair.data.cache import Pictures
from goldenpair.data.masks import masks_of
from goldenpair.data.table import Layout, PairTable, part_pictures
from goldenpair.data.threads import Threads
from goldenpair.overlays import UNKNOWN, JudgedPair, MaskedPair, mask_sheet, pair_picture, pairs_worth_seeing, palette
from goldenpair.pixels import Confusion, PixelMetrics
from goldenpair.report import kind_of
from goldenpair.run import Run, whole_file
from goldenpair.specs.common import NetworkSpec
from goldenpair.specs.segment import IGNORED
from goldenpair.specs.visual_changenet import VisualChangenetSpec

if TYPE_CHECKING:
    from goldenpair.inspection import Verdict

PREDICTIONS, COMBINED = "prediction", "combined_visualisation"
_KPI = ("acc", "miou", "mf1", "mprecision", "mrecall")
_SPLIT_OF = {"evaluate": "test_dataset", "inference": "infer_dataset"}


class ClassMaps:
    """Takes class maps as `score_table` gives them, writes files into the run's folder and keeps none of the maps.

    Of each row `prediction/NAME.png` holds the classes (a palette's numbers), and of every so many batches, as the spec
    says, `combined_visualisation/NAME.png` shows sample, golden, prediction and, where there are masks, the truth.
    """

    def __init__(self, run: Run, table: PairTable):
        spec = run.spec
        assert isinstance(spec, VisualChangenetSpec)
        data, pairs = spec.dataset.segment, spec.pairs
        every = (spec.evaluate if run.action == "evaluate" else spec.inference).vis_after_n_batches
        self._folder, self._table = run.folder, table
        self._names = file_names(table.cells["object_name"])
        self._shown = np.arange(len(table)) // pairs.batch_size % every == 0
        self._parts = part_pictures(table, Layout.of(pairs))
        self._pictures = Pictures(self._parts.paths, data.img_size, data.img_size, 0)
        self._masks = masks_of(table, getattr(pairs, _SPLIT_OF[run.action]), data.img_size, pairs.workers)
        self._colours, self._classes = palette(data), data.num_classes
        self._threads = Threads(pairs.workers)
        self._of_rows: dict[int, Confusion] = {}
        self.columns = {"changed_pixels": [""] * len(table)}
        """For a table of verdicts: how many pixels of each row are of another class than 0; empty without a map."""

    def __call__(self, rows: NDArray[np.int64], classes: NDArray[np.uint8]) -> None:
        masks = self._masks.read(rows) if self._masks else None

        def write(place: int) -> None:
            self._write(int(rows[place]), classes[place], None if masks is None else masks[place])

        self._threads.each(write, range(len(rows)))

    def _write(self, row: int, classes: NDArray[np.uint8], truth: NDArray[np.uint8] | None) -> None:
        self.columns["changed_pixels"][row] = str(int(np.count_nonzero(classes)))
        if truth is not None:
            self._of_rows[row] = Confusion.of(classes, truth, self._classes)
        image = Image.fromarray(classes)
        image.putpalette([value for colour in self._colours for value in colour])
        with whole_file(self._folder / PREDICTIONS / self._names[row]) as made:
            image.save(made, "PNG")
        if self._shown[row]:
            with whole_file(self._folder / COMBINED / self._names[row]) as made:
                pair_picture(self._pair(row, classes, truth), self._colours).save(made, "PNG")

    def _pair(self, row: int, classes: NDArray[np.uint8], truth: NDArray[np.uint8] | None) -> MaskedPair:
        files = (self._parts.sample[row], self._parts.golden(np.array([row]))[0])
        sample, golden = (self._picture(int(one[0])) for one in files)
        return MaskedPair(self._table.cells["object_name"][row], sample, golden, classes, truth)

    def _picture(self, number: int) -> NDArray[np.uint8]:
        pixels = self._pictures.read(np.array([number]))[0]
        return np.full_like(pixels, UNKNOWN) if number in self._pictures.errors else pixels

    def write_sheet(self, path: Path, title: str, verdicts: Sequence["Verdict"]) -> None:
        """A page of the pairs that a person should look at first, as PNG; only where masks were read.

        `verdicts` are those of all rows of the table; rows without a class map have ERROR.
        """
        labels, none = self._table.cells["label"], Confusion.empty(self._classes)
        kinds = [kind_of(label, one.verdict) for label, one in zip(labels, verdicts, strict=True)]
        found = [self._of_rows.get(row, none) for row in range(len(verdicts))]
        pairs = [
            JudgedPair(self._kept(row), labels[row], verdicts[row].verdict, verdicts[row].score, verdicts[row].error)
            for row in pairs_worth_seeing(found, kinds)
        ]
        told = ", ".join(f"{name.removeprefix('test_')} {value:.3f}" for name, value in self.kpi.items())
        mask_sheet(pairs, self._colours, f"{title}; pixels: {told}").save(path, "PNG")

    def _kept(self, row: int) -> MaskedPair:
        """A pair with its mask and with the class map that was written; IGNORED throughout if none was."""
        assert self._masks is not None
        truth = self._masks.read(np.array([row]))[0]
        if row not in self._of_rows:
            return self._pair(row, np.full_like(truth, IGNORED), truth)
        with Image.open(self._folder / PREDICTIONS / self._names[row]) as image:
            return self._pair(row, np.asarray(image), truth)

    @property
    def pixels(self) -> PixelMetrics | None:
        """Figures of all pixels; None where no masks were read."""
        if not self._masks:
            return None
        return PixelMetrics.of(sum(self._of_rows.values(), Confusion.empty(self._classes)))

    @property
    def kpi(self) -> dict[str, float]:
        """What TAO says of the pixels in status.json, as far as it is defined."""
        found = self.pixels.as_dict() if self.pixels else {}
        return {f"test_{name}": value for name in _KPI if (value := found.get(name)) is not None}

    @property
    def mask_errors(self) -> list[str]:
        return list(self._masks.errors.values()) if self._masks else []

    def told(self) -> str:
        """What was written, in words."""
        shown, written = int(self._shown.sum()), len(self._names)
        few = "" if shown == written else f" of {shown} of them, as vis_after_n_batches asks for,"
        return f"the class maps of {written} pairs to {PREDICTIONS}, pictures{few} to {COMBINED}"


def class_maps(run: Run, table: PairTable) -> ClassMaps | None:
    """What takes the class maps of the run's network, None if it makes none."""
    return ClassMaps(run, table) if segments(run.spec) else None


def segments(spec: NetworkSpec) -> bool:
    return isinstance(spec, VisualChangenetSpec) and spec.task == "segment"


def file_names(names: Sequence[str]) -> list[str]:
    """Names of PNG files without folders for pictures of these names: each its own, also where case does not count."""
    files, used = dict[str, str](), set[str]()
    for row, name in enumerate(names):
        if name in files:
            continue
        stem = file = re.sub(r"[\\/:]+", "_", os.path.splitext(os.path.normpath(name))[0]).lstrip("._")
        number = row
        while file.lower() in used:
            number += 1
            file = f"{stem}_{number}"
        used.add(file.lower())
        files[name] = f"{file}.png"
    return [files[name] for name in names]
