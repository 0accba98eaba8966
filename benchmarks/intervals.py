"""Do stated 95 % intervals hold the truth in 95 of 100 evaluations? On simulated boards whose truth is known.

Boards differ: each has its own false-call or escape rate (rates), or shifts all of its scores (ranking), by as much as
the setting says. `hold` is the share of simulated evaluations whose interval holds the truth, `below` and `above` where
the truth lay beyond its ends. Prints Markdown.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from goldenpair.metrics import Interval, Rate, ranking
from goldenpair.quality.auroc import auroc_interval
from goldenpair.quality.bootstrap import average_precision_interval, draw_boards, false_call_interval

Ends = tuple[float, float]


@dataclass(frozen=True)
class Parts:
    """So many parts on so many boards, a share of which counts; that of a board is beta-distributed around it, `alike`
    being the correlation of two parts of a board."""

    what: str
    parts: int
    boards: int
    share: float
    alike: float

    def draw(self, rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        board = np.sort(rng.integers(0, self.boards, self.parts))
        spread = 1 / self.alike - 1 if self.alike else 0.0
        share = (
            rng.beta(self.share * spread, (1 - self.share) * spread, self.boards)
            if self.alike
            else np.full(self.boards, self.share)
        )
        return rng.random(self.parts) < share[board], board


RATES = (
    Parts("false calls, 0.97 %", 21111, 94, 0.0097, 0),
    Parts("false calls, 0.11 %", 21111, 94, 0.0011, 0),
    Parts("false calls, 0.3 %", 200_000, 1000, 0.003, 0),
    Parts("capture, 97 %", 37, 94, 0.97, 0),
    Parts("capture, 90 %", 37, 94, 0.90, 0),
    Parts("capture, 97 %", 300, 94, 0.97, 0),
    Parts("capture, 97 %", 1000, 300, 0.97, 0),
    Parts("false calls, 0.97 %", 21111, 94, 0.0097, 0.01),
    Parts("false calls, 0.97 %", 21111, 94, 0.0097, 0.05),
    Parts("false calls, 0.11 %", 21111, 94, 0.0011, 0.005),
    Parts("false calls, 0.97 %", 5000, 20, 0.0097, 0.01),
    Parts("false calls, 0.97 %", 5000, 10, 0.0097, 0.01),
    Parts("false calls, 0.3 %", 200_000, 1000, 0.003, 0.01),
    Parts("false calls, 0.3 %", 200_000, 1000, 0.003, 0.05),
    Parts("capture, 95 %", 37, 20, 0.95, 0.2),
    Parts("capture, 95 %", 300, 94, 0.95, 0.2),
    Parts("capture, 97 %", 1000, 300, 0.97, 0.2),
)


@dataclass(frozen=True)
class Scores:
    """Normal scores of `good` good parts and about so many defects, which lie higher by as much as `auroc` says; a
    share `unseen` of them looks like good parts. Boards make up the share `alike` of the scores' variance."""

    boards: int
    good: int
    defects: int
    auroc: float
    alike: float
    unseen: float = 0.0

    @property
    def shift(self) -> float:
        return float(norm.ppf(self.auroc) * np.sqrt(2))

    def draw(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]:
        parts = self.good + max(3, int(rng.poisson(self.defects)))
        is_defect = np.arange(parts) >= self.good
        board = np.where(is_defect, rng.integers(0, self.boards, parts), np.arange(parts) % self.boards)
        score = rng.normal(0, np.sqrt(self.alike), self.boards)[board]
        score += rng.normal(0, np.sqrt(1 - self.alike), parts)
        score += self.shift * (is_defect & (rng.random(parts) >= self.unseen))
        return score.astype(np.float32), is_defect, board

    @property
    def true_auroc(self) -> float:
        """Of a pair of one board the board's own shift is no news."""
        together = norm.cdf(self.shift / np.sqrt(2 * (1 - self.alike)))
        seen = (1 - 1 / self.boards) * self.auroc + together / self.boards
        return float((1 - self.unseen) * seen + self.unseen / 2)

    def true_false_calls(self, capture: float) -> float:
        if self.unseen:
            raise ValueError("known only where all defects look alike")
        return float(norm.sf(self.shift + norm.ppf(1 - capture)))

    @property
    def true_average_precision(self) -> float:
        score = np.linspace(-9, 15, 400_001)
        share = self.defects / (self.defects + self.good)
        captured = (1 - self.unseen) * norm.sf(score - self.shift) + self.unseen * norm.sf(score)
        precision = share * captured / (share * captured + (1 - share) * norm.sf(score))
        density = (1 - self.unseen) * norm.pdf(score - self.shift) + self.unseen * norm.pdf(score)
        return float(np.nansum(precision * density) * (score[1] - score[0]))


