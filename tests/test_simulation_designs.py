"""Layouts against rectangles worked out by hand: nothing overlaps, all is on the board, panels repeat."""

from collections import Counter
from itertools import combinations

import pytest

from goldenpair.simulation.designs import Design, design
from goldenpair.simulation.packages import PACKAGES
from goldenpair.simulation.parts import Place
from goldenpair.simulation.scene import Window


def rectangle(place: Place) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a courtyard on the board."""
    width, height = place.package.courtyard
    if place.turns in (1, 3):
        width, height = height, width
    return place.x - width / 2, place.y - height / 2, place.x + width / 2, place.y + height / 2


def overlap(one: Place, other: Place) -> bool:
    a, b = rectangle(one), rectangle(other)
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@pytest.fixture(scope="module", params=[(0, 3, 1), (0, 20, 1), (1, 40, 2), (2, 150, 3), (3, 604, 4)])
def made(request) -> Design:
    return design(*request.param)


def test_courtyards_do_not_overlap(made):
    assert not [(a.refdes, b.refdes) for a, b in combinations(made.places, 2) if overlap(a, b)]


def test_every_part_is_on_its_board(made):
    for place in made.places:
        left, top, right, bottom = rectangle(place)
        assert left >= 1 and top >= 1 and right <= made.width - 1 and bottom <= made.height - 1


def test_names_are_unique_and_letters_are_the_packages(made):
    names = [made.name(place) for place in range(len(made.places))]
    assert len(set(names)) == len(names)
    assert all(name.startswith(place.package.prefix) for name, place in zip(names, made.places, strict=True))


def test_overlaps_would_be_seen():
    package = PACKAGES["R0603"]
    long, short = package.courtyard
    at = [Place("R1", package, 10, 10, 0, ()), Place("R2", package, 10 + long - 0.01, 10, 0, ())]
    assert overlap(*at)
    assert not overlap(at[0], Place("R2", package, 10 + long, 10, 0, ()))
    assert overlap(at[0], Place("R2", package, 10, 10 + (long + short) / 2 - 0.01, 1, ()))


def test_the_same_seed_makes_the_same_design_and_another_another():
    assert design(0, 30, 7) == design(0, 30, 7)
    assert [(p.x, p.y) for p in design(0, 30, 7).places] != [(p.x, p.y) for p in design(0, 30, 8).places]


def test_designs_differ_in_mix_size_colour_and_name():
    made = [design(number, 60, 1) for number in range(4)]
    assert len({one.project for one in made}) == len({one.mask for one in made}) == 4
    assert len({(one.width, one.height) for one in made}) == 4
    assert len({frozenset(Counter(place.package.name for place in one.places).items()) for one in made}) == 4


def test_small_designs_have_a_mix_and_large_ones_all_there_is():
    assert {place.package.component_type for place in design(0, 8, 1234).places} >= {"resistor", "capacitor", "ic"}
    found = {place.package.name for number in range(3) for place in design(number, 604, 1).places}
    assert found == set(PACKAGES)


def test_a_panel_is_the_same_board_twice():
    panel = design(1, 40, 5)
    first, second = panel.places[:20], panel.places[20:]
    assert panel.panels == (1,) * 20 + (2,) * 20
    assert [(p.refdes, p.package, p.y, p.turns) for p in first] == [(p.refdes, p.package, p.y, p.turns) for p in second]
    steps = {round(b.x - a.x, 6) for a, b in zip(first, second, strict=True)}
    assert len(steps) == 1 and steps.pop() > panel.width / 2 - 2


@pytest.mark.parametrize(("number", "parts"), [(0, 40), (2, 40), (1, 41), (1, 4)])
def test_others_are_single_boards(number, parts):
    assert set(design(number, parts, 5).panels) == {1}


def test_marks_are_what_such_parts_carry():
    for place in design(0, 604, 1).places:
        if place.package.component_type == "resistor" and place.package.name != "R0402":
            (mark,) = place.marking
            assert len(mark) == 3 and mark.isdigit()
        if place.package.component_type in ("capacitor", "led", "connector"):
            assert place.marking == ()


def test_what_is_near_a_window_is_found_and_what_is_far_is_not():
    made = design(0, 604, 1)
    window = Window(made.width / 2, made.height / 2, 20, 10)
    left, right, top, bottom = window.x - 13, window.x + 13, window.y - 8, window.y + 8
    places, traces, vias = made.near(window, 3)
    inside = [i for i, place in enumerate(made.places) if left < place.x < right and top < place.y < bottom]
    assert inside and set(inside) <= set(places) and len(places) < 3 * len(inside)
    for trace in made.traces:
        if any(left < x < right and top < y < bottom for x, y in trace.points):
            assert trace in traces
    assert {via for via in made.vias if left < via.x < right and top < via.y < bottom} <= set(vias)
    assert 0 < len(traces) < len(made.traces) / 2 and 0 < len(vias) < len(made.vias) / 2
