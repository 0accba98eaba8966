"""What a plant asks for, and whether these parts prove it."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from goldenpair.metrics import Rate, lower_bound, upper_bound
from goldenpair.quality.figures import Figures, Worst

Result = Literal["MET", "NOT MET", "NOT PROVABLE"]
CONFIDENCE = 0.95
FEWEST = 10
"""With fewer defects (or good parts) than this nothing is MET."""
MOST = 1_000_000_000
"""More parts than this are not asked for."""


@dataclass(frozen=True)
class Targets:
    """What is asked for; None where nothing is."""

    capture: float | None = None
    """At least this share of the defects is stopped, 0..1."""
    escapes_ppm: float | None = None
    """At most so many of a million parts are escapes. Only of use where defects are as rare as on the line."""
    false_calls_ppm: float | None = None
    """At most so many of a million good parts are stopped."""


@dataclass(frozen=True)
class Finding:
    """A target and what was found.

    `low` and `high` are bounds of the share: each holds with 95 % confidence, and is the more cautious one of the exact
    one and the one that allows for boards. None without any part.
    """

    target: str
    """In words."""
    wanted: float
    """The share asked for: the least capture, the most escapes or false calls."""
    rate: Rate
    low: float | None
    high: float | None
    result: Result
    basis: int
    """The defects, or good parts, that it rests on."""
    needed: int | None
    """Parts in all, of those `rate.of` counts, that prove it if no further one goes wrong; None: no number does."""
    needed_at_this_share: int | None
    """About how many if further ones go wrong as often as these; None where none does, or none of these did."""
    text: str
    """What is proven, and what is missing, in a sentence."""


@dataclass(frozen=True)
class Findings:
    findings: tuple[Finding, ...]
    flattered: bool = False
    """Whether the verdicts were chosen on these very parts, so that nothing is MET."""

    @property
    def result(self) -> Result | None:
        """The worst of them; None without targets."""
        order: tuple[Result, ...] = ("NOT MET", "NOT PROVABLE", "MET")
        return next((one for one in order if any(found.result == one for found in self.findings)), None)

    def as_dict(self) -> dict[str, Any]:
        told = [asdict(one) for one in self.findings]
        return {"result": self.result, "flattered": self.flattered, "findings": told}


@dataclass(frozen=True)
class _Wish:
    """A target as a limit on the share of what goes wrong, `wrong`."""

    target: str
    wanted: float
    limit: float
    wrong: Rate
    shown: Rate
    basis: int
    basis_name: str
    unit: str
    """What `wrong.of` counts."""
    worst: Rate
    """`wrong` if each part without a score were judged wrongly."""
    lost: int
    """Parts without a score, of those that `basis` counts."""
    flattered: bool


def judge(figures: Figures, targets: Targets, flattered: bool = False) -> Findings:
    """Which targets are MET, NOT MET or NOT PROVABLE with these parts.

    MET is proven with 95 % confidence by FEWEST defects (good parts, for false calls) or more; NOT MET is excluded with
    95 % confidence; all else is NOT PROVABLE. A capture of 100 % is refuted by one escape and proven by nothing.

    Parts without a score prove nothing: a target is MET only if it would be with each of them judged wrongly. Of
    `flattered` figures, whose verdicts were chosen on these very parts, none is MET.
    """
    point, wishes = figures.point, []
    defects, good, lost_defects, lost_good = figures.defects, figures.good, figures.error_defects, figures.error_good
    worst = figures.worst or Worst(point.escapes, figures.escapes_of_parts, point.false_calls)
    if (share := targets.capture) is not None:
        title = f"capture at least {100 * share:.6g} %"
        told = (point.escapes, point.capture, defects, "defects", "defects", worst.escapes, lost_defects, flattered)
        wishes.append(_Wish(title, share, 1 - share, *told))
    if (ppm := targets.escapes_ppm) is not None:
        title, rate = f"escapes at most {ppm:.6g} ppm of all parts", figures.escapes_of_parts
        told = (rate, rate, defects, "defects", "parts", worst.escapes_of_parts, lost_defects, flattered)
        wishes.append(_Wish(title, ppm / 1e6, ppm / 1e6, *told))
    if (ppm := targets.false_calls_ppm) is not None:
        title, rate = f"false calls at most {ppm:.6g} ppm of good parts", point.false_calls
        told = (rate, rate, good, "good parts", "good parts", worst.false_calls, lost_good, flattered)
        wishes.append(_Wish(title, ppm / 1e6, ppm / 1e6, *told))
    return Findings(tuple(map(_finding, wishes)), flattered)


def needed(limit: float, wrong: float) -> int | None:
    """The fewest parts of which `wrong` going wrong prove, with 95 % confidence, a share of at most `limit`, 0..1.

    None where no number does, or more than MOST: nothing proves that nothing ever goes wrong.
    """
    return _fewest(lambda parts: wrong, limit)


def _finding(wish: _Wish) -> Finding:
    wrong = wish.wrong
    low, high = _bounds(wrong)
    result: Result = "NOT PROVABLE"
    if low is not None and low > wish.limit:
        result = "NOT MET"
    elif _proven(wish.wrong, wish) and _proven(wish.worst, wish) and not wish.flattered:
        result = "MET"
    # the less these parts are worth because boards differ, the more of them it takes; so are those that went wrong
    worth = (wrong.boards.effective if wrong.boards else None) or wrong.of
    effect = max(1.0, wrong.of / worth) if worth else 1.0
    enough, at_this_share = (
        None if parts is None else max(FEWEST, math.ceil(parts * effect))
        for parts in (needed(wish.limit, wrong.count / effect), _needed_at_share(wish.limit, wrong.value or 0.0))
    )
    if enough is not None:  # also by the bound that takes each part for itself
        enough = max(enough, needed(wish.limit, wrong.count) or 0)
    if wish.shown is not wrong:
        low, high = (None if one is None else 1 - one for one in (high, low))
    text = _text(wish, result, low, high, enough, at_this_share)
    return Finding(wish.target, wish.wanted, wish.shown, low, high, result, wish.basis, enough, at_this_share, text)


def _proven(wrong: Rate, wish: _Wish) -> bool:
    high = _bounds(wrong)[1]
    return high is not None and high <= wish.limit and wish.basis >= FEWEST


def _text(
    wish: _Wish, result: Result, low: float | None, high: float | None, enough: int | None, at_this_share: int | None
) -> str:
    if low is None or high is None:
        return f"no {wish.unit} to measure it on"
    is_capture = wish.shown is not wish.wrong
    # the side that proves the target, or that excludes it
    at_least = is_capture == (result != "NOT MET")
    bound = f"at least {_share(low, is_capture, math.floor)}" if at_least else f"at most {_share(high, is_capture)}"
    text = f"{wish.shown.count:,} of {wish.shown.of:,}: with 95 % confidence {bound}"
    if wish.lost:
        text += f"; {wish.lost:,} of {wish.basis + wish.lost:,} {wish.basis_name} have no score (ERROR)"
    if result != "NOT PROVABLE":
        return text
    if wish.flattered:
        return f"{text}; the verdicts were chosen on these very parts, which prove nothing of others"
    if wish.basis < FEWEST:
        text += f"; {wish.basis} {wish.basis_name} prove nothing, {FEWEST} are the least"
        more = enough is not None and enough > FEWEST and wish.unit == wish.basis_name
        return f"{text}, and the target takes {enough:,} without a further mistake" if more else text
    if _proven(wish.wrong, wish):
        return f"{text}, and if all of these were judged wrongly it would not be proven"
    if enough is None:
        return f"{text}; no number of {wish.unit} can prove it"
    right = "all captured" if is_capture else "without another one"
    text += f"; {max(0, enough - wish.wrong.of):,} more {wish.unit}, {right}, would prove it"
    if at_this_share is not None:
        text += f", or about {max(0, at_this_share - wish.wrong.of):,} more at this share"
    return text


def _share(value: float, in_percent: bool, rounded: Callable[[float], int] = math.ceil) -> str:
    """Rounded to the side that claims less."""
    if not in_percent:
        return f"{rounded(value * 1e6):,} ppm"
    digits = 4 if value > 0.999 else 2
    return f"{rounded(value * 10 ** (digits + 2)) / 10**digits:.{digits}f} %"


def _needed_at_share(limit: float, share: float) -> int | None:
    """By a share that is not rounded to whole parts: rounded, some more parts would prove less than fewer do."""
    return _fewest(lambda parts: parts * share, limit) if 0 < share < limit else None


def _bounds(rate: Rate) -> tuple[float | None, float | None]:
    """What the share is at least and at most, each with 95 % confidence."""
    if rate.value is None:
        return None, None
    effective = rate.boards.effective if rate.boards else None
    sizes = [size for size in (float(rate.of), effective) if size]
    low = min(lower_bound(rate.value * size, size, CONFIDENCE) for size in sizes)
    return low, max(upper_bound(rate.value * size, size, CONFIDENCE) for size in sizes)


def _fewest(wrong_of: Callable[[int], float], limit: float) -> int | None:
    """The fewest parts that prove the limit when so many of them go wrong."""
    if limit <= 0:
        return None

    def proven(parts: int) -> bool:
        return upper_bound(min(parts, wrong_of(parts)), parts, CONFIDENCE) <= limit

    low, high = 0, 1
    while not proven(high):
        low, high = high, 2 * high
        if high > MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if proven(middle) else (middle, high)
    return high
