"""From two pictures to a verdict."""

import csv
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray

from goldenpair.checkpoint import load_task, read_checkpoint
from goldenpair.data.audit import UNLABELLED, audit
from goldenpair.data.decoding import as_picture, decode
from goldenpair.data.table import PATH_COLUMNS, PairTable, read_blocks
from goldenpair.deployment import is_exported, load_exported, sha256
from goldenpair.devices import first_device
from goldenpair.errors import DataError, InputError
from goldenpair.evaluation import TakeClasses, closest_golden, look_at_pictures, score_table
from goldenpair.explain import ExplainedPart, Heatmap, HeatmapScale, explain_pair, explain_rows, fit_scale
from goldenpair.progress import Progress
from goldenpair.quality.policy import VERDICTS, Decision, Policy
from goldenpair.quality.robustness import Robustness
from goldenpair.robustness import measure_robustness
from goldenpair.running import run_as
from goldenpair.specs.common import NetworkSpec, SplitFiles
from goldenpair.specs.scoring import ScoringCommon

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

    verdict: Literal["PASS", "REVIEW", "FAIL", "ERROR"]
    """REVIEW: a person has to look. Only a policy with a band for it says so."""
    score: float | None
    """Higher for pairs that differ more; None for ERROR."""
    cutoff: float
    """The one that applied: a score above it is not PASS."""
    error: str = ""
    probability: float | None = None
    """That of a defect, where the policy knows it."""
    heatmap: Heatmap | None = field(default=None, compare=False, repr=False)
    """Where the part differs from its golden, where that was asked for and there is a score."""

    @classmethod
    def all_of(cls, score: NDArray[np.float32], decision: Decision, errors: Mapping[int, str]) -> list[Self]:
        """Verdicts of N scores and what was decided on them; `errors` says by row why one cannot be trusted."""
        probability = decision.probability
        found = []
        for row, (one, code, cutoff) in enumerate(
            zip(score.tolist(), decision.code.tolist(), decision.review.tolist(), strict=True)
        ):
            if row in errors or not math.isfinite(one):
                found.append(cls("ERROR", None, cutoff, errors.get(row, "the network gave no number")))
            else:
                share = None if probability is None else float(probability[row])
                found.append(cls(VERDICTS[code], one, cutoff, "", share))
        return found


