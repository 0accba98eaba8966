import pytest
from pydantic import ValidationError

from goldenpair.errors import SpecError
from goldenpair.specs.load import load_section
from goldenpair.specs.simulate import LIGHTS, SimulateSpec, held_out


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("boards", 2, "greater than or equal to 3"),
        ("designs", 0, "greater than or equal to 1"),
        ("designs", 25, "25 designs need as many boards at least, and boards is 24"),
        ("parts_per_board", 2, "greater than or equal to 3"),
        ("size", 23, "greater than or equal to 24"),
        ("defect_rate", 0.95, "less than or equal to 0.9"),
        ("defect_rate", -0.1, "greater than or equal to 0"),
        ("min_severity", 1.1, "less than or equal to 1"),
        ("validation_share", 0, "greater than 0"),
        ("test_share", 1, "less than 1"),
        ("test_share", 0.9, "0.9 and validation_share 0.15 leave none of 24 boards to train with"),
        ("seed", -1, "greater than or equal to 0"),
        ("workers", 0, "greater than or equal to 1"),
        ("workers", True, "true and false are not numbers"),
        ("lights", [], "name at least one"),
        ("lights", 0, "0 lights; there are 1 to 4"),
        ("lights", 5, "5 lights; there are 1 to 4"),
        ("lights", ["WhiteLight", "WhiteLight"], "WhiteLight named more than once"),
        ("lights", ["Moonlight"], "LowAngleLight"),
        ("kinds", [], "name at least one"),
        ("kinds", "MISSING,MISSING", "MISSING named more than once"),
        ("kinds", "MISSING,GONE", "'SHIFTED'"),
        ("segment", "Moonlight", "LowAngleLight"),
        ("image_ext", ".bmp", "'.jpg' or '.png'"),
        ("light", ["WhiteLight"], "not permitted"),
    ],
)
def test_wrong_options_are_refused(option, value, message):
    with pytest.raises(ValidationError, match=message):
        SimulateSpec(**{option: value})


def test_segment_is_one_of_the_lights():
    assert SimulateSpec(lights=2, segment="SolderLight").segment == "SolderLight"
    with pytest.raises(ValidationError, match="WhiteLight is none of the lights LowAngleLight, SolderLight"):
        SimulateSpec(lights=2, segment="WhiteLight")


def test_all_mistakes_are_told_at_once_and_named():
    with pytest.raises(SpecError) as refused:
        load_section(SimulateSpec, ["boards=2", "lights=7", "size=x", "segment=Sun"])
    told = "\n".join(refused.value.problems)
    assert all(f"{name}: " in told for name in ("boards", "lights", "size", "segment"))


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_number_of_lights_takes_the_first(count):
    assert SimulateSpec(lights=count).lights == list(LIGHTS[:count])


def test_kinds_are_names_with_commas_and_all_by_default():
    assert SimulateSpec(kinds="MISSING, CRACK").kinds == ["MISSING", "CRACK"]
    assert len(SimulateSpec().kinds) == 16


def test_the_order_of_the_lights_is_that_of_taos_files():
    assert LIGHTS == ("LowAngleLight", "SolderLight", "UniformLight", "WhiteLight")


@pytest.mark.parametrize(
    ("boards", "shares", "counts"),
    [(3, (0.15, 0.25), (1, 1)), (24, (0.15, 0.25), (4, 6)), (105, (0.05, 1 / 3), (5, 35)), (8, (0.15, 0.25), (1, 2))],
)
def test_boards_held_out(boards, shares, counts):
    assert held_out(boards, *shares) == counts
