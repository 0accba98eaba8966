"""Names of IPC-CFX (IPC-2591) for what a plant calls its defects, and for how far a call has been looked at.

CFX leaves the category of a defect free and suggests 31 names; these are those of version 2.1. It is not the whole
standard: nothing here writes or reads CFX messages.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from goldenpair.data.table import PASS
from goldenpair.errors import DataError, InputError, first_few, first_line

COLUMN = "cfx_category"
CATEGORIES = (
    "ClearenceSurfaceError",  # spelt so in the standard
    "ComponentDefective",
    "ComponentMissing",
    "ComponentRotated",
    "ComponentShifted",
    "ComponentTilted",
    "ConformalCoatingError",
    "Contamination",
    "ExcessiveSolder",
    "FaceDownComponent",
    "InsufficientSolder",
    "LiftedLead",
    "Miscellaneous",
    "PasteShort",
    "PinMissing",
    "PinShifted",
    "ReferencePlaneError",
    "ShiftedPaste",
    "Short",
    "Solderball",
    "SolderDefect",
    "SolderPasteDefect",
    "Tombstone",
    "WrongCode",
    "WrongComponent",
    "WrongComponentHeight",
    "WrongPasteArea",
    "WrongPasteHeight",
    "WrongPasteVolume",
    "WrongPinHeight",
    "WrongPolarity",
)


OURS: Mapping[str, str] = {
    "BILLBOARD": "ComponentTilted",
    "BRIDGE": "Short",
    "COLD": "SolderDefect",
    "CONTAMINATION": "Contamination",
    "CRACK": "ComponentDefective",
    "EXCESS": "ExcessiveSolder",
    "FACE_DOWN": "FaceDownComponent",
    "INSUFFICIENT": "InsufficientSolder",
    "LIFTED_LEAD": "LiftedLead",
    "MISSING": "ComponentMissing",
    "ROTATED": "ComponentRotated",
    "SCRATCH": "Miscellaneous",
    "SHIFTED": "ComponentShifted",
    "SOLDER_BALL": "Solderball",
    "TOMBSTONE": "Tombstone",
    "WRONG_PART": "WrongComponent",
    "WRONG_POLARITY": "WrongPolarity",
}
"""Categories of the labels that `goldenpair simulate` and `goldenpair synthesize` write, for maps without them."""


class Verification(StrEnum):
    """States of a defect in CFX: what came of looking at a call."""

    NOT_VERIFIED_YET = "NotVerifiedYet"
    CONFIRMED = "DefectConfirmed"
    REJECTED = "DefectRejected"
    """A false call."""
    ACCEPTED = "DefectAccepted"
    """A false call that something is done about all the same."""
    REPAIRED = "DefectRepaired"
    CLOSED = "DefectClosed"


def verification(stopped: bool, label: str) -> Verification | None:
    """The state of a part's call when its `label` ("" for none) is known; None for a part that was not called."""
    if not stopped:
        return None
    if not label.strip():
        return Verification.NOT_VERIFIED_YET
    return Verification.REJECTED if label == PASS else Verification.CONFIRMED


@dataclass(frozen=True)
class LabelMap:
    """CFX categories of a plant's labels. A label that is not among them is kept and has none."""

    source: str
    categories: Mapping[str, str]

    def of(self, label: str) -> str:
        """ "" for PASS, for no label, and for a label that is not mapped."""
        return self.categories.get(label) or OURS.get(label, "")

    def column(self, labels: Sequence[str]) -> list[str]:
        """What stands in COLUMN of a table with these labels."""
        return [self.of(label) for label in labels]

    def unmapped(self, labels: Sequence[str]) -> list[str]:
        """The defects' labels that have no category, in the order in which they come."""
        return [one for one in dict.fromkeys(labels) if one.strip() and one != PASS and not self.of(one)]


def read_label_map(path: str | Path) -> LabelMap:
    """Read `{label: category}` from a YAML or JSON file.

    Raises InputError with every category that CFX does not suggest, and what it may have meant; DataError for a file
    that cannot be read.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        found: Any = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except FileNotFoundError:
        raise DataError(f"label map {path}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"label map {path}: it cannot be read ({first_line(error)})") from None
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        raise InputError(f"label map {path}: it is neither JSON nor YAML ({first_line(error)})") from None
    if not isinstance(found, dict) or not found:
        raise InputError(f"label map {path}: expected lines such as 'MISSING: ComponentMissing'")
    problems = [told for label, category in found.items() if (told := _objection(label, category))]
    if problems:
        raise InputError("\n  ".join([f"label map {path}:", *first_few(problems)]))
    return LabelMap(str(path), found)


def _objection(label: object, category: object) -> str:
    if not isinstance(label, str):
        return f"{label!r}: a label is a text; put it into quotes"
    if label == PASS:
        return f"{PASS}: good parts have no category of defects; remove this line"
    if category in CATEGORIES:
        return ""
    names = {one.lower(): one for one in CATEGORIES}
    near = [names[one] for one in get_close_matches(str(category).lower(), names, 3, 0.5)]
    meant = f"; did you mean {' or '.join(near)}?" if near else f"; CFX suggests {', '.join(CATEGORIES)}"
    return f"{label}: {category!r} is no category of CFX{meant}"
