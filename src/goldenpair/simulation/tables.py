"""Tables of a line: those to train with, and the raw export of an AOI machine, a row for each part and light."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO

import numpy as np

from goldenpair.data.table import PASS
from goldenpair.simulation.designs import Design
from goldenpair.simulation.plan import Board, Defect
from goldenpair.simulation.streams import Stream, draws
from goldenpair.specs.simulate import Label, Light

COLUMNS = (
    "input_path", "golden_path", "label", "object_name",
    "board", "design", "component_type", "package", "panel", "severity", "box",
)  # fmt: skip
_OF_PART = ("TB_Panel", "Type", "Package", "Pins")
GOLDEN_COLUMNS = ("Project", "TOP_BOT", "CompName", *_OF_PART, "directory", "image_name")
EXPORT_COLUMNS = (
    "Project", "BoardSN", "TOP_BOT", "CompName", *_OF_PART, "directory", "LightingCondition",
    "ConfirmDefect", "MachineDefect", "Status", "image_name",
)  # fmt: skip
_FALSE_CALLS = 0.03
"""Share of the good parts that the machine calls bad. Of the bad ones it calls all but some of the least severe."""

Row = Sequence[object]


def csv_text(header: Row, rows: Iterable[Row]) -> str:
    text = StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    table.writerows(rows)
    return text.getvalue()


def golden_folder(design: Design) -> str:
    """Of its goldens, below images."""
    return f"golden/images/{design.project}TOP"


def label_of(defect: Defect | None) -> str:
    return defect.label if defect else PASS


def rows(board: Board, boxes: Mapping[int, str]) -> Iterator[Row]:
    """Of a board for the table of its split; `boxes` are by place, of the bad parts."""
    one = board.design
    for place, part in enumerate(one.places):
        defect = board.defects.get(place)
        yield (
            board.folder, golden_folder(one), label_of(defect), one.name(place),
            board.serial, one.project, part.package.component_type, part.package.name, one.panels[place],
            defect.severity if defect else "", boxes.get(place, ""),
        )  # fmt: skip


def golden_rows(one: Design, ext: str, lights: Sequence[Light]) -> Iterator[Row]:
    for place, part in enumerate(one.places):
        image = f"{one.name(place)}_{lights[0]}{ext}"
        yield (one.project, "TOP", part.refdes, *_of_part(one, place), golden_folder(one), image)


def export_rows(board: Board, lights: Sequence[Light], ext: str, seed: int) -> Iterator[Row]:
    """Of a board. An operator has confirmed every verdict; the machine has called some that are good."""
    one = board.design
    rng = draws(seed, Stream.MACHINE, board.number)
    for place, part in enumerate(one.places):
        defect = board.defects.get(place)
        call, seen = _machine(defect, part.package.defects, len(lights), rng)
        for light, seen_by_it in zip(lights, seen, strict=True):
            machine = call if seen_by_it else PASS
            yield (
                one.project, board.serial, "TOP", part.refdes, *_of_part(one, place), board.folder, light,
                label_of(defect), machine, "PASS" if machine == PASS else "FAIL",
                f"{one.name(place)}_{light}{ext}",
            )  # fmt: skip


def _of_part(one: Design, place: int) -> Row:
    package = one.places[place].package
    return one.panels[place], package.component_type, package.name, len(package.pads)


def _machine(
    defect: Defect | None, possible: Sequence[Label], lights: int, rng: np.random.Generator
) -> tuple[str, list[bool]]:
    """What the machine calls a part, and under which lights."""
    sure, kind, first = rng.random(), int(rng.integers(len(possible))), int(rng.integers(lights))
    also = rng.random(lights) < 0.5
    also[first] = True
    called = sure < 0.6 + 2 * defect.severity if defect else sure < _FALSE_CALLS
    return defect.label if defect else possible[kind], [bool(one and called) for one in also]
