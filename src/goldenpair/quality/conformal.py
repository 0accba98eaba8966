"""What a number of parts proves of the next one: split-conformal bounds for each class by itself.

Of n parts of a class and the next one, if they are exchangeable (drawn alike, in any order), the next one is the k-th
lowest of the n + 1 with the same probability for each k. So its score is below the k-th lowest of the n with a
probability of at most k / (n + 1), whatever the scores are distributed like (Vovk, Gammerman and Shafer, 2005;
class by class: Vovk, 2012). On defects this bounds escapes; mirrored, on good parts, false calls.
"""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

CONDITION = "If the next parts come from where these came from (exchangeable: same line, same mix of boards)"
"""Said before any guarantee."""
_SLACK = 1e-9  # keeps 0.02 * 50 from being less than 1 because of a rounding error


class Guarantee(BaseModel):
    """The next part of a class is judged wrongly with a probability of at most `bound`.

    `wrong` of the `n` parts of the class are. It `holds` if their number was fixed before the scores were looked at, as
    a capture target does for defects; else the same number is an estimate, because the cutoff followed these scores.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    of: Literal["escape", "false call", "automatic FAIL of a good part"]
    n: int = Field(ge=1)
    wrong: int = Field(ge=0)
    bound: float = Field(ge=0, le=1)
    holds: bool

    def __str__(self) -> str:
        who = "defect" if self.of == "escape" else "good part"
        kind = "at most" if self.holds else "estimated as"
        chance = f"{self.bound:.2%}" if self.bound >= 0.001 else f"{self.bound * 1e6:,.0f} ppm"
        return f"{self.of}: {kind} {chance} for the next {who} ({self.wrong:,} of {self.n:,} {who}s here)"


def guarantee(
    of: Literal["escape", "false call", "automatic FAIL of a good part"], n: int, wrong: int, allowed: int | None
) -> Guarantee:
    """`allowed` is how many the rule let be judged wrongly before it saw the scores; None where it did not say."""
    # with equal scores fewer may be wrong than were allowed; that was not known before
    return Guarantee(of=of, n=n, wrong=wrong, bound=bound(n, max(wrong, allowed or 0)), holds=allowed is not None)


def bound(n: int, wrong: int) -> float:
    """The smallest probability of a mistake that n parts prove where `wrong` of them are judged wrongly."""
    return (wrong + 1) / (n + 1)


def rank(n: int, risk: float) -> int:
    """The k of which the k-th lowest of n scores may serve as cutoff for a `risk`, 0..1; 0: n is too small for any."""
    return math.floor(risk * (n + 1) + _SLACK)


def needed(risk: float) -> int:
    """How many parts it takes until a risk can be proved at all."""
    return math.ceil(1 / risk - 1 - _SLACK)
