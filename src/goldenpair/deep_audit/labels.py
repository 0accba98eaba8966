"""Labels that speak against what the pictures show, by a small classifier that has not seen their board."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from goldenpair.deep_audit.joined import Joined
from goldenpair.deep_audit.measured import Measured
from goldenpair.deep_audit.suspicion import Suspicion
from goldenpair.metrics import Interval, ranking
from goldenpair.progress import Progress
from goldenpair.quality.auroc import auroc_interval
from goldenpair.quality.scored import ScoredTable, with_scores
from goldenpair.quality.suspects import FEWEST, SuspectLabel, suspect_labels

FEWEST_DEFECTS = 5
"""Defects, and boards with one, below which nothing is said of any label."""
SEPARATES = 0.7
"""What the lower end of the AUROC's interval has to reach: acceptable discrimination (Hosmer and Lemeshow)."""
FEW = 30
"""Defects below which the report says how little it rests on."""
_FOLDS, _TREES = 5, 200
_ALL = 1_000_000_000


@dataclass(frozen=True)
class DoubtedLabels:
    """`said` is what the scores are worth; `auroc` is cross-validated, None where nothing could be learnt."""

    found: tuple[Suspicion, ...]
    said: str
    auroc: float | None = None


def doubted_labels(
    joined: Joined, measured: Measured, odd: Collection[int], progress: Progress | None = None
) -> DoubtedLabels:
    """PASS that looks like a defect, and defects that look like PASS.

    Every board is scored by trees that learnt from the others; a part whose board is not known counts as one.
    Suspected is what `suspect_labels` suspects of those probabilities, compared with the mean of the other class as
    confident learning does. `odd` rows, whose golden is suspected, are left out: they differ from it whatever they are.
    Nobody is suspected where the interval of the AUROC begins below SEPARATES.
    """
    use = joined.labelled & measured.read
    use[list(odd)] = False
    rows = np.flatnonzero(use)
    bad = joined.bad[rows]
    defects = int(bad.sum())
    if defects == len(rows) or defects < FEWEST_DEFECTS:
        return DoubtedLabels((), f"Labels: not looked at. {defects:,} defects of {len(rows):,} parts teach nothing.")
    table = _table(joined, rows)
    groups = len(np.unique(table.board[bad]))
    if groups < 2:
        return DoubtedLabels((), "Labels: not looked at. All defects are of one board, and none is left to check on.")
    score = _scores(_inputs(joined, measured, rows), bad, table.board, min(_FOLDS, groups), progress)
    table = _table(joined, rows, score)
    auroc, interval = ranking(score, bad)[0], auroc_interval(score, bad, table.board)
    assert auroc is not None  # both classes are there
    said = _said(auroc, interval, bad, [joined.board[row].strip() for row in rows.tolist()])
    if interval is None or interval.low < SEPARATES:
        return DoubtedLabels((), f"{said} That separates too little to suspect any label.", auroc)
    usual = float(score[~bad].mean()), float(score[bad].mean())
    found = suspect_labels(table, usual, _ALL).listed
    return DoubtedLabels(tuple(_suspicion(one, int(rows[one.row]), usual) for one in found), said, auroc)


def _said(auroc: float, interval: Interval | None, bad: NDArray[np.bool_], board: Sequence[str]) -> str:
    """`board` is "" where it is not known: such a part is checked alone, whatever its board taught the trees."""
    between = f", 95 % interval {interval.low:.3f} to {interval.high:.3f}" if interval else ""
    defects, unknown = int(bad.sum()), sum(not name for name in board)
    boards = len({name for name, is_bad in zip(board, bad.tolist(), strict=True) if name and is_bad})
    of_boards = f" of {boards:,} boards" if boards else ""
    said = (
        f"Labels: differences of sample and golden tell {defects:,} defects{of_boards} from "
        f"{len(bad) - defects:,} good parts with an AUROC of {auroc:.3f} "
        f"(cross-validated by {'part' if unknown == len(board) else 'board'}{between})."
    )
    if unknown:
        said += f" The boards of {unknown:,} parts are not known, and what trees saw of them flatters these figures."
    if defects < FEW:
        said += f" So few defects teach little: of those unlike the other {defects - 1} nothing is known."
    return said


def _table(joined: Joined, rows: NDArray[np.int64], score: NDArray[np.float32] | None = None) -> ScoredTable:
    label = joined.pairs.cells["label"]
    cells = {"label": [label[row] for row in rows], "board": [joined.board[row] for row in rows]}
    if not any(name.strip() for name in cells["board"]):
        cells["board"] = [f"row {row}" for row in rows]  # none is known, and each part is for itself
    return with_scores("all splits", cells, np.zeros(len(rows), np.float32) if score is None else score)


def _inputs(joined: Joined, measured: Measured, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """float32 [n, F]: what each light shows, the most of all lights, and the same as robust deviations in its kind."""
    features = measured.features[rows]
    move = np.abs(measured.move[rows]).max(axis=1)
    plain = np.concatenate(
        [features.reshape(len(rows), -1), features.max(axis=1), move[:, None], measured.gain[rows, None]], axis=1
    )
    kinds = np.array([joined.kind[row] for row in rows])
    of_kind = np.zeros_like(plain)
    for kind in np.unique(kinds):
        same = kinds == kind
        own = plain[same] if same.sum() >= FEWEST else plain
        middle = np.median(own, axis=0)
        spread = 1.4826 * np.median(np.abs(own - middle), axis=0)
        of_kind[same] = (plain[same] - middle) / np.maximum(spread, 0.1 * np.abs(middle) + 1e-3)
    return np.concatenate([plain, of_kind], axis=1).astype(np.float32)


def _scores(
    inputs: NDArray[np.float32],
    bad: NDArray[np.bool_],
    board: NDArray[np.int64],
    folds: int,
    progress: Progress | None,
) -> NDArray[np.float32]:
    """float32 [n]: how probably each is a defect, by trees that saw no part of its board."""
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.model_selection import StratifiedGroupKFold

    score = np.full(len(bad), np.nan, np.float32)
    parts = StratifiedGroupKFold(folds, shuffle=True, random_state=0).split(inputs, bad, board)
    for done, (learn, check) in enumerate(parts, 1):
        # one job: sums of several come in any order
        trees = ExtraTreesClassifier(_TREES, min_samples_leaf=3, class_weight="balanced", random_state=0, n_jobs=1)
        if bad[learn].any() and not bad[learn].all():
            score[check] = trees.fit(inputs[learn], bad[learn]).predict_proba(inputs[check])[:, 1]
        if progress:
            progress(done, folds)
    return np.where(np.isnan(score), np.float32(bad.mean()), score).astype(np.float32)


def _suspicion(one: SuspectLabel, row: int, usual: tuple[float, float]) -> Suspicion:
    if one.label == "PASS":
        sure = one.score / max(usual[1], 1e-3)
        why = f"probability of a defect {one.score:.2f}, that of known defects {usual[1]:.2f} on average"
        return Suspicion("label_pass_doubted", row, why, one.score, sure)
    sure = (1 - one.score) / max(1 - usual[0], 1e-3)
    why = f"{one.label}; probability of a defect {one.score:.2f}, that of good parts {usual[0]:.2f} on average"
    return Suspicion("label_defect_doubted", row, why, one.score, sure)
