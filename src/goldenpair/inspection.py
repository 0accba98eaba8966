"""From two pictures to a verdict."""

import csv
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from goldenpair.checkpoint import load_task, read_checkpoint
from goldenpair.data.audit import UNLABELLED, audit
from goldenpair.data.decoding import as_picture, decode
from goldenpair.data.table import PATH_COLUMNS, PairTable, read_blocks
from goldenpair.deployment import is_exported, load_exported
from goldenpair.devices import first_device
from goldenpair.errors import DataError, InputError
from goldenpair.evaluation import TakeClasses, closest_golden, look_at_pictures, score_table
from goldenpair.explain import ExplainedPart, Heatmap, HeatmapScale, explain_pair, explain_rows, fit_scale
from goldenpair.metrics import above
from goldenpair.progress import Progress
from goldenpair.quality.robustness import Robustness
from goldenpair.robustness import measure_robustness
from goldenpair.running import run_as
from goldenpair.specs.common import NetworkSpec, ScoringCommon, SplitFiles

log = logging.getLogger(__name__)
SCORE_COLUMN = "siamese_score"
_BLOCK = 2048  # rows that are in memory at once when a table is streamed
Picture = str | Path | bytes | NDArray[np.uint8]
"""A file, the content of a file, or uint8 [H, W, 3] RGB pixels."""
Part = Picture | Sequence[Picture]
"""One picture, or one for each light."""


@dataclass(frozen=True)
class Verdict:
    """What is said of one part. ERROR, with its reason in `error`, where no score can be trusted; never PASS then."""

    verdict: Literal["PASS", "FAIL", "ERROR"]
    score: float | None
    """Higher for pairs that differ more; None for ERROR."""
    cutoff: float
    error: str = ""
    heatmap: Heatmap | None = field(default=None, compare=False, repr=False)
    """Where the part differs from its golden, where that was asked for and there is a score."""

    @classmethod
    def of(cls, score: float, cutoff: float, error: str = "") -> "Verdict":
        """FAIL if and only if a finite score exceeds the cutoff."""
        if error or not math.isfinite(score):
            return cls("ERROR", None, cutoff, error or "the network gave no number")
        if not math.isfinite(cutoff):
            return cls("ERROR", None, cutoff, f"the cutoff is {cutoff}, which no score can exceed")
        return cls("FAIL" if above(np.array(score), cutoff) else "PASS", score, cutoff)


