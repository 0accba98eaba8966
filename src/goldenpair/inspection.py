"""From two pictures to a verdict."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
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
from goldenpair.evaluation import score_pictures, score_table
from goldenpair.metrics import above
from goldenpair.progress import Progress
from goldenpair.running import run_as
from goldenpair.specs.common import NetworkSpec, ScoringCommon, SplitFiles

_BLOCK = 2048  # rows that are in memory at once when a table is streamed
Picture = str | Path | bytes | NDArray[np.uint8]
"""A file, the content of a file, or uint8 [H, W, 3] RGB pixels."""


@dataclass(frozen=True)
class Verdict:
    """What is said of one part. ERROR, with its reason in `error`, where no score can be trusted; never PASS then."""

    verdict: Literal["PASS", "FAIL", "ERROR"]
    score: float | None
    """Higher for pairs that differ more; None for ERROR."""
    cutoff: float
    error: str = ""

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

    def inspect(self, sample: Picture | Sequence[Picture], golden: Picture | Sequence[Picture]) -> Verdict:
        """Compare a part with its golden; each is one picture, or one for each light in the order of `lights`.

        A picture that cannot be read or is black gives an ERROR verdict. Raises InputError for a wrong number of
        pictures, or for what is none.
        """
        try:
            pair = [self._pictures(role, given) for role, given in (("sample", sample), ("golden", golden))]
        except DataError as error:
            return Verdict.of(math.nan, self.cutoff, str(error))
        return Verdict.of(score_pictures(self._task, pair[0], pair[1], self._device), self.cutoff)

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

    def verdicts(self, table: PairTable, progress: Progress | None = None) -> list[Verdict]:
        """One verdict for each row of a table that was read and checked."""
        pairs = self.spec.pairs
        found = score_table(
            self._task, table, self._device, batch_size=pairs.batch_size, workers=pairs.workers, progress=progress
        )
        return [
            Verdict.of(score, self.cutoff, found.errors.get(row, "")) for row, score in enumerate(found.score.tolist())
        ]

    def _pictures(self, role: str, given: Picture | Sequence[Picture]) -> NDArray[np.uint8]:
        """uint8 [L, 3, H, W]."""
        layout = self._task.layout
        sources: list[Picture]
        if isinstance(given, str | Path | bytes) or (isinstance(given, np.ndarray) and given.ndim != 4):
            sources = [given]
        elif isinstance(given, Iterable):
            sources = list(given)
        else:  # from a program without types
            sources = [given]
        strange = [source for source in sources if not isinstance(source, str | Path | bytes | np.ndarray)]
        if strange:
            raise InputError(f"{role}: {type(strange[0]).__name__} is no picture; give a path, bytes or an array")
        if len(sources) != len(layout.suffixes):
            wanted = f"one for each of {', '.join(layout.lights)}" if layout.lights else "one"
            raise InputError(f"{role}: {len(sources)} pictures given; this model wants {wanted}")
        return np.stack(
            [
                as_picture(source, layout.height, layout.width, f"{role} picture {i + 1}")
                if isinstance(source, np.ndarray)
                else decode(source, layout.height, layout.width, f"{role} picture {i + 1}")
                for i, source in enumerate(sources)
            ]
        )
