"""Tables of scores for tests of what is measured."""

from collections.abc import Sequence

import numpy as np

from goldenpair.quality.scored import ScoredTable, with_scores


def scored_table(score: Sequence[float], is_defect: Sequence[bool], board: Sequence[int] | None = None) -> ScoredTable:
    """Without boards where none are given."""
    cells = {"label": ["MISSING" if one else "PASS" for one in is_defect]}
    if board is not None:
        cells["board"] = [str(one) for one in board]
    return with_scores("by hand", cells, np.asarray(score, np.float32))
