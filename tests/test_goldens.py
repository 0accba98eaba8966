import numpy as np
import pytest

from goldenpair.data.goldens import evenly


@pytest.mark.parametrize(("count", "wanted"), [(0, 5), (1, 5), (5, 5), (5, 9), (7, 1), (100, 7), (20_001, 20_000)])
def test_places_are_spread_evenly_and_each_is_there_once(count, wanted):
    places = evenly(count, wanted).tolist()
    assert len(set(places)) == len(places) == min(count, wanted)
    assert places == sorted(places) and set(places) <= set(range(count))
    if len(places) > 1:
        gaps = np.diff(places)
        assert places[0] == 0 and places[-1] == count - 1 and gaps.max() - gaps.min() <= 1
