"""What a network that segments says of the pairs of a table: a class map for each as a file, pictures, and figures."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from goldenpair.data.cache import Pictures
from goldenpair.data.masks import masks_of
from goldenpair.data.table import Layout, PairTable, part_pictures
from goldenpair.data.threads import Threads
from goldenpair.overlays import combined, palette
from goldenpair.pixels import Confusion, PixelMetrics
from goldenpair.run import Run, whole_file
from goldenpair.specs.common import NetworkSpec
from goldenpair.specs.visual_changenet import VisualChangenetSpec

PREDICTIONS, COMBINED = "prediction", "combined_visualisation"
TAO = ("acc", "miou", "mf1", "mprecision", "mrecall")
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
        self._folder = run.folder
        self._names = file_names(table.cells["object_name"])
        self._shown = np.arange(len(table)) // pairs.batch_size % every == 0
        self._parts = part_pictures(table, Layout.of(pairs))
        self._pictures = Pictures(self._parts.paths, data.img_size, data.img_size, 0)
        self._masks = masks_of(table, getattr(pairs, _SPLIT_OF[run.action]), data.img_size, pairs.workers)
        self._palette = palette(data.num_classes, data.color_map, data.data_name)
        self._threads = Threads(pairs.workers)
        self._confusion = Confusion.empty(data.num_classes)
        self.columns = {"changed_pixels": [""] * len(table)}
        """For a table of verdicts: how many pixels of each row are of another class than 0; empty without a map."""

    def __call__(self, rows: NDArray[np.int64], classes: NDArray[np.uint8]) -> None:
        truth = self._masks.read(rows) if self._masks else None
        if truth is not None:
            self._confusion += Confusion.of(classes, truth, len(self._palette))
        self._threads.each(
            lambda place: self._write(int(rows[place]), classes[place], None if truth is None else truth[place]),
            range(len(rows)),
        )

    def _write(self, row: int, classes: NDArray[np.uint8], truth: NDArray[np.uint8] | None) -> None:
        self.columns["changed_pixels"][row] = str(int(np.count_nonzero(classes)))
        image = Image.fromarray(classes, "P")
        image.putpalette(self._palette.tobytes())
        with whole_file(self._folder / PREDICTIONS / self._names[row]) as made:
            image.save(made, "PNG")
        if self._shown[row]:
            sample, golden = (self._pictures.read(part[row])[0] for part in (self._parts.sample, self._parts.golden))
            with whole_file(self._folder / COMBINED / self._names[row]) as made:
                combined(sample, golden, classes, truth, self._palette).save(made, "PNG")

    @property
    def pixels(self) -> PixelMetrics | None:
        """Figures of all pixels; None where no masks were read."""
        return PixelMetrics.of(self._confusion) if self._masks else None

    @property
    def kpi(self) -> dict[str, float]:
        """What TAO says of the pixels in status.json, as far as it is defined."""
        found = self.pixels.as_dict() if self.pixels else {}
        return {f"test_{name}": value for name in TAO if (value := found.get(name)) is not None}

    @property
    def mask_errors(self) -> list[str]:
        return list(self._masks.errors.values()) if self._masks else []

    def told(self) -> str:
        """What was written, in words."""
        shown, written = int(self._shown.sum()), len(self._names)
        few = "" if shown == written else f" ({shown} of them: vis_after_n_batches)"
        return f"class maps of the pairs in {PREDICTIONS}, pictures{few} in {COMBINED}"


def class_maps(run: Run, table: PairTable) -> ClassMaps | None:
    """What takes the class maps of the run's network, None if it makes none."""
    return ClassMaps(run, table) if segments(run.spec) else None


def segments(spec: NetworkSpec) -> bool:
    return isinstance(spec, VisualChangenetSpec) and spec.task == "segment"


def file_names(names: Sequence[str]) -> list[str]:
    """Names of PNG files without folders for pictures of these names: each its own, also where case does not count."""
    stems = [re.sub(r"[\\/:]+", "_", os.path.splitext(os.path.normpath(name))[0]).lstrip("._") for name in names]
    first: dict[str, str] = {}
    return [
        f"{stem}.png" if first.setdefault(stem.lower(), name) == name else f"{stem}_{row + 1}.png"
        for row, (stem, name) in enumerate(zip(stems, names, strict=True))
    ]
