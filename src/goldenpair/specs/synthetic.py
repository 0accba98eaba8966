"""Defects that are made from good parts while training: what the section of a spec and the command line share."""

from typing import Literal, get_args

from pydantic import field_validator, model_validator

from goldenpair.specs.fields import Section, option

Kind = Literal[
    "missing",
    "shift",
    "rotate",
    "flip",
    "bridge",
    "excess",
    "insufficient",
    "wrong_part",
    "scratch",
    "contamination",
    "solder_ball",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
LABELS: dict[Kind, str] = {
    "missing": "MISSING",
    "shift": "SHIFTED",
    "rotate": "ROTATED",
    "flip": "WRONG_POLARITY",
    "bridge": "BRIDGE",
    "excess": "EXCESS",
    "insufficient": "INSUFFICIENT",
    "wrong_part": "WRONG_PART",
    "scratch": "SCRATCH",
    "contamination": "CONTAMINATION",
    "solder_ball": "SOLDER_BALL",
}
SMALLEST = 16
"""Pixels of the side of a picture in which a part can be found: in smaller ones no defect is made."""
_SURE: list[Kind] = [kind for kind in KINDS if kind != "flip"]


class _Choice(Section):
    """Which defects, and how plain."""

    kinds: list[Kind] = option(
        _SURE, f"Which defects: {', '.join(KINDS)}; flip (turned by 180 degrees) is one of polar parts only"
    )
    min_severity: float = option(0.0, "Least severity: 0 is barely visible, 1 is plain", ge=0, le=1)
    max_severity: float = option(1.0, "Greatest severity", ge=0, le=1)

    @field_validator("kinds")
    @classmethod
    def _some_and_each_once(cls, kinds: list[Kind]) -> list[Kind]:
        if not kinds:
            raise ValueError("no kind is named; name at least one")
        twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} named more than once")
        return kinds

    @model_validator(mode="after")
    def _range_is_one(self) -> "_Choice":
        if self.min_severity > self.max_severity:
            raise ValueError(f"min_severity is {self.min_severity}, more than max_severity, {self.max_severity}")
        return self


class SyntheticDefects(_Choice):
    """Good parts made defective while training: not in TAO. Validation, test and inference never see any."""

    enable: bool = option(False, "Make some of the good parts that training draws defective")
    share: float = option(0.1, "Share of the good parts drawn that become defects", gt=0, lt=1)

    def problems(self, sides: tuple[int, int], at: str) -> list[str]:
        """Why pictures of this height and width cannot be made defective, one sentence each; `at` is their path."""
        if not self.enable or min(sides) >= SMALLEST:
            return []
        return [
            f"{at}.synthetic_defects.enable: no defect can be made in pictures of {sides[0]} x {sides[1]} pixels; give "
            f"an image_height and an image_width of {SMALLEST} or more, or set it to false"
        ]


class SynthesizeSpec(_Choice):
    """The options of `goldenpair synthesize`."""

    count: int | None = option(None, "How many; unset: share", ge=1)
    share: float = option(0.1, "How many for each good part of the table", gt=0)
    lights: list[str] = option([], "Suffixes of the pictures' names; none: one picture without a suffix")
    image_ext: str = option(".jpg", "Extension of the pictures", pattern=r"^\..+")
    seed: int = option(1234, "The same seed and options give the same files, byte for byte", ge=0)

    def number_of(self, good: int) -> int:
        """How many defects are to be made where a table has so many good parts."""
        return self.count or max(1, round(self.share * good))