class Inspector:
    """A trained model that inspects pairs.

    `model` is a `.pth` of ours, or of TAO together with its `spec`; or an exported model: its folder or its `.onnx`
    file. What a score becomes is said by the cutoff or the policy (or its file) given here, else by the exported model,
    else by the spec. `action` is the section of the spec that says where and how a checkpoint runs. Raises
    CheckpointError if the model cannot be used, DataError for a policy that cannot.
    """

    def __init__(
        self,
        model: str | Path,
        spec: NetworkSpec | None = None,
        cutoff: float | None = None,
        action: Literal["evaluate", "inference"] = "inference",
        policy: Policy | str | Path | None = None,
    ):
        given = _given(cutoff, policy)
        if is_exported(model):
            self._task, self.spec, own = load_exported(model, spec)
            self._device = torch.device("cpu")
            self.policy = given or own
        else:
            task, self.spec = load_task(read_checkpoint(model), spec)
            wish: ScoringCommon = getattr(self.spec, action)
            self.policy = given or Policy.of_spec(self.spec, action)
            self._device = first_device(wish, "inspection")
            self._task = task.for_scoring()
            run_as(self._task.model, wish, action, self._device)
            self._task.model.to(self._device)
        self.policy.refuse_scores_of_others(SCORE_COLUMN, self.spec.scores_are_probabilities)

    @property
    def device(self) -> str:
        """What it runs on, in words."""
        if self._device.type == "cuda":
            return torch.cuda.get_device_name(self._device)
        threads = torch.get_num_threads()
        return f"{self._device.type.upper()}, {threads} {'thread' if threads == 1 else 'threads'}"

    @property
    def cutoff(self) -> float:
        """A score above it is not PASS, unless the policy says otherwise of its component type."""
        return self.policy.cutoff

    def policy_for(self, table: PairTable, forced: bool) -> Policy:
        """The policy with marks that say what it has to do with a table's parts, which are logged; InputError if it was
        fitted on them and is not `forced`."""
        file = Path(table.source)
        digest = sha256(file) if file.is_file() else ""
        policy = self.policy.for_report(table.cells, table.source, digest, forced, "evaluate.policy_forced=true")
        for mark in policy.marks:
            log.warning("The policy is %s: figures on this table flatter.", mark)
        return policy

    @property
    def lights(self) -> tuple[str, ...]:
        """The lights in the order in which their pictures are given; empty for one picture."""
        return self._task.layout.lights

    @property
    def goldens(self) -> int:
        """With how many goldens a part is compared; with more than one, `inspect` takes a list of them."""
        return self._task.layout.goldens

    def inspect(
        self, sample: Part, golden: Part | Sequence[Part], kind: str = "", heatmap_scale: float | None = None
    ) -> Verdict:
        """Compare a part with its golden; each is one picture, or one for each light in the order of `lights`.

        A model of several `goldens` takes a list of them: no more than these, and fewer are repeated. `kind` is the
        component type, for a policy that has cutoffs by type; one that it does not know gets its global ones, with a
        warning. A picture that cannot be read or is black gives an ERROR verdict. With a `heatmap_scale`, which
        `fit_heatmap_scale` finds, the verdict has a heatmap. Raises InputError for a wrong number of pictures or
        goldens, or for what is none.
        """
        try:
            pair = self._part("sample", sample), self._golden(golden)
        except DataError as error:
            return self._judge(np.array([math.nan], np.float32), [kind], {0: str(error)})[0]
        score = look_at_pictures(self._task, *pair, self._device)[0]
        verdict = self._judge(np.array([score], np.float32), [kind], {})[0]
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
        kinds = self.policy.kinds_of(table.cells, table.source)

        def stopped(disturbed: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
            of_rows = [kinds[row] for row in rows.tolist()] if kinds is not None else None
            return self.policy.decide(disturbed, of_rows).stopped

        return measure_robustness(
            self._task,
            table,
            score,
            stopped,
            None if self.policy.types else self.cutoff,
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
        """One verdict for each row of a table that was read and checked; DataError if the policy decides by component
        type and the table does not name it.

        Of a network that segments, `take` gets the class of each pixel, batch by batch.
        """
        pairs, kinds = self.spec.pairs, self.policy.kinds_of(table.cells, table.source)
        found = score_table(
            self._task,
            table,
            self._device,
            batch_size=pairs.batch_size,
            workers=pairs.workers,
            progress=progress,
            take=take,
        )
        return self._judge(found.score, kinds, found.errors)

    def _judge(
        self, score: NDArray[np.float32], kinds: Sequence[str] | None, errors: Mapping[int, str]
    ) -> list[Verdict]:
        decision = self.policy.decide(score, kinds)
        if told := decision.without_type():
            log.warning(told)
        return Verdict.all_of(score, decision, errors)

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


def _given(cutoff: float | None, policy: Policy | str | Path | None) -> Policy | None:
    if cutoff is not None and policy is not None:
        raise InputError(f"cutoff ({cutoff:g}) and policy are both given; leave one of them out")
    if cutoff is not None:
        return Policy.of_cutoff(cutoff, "cutoff")
    return Policy.load(policy) if isinstance(policy, str | Path) else policy


def write_verdicts(
    path: Path, table: PairTable, verdicts: Sequence[Verdict], further: Mapping[str, Sequence[str]]
) -> None:
    """Write a table as CSV with its verdicts and `further` columns behind its own.

    There is a column of probabilities if any verdict has one.
    """
    probability = ["" if one.probability is None else f"{one.probability:.6g}" for one in verdicts]
    added: dict[str, Sequence[str]] = {
        SCORE_COLUMN: ["" if one.score is None else str(np.float32(one.score)) for one in verdicts],
        "verdict": [one.verdict for one in verdicts],
        "error": [one.error for one in verdicts],
        **({"probability": probability} if any(probability) else {}),
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
