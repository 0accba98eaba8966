"""What a plant asks for, and whether these parts prove it."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from goldenpair.metrics import Rate, lower_bound, upper_bound
from goldenpair.quality.figures import Figures

Result = Literal["MET", "NOT MET", "NOT PROVABLE"]
CONFIDENCE = 0.95
FEWEST = 10
"""With fewer parts than this nothing is MET."""


@dataclass(frozen=True)
class Targets:
    """What is asked for; None where nothing is. Each target is a limit on the share of what goes wrong."""

    capture: float | None = None
    """At least this share of the defects is stopped, 0..1."""
    escapes_ppm: float | None = None
    """At most so many of a million parts are escapes. Counts only where defects are as rare as on the line."""
    false_calls_ppm: float | None = None
    """At most so many of a million good parts are stopped."""


@dataclass(frozen=True)
class Finding:
    """A target and what was found. `rate` is of what goes wrong: escapes or false calls."""

    target: str
    """Its name and what it asks for, in words."""
    limit: float
    """The largest share of `rate` that meets it."""
    rate: Rate
    proven: float | None
    """With 95 % confidence `rate` is no more than this; None without any part."""
    result: Result
    needed: int | None
    """Parts in all (of those that `rate.of` counts) that would prove it if no further one goes wrong; None: none can."""
    needed_at_this_share: int | None
    """The same if further ones go wrong as often as these; None where none can."""
    text: str
    """The result in a sentence."""


@dataclass(frozen=True)
class Findings:
    findings: tuple[Finding, ...]

    @property
    def result(self) -> Result | None:
        """The worst of them; None without targets."""
        results = {one.result for one in self.findings}
        return next((one for one in ("NOT MET", "NOT PROVABLE", "MET") if one in results), None)

    def as_dict(self) -> dict[str, Any]:
        return {"result": self.result, "findings": [asdict(one) for one in self.findings]}


def judge(figures: Figures, targets: Targets) -> Findings:
    """Which targets are MET, NOT MET or NOT PROVABLE with these parts."""
    raise NotImplementedError


def needed(limit: float, wrong: int) -> int | None:
    """The fewest parts of which `wrong` going wrong prove, with 95 % confidence, a share of at most `limit`."""
    raise NotImplementedError
