"""From a score to the probability of a defect, and how far such probabilities are off."""

from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

ISOTONIC_DEFECTS, ISOTONIC_PARTS = 100, 1000
"""From so many defects among so many parts on the curve is free (isotonic); before, it has Platt's two parameters."""
BINS = 15
_LOGITS = np.linspace(-14, 14, 225)
Numbers = NDArray[np.floating[Any]]


class Calibration(BaseModel):
    """A rising curve through points; the ends hold beyond them.

    A probability is meant for parts of which as many are defects as of these `goods` and `defects`. `ece` is measured
    on the same parts, so it flatters.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    method: Literal["isotonic", "platt"]
    score: list[float] = Field(min_length=1)
    probability: list[float] = Field(min_length=1)
    goods: int
    defects: int
    ece: float

    @model_validator(mode="after")
    def _a_rising_curve(self) -> Self:
        if len(self.score) != len(self.probability):
            raise ValueError(f"{len(self.score)} scores but {len(self.probability)} probabilities")
        if any(np.diff(self.score) <= 0) or any(np.diff(self.probability) < 0):
            raise ValueError("scores must rise, and probabilities must not fall")
        if self.probability[0] < 0 or self.probability[-1] > 1:
            raise ValueError("a probability must be between 0 and 1")
        return self

    def of(self, score: Numbers) -> NDArray[np.float64]:
        """The probability of a defect for each score, float64 [N]; NaN where a score is not finite."""
        found = np.interp(score, self.score, self.probability)
        return np.where(np.isfinite(score), found, np.nan)


def calibrate(score: Numbers, is_defect: NDArray[np.bool_]) -> Calibration | None:
    """A curve for finite scores [N] with both classes among them; None if higher scores do not mean more defects."""
    number = score.astype(np.float64)
    defects = int(is_defect.sum())
    goods = len(score) - defects
    free = defects >= ISOTONIC_DEFECTS and len(score) >= ISOTONIC_PARTS
    points = _isotonic(number, is_defect, goods, defects) if free else _platt(number, is_defect, goods, defects)
    if points is None:
        return None
    error = expected_error(np.interp(score, *points), is_defect)
    return Calibration(
        method="isotonic" if free else "platt",
        score=points[0].tolist(),
        probability=points[1].tolist(),
        goods=goods,
        defects=defects,
        ece=error,
    )


def _isotonic(
    score: NDArray[np.float64], is_defect: NDArray[np.bool_], goods: int, defects: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Never 0 or 1, which no number of parts shows: the ends are those of the rule of succession."""
    from sklearn.isotonic import IsotonicRegression  # slow to import, as in metrics

    low, high = 1 / (goods + 2), 1 - 1 / (defects + 2)
    fitted = IsotonicRegression(y_min=low, y_max=high).fit(score, is_defect)
    if fitted.y_thresholds_[0] == fitted.y_thresholds_[-1]:
        return None
    return fitted.X_thresholds_, fitted.y_thresholds_


def _platt(
    score: NDArray[np.float64], is_defect: NDArray[np.bool_], goods: int, defects: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """A logistic curve for labels that are drawn in a little (Platt, 1999), so that it exists for classes apart too."""
    from sklearn.linear_model import LogisticRegression

    middle, spread = float(score.mean()), float(score.std())
    if not spread:
        return None
    target = np.where(is_defect, (defects + 1) / (defects + 2), 1 / (goods + 2))
    given = np.tile((score - middle) / spread, 2)[:, None]
    label = np.repeat([True, False], len(score))
    fitted = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(
        given, label, sample_weight=np.concatenate([target, 1 - target])
    )
    slope = float(fitted.coef_[0, 0])
    if slope <= 0:
        return None
    at = (_LOGITS - float(fitted.intercept_[0])) / slope * spread + middle
    return at, 1 / (1 + np.exp(-_LOGITS))


def expected_error(probability: Numbers, is_defect: NDArray[np.bool_], bins: int = BINS) -> float:
    """The expected calibration error, 0..1: mean distance of probability and share of defects over equally full bins.

    Parts of the same probability share their mean label, so the order of the rows does not matter.
    """
    _, group, sizes = np.unique(probability, return_inverse=True, return_counts=True)
    share = (np.bincount(group, is_defect) / sizes)[group]
    order = np.argsort(probability, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    gaps = [abs(float(probability[one].mean() - share[one].mean())) * len(one) for one in parts]
    return sum(gaps) / len(order)
