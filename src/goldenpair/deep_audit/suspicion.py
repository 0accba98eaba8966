"""One thing to look at again, why, and what to do about it."""

from dataclasses import dataclass

CERTAIN = float("inf")
GOLDEN, LABEL, SPLIT = "goldens", "labels", "splits"


@dataclass(frozen=True)
class Suspicion:
    """`row` is the row of the joined tables that it is about; of a golden one that is compared with it.

    `number` is what it rests on, as `why` says it; `sure` is by how many times that is beyond its limit, CERTAIN for
    files that are the same. `other_row` is one whose golden, or sample, `why` tells of.
    """

    what: str
    row: int
    why: str
    number: float
    sure: float
    other_row: int | None = None


@dataclass(frozen=True)
class Kind:
    """What a suspicion is called in a report, in words, what to do, and which chapter it belongs to."""

    said: str
    action: str
    chapter: str


_REPLACE = "replace golden"
KINDS = {
    "golden_flat": Kind("golden that shows nothing under a light", _REPLACE, GOLDEN),
    "golden_lights_same": Kind("golden with one file for two lights", _REPLACE, GOLDEN),
    "golden_lights_swapped": Kind("golden whose lights look swapped", "swap its light files back", GOLDEN),
    "golden_duplicate": Kind("golden that another place has too", _REPLACE, GOLDEN),
    "golden_near_duplicate": Kind("golden all but equal to another place's", "look, perhaps replace golden", GOLDEN),
    "golden_of_another": Kind("golden whose samples fit another one better", "exchange or replace golden", GOLDEN),
    "golden_dark": Kind("golden too dark", _REPLACE, GOLDEN),
    "golden_bright": Kind("golden too bright", _REPLACE, GOLDEN),
    "golden_pale": Kind("golden with little contrast", _REPLACE, GOLDEN),
    "golden_blurred": Kind("golden blurred", _REPLACE, GOLDEN),
    "golden_misframed": Kind("golden misframed", "cut golden out again", GOLDEN),
    "golden_unlike": Kind("golden unlike its own samples or its kind", "look, perhaps replace golden", GOLDEN),
    "pairs_misframed": Kind("samples and goldens that are usually framed apart", "cut out alike, or register", GOLDEN),
    "sample_fits_another": Kind("good sample that fits another golden better", "look, perhaps relabel", LABEL),
    "label_pass_doubted": Kind("PASS that looks like a defect", "relabel?", LABEL),
    "label_defect_doubted": Kind("defect that looks like PASS", "relabel?", LABEL),
    "two_labels": Kind("one picture, once PASS and once a defect", "decide on one label", LABEL),
    "sample_is_golden": Kind("sample that is a golden's file", "remove row or replace golden", SPLIT),
    "sample_in_two_splits": Kind("same files in another split", "keep in one split", SPLIT),
    "sample_nearly_in_two_splits": Kind("nearly the same picture in another split", "look, keep in one split", SPLIT),
    "board_in_two_splits": Kind("board in two splits", "move board to one split", SPLIT),
}
"""Of all that can be suspected, the most certain first."""
