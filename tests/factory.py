"""Tables of scores for the tests of the report: parts of boards, drawn, some of them defective."""

import numpy as np

from goldenpair.quality.scored import ScoredTable, with_scores

KINDS = ("R", "C", "LED", "U")
LABELS = ("MISSING", "BRIDGE", "SHIFT")


def factory(parts: int = 600, defects: int = 37, boards: int = 12, seed: int = 0, **more: list[str]) -> ScoredTable:
    """A table with a score for each part; `more` are further columns."""
    random = np.random.default_rng(seed)
    is_defect = np.zeros(parts, bool)
    is_defect[random.choice(parts, defects, replace=False)] = True
    score = np.where(is_defect, random.gamma(6, 0.25, parts), random.gamma(1.2, 0.06, parts)).astype(np.float32)
    board = np.sort(random.integers(boards, size=parts))
    cells = {
        "input_path": [f"board_{number:03d}/top" for number in board],
        "golden_path": ["golden"] * parts,
        "label": [str(random.choice(LABELS)) if bad else "PASS" for bad in is_defect],
        "object_name": [f"{KINDS[row % len(KINDS)]}{row}" for row in range(parts)],
        **more,
    }
    return with_scores("inference.csv", cells, score)


def as_csv(table: ScoredTable, **more: list[str]) -> str:
    """The table as a file has it, with its scores and `more` columns."""
    cells = {**table.cells, "siamese_score": ["" if one != one else str(one) for one in table.score], **more}
    lines = [",".join(cells), *(",".join(row) for row in zip(*cells.values(), strict=True))]
    return "\n".join(lines) + "\n"
