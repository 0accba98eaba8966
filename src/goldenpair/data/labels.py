"""Texts that are not a defect's name, although they stand where one is expected."""

import re

from goldenpair.data.table import PASS

_SOUNDS_GOOD = {"PASSED", "PAS", "PASSS", "OK", "GOOD"}
_STANDS_FOR_NOTHING = {"", "NAN", "N/A", "#N/A", "NA", "<NA>", "NONE", "NULL"}
_NOT_LETTERS = re.compile(r"[\W_]+")


def near_pass(label: str) -> bool:
    """Whether it is nearly PASS, such as `pass` or ` PASS`."""
    return label != PASS and _NOT_LETTERS.sub("", label).upper() == PASS


def sounds_good(label: str) -> bool:
    """Whether it is another word for a good part, such as `OK`."""
    return label.strip().upper() in _SOUNDS_GOOD


def no_value(label: str) -> bool:
    """Whether it is empty, or what programs write for an empty cell, such as `nan`."""
    return label.strip().upper() in _STANDS_FOR_NOTHING
