"""One board: what its parts have in common, what differs, and that defects stay where they belong."""

import numpy as np
import pytest

from goldenpair.simulation import building
from goldenpair.simulation.building import Built, build, crop, golden_board, whole_board
from goldenpair.simulation.parts import golden_state
from goldenpair.simulation.plan import plan
from goldenpair.specs.simulate import LIGHTS, SimulateSpec

SPEC = SimulateSpec(boards=4, designs=2, parts_per_board=24, size=32, defect_rate=0.3, seed=5)
LINE = plan(SPEC)
BOARD = LINE.boards[0]


@pytest.fixture(scope="module")
def built() -> Built:
    return build(BOARD, SPEC.seed)


def test_a_golden_board_is_as_drawn():
    golden = golden_board(BOARD.design)
    assert golden.number == 0 and not golden.bad
    assert golden.good == tuple(golden_state(place) for place in BOARD.design.places)


def test_parts_of_a_package_come_from_one_reel_of_the_board(built):
    reels = {}
    for place, state in zip(BOARD.design.places, built.good, strict=True):
        reels.setdefault(place.package.name, set()).add(state.lot)
    assert all(len(found) == 1 for found in reels.values())
    other = build(LINE.boards[1], SPEC.seed)
    assert LINE.boards[1].design is BOARD.design
    assert other.lot != built.lot and other.camera != built.camera
    assert [state.lot for state in other.good] != [state.lot for state in built.good]


def test_bad_parts_are_those_of_the_plan(built):
    assert set(built.bad) == set(BOARD.defects)
    assert all(built.bad[place] != built.good[place] for place in built.bad)


def test_a_board_has_the_colour_of_its_design():
    green, blue = (build(next(b for b in LINE.boards if b.design is one), 5).lot.mask for one in LINE.designs)
    assert green[1] > green[2] and blue[2] > blue[1]


def test_a_good_part_has_no_mask(built):
    place = next(place for place in range(24) if place not in built.bad)
    seen = crop(built, place, LIGHTS, 32, SPEC.seed)
    assert seen.pictures.shape == (4, 32, 32, 3) and seen.pictures.dtype == np.uint8
    assert seen.mask is None and seen.box is None


def test_a_bad_part_has_a_mask_in_its_box(built):
    for place in built.bad:
        seen = crop(built, place, LIGHTS, 32, SPEC.seed)
        x0, y0, x1, y1 = seen.box
        assert seen.mask[y0:y1, x0:x1].any()
        assert seen.mask.sum() == seen.mask[y0:y1, x0:x1].sum() > 0


def test_a_crop_is_the_same_whatever_befalls_its_neighbours(built):
    """Each defect has one label, that of its part."""
    good = Built(built.design, built.number, built.lot, built.camera, built.good, {})
    for place in (place for place in range(24) if place not in built.bad):
        seen, wanted = (crop(one, place, LIGHTS[:1], 24, SPEC.seed).pictures for one in (built, good))
        assert np.array_equal(seen, wanted)


def test_a_whole_board_shows_all_its_defects(built):
    good = Built(built.design, built.number, built.lot, built.camera, built.good, {})
    seen, wanted = (whole_board(one, ["UniformLight"], SPEC.seed)[0].astype(int) for one in (built, good))
    width, height = built.design.width + 2, built.design.height + 2
    assert seen.shape[1] / seen.shape[0] == pytest.approx(width / height, rel=0.02)
    per_mm = seen.shape[1] / width
    for place, defect in BOARD.defects.items():
        if defect.label == "MISSING":
            part = built.design.places[place]
            row, column = round((part.y + 1) * per_mm), round((part.x + 1) * per_mm)
            changed = np.abs(seen - wanted)[row - 2 : row + 3, column - 2 : column + 3]
            assert changed.max() > 10
    assert any(defect.label == "MISSING" for defect in BOARD.defects.values())


def test_a_use_of_random_numbers_always_takes_as_many_numbers(monkeypatch):
    """NumPy takes missing ones for zeros: with fewer, a whole board's noise was that of its first place."""
    asked, draws = set(), building.draws

    def listen(seed, stream, *numbers):
        asked.add((stream, len(numbers)))
        return draws(seed, stream, *numbers)

    monkeypatch.setattr(building, "draws", listen)
    built = build(BOARD, SPEC.seed)
    crop(built, 0, LIGHTS[:1], 24, SPEC.seed)
    whole_board(built, LIGHTS[:1], SPEC.seed)
    assert len(asked) == len({stream for stream, _ in asked}) >= 6, asked
