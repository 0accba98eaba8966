"""Where a network sees that a part differs from its golden, by swapping pixels of the two; any network, any lights."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Heatmap:
    """Where a part differs, and for which light: `heat` is float32 [L, h, w], 0 or more.

    1.0 is what the hottest places of good parts reach (`fit_scale`), so that a good part stays below it. L is 1 where
    a part has one picture; `lights` are their names, () then.
    """

    heat: NDArray[np.float32]
    lights: tuple[str, ...] = ()

    @property
    def combined(self) -> NDArray[np.float32]:
        """The hottest of all lights, float32 [h, w]."""
        found: NDArray[np.float32] = self.heat.max(axis=0)
        return found

    @property
    def peak(self) -> float:
        """How hot the hottest place is."""
        return float(self.heat.max())

    @property
    def light(self) -> str:
        """The light that saw most: that of the hottest place; "" where there is one picture."""
        return self.lights[int(self.heat.max(axis=(1, 2)).argmax())] if self.lights else ""
