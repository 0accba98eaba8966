import random

import numpy as np
import pytest

from goldenpair.data.goldens import drawn_choice, evenly, fixed_choice, golden_folder, listed

LIGHTS = ("_Solder.png", "_White.png")


@pytest.mark.parametrize("seed", range(3))
def test_goldens_are_those_with_every_light_in_the_order_of_their_names(seed):
    whole = ["b_Solder.png", "b_White.png", "R 1_Solder.png", "R 1_White.png", "a_Solder_Solder.png"]
    whole += ["a_Solder_White.png"]
    strays = ["c_Solder.png", "overview.png", "_Solder.png", "_White.png", "d_solder.png", "d_White.png"]
    others = ["e_Solder.jpg", "e_White.jpg", ".f_Solder.png", ".f_White.png", "table.csv"]
    leaves = [*whole, *strays, *others]
    random.Random(seed).shuffle(leaves)  # as file systems list them
    found = golden_folder(leaves, LIGHTS, ".png")
    assert found.names == ["R 1", "a_Solder", "b"]
    assert found.strays == sorted(strays)


def test_without_lights_every_picture_is_a_golden():
    found = golden_folder(["b.jpg", "a_White.jpg", "c.JPG", ".jpg", "x.jpg.part"], (".jpg",), ".jpg")
    assert (found.names, found.strays) == (["a_White", "b"], [])


def test_a_light_may_end_as_another_does():
    leaves = ["a_Low.png", "a_Very_Low.png", "b_Very_Low.png"]
    found = golden_folder(leaves, ("_Low.png", "_Very_Low.png"), ".png")
    assert (found.names, found.strays) == (["a"], ["b_Very_Low.png"])


def test_what_is_no_folder_has_no_files(tmp_path):
    (tmp_path / "one").write_text("")
    assert listed(str(tmp_path)) == ["one"]
    assert listed(str(tmp_path / "none")) == listed(str(tmp_path / "one")) == listed("\0") == []


POOL = np.arange(14).reshape(7, 2)


@pytest.mark.parametrize(("count", "wanted", "places"), [(7, 3, [0, 3, 6]), (3, 3, [0, 1, 2]), (2, 5, [0, 1, 0, 1, 0])])
def test_the_fixed_choice_is_spread_evenly_or_repeated(count, wanted, places):
    assert fixed_choice(POOL[:count], wanted).tolist() == POOL[places].tolist()


def test_a_draw_is_of_its_seed_alone_and_repeats_none_before_all_have_come():
    seen = set()
    for row in range(200):
        drawn = drawn_choice(POOL, 3, [5, 1, row])
        assert drawn.tolist() == drawn_choice(POOL, 3, [5, 1, row]).tolist()
        places = (drawn[:, 0] // 2).tolist()
        assert len(set(places)) == 3
        seen.update(places)
    assert seen == set(range(7))
    few = (drawn_choice(POOL[:3], 7, [0])[:, 0] // 2).tolist()
    assert sorted(few[:3]) == sorted(few[3:6]) == [0, 1, 2]


@pytest.mark.parametrize(("count", "wanted"), [(0, 5), (1, 5), (5, 5), (5, 9), (7, 1), (100, 7), (20_001, 20_000)])
def test_places_are_spread_evenly_and_each_is_there_once(count, wanted):
    places = evenly(count, wanted).tolist()
    assert len(set(places)) == len(places) == min(count, wanted)
    assert places == sorted(places) and set(places) <= set(range(count))
    if len(places) > 1:
        gaps = np.diff(places)
        assert places[0] == 0 and places[-1] == count - 1 and gaps.max() - gaps.min() <= 1
