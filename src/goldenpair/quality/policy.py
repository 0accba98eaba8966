"""What is decided by a score: PASS, REVIEW or FAIL, by cutoffs that may differ between component types.

A policy is a small JSON file. It is fitted on validation data, and knows on which.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from goldenpair.errors import DataError, InputError, first_few, first_line
from goldenpair.quality.calibration import Calibration
from goldenpair.quality.conformal import Guarantee
from goldenpair.quality.parts import KnownParts
from goldenpair.quality.scored import SCORE_COLUMNS
from goldenpair.run import write_text
from goldenpair.specs.common import NetworkSpec

FORMAT = 1
PASS, REVIEW, FAIL, ERROR = range(4)
VERDICTS: tuple[Literal["PASS"], Literal["REVIEW"], Literal["FAIL"], Literal["ERROR"]] = (
    "PASS",
    "REVIEW",
    "FAIL",
    "ERROR",
)
"""The names of the codes above."""
MARK_COLUMN = "policy_mark"
"""Where evaluate and inference write what a policy has to do with the parts that it decided on."""
FORCED = "fitted on the split it is reported on"
PERHAPS = "perhaps fitted on the split it is reported on"
UNKNOWN = "not known to be fitted on other parts"
BOARDS = "fitted on other parts of the same boards"
"""How marks begin that say what a policy has to do with the parts that it is used on."""


def flatters(marks: Sequence[str]) -> bool:
    """Whether these marks say that verdicts were, or may have been, chosen on the parts that they are reported on."""
    return any(FORCED in mark or UNKNOWN in mark for mark in marks)


_LARGEST = float(np.finfo(np.float32).max)
Cutoff = Annotated[float, Field(ge=-_LARGEST, le=_LARGEST)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CaptureRule(_Part):
    """The highest cutoff at which this share of the defects is stopped."""

    kind: Literal["capture"] = "capture"
    share: float = Field(gt=0, le=1)

    def __str__(self) -> str:
        return f"{100 * self.share:g} % of the defects are stopped"


class MissRule(_Part):
    """The highest cutoff at which the next defect passes with at most this probability (see conformal.py)."""

    kind: Literal["miss_risk"] = "miss_risk"
    risk: float = Field(gt=0, lt=1)

    def __str__(self) -> str:
        return f"the next defect passes with a probability of at most {self.risk:g}"


class FalseCallRule(_Part):
    """The lowest cutoff at which no more than so many of a million good parts are stopped."""

    kind: Literal["false_calls"] = "false_calls"
    ppm: float = Field(ge=0, lt=1e6)

    def __str__(self) -> str:
        return f"at most {self.ppm:g} of a million good parts are stopped"


class CostRule(_Part):
    """The cutoffs of the lowest total cost. A part that is reviewed costs `review`, and is then judged rightly; None:
    there is no review."""

    kind: Literal["cost"] = "cost"
    miss: float = Field(gt=0)
    false_call: float = Field(gt=0)
    review: float | None = Field(default=None, gt=0)

    def __str__(self) -> str:
        review = "" if self.review is None else f", a review {self.review:g}"
        return f"the lowest cost, where a miss costs {self.miss:g}, a false call {self.false_call:g}{review}"


Rule = Annotated[CaptureRule | MissRule | FalseCallRule | CostRule, Field(discriminator="kind")]


class Band(_Part):
    """A score above `review` is not PASS any more; above `fail` it is FAIL. Where both are equal nothing is REVIEW."""

    review: Cutoff
    fail: Cutoff

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.fail < self.review:
            raise ValueError(f"fail ({self.fail:g}) must not be below review ({self.review:g})")
        return self


class TypeBand(Band):
    """The band of a component type, and what it was made from: so many parts, and the weight, 0..1, that the type's own
    good parts had in it against those of its package and of all parts."""

    goods: int = Field(ge=0)
    defects: int = Field(ge=0)
    weight: float = Field(ge=0, le=1)
    package: str = ""


class FittedOn(_Part):
    """The table that a policy was fitted on. `unscored` parts had no score or no label and were left out."""

    name: str
    sha256: str
    score_column: str
    good: int
    defects: int
    unscored: int
    boards: int
    parts: KnownParts | None

    def __str__(self) -> str:
        left = f", {self.unscored:,} more without score or label" if self.unscored else ""
        return f"{self.name}: {self.good:,} good parts and {self.defects:,} defects of {self.boards:,} boards{left}"


@dataclass(frozen=True)
class Decision:
    """int8 [N] `code`, a place in VERDICTS, and float64 [N] `review` and `fail`, the cutoffs that applied.

    `probability` is that of a defect, float64 [N], NaN for ERROR; None where the policy does not know it. Of parts
    decided by the global band, though others have one by type, `unnamed` had no type, and `unknown` says how many were
    of which type that the policy does not know.
    """

    code: NDArray[np.int8]
    review: NDArray[np.float64]
    fail: NDArray[np.float64]
    probability: NDArray[np.float64] | None
    unnamed: int
    unknown: Mapping[str, int]

    @property
    def stopped(self) -> NDArray[np.bool_]:
        """bool [N]: REVIEW or FAIL."""
        found: NDArray[np.bool_] = (self.code == REVIEW) | (self.code == FAIL)
        return found

    def without_type(self) -> str:
        """How many parts got the global band for want of a type, in words; "" for none."""
        told = []
        if self.unknown:
            names = first_few([f"{kind!r} ({count})" for kind, count in self.unknown.items()], 5)
            told.append(f"{sum(self.unknown.values())} of types that the policy does not know: {', '.join(names)}")
        if self.unnamed:
            told.append(f"{self.unnamed} without a type")
        return f"the global cutoffs served for {'; '.join(told)}" if told else ""

    def count(self, code: int) -> int:
        return int((self.code == code).sum())


class Policy(_Part):
    """What becomes of a score. `source` says where it is from; `marks` must be shown with every figure made by it.

    A type that is not among `types` has the global `band`. Read from a file by `load`; a plain cutoff is `of_cutoff`.
    """

    format: Literal[1] = 1
    source: str
    band: Band
    rule: Rule | None = None
    fail_false_call_ppm: float | None = None
    """How many of a million good parts may be FAIL, where there is such a budget beside the rule."""
    column: str = ""
    """The column of a table that names the component type."""
    package_column: str = ""
    types: dict[str, TypeBand] = {}
    fitted_on: FittedOn | None = None
    guarantees: list[Guarantee] = []
    calibration: Calibration | None = None
    notes: list[str] = []
    marks: list[str] = []

    @model_validator(mode="before")
    @classmethod
    def _plain_cutoff(cls, given: Any) -> Any:
        """What exported models held before there were bands."""
        if isinstance(given, dict) and "cutoff" in given and not {"band", "format"} & given.keys():
            cutoff = given["cutoff"]
            rest = {name: value for name, value in given.items() if name != "cutoff"}
            return {**rest, "band": {"review": cutoff, "fail": cutoff}}
        return given

    @model_validator(mode="after")
    def _types_have_a_column(self) -> Self:
        if self.types and not self.column:
            raise ValueError("there are types, but no 'column' that names the type of a part")
        return self

    @classmethod
    def of_cutoff(cls, cutoff: float, source: str) -> "Policy":
        """A score above the cutoff is FAIL. Raises InputError for one that no score can exceed."""
        if not math.isfinite(cutoff) or abs(cutoff) > _LARGEST:
            raise InputError(f"{source}: {cutoff!r} is no number that a score can exceed; give one, such as 0.5")
        return cls(source=source, band=Band(review=cutoff, fail=cutoff))

    @classmethod
    def of_spec(cls, spec: NetworkSpec, action: str) -> "Policy":
        """The policy or the cutoff that a spec gives for an action; raises as `load`."""
        given = spec.policy_file(action)
        if given is None:
            return cls.of_cutoff(*spec.cutoff(action))
        path, option = given
        policy = cls.load(path).model_copy(update={"source": f"{option}: {path}"})
        policy.refuse_scores_of_others(SCORE_COLUMNS[0], spec.scores_are_probabilities)
        return policy

    @classmethod
    def load(cls, path: str | Path) -> "Policy":
        """Raises DataError for a file that is not there, is damaged or of a newer format, with all that is wrong."""
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8-sig"))  # editors of Windows put a mark before it
        except FileNotFoundError:
            raise DataError(f"policy {path}: there is no such file (looked in {Path.cwd()})") from None
        except (OSError, ValueError) as error:
            raise DataError(f"policy {path}: it cannot be read as JSON ({first_line(error)})") from None
        if not isinstance(content, dict) or "format" not in content:
            raise DataError(f"policy {path}: it is no policy; `goldenpair policy VALIDATION_CSV --out FILE` writes one")
        if isinstance(content["format"], int) and content["format"] > FORMAT:
            raise DataError(
                f"policy {path}: its format is {content['format']}, and this goldenpair reads {FORMAT}; it was written "
                "by a newer one, which can use it"
            )
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            lines = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
            raise DataError("\n  ".join([f"policy {path}: it cannot be used:", *lines])) from None

    def save(self, path: Path) -> None:
        """Raises what `run.write_text` raises."""
        write_text(path, self.model_dump_json(indent=1) + "\n")

    @property
    def cutoff(self) -> float:
        """Above it a score is not PASS, where no type says otherwise."""
        return self.band.review

    @property
    def plain(self) -> bool:
        """Whether one cutoff is all there is."""
        return self.band.review == self.band.fail and not self.types

    @property
    def reviews(self) -> bool:
        """Whether REVIEW can come of it."""
        return any(band.fail > band.review for band in (self.band, *self.types.values()))

    def decide(self, score: NDArray[np.float32], kinds: Sequence[str] | None = None) -> Decision:
        """Decide on scores, float32 [N]; `kinds` are the component types. A score that is not finite is ERROR.

        Compared as float32, as `metrics.above`.
        """
        bands = [self.band, *self.types.values()]
        which = np.zeros(len(score), np.int64)
        unnamed, unknown = 0, dict[str, int]()
        if self.types and kinds is None:
            unnamed = len(score)
        elif self.types and kinds is not None:
            places = {kind: place for place, kind in enumerate(self.types, 1)}
            which = np.fromiter((places.get(kind, 0) for kind in kinds), np.int64, len(score))
            for row in np.flatnonzero(which == 0).tolist():
                if kinds[row]:
                    unknown[kinds[row]] = unknown.get(kinds[row], 0) + 1
            unnamed = int((which == 0).sum()) - sum(unknown.values())
        review, fail = (np.array([getattr(band, name) for band in bands])[which] for name in ("review", "fail"))
        score = np.asarray(score, np.float32)
        code = np.full(len(score), ERROR, np.int8)
        scored = np.isfinite(score)
        code[scored] = PASS
        code[scored & (score > review.astype(np.float32))] = REVIEW
        code[scored & (score > fail.astype(np.float32))] = FAIL
        # of types their cutoffs are what compares them: as far beyond, as probable
        shifted = score.astype(np.float64) - (review - self.band.review)
        probability = self.calibration.of(shifted) if self.calibration else None
        return Decision(code, review, fail, probability, unnamed, unknown)

    def probability(self, score: NDArray[np.float32], kinds: Sequence[str] | None = None) -> NDArray[np.float64] | None:
        """The probability of a defect for each score, NaN where that is not finite; None where none was fitted."""
        return self.decide(score, kinds).probability

    def kinds_of(self, cells: Mapping[str, Sequence[str]], table: str) -> Sequence[str] | None:
        """The component types of a table's rows, None where they do not matter; DataError if it does not name them."""
        if not self.types:
            return None
        if self.column not in cells:
            raise DataError(
                f"table {table}: it has no column {self.column!r}, by which the policy ({self.source}) decides; add "
                "it, or use a policy without types"
            )
        return cells[self.column]

    def refuse_scores_of_others(self, column: str, probabilities: bool = False) -> None:
        """Raises InputError if the policy was fitted on a score of another name, or one of its cutoffs is 1 or more
        while scores are `probabilities`."""
        highest = max(one.review for one in (self.band, *self.types.values()))
        if probabilities and highest >= 1:
            raise InputError(
                f"policy ({self.source}): it has a cutoff of {highest:g}, but the score of this network is a "
                "probability, which is never above that: all parts would pass. It is of another network"
            )
        fitted = self.fitted_on.score_column if self.fitted_on else column
        if fitted != column:
            raise InputError(
                f"policy ({self.source}): it was fitted on the scores {fitted!r}, not {column!r}; fit one on scores of "
                "this model, or rename the column if they are the same"
            )

    def for_report(
        self,
        cells: Mapping[str, Sequence[str]],
        table: str,
        sha256: str = "",
        forced: bool = False,
        overruled_by: str = "--same-parts",
    ) -> "Policy":
        """The policy as it may be used to report on a table: not on parts that it was fitted on.

        If it was, raises InputError or, `forced`, returns it with a mark; `overruled_by` is how a user forces it.
        Whatever else it may have to do with the table's parts is a mark as well. `sha256` is that of the table's file.
        """
        fitted = self.fitted_on
        if fitted is None:
            return self
        shared = fitted.parts.shared(cells) if fitted.parts else None
        own = f"{shared.same} of them" if shared and shared.same else ""
        if not own and sha256 and sha256 == fitted.sha256:
            own = "the same file"
        if own and not forced:
            raise InputError(
                f"policy ({self.source}): it was fitted on parts that it would be reported on ({own}, by input_path "
                f"and object_name, are in {fitted.name} and in {table}), so the figures would flatter. Report on other "
                f"parts, or force it ({overruled_by}), and everything will say so"
            )
        if own:
            mark = f"{FORCED} ({table}: {own})"
        elif shared is None:
            mark = f"{UNKNOWN} (input_path and object_name are not both in {fitted.name} and in {table})"
        elif shared.alike:
            mark = f"{PERHAPS} ({table}: {shared.alike} have the last folders and the name of parts of {fitted.name})"
        elif shared.boards:
            mark = f"{BOARDS} ({table}: {shared.boards} of them are in {fitted.name})"
        else:
            return self
        return self.model_copy(update={"marks": [*self.marks, mark]})

    def mark_column(self, rows: int) -> dict[str, list[str]]:
        """The column policy_mark of so many rows, which tells a later report what these verdicts are worth: empty cells
        for a policy of other parts. There is none for a cutoff that nobody knows the data of."""
        return {MARK_COLUMN: ["; ".join(self.marks)] * rows} if self.fitted_on or self.marks else {}

    def told(self) -> str:
        """Its cutoffs in a few words."""
        band = self.band
        words = f"cutoff {band.review:g}" if band.review == band.fail else f"REVIEW above {band.review:g}, FAIL above "
        words += "" if band.review == band.fail else f"{band.fail:g}"
        return words + (f", others for {len(self.types)} component types" if self.types else "")