AUROCS = (
    Scores(94, 21111, 37, 0.99, 0.0),
    Scores(94, 21111, 37, 0.99, 0.1),
    Scores(94, 21111, 37, 0.90, 0.1),
    Scores(94, 21111, 37, 0.97, 0.1, unseen=0.05),
    Scores(15, 1500, 40, 0.97, 0.2),
    Scores(50, 5000, 130, 0.98, 0.2),
    Scores(94, 5000, 400, 0.98, 0.2),
    Scores(94, 5000, 400, 0.98, 0.2, unseen=0.05),
    Scores(300, 15000, 1000, 0.98, 0.2),
)
CUTOFFS = (
    (0.97, Scores(94, 10000, 200, 0.99, 0.1)),
    (0.97, Scores(94, 10000, 400, 0.98, 0.2)),
    (0.97, Scores(300, 15000, 1000, 0.98, 0.2)),
    (0.99, Scores(94, 10000, 560, 0.99, 0.1)),
    (0.99, Scores(300, 15000, 1000, 0.98, 0.2)),
)


def percentiles(counted: NDArray[np.bool_], board: NDArray[np.int64], rng: np.random.Generator) -> Ends:
    """What the plain bootstrap of boards would say of a rate."""
    of = np.bincount(board)
    count = np.bincount(board[counted], minlength=len(of))
    times = rng.multinomial(len(of), np.full(len(of), 1 / len(of)), size=500)
    low, high = np.quantile((times @ count) / np.maximum(times @ of, 1), [0.025, 0.975])
    return float(low), float(high)


def ends(interval: Interval | None, instead: Ends | None = None) -> Ends | None:
    return instead if interval is None else (interval.low, interval.high)


def rates(setting: Parts, rng: np.random.Generator) -> dict[str, Ends | None]:
    counted, board = setting.draw(rng)
    rate = Rate.by_board(counted, np.ones(len(counted), np.bool_), board)
    assert rate.low is not None and rate.high is not None
    exact = rate.low, rate.high
    found: dict[str, Ends | None] = {"exact": exact, "boards": ends(rate.boards, exact)}
    if setting.parts < 100_000:
        found["bootstrap"] = percentiles(counted, board, rng)
    return found


def of_auroc(setting: Scores, rng: np.random.Generator) -> dict[str, Ends | None]:
    return {"boards": ends(auroc_interval(*setting.draw(rng)))}


def of_precision(setting: Scores, rng: np.random.Generator) -> dict[str, Ends | None]:
    score, is_defect, board = setting.draw(rng)
    _, value = ranking(score, is_defect)
    assert value is not None
    drawn = draw_boards(score, is_defect, board, draws=1000)
    return {"boards": ends(average_precision_interval(drawn, value, len(np.unique(board[is_defect]))))}


def of_false_calls(capture: float, setting: Scores, rng: np.random.Generator) -> dict[str, Ends | None]:
    score, is_defect, board = setting.draw(rng)
    drawn = draw_boards(score, is_defect, board, draws=1000)
    return {"boards": ends(false_call_interval(drawn, int(is_defect.sum()), capture))}


def told(truth: float, evaluations: int, evaluate: Callable[[np.random.Generator], dict[str, Ends | None]]) -> str:
    """Cells of `hold (below / above)`, one for each kind of interval, of those that gave one."""
    rng = np.random.default_rng(0)
    found: dict[str, list[Ends | None]] = {}
    for _ in range(evaluations):
        for kind, one in evaluate(rng).items():
            found.setdefault(kind, []).append(one)
    cells = []
    for every in found.values():
        given = np.array([one for one in every if one is not None])
        below, above = 100 * (truth < given[:, 0]).mean(), 100 * (truth > given[:, 1]).mean()
        some = f" of {len(given)}" if len(given) < len(every) else ""
        cells.append(f"{100 - below - above:.1f} ({below:.1f} / {above:.1f}){some}")
    return " | ".join(cells)


def lines(evaluations: int) -> Iterator[str]:
    yield "| rate | parts | boards | alike | exact | by board | bootstrap |\n|---|---|---|---|---|---|---|"
    for one in RATES:
        cells = told(one.share, evaluations, lambda rng, one=one: rates(one, rng))  # type: ignore[misc]
        yield f"| {one.what} | {one.parts:,} | {one.boards} | {one.alike:g} | {cells} |"
    yield "\n| figure | defects | boards | alike | unseen | truth | by board |\n|---|---|---|---|---|---|---|"
    kinds = (("AUROC", of_auroc, "true_auroc"), ("average precision", of_precision, "true_average_precision"))
    for name, evaluate, truth_of in kinds:
        for one in AUROCS:
            truth = getattr(one, truth_of)
            cells = told(truth, evaluations, lambda rng, one=one, evaluate=evaluate: evaluate(one, rng))
            yield f"| {name} | {one.defects} | {one.boards} | {one.alike:g} | {one.unseen:g} | {truth:.4f} | {cells} |"
    for capture, one in CUTOFFS:
        truth = one.true_false_calls(capture)
        cells = told(truth, evaluations, lambda rng, one=one, capture=capture: of_false_calls(capture, one, rng))
        name = f"false calls at {capture:.0%} capture"
        yield f"| {name} | {one.defects} | {one.boards} | {one.alike:g} | 0 | {truth:.4f} | {cells} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evaluations", type=int, default=2000, help="simulated ones for each line")
    for line in lines(parser.parse_args().evaluations):
        print(line, flush=True)
