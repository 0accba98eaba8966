"""What a line will build: which board is of which design and split, and which of its parts are to be bad and how."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from goldenpair.errors import DataError
from goldenpair.simulation.designs import Design, design
from goldenpair.simulation.streams import Stream, draws
from goldenpair.specs.simulate import LABELS, Label, SimulateSpec, held_out

SPLITS = ("train", "validation", "test")
_FIRST = datetime(2025, 3, 3, 6)
_CYCLE = timedelta(seconds=47)


@dataclass(frozen=True)
class Defect:
    label: Label
    severity: float


@dataclass(frozen=True)
class Board:
    """One board to be built. `number` counts from 1, `defects` are by place of its design."""

    number: int
    design: Design
    split: str
    defects: Mapping[int, Defect]

    @property
    def serial(self) -> str:
        return f"SN{self.number:06d}"

    @property
    def capture(self) -> str:
        """The folder of its pictures: serial number and time."""
        return f"{self.serial}_{_FIRST + self.number * _CYCLE:%Y%m%d%H%M%S}"

    @property
    def folder(self) -> str:
        """Of its pictures, below images."""
        return f"{self.design.project}/AOI_T/{self.capture}/PerComponent"

    @property
    def table(self) -> str:
        """The name of its file in a factory's export."""
        return f"L1_{self.design.project}_TOP_{self.serial}.csv"


@dataclass(frozen=True)
class Plan:
    """`boards` are in the order of the names of their tables."""

    spec: SimulateSpec
    designs: tuple[Design, ...]
    boards: tuple[Board, ...]


def plan(spec: SimulateSpec) -> Plan:
    """The same for the same options, whoever asks. Raises DataError for kinds of defects that its parts cannot have."""
    seed = spec.seed
    designs = tuple(design(number, spec.parts_per_board, seed) for number in range(spec.designs))
    _refuse_kinds(spec, designs)
    order = draws(seed, Stream.SPLIT).permutation(spec.boards)
    validation, test = held_out(spec.boards, spec.validation_share, spec.test_share)
    ends = [spec.boards - validation - test, spec.boards - test]
    boards = []
    for split, found in zip(SPLITS, np.split(order, ends), strict=True):
        numbers = sorted(found.tolist())
        of = [designs[number % len(designs)] for number in numbers]
        rng = draws(seed, Stream.DEFECTS, SPLITS.index(split))
        defects = _defects(spec, split, of, rng)
        boards += [
            Board(number + 1, one, split, flaws) for number, one, flaws in zip(numbers, of, defects, strict=True)
        ]
    return Plan(spec, designs, tuple(sorted(boards, key=lambda board: board.table)))


def _refuse_kinds(spec: SimulateSpec, designs: Sequence[Design]) -> None:
    """Raises DataError for kinds of defects that no part of the designs can have."""
    possible = {label for one in designs for place in one.places for label in place.package.defects}
    never = [label for label in spec.kinds if label not in possible]
    if never and spec.kinds != list(LABELS):  # by default there are those that can be
        packages = sorted({place.package.name for one in designs for place in one.places})
        raise DataError(
            f"kinds: no part of these designs can have {', '.join(never)}; they have {', '.join(packages)}. Leave it "
            "out, or ask for more parts_per_board or another seed"
        )


def _defects(
    spec: SimulateSpec, split: str, boards: Sequence[Design], rng: np.random.Generator
) -> list[dict[int, Defect]]:
    """For each board of a split which places are bad: exactly the asked share, each kind as often as parts allow."""
    places = [(board, place) for board, one in enumerate(boards) for place in range(len(one.places))]
    count = max(1, round(spec.defect_rate * len(places))) if spec.defect_rate else 0
    able = [
        (board, place, possible)
        for board, place in (places[chosen] for chosen in rng.permutation(len(places)).tolist())
        if (possible := [label for label in boards[board].places[place].package.defects if label in spec.kinds])
    ]
    if count > len(able):
        raise DataError(
            f"defect_rate: {spec.defect_rate:g} of the {len(places)} parts of {split} are {count}, and only "
            f"{len(able)} can have {' or '.join(spec.kinds)}; lower it or add kinds"
        )
    often: dict[Label, int] = {}
    found: list[dict[int, Defect]] = [{} for _ in boards]
    for board, place, possible in able[:count]:
        fewest = min(often.get(label, 0) for label in possible)
        rarest = [label for label in possible if often.get(label, 0) == fewest]
        label = rarest[int(rng.integers(len(rarest)))]
        often[label] = often.get(label, 0) + 1
        found[board][place] = Defect(label, round(float(rng.uniform(spec.min_severity, 1)), 3))
    return found
