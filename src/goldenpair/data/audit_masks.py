"""The masks of a list's pairs: whether all can be used, and which pairs they call defects."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from goldenpair.data.decoding import read_size
from goldenpair.data.faults import Fault
from goldenpair.data.lists import MASK_COLUMN
from goldenpair.data.masks import decode_mask
from goldenpair.data.table import PASS, PairTable
from goldenpair.data.threads import Threads
from goldenpair.errors import DataError
from goldenpair.specs.segment import IGNORED, MaskRule

CHANGED = "CHANGED"
"""The label of a pair whose mask has a changed pixel."""
_CHUNK, _THREADS = 64, 8


@dataclass(frozen=True)
class _Looked:
    """A mask: int64 [256] `pixels` of each class, or why there is none; `odd` if its size is not the sample's."""

    pixels: NDArray[np.int64]
    missing: bool = False
    error: str = ""
    odd: str = ""


def with_labels(
    split: str, table: PairTable, rule: MaskRule, step: Callable[[int], None]
) -> tuple[PairTable, list[Fault], list[str]]:
    """A list's table with a label column, the faults of its masks, and a note on how many pixels each class has.

    Every mask is decoded: a pair is a defect if one pixel of its mask, as large as it is in the file, has changed.
    A mask that cannot be used is a fatal fault.
    """
    threads, looked = Threads(_THREADS), list[_Looked]()
    for start in range(0, len(table), _CHUNK):
        looked += threads.each(lambda row: _look(table, row, rule), range(len(table))[start : start + _CHUNK])
        step(len(looked) - start)
    labels = [CHANGED if one.pixels[1:IGNORED].any() else PASS for one in looked]
    table = replace(table, cells={**table.cells, "label": labels})
    pixels = sum((one.pixels for one in looked), np.zeros(256, np.int64))
    return table, _faults(split, table, looked) + _unused(split, rule, pixels), _note(split, pixels)


def _look(table: PairTable, row: int, rule: MaskRule) -> _Looked:
    none = np.zeros(256, np.int64)
    path = _path(table, row, MASK_COLUMN)
    if not os.path.isfile(path):
        return _Looked(none, missing=True)
    try:
        mask = decode_mask(path, rule)
    except DataError as error:
        return _Looked(none, error=str(error))
    pixels = np.bincount(mask.reshape(-1), minlength=256)
    try:
        width, height = read_size(_path(table, row, "input_path", table.cells["object_name"][row]))
    except DataError:  # which the audit of the pictures tells
        return _Looked(pixels)
    same = mask.shape == (height, width)
    return _Looked(pixels, odd="" if same else f"{mask.shape[1]} x {mask.shape[0]}, its sample {width} x {height}")


def _path(table: PairTable, row: int, column: str, name: str = "") -> str:
    return os.path.join(str(table.images_dir), table.cells[column][row], name).removesuffix(os.sep)


def _faults(split: str, table: PairTable, looked: list[_Looked]) -> list[Fault]:
    def of(code: str, what: str, tell: Callable[[int], str], rows: list[int], fatal: bool = True) -> list[Fault]:
        return Fault.of(split, code, what, rows, lambda row: f"line {table.line(row)}: {tell(row)}", fatal)

    missing = [row for row, one in enumerate(looked) if one.missing]
    broken = [row for row, one in enumerate(looked) if one.error]
    odd = [row for row, one in enumerate(looked) if one.odd]
    return [
        *of("mask_missing", "mask missing", lambda row: _missing(_path(table, row, MASK_COLUMN)), missing),
        *of("mask_unusable", "mask that cannot be used", lambda row: looked[row].error, broken),
        *of(
            "mask_size_differs",
            "mask of another size than its sample",
            lambda row: f"{_path(table, row, MASK_COLUMN)}: {looked[row].odd}",
            odd,
            fatal=False,
        ),
    ]


def _missing(path: str) -> str:
    folder, leaf = os.path.split(path)
    if not os.path.isdir(folder):
        return f"{path}  (there is no such folder)"
    stem = re.split(r"[._]", leaf)[0]
    others = sorted(one for one in os.listdir(folder) if re.match(re.escape(stem) + r"[._]", one))
    return f"{path}  (there is {', '.join(others[:3])})" if others else path


def _unused(split: str, rule: MaskRule, pixels: NDArray[np.int64]) -> list[Fault]:
    unused = [str(number) for number in range(1, rule.classes) if not pixels[number]]
    if not unused or not pixels.any():
        return []
    ignored = f"; {pixels[IGNORED]:,} pixels are {IGNORED}, which is left out" if pixels[IGNORED] else ""
    what = f"class that no pixel of any mask has{ignored}"
    return [Fault(split, "class_unused", what, len(unused), (f"class {', '.join(unused)}",), fatal=False)]


def _note(split: str, pixels: NDArray[np.int64]) -> list[str]:
    total = int(pixels.sum())
    if not total:
        return []
    shares = [
        f"{'left out' if number == IGNORED else f'class {number}'} {pixels[number] / total:.3%}"
        for number in np.flatnonzero(pixels).tolist()
    ]
    return [f"{split}: pixels of the masks: {', '.join(shares)}"]
