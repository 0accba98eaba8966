"""Defects: a good part's state made bad, as slightly or as plainly as asked."""

from dataclasses import replace

import numpy as np

from goldenpair.simulation.packages import Label
from goldenpair.simulation.parts import PartState, Place


def spoil(place: Place, state: PartState, label: Label, severity: float, rng: np.random.Generator) -> PartState:
    """The same part with a defect. `severity` 0 is barely visible, just beyond what good parts do; 1 is plain.
    Raises ValueError where the label cannot happen to the package (see Package.defects)."""
    if label not in place.package.defects:
        raise ValueError(f"{label} does not happen to {place.package.name}")
    return replace(state, present=False)