class Inspector:
    """A trained model that inspects pairs.

    `model` is a `.pth` of ours, or of TAO together with its `spec`; or an exported model: its folder or its `.onnx`
    file. The cutoff is the one given here, else that of the exported model, else that of the spec. `action` is the
    section of the spec that says where and how a checkpoint runs. Raises CheckpointError if the model cannot be used.
    """

    def __init__(
        self,
        model: str | Path,
        spec: NetworkSpec | None = None,
        cutoff: float | None = None,
        action: Literal["evaluate", "inference"] = "inference",
    ):
        if is_exported(model):
            self._task, self.spec, policy = load_exported(model, spec)
            self._device, own = torch.device("cpu"), policy.cutoff
        else:
            task, self.spec = load_task(read_checkpoint(model), spec)
            wish: ScoringCommon = getattr(self.spec, action)
            self._device, own = first_device(wish, "inspection"), self.spec.cutoff("inference")[0]
            self._task = task.for_scoring()
            run_as(self._task.model, wish, action, self._device)
            self._task.model.to(self._device)
        self.cutoff = own if cutoff is None else cutoff
        if not math.isfinite(self.cutoff):
            raise InputError(f"cutoff: {cutoff!r} is no number that a score can exceed; give one, such as 0.5")

    @property
    def lights(self) -> tuple[str, ...]:
        """The lights in the order in which their pictures are given; empty for one picture."""
        return self._task.layout.lights

    @property
    def goldens(self) -> int:
        """With how many goldens a part is compared; with more than one, `inspect` takes a list of them."""
        return self._task.layout.goldens

    def inspect(self, sample: Part, golden: Part | Sequence[Part], heatmap_scale: float | None = None) -> Verdict:
        """Compare a part with its golden; each is one picture, or one for each light in the order of `lights`.

        A model of several `goldens` takes a list of them: no more than these, and fewer are repeated. A picture that
        cannot be read or is black gives an ERROR verdict. With a `heatmap_scale`, which `fit_heatmap_scale` finds, the
        verdict has a heatmap. Raises InputError for a wrong number of pictures or goldens, or for what is none.
        """
        try:
            pair = self._part("sample", sample), self._golden(golden)
        except DataError as error:
            return Verdict.of(math.nan, self.cutoff, str(error))
        verdict = Verdict.of(look_at_pictures(self._task, *pair, self._device)[0], self.cutoff)
        if heatmap_scale is None or verdict.score is None:
            return verdict
        return replace(verdict, heatmap=self._explain(*pair, heatmap_scale))

    def explain(self, sample: Part, golden: Part | Sequence[Part], scale: float) -> Heatmap:
        """Where a part differs from its golden in the network's eyes, and for which light; 1.0 is `scale`, what good
        parts reach. Raises DataError for a picture that cannot be read, else InputError as `inspect`."""
        return self._explain(self._part("sample", sample), self._golden(golden), scale)

    def explain_rows(
        self, table: PairTable, rows: Sequence[int], scale: float, progress: Progress | None = None
    ) -> Iterator[ExplainedPart]:
        """The same for these rows of a table that was read and checked, one after the other; without those whose
        pictures cannot be read."""
        pairs, given = self.spec.pairs, (self._task, table, rows, self._device)
        size, workers = pairs.batch_size, pairs.workers
        return explain_rows(*given, scale=scale, batch_size=size, workers=workers, progress=progress)

    def fit_heatmap_scale(
        self, csv_path: str | Path, images_dir: str | Path, progress: Progress | None = None
    ) -> HeatmapScale:
        """What good parts of a labelled table reach. Raises DataError if the table cannot be used, InputError if it has
        no good part that differs from its golden."""
        files = SplitFiles(csv_path=str(csv_path), images_dir=str(images_dir))
        tables, report = audit({"validation_dataset": files}, self._task.layout)
        report.refuse()
        return self.heatmap_scale(tables["validation_dataset"], progress)

    def heatmap_scale(self, table: PairTable, progress: Progress | None = None) -> HeatmapScale:
        """The same of a table that was read and checked."""
        pairs, given = self.spec.pairs, (self._task, table, self._device)
        return fit_scale(*given, batch_size=pairs.batch_size, workers=pairs.workers, progress=progress)

    def robustness(self, table: PairTable, verdicts: Sequence[Verdict], progress: Progress | None = None) -> Robustness:
        """What disturbed samples do to the scores and verdicts of a labelled table that has these `verdicts`; on how
        many rows, evaluate.robustness_rows says."""
        pairs = self.spec.pairs
        score = np.array([np.nan if one.score is None else one.score for one in verdicts], np.float32)
        return measure_robustness(
            self._task,
            table,
            score,
            lambda disturbed, _: above(disturbed, self.cutoff),
            self.cutoff,
            self._device,
            most=self.spec.evaluate.robustness_rows,
            batch_size=pairs.batch_size,
            workers=pairs.workers,
            progress=progress,
        )

    def _explain(self, sample: NDArray[np.uint8], golden: NDArray[np.uint8], scale: float) -> Heatmap:
        return explain_pair(self._task, sample, golden, self._device, self.spec.pairs.batch_size, scale)[0]

    def class_map(self, sample: Part, golden: Part) -> NDArray[np.uint8]:
        """Where a part differs from its golden, uint8 [h, w]: the class of each pixel that the network sees, 0 for no
        change. Raises DataError for a picture that cannot be read, InputError if the network does not segment."""
        _, classes = look_at_pictures(self._task, self._part("sample", sample), self._golden(golden), self._device)
        if classes is None:
            raise InputError("this model gives scores only; a visual_changenet of task segment gives class maps")
        return classes

    def closest_golden(self, sample: Part, golden: Sequence[Part]) -> int:
        """Which golden of a list, as `inspect` takes it, gives the lowest score when it is the only one.

        Raises DataError for a picture that cannot be read or is black, else InputError as `inspect`.
        """
        if self.goldens == 1:
            return 0
        return closest_golden(self._task, self._part("sample", sample), self._golden(golden), self._device)

    def inspect_table(
        self, csv_path: str | Path, images_dir: str | Path, progress: Progress | None = None
    ) -> list[Verdict]:
        """One verdict for each row of a table, in its order. Raises DataError if the table cannot be used."""
        files = SplitFiles(csv_path=str(csv_path), images_dir=str(images_dir))
        tables, report = audit({UNLABELLED: files}, self._task.layout)
        report.refuse()
        return self.verdicts(tables[UNLABELLED], progress)

    def stream_table(self, csv_path: str | Path, images_dir: str | Path) -> Iterator[Verdict]:
        """The same verdicts one after the other, in memory that does not grow with the table.

        Nothing is checked beforehand but the columns: a row whose pictures are not there gets the verdict ERROR.
        Raises DataError for a table that cannot be read, when it comes to the part that cannot.
        """
        for table in read_blocks(csv_path, images_dir, _BLOCK):
            if absent := table.absent(PATH_COLUMNS):
                raise DataError(f"table {csv_path}: column missing: {', '.join(absent)}")
            if not len(table):
                raise DataError(f"table {csv_path}: it has no rows below the header")
            yield from self.verdicts(table)

    def verdicts(
        self, table: PairTable, progress: Progress | None = None, take: TakeClasses | None = None
    ) -> list[Verdict]:
        """One verdict for each row of a table that was read and checked.

        Of a network that segments, `take` gets the class of each pixel, batch by batch.
        """
        pairs = self.spec.pairs
        found = score_table(
            self._task,
            table,
            self._device,
            batch_size=pairs.batch_size,
            workers=pairs.workers,
            progress=progress,
            take=take,
        )
        return [
            Verdict.of(score, self.cutoff, found.errors.get(row, "")) for row, score in enumerate(found.score.tolist())
        ]

    def _golden(self, given: Part | Sequence[Part]) -> NDArray[np.uint8]:
        """uint8 [L, 3, H, W], or [G, L, 3, H, W] for a model of several goldens."""
        if self.goldens == 1:
            return self._part("golden", given)
        single = isinstance(given, str | bytes) or (isinstance(given, np.ndarray) and given.ndim < 4)
        parts = list(given) if isinstance(given, Iterable) and not single else None
        if parts is None or not 1 <= len(parts) <= self.goldens:
            each = f"a list of pictures, one for each of {', '.join(self.lights)}" if self.lights else "a picture"
            found = f"{type(given).__name__} is no list" if parts is None else f"{len(parts)} of them are given"
            raise InputError(f"golden: {found}; this model wants a list of 1 to {self.goldens} goldens, each {each}")
        decoded = [self._part(f"golden {place}", part) for place, part in enumerate(parts, 1)]
        return np.stack([decoded[place % len(decoded)] for place in range(self.goldens)])

    def _part(self, role: str, given: Part | Sequence[Part]) -> NDArray[np.uint8]:
        """uint8 [L, 3, H, W]."""
        layout = self._task.layout
        single = isinstance(given, str | Path | bytes) or (isinstance(given, np.ndarray) and given.ndim != 4)
        sources = list(given) if isinstance(given, Iterable) and not single else [given]
        pictures: list[Picture] = []
        for source in sources:
            if not isinstance(source, str | Path | bytes | np.ndarray):
                raise InputError(f"{role}: {type(source).__name__} is no picture; give a path, bytes or an array")
            pictures.append(source)
        if len(pictures) != len(layout.suffixes):
            wanted = f"one for each of {', '.join(layout.lights)}" if layout.lights else "one"
            raise InputError(f"{role}: {len(pictures)} pictures given; this model wants {wanted}")
        return np.stack(
            [
                as_picture(source, layout.height, layout.width, f"{role} picture {i + 1}")
                if isinstance(source, np.ndarray)
                else decode(source, layout.height, layout.width, f"{role} picture {i + 1}")
                for i, source in enumerate(pictures)
            ]
        )


def write_verdicts(
    path: Path, table: PairTable, verdicts: Sequence[Verdict], further: Mapping[str, Sequence[str]]
) -> None:
    """Write a table as CSV with its verdicts and `further` columns behind its own."""
    added: dict[str, Sequence[str]] = {
        SCORE_COLUMN: ["" if one.score is None else str(np.float32(one.score)) for one in verdicts],
        "verdict": [one.verdict for one in verdicts],
        "error": [one.error for one in verdicts],
        **further,
    }
    cells: dict[str, Sequence[str]] = {}
    for name, column in table.cells.items():
        if name in added:
            log.warning("The table has a column %s of its own; it is kept as %s_before.", name, name)
        cells[f"{name}_before" if name in added else name] = column
    cells |= added
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(cells)
        writer.writerows(zip(*cells.values(), strict=True))
