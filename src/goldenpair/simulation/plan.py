"""What a line will build: which board is of which design and split, and which of its parts are to be bad and how."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from goldenpair.simulation.designs import Design, design
from goldenpair.simulation.packages import Label
from goldenpair.simulation.streams import Stream, draws
from goldenpair.specs.simulate import SimulateSpec, held_out

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
    """The same for the same options, whoever asks."""
    seed = spec.seed
    designs = tuple(design(number, spec.parts_per_board, seed) for number in range(spec.designs))
    order = draws(seed, Stream.SPLIT).permutation(spec.boards)
    validation, test = held_out(spec.boards, spec.validation_share, spec.test_share)
    ends = [spec.boards - validation - test, spec.boards - test]
    boards = []
    for split, found in zip(SPLITS, np.split(order, ends), strict=True):
        numbers = sorted(found.tolist())
        of = [designs[number % len(designs)] for number in numbers]
        rng = draws(seed, Stream.DEFECTS, SPLITS.index(split))
        defects = _defects(spec, of, rng)
        boards += [
            Board(number + 1, one, split, flaws) for number, one, flaws in zip(numbers, of, defects, strict=True)
        ]
    return Plan(spec, designs, tuple(sorted(boards, key=lambda board: board.table)))


def _defects(spec: SimulateSpec, boards: Sequence[Design], rng: np.random.Generator) -> list[dict[int, Defect]]:
    """For each board of a split which places are bad: exactly the asked share, each kind as often as parts allow."""
    places = [(board, place) for board, one in enumerate(boards) for place in range(len(one.places))]
    count = max(1, round(spec.defect_rate * len(places))) if spec.defect_rate else 0
    often: dict[Label, int] = {}
    found: list[dict[int, Defect]] = [{} for _ in boards]
    for chosen in rng.permutation(len(places))[:count].tolist():
        board, place = places[chosen]
        possible = boards[board].places[place].package.defects
        fewest = min(often.get(label, 0) for label in possible)
        rarest = [label for label in possible if often.get(label, 0) == fewest]
        label = rarest[int(rng.integers(len(rarest)))]
        often[label] = often.get(label, 0) + 1
        found[board][place] = Defect(label, round(float(rng.uniform(spec.min_severity, 1)), 3))
    return found
